//! Pooling of channels-last images: every kind of part is a list of rows times a list of columns.

use super::channels_last::{Image, Pixels, build};
use super::free_list::FreeList;
use super::scratch::Scratch;
use super::simd::{Elementary, Float, Kernel, Lanes, constant};
use super::threads::{Shared, parallel_if};
use super::turn::MOVED;
use crate::backend::{Composed, Parts, Pool, PoolArgs, PoolKind, Saved, Scalar, Span};
use crate::{DType, Result, Tensor};
use std::ops::Range;
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

/// The parts of an image.
pub struct Spans {
    parts: Parts,
    kind: PoolKind,
    /// Rows and columns of the image.
    size: [usize; 2],
}

impl Spans {
    /// The parts whose largest elements are taken.
    pub fn of_maxima(parts: Parts, size: [usize; 2]) -> Self {
        Spans { parts, kind: PoolKind::Max, size }
    }

    fn of(args: &PoolArgs) -> Self {
        Spans { parts: args.parts, kind: args.kind, size: [2, 3].map(|d| args.x.shape()[d]) }
    }

    /// Rows and columns of parts.
    pub fn counts(&self) -> [usize; 2] {
        self.parts.counts()
    }

    /// Whether the kernels take them: none is empty, or larger than positions can tell.
    pub fn taken(&self) -> bool {
        let lengths = |d: usize| self.parts.spans(d, self.size[d]).map(|span| span.len);
        let most = |d: usize| lengths(d).max().unwrap_or(0);
        let least = |d: usize| lengths(d).min().unwrap_or(0);
        most(0) * most(1) < MOST && least(0) * least(1) > 0
    }

    /// Whether every element of the image is in exactly one part.
    pub fn are_a_partition(&self) -> bool {
        let Parts::Sliding { window, places } = &self.parts else { return false };
        window.stride == window.kernel
            && window.dilation == [1, 1]
            && window.padding == [[0; 2]; 2]
            && (0..2).all(|d| places[d] * window.kernel[d] == self.size[d])
    }

    /// Rows of the image from the first to the last of a row of parts.
    pub fn rows(&self, r: usize) -> Range<usize> {
        let span = self.parts.span(0, r, self.size[0]);
        span.first..span.first + span.len.saturating_sub(1) * span.step + 1
    }

    /// What the sum of a part is divided by.
    fn divisor(&self, row: &Span, column: &Span) -> f64 {
        match self.kind {
            PoolKind::Average { count_padding: true } => (row.padded_len * column.padded_len) as f64,
            _ => (row.len * column.len) as f64,
        }
    }

    /// Calls `each(part, row span, column span)` for every part of some rows of them.
    #[inline(always)]
    fn each(&self, rows: Range<usize>, mut each: impl FnMut(usize, &Span, &Span)) {
        let columns = self.counts()[1];
        for r in rows {
            let row = self.parts.span(0, r, self.size[0]);
            for c in 0..columns {
                each(r * columns + c, &row, &self.parts.span(1, c, self.size[1]));
            }
        }
    }
}

fn taken(args: &PoolArgs) -> bool {
    args.x.dtype().is_float() && args.x.count() > 0 && Spans::of(args).taken()
}

impl CpuPool {
    /// Working memory comes from `memory`.
    pub fn new(memory: &Arc<FreeList>) -> Self {
        CpuPool { memory: memory.clone() }
    }

    fn forward<T: Float>(&self, args: &PoolArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
        let spans = Spans::of(args);
        let [batch, channels, height, width] = [0, 1, 2, 3].map(|d| args.x.shape()[d]);
        let [rows, columns] = spans.counts();
        let (image, places) = (height * width * channels, rows * columns * channels);
        let x = Image::<T>::of("pool", &args.x)?;
        let pixels = self.pixels(&x, batch, image);
        let with_positions = keep && args.kind == PoolKind::Max;
        let mut positions = Scratch::<T>::new(&self.memory, if with_positions { batch * places } else { 0 });
        let at = Shared::new(positions.as_mut());
        let y = build::<T>(&args.x, [batch, channels, rows, columns], |out| {
            let out = Shared::new(out);
            parallel_if(batch * image * 4, batch, |n| {
                let x = &pixels.as_ref()[n * image..(n + 1) * image];
                // SAFETY: image n's own parts.
                let (y, at) = unsafe {
                    let at = if with_positions { at.part(n * places, places) } else { &mut [] };
                    (out.part(n * places, places), at)
                };
                T::dispatch(Forward {
                    spans: &spans,
                    parts: 0..rows,
                    channels: 0..channels,
                    pixel: channels,
                    x,
                    x_from: 0,
                    x_pixel: channels,
                    y,
                    at,
                });
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
        let [rows, columns] = spans.counts();
        let (image, places) = (height * width * channels, rows * columns * channels);
        let grad = Image::<T>::of("pool", grad)?;
        let grads = self.pixels(&grad, batch, places);
        build::<T>(&args.x, [batch, channels, height, width], |out| {
            let out = Shared::new(out);
            parallel_if(batch * image * 4, batch, |n| {
                // SAFETY: image n's own part.
                let dx = unsafe { out.part(n * image, image) };
                if !spans.are_a_partition() {
                    dx.fill(T::default());
                }
                let grad = &grads.as_ref()[n * places..(n + 1) * places];
                let at = positions.as_ref().map(|p| &p.as_ref()[n * places..(n + 1) * places]);
                T::dispatch(Backward { spans: &spans, channels, width, grad, at, dx });
            });
            Ok(())
        })
    }

    /// The pixels of `batch` images channels last, of `each` floats.
    fn pixels<'a, T: Float>(&self, image: &Image<'a, T>, batch: usize, each: usize) -> Pixels<'a, T> {
        if let Some(whole) = image.whole() {
            return Pixels::Borrowed(whole);
        }
        let mut copy = Scratch::<T>::new(&self.memory, batch * each);
        let to = Shared::new(copy.as_mut());
        // SAFETY: image n's own part.
        parallel_if(MOVED * batch * each, batch, |n| image.image(n, unsafe { to.part(n * each, each) }));
        Pixels::Copied(copy)
    }
}

/// Runs a block for every element of a part, in row-major order, with its pixel and its number in the part. A macro,
/// since a closure that is called from several places is not compiled into each of them.
macro_rules! elements_of {
    ($row:expr, $column:expr, $width:expr, |$pixel:ident, $number:ident| $block:block) => {{
        let (row, column, width) = ($row, $column, $width);
        let (start, down, right) = (row.first * width + column.first, row.step * width, column.step);
        if (row.len, column.len) == (2, 2) {
            // Most parts: without a loop, numbers are constants.
            elements_of!(@one start, 0.0, $pixel, $number, $block);
            elements_of!(@one start + right, 1.0, $pixel, $number, $block);
            elements_of!(@one start + down, 2.0, $pixel, $number, $block);
            elements_of!(@one start + down + right, 3.0, $pixel, $number, $block);
        } else {
            let mut number = 0.0;
            for i in 0..row.len {
                for j in 0..column.len {
                    elements_of!(@one start + i * down + j * right, number, $pixel, $number, $block);
                    number += 1.0;
                }
            }
        }
    }};
    (@one $at:expr, $of:expr, $pixel:ident, $number:ident, $block:block) => {{
        let ($pixel, $number): (usize, f64) = ($at, $of);
        $block
    }};
}

/// Some rows of the parts of one image, in some of its channels.
pub struct Forward<'a, T> {
    pub spans: &'a Spans,
    /// Rows of parts.
    pub parts: Range<usize>,
    /// Channels of `y` and `at`.
    pub channels: Range<usize>,
    /// Floats from part to part of those.
    pub pixel: usize,
    /// These channels, `[height, width, x_pixel]`, from row `x_from` of the image on.
    pub x: &'a [T],
    pub x_from: usize,
    pub x_pixel: usize,
    /// `[rows, columns, pixel]`
    pub y: &'a mut [T],
    /// Positions of maxima in their parts, of the size of `y`, or nothing.
    pub at: &'a mut [T],
}

impl<T: Float> Kernel<T> for Forward<'_, T> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let (channels, kept) = (self.channels.len(), !self.at.is_empty());
        self.spans.each(self.parts, |part, row, column| {
            let row = &Span { first: row.first - self.x_from, ..*row };
            let divisor = self.spans.divisor(row, column);
            for first in (0..channels).step_by(V::N) {
                let n = (channels - first).min(V::N);
                let to = part * self.pixel + self.channels.start + first;
                // SAFETY: every pointer is to n channels of a pixel within its slice.
                unsafe {
                    let (image, width) = (&self.x[first..], self.spans.size[1]);
                    let zero = V::splat(T::default());
                    let (mut best, mut at) = (V::splat(<T as Scalar>::from_f64(f64::NEG_INFINITY)), zero);
                    match self.spans.kind {
                        PoolKind::Max if kept => elements_of!(row, column, width, |pixel, number| {
                            let x = load::<V>(&image[pixel * self.x_pixel..], n);
                            // Only a greater one replaces what stands, or one that is not a number.
                            let number = V::splat(<T as Scalar>::from_f64(number));
                            let position = x.if_greater(best, number, at);
                            at = x.if_ordered(position, best.if_ordered(number, at));
                            best = larger(x, best);
                        }),
                        PoolKind::Max => elements_of!(row, column, width, |pixel, _number| {
                            best = larger(load(&image[pixel * self.x_pixel..], n), best);
                        }),
                        PoolKind::Average { .. } => {
                            best = zero;
                            elements_of!(row, column, width, |pixel, _number| {
                                best = best.add(load(&image[pixel * self.x_pixel..], n));
                            });
                            best = best.div(V::splat(<T as Scalar>::from_f64(divisor)));
                        }
                    }
                    store(best, &mut self.y[to..], n);
                    if kept {
                        store(at, &mut self.at[to..], n);
                    }
                }
            }
        });
    }
}

/// The larger, `best` where they are equal; NaN where either is.
#[inline(always)]
fn larger<V: Lanes>(x: V, best: V) -> V {
    x.if_ordered(x.max(best), x)
}

/// Adds the gradient of one image, or writes it where every element is in exactly one part.
pub struct Backward<'a, T> {
    pub spans: &'a Spans,
    pub channels: usize,
    /// Pixels from row to row of `dx`.
    pub width: usize,
    /// `[rows, columns, channels]`
    pub grad: &'a [T],
    /// Positions of maxima in their parts, of the size of `grad`, or nothing.
    pub at: Option<&'a [T]>,
    /// `[height, width, channels]`
    pub dx: &'a mut [T],
}

impl<T: Float> Kernel<T> for Backward<'_, T> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let (channels, alone) = (self.channels, self.spans.are_a_partition());
        self.spans.each(0..self.spans.counts()[0], |part, row, column| {
            let pixel = part * channels;
            let divisor = self.spans.divisor(row, column);
            for first in (0..channels).step_by(V::N) {
                let n = (channels - first).min(V::N);
                // SAFETY: every pointer is to n channels of a pixel within its slice.
                unsafe {
                    let d = load::<V>(&self.grad[pixel + first..], n);
                    let at = self.at.map(|at| load::<V>(&at[pixel + first..], n));
                    match at {
                        // Positions are whole numbers: only the one within a half of the element's.
                        Some(at) => elements_of!(row, column, self.width, |pixel, number| {
                            let above = at.if_greater(constant(number - 0.5), d, constant(0.0));
                            let mine = at.if_greater(constant(number + 0.5), constant(0.0), above);
                            give(mine, &mut self.dx[pixel * channels + first..], n, alone);
                        }),
                        None => {
                            let share = d.div(constant(divisor));
                            elements_of!(row, column, self.width, |pixel, _number| {
                                give(share, &mut self.dx[pixel * channels + first..], n, alone);
                            });
                        }
                    }
                }
            }
        });
    }
}

/// Writes a gradient, or adds it to what stands there.
///
/// # Safety
/// As [`store`].
#[inline(always)]
unsafe fn give<V: Lanes>(mine: V, to: &mut [V::Float], n: usize, alone: bool) {
    // SAFETY: the caller's promise.
    unsafe { store(if alone { mine } else { load::<V>(to, n).add(mine) }, to, n) }
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
