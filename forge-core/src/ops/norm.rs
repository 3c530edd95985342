//! `batch_norm`, `layer_norm` and `group_norm`: elements set to mean 0 and variance 1, then scaled and shifted, as one
//! node of the tape.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference::{self, Array};
use crate::backend::{NormArgs, NormKind, NormOut, Saved, Scalar};
use crate::{Error, Result, Tensor, profile};

struct NormBackward {
    args: NormArgs,
    saved: Saved,
}

impl Backward for NormBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let grad = incoming.one()?;
        // Operands that are there come one after the other.
        let with_weight = self.args.weight.is_some();
        let place = [
            Some(0),
            with_weight.then_some(1),
            self.args.bias.as_ref().map(|_| 1 + usize::from(with_weight)),
        ];
        let needs = place.map(|p| p.is_some_and(|i| outgoing.wants(i)));
        let device = grad.device().clone();
        let grads = device.norm().norm_backward(&self.args, self.saved, grad, &needs)?;
        for (grad, place) in grads.into_iter().zip(place) {
            if let (Some(grad), Some(i)) = (grad, place) {
                outgoing.send(i, grad)?;
            }
        }
        Ok(())
    }
}

/// The weight and the bias of a normalisation, each or none.
type Affine<'a> = [Option<&'a Tensor>; 2];

fn normalise(
    op: &'static str,
    x: &Tensor,
    [weight, bias]: Affine,
    kind: NormKind,
    eps: f64,
    given: Option<[&Tensor; 2]>,
) -> Result<NormOut> {
    let (shape, rank) = (x.shape(), x.rank());
    let affine: &[usize] = match kind {
        NormKind::Batch | NormKind::Group { .. } if rank < 2 => {
            return Err(Error::shape(op, format!("x is {shape:?}, not [batch, channels, …]")));
        }
        NormKind::Layer { dims } if dims == 0 || dims > rank => {
            return Err(Error::argument(
                op,
                format!("the last {dims} dimensions of {shape:?} cannot be normalised"),
            ));
        }
        NormKind::Group { groups } if groups == 0 || shape[1] % groups != 0 => {
            return Err(Error::argument(op, format!("{groups} groups do not divide {} channels", shape[1])));
        }
        NormKind::Layer { dims } => &shape[rank - dims..],
        NormKind::Batch | NormKind::Group { .. } => &shape[1..2],
    };
    let parts = [("weight", weight, affine), ("bias", bias, affine)];
    let statistics = given.map_or([None; 2], |g| g.map(Some));
    let parts =
        parts.into_iter().chain([("mean", statistics[0], affine), ("variance", statistics[1], affine)]);
    let _operation = profile::operation(op, None);
    x.check_alike(op, x)?;
    for (name, tensor, wanted) in parts {
        let Some(tensor) = tensor else { continue };
        x.check_alike(op, tensor)?;
        if tensor.shape() != wanted {
            return Err(Error::shape(
                op,
                format!("{name} is {:?}, not {wanted:?}, for {shape:?}", tensor.shape()),
            ));
        }
    }
    if !(eps.is_finite() && eps >= 0.0) {
        return Err(Error::argument(op, format!("eps {eps} is not a number from 0")));
    }
    let args = NormArgs {
        x: x.detach(),
        weight: weight.map(Tensor::detach),
        bias: bias.map(Tensor::detach),
        kind,
        eps,
        given: given.map(|g| g.map(Tensor::detach)),
    };
    // Those that are there, in a list that needs no memory of its own.
    let (mut operands, mut count) = ([x; 3], 1);
    for part in [weight, bias].into_iter().flatten() {
        operands[count] = part;
        count += 1;
    }
    let operands = &operands[..count];
    let keep = operands.iter().any(|t| t.is_tracked());
    let (out, saved) = x.device().norm().norm(&args, keep)?;
    let Some(saved) = saved else {
        profile::done(op, operands, std::slice::from_ref(&out.y));
        return Ok(out);
    };
    let [y] = record(op, operands, [out.y], |_| NormBackward { args, saved })?;
    Ok(NormOut { y, ..out })
}

impl Tensor {
    /// Each channel of `[batch, channels, …]` normalised by its mean and biased variance over the batch and the other
    /// dimensions, times a weight, plus a bias, both `[channels]`. The result carries the statistics. As PyTorch's
    /// `batch_norm` in training. Ioffe and Szegedy, ICML 2015.
    ///
    /// y = (x - mean) / √(variance + eps) · weight + bias, of the shape of x.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f64, 10.0, 3.0, 30.0], &[2, 2])?;
    /// let out = x.batch_norm(None, Some(&Tensor::new(&[0.0f64, 5.0], &[2])?), 0.0)?;
    /// assert_eq!(out.y.to_vec::<f64>()?, [-1.0, 4.0, 1.0, 6.0]);
    /// assert_eq!((out.mean.to_vec::<f64>()?, out.variance.to_vec::<f64>()?), (vec![2.0, 20.0], vec![1.0, 100.0]));
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When shapes do not fit, or a channel has fewer than two elements, which have no variance.
    pub fn batch_norm(&self, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> Result<NormOut> {
        let op = "batch_norm";
        let per_channel = self.count().checked_div(self.shape().get(1).copied().unwrap_or(1));
        if per_channel.is_some_and(|n| n < 2) {
            return Err(Error::shape(
                op,
                format!(
                    "{:?} has fewer than two elements a channel, so no variance; use larger batches",
                    self.shape()
                ),
            ));
        }
        normalise(op, self, [weight, bias], NormKind::Batch, eps, None)
    }

    /// Each channel of `[batch, channels, …]` normalised by a mean and a variance of `[channels]` that are given, as
    /// constants: what [`batch_norm`](Tensor::batch_norm) is in inference.
    ///
    /// y = (x - mean) / √(variance + eps) · weight + bias, of the shape of x.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[7.0f64, 11.0], &[1, 2])?;
    /// let (mean, variance) = (Tensor::new(&[3.0f64, 5.0], &[2])?, Tensor::new(&[4.0f64, 9.0], &[2])?);
    /// assert_eq!(x.batch_norm_by([&mean, &variance], None, None, 0.0)?.to_vec::<f64>()?, [2.0, 2.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn batch_norm_by(
        &self,
        [mean, variance]: [&Tensor; 2],
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        let given = Some([mean, variance]);
        Ok(normalise("batch_norm_by", self, [weight, bias], NormKind::Batch, eps, given)?.y)
    }

    /// The last `dims` dimensions normalised by their mean and biased variance, times a weight, plus a bias, both of the
    /// shape of those dimensions. As PyTorch's `layer_norm`. Ba, Kiros and Hinton, 2016.
    ///
    /// y = (x - mean) / √(variance + eps) · weight + bias, of the shape of x.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f64, 3.0, 10.0, 30.0], &[2, 2])?;
    /// assert_eq!(x.layer_norm(1, None, None, 0.0)?.to_vec::<f64>()?, [-1.0, 1.0, -1.0, 1.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn layer_norm(
        &self,
        dims: usize,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        Ok(normalise("layer_norm", self, [weight, bias], NormKind::Layer { dims }, eps, None)?.y)
    }

    /// Each of `groups` parts of the channels of `[batch, channels, …]` normalised by its mean and biased variance, times
    /// a weight, plus a bias, both `[channels]`. As PyTorch's `group_norm`. Wu and He, ECCV 2018.
    ///
    /// y = (x - mean) / √(variance + eps) · weight + bias, of the shape of x.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f64, 3.0, 10.0, 30.0], &[1, 4, 1])?;
    /// assert_eq!(x.group_norm(2, None, None, 0.0)?.to_vec::<f64>()?, [-1.0, 1.0, -1.0, 1.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When shapes do not fit, or the groups do not divide the channels.
    pub fn group_norm(
        &self,
        groups: usize,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        Ok(normalise("group_norm", self, [weight, bias], NormKind::Group { groups }, eps, None)?.y)
    }
}

/// The registry's entries.
pub fn operations() -> Vec<Operation> {
    let formula = "(x - mean) / √(variance + eps) · weight + bias";
    vec![
        Operation { name: "batch_norm", formula, samples: batch_samples, errors: batch_errors },
        Operation { name: "batch_norm_by", formula, samples: given_samples, errors: given_errors },
        Operation { name: "layer_norm", formula, samples: layer_samples, errors: layer_errors },
        Operation { name: "group_norm", formula, samples: group_samples, errors: group_errors },
    ]
}

/// A sample with weight and bias or without.
fn sample_of(kind: NormKind, x: Input, affine: &[usize], with: bool) -> Sample {
    let name = format!("{kind:?} of {:?} within {:?}, affine: {with}", x.shape, x.domain);
    let mut inputs = vec![x];
    if with {
        inputs.extend([Input::new(affine), Input::new(affine)]);
    }
    let run = move |t: &[Tensor]| match kind {
        NormKind::Batch => Ok(t[0].batch_norm(t.get(1), t.get(2), 1e-5)?.y),
        NormKind::Layer { dims } => t[0].layer_norm(dims, t.get(1), t.get(2), 1e-5),
        NormKind::Group { groups } => t[0].group_norm(groups, t.get(1), t.get(2), 1e-5),
    };
    sample!(name, inputs, |t| run(t)?, |r| {
        reference::normalise(&r[0], r.get(1), r.get(2), kind, 1e-5, |at| reference::moments(&r[0], kind, at))
    })
}

fn batch_samples() -> Vec<Sample> {
    let of = |shape: &[usize], with| sample_of(NormKind::Batch, Input::new(shape), &shape[1..2], with);
    let statistics = sample!(
        "statistics of [3, 2, 4]",
        vec![Input::new(&[3, 2, 4])],
        |t| {
            let out = t[0].batch_norm(None, None, 1e-5)?;
            Tensor::concat(&[&out.mean, &out.variance], 0)?
        },
        |r| Array::build(&[4], |at| reference::moments(&r[0], NormKind::Batch, &[0, at[0] % 2, 0])
            [at[0] / 2])
    );
    vec![
        // Two elements become -1 and 1 whatever they are, so their derivatives are but rounding.
        of(&[2, 1], false).values_only(),
        of(&[3, 1], false),
        of(&[5, 3], true),
        of(&[3, 2, 4], true),
        of(&[2, 3, 2, 3], true),
        of(&[2, 3, 2, 3], true).turned(),
        of(&[2, 3, 2, 3], false),
        of(&[1, 2, 5], true),
        // A mean that is large beside the deviation, where the mean of squares would cancel.
        sample_of(NormKind::Batch, Input::within(&[4, 2, 3], (30.0, 31.0)), &[2], true).values_only(),
        statistics.values_only(),
    ]
}

fn given_samples() -> Vec<Sample> {
    let of = |shape: &[usize], with: bool| {
        let channels = &shape[1..2];
        let mut inputs = vec![Input::new(shape)];
        if with {
            inputs.extend([Input::new(channels), Input::new(channels)]);
        }
        let statistics = |k: usize| [0.5 - k as f64, 0.25 + k as f64];
        let run = move |t: &[Tensor]| {
            let channels = t[0].shape()[1];
            let given = [0, 1].map(|m| {
                let values: Vec<f64> = (0..channels).map(|k| statistics(k)[m]).collect();
                Tensor::from_vec(values, &[channels], t[0].device())?.to_dtype(t[0].dtype())
            });
            let [mean, variance] = given;
            t[0].batch_norm_by([&mean?, &variance?], t.get(1), t.get(2), 1e-3)
        };
        sample!(format!("{shape:?}, affine: {with}"), inputs, |t| run(t)?, |r| {
            let moments = |at: &[usize]| statistics(at[1]).map(Scalar::from_f64);
            reference::normalise(&r[0], r.get(1), r.get(2), NormKind::Batch, 1e-3, moments)
        })
    };
    vec![of(&[1, 1], false), of(&[0, 2], true), of(&[2, 3, 4], true), of(&[2, 3, 2, 2], false)]
}

fn layer_samples() -> Vec<Sample> {
    let of = |shape: &[usize], dims, with| {
        let affine = &shape[shape.len() - dims..];
        sample_of(NormKind::Layer { dims }, Input::new(shape), affine, with)
    };
    let far = Input::within(&[3, 8], (30.0, 31.0));
    vec![
        of(&[4], 1, true),
        of(&[1, 1], 1, true),
        of(&[3, 5], 1, true),
        of(&[2, 3, 4], 1, false),
        of(&[2, 3, 4], 2, true),
        of(&[2, 3, 4], 1, true).turned(),
        of(&[0, 4], 1, true),
        sample_of(NormKind::Layer { dims: 1 }, far, &[8], true).values_only(),
    ]
}

fn group_samples() -> Vec<Sample> {
    let of = |shape: &[usize], groups, with| {
        sample_of(NormKind::Group { groups }, Input::new(shape), &shape[1..2], with)
    };
    vec![
        of(&[2, 4], 2, true),
        of(&[2, 6, 3], 3, true),
        of(&[2, 6, 3], 2, true).turned(),
        of(&[2, 4, 2, 3], 1, true),
        of(&[2, 3, 2, 2], 3, false),
        of(&[0, 4, 2], 2, true),
    ]
}

fn zeros(shape: &[usize]) -> Result<Tensor> {
    Tensor::zeros(shape, crate::DType::F32, &crate::Device::cpu())
}

fn batch_errors() -> Vec<ErrorSample> {
    let norm = |x: &'static [usize], weight: &'static [usize]| {
        move || Ok(zeros(x)?.batch_norm(Some(&zeros(weight)?), None, 1e-5)?.y)
    };
    vec![
        ErrorSample::new(
            "batch_norm: [1, 3] has fewer than two elements a channel, so no variance; use larger batches",
            norm(&[1, 3], &[3]),
        ),
        ErrorSample::new("batch_norm: x is [5], not [batch, channels, …]", norm(&[5], &[5])),
        ErrorSample::new("batch_norm: weight is [4], not [3], for [2, 3, 4]", norm(&[2, 3, 4], &[4])),
    ]
}

fn given_errors() -> Vec<ErrorSample> {
    vec![ErrorSample::new("batch_norm_by: variance is [2], not [3], for [2, 3]", || {
        zeros(&[2, 3])?.batch_norm_by([&zeros(&[3])?, &zeros(&[2])?], None, None, 1e-5)
    })]
}

fn layer_errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("layer_norm: the last 3 dimensions of [2, 3] cannot be normalised", || {
            zeros(&[2, 3])?.layer_norm(3, None, None, 1e-5)
        }),
        ErrorSample::new("layer_norm: eps -1 is not a number from 0", || {
            zeros(&[2, 3])?.layer_norm(1, None, None, -1.0)
        }),
    ]
}

fn group_errors() -> Vec<ErrorSample> {
    vec![ErrorSample::new("group_norm: 2 groups do not divide 3 channels", || {
        zeros(&[2, 3])?.group_norm(2, None, None, 1e-5)
    })]
}
