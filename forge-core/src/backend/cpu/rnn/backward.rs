//! Backward: one group of samples from the last step to the first, with the weight gradients of its shard.

use super::cell::{Before, Cell};
use super::forward::{Kept, Order};
use super::shape::{Block, Panel, Shape, blocks, used};
use super::thin::Thin;
use crate::backend::Scalar;
use crate::backend::cpu::simd::{Elementary, Float, Kernel, Lanes, Reduced, load, prefetch, store};
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

/// Memory of one shard alone, for all of its groups.
#[derive(Clone, Copy)]
pub struct Own<T> {
    /// Gradients of the packed weights, or null.
    pub weights: *mut T,
    /// Of [`Shape::backward_work`] floats.
    pub work: *mut T,
}

// SAFETY: shards write disjoint parts, as `Backward::run` does.
unsafe impl<T: Send> Sync for Pointers<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Pointers<T> {}

/// The work of one group of samples.
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
        let Work { dh, carry, .. } = self.work();
        let chunk = shape.chunk(count);
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
                let at = At { step, slot: high - 1 - step };
                self.point::<V>(at);
                if step > 0 || !to.dh0.is_null() {
                    self.state(at);
                }
                if !to.dx.is_null() {
                    self.input(at);
                }
                if !own.weights.is_null() {
                    self.operands::<V>(at);
                }
                if high - step == chunk || step == 0 {
                    if !own.weights.is_null() {
                        self.weights(high - step);
                    }
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

/// The parts of a group's working memory.
struct Work<T> {
    /// `[samples, padded]`: the gradient of the state.
    dh: *mut T,
    /// `[samples, padded]`: what is carried from step to step.
    carry: *mut T,
    /// `[panel][slot][sample][width]`: gradients of the gates' products.
    gates: *mut T,
    /// `[slot][sample][features + hidden + 1]`: the input, the state before and 1, which met the weights and the bias.
    operands: *mut T,
}

/// A step, and its slot in the chunk of steps that working memory holds.
#[derive(Clone, Copy)]
struct At {
    step: usize,
    slot: usize,
}

impl<T: Float, C: Cell> Backward<T, C> {
    #[inline(always)]
    fn work(&self) -> Work<T> {
        let (shape, count) = (&self.shape, self.rows.1);
        let (states, chunk) = (count * shape.padded(), count * shape.chunk(count));
        let [dh, carry] = [0, states].map(|skip| self.own.work.wrapping_add(skip));
        let gates = carry.wrapping_add(states);
        Work { dh, carry, gates, operands: gates.wrapping_add(chunk * shape.gates()) }
    }

    /// The gate gradients of a panel's first sample, in a slot.
    #[inline(always)]
    fn gates(&self, panel: &Panel, slot: usize) -> *mut T {
        let count = self.rows.1;
        let skip = count * (self.shape.chunk(count) * panel.before + slot * panel.width);
        self.work().gates.wrapping_add(skip)
    }

    /// State `h` before a step: of the first sample, and floats from sample to sample.
    #[inline(always)]
    fn before(&self, step: usize) -> (*const T, usize) {
        let Shape { time, hidden, .. } = self.shape;
        match step {
            0 => (self.to.h0.wrapping_add(self.rows.0 * hidden), hidden),
            _ => {
                let t = self.order.at(step - 1);
                (self.to.y.wrapping_add((self.rows.0 * time + t) * hidden), time * hidden)
            }
        }
    }

    /// Through the cell's arithmetic: from kept gates to the gradients of their products.
    #[inline(always)]
    unsafe fn point<V: Elementary<Float = T>>(&self, At { step, slot }: At) {
        let Shape { time, hidden, lanes, .. } = self.shape;
        let (first, count) = self.rows;
        let padded = self.shape.padded();
        let Work { dh, carry, .. } = self.work();
        let t = self.order.at(step);
        let (h, h_row) = self.before(step);
        for p in 0..self.shape.panels() {
            let panel = self.shape.panel(p);
            let at = Point {
                kept: self.kept.gates(&self.shape, &panel, step).cast_const(),
                c: [step, step + 1].map(|s| self.kept.c(&self.shape, p, s).cast_const()),
                before: [count * self.shape.gates(), count * padded],
                h: h.wrapping_add(panel.first),
                h_row,
                dy: match self.to.dy.is_null() {
                    true => self.to.dy,
                    false => self.to.dy.wrapping_add((first * time + t) * hidden + panel.first),
                },
                dy_row: time * hidden,
                dh: dh.wrapping_add(panel.first),
                carry: carry.wrapping_add(panel.first),
                row: padded,
                out: self.gates(&panel, slot),
            };
            // SAFETY: the pointers are of this panel and of `count` samples.
            unsafe {
                match panel.units == lanes {
                    true => at.run::<V, C>(count, V::N, 4 * V::N),
                    false => at.run::<V, C>(count, panel.units, panel.width),
                }
            }
        }
    }

    /// The gradient of the state before a step.
    unsafe fn state(&self, at: At) {
        let padded = self.shape.padded();
        let Work { dh, carry, .. } = self.work();
        let start = if C::CARRY_IS_STATE { carry.cast_const() } else { std::ptr::null() };
        // Columns beyond the last unit are within a row's padding, and become or stay 0.
        // SAFETY: see `run`.
        unsafe { self.product(at, (self.shape.hidden, padded), self.to.w_hh, C::STATE, start, dh, padded) }
    }

    /// The gradient of the input of a step.
    unsafe fn input(&self, at: At) {
        let Shape { time, features, .. } = self.shape;
        let out = self.to.dx.wrapping_add((self.rows.0 * time + self.order.at(at.step)) * features);
        let (columns, start) = ((features, features), std::ptr::null());
        // SAFETY: see `run`.
        unsafe { self.product(at, columns, self.to.w_ih, C::INPUT, start, out, time * features) }
    }

    /// `start` plus gate gradients of a step times packed weights. `columns` are those of the weights, and how many of
    /// them, with padding, are written.
    #[allow(clippy::too_many_arguments)] // operands, start and result of a product
    unsafe fn product(
        &self,
        at: At,
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
        let (depth, mut weights) = (self.shape.depth(slots), weights);
        for Block { first, width, thin } in blocks(columns.0, lanes) {
            let part = |p: usize, outer: usize, b: *const T| {
                let panel = self.shape.panel(p);
                let range = used(&panel, lanes, slots);
                Part {
                    outer,
                    // From a full panel to the next.
                    a_outer: (self.shape.chunk(count) * count * panel.width) as isize,
                    b_outer: (range.len() * width) as isize,
                    k: range.len(),
                    a: self.gates(&panel, at.slot).wrapping_add(range.start).cast_const(),
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
            let (out, start) =
                (out.wrapping_add(first), if start.is_null() { start } else { start.wrapping_add(first) });
            if thin {
                let columns = columns.0 - first;
                T::dispatch(&Thin {
                    rows: count,
                    columns,
                    width,
                    depth,
                    parts,
                    weights,
                    start,
                    out,
                    row: out_row,
                });
            } else {
                let columns = width.min(columns.1 - first);
                Product { rows: count, columns, start, start_row: out_row, parts, out, out_row }.in_pieces();
            }
            // The next block's weights lie behind this block's.
            weights = weights.wrapping_add(depth * width);
        }
    }

    /// Sets down what met the weights at a step: the input, the state before, and 1 for the bias.
    #[inline(always)]
    unsafe fn operands<V: Elementary<Float = T>>(&self, At { step, slot }: At) {
        let Shape { time, features, hidden, .. } = self.shape;
        let (first, count) = self.rows;
        let each = self.shape.weight_rows();
        let (h, h_row) = self.before(step);
        let (next, next_row) = self.before(step.saturating_sub(1));
        // SAFETY: see `run`.
        unsafe {
            let x = self.to.x.add((first * time + self.order.at(step)) * features);
            let copy = |from: *const T, to: *mut T, n: usize| {
                for i in (0..n).step_by(V::N) {
                    store(load::<V>(from.add(i), n - i), to.add(i), n - i);
                }
            };
            for row in 0..count {
                let out = self.work().operands.add((slot * count + row) * each);
                copy(x.add(row * time * features), out, features);
                for i in (0..hidden).step_by(V::N) {
                    prefetch(next.wrapping_add(row * next_row + i));
                }
                copy(h.add(row * h_row), out.add(features), hidden);
                *out.add(features + hidden) = T::one();
            }
        }
    }

    /// Adds the weight gradients of the first `steps` slots.
    unsafe fn weights(&self, steps: usize) {
        let Shape { features, hidden, lanes, .. } = self.shape;
        let each = self.shape.weight_rows();
        for p in 0..self.shape.panels() {
            let panel = self.shape.panel(p);
            let add = |rows: std::ops::Range<usize>, slots: (usize, usize)| {
                let range = used(&panel, lanes, slots);
                let first = each * panel.before + rows.start * panel.width + range.start;
                let out = self.own.weights.wrapping_add(first);
                let operands = self.work().operands.wrapping_add(rows.start).cast_const();
                let gates = self.gates(&panel, 0).wrapping_add(range.start).cast_const();
                let part = Part::block(steps * self.rows.1, operands, 1, each, gates, panel.width);
                let product = Product {
                    rows: rows.len(),
                    columns: range.len(),
                    start: out.cast_const(),
                    start_row: panel.width,
                    parts: [part, Part::none()],
                    out,
                    out_row: panel.width,
                };
                product.in_pieces();
            };
            if C::INPUT == C::STATE {
                add(0..each, C::STATE);
            } else {
                add(0..features, C::INPUT);
                add(features..features + hidden, C::STATE);
                add(features + hidden..each, (0, 4));
            }
        }
    }
}

/// Where the gates' arithmetic of one panel and step reads and writes.
struct Point<T> {
    kept: *const T,
    /// Before the step and after it.
    c: [*const T; 2],
    /// How far before these the same of the step lie that comes next: of the gates, and of the cell states.
    before: [usize; 2],
    h: *const T,
    h_row: usize,
    /// Or null.
    dy: *const T,
    dy_row: usize,
    dh: *const T,
    carry: *mut T,
    /// Floats from sample to sample of `dh` and `carry`.
    row: usize,
    out: *mut T,
}

impl<T: Float> Point<T> {
    /// For `count` samples of a panel of so many units and floats of gates, which are constants where it is a full one.
    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>, C: Cell>(&self, count: usize, units: usize, width: usize) {
        for row in 0..count {
            // SAFETY: the caller's promise.
            unsafe {
                let zero = V::splat(T::default());
                let (kept, carry) = (self.kept.add(row * width), self.carry.add(row * self.row));
                // The next step's would be waited for otherwise.
                for slot in 0..4 {
                    prefetch(kept.wrapping_add(slot * units).wrapping_sub(self.before[0]));
                }
                let mut dh = V::load(self.dh.add(row * self.row));
                if !self.dy.is_null() {
                    dh = dh.add(load(self.dy.add(row * self.dy_row), units));
                }
                let mut before = Before { h: zero, c: zero, c_new: zero };
                if C::CARRY_IS_STATE {
                    before.h = load(self.h.add(row * self.h_row), units);
                }
                if C::SECOND_STATE {
                    let [c, c_new] = self.c.map(|c| c.wrapping_add(row * V::N));
                    prefetch(c.wrapping_sub(self.before[1]));
                    (before.c, before.c_new) = (V::load(c), V::load(c_new));
                }
                let gate = |slot: usize| load::<V>(kept.add(slot * units), units);
                let gates = [gate(0), gate(1), gate(2), gate(3)];
                let (out, carried) = C::backward(gates, before, faded(dh), faded(V::load(carry)));
                carried.store(carry);
                for (slot, v) in out.into_iter().enumerate() {
                    store(v, self.out.add(row * width + slot * units), units);
                }
                // Products go over whole registers of a tail's gates.
                zero.store_first(self.out.add(row * width + 4 * units), width - 4 * units);
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
