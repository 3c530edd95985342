//! From the scores of a tile of queries to the weights of the keys.

use super::heads::{Sizes, View};
use crate::backend::cpu::simd::{Elementary, Float, Kernel, load, narrow, store, wide};
use crate::backend::cpu::softmax::Behind;
use crate::backend::{AttentionArgs, Random};
use crate::rng::Stream;

/// The tile of queries of a head that is worked on.
#[derive(Clone, Copy)]
pub struct Tile {
    pub head: usize,
    /// The first query, and their number.
    pub first: usize,
    pub count: usize,
    /// Keys that any of them sees, from the first.
    pub seen: usize,
    /// Floats from query to query.
    pub row: usize,
}

impl Tile {
    /// Keys that query `number` of the tile may see.
    fn seen_by(&self, sizes: &Sizes, number: usize) -> usize {
        sizes.seen_before(self.first + number + 1)
    }
}

/// Adds the mask to scaled scores and turns them into powers e^(score - largest), 0 where a key is hidden.
pub struct Powers<'a, T> {
    pub sizes: Sizes,
    pub tile: Tile,
    pub mask: Option<View<'a, T>>,
    /// Scores, which become powers.
    pub scores: &'a mut [T],
    /// Of each query of the tile the largest score, and one over the sum of powers.
    pub largest: &'a mut [T],
    pub inverse: &'a mut [T],
}

impl<T: Float> Kernel<T> for Powers<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let Powers { sizes, tile, mask, scores, largest, inverse } = self;
        let lowest: T = narrow(f64::from(f32::MIN));
        let statistics = largest.iter_mut().zip(inverse);
        for (number, (row, (largest, inverse))) in scores.chunks_mut(tile.row).zip(statistics).enumerate() {
            let (row, hidden) = row[..tile.seen].split_at_mut(tile.seen_by(&sizes, number));
            hidden.fill(T::default());
            add_mask(&sizes, &tile, number, mask, row);
            // SAFETY: the caller's promise; registers are those of the row.
            unsafe {
                let behind = Behind::<V>::of(row.len());
                let top = behind.top(row);
                // Where every key is hidden there is none to subtract.
                *largest = if top > lowest { top } else { lowest };
                let total = wide(behind.powers(row, V::splat(*largest)));
                // At least 1 where a key is seen.
                *inverse = narrow(if total == 0.0 { 0.0 } else { 1.0 / total });
            }
        }
    }
}

/// The weights again, from the scores and what [`Powers`] found.
pub struct Weights<'a, T> {
    pub sizes: Sizes,
    pub tile: Tile,
    pub mask: Option<View<'a, T>>,
    /// Scores, which become weights.
    pub scores: &'a mut [T],
    pub largest: &'a [T],
    pub inverse: &'a [T],
}

impl<T: Float> Kernel<T> for Weights<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let Weights { sizes, tile, mask, scores, largest, inverse } = self;
        let statistics = largest.iter().zip(inverse);
        for (number, (row, (&largest, &inverse))) in scores.chunks_mut(tile.row).zip(statistics).enumerate() {
            let (row, hidden) = row[..tile.seen].split_at_mut(tile.seen_by(&sizes, number));
            hidden.fill(T::default());
            add_mask(&sizes, &tile, number, mask, row);
            // SAFETY: the caller's promise; registers are those of the row.
            unsafe {
                let (largest, inverse) = (V::splat(largest), V::splat(inverse));
                for at in (0..row.len()).step_by(V::N) {
                    let (to, n) = (row.as_mut_ptr().add(at), row.len() - at);
                    store(load::<V>(to, n).sub(largest).exp().mul(inverse), to, n);
                }
            }
        }
    }
}

#[inline(always)]
fn add_mask<T: Float>(sizes: &Sizes, tile: &Tile, number: usize, mask: Option<View<T>>, row: &mut [T]) {
    let Some(mask) = mask else { return };
    let (start, step) = mask.row(sizes, tile.head, tile.first + number);
    let from = &mask.all()[start..];
    if step == 1 {
        row.iter_mut().zip(from).for_each(|(score, &m)| *score = *score + m);
    } else {
        row.iter_mut().enumerate().for_each(|(i, score)| *score = *score + from[i * step]);
    }
}

/// The gradient of the masked scores, through the softmax: w (dw - Σ dw w).
pub struct Slopes<'a, T> {
    pub tile: Tile,
    pub weights: &'a [T],
    /// The gradient of the weights, which becomes that of the scores.
    pub grads: &'a mut [T],
}

impl<T: Float> Kernel<T> for Slopes<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let Slopes { tile, weights, grads } = self;
        for (w, g) in weights.chunks(tile.row).zip(grads.chunks_mut(tile.row)) {
            // SAFETY: the caller's promise; registers are those of the rows.
            unsafe {
                let mut totals = [V::splat(T::zero()); 2];
                for (i, at) in (0..tile.seen).step_by(V::N).enumerate() {
                    let n = tile.seen - at;
                    let g = load::<V>(g.as_ptr().add(at), n);
                    totals[i % 2] = g.mul_add(load(w.as_ptr().add(at), n), totals[i % 2]);
                }
                let total = V::splat(totals[0].add(totals[1]).sum());
                for at in (0..tile.seen).step_by(V::N) {
                    let (to, n) = (g.as_mut_ptr().add(at), tile.seen - at);
                    let d = load::<V>(to, n).sub(total);
                    store(load::<V>(w.as_ptr().add(at), n).mul(d), to, n);
                }
            }
        }
    }
}

/// The factors of dropout on a tile's weights.
#[derive(Clone, Copy)]
pub struct Dropout(f64, Stream);

impl Dropout {
    pub fn of(args: &AttentionArgs) -> Option<Self> {
        args.dropout.map(|(rate, stream)| Dropout(1.0 - rate, stream))
    }

    /// Draws the tile's factors.
    pub fn draw<T: Float>(self, sizes: &Sizes, tile: &Tile, out: &mut [T]) {
        let Dropout(keep, stream) = self;
        for (number, row) in out.chunks_mut(tile.row).take(tile.count).enumerate() {
            let first = (tile.head * sizes.time + tile.first + number) * sizes.source;
            for (i, factor) in row[..tile.seen].iter_mut().enumerate() {
                *factor = narrow(Random::Mask { keep }.draw(&stream, first + i));
            }
        }
    }
}

/// `to = x · factors` in the part of a tile that is seen.
pub struct Times<'a, T> {
    pub tile: Tile,
    pub factors: &'a [T],
    /// What is multiplied, if it is not what `to` holds.
    pub x: Option<&'a [T]>,
    pub to: &'a mut [T],
}

impl<T: Float> Kernel<T> for Times<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let Times { tile, factors, x, to } = self;
        for number in 0..tile.count {
            let row = number * tile.row..number * tile.row + tile.seen;
            let (f, to) = (&factors[row.clone()], &mut to[row.clone()]);
            match x {
                Some(x) => to.iter_mut().zip(&x[row]).zip(f).for_each(|((o, &x), &f)| *o = x * f),
                None => to.iter_mut().zip(f).for_each(|(o, &f)| *o = *o * f),
            }
        }
    }
}

/// Multiplies a row by a number.
pub struct Scaled<'a, T> {
    pub row: &'a mut [T],
    pub by: T,
}

impl<T: Float> Kernel<T> for Scaled<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        self.row.iter_mut().for_each(|v| *v = *v * self.by);
    }
}
