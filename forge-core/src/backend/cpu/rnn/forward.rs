//! Forward: one shard of the batch through the whole sequence, without a stop between steps.

use super::cell::Cell;
use super::shape::{Panel, Shape};
use crate::backend::cpu::simd::{Elementary, Float, Kernel};
use crate::backend::cpu::tile::{Part, Product};
use std::marker::PhantomData;

/// The order in which time steps are taken.
#[derive(Clone, Copy)]
pub struct Order {
    pub time: usize,
    pub reverse: bool,
}

impl Order {
    /// The time index of step `s`.
    #[inline(always)]
    pub fn at(self, s: usize) -> usize {
        if self.reverse { self.time - 1 - s } else { s }
    }
}

/// Pointers to the operands and results of a call. Shards read all of them and write only their own samples' parts.
#[derive(Clone, Copy)]
pub struct Pointers<T> {
    pub x: *const T,
    pub h0: *const T,
    pub c0: *const T,
    /// See [`super::pack::forward`].
    pub weights: *const T,
    pub y: *mut T,
    pub h_n: *mut T,
    pub c_n: *mut T,
}

// SAFETY: shards write disjoint parts, as `Forward::run` does.
unsafe impl<T: Send> Sync for Pointers<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Pointers<T> {}

/// What a shard keeps: pointers into its own part of the kept memory.
///
/// Gates are `[panel][step][sample][width]`; cell states `[step + 1][panel][sample][lanes]`, tanh of them without the
/// first. When nothing is kept, one step's gates and two steps' states are used again and again.
#[derive(Clone, Copy)]
pub struct Kept<T> {
    pub gates: *mut T,
    pub c: *mut T,
    pub tanh_c: *mut T,
    pub all_steps: bool,
}

impl<T> Kept<T> {
    /// Floats for each sample.
    pub fn size(shape: &Shape, all_steps: bool, second_state: bool) -> usize {
        Self::sizes(shape, all_steps, second_state).iter().sum()
    }

    fn sizes(shape: &Shape, all_steps: bool, second_state: bool) -> [usize; 3] {
        let steps = if all_steps { shape.time } else { 1 };
        let states = shape.padded() * usize::from(second_state);
        [steps * shape.gates(), (steps + 1) * states, steps * states]
    }

    /// The parts of a shard's memory.
    pub fn new(shape: &Shape, start: *mut T, rows: usize, all_steps: bool, second_state: bool) -> Self {
        let [gates, c, _] = Self::sizes(shape, all_steps, second_state);
        let c_at = start.wrapping_add(rows * gates);
        Kept { gates: start, c: c_at, tanh_c: c_at.wrapping_add(rows * c), all_steps }
    }

    /// The gates of the first sample of a panel and step.
    ///
    /// # Safety
    /// The panel and step are within what was allocated.
    #[inline(always)]
    pub unsafe fn gates(&self, shape: &Shape, panel: &Panel, rows: usize, step: usize) -> *mut T {
        let (steps, step) = if self.all_steps { (shape.time, step) } else { (1, 0) };
        // SAFETY: the caller's promise.
        unsafe { self.gates.add(steps * rows * panel.before + step * rows * panel.width) }
    }

    /// The state of the first sample of a panel: before step `slot`, or after step `slot - 1`.
    ///
    /// # Safety
    /// As [`Kept::gates`].
    #[inline(always)]
    pub unsafe fn c(&self, shape: &Shape, p: usize, rows: usize, slot: usize) -> *mut T {
        let slot = if self.all_steps { slot } else { slot % 2 };
        // SAFETY: the caller's promise.
        unsafe { self.c.add((slot * shape.panels() + p) * rows * shape.lanes) }
    }

    /// tanh c after a step.
    ///
    /// # Safety
    /// As [`Kept::gates`].
    #[inline(always)]
    pub unsafe fn tanh_c(&self, shape: &Shape, p: usize, rows: usize, step: usize) -> *mut T {
        let step = if self.all_steps { step } else { 0 };
        // SAFETY: the caller's promise.
        unsafe { self.tanh_c.add((step * shape.panels() + p) * rows * shape.lanes) }
    }
}

/// The work of one shard.
pub struct Forward<T, C> {
    pub shape: Shape,
    pub order: Order,
    /// First sample and number of samples.
    pub rows: (usize, usize),
    pub to: Pointers<T>,
    pub kept: Kept<T>,
    pub cell: PhantomData<C>,
}

impl<T: Float, C: Cell> Kernel<T> for Forward<T, C> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let Forward { shape, order, rows: (first, count), to, kept, .. } = self;
        let Shape { time, features, hidden, lanes, .. } = shape;
        // SAFETY: every pointer below is to an element of an operand, a result or kept memory of these shapes, of the
        // samples first..first + count; `lanes` is V's.
        unsafe {
            if C::SECOND_STATE {
                for p in 0..shape.panels() {
                    let panel = shape.panel(p);
                    for row in 0..count {
                        let from = to.c0.add((first + row) * hidden + panel.first);
                        V::load_first(from, panel.units).store(kept.c(&shape, p, count, 0).add(row * lanes));
                    }
                }
            }
            for step in 0..time {
                let t = order.at(step);
                let x = to.x.add((first * time + t) * features);
                let y = to.y.add((first * time + t) * hidden);
                let (h, h_row) = match step {
                    0 => (to.h0.add(first * hidden), hidden),
                    _ => (to.y.add((first * time + order.at(step - 1)) * hidden).cast_const(), time * hidden),
                };
                for p in 0..shape.panels() {
                    let panel = shape.panel(p);
                    let weights = to.weights.add(shape.weight_rows() * panel.before);
                    let gates = kept.gates(&shape, &panel, count, step);
                    let point = Point {
                        panel,
                        gates,
                        h: h.add(panel.first),
                        h_row,
                        c: kept.c(&shape, p, count, step),
                        c_new: kept.c(&shape, p, count, step + 1),
                        tanh_c: kept.tanh_c(&shape, p, count, step),
                        y: y.add(panel.first),
                        y_row: time * hidden,
                    };
                    products::<T, C>(&shape, &panel, weights, (x, time * features), (h, h_row), gates, count);
                    point.run::<V, C>(count);
                }
            }
            let last = order.at(time - 1);
            for row in 0..count {
                let sample = first + row;
                let from = to.y.add((sample * time + last) * hidden).cast_const();
                std::ptr::copy_nonoverlapping(from, to.h_n.add(sample * hidden), hidden);
                if C::SECOND_STATE {
                    for p in 0..shape.panels() {
                        let panel = shape.panel(p);
                        let c = V::load(kept.c(&shape, p, count, time).add(row * lanes));
                        c.store_first(to.c_n.add(sample * hidden + panel.first), panel.units);
                    }
                }
            }
        }
    }
}

/// All products of a panel's gates at one step, and their biases.
///
/// # Safety
/// The pointers are to `count` samples of these shapes.
unsafe fn products<T: Float, C: Cell>(
    shape: &Shape,
    panel: &Panel,
    weights: *const T,
    (x, x_row): (*const T, usize),
    (h, h_row): (*const T, usize),
    gates: *mut T,
    count: usize,
) {
    let width = panel.width;
    let of_state = weights.wrapping_add(shape.features * width);
    let bias = of_state.wrapping_add(shape.hidden * width);
    let input = Part::block(shape.features, x, x_row, 1, weights, width);
    let state = |skip: usize| Part::block(shape.hidden, h, h_row, 1, of_state.wrapping_add(skip), width);
    let product =
        |start: *const T, start_row: usize, parts: [Part<T>; 2], skip: usize, columns: usize| Product {
            rows: count,
            columns,
            start,
            start_row,
            parts,
            out: gates.wrapping_add(skip),
            out_row: width,
        };
    if C::STATE.1 == 4 || panel.units < shape.lanes {
        T::dispatch(product(bias, 0, [input, state(0)], 0, width));
    } else {
        // The state does not take part in every slot.
        T::dispatch(product(bias, 0, [input, Part::none()], 0, width));
        let skip = C::STATE.0 * shape.lanes;
        let start = gates.wrapping_add(skip).cast_const();
        T::dispatch(product(start, width, [state(skip), Part::none()], skip, C::STATE.1 * shape.lanes));
    }
}

/// Where the gates' arithmetic of one panel and step reads and writes.
struct Point<T> {
    panel: Panel,
    gates: *mut T,
    h: *const T,
    h_row: usize,
    c: *const T,
    c_new: *mut T,
    tanh_c: *mut T,
    y: *mut T,
    y_row: usize,
}

impl<T: Float> Point<T> {
    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>, C: Cell>(&self, count: usize) {
        let Panel { units, width, .. } = self.panel;
        if 2 * units <= V::N && count > 1 {
            // SAFETY: the caller's promise.
            return unsafe { self.gathered::<V, C>(count) };
        }
        let whole = units == V::N;
        for row in 0..count {
            // SAFETY: the pointers are of this panel and of `count` samples.
            unsafe {
                let gate = |slot: usize| self.gates.add(row * width + slot * units);
                let load = |from: *const T| if whole { V::load(from) } else { V::load_first(from, units) };
                let zero = V::splat(T::default());
                let gates = [load(gate(0)), load(gate(1)), load(gate(2)), load(gate(3))];
                let h = if C::CARRY_IS_STATE { load(self.h.add(row * self.h_row)) } else { zero };
                let c = if C::SECOND_STATE { V::load(self.c.add(row * V::N)) } else { zero };
                let out = C::forward(gates, h, c);
                let store = |v: V, to: *mut T| if whole { v.store(to) } else { v.store_first(to, units) };
                store(out.h, self.y.add(row * self.y_row));
                out.gates.into_iter().enumerate().for_each(|(slot, v)| store(v, gate(slot)));
                if C::SECOND_STATE {
                    out.c.store(self.c_new.add(row * V::N));
                    out.tanh_c.store(self.tanh_c.add(row * V::N));
                }
            }
        }
    }

    /// The same for a tail of few units: those of several samples share a register.
    #[inline(always)]
    unsafe fn gathered<V: Elementary<Float = T>, C: Cell>(&self, count: usize) {
        /// Lanes of the widest register.
        const MOST: usize = 16;
        let Panel { units, width, .. } = self.panel;
        debug_assert!(V::N <= MOST);
        let samples = V::N / units;
        for first in (0..count).step_by(samples) {
            let here = samples.min(count - first);
            // The four slots, h, c, tanh c.
            let mut lanes = [[T::default(); MOST]; 7];
            // SAFETY: as in `run`; a lane for each unit of each sample here.
            unsafe {
                for (row, u) in (first..first + here).flat_map(|row| (0..units).map(move |u| (row, u))) {
                    let lane = (row - first) * units + u;
                    for (slot, of) in lanes.iter_mut().take(4).enumerate() {
                        of[lane] = *self.gates.add(row * width + slot * units + u);
                    }
                    if C::CARRY_IS_STATE {
                        lanes[4][lane] = *self.h.add(row * self.h_row + u);
                    }
                    if C::SECOND_STATE {
                        lanes[5][lane] = *self.c.add(row * V::N + u);
                    }
                }
                let [i, f, g, o, h, c, _] = lanes.each_ref().map(|of| V::load(of.as_ptr()));
                let out = C::forward([i, f, g, o], h, c);
                let [i, f, g, o] = out.gates;
                for (of, v) in lanes.iter_mut().zip([i, f, g, o, out.h, out.c, out.tanh_c]) {
                    v.store(of.as_mut_ptr());
                }
                for row in first..first + here {
                    if C::SECOND_STATE {
                        // Backward reads whole registers of them.
                        V::splat(T::default()).store(self.c_new.add(row * V::N));
                        V::splat(T::default()).store(self.tanh_c.add(row * V::N));
                    }
                    for u in 0..units {
                        let lane = (row - first) * units + u;
                        for (slot, of) in lanes.iter().take(4).enumerate() {
                            *self.gates.add(row * width + slot * units + u) = of[lane];
                        }
                        *self.y.add(row * self.y_row + u) = lanes[4][lane];
                        if C::SECOND_STATE {
                            *self.c_new.add(row * V::N + u) = lanes[5][lane];
                            *self.tanh_c.add(row * V::N + u) = lanes[6][lane];
                        }
                    }
                }
            }
        }
    }
}
