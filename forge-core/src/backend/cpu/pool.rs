//! Pooling of channels-last images: every kind of part is a list of rows times a list of columns.

use super::channels_last::{Image, Pixels, build};
use super::free_list::FreeList;
use super::scratch::Scratch;
use super::simd::{Elementary, Float, Kernel, Lanes};
use super::threads::{Shared, parallel_if};
use crate::backend::{Composed, Pool, PoolArgs, PoolKind, Saved, Scalar, Span};
use crate::{DType, Result, Tensor};
use std::sync::Arc;

/// The family with the free list that its working memory is from.
#[derive(Debug)]
pub struct CpuPool {
    memory: Arc<FreeList>,
}

/// For each maximum, which element of its part it is, as a float: `[batch, rows, columns, channels]`.
#[derive(Debug)]
struct Positions<T: Float>(Option<Scratch<T>>);

/// Larger parts have more elements than f32 can number.
const MOST: usize = 1 << 24;

/// The parts of one call.
struct Spans {
    rows: Vec<Span>,
    columns: Vec<Span>,
    kind: PoolKind,
}

impl Spans {
    fn of(args: &PoolArgs) -> Self {
        let size = args.x.shape();
        Spans { rows: args.parts.spans(0, size[2]), columns: args.parts.spans(1, size[3]), kind: args.kind }
    }

    /// What the sum of a part is divided by.
    fn divisor(&self, row: &Span, column: &Span) -> f64 {
        match self.kind {
            PoolKind::Average { count_padding: true } => (row.padded_len * column.padded_len) as f64,
            _ => (row.len * column.len) as f64,
        }
    }
}

fn taken(args: &PoolArgs) -> bool {
    let spans = Spans::of(args);
    let most = |spans: &[Span]| spans.iter().map(|s| s.len).max().unwrap_or(0);
    let least = |spans: &[Span]| spans.iter().map(|s| s.len).min().unwrap_or(0);
    let (rows, columns) = (&spans.rows, &spans.columns);
    args.x.dtype().is_float()
        && args.x.count() > 0
        && most(rows) * most(columns) < MOST
        && least(rows) * least(columns) > 0
}

impl CpuPool {
    /// Working memory comes from `memory`.
    pub fn new(memory: &Arc<FreeList>) -> Self {
        CpuPool { memory: memory.clone() }
    }

    fn forward<T: Float>(&self, args: &PoolArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        let spans = Spans::of(args);
        let [batch, channels, height, width] = [0, 1, 2, 3].map(|d| args.x.shape()[d]);
        let (image, places) = (height * width * channels, spans.rows.len() * spans.columns.len() * channels);
        let x = Image::<T>::of("pool", &args.x)?;
        let pixels = self.pixels(&x, batch, height, width * channels);
        let with_positions = keep && args.kind == PoolKind::Max;
        let mut positions = Scratch::<T>::new(&self.memory, if with_positions { batch * places } else { 0 });
        let at = Shared::new(positions.as_mut());
        let y = build::<T>(&args.x, [batch, channels, spans.rows.len(), spans.columns.len()], |out| {
            let out = Shared::new(out);
            parallel_if(batch * image * 4, batch, |n| {
                let x = &pixels.as_ref()[n * image..(n + 1) * image];
                // SAFETY: image n's own parts.
                let (y, at) = unsafe {
                    let at = if with_positions { at.part(n * places, places) } else { &mut [] };
                    (out.part(n * places, places), at)
                };
                T::dispatch(Forward { spans: &spans, channels, width, x, y, at });
            });
            Ok(())
        })?;
        let bytes = positions.as_ref().len() * T::DTYPE.size();
        Ok((y, keep.then(|| Saved::new(Positions(with_positions.then_some(positions)), bytes))))
    }

    fn backward<T: Float>(
        &self,
        args: &PoolArgs,
        positions: Option<Scratch<T>>,
        grad: &Tensor,
    ) -> Result<Tensor> {
        let spans = Spans::of(args);
        let [batch, channels, height, width] = [0, 1, 2, 3].map(|d| args.x.shape()[d]);
        let (image, places) = (height * width * channels, spans.rows.len() * spans.columns.len() * channels);
        let grad = Image::<T>::of("pool", grad)?;
        let grads = self.pixels(&grad, batch, spans.rows.len(), spans.columns.len() * channels);
        build::<T>(&args.x, [batch, channels, height, width], |out| {
            let out = Shared::new(out);
            parallel_if(batch * image * 4, batch, |n| {
                // SAFETY: image n's own part.
                let dx = unsafe { out.part(n * image, image) };
                dx.fill(T::default());
                let grad = &grads.as_ref()[n * places..(n + 1) * places];
                let at = positions.as_ref().map(|p| &p.as_ref()[n * places..(n + 1) * places]);
                T::dispatch(Backward { spans: &spans, channels, width, grad, at, dx });
            });
            Ok(())
        })
    }

    /// The pixels of `batch` images channels last, of `rows` rows of so many floats.
    fn pixels<'a, T: Float>(
        &self,
        image: &Image<'a, T>,
        batch: usize,
        rows: usize,
        row: usize,
    ) -> Pixels<'a, T> {
        if let Some(whole) = image.whole() {
            return Pixels::Borrowed(whole);
        }
        let mut copy = Scratch::<T>::new(&self.memory, batch * rows * row);
        for (i, out) in copy.as_mut().chunks_exact_mut(row).enumerate() {
            image.row(i / rows, i % rows, out);
        }
        Pixels::Copied(copy)
    }
}

/// Calls `each(part, row span, column span)` for every part.
#[inline(always)]
fn parts(spans: &Spans, mut each: impl FnMut(usize, &Span, &Span)) {
    for (r, row) in spans.rows.iter().enumerate() {
        for (c, column) in spans.columns.iter().enumerate() {
            each(r * spans.columns.len() + c, row, column);
        }
    }
}

/// Calls `each(pixel)` for every element of a part, in row-major order.
#[inline(always)]
fn elements_of(row: &Span, column: &Span, width: usize, mut each: impl FnMut(usize)) {
    for i in 0..row.len {
        let start = (row.first + i * row.step) * width + column.first;
        for j in 0..column.len {
            each(start + j * column.step);
        }
    }
}

/// One image.
struct Forward<'a, T> {
    spans: &'a Spans,
    channels: usize,
    width: usize,
    x: &'a [T],
    y: &'a mut [T],
    /// Positions of maxima, or nothing.
    at: &'a mut [T],
}

impl<T: Float> Kernel<T> for Forward<'_, T> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let channels = self.channels;
        parts(self.spans, |part, row, column| {
            let pixel = part * channels;
            let divisor = self.spans.divisor(row, column);
            for first in (0..channels).step_by(V::N) {
                let n = (channels - first).min(V::N);
                // SAFETY: every pointer is to n channels of a pixel within its slice.
                unsafe {
                    let load = |at: usize| load::<V>(&self.x[at * channels + first..], n);
                    let zero = V::splat(T::default());
                    let (mut number, mut best, mut at) =
                        (0.0, V::splat(<T as Scalar>::from_f64(f64::NEG_INFINITY)), zero);
                    match self.spans.kind {
                        PoolKind::Max => elements_of(row, column, self.width, |pixel| {
                            let x = load(pixel);
                            // Only a greater one replaces what stands, or one that is not a number.
                            let number_now = V::splat(<T as Scalar>::from_f64(number));
                            let position = x.if_greater(best, number_now, at);
                            at = x.if_ordered(position, best.if_ordered(number_now, at));
                            best = x.if_ordered(x.if_greater(best, x, best), best.if_ordered(x, best));
                            number += 1.0;
                        }),
                        PoolKind::Average { .. } => {
                            best = zero;
                            elements_of(row, column, self.width, |pixel| best = best.add(load(pixel)));
                            best = best.div(V::splat(<T as Scalar>::from_f64(divisor)));
                        }
                    }
                    store(best, &mut self.y[pixel + first..], n);
                    if !self.at.is_empty() {
                        store(at, &mut self.at[pixel + first..], n);
                    }
                }
            }
        });
    }
}

/// One image.
struct Backward<'a, T> {
    spans: &'a Spans,
    channels: usize,
    width: usize,
    grad: &'a [T],
    /// Positions of maxima, or nothing.
    at: Option<&'a [T]>,
    dx: &'a mut [T],
}

impl<T: Float> Kernel<T> for Backward<'_, T> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let channels = self.channels;
        parts(self.spans, |part, row, column| {
            let pixel = part * channels;
            let divisor = self.spans.divisor(row, column);
            for first in (0..channels).step_by(V::N) {
                let n = (channels - first).min(V::N);
                // SAFETY: every pointer is to n channels of a pixel within its slice.
                unsafe {
                    let constant = |v: f64| V::splat(<T as Scalar>::from_f64(v));
                    let d = load::<V>(&self.grad[pixel + first..], n);
                    let at = self.at.map(|at| load::<V>(&at[pixel + first..], n));
                    let share = d.div(constant(divisor));
                    let mut number = 0.0;
                    elements_of(row, column, self.width, |pixel| {
                        let to = &mut self.dx[pixel * channels + first..];
                        let mine = match at {
                            // Positions are whole numbers: only the one within a half of the element's.
                            Some(at) => {
                                let above = at.if_greater(constant(number - 0.5), d, constant(0.0));
                                at.if_greater(constant(number + 0.5), constant(0.0), above)
                            }
                            None => share,
                        };
                        store(load::<V>(to, n).add(mine), to, n);
                        number += 1.0;
                    });
                }
            }
        });
    }
}

/// # Safety
/// The slice has n floats, and the processor the instructions of `V`.
#[inline(always)]
unsafe fn load<V: Lanes>(from: &[V::Float], n: usize) -> V {
    debug_assert!(n <= from.len());
    // SAFETY: the caller's promise.
    unsafe { if n == V::N { V::load(from.as_ptr()) } else { V::load_first(from.as_ptr(), n) } }
}

/// # Safety
/// The slice has n floats.
#[inline(always)]
unsafe fn store<V: Lanes>(value: V, to: &mut [V::Float], n: usize) {
    debug_assert!(n <= to.len());
    // SAFETY: the caller's promise.
    unsafe { if n == V::N { value.store(to.as_mut_ptr()) } else { value.store_first(to.as_mut_ptr(), n) } }
}

impl Pool for CpuPool {
    fn pool(&self, args: &PoolArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        if !taken(args) {
            return Composed.pool(args, keep);
        }
        float!("pool", args.x.dtype(), T => self.forward::<T>(args, keep))
    }

    fn pool_backward(&self, args: &PoolArgs, saved: Saved, grad: Tensor) -> Result<Tensor> {
        if !taken(args) {
            return Composed.pool_backward(args, saved, grad);
        }
        float!("pool", args.x.dtype(), T => self.backward::<T>(args, saved.take::<Positions<T>>()?.0, &grad))
    }
}
