//! Forward.

use super::heads::{Place, Sizes, View, filled};
use super::weights::{Dropout, Powers, Scaled, Tile, Times};
use super::{Matrix, OP, QUERIES, product};
use crate::backend::AttentionArgs;
use crate::backend::cpu::elements_mut;
use crate::backend::cpu::free_list::FreeList;
use crate::backend::cpu::scratch::Scratch;
use crate::backend::cpu::simd::{Float, narrow};
use crate::backend::cpu::threads::{Shared, parallel_if};
use crate::{Result, Tensor};
use std::sync::Arc;

/// The result, with what backward needs.
pub fn run<T: Float>(memory: &Arc<FreeList>, args: &AttentionArgs) -> Result<(Tensor, Scratch<T>)> {
    let sizes = Sizes::of(args);
    let pass = Pass {
        sizes,
        q: View::of(&args.q)?,
        k: View::of(&args.k)?,
        v: View::of(&args.v)?,
        mask: mask(args, &sizes)?,
        scale: narrow(args.scale),
        dropout: Dropout::of(args),
        memory,
    };
    let heads = sizes.batch * sizes.heads;
    let mut kept = Scratch::<T>::new(memory, 2 * heads * sizes.time);
    let both = Shared::new(kept.as_mut());
    let place = Place::like(&args.q, &sizes, [sizes.time, sizes.width]);
    let mut y = place.room::<T>(args.q.device())?;
    let out = Shared::new(elements_mut::<T>(OP, y.memory_alone()?)?);
    parallel_if(2 * sizes.work(), heads, |head| {
        let part = |half: usize| (half * heads + head) * sizes.time;
        // SAFETY: the head's own queries.
        let kept = [0, 1].map(|half| unsafe { both.part(part(half), sizes.time) });
        pass.head(head, out, place, kept);
    });
    Ok((place.view(y)?, kept))
}

/// The mask as one of the scores' shape.
pub fn mask<'a, T: Float>(args: &'a AttentionArgs, sizes: &Sizes) -> Result<Option<View<'a, T>>> {
    let shape = [sizes.batch, sizes.heads, sizes.time, sizes.source];
    args.mask.as_ref().map(|mask| View::of(mask)?.expanded(&shape)).transpose()
}

struct Pass<'a, T> {
    sizes: Sizes,
    q: View<'a, T>,
    k: View<'a, T>,
    v: View<'a, T>,
    mask: Option<View<'a, T>>,
    scale: T,
    dropout: Option<Dropout>,
    memory: &'a Arc<FreeList>,
}

impl<T: Float> Pass<'_, T> {
    fn head(&self, head: usize, out: Shared<T>, place: Place, [largest, inverse]: [&mut [T]; 2]) {
        let (sizes, row) = (self.sizes, filled::<T>(self.sizes.source));
        let keys = self.k.turned(&sizes, head, self.scale, self.memory);
        let values = self.v.packed(&sizes, head, self.memory);
        let mut scores = Scratch::<T>::new(self.memory, QUERIES * row);
        let dropped = if self.dropout.is_some() { QUERIES * row } else { 0 };
        let mut factors = Scratch::<T>::new(self.memory, dropped);
        for first in (0..sizes.time).step_by(QUERIES) {
            let count = QUERIES.min(sizes.time - first);
            let tile = Tile { head, first, count, seen: sizes.seen_before(first + count), row };
            let scores = &mut scores.as_mut()[..count * row];
            let start = place.row(head, first);
            let (largest, inverse) = (&mut largest[first..first + count], &mut inverse[first..first + count]);
            // SAFETY: the operands are the tile's; keys and values are filled up to whole registers, and the rows of `out`
            // are the head's own.
            unsafe {
                let q = self.q.matrix(&sizes, head, first);
                product([count, sizes.dim, tile.seen], q, keys.from(0), (scores.as_mut_ptr(), row), false);
                T::dispatch(Powers { sizes, tile, mask: self.mask, scores, largest, inverse });
                if let Some(dropout) = self.dropout {
                    dropout.draw(&sizes, &tile, factors.as_mut());
                    T::dispatch(Times { tile, factors: factors.as_ref(), x: None, to: scores });
                }
                let weights = Matrix { start: scores.as_ptr(), row, step: 1 };
                let to = (out.get().add(start), place.step());
                product([count, tile.seen, sizes.width], weights, values.from(0), to, false);
                for (number, &by) in inverse.iter().enumerate() {
                    let row = out.part(start + number * place.step(), sizes.width);
                    T::dispatch(Scaled { row, by });
                }
            }
        }
    }
}
