//! `linear`: a matrix product with bias and activation as one node of the tape.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{Binary, Gemm, Keep, Unary, UnaryKind, reference};
use crate::layout::Dims;
use crate::profile::{self, Call, bilinear, count};
use crate::{Error, Result, Tensor};

struct LinearBackward {
    /// `[rows, in features]`
    x: Tensor,
    weight: Tensor,
    activation: Option<Unary>,
    /// The result, where the activation's derivative is computed from it.
    result: Option<Tensor>,
    /// Shape of the operand.
    shape: Dims,
}

impl Backward for LinearBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let mut g = incoming.one()?;
        if let Some(op) = self.activation {
            let (device, kept) = (g.device().clone(), self.result.as_ref().unwrap_or(&g));
            g = Tensor::build(&device, g.dtype(), *g.dims(), |out| {
                device.unary_grad(op, kept.arg(), g.arg(), out)
            })?;
        }
        let g = g.reshape(&[self.x.shape()[0], self.weight.shape()[0]])?;
        if outgoing.wants(0) {
            outgoing.send(0, g.matmul(&self.weight)?.reshape(&self.shape)?)?;
        }
        if outgoing.wants(1) {
            outgoing.send(1, g.transpose()?.matmul(&self.x)?)?;
        }
        if outgoing.wants(2) {
            outgoing.send(2, g.sum(&[0], false)?)?;
        }
        Ok(())
    }
}

impl Tensor {
    /// act(x Wᵀ + b): `[…, in features] → […, out features]`, with a weight `[out features, in features]` and a bias
    /// `[out features]`.
    ///
    /// The activation must be one whose derivative its result gives, such as relu, tanh and sigmoid: of others apply
    /// [`Tensor::unary`] to the result.
    ///
    /// ```
    /// use forge_core::{backend::{Unary, UnaryKind}, Tensor};
    /// let x = Tensor::new(&[1.0f32, 2.0], &[1, 2])?;
    /// let (w, b) = (Tensor::new(&[1.0f32, 1.0, -1.0, 0.0], &[2, 2])?, Tensor::new(&[0.5f32, 0.5], &[2])?);
    /// let y = x.linear(&w, &b, Some(Unary::new(UnaryKind::Relu)))?;
    /// assert_eq!(y.to_vec::<f32>()?, [3.5, 0.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes do not fit, or types or devices differ, or the activation is of another kind.
    pub fn linear(&self, weight: &Tensor, bias: &Tensor, activation: Option<Unary>) -> Result<Tensor> {
        let _operation = profile::operation("linear", activation.map(|a| a.kind.name()));
        [weight, bias].iter().try_for_each(|t| self.check_alike("linear", t))?;
        let features = self.shape().last().copied();
        let &[outputs, inputs] = weight.shape() else {
            return Err(Error::shape(
                "linear",
                format!("weight is {:?}, not [out features, in features]", weight.shape()),
            ));
        };
        if features != Some(inputs) {
            return Err(Error::shape(
                "linear",
                format!("x of {:?} for a weight of {:?}: in features differ", self.shape(), weight.shape()),
            ));
        }
        if bias.shape() != [outputs] {
            return Err(Error::shape("linear", format!("bias is {:?}, not [{outputs}]", bias.shape())));
        }
        if activation.is_some_and(|a| a.kind.keep() == Keep::Input) {
            return Err(Error::argument(
                "linear",
                "the derivative of this activation is computed from its operand; apply it to the result",
            ));
        }
        let mut shape = *self.dims();
        let rows: usize = shape[..shape.len() - 1].iter().product();
        shape.as_mut()[self.rank() - 1] = outputs;
        let x = self.detach().reshape(&[rows, inputs])?;
        let turned = weight.detach().transpose()?;
        let device = self.device().clone();
        let bias_arg = bias.detach();
        let out = Tensor::build(&device, self.dtype(), shape, |out| {
            let gemm = Gemm {
                a: x.arg(),
                b: turned.arg(),
                alpha: 1.0,
                beta: 0.0,
                bias: Some(bias_arg.arg()),
                activation,
            };
            device.gemm(gemm, out)
        })?;
        let [out] = record("linear", &[self, weight, bias], [out.clone()], |_| {
            let result = activation.map(|_| out);
            LinearBackward { x, weight: weight.detach(), activation, result, shape: *self.dims() }
        })?;
        Ok(out)
    }
}

/// Two for each weight and row.
pub fn flops(call: &Call) -> [f64; 2] {
    let inputs = call.operand(1).last().map_or(0.0, |&n| n as f64);
    bilinear(call, 2.0 * count(call.result(0)) * inputs)
}

pub const OPERATION: Operation = Operation { name: "linear", formula: "act(x Wᵀ + b)", samples, errors };

fn samples() -> Vec<Sample> {
    let relu = Some(Unary::new(UnaryKind::Relu));
    let tanh = Some(Unary::new(UnaryKind::Tanh));
    let cases: [(&[usize], usize, Option<Unary>); 6] = [
        (&[1, 1], 1, None),
        (&[3, 4], 5, None),
        (&[2, 3, 7], 2, tanh),
        (&[9, 33], 20, None),
        (&[0, 4], 3, tanh),
        (&[4], 3, relu),
    ];
    cases
        .into_iter()
        .map(|(shape, outputs, activation)| {
            let inputs = shape[shape.len() - 1];
            // A relu's operands are kept on one side of its kink.
            let domain = if activation == relu { (0.1, 1.0) } else { (-1.0, 1.0) };
            sample!(
                format!("{shape:?} to {outputs}, {activation:?}"),
                vec![
                    Input::within(shape, domain),
                    Input::within(&[outputs, inputs], domain),
                    Input::within(&[outputs], domain),
                ],
                |x| x[0].linear(&x[1], &x[2], activation)?,
                |r| {
                    let rows = r[0].shape.iter().product::<usize>() / inputs;
                    let flat = reference::reshape(&r[0], &[rows, inputs]);
                    let product = reference::matmul(&flat, &reference::permute(&r[1], &[1, 0]));
                    let sum = reference::binary(Binary::Add, &product, &r[2]);
                    let mut shape = r[0].shape.clone();
                    shape[r[0].shape.len() - 1] = outputs;
                    let sum = reference::reshape(&sum, &shape);
                    match activation {
                        Some(op) => reference::unary(op, &sum),
                        None => sum,
                    }
                }
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, crate::DType::F32, &crate::Device::cpu());
    vec![
        ErrorSample::new("linear: x of [32, 10] for a weight of [64, 12]: in features differ", move || {
            zeros(&[32, 10])?.linear(&zeros(&[64, 12])?, &zeros(&[64])?, None)
        }),
        ErrorSample::new("linear: bias is [3], not [64]", move || {
            zeros(&[32, 12])?.linear(&zeros(&[64, 12])?, &zeros(&[3])?, None)
        }),
        ErrorSample::new(
            "linear: the derivative of this activation is computed from its operand; apply it to the result",
            move || {
                let square = Some(Unary::new(UnaryKind::Square));
                zeros(&[2, 2])?.linear(&zeros(&[2, 2])?, &zeros(&[2])?, square)
            },
        ),
    ]
}
