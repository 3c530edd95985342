use crate::nn::{Dropout, Module};
use crate::{Cx, Device, Error, Host, Result, Tensor, parameters};

/// Sines and cosines of the time step, added to its features: column 2i holds sin(t / 10000^(2i / dim)), column 2i + 1
/// the cosine.
///
/// `[batch, time, dim]` → the same. Vaswani and others, NeurIPS 2017, section 3.5.
///
/// ```
/// use forge_core::{nn::{Module, PositionalEncoding}, Cx, DType, Device, Tensor};
/// let layer = PositionalEncoding::new(4, 100, 0.0)?;
/// let x = Tensor::zeros(&[1, 2, 4], DType::F64, &Device::cpu())?;
/// let y = layer.forward(&Cx::infer(), &x)?.to_vec::<f64>()?;
/// assert_eq!(y[..4], [0.0, 1.0, 0.0, 1.0]);
/// assert_eq!(y[4..], [1f64.sin(), 1f64.cos(), 0.01f64.sin(), 0.01f64.cos()]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Debug)]
pub struct PositionalEncoding {
    /// `[longest, dim]`, in f64.
    table: Tensor,
    dropout: Dropout,
}

parameters!(PositionalEncoding {});

impl PositionalEncoding {
    /// For sequences of up to `longest` steps of `dim` features, with dropout on the sum.
    ///
    /// # Errors
    /// When the dropout rate is not in [0, 1).
    pub fn new(dim: usize, longest: usize, dropout: f64) -> Result<Self> {
        let value = |t: usize, j: usize| {
            let angle = t as f64 / 1e4f64.powf((j - j % 2) as f64 / dim as f64);
            if j.is_multiple_of(2) { angle.sin() } else { angle.cos() }
        };
        let values = (0..longest).flat_map(|t| (0..dim).map(move |j| value(t, j))).collect();
        let table = Tensor::from_host(Host::F64(values), &[longest, dim], &Device::cpu())?;
        Ok(PositionalEncoding { table, dropout: Dropout::new(dropout)? })
    }
}

impl Module for PositionalEncoding {
    /// `[batch, time, dim]` to the same shape.
    fn forward(&self, cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let &[longest, dim] = self.table.shape() else {
            return Err(Error::shape("positional_encoding", "the table has no rows"));
        };
        match *x.shape() {
            [_, time, width] if width == dim && time <= longest => {
                let rows = self.table.narrow(0, 0, time)?.to_dtype(x.dtype())?.to_device(x.device())?;
                self.dropout.forward(cx, &(x + &rows)?)
            }
            _ => Err(Error::shape(
                "positional_encoding",
                format!("{:?} is not [batch, up to {longest} steps, {dim}]", x.shape()),
            )),
        }
    }

    fn describe(&self) -> String {
        format!("positions({})", self.table.shape()[1])
    }
}
