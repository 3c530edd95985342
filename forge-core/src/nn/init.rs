use crate::rng::Stream;
use crate::{DType, Device, Host, Param, Result, Tensor};

/// Where first weights come from: a seed and the path of the layer that asks.
///
/// Values are drawn on the host, so a model starts from the same weights on every device.
#[derive(Clone, Debug)]
pub struct Init {
    seed: u64,
    path: String,
    dtype: DType,
    device: Device,
}

impl Init {
    /// Weights in f32 on the CPU.
    pub fn new(seed: u64) -> Self {
        Init { seed, path: String::new(), dtype: DType::F32, device: Device::cpu() }
    }

    /// The same on another device.
    pub fn on(mut self, device: &Device) -> Self {
        self.device = device.clone();
        self
    }

    /// The same in another element type.
    pub fn dtype(mut self, dtype: DType) -> Self {
        self.dtype = dtype;
        self
    }

    /// The same for the layer `name` within this one.
    pub fn within(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Init { path, ..self.clone() }
    }

    /// A parameter with elements uniform in `[-bound, bound)`.
    pub fn uniform(&self, name: &str, shape: &[usize], bound: f64) -> Result<Param> {
        self.drawn(name, shape, |stream, i| bound * (2.0 * stream.uniform(i) - 1.0))
    }

    /// A parameter with elements of a normal distribution around 0.
    pub fn normal(&self, name: &str, shape: &[usize], deviation: f64) -> Result<Param> {
        self.drawn(name, shape, |stream, i| deviation * stream.normal(i))
    }

    /// A parameter of equal elements.
    pub fn constant(&self, shape: &[usize], value: f64) -> Result<Param> {
        Ok(Param::new(Tensor::full(value, shape, self.dtype, &self.device)?))
    }

    fn drawn(&self, name: &str, shape: &[usize], element: impl Fn(&Stream, usize) -> f64) -> Result<Param> {
        let stream = Stream::new(self.seed, &format!("init:{}.{name}", self.path));
        let values = (0..shape.iter().product()).map(|i| element(&stream, i)).collect();
        let host = Tensor::from_host(Host::F64(values), shape, &Device::cpu())?;
        Ok(Param::new(host.to_dtype(self.dtype)?.to_device(&self.device)?))
    }
}
