//! `where_`: elements of one of two tensors, as a mask says.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference;
use crate::layout::{Dims, broadcast};
use crate::{DType, ErrorKind, Result, Tensor};

/// Each operand's gradient is chosen, not multiplied, so that NaN on the other side stays there.
struct WhereBackward {
    mask: Tensor,
    shapes: [Dims; 2],
}

impl Backward for WhereBackward {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let g = incoming.one()?;
        let nothing = Tensor::scalar_like(0.0, &g)?.expanded("where_", *g.dims())?;
        for (side, shape) in self.shapes.iter().enumerate() {
            if outgoing.wants(side) {
                let pair = if side == 0 { [&g, &nothing] } else { [&nothing, &g] };
                outgoing.send(side, select(&self.mask, pair[0], pair[1])?.sum_to(shape)?)?;
            }
        }
        Ok(())
    }
}

/// All three have one shape and type.
fn select(mask: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let device = a.device();
    Tensor::build(device, a.dtype(), *a.dims(), |out| device.select(mask.arg(), a.arg(), b.arg(), out))
}

impl Tensor {
    /// Elements of `a` where this mask is not 0, else of `b`. All three broadcast together. A mask is what comparisons
    /// give, or any tensor; no gradient goes to it. What is not chosen passes neither values nor gradients on, NaN included.
    ///
    /// `y = a` where the mask is ≠ 0, else `b`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[-4.0f64, 9.0], &[2])?;
    /// let zero = Tensor::scalar_like(0.0, &x)?;
    /// assert_eq!(x.gt(&zero)?.where_(&x.sqrt()?, &zero)?.to_vec::<f64>()?, [0.0, 3.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes do not broadcast, `a` and `b` are of different types, or the devices differ.
    pub fn where_(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        if a.dtype() != b.dtype() {
            return Err(ErrorKind::DTypes { op: "where_", left: a.dtype(), right: b.dtype() }.into());
        }
        for other in [a, b] {
            if self.device() != other.device() {
                let (left, right) = (self.device().to_string(), other.device().to_string());
                return Err(ErrorKind::Devices { op: "where_", left, right }.into());
            }
        }
        let shape = broadcast("where_", a.dims(), b.dims())?;
        let shape = broadcast("where_", self.dims(), &shape)?;
        let mask = self.mask_as(a.dtype())?.expanded("where_", shape)?;
        let out = select(&mask, &a.expanded("where_", shape)?, &b.expanded("where_", shape)?)?;
        let [out] =
            record("where_", &[a, b], [out], |_| WhereBackward { mask, shapes: [*a.dims(), *b.dims()] })?;
        Ok(out)
    }

    /// The mask in the element type of what it chooses from.
    fn mask_as(&self, dtype: DType) -> Result<Tensor> {
        let mask = self.detach();
        if mask.dtype() == dtype || !mask.dtype().is_float() {
            return mask.to_dtype(dtype);
        }
        // A conversion could round what is not 0 to 0.
        mask.ne(&Tensor::scalar_like(0.0, &mask)?)?.to_dtype(dtype)
    }

    /// `value` where `mask` is not 0, else this, which the mask broadcasts to.
    ///
    /// The shape stays: `y = value` where the mask is ≠ 0, else x.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let scores = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
    /// let hidden = Tensor::new(&[0i64, 1], &[2])?; // the second column, in both rows
    /// let y = scores.masked_fill(&hidden, f64::NEG_INFINITY)?;
    /// assert_eq!(y.softmax(1)?.to_vec::<f32>()?, [1.0, 0.0, 1.0, 0.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the mask does not broadcast to this shape, or the devices differ.
    pub fn masked_fill(&self, mask: &Tensor, value: f64) -> Result<Tensor> {
        let mask = mask.detach().view(mask.layout().expand("masked_fill", *self.dims())?);
        mask.where_(&Tensor::scalar_like(value, self)?, self)
    }
}

pub fn operations() -> [Operation; 2] {
    [
        Operation { name: "where_", formula: "a where the mask is not 0, else b", samples, errors },
        Operation {
            name: "masked_fill",
            formula: "p where the mask is not 0, else x",
            samples: filled,
            errors: fill_errors,
        },
    ]
}

/// Every third element of a mask is 1, and one is neither 0 nor 1.
fn pattern(shape: &[usize]) -> Vec<f64> {
    (0..shape.iter().product()).map(|i| [0.0, 1.0, 0.0, 0.0, -2.5, 0.0][i % 6]).collect()
}

/// The same mask for the oracle.
fn chosen(shape: &[usize]) -> reference::Array<f64> {
    reference::Array { shape: shape.to_vec(), data: pattern(shape) }
}

fn samples() -> Vec<Sample> {
    let cases: [[&[usize]; 3]; 6] = [
        [&[], &[], &[]],
        [&[7], &[7], &[7]],
        [&[4, 3], &[3], &[4, 1]],
        [&[4, 1], &[4, 3], &[]],
        [&[3], &[2, 1], &[2, 3]],
        [&[0, 3], &[1, 3], &[0, 1]],
    ];
    let mut all = Vec::new();
    for [mask, a, b] in cases {
        all.push(sample!(
            format!("mask {mask:?}, {a:?} and {b:?}"),
            vec![Input::new(a), Input::new(b)],
            |x| Tensor::new(&pattern(mask), mask)?.where_(&x[0], &x[1])?,
            |r| reference::where_(&chosen(mask), &r[0], &r[1])
        ));
        all.push(
            sample!(
                format!("mask {mask:?} as an operand, {a:?} and {b:?}"),
                vec![Input::given(mask, &pattern(mask)), Input::new(a), Input::new(b)],
                |x| x[0].where_(&x[1], &x[2])?,
                |r| reference::where_(&r[0].values(), &r[1], &r[2])
            )
            .values_only(),
        );
    }
    let of = |mask: [f64; 3]| reference::Array { shape: vec![3], data: mask.to_vec() };
    all.push(sample!(
        "a mask in f64 of which f32 would make 0",
        vec![Input::new(&[3]), Input::new(&[3])],
        |x| Tensor::new(&[0.0, 1e-300, -0.0], &[3])?.where_(&x[0], &x[1])?,
        |r| reference::where_(&of([0.0, 1.0, 0.0]), &r[0], &r[1])
    ));
    all.push(sample!(
        "a mask of integers",
        vec![Input::new(&[3]), Input::new(&[3])],
        |x| Tensor::new(&[-3i64, 0, 1 << 40], &[3])?.where_(&x[0], &x[1])?,
        |r| reference::where_(&of([1.0, 0.0, 1.0]), &r[0], &r[1])
    ));
    let strange = [f64::NAN, f64::INFINITY, 1.0];
    all.push(
        sample!(
            "what is not chosen is NaN",
            vec![Input::given(&[3], &[1.0, f64::NAN, 0.0]), Input::given(&[3], &strange), Input::new(&[3])],
            |x| x[0].where_(&x[1], &x[2])?,
            |r| reference::where_(&r[0].values(), &r[1], &r[2])
        )
        .values_only(),
    );
    all
}

fn filled() -> Vec<Sample> {
    let cases: [(&[usize], &[usize], f64); 4] = [
        (&[7], &[7], -50.0),
        (&[4, 3], &[3], 0.5),
        (&[2, 4, 3], &[4, 1], f64::NEG_INFINITY),
        (&[0], &[0], 1.0),
    ];
    cases
        .into_iter()
        .map(|(shape, mask, value)| {
            let sample = sample!(
                format!("{shape:?}, mask {mask:?}, {value}"),
                vec![Input::new(shape)],
                |x| x[0].masked_fill(&Tensor::new(&pattern(mask), mask)?, value)?,
                |r| reference::where_(&chosen(mask), &reference::number(value), &r[0])
            );
            if value.is_finite() { sample } else { sample.values_only() }
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("where_: [2] and [3] do not broadcast together", || {
            let x = Tensor::new(&[0f32; 3], &[3])?;
            Tensor::new(&[0f32; 2], &[2])?.where_(&x, &x)
        }),
        ErrorSample::new("where_: f32 and f64 do not mix; convert one of them with `.to_dtype(...)`", || {
            let mask = Tensor::new(&[1f32], &[1])?;
            mask.where_(&mask, &Tensor::new(&[1f64], &[1])?)
        }),
    ]
}

fn fill_errors() -> Vec<ErrorSample> {
    vec![ErrorSample::new("masked_fill: [2, 3] does not broadcast to [3]", || {
        Tensor::new(&[0f32; 3], &[3])?.masked_fill(&Tensor::new(&[0f32; 6], &[2, 3])?, 0.0)
    })]
}
