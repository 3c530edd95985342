//! Scaled dot-product attention, a tile of queries at a time: scores live in a tile, never as a whole, and what is kept
//! for backward is two numbers a query, from which the tile is made again (Dao and others, *FlashAttention*, NeurIPS 2022).
//! Both passes go head by head; the products are those of the register tile.

mod backward;
mod forward;
mod heads;
mod weights;

use super::free_list::FreeList;
use super::scratch::Scratch;
use super::simd::Float;
use super::tile::{Part, Product};
use crate::backend::{Attention, AttentionArgs, Composed, Saved};
use crate::{DType, Result, Tensor};
use std::sync::Arc;

const OP: &str = "attention";
/// Queries of a tile: a multiple of every number of rows that the register tile has.
const QUERIES: usize = 36;

/// The family with the free list that its working memory is from.
#[derive(Debug)]
pub struct CpuAttention {
    memory: Arc<FreeList>,
}

/// Of each query the largest score, then of each query one over the sum of powers.
#[derive(Debug)]
struct Kept<T: Float>(Scratch<T>);

fn taken(args: &AttentionArgs) -> bool {
    args.q.dtype().is_float() && args.q.count() > 0 && args.v.count() > 0
}

impl CpuAttention {
    /// Working memory comes from `memory`.
    pub fn new(memory: &Arc<FreeList>) -> Self {
        CpuAttention { memory: memory.clone() }
    }
}

impl Attention for CpuAttention {
    fn attention(&self, args: &AttentionArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        if !taken(args) {
            return Composed.attention(args, keep);
        }
        float!(OP, args.q.dtype(), T => {
            let (y, kept) = forward::run::<T>(&self.memory, args)?;
            let bytes = kept.as_ref().len() * args.q.dtype().size();
            Ok((y, keep.then(|| Saved::new(Kept(kept), bytes))))
        })
    }

    fn attention_backward(
        &self,
        args: &AttentionArgs,
        saved: Saved,
        grad: Tensor,
        needs: &[bool; 4],
    ) -> Result<[Option<Tensor>; 4]> {
        if !taken(args) {
            return Composed.attention_backward(args, saved, grad, needs);
        }
        float!(OP, grad.dtype(), T => {
            let Kept::<T>(kept) = saved.take()?;
            backward::run::<T>(&self.memory, args, kept.as_ref(), &grad, needs)
        })
    }
}

/// A matrix in memory: where it starts and how its elements follow.
#[derive(Clone, Copy)]
struct Matrix<T> {
    start: *const T,
    row: usize,
    step: usize,
}

/// `out[rows, columns] = a[rows, k] · b[k, columns]`, added to what `out` holds if `add`.
///
/// # Safety
/// All elements are there, and of each row of `b` as many more as fill a register.
unsafe fn product<T: Float>(
    [rows, k, columns]: [usize; 3],
    a: Matrix<T>,
    b: Matrix<T>,
    (out, out_row): (*mut T, usize),
    add: bool,
) {
    let wide = 4 * super::simd::lanes::<T>();
    for first in (0..columns).step_by(wide) {
        // SAFETY: the columns are within the rows of `b` and `out`.
        let (from, out) = unsafe { (b.start.add(first), out.add(first)) };
        let part = Part::block(k, a.start, a.row, a.step, from, b.row);
        T::dispatch(&Product {
            rows,
            columns: wide.min(columns - first),
            start: if add { out } else { std::ptr::null() },
            start_row: out_row,
            parts: [part, Part::none()],
            out,
            out_row,
        });
    }
}
