//! Batches of samples.

use crate::{Device, Error, Result, Tensor};

/// Inputs and targets of one step.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Model input, samples along the first dimension.
    pub x: Tensor,
    /// Target, samples along the first dimension.
    pub y: Tensor,
}

/// Samples that can be gathered by number.
pub trait Dataset: Send + Sync {
    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples of these numbers, in this order.
    fn batch(&self, indices: &[usize], device: &Device) -> Result<Batch>;
}

/// A dataset that lies in two tensors, samples along their first dimensions.
#[derive(Clone, Debug)]
pub struct TensorDataset {
    x: Tensor,
    y: Tensor,
}

impl TensorDataset {
    /// # Errors
    /// When the numbers of samples differ.
    pub fn new(x: Tensor, y: Tensor) -> Result<Self> {
        if x.rank() == 0 || y.rank() == 0 || x.shape()[0] != y.shape()[0] {
            return Err(Error::shape(
                "dataset",
                format!("inputs {:?} and targets {:?} differ in the number of samples", x.shape(), y.shape()),
            ));
        }
        Ok(TensorDataset { x, y })
    }
}

impl Dataset for TensorDataset {
    fn len(&self) -> usize {
        self.x.shape()[0]
    }

    fn batch(&self, indices: &[usize], device: &Device) -> Result<Batch> {
        let rows: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
        let gather = |t: &Tensor| {
            let index = Tensor::from_vec(rows.clone(), &[rows.len()], t.device())?;
            t.index_select(&index)?.to_device(device)
        };
        Ok(Batch { x: gather(&self.x)?, y: gather(&self.y)? })
    }
}
