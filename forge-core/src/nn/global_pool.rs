use super::Module;
use crate::{Cx, Error, Result, Tensor, parameters};

/// One number a channel, of all that the channel holds. Lin, Chen and Yan, *Network in network*, ICLR 2014.
///
/// `[batch, channels, …]` → `[batch, channels]`.
///
/// ```
/// use forge_core::{nn::{GlobalPool, Module}, Cx, Tensor};
/// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 6.0], &[1, 1, 2, 2])?;
/// assert_eq!(GlobalPool::Average.forward(&Cx::infer(), &x)?.to_vec::<f32>()?, [3.0]);
/// assert_eq!(GlobalPool::Max.forward(&Cx::infer(), &x)?.to_vec::<f32>()?, [6.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalPool {
    /// The mean.
    Average,
    /// The largest element.
    Max,
}

parameters!(GlobalPool {});

impl Module for GlobalPool {
    /// `[batch, channels, …] → [batch, channels]`
    fn forward(&self, _cx: &Cx, x: &Tensor) -> Result<Tensor> {
        let &[batch, channels, ref rest @ ..] = x.shape() else {
            return Err(Error::shape(
                "global_pool",
                format!("x is {:?}, not [batch, channels, …]", x.shape()),
            ));
        };
        let row = x.reshape(&[batch, channels, rest.iter().product()])?;
        let pooled = match self {
            GlobalPool::Average => row.adaptive_avg_pool1d(1)?,
            GlobalPool::Max => row.adaptive_max_pool1d(1)?,
        };
        pooled.reshape(&[batch, channels])
    }

    fn describe(&self) -> String {
        match self {
            GlobalPool::Average => "global_avg_pool".into(),
            GlobalPool::Max => "global_max_pool".into(),
        }
    }
}
