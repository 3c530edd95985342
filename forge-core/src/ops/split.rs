//! `split` and `chunk`: pieces of one dimension, without a copy.

use super::sample::{Checks, ErrorSample, Input, Operation, Sample};
use crate::autograd::{Backward, Incoming, Outgoing, record_all};
use crate::backend::reference;
use crate::layout::{Dims, Layout};
use crate::{Error, Result, Tensor};

struct SplitBackward {
    /// Of the whole.
    shape: Dims,
    axis: usize,
    sizes: Vec<usize>,
}

impl Backward for SplitBackward {
    fn backward(self, mut incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let pieces: Vec<Option<Tensor>> = (0..self.sizes.len()).map(|i| incoming.take(i)).collect();
        let Some(like) = pieces.iter().flatten().next() else { return Ok(()) };
        let (device, shape) = (like.device(), self.shape);
        let grad = Tensor::build(device, like.dtype(), shape, |out| {
            // Pieces that nothing depends on have the gradient 0.
            if pieces.iter().any(Option::is_none) {
                device.fill(out, 0.0)?;
            }
            let mut start = 0;
            for (piece, size) in pieces.iter().zip(&self.sizes) {
                if let Some(piece) = piece {
                    let to = Layout::contiguous(shape).slice("split", self.axis, start, *size, 1)?;
                    device.copy(piece.arg(), out, &to)?;
                }
                start += size;
            }
            Ok(())
        })?;
        outgoing.send(0, grad)
    }
}

impl Tensor {
    /// Pieces of dimension `axis` of the given sizes, one after another: views, and one node for all.
    ///
    /// Along dimension 1 with the sizes m and n `[a, m + n]` → `[a, m]` and `[a, n]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0], &[5])?;
    /// let parts = x.split(0, &[2, 3])?;
    /// assert_eq!(parts[1].to_vec::<f32>()?, [3.0, 4.0, 5.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the sizes do not sum to that of the dimension.
    pub fn split(&self, axis: usize, sizes: &[usize]) -> Result<Vec<Tensor>> {
        self.layout().check_axis("split", axis)?;
        if sizes.iter().try_fold(0usize, |a, &b| a.checked_add(b)) != Some(self.shape()[axis]) {
            return Err(Error::shape(
                "split",
                format!("the sizes {sizes:?} do not sum to dimension {axis} of {:?}", self.shape()),
            ));
        }
        let mut start = 0;
        let mut pieces = Vec::with_capacity(sizes.len());
        for &size in sizes {
            pieces.push(self.view(self.layout().slice("split", axis, start, size, 1)?));
            start += size;
        }
        record_all("split", &[self], &mut pieces, |_| SplitBackward {
            shape: *self.dims(),
            axis,
            sizes: sizes.to_vec(),
        })?;
        Ok(pieces)
    }

    /// At most `count` pieces of dimension `axis`, all but the last of one size: that of the dimension divided by `count`,
    /// rounded up, as in PyTorch.
    ///
    /// Along dimension 0 `[n, a]` → pieces of `[⌈n / count⌉, a]`.
    ///
    /// ```
    /// use forge_core::Tensor;
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0], &[5])?;
    /// let sizes: Vec<usize> = x.chunk(0, 2)?.iter().map(Tensor::count).collect();
    /// assert_eq!(sizes, [3, 2]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the dimension does not exist, or `count` is 0.
    pub fn chunk(&self, axis: usize, count: usize) -> Result<Vec<Tensor>> {
        self.layout().check_axis("chunk", axis)?;
        if count == 0 {
            return Err(Error::argument("chunk", "0 pieces; at least one"));
        }
        let whole = self.shape()[axis];
        let size = whole.div_ceil(count).max(1);
        let sizes: Vec<usize> = (0..whole.max(1)).step_by(size).map(|at| size.min(whole - at)).collect();
        self.split(axis, &sizes)
    }
}

pub fn operations() -> [Operation; 2] {
    [
        Operation { name: "split", formula: "pieces of a dimension, of given sizes", samples, errors },
        Operation {
            name: "chunk",
            formula: "pieces of a dimension, of one size",
            samples: chunks,
            errors: Vec::new,
        },
    ]
}

fn sample(
    name: String,
    shape: &[usize],
    axis: usize,
    sizes: &'static [usize],
    run: impl Fn(&[Tensor]) -> Result<Vec<Tensor>> + 'static,
) -> Sample {
    Sample {
        name,
        inputs: vec![Input::new(shape)],
        checks: Checks::All,
        run: Box::new(run),
        values: Box::new(move |r| Ok(reference::split(&r[0], axis, sizes))),
        naive: Box::new(move |r| Ok(reference::split(&r[0], axis, sizes))),
        duals: Box::new(move |r| Ok(reference::split(&r[0], axis, sizes))),
    }
}

fn samples() -> Vec<Sample> {
    let cases: [(&[usize], usize, &[usize]); 5] = [
        (&[5], 0, &[2, 3]),
        (&[3, 4], 1, &[1, 0, 3]),
        (&[3, 4, 5], 1, &[4]),
        (&[4, 3, 2], 0, &[1, 1, 2]),
        (&[0, 2], 0, &[0]),
    ];
    let mut all: Vec<Sample> = cases
        .into_iter()
        .map(|(shape, axis, sizes)| {
            sample(format!("{sizes:?} of dimension {axis} of {shape:?}"), shape, axis, sizes, move |x| {
                x[0].split(axis, sizes)
            })
        })
        .collect();
    // A piece that nothing depends on.
    all.push(super::sample::sample!(
        "the middle one of three",
        vec![Input::new(&[6, 2])],
        |x| x[0].split(0, &[1, 3, 2])?.swap_remove(1),
        |r| reference::slice(&r[0], 0, 1, 3, 1)
    ));
    all
}

fn chunks() -> Vec<Sample> {
    let cases: [(&[usize], usize, usize, &[usize]); 5] = [
        (&[6], 0, 3, &[2, 2, 2]),
        (&[3, 5], 1, 2, &[3, 2]),
        (&[7, 2], 0, 4, &[2, 2, 2, 1]),
        // Six pieces of five would be of one each: five of them.
        (&[5], 0, 6, &[1, 1, 1, 1, 1]),
        (&[0], 0, 2, &[0]),
    ];
    cases
        .into_iter()
        .map(|(shape, axis, count, sizes)| {
            sample(format!("{count} of dimension {axis} of {shape:?}"), shape, axis, sizes, move |x| {
                x[0].chunk(axis, count)
            })
        })
        .collect()
}

fn errors() -> Vec<ErrorSample> {
    vec![
        ErrorSample::new("split: the sizes [2, 2] do not sum to dimension 0 of [5]", || {
            Ok(Tensor::new(&[0f32; 5], &[5])?.split(0, &[2, 2])?.remove(0))
        }),
        ErrorSample::new(
            "split: the sizes [18446744073709551615, 6] do not sum to dimension 0 of [5]",
            || Ok(Tensor::new(&[0f32; 5], &[5])?.split(0, &[usize::MAX, 6])?.remove(0)),
        ),
        ErrorSample::new("chunk: 0 pieces; at least one", || {
            Ok(Tensor::new(&[0f32; 5], &[5])?.chunk(0, 0)?.remove(0))
        }),
    ]
}
