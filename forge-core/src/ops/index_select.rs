//! `index_select`: slices of one dimension by number.

use super::gather::GatherBackward;
use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::record;
use crate::backend::reference;
use crate::layout::Dims;
use crate::{Error, Result, Tensor};

impl Tensor {
    /// Slice `i` of the result along `axis` is slice `index[i]` of this; slices may repeat.
    ///
    /// Along dimension 1 with `n` numbers `[a, b, c]` → `[a, n, c]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3])?;
    /// let columns = Tensor::new(&[2i64, 0], &[2])?;
    /// assert_eq!(x.index_select(1, &columns)?.to_vec::<f32>()?, [3.0, 1.0, 6.0, 4.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `index` is not a list of i64, or names a slice that does not exist.
    pub fn index_select(&self, axis: usize, index: &Tensor) -> Result<Tensor> {
        self.layout().check_axis("index_select", axis)?;
        index.check_index("index_select", self)?;
        let &[count] = index.shape() else {
            return Err(Error::shape(
                "index_select",
                format!("the positions must be a list, not {:?}", index.shape()),
            ));
        };
        // The list beside itself for all other dimensions, without a copy.
        let (mut along, mut shape) = (Dims::filled(&[1; 6][..self.rank()]), *self.dims());
        along.as_mut()[axis] = count;
        shape.as_mut()[axis] = count;
        let index = index.detach().reshape(&along)?.expanded("index_select", shape)?;
        let out = self.gathered("index_select", axis, &index)?;
        let [out] = record("index_select", &[self], [out], |_| GatherBackward {
            op: "index_select",
            axis,
            index,
            shape: *self.dims(),
        })?;
        Ok(out)
    }
}

pub const OPERATION: Operation =
    Operation { name: "index_select", formula: "y[…, i, …] = x[…, index[i], …]", samples, errors };

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], usize, &[usize]); 7] = [
        (&[4], 0, &[3, 0]),
        (&[3, 2], 0, &[1, 1, 0, 1]),
        (&[3, 2, 2], 0, &[2]),
        (&[3, 2], 0, &[]),
        (&[2, 3, 2], 1, &[2, 0, 2]),
        (&[2, 3], 1, &[1, 1, 1, 1]),
        (&[0, 3], 1, &[2]),
    ];
    cases
        .into_iter()
        .map(|(shape, axis, index)| {
            let list: Vec<i64> = index.iter().map(|&i| i as i64).collect();
            sample!(
                format!("{index:?} along {axis} of {shape:?}"),
                vec![Input::new(shape)],
                |x| x[0].index_select(axis, &Tensor::new(&list, &[list.len()])?)?,
                |r| reference::index_select(&r[0], axis, index)
            )
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    let rows = |index: &'static [i64], shape: &'static [usize]| {
        move || Tensor::new(&[0f32; 6], &[3, 2])?.index_select(0, &Tensor::new(index, shape)?)
    };
    vec![
        ErrorSample::new(
            "index_select: index 3 at position 1 is outside dimension 0, which has 3",
            rows(&[0, 3], &[2]),
        ),
        ErrorSample::new(
            "index_select: index -1 at position 0 is outside dimension 0, which has 3",
            rows(&[-1], &[1]),
        ),
        ErrorSample::new("index_select: the positions must be a list, not [2, 1]", rows(&[0, 0], &[2, 1])),
        ErrorSample::new("index_select: not defined for f32; positions are i64", || {
            Tensor::new(&[0f32; 6], &[3, 2])?.index_select(0, &Tensor::new(&[0f32], &[1])?)
        }),
    ]
}
