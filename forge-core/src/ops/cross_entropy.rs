//! `cross_entropy`: of a softmax over classes, as one node of the tape.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference::{self, Truth};
use crate::backend::{CrossEntropyArgs, Saved, Targets};
use crate::{DType, Device, Error, ErrorKind, Result, Tensor, profile};

/// How much each class and each row counts in a loss over classes.
///
/// See [`Tensor::cross_entropy_with`].
#[derive(Clone, Debug, Default)]
pub struct ClassLoss {
    /// A weight for each class, `[classes]`; 1 where it is `None`.
    pub weight: Option<Tensor>,
    /// The part ε of each target that is spread evenly over all classes, in [0, 1]: Szegedy and others, *Rethinking the
    /// Inception architecture*, CVPR 2016.
    pub smoothing: f64,
    /// The class that marks an element as absent, such as -100, PyTorch's default.
    pub ignore: Option<i64>,
}

struct CrossEntropyBackward {
    args: CrossEntropyArgs,
    saved: Saved,
}

impl Backward for CrossEntropyBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let grad = incoming.one()?;
        let shares = matches!(self.args.targets, Targets::Shares(_));
        let needs = [outgoing.wants(0), shares && outgoing.wants(1)];
        let device = grad.device().clone();
        let out = device.loss().cross_entropy_backward(&self.args, self.saved, grad, &needs)?;
        for (i, grad) in out.into_iter().enumerate() {
            if let (Some(grad), true) = (grad, needs[i]) {
                outgoing.send(i, grad)?;
            }
        }
        Ok(())
    }
}

impl Tensor {
    /// The mean cross entropy over all elements, `Σ -ln softmax(self)[target] / n`: one number. The logits are
    /// `[batch, classes, …]`; the target is i64 classes `[batch, …]`, or float shares of the logits' shape.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let logits = Tensor::new(&[0.0f64, 0.0, 1e4, 0.0], &[2, 2])?;
    /// let loss = logits.cross_entropy(&Tensor::new(&[1i64, 0], &[2])?)?;
    /// assert!((loss.item()? - 0.5 * 2f64.ln()).abs() < 1e-15);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes do not fit, or a class does not exist.
    pub fn cross_entropy(&self, target: &Tensor) -> Result<Tensor> {
        self.cross_entropy_with(target, &ClassLoss::default())
    }

    /// As [`Tensor::cross_entropy`], with weights w, smoothing ε and absent elements, as PyTorch defines them.
    ///
    /// Of classes y: Σᵢ Σ_c w_c q_ic (-ln p_ic) / Σᵢ w_yᵢ over the elements i that are not absent, with q = 1 - ε + ε /
    /// classes at the class yᵢ and ε / classes elsewhere. Of shares t: q = (1 - ε) t + ε / classes, divided by the
    /// number of elements.
    ///
    /// ```
    /// use forge_core::{ops::ClassLoss, Tensor};
    /// let logits = Tensor::new(&[0.0f32; 6], &[3, 2])?;
    /// let how = ClassLoss { ignore: Some(-100), ..ClassLoss::default() };
    /// let loss = logits.cross_entropy_with(&Tensor::new(&[1i64, 0, -100], &[3])?, &how)?;
    /// assert_eq!(loss.item()?, f64::from(2f32.ln()));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes do not fit, a class does not exist, smoothing is not in [0, 1], or no element counts.
    pub fn cross_entropy_with(&self, target: &Tensor, how: &ClassLoss) -> Result<Tensor> {
        const OP: &str = "cross_entropy";
        let ClassLoss { weight, smoothing, ignore } = how;
        if !(0.0..=1.0).contains(smoothing) {
            return Err(Error::argument(OP, format!("smoothing {smoothing} is not in [0, 1]")));
        }
        let _operation = profile::operation(OP, None);
        let logits = in_rows(OP, self)?;
        check_weight(OP, &logits, weight.as_ref())?;
        let shares;
        let (targets, operands): (_, &[&Tensor]) = if target.dtype() == DType::I64 {
            let index = classes(OP, self, target)?;
            (Targets::Classes { index, ignore: *ignore }, &[&logits])
        } else {
            self.check_alike(OP, target)?;
            if target.shape() != self.shape() {
                return Err(Error::shape(
                    OP,
                    format!("shares of {:?} for logits of {:?}", target.shape(), self.shape()),
                ));
            }
            shares = in_rows(OP, target)?;
            (Targets::Shares(shares.detach()), &[&logits, &shares])
        };
        let weight = weight.as_ref().map(Tensor::detach);
        let args = CrossEntropyArgs { logits: logits.detach(), targets, weight, smoothing: *smoothing };
        let keep = operands.iter().any(|t| t.is_tracked());
        let (loss, saved) = args.logits.device().loss().cross_entropy(&args, keep)?;
        let Some(saved) = saved else {
            profile::done(OP, operands, std::slice::from_ref(&loss));
            return Ok(loss);
        };
        let [loss] = record(OP, operands, [loss], |_| CrossEntropyBackward { args, saved })?;
        Ok(loss)
    }
}

/// `[batch, classes, …]` as `[rows, classes]`.
pub(super) fn in_rows(op: &'static str, x: &Tensor) -> Result<Tensor> {
    if x.rank() < 2 || x.count() == 0 {
        return Err(Error::shape(op, format!("logits of {:?}, not [batch, classes, …]", x.shape())));
    }
    if x.rank() == 2 {
        return Ok(x.clone());
    }
    let (classes, mut order) = (x.shape()[1], *x.dims());
    order.as_mut().iter_mut().enumerate().for_each(|(i, d)| *d = i);
    order.as_mut()[1..].rotate_left(1);
    x.permute(&order)?.reshape(&[x.count() / classes, classes])
}

/// The classes of `[batch, …]`, one for each row of `in_rows(x)`.
pub(super) fn classes(op: &'static str, x: &Tensor, target: &Tensor) -> Result<Tensor> {
    if target.dtype() != DType::I64 {
        return Err(ErrorKind::DType { op, dtype: target.dtype(), hint: "classes are i64" }.into());
    }
    let mut wanted = *x.dims();
    wanted.as_mut()[1..].rotate_left(1);
    let wanted = &wanted[..x.rank() - 1];
    if target.shape() != wanted {
        return Err(Error::shape(
            op,
            format!("classes of {:?} for logits of {:?}; {wanted:?} fits", target.shape(), x.shape()),
        ));
    }
    if target.device() != x.device() {
        let (left, right) = (x.device().to_string(), target.device().to_string());
        return Err(ErrorKind::Devices { op, left, right }.into());
    }
    target.reshape(&[target.count()])
}

pub(super) fn check_weight(op: &'static str, rows: &Tensor, weight: Option<&Tensor>) -> Result<()> {
    let Some(weight) = weight else { return Ok(()) };
    rows.check_alike(op, weight)?;
    if weight.shape() != &rows.shape()[1..] {
        return Err(Error::shape(
            op,
            format!("weights of {:?} for {} classes", weight.shape(), rows.shape()[1]),
        ));
    }
    Ok(())
}

pub const OPERATION: Operation = Operation {
    name: "cross_entropy",
    formula: "Σ w q (-ln softmax x) / Σ w, q = (1 - ε) target + ε / classes",
    samples,
    errors,
};

/// A sample's classes, weights, smoothing; -7 marks an absent row.
type Case = (&'static [usize], &'static [i64], &'static [f64], f64);

fn samples() -> Vec<Sample> {
    let cases: [Case; 6] = [
        (&[1, 1], &[0], &[], 0.0),
        (&[3, 4], &[1, 0, 3], &[], 0.0),
        (&[4, 3], &[1, -7, 2, 1], &[0.5, 2.0, 1.25], 0.0),
        (&[4, 3], &[1, -7, 2, 1], &[0.5, 2.0, 1.25], 0.1),
        (&[2, 3], &[2, 0], &[], 1.0),
        (&[33, 17], &[5; 33], &[], 0.2),
    ];
    let build = move |(shape, target, weight, smoothing): Case, logits: Input| {
        let how = move |like: &Tensor| -> Result<ClassLoss> {
            let weight = (!weight.is_empty()).then(|| {
                Tensor::new(weight, &[weight.len()])?.to_dtype(like.dtype())?.to_device(like.device())
            });
            Ok(ClassLoss { weight: weight.transpose()?, smoothing, ignore: Some(-7) })
        };
        let truth: Vec<Option<usize>> = target.iter().map(|&c| usize::try_from(c).ok()).collect();
        let [truth, truth_f32, truth_dual] = [truth.clone(), truth.clone(), truth];
        let all = move || if weight.is_empty() { vec![1.0; shape[1]] } else { weight.to_vec() };
        Sample {
            name: format!("{shape:?}, classes {target:?}, weights {weight:?}, smoothing {smoothing}"),
            inputs: vec![logits],
            checks: super::Checks::All,
            run: Box::new(move |x| {
                let classes = Tensor::new(target, &[target.len()])?.to_device(x[0].device())?;
                Ok(vec![x[0].cross_entropy_with(&classes, &how(&x[0])?)?])
            }),
            values: Box::new(move |r| {
                Ok(vec![reference::cross_entropy(r, Truth::Classes(&truth), &all(), smoothing)])
            }),
            naive: Box::new(move |r| {
                Ok(vec![reference::cross_entropy(r, Truth::Classes(&truth_f32), &all(), smoothing)])
            }),
            duals: Box::new(move |r| {
                Ok(vec![reference::cross_entropy(r, Truth::Classes(&truth_dual), &all(), smoothing)])
            }),
        }
    };
    let mut all: Vec<Sample> = cases.into_iter().map(|case| build(case, Input::new(case.0))).collect();
    let far: Case = (&[3, 3], &[2, 0, 2], &[], 0.0);
    let extreme =
        [1e4, 0.0, -1e4, 3e38, -3e38, 0.0, f64::NEG_INFINITY, 0.0, 1.0].map(|v| f64::from(v as f32));
    all.push(Sample {
        name: "extreme logits".into(),
        ..build(far, Input::given(&[3, 3], &extreme)).values_only()
    });
    for smoothing in [0.0, 0.3] {
        all.push(sample!(
            format!("[3, 4] with shares, smoothing {smoothing}"),
            vec![Input::new(&[3, 4]), Input::within(&[3, 4], (0.1, 1.0))],
            |x| {
                let weight = Tensor::new(&[0.5, 1.0, 2.0, 0.25], &[4])?
                    .to_dtype(x[0].dtype())?
                    .to_device(x[0].device())?;
                x[0].cross_entropy_with(&x[1], &ClassLoss { weight: Some(weight), smoothing, ignore: None })?
            },
            |r| reference::cross_entropy(r, Truth::Shares, &[0.5, 1.0, 2.0, 0.25], smoothing)
        ));
    }
    all.push(sample!(
        "classes in dimension 1 of three",
        vec![Input::new(&[2, 3, 2])],
        |x| x[0].cross_entropy(&Tensor::new(&[0i64, 2, 1, 1], &[2, 2])?.to_device(x[0].device())?)?,
        |r| {
            let rows = reference::reshape(&reference::permute(&r[0], &[0, 2, 1]), &[4, 3]);
            let truth = [Some(0), Some(2), Some(1), Some(1)];
            reference::cross_entropy(&[rows], Truth::Classes(&truth), &[1.0; 3], 0.0)
        }
    ));
    all
}

fn errors() -> Vec<ErrorSample> {
    let logits = || Tensor::zeros(&[2, 3], DType::F32, &Device::cpu());
    let call = move |target: [i64; 2], how: ClassLoss| {
        move || logits()?.cross_entropy_with(&Tensor::new(&target, &[2])?, &how)
    };
    let ignore = ClassLoss { ignore: Some(-100), ..ClassLoss::default() };
    let smoothing = ClassLoss { smoothing: 1.5, ..ClassLoss::default() };
    vec![
        ErrorSample::new(
            "cross_entropy: class 3 of row 1 is outside the 3 classes (0 to 2)",
            call([0, 3], ClassLoss::default()),
        ),
        ErrorSample::new(
            "cross_entropy: none of the 2 rows counts, so there is no mean",
            call([-100, -100], ignore),
        ),
        ErrorSample::new("cross_entropy: smoothing 1.5 is not in [0, 1]", call([0, 0], smoothing)),
        ErrorSample::new("cross_entropy: classes of [3] for logits of [2, 3]; [2] fits", move || {
            logits()?.cross_entropy(&Tensor::new(&[0i64; 3], &[3])?)
        }),
        ErrorSample::new("cross_entropy: logits of [3], not [batch, classes, …]", || {
            Tensor::zeros(&[3], DType::F32, &Device::cpu())?.cross_entropy(&Tensor::new(&[0i64; 3], &[3])?)
        }),
        ErrorSample::new("cross_entropy: logits of [2, 0], not [batch, classes, …]", || {
            let none = Tensor::zeros(&[2, 0], DType::F32, &Device::cpu())?;
            none.cross_entropy(&Tensor::new(&[0i64; 2], &[2])?)
        }),
        ErrorSample::new("cross_entropy: shares of [2] for logits of [2, 3]", move || {
            logits()?.cross_entropy(&Tensor::new(&[0f32; 2], &[2])?)
        }),
        ErrorSample::new("cross_entropy: weights of [2] for 3 classes", move || {
            let weight = Some(Tensor::new(&[1f32; 2], &[2])?);
            let how = ClassLoss { weight, ..ClassLoss::default() };
            logits()?.cross_entropy_with(&Tensor::new(&[0i64; 2], &[2])?, &how)
        }),
    ]
}
