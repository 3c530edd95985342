//! Backward: the weights of each tile of queries again, then the gradients that go through them.

use super::forward::mask;
use super::heads::{Packed, Place, Sizes, View, filled};
use super::weights::{Dropout, Scaled, Slopes, Tile, Times, Weights};
use super::{Matrix, OP, QUERIES, product};
use crate::backend::AttentionArgs;
use crate::backend::cpu::elements_mut;
use crate::backend::cpu::free_list::FreeList;
use crate::backend::cpu::scratch::Scratch;
use crate::backend::cpu::simd::{Float, narrow};
use crate::backend::cpu::threads::{Shared, parallel_if};
use crate::{Result, Tensor};
use std::sync::Arc;

/// Gradients of q, k, v and of the masked scores.
pub fn run<T: Float>(
    memory: &Arc<FreeList>,
    args: &AttentionArgs,
    kept: &[T],
    grad: &Tensor,
    needs: &[bool; 4],
) -> Result<[Option<Tensor>; 4]> {
    let sizes = Sizes::of(args);
    let (largest, inverse) = kept.split_at(kept.len() / 2);
    let pass = Pass {
        sizes,
        q: View::of(&args.q)?,
        k: View::of(&args.k)?,
        v: View::of(&args.v)?,
        grad: View::of(grad)?,
        mask: mask(args, &sizes)?,
        scale: narrow(args.scale),
        dropout: Dropout::of(args),
        largest,
        inverse,
        memory,
    };
    let like = |like: &Tensor, shape: [usize; 2]| Place::like(like, &sizes, shape);
    let places = [
        like(&args.q, [sizes.time, sizes.dim]),
        like(&args.k, [sizes.source, sizes.dim]),
        like(&args.v, [sizes.source, sizes.width]),
        Place::by_heads(&sizes, [sizes.time, sizes.source]),
    ];
    let mut rooms = [const { None }; 4];
    let mut outs = [const { None }; 4];
    for (i, (room, out)) in rooms.iter_mut().zip(&mut outs).enumerate().filter(|(i, _)| needs[*i]) {
        let room = room.insert(places[i].room::<T>(args.q.device())?);
        *out = Some(Out { to: Shared::new(elements_mut::<T>(OP, room.memory_alone()?)?), place: places[i] });
    }
    parallel_if(5 * sizes.work(), sizes.batch * sizes.heads, |head| pass.head(head, &outs));
    let mut results = [const { None }; 4];
    for ((result, room), place) in results.iter_mut().zip(rooms).zip(places) {
        *result = room.map(|room| place.view(room)).transpose()?;
    }
    Ok(results)
}

/// Where a gradient goes.
#[derive(Clone, Copy)]
struct Out<T> {
    to: Shared<T>,
    place: Place,
}

impl<T: Float> Out<T> {
    /// A row of a head.
    ///
    /// # Safety
    /// Nothing else uses the row.
    unsafe fn row<'a>(self, head: usize, row: usize, columns: usize) -> &'a mut [T] {
        // SAFETY: the caller's promise; the row lies within the room.
        unsafe { self.to.part(self.place.row(head, row), columns) }
    }
}

struct Pass<'a, T> {
    sizes: Sizes,
    q: View<'a, T>,
    k: View<'a, T>,
    v: View<'a, T>,
    grad: View<'a, T>,
    mask: Option<View<'a, T>>,
    scale: T,
    dropout: Option<Dropout>,
    /// Of all queries.
    largest: &'a [T],
    inverse: &'a [T],
    memory: &'a Arc<FreeList>,
}

impl<T: Float> Pass<'_, T> {
    fn head(&self, head: usize, outs: &[Option<Out<T>>; 4]) {
        let (sizes, memory, row) = (self.sizes, self.memory, filled::<T>(self.sizes.source));
        let Sizes { time, source, dim, width, .. } = sizes;
        let scores_too = outs[0].is_some() || outs[1].is_some() || outs[3].is_some();
        let keys = self.k.turned(&sizes, head, self.scale, memory);
        let (queries, grads) = (self.q.packed(&sizes, head, memory), self.grad.packed(&sizes, head, memory));
        let values = scores_too.then(|| self.v.turned(&sizes, head, T::one(), memory));
        let plain_keys = outs[0].map(|_| self.k.packed(&sizes, head, memory));
        let mut of_keys = outs[1].map(|_| Packed::<T>::zeros(memory, source, dim));
        let mut of_values = outs[2].map(|_| Packed::<T>::zeros(memory, source, width));
        let [mut weights, mut slopes] = [0, 1].map(|_| Scratch::<T>::new(memory, QUERIES * row));
        let dropped = if self.dropout.is_some() { QUERIES * row } else { 0 };
        let [mut factors, mut left] = [0, 1].map(|_| Scratch::<T>::new(memory, dropped));
        for first in (0..time).step_by(QUERIES) {
            let count = QUERIES.min(time - first);
            let tile = Tile { head, first, count, seen: sizes.seen_before(first + count), row };
            let tiled = |start: *const T| Matrix { start, row, step: 1 };
            // The tile's columns as rows.
            let turned = |start: *const T| Matrix { start, row: 1, step: row };
            let (weights, slopes) =
                (&mut weights.as_mut()[..count * row], &mut slopes.as_mut()[..count * row]);
            let own = head * time + first..head * time + first + count;
            let (largest, inverse) = (&self.largest[own.clone()], &self.inverse[own]);
            // SAFETY: the operands are the tile's; what is packed is filled up to whole registers, and rows of results are
            // the head's own.
            unsafe {
                let to = (weights.as_mut_ptr(), row);
                product([count, dim, tile.seen], queries.from(first), keys.from(0), to, false);
                T::dispatch(Weights { sizes, tile, mask: self.mask, scores: weights, largest, inverse });
                let mut seen_weights = weights.as_ptr();
                if let Some(dropout) = self.dropout {
                    dropout.draw(&sizes, &tile, factors.as_mut());
                    let (x, to) = (Some(&*weights), left.as_mut());
                    T::dispatch(Times { tile, factors: factors.as_ref(), x, to });
                    seen_weights = left.as_ref().as_ptr();
                }
                if let Some(sum) = &mut of_values {
                    let to = (sum.scratch.as_mut().as_mut_ptr(), sum.row);
                    product([tile.seen, count, width], turned(seen_weights), grads.from(first), to, true);
                }
                let Some(values) = &values else { continue };
                let to = (slopes.as_mut_ptr(), row);
                product([count, width, tile.seen], grads.from(first), values.from(0), to, false);
                if self.dropout.is_some() {
                    // The factors of dropout are the same both ways.
                    T::dispatch(Times { tile, factors: factors.as_ref(), x: None, to: slopes });
                }
                T::dispatch(Slopes { tile, weights, grads: slopes });
                for number in 0..count {
                    let slopes = &mut slopes[number * row..number * row + tile.seen];
                    if let Some(out) = outs[3] {
                        let (seen, hidden) = out.row(head, first + number, source).split_at_mut(tile.seen);
                        seen.copy_from_slice(slopes);
                        hidden.fill(T::default());
                    }
                    T::dispatch(Scaled { row: slopes, by: self.scale });
                }
                if let (Some(out), Some(keys)) = (outs[0], &plain_keys) {
                    let to = (out.to.get().add(out.place.row(head, first)), out.place.step());
                    product([count, tile.seen, dim], tiled(slopes.as_ptr()), keys.from(0), to, false);
                }
                if let Some(sum) = &mut of_keys {
                    let to = (sum.scratch.as_mut().as_mut_ptr(), sum.row);
                    product([tile.seen, count, dim], turned(slopes.as_ptr()), queries.from(first), to, true);
                }
            }
        }
        for (out, sum, columns) in [(outs[1], of_keys, dim), (outs[2], of_values, width)] {
            let (Some(out), Some(sum)) = (out, sum) else { continue };
            for (number, from) in sum.scratch.as_ref().chunks_exact(sum.row).enumerate() {
                // SAFETY: a row of the head's own.
                unsafe { out.row(head, number, columns) }.copy_from_slice(&from[..columns]);
            }
        }
    }
}
