//! `max` and `min` along a dimension with positions, `argmax`, `argmin`, and the extremes of all elements.

use super::gather::GatherBackward;
use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::record;
use crate::backend::{Extreme, reference};
use crate::{DType, Error, Result, Tensor};

impl Tensor {
    /// The largest elements along `axis`, and their positions in it (i64). The dimension is removed, or kept with size 1 if
    /// `keep`. Of equal elements the first counts, for the gradient too; NaN is larger than all.
    ///
    /// Along dimension 1 `[a, b, c]` → `[a, c]`, or `[a, 1, c]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 7.0, 7.0, 5.0, 2.0, 3.0], &[2, 3])?;
    /// let (values, positions) = x.max(1, false)?;
    /// assert_eq!(values.to_vec::<f32>()?, [7.0, 5.0]);
    /// assert_eq!(positions.to_vec::<i64>()?, [1, 0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the dimension does not exist or is empty.
    pub fn max(&self, axis: usize, keep: bool) -> Result<(Tensor, Tensor)> {
        self.extreme("max", Extreme::Max, axis, keep)
    }

    /// As [`Tensor::max`], of the smallest elements; NaN is smaller than all.
    ///
    /// Along dimension 1 `[a, b, c]` → `[a, c]`, or `[a, 1, c]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 7.0, 2.0, 3.0], &[2, 2])?;
    /// let (values, rows) = x.min(0, true)?;
    /// assert_eq!((values.shape(), values.to_vec::<f32>()?), (&[1, 2][..], vec![1.0, 3.0]));
    /// assert_eq!(rows.to_vec::<i64>()?, [0, 1]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the dimension does not exist or is empty.
    pub fn min(&self, axis: usize, keep: bool) -> Result<(Tensor, Tensor)> {
        self.extreme("min", Extreme::Min, axis, keep)
    }

    /// The largest of all elements, NaN if one is. The gradient goes to the first of equals (PyTorch shares it out here).
    ///
    /// Any shape → `[]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// assert_eq!(Tensor::new(&[1.0f32, 7.0, -9.0], &[3, 1])?.max_all()?.item()?, 7.0);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no element.
    pub fn max_all(&self) -> Result<Tensor> {
        Ok(self.reshape(&[self.count()])?.extreme("max", Extreme::Max, 0, false)?.0)
    }

    /// The smallest of all elements, NaN if one is. The gradient goes to the first of equals (PyTorch shares it out here).
    ///
    /// Any shape → `[]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// assert_eq!(Tensor::new(&[1.0f32, 7.0, -9.0], &[3, 1])?.min_all()?.item()?, -9.0);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no element.
    pub fn min_all(&self) -> Result<Tensor> {
        Ok(self.reshape(&[self.count()])?.extreme("min", Extreme::Min, 0, false)?.0)
    }

    /// The positions (i64) of the largest elements along `axis`, as in [`Tensor::max`].
    ///
    /// Along dimension 1 `[a, b, c]` → `[a, c]`, or `[a, 1, c]`. No tape records it.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let scores = Tensor::new(&[0.1f32, 0.7, 0.2, 0.5, 0.1, 0.5], &[2, 3])?;
    /// assert_eq!(scores.argmax(1, false)?.to_vec::<i64>()?, [1, 0]); // of equals the first
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the dimension does not exist or is empty.
    pub fn argmax(&self, axis: usize, keep: bool) -> Result<Tensor> {
        self.positions("argmax", Extreme::Max, axis)?.reshape(&self.without_axis(axis, keep))
    }

    /// The positions (i64) of the smallest elements along `axis`, as in [`Tensor::min`].
    ///
    /// Along dimension 1 `[a, b, c]` → `[a, c]`, or `[a, 1, c]`. No tape records it.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let scores = Tensor::new(&[0.1f32, 0.7, 0.2, 0.5, 0.1, 0.5], &[2, 3])?;
    /// assert_eq!(scores.argmin(0, false)?.to_vec::<i64>()?, [0, 1, 0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the dimension does not exist or is empty.
    pub fn argmin(&self, axis: usize, keep: bool) -> Result<Tensor> {
        self.positions("argmin", Extreme::Min, axis)?.reshape(&self.without_axis(axis, keep))
    }

    fn extreme(&self, op: &'static str, of: Extreme, axis: usize, keep: bool) -> Result<(Tensor, Tensor)> {
        let index = self.positions(op, of, axis)?;
        let values = self.gathered(op, axis, &index)?;
        let kept = index.clone();
        let [values] =
            record(op, &[self], [values], |_| GatherBackward { op, axis, index: kept, shape: *self.dims() })?;
        let shape = self.without_axis(axis, keep);
        Ok((values.reshape(&shape)?, index.reshape(&shape)?))
    }

    /// The positions with the dimension kept as size 1.
    fn positions(&self, op: &'static str, of: Extreme, axis: usize) -> Result<Tensor> {
        let turned = self.with_last(op, axis)?;
        let (rest, kept) = self.shapes_without(op, &[axis])?;
        if self.shape()[axis] == 0 {
            return Err(Error::shape(op, format!("there is no element along {axis} of {:?}", self.shape())));
        }
        let device = self.device();
        let out = Tensor::build(device, DType::I64, rest, |out| device.position(of, turned.arg(), out))?;
        out.reshape(&kept)
    }

    fn without_axis(&self, axis: usize, keep: bool) -> Vec<usize> {
        let mut shape = self.shape().to_vec();
        if keep {
            shape[axis] = 1;
        } else {
            shape.remove(axis);
        }
        shape
    }
}

pub fn operations() -> [Operation; 4] {
    [
        Operation {
            name: "max",
            formula: "largest x along a dimension, the first of equals, NaN before all",
            samples: || values(true),
            errors: || errors("max"),
        },
        Operation {
            name: "min",
            formula: "smallest x along a dimension, the first of equals, NaN before all",
            samples: || values(false),
            errors: || errors("min"),
        },
        Operation {
            name: "argmax",
            formula: "position of the largest x along a dimension",
            samples: || places(true),
            errors: || errors("argmax"),
        },
        Operation {
            name: "argmin",
            formula: "position of the smallest x along a dimension",
            samples: || places(false),
            errors: || errors("argmin"),
        },
    ]
}

/// Values that no small step brings into another order.
fn apart(shape: &[usize]) -> Input {
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|i| (37 * i % 61) as f64 / 16.0 - 1.75).collect();
    Input::given(shape, &values)
}

fn inputs() -> Vec<(Input, usize, bool, bool)> {
    let smooth: [(&[usize], usize, bool); 6] = [
        (&[1], 0, false),
        (&[9], 0, true),
        (&[3, 4, 5], 0, false),
        (&[3, 4, 5], 1, true),
        (&[3, 4, 5], 2, false),
        (&[0, 4], 1, false),
    ];
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let given: [&[f64]; 5] =
        [&[2.0, 3.0, 3.0], &[-inf, -inf], &[1.0, inf, nan, 5.0, nan], &[nan, 1.0], &[0.0, -0.0, 0.0]];
    let mut all: Vec<_> = smooth.map(|(shape, axis, keep)| (apart(shape), axis, keep, true)).into();
    all.extend(given.map(|values| (Input::given(&[values.len()], values), 0, false, false)));
    all
}

fn name(input: &Input, axis: usize) -> String {
    let first = input.given.as_deref().unwrap_or_default().iter().take(5).collect::<Vec<_>>();
    format!("{:?} along {axis}, {first:?}", input.shape)
}

fn values(largest: bool) -> Vec<Sample> {
    let mut all = Vec::new();
    for (input, axis, keep, smooth) in inputs() {
        let name = name(&input, axis);
        let run = move |x: &Tensor| if largest { x.max(axis, keep) } else { x.min(axis, keep) };
        let sample = sample!(name, vec![input], |x| run(&x[0])?.0, |r| {
            reference::extreme(&r[0], axis, largest, keep).0
        });
        all.push(if smooth { sample } else { sample.values_only() });
    }
    all.push(sample!(
        "of all",
        vec![apart(&[3, 4])],
        |x| if largest { x[0].max_all()? } else { x[0].min_all()? },
        |r| reference::extreme(&reference::reshape(&r[0], &[12]), 0, largest, false).0
    ));
    all
}

fn places(largest: bool) -> Vec<Sample> {
    let one = |(input, axis, keep, _): (Input, usize, bool, bool)| {
        let name = name(&input, axis);
        let run = move |x: &Tensor| if largest { x.argmax(axis, keep) } else { x.argmin(axis, keep) };
        sample!(name, vec![input], |x| run(&x[0])?.to_dtype(x[0].dtype())?, |r| {
            reference::extreme(&r[0], axis, largest, keep).1
        })
        .values_only()
    };
    inputs().into_iter().map(one).collect()
}

fn errors(op: &'static str) -> Vec<ErrorSample> {
    let run = move |shape: &'static [usize], axis: usize| {
        let x = Tensor::zeros(shape, DType::F32, &crate::Device::cpu())?;
        match op {
            "max" => Ok(x.max(axis, false)?.0),
            "min" => Ok(x.min(axis, false)?.0),
            "argmax" => x.argmax(axis, false),
            _ => x.argmin(axis, false),
        }
    };
    let [empty, missing] = match op {
        "max" => ["max: there is no element along 1 of [2, 0]", "max: dimension 1 of [2], which has 1"],
        "min" => ["min: there is no element along 1 of [2, 0]", "min: dimension 1 of [2], which has 1"],
        "argmax" => {
            ["argmax: there is no element along 1 of [2, 0]", "argmax: dimension 1 of [2], which has 1"]
        }
        _ => ["argmin: there is no element along 1 of [2, 0]", "argmin: dimension 1 of [2], which has 1"],
    };
    vec![ErrorSample::new(empty, move || run(&[2, 0], 1)), ErrorSample::new(missing, move || run(&[2], 1))]
}
