//! Backward: one shard of the batch from the last step to the first, with weight gradients of its own.

use super::cell::{Before, Cell};
use super::forward::{Kept, Order};
use super::shape::{Panel, Shape, blocks, used};
use crate::backend::Scalar;
use crate::backend::cpu::simd::{Elementary, Float, Kernel, Lanes, Reduced};
use crate::backend::cpu::tile::{Part, Product};
use std::marker::PhantomData;

/// Pointers to operands, incoming and outgoing gradients. Those that are absent or not wanted are null.
#[derive(Clone, Copy)]
pub struct Pointers<T> {
    pub x: *const T,
    pub h0: *const T,
    pub y: *const T,
    /// See [`super::pack::backward`].
    pub w_hh: *const T,
    pub w_ih: *const T,
    pub dy: *const T,
    pub dh_n: *const T,
    pub dc_n: *const T,
    pub dx: *mut T,
    pub dh0: *mut T,
    pub dc0: *mut T,
}

/// Memory of one shard alone.
#[derive(Clone, Copy)]
pub struct Own<T> {
    /// Gradients of the packed weights, or null.
    pub weights: *mut T,
    /// Two times `[samples, padded]`: the gradient of the state and what is carried.
    pub work: *mut T,
}

// SAFETY: shards write disjoint parts, as `Backward::run` does.
unsafe impl<T: Send> Sync for Pointers<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Pointers<T> {}

/// The work of one shard.
pub struct Backward<T, C> {
    pub shape: Shape,
    pub order: Order,
    /// First sample and number of samples.
    pub rows: (usize, usize),
    pub to: Pointers<T>,
    pub own: Own<T>,
    pub kept: Kept<T>,
    pub cell: PhantomData<C>,
}

impl<T: Float, C: Cell> Kernel<T> for Backward<T, C> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let Backward { shape, rows: (first, count), to, own, .. } = self;
        let Shape { time, hidden, .. } = shape;
        let padded = shape.padded();
        let (dh, carry) = (own.work, own.work.wrapping_add(count * padded));
        // SAFETY: every pointer below is to an element of an operand, a gradient, kept or working memory of these
        // shapes, of the samples first..first + count.
        unsafe {
            let start = |out: *mut T, from: *const T| {
                for row in 0..count {
                    for p in 0..shape.panels() {
                        let panel = shape.panel(p);
                        let value = match from.is_null() {
                            true => V::splat(T::default()),
                            false => {
                                V::load_first(from.add((first + row) * hidden + panel.first), panel.units)
                            }
                        };
                        value.store(out.add(row * padded + panel.first));
                    }
                }
            };
            start(dh, to.dh_n);
            start(carry, to.dc_n);
            let mut high = time;
            for step in (0..time).rev() {
                self.point::<V>(step, dh, carry);
                if step > 0 || !to.dh0.is_null() {
                    self.state(step, dh, carry);
                }
                if !to.dx.is_null() {
                    self.input(step);
                }
                if !own.weights.is_null() && (high - step == shape.chunk(count) || step == 0) {
                    self.weights::<V>(step, high);
                    high = step;
                }
            }
            let end = |out: *mut T, from: *const T| {
                for row in 0..count * usize::from(!out.is_null()) {
                    let to = out.add((first + row) * hidden);
                    std::ptr::copy_nonoverlapping(from.add(row * padded), to, hidden);
                }
            };
            end(to.dh0, dh);
            end(to.dc0, carry);
        }
    }
}

impl<T: Float, C: Cell> Backward<T, C> {
    /// State `h` before a step: of the first sample, and floats from sample to sample.
    #[inline(always)]
    unsafe fn before(&self, step: usize) -> (*const T, usize) {
        let Shape { time, hidden, .. } = self.shape;
        // SAFETY: the caller's step is within the sequence.
        unsafe {
            match step {
                0 => (self.to.h0.add(self.rows.0 * hidden), hidden),
                _ => {
                    let t = self.order.at(step - 1);
                    (self.to.y.add((self.rows.0 * time + t) * hidden), time * hidden)
                }
            }
        }
    }

    /// Through the cell's arithmetic: gates become the gradients of their products, in place.
    #[inline(always)]
    unsafe fn point<V: Elementary<Float = T>>(&self, step: usize, dh: *mut T, carry: *mut T) {
        let Shape { time, hidden, lanes, .. } = self.shape;
        let (first, count) = self.rows;
        let padded = self.shape.padded();
        let t = self.order.at(step);
        // SAFETY: see `run`.
        unsafe {
            let (h, h_row) = self.before(step);
            let zero = V::splat(T::default());
            for p in 0..self.shape.panels() {
                let panel = self.shape.panel(p);
                let (units, whole) = (panel.units, panel.units == lanes);
                let load = |from: *const T| if whole { V::load(from) } else { V::load_first(from, units) };
                let gates = self.kept.gates(&self.shape, &panel, count, step);
                let c = self.kept.c(&self.shape, p, count, step);
                let tanh_c = self.kept.tanh_c(&self.shape, p, count, step);
                for row in 0..count {
                    let at = |slot: usize| gates.add(row * panel.width + slot * units);
                    let (dh, carry) =
                        (dh.add(row * padded + panel.first), carry.add(row * padded + panel.first));
                    let mut d = V::load(dh);
                    if !self.to.dy.is_null() {
                        let dy = self.to.dy.add(((first + row) * time + t) * hidden + panel.first);
                        d = d.add(load(dy));
                    }
                    let before = Before {
                        h: if C::CARRY_IS_STATE { load(h.add(row * h_row + panel.first)) } else { zero },
                        c: if C::SECOND_STATE { V::load(c.add(row * lanes)) } else { zero },
                        tanh_c: if C::SECOND_STATE { V::load(tanh_c.add(row * lanes)) } else { zero },
                    };
                    let kept = [load(at(0)), load(at(1)), load(at(2)), load(at(3))];
                    let (out, carried) = C::backward(kept, before, faded(d), faded(V::load(carry)));
                    carried.store(carry);
                    for (slot, v) in out.into_iter().enumerate() {
                        if whole { v.store(at(slot)) } else { v.store_first(at(slot), units) }
                    }
                }
            }
        }
    }

    /// The gradient of the state before a step.
    unsafe fn state(&self, step: usize, dh: *mut T, carry: *const T) {
        let padded = self.shape.padded();
        let start = if C::CARRY_IS_STATE { carry } else { std::ptr::null() };
        // Columns beyond the last unit are within a row's padding, and become 0.
        // SAFETY: see `run`.
        unsafe { self.product(step, (self.shape.hidden, padded), self.to.w_hh, C::STATE, start, dh, padded) }
    }

    /// The gradient of the input of a step.
    unsafe fn input(&self, step: usize) {
        let Shape { time, features, .. } = self.shape;
        let at = (self.rows.0 * time + self.order.at(step)) * features;
        let out = self.to.dx.wrapping_add(at);
        // SAFETY: see `run`.
        unsafe {
            let columns = (features, features);
            self.product(step, columns, self.to.w_ih, C::INPUT, std::ptr::null(), out, time * features);
        }
    }

    /// `start` plus gate gradients of a step times packed weights. `columns` are those of the weights, and how many of
    /// them, with padding, are written.
    #[allow(clippy::too_many_arguments)] // operands, start and result of a product
    unsafe fn product(
        &self,
        step: usize,
        columns: (usize, usize),
        weights: *const T,
        slots: (usize, usize),
        start: *const T,
        out: *mut T,
        out_row: usize,
    ) {
        let Shape { lanes, .. } = self.shape;
        let (count, panels) = (self.rows.1, self.shape.panels());
        let tail = self.shape.panel(panels - 1);
        let full = if tail.units == lanes { panels } else { panels - 1 };
        let mut weights = weights;
        for (first, width) in blocks(columns.0, lanes) {
            let part = |p: usize, outer: usize, b: *const T| {
                let panel = self.shape.panel(p);
                let range = used(&panel, lanes, slots);
                // SAFETY: see `run`.
                let gates = unsafe { self.kept.gates(&self.shape, &panel, count, step) };
                Part {
                    outer,
                    // From a full panel to the next.
                    a_outer: (self.shape.time * count * panel.width) as isize,
                    b_outer: (range.len() * width) as isize,
                    k: range.len(),
                    a: gates.wrapping_add(range.start).cast_const(),
                    a_row: panel.width,
                    a_step: 1,
                    b,
                    b_step: width,
                }
            };
            let behind = weights.wrapping_add(full * slots.1 * lanes * width);
            let parts = [
                if full > 0 { part(0, full, weights) } else { Part::none() },
                if full < panels { part(full, 1, behind) } else { Part::none() },
            ];
            T::dispatch(Product {
                rows: count,
                columns: width.min(columns.1 - first),
                start: if start.is_null() { start } else { start.wrapping_add(first) },
                start_row: out_row,
                parts,
                out: out.wrapping_add(first),
                out_row,
            });
            // The next block's weights lie behind this block's.
            weights = weights.wrapping_add(self.shape.depth(slots) * width);
        }
    }

    /// Adds the weight gradients of the steps `low..high`.
    #[inline(always)]
    unsafe fn weights<V: Elementary<Float = T>>(&self, low: usize, high: usize) {
        let Shape { time, features, hidden, lanes, .. } = self.shape;
        let (first, count) = self.rows;
        let between = |from: usize, to: usize| (self.order.at(to) as isize) - (self.order.at(from) as isize);
        for p in 0..self.shape.panels() {
            let panel = self.shape.panel(p);
            // SAFETY: see `run`.
            unsafe {
                let gates = |step: usize| self.kept.gates(&self.shape, &panel, count, step).cast_const();
                // Time steps low.. of an operand that lies as [sample, time, size], times the gates of the same steps.
                let part =
                    |a: *const T, size: usize, a_row: usize, steps: (usize, usize), skip: usize| Part {
                        outer: steps.1 - steps.0,
                        a_outer: if steps.1 - steps.0 > 1 { between(0, 1) * size as isize } else { 0 },
                        b_outer: (count * panel.width) as isize,
                        k: count,
                        a,
                        a_row: 1,
                        a_step: a_row,
                        b: gates(steps.0).wrapping_add(skip),
                        b_step: panel.width,
                    };
                let add =
                    |rows: usize, at: *mut T, slots: (usize, usize), make: &dyn Fn(usize) -> [Part<T>; 2]| {
                        let range = used(&panel, lanes, slots);
                        let out = at.wrapping_add(range.start);
                        T::dispatch(Product {
                            rows,
                            columns: range.len(),
                            start: out.cast_const(),
                            start_row: panel.width,
                            parts: make(range.start),
                            out,
                            out_row: panel.width,
                        });
                    };
                let out = self.own.weights.add(self.shape.weight_rows() * panel.before);
                let x = self.to.x.add((first * time + self.order.at(low)) * features);
                add(features, out, C::INPUT, &|skip| {
                    [part(x, features, time * features, (low, high), skip), Part::none()]
                });
                let states = out.add(features * panel.width);
                add(hidden, states, C::STATE, &|skip| {
                    let begin = low.max(1);
                    // The first step's state is not among the outputs.
                    let (h0, h0_row) = self.before(0);
                    let initial = part(h0, hidden, h0_row, (0, usize::from(low == 0)), skip);
                    if begin == high {
                        return [initial, Part::none()];
                    }
                    let (h, h_row) = self.before(begin);
                    let others = part(h, hidden, h_row, (begin, high), skip);
                    if low == 0 { [initial, others] } else { [others, Part::none()] }
                });
                self.bias::<V>(&panel, (low, high), states.add(hidden * panel.width));
            }
        }
    }

    /// `out += Σ gates` over steps and samples.
    #[inline(always)]
    unsafe fn bias<V: Elementary<Float = T>>(&self, panel: &Panel, (low, high): (usize, usize), out: *mut T) {
        let (lanes, count) = (self.shape.lanes, self.rows.1);
        // SAFETY: see `run`; the gates of consecutive steps lie behind each other.
        unsafe {
            let gates = self.kept.gates(&self.shape, panel, count, low);
            for v in (0..panel.width).step_by(lanes) {
                let (mut even, mut odd) = (V::load(out.add(v)), V::splat(T::default()));
                let rows = (high - low) * count;
                for k in (0..rows).step_by(2) {
                    even = even.add(V::load(gates.add(k * panel.width + v)));
                    if k + 1 < rows {
                        odd = odd.add(V::load(gates.add((k + 1) * panel.width + v)));
                    }
                }
                even.add(odd).store(out.add(v));
            }
        }
    }
}

/// 0 in place of what has faded to almost nothing on its way back through a long sequence. Below the smallest normal
/// number, arithmetic is slower by two orders of magnitude, and no sum can tell.
#[inline(always)]
fn faded<V: Lanes>(gradient: V) -> V {
    // SAFETY: a value of the type exists.
    let (zero, least) =
        unsafe { (V::splat(V::Float::default()), V::splat(V::Float::from_f64(V::Float::FADED))) };
    let size = gradient.max(zero.sub(gradient));
    // NaN is not below anything: it stays.
    least.if_greater(size, zero, gradient)
}
