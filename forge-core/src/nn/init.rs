use super::Initial;
use crate::rng::Stream;
use crate::{DType, Device, Error, Host, Param, Result, Tensor};

/// Where first weights come from: a seed and the path of the layer that asks.
///
/// Values are drawn on the host, so a model starts from the same weights on every device.
///
/// ```
/// use forge_core::{nn::{Init, Initial}, Cx, DType, Device};
/// let init = Init::new(7).on(&Device::cpu()).dtype(DType::F64).within("head");
/// let weight = init.draw("weight", &[2, 3], &Initial::Ones)?;
/// assert_eq!(weight.snapshot().to_vec::<f64>()?, [1.0; 6]);
/// let bias = || init.uniform("bias", &[2], 0.5)?.snapshot().to_vec::<f64>();
/// assert!(bias()?.iter().all(|b| b.abs() <= 0.5) && bias()? == bias()?); // seed, path and name decide
/// assert!(init.buffer(1.0, &[2])?.is_buffer());
/// assert_eq!(init.counter()?.snapshot().to_vec::<i64>()?, [0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Init {
    seed: u64,
    path: String,
    dtype: DType,
    device: Device,
    measuring: bool,
}

/// Most numbers of a parameter. Up to here counts and byte sizes of a whole model stay far from overflowing.
const MOST: usize = 1 << 53;

impl Init {
    /// Weights in f32 on the CPU.
    pub fn new(seed: u64) -> Self {
        Init { seed, path: String::new(), dtype: DType::F32, device: Device::cpu(), measuring: false }
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

    /// The same, for a model that is only measured: each parameter has its shape, and one number of memory that stands
    /// for all of its own. Such a model can be counted and described, whatever its size; its weights mean nothing.
    ///
    /// ```
    /// use forge_core::{nn::{Init, Linear}, Parameters};
    /// let layer = Linear::new(&Init::new(0).measuring(), 1_000_000, 1_000_000)?;
    /// assert_eq!(layer.parameter_count(), 1_000_001_000_000);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    pub fn measuring(mut self) -> Self {
        self.measuring = true;
        self
    }

    /// The same for the layer `name` within this one.
    pub fn within(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Init { path, ..self.clone() }
    }

    /// A parameter whose elements are drawn by a rule.
    ///
    /// # Errors
    /// As [`Initial::draw`], or when the shape holds more numbers than any memory does.
    pub fn draw(&self, name: &str, shape: &[usize], rule: &Initial) -> Result<Param> {
        let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
        if count.is_none_or(|count| count > MOST) {
            return Err(Error::other(format!("`{name}`: {shape:?} holds more numbers than any memory does")));
        }
        if self.measuring {
            return Ok(Param::new(Tensor::full(0.0, &[], self.dtype, &self.device)?.expand(shape)?));
        }
        let stream = Stream::new(self.seed, &format!("init:{}.{name}", self.path));
        let host = Tensor::from_host(Host::F64(rule.draw(shape, &stream)?), shape, &Device::cpu())?;
        Ok(Param::new(host.to_dtype(self.dtype)?.to_device(&self.device)?))
    }

    /// A parameter with elements uniform in `[-bound, bound)`.
    ///
    /// # Errors
    /// As [`Init::draw`].
    pub fn uniform(&self, name: &str, shape: &[usize], bound: f64) -> Result<Param> {
        self.draw(name, shape, &Initial::Uniform { low: -bound, high: bound })
    }

    /// A buffer of equal elements.
    ///
    /// # Errors
    /// When the device does not hold the element type, or has no room.
    pub fn buffer(&self, value: f64, shape: &[usize]) -> Result<Param> {
        Ok(Param::buffer(Tensor::full(value, shape, self.dtype, &self.device)?))
    }

    /// A buffer that counts, from 0.
    ///
    /// # Errors
    /// When the device does not hold integers.
    pub fn counter(&self) -> Result<Param> {
        Ok(Param::buffer(Tensor::from_vec(vec![0i64], &[], &self.device)?))
    }
}
