//! `flip` and `roll`: the elements of dimensions in reverse, or moved on in a circle; composed.

use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::backend::reference;
use crate::{Result, Tensor};

impl Tensor {
    /// The dimensions `axes` in reverse.
    ///
    /// `y[i, j] = x[n - 1 - i, j]` for the `axes` 0; the shape stays.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0], &[3])?;
    /// assert_eq!(x.flip(&[0])?.to_vec::<f32>()?, [3.0, 2.0, 1.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a dimension does not exist or is named twice.
    pub fn flip(&self, axes: &[usize]) -> Result<Tensor> {
        self.shapes_without("flip", axes)?;
        let mut out = self.clone();
        for &axis in axes {
            let size = self.shape()[axis];
            let list: Vec<i64> = (0..size as i64).rev().collect();
            out = out.index_select(axis, &Tensor::from_vec(list, &[size], self.device())?)?;
        }
        Ok(out)
    }

    /// The elements of dimension `axis` moved on by `shift` (back, if negative); those beyond an end come in at the other.
    ///
    /// `y[i] = x[(i - shift) mod n]`; the shape stays.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0], &[3])?;
    /// assert_eq!(x.roll(0, 1)?.to_vec::<f32>()?, [3.0, 1.0, 2.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the dimension does not exist.
    pub fn roll(&self, axis: usize, shift: isize) -> Result<Tensor> {
        self.layout().check_axis("roll", axis)?;
        let size = self.shape()[axis];
        if size == 0 {
            return Ok(self.clone());
        }
        let cut = size - shift.rem_euclid(size as isize) as usize;
        Tensor::concat(&[&self.narrow(axis, cut, size - cut)?, &self.narrow(axis, 0, cut)?], axis)
    }
}

pub fn operations() -> [Operation; 2] {
    [
        Operation { name: "flip", formula: "dimensions in reverse", samples: flips, errors },
        Operation {
            name: "roll",
            formula: "y[i + shift mod n] = x[i] along a dimension",
            samples: rolls,
            errors: Vec::new,
        },
    ]
}

fn flips() -> Vec<Sample> {
    let cases: [(&[usize], &[usize]); 6] = [
        (&[1], &[0]),
        (&[5], &[0]),
        (&[3, 4], &[1]),
        (&[3, 4], &[1, 0]),
        (&[2, 3, 4], &[0, 2]),
        (&[0, 2], &[0]),
    ];
    cases
        .into_iter()
        .map(|(shape, axes)| {
            sample!(format!("{axes:?} of {shape:?}"), vec![Input::new(shape)], |x| x[0].flip(axes)?, |r| {
                reference::flip(&r[0], axes)
            })
        })
        .collect()
}

fn rolls() -> Vec<Sample> {
    let cases: [(&[usize], usize, isize); 6] =
        [(&[1], 0, 3), (&[5], 0, 2), (&[5], 0, -1), (&[3, 4], 1, 7), (&[3, 4], 0, -6), (&[2, 0], 1, 1)];
    cases
        .into_iter()
        .map(|(shape, axis, shift)| {
            sample!(
                format!("{shift} along {axis} of {shape:?}"),
                vec![Input::new(shape)],
                |x| x[0].roll(axis, shift)?,
                |r| reference::roll(&r[0], axis, shift)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("flip: dimension 0 is named twice in [0, 0]", || {
            Tensor::new(&[0f32; 3], &[3])?.flip(&[0, 0])
        }),
        ErrorSample::new("roll: dimension 1 of [3], which has 1", || {
            Tensor::new(&[0f32; 3], &[3])?.roll(1, 1)
        }),
    ]
}
