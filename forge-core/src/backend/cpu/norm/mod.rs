//! Normalisation in as few passes over memory as there can be: forward one for the moments and one for the result,
//! backward one for the sums and one for the gradient. What is kept for backward is the statistics alone.

mod channels;
mod planes;
mod rows;
mod slice;

use super::free_list::FreeList;
use super::scratch::Scratch;
use super::simd::Float;
use super::sums::AddShards;
use super::threads::{Shared, parallel_if};
use super::{elements, elements_mut};
use crate::backend::{Composed, Norm, NormArgs, NormKind, NormOut, Saved};
use crate::layout::Dims;
use crate::{DType, Result, Tensor};
use channels::Channels;
use std::sync::Arc;

const OP: &str = "norm";
/// Elements of a shard of rows, and the most shards.
const SHARD: usize = 1 << 15;
const SHARDS: usize = 64;

/// The family with the free list that its working memory is from.
#[derive(Debug)]
pub struct CpuNorm {
    memory: Arc<FreeList>,
}

/// What backward needs beside the operands.
#[derive(Debug)]
struct Kept {
    mean: Tensor,
    variance: Tensor,
}

/// Whether the kernels do it: there are elements, and rows take their own statistics.
fn taken(args: &NormArgs) -> bool {
    let rows = matches!(args.kind, NormKind::Layer { .. });
    args.x.dtype().is_float() && args.x.count() > 0 && !(rows && args.given.is_some())
}

impl Norm for CpuNorm {
    fn norm(&self, args: &NormArgs, keep: bool) -> Result<(NormOut, Option<Saved>)> {
        if !taken(args) {
            return Composed.norm(args, keep);
        }
        let out = float!(OP, args.x.dtype(), T => match args.kind {
            NormKind::Layer { dims } => self.rows::<T>(args, dims),
            _ => Channels::of(args)?.forward::<T>(&self.memory),
        })?;
        let kept = || Kept { mean: out.mean.clone(), variance: out.variance.clone() };
        let bytes = 2 * out.mean.count() * out.mean.dtype().size();
        let saved = keep.then(|| Saved::new(kept(), bytes));
        Ok((out, saved))
    }

    fn norm_backward(
        &self,
        args: &NormArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 3],
    ) -> Result<[Option<Tensor>; 3]> {
        if !taken(args) {
            return Composed.norm_backward(args, saved, grad, needs);
        }
        let kept: Kept = saved.take()?;
        let [dx, of_weight, of_bias] = float!(OP, grad.dtype(), T => match args.kind {
            NormKind::Layer { dims } => self.rows_backward::<T>(args, dims, &kept, &grad),
            _ => Channels::of(args)?.backward::<T>(&self.memory, &kept, &grad),
        })?;
        Ok([needs[0].then_some(dx), needs[1].then_some(of_weight), needs[2].then_some(of_bias)])
    }
}

/// Weight and bias one after the other, 1 and 0 where there is none.
fn affine<T: Float>(memory: &Arc<FreeList>, args: &NormArgs, each: usize) -> Result<Scratch<T>> {
    let mut both = Scratch::<T>::new(memory, 2 * each);
    let parts = [(&args.weight, T::one()), (&args.bias, T::zero())];
    for ((part, otherwise), out) in parts.into_iter().zip(both.as_mut().chunks_exact_mut(each)) {
        match part {
            Some(part) => out.copy_from_slice(elements(OP, part.packed()?.arg().memory)?),
            None => out.fill(otherwise),
        }
    }
    Ok(both)
}

impl CpuNorm {
    /// Working memory comes from `memory`.
    pub fn new(memory: &Arc<FreeList>) -> Self {
        CpuNorm { memory: memory.clone() }
    }

    fn rows<T: Float>(&self, args: &NormArgs, dims: usize) -> Result<NormOut> {
        let (x, rows) = (args.x.packed()?, Rows::of(args, dims));
        let (from, columns) = (elements::<T>(OP, x.arg().memory)?, rows.columns);
        let affine = affine::<T>(&self.memory, args, columns)?;
        let (device, statistics) = (x.device(), Dims::filled(&x.shape()[..x.rank() - dims]));
        let none = || Tensor::build(device, T::DTYPE, statistics, |_| Ok(()));
        let (mut mean, mut variance) = (none()?, none()?);
        let y = {
            let mean = Shared::new(elements_mut::<T>(OP, mean.memory_alone()?)?);
            let variance = Shared::new(elements_mut::<T>(OP, variance.memory_alone()?)?);
            Tensor::build(device, T::DTYPE, *x.dims(), |out| {
                let out = Shared::new(elements_mut::<T>(OP, out)?);
                parallel_if(4 * from.len(), rows.shards(), |shard| {
                    let [first, count] = rows.shard(shard);
                    // SAFETY: the shard's own rows.
                    let (y, mean, variance) = unsafe {
                        let y = out.part(first * columns, count * columns);
                        (y, mean.part(first, count), variance.part(first, count))
                    };
                    let x = &from[first * columns..(first + count) * columns];
                    let affine = affine.as_ref();
                    T::dispatch(rows::Forward { columns, eps: args.eps, x, affine, y, mean, variance });
                });
                Ok(())
            })?
        };
        Ok(NormOut { y, mean, variance })
    }

    fn rows_backward<T: Float>(
        &self,
        args: &NormArgs,
        dims: usize,
        kept: &Kept,
        grad: &Tensor,
    ) -> Result<[Tensor; 3]> {
        let (x, grad, rows) = (args.x.packed()?, grad.packed()?, Rows::of(args, dims));
        let (from, columns) = (elements::<T>(OP, x.arg().memory)?, rows.columns);
        let g = elements::<T>(OP, grad.arg().memory)?;
        let mean = elements::<T>(OP, kept.mean.arg().memory)?;
        let variance = elements::<T>(OP, kept.variance.arg().memory)?;
        let weights = affine::<T>(&self.memory, args, columns)?;
        let mut sums = Scratch::<T>::new(&self.memory, rows.shards() * 2 * columns);
        let each = Shared::new(sums.as_mut());
        let dx = Tensor::build(x.device(), T::DTYPE, *x.dims(), |out| {
            let out = Shared::new(elements_mut::<T>(OP, out)?);
            parallel_if(8 * from.len(), rows.shards(), |shard| {
                let [first, count] = rows.shard(shard);
                let range = first * columns..(first + count) * columns;
                // SAFETY: the shard's own rows, and its own sums.
                let (dx, affine) = unsafe {
                    let dx = out.part(range.start, range.len());
                    (dx, each.part(shard * 2 * columns, 2 * columns))
                };
                T::dispatch(rows::Backward {
                    columns,
                    eps: args.eps,
                    x: &from[range.clone()],
                    g: &g[range],
                    weight: &weights.as_ref()[..columns],
                    mean: &mean[first..first + count],
                    variance: &variance[first..first + count],
                    dx,
                    affine,
                });
            });
            Ok(())
        })?;
        T::dispatch(AddShards { all: sums.as_mut(), each: 2 * columns });
        let shape = Dims::filled(&x.shape()[x.rank() - dims..]);
        let part = |from: usize| {
            Tensor::build(x.device(), T::DTYPE, shape, |out| {
                elements_mut::<T>(OP, out)?.copy_from_slice(&sums.as_ref()[from..from + columns]);
                Ok(())
            })
        };
        Ok([dx, part(0)?, part(columns)?])
    }
}

/// How rows are cut into shards.
struct Rows {
    count: usize,
    columns: usize,
}

impl Rows {
    fn of(args: &NormArgs, dims: usize) -> Self {
        let (before, last) = args.x.shape().split_at(args.x.rank() - dims);
        Rows { count: before.iter().product(), columns: last.iter().product() }
    }

    fn shard_rows(&self) -> usize {
        (SHARD / self.columns).max(self.count.div_ceil(SHARDS)).max(1)
    }

    fn shards(&self) -> usize {
        self.count.div_ceil(self.shard_rows())
    }

    /// The first row of a shard, and their number.
    fn shard(&self, shard: usize) -> [usize; 2] {
        let (size, first) = (self.shard_rows(), shard * self.shard_rows());
        [first, size.min(self.count - first)]
    }
}
