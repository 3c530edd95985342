//! `nll`: the negative log-likelihood of classes.

use super::cross_entropy::{ClassLoss, check_weight, classes, in_rows};
use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::backend::reference;
use crate::{DType, Device, Error, Host, Result, Tensor};

impl Tensor {
    /// The weighted mean of `-self[target]` over all elements that are not absent, where `self` holds log-probabilities
    /// `[batch, classes, …]` and `target` i64 classes `[batch, …]`: one number, Σᵢ w_yᵢ (-x_iyᵢ) / Σᵢ w_yᵢ.
    ///
    /// For logits, [`Tensor::cross_entropy`] is quicker and stable.
    ///
    /// ```
    /// use forge_core::{ops::ClassLoss, Tensor};
    /// let log_p = Tensor::new(&[0.25f64.ln(), 0.75f64.ln()], &[1, 2])?;
    /// let loss = log_p.nll(&Tensor::new(&[1i64], &[1])?, &ClassLoss::default())?;
    /// assert_eq!(loss.item()?, -0.75f64.ln());
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes do not fit, a class does not exist, no element counts, or smoothing is asked for.
    pub fn nll(&self, target: &Tensor, how: &ClassLoss) -> Result<Tensor> {
        if how.smoothing != 0.0 {
            return Err(Error::argument(
                "nll",
                format!("smoothing {} is not defined here; use cross_entropy", how.smoothing),
            ));
        }
        let rows = in_rows("nll", self)?;
        check_weight("nll", &rows, how.weight.as_ref())?;
        let index: Vec<i64> = classes("nll", self, target)?.to_vec()?;
        let count = rows.shape()[1];
        let weight = how.weight.as_ref().map_or_else(|| Ok(vec![1.0; count]), Tensor::to_f64_vec)?;
        let (mut at, mut weights) = (Vec::new(), Vec::new());
        for (row, &class) in index.iter().enumerate().filter(|&(_, &class)| Some(class) != how.ignore) {
            let Some(class) = usize::try_from(class).ok().filter(|&c| c < count) else {
                let range = format!("the {count} classes (0 to {})", count - 1);
                return Err(Error::argument("nll", format!("class {class} of row {row} is outside {range}")));
            };
            at.push((row * count + class) as i64);
            weights.push(weight[class]);
        }
        let total: f64 = weights.iter().sum();
        if total == 0.0 {
            let why = format!("none of the {} rows counts, so there is no mean", index.len());
            return Err(Error::argument("nll", why));
        }
        let shape = [at.len()];
        let at = Tensor::from_vec(at, &shape, self.device())?;
        let weights = Tensor::from_host(Host::F64(weights), &shape, &Device::cpu())?;
        let weights = weights.to_dtype(self.dtype())?.to_device(self.device())?;
        let picked = rows.reshape(&[rows.count()])?.index_select(0, &at)?;
        (&picked * &weights)?.sum_all()?.mul_scalar(-1.0 / total)
    }
}

pub const OPERATION: Operation =
    Operation { name: "nll", formula: "Σ w (-x[class]) / Σ w over rows", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], &[i64], &[f64]); 3] = [
        (&[1, 1], &[0], &[1.0]),
        (&[3, 4], &[1, 0, 3], &[1.0; 4]),
        (&[4, 3], &[1, -7, 2, 1], &[0.5, 2.0, 1.25]),
    ];
    cases
        .into_iter()
        .map(|(shape, target, weight)| {
            let truth = || target.iter().map(|&c| usize::try_from(c).ok()).collect::<Vec<_>>();
            sample!(
                format!("{shape:?}, classes {target:?}, weights {weight:?}"),
                vec![Input::within(shape, (-4.0, -0.1))],
                |x| {
                    let weight = Some(Tensor::new(weight, &[weight.len()])?.to_dtype(x[0].dtype())?);
                    let how = ClassLoss { weight, smoothing: 0.0, ignore: Some(-7) };
                    x[0].nll(&Tensor::new(target, &[target.len()])?, &how)?
                },
                |r| reference::nll(&r[0], &truth(), weight)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    let call = |target: i64, how: ClassLoss| {
        move || Tensor::zeros(&[1, 3], DType::F32, &Device::cpu())?.nll(&Tensor::new(&[target], &[1])?, &how)
    };
    let ignore = ClassLoss { ignore: Some(0), ..ClassLoss::default() };
    let smoothing = ClassLoss { smoothing: 0.1, ..ClassLoss::default() };
    vec![
        ErrorSample::new(
            "nll: class -1 of row 0 is outside the 3 classes (0 to 2)",
            call(-1, ClassLoss::default()),
        ),
        ErrorSample::new(
            "nll: class 3 of row 0 is outside the 3 classes (0 to 2)",
            call(3, ClassLoss::default()),
        ),
        ErrorSample::new("nll: none of the 1 rows counts, so there is no mean", call(0, ignore)),
        ErrorSample::new("nll: smoothing 0.1 is not defined here; use cross_entropy", call(0, smoothing)),
    ]
}
