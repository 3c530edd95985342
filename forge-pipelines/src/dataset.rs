//! Windows of a part as a dataset for the learner. Batches are cut from the columns as they are asked for: windows are
//! never laid out side by side.

use crate::value::WindowData;
use forge_core::data::{Batch, Dataset};
use forge_core::history::Part;
use forge_core::{Device, Error, Result, Tensor};
use std::sync::Arc;

/// The windows of one part, in transformed space: x `[batch, lookback, features]`, y `[batch, horizon · targets]`,
/// with a mask of the shape of y where a target is missing.
#[derive(Clone, Debug)]
pub struct WindowDataset {
    data: Arc<WindowData>,
    part: Part,
}

impl WindowDataset {
    /// The windows of `part`.
    pub fn new(data: Arc<WindowData>, part: Part) -> Self {
        WindowDataset { data, part }
    }
}

impl Dataset for WindowDataset {
    fn len(&self) -> usize {
        self.data.windows.len(self.part)
    }

    fn batch(&self, indices: &[usize], device: &Device) -> Result<Batch> {
        let windows = &self.data.windows;
        let (lookback, features) = (windows.params.lookback, windows.features());
        let outputs = windows.params.horizon * windows.targets();
        let mut x = vec![0.0; indices.len() * lookback * features];
        let mut y = vec![0.0; indices.len() * outputs];
        let fault = |e: crate::DataError| Error::other(e.to_string());
        windows.fill_batch(self.part, indices, &mut x, &mut y).map_err(fault)?;
        let mut mask = vec![0.0; y.len()];
        let missing = windows.fill_mask(self.part, indices, &mut mask).map_err(fault)?;
        y.iter_mut().zip(&mask).for_each(|(y, mask)| *y *= mask);
        let shape = [indices.len(), outputs];
        Ok(Batch {
            x: Tensor::from_vec(x, &[indices.len(), lookback, features], device)?,
            y: Tensor::from_vec(y, &shape, device)?,
            mask: if missing { Some(Tensor::from_vec(mask, &shape, device)?) } else { None },
        })
    }
}
