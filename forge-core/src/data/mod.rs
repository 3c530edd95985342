//! Batches of samples.

mod loader;
mod prefetch;

pub use loader::{Batches, Loader};

use crate::{Device, Error, Result, Tensor};

/// Inputs and targets of one step.
///
/// ```
/// use forge_core::{data::Batch, Tensor};
/// let (x, y) = (Tensor::new(&[0.0f32, 0.0], &[2, 1])?, Tensor::new(&[1.0f32, 0.0], &[2, 1])?);
/// let all = Batch::new(x.clone(), y.clone());
/// let some = Batch { mask: Some(Tensor::new(&[1.0f32, 0.0], &[2, 1])?), ..Batch::new(x, y) }; // the second is unknown
/// let prediction = Tensor::new(&[3.0f32, 9.0], &[2, 1])?;
/// assert_eq!(all.loss(&prediction, |p, y| p.mse(y))?.item()?, (4.0 + 81.0) / 2.0);
/// assert_eq!(some.loss(&prediction, |p, y| p.mse(y))?.item()?, 4.0);
/// assert_eq!((all.weight()?, some.weight()?), (2.0, 1.0));
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    /// Model input, samples along the first dimension.
    pub x: Tensor,
    /// Target, samples along the first dimension; 0 where it is missing.
    pub y: Tensor,
    /// 1 where a target is known and 0 where it is missing, of the shape of `y`; `None` where all are known.
    pub mask: Option<Tensor>,
}

impl Batch {
    /// A batch whose targets are all known.
    pub fn new(x: Tensor, y: Tensor) -> Self {
        Batch { x, y, mask: None }
    }

    /// The loss over the known targets: missing ones are taken for forecast exactly, which leaves no gradient, and the
    /// mean is put right for their number. For losses that are a mean of terms that are 0 where forecast and target
    /// agree. Without any known target it is 0. A model may give several numbers for each target, such as quantiles,
    /// which then stand together: outputs `[batch, targets · n]` for targets `[batch, targets]`.
    ///
    /// # Errors
    /// When the loss fails, or outputs and missing targets differ in shape.
    pub fn loss(
        &self,
        prediction: &Tensor,
        loss: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let Some(mask) = &self.mask else { return loss(prediction, &self.y) };
        let mask = several(mask, prediction)?;
        if prediction.shape() != mask.shape() {
            return Err(Error::shape(
                "loss",
                format!("outputs {:?} for partly missing targets {:?}", prediction.shape(), mask.shape()),
            ));
        }
        let known = mask.sum_all()?.item()?;
        let all = mask.shape().iter().product::<usize>() as f64;
        loss(&(prediction * &mask)?, &self.y)?.mul_scalar(all / known.max(1.0))
    }

    /// What the batch counts in a mean over samples: their number, less the share of targets that is missing.
    ///
    /// # Errors
    /// When the mask cannot be summed.
    pub fn weight(&self) -> Result<f64> {
        let samples = self.y.shape().first().copied().unwrap_or(1) as f64;
        let Some(mask) = &self.mask else { return Ok(samples) };
        let all = mask.shape().iter().product::<usize>().max(1) as f64;
        Ok(samples * mask.sum_all()?.item()? / all)
    }
}

/// A mask with each element as often as the prediction has numbers for its target; the mask itself where that is once,
/// or where the shapes do not fit.
fn several(mask: &Tensor, prediction: &Tensor) -> Result<Tensor> {
    let (&[rows, targets], &[predicted, outputs]) = (mask.shape(), prediction.shape()) else {
        return Ok(mask.clone());
    };
    if rows != predicted || targets == 0 || outputs == targets || !outputs.is_multiple_of(targets) {
        return Ok(mask.clone());
    }
    let times = outputs / targets;
    mask.reshape(&[rows, targets, 1])?.expand(&[rows, targets, times])?.reshape(&[rows, outputs])
}

/// Samples that can be gathered by number, from several threads at once ([`Loader::prefetch`]).
///
/// Whatever can be gathered is one: rows of a table, windows of a series, files that are read when they are asked for.
///
/// ```
/// use forge_core::{data::{Batch, Dataset}, Device, Result, Tensor};
/// /// The squares of the first numbers.
/// struct Squares(usize);
/// impl Dataset for Squares {
///     fn len(&self) -> usize {
///         self.0
///     }
///     fn batch(&self, indices: &[usize], device: &Device) -> Result<Batch> {
///         let column = |f: fn(f32) -> f32| {
///             let values = indices.iter().map(|&i| f(i as f32)).collect();
///             Tensor::from_vec(values, &[indices.len(), 1], device)
///         };
///         Ok(Batch::new(column(|x| x)?, column(|x| x * x)?))
///     }
/// }
/// assert!(!Squares(9).is_empty());
/// assert_eq!(Squares(9).batch(&[8, 3], &Device::cpu())?.y.to_vec::<f32>()?, [64.0, 9.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
pub trait Dataset: Send + Sync {
    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples of these numbers, in this order.
    ///
    /// # Errors
    /// When a number is not below [`Dataset::len`], or a sample cannot be read.
    fn batch(&self, indices: &[usize], device: &Device) -> Result<Batch>;
}

/// A dataset that lies in two tensors, samples along their first dimensions.
///
/// ```
/// use forge_core::{data::{Dataset, TensorDataset}, Device, Tensor};
/// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], &[3, 2])?;
/// let data = TensorDataset::new(x, Tensor::new(&[0i64, 1, 2], &[3])?)?;
/// let batch = data.batch(&[2, 0], &Device::cpu())?;
/// assert_eq!(batch.x.to_vec::<f32>()?, [5.0, 6.0, 1.0, 2.0]);
/// assert_eq!(batch.y.to_vec::<i64>()?, [2, 0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TensorDataset {
    x: Tensor,
    y: Tensor,
}

impl TensorDataset {
    /// Inputs and targets of as many samples.
    ///
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
        let rows = Tensor::from_vec(rows, &[indices.len()], self.x.device())?;
        let gather = |t: &Tensor| t.index_select(0, &rows.to_device(t.device())?)?.to_device(device);
        Ok(Batch::new(gather(&self.x)?, gather(&self.y)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cx;

    /// Two numbers for each of two targets, the second of which is missing.
    #[test]
    fn several_outputs_a_target_share_its_mask() {
        let batch = Batch {
            x: Tensor::new(&[0.0f32], &[1, 1]).unwrap(),
            y: Tensor::new(&[1.0f32, 0.0], &[1, 2]).unwrap(),
            mask: Some(Tensor::new(&[1.0f32, 0.0], &[1, 2]).unwrap()),
        };
        let prediction = Tensor::new(&[0.0f32, 3.0, 50.0, 70.0], &[1, 4]).unwrap();
        let loss = batch.loss(&prediction, |p, y| p.reshape(&[1, 2, 2])?.pinball(y, &[0.1, 0.9])).unwrap();
        // 0.1 · 1 and 0.1 · 2, the mean of the known ones.
        assert!((loss.item().unwrap() - 0.15).abs() < 1e-6, "{}", loss.item().unwrap());
        let odd = Tensor::new(&[0.0f32, 3.0, 50.0], &[1, 3]).unwrap();
        assert!(batch.loss(&odd, |p, _| Ok(p.clone())).is_err());
    }

    fn batch(mask: &[f32]) -> Batch {
        let y: Vec<f32> = [1.0, 2.0, 3.0, 4.0].iter().zip(mask).map(|(y, m)| y * m).collect();
        let mask = Tensor::new(mask, &[2, 2]).unwrap();
        Batch {
            mask: Some(mask),
            ..Batch::new(Tensor::new(&[1.0f32, -1.0], &[2, 1]).unwrap(), Tensor::new(&y, &[2, 2]).unwrap())
        }
    }

    #[test]
    fn missing_targets_are_left_out_of_the_mean() {
        let prediction = Tensor::new(&[2.0f32, 99.0, 6.0, 5.0], &[2, 2]).unwrap();
        let value = |b: &Batch| b.loss(&prediction, |p, y| p.mse(y)).unwrap().item().unwrap();
        let some = batch(&[1.0, 0.0, 1.0, 1.0]);
        assert!((value(&some) - 11.0 / 3.0).abs() < 1e-6);
        assert_eq!(some.weight().unwrap(), 1.5);
        let none = batch(&[0.0; 4]);
        assert_eq!((value(&none), none.weight().unwrap()), (0.0, 0.0));
        let wide = Tensor::new(&[0f32; 6], &[2, 3]).unwrap();
        assert!(some.loss(&wide, |p, y| p.mse(y)).unwrap_err().to_string().contains("partly missing"));
    }

    #[test]
    fn a_missing_target_has_no_gradient() {
        let cx = Cx::train(1, 0);
        let output = cx.track(&Tensor::new(&[2.0f32, 99.0, 6.0, 5.0], &[2, 2]).unwrap()).unwrap();
        let loss = batch(&[1.0, 0.0, 1.0, 1.0]).loss(&output, |p, y| p.mse(y)).unwrap();
        let grads = loss.backward(cx).unwrap();
        let gradient = grads.wrt(&output).unwrap().to_vec::<f32>().unwrap();
        // 2 (ŷ - y) / 3 where there is a target.
        for (got, expected) in gradient.iter().zip([2.0 / 3.0, 0.0, 2.0, 2.0 / 3.0]) {
            assert!((got - expected).abs() < 1e-6, "{gradient:?}");
        }
    }
}
