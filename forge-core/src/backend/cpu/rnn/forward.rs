//! Forward: one group of samples through the whole sequence, without a stop between steps.

use super::cell::Cell;
use super::shape::{Panel, Shape};
use crate::backend::cpu::simd::{Elementary, Float, Kernel, fence};
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

/// What a group of samples keeps for backward, in its own part of the kept memory: activated gates
/// `[step][panel][sample][width]`, and cell states `[step + 1][panel][sample][lanes]`.
#[derive(Clone, Copy)]
pub struct Kept<T> {
    gates: *mut T,
    c: *mut T,
    rows: usize,
    /// Whether it all is more than a core's cache holds, so that it had better not drive other things out.
    stream: bool,
}

/// Bytes that a core's cache holds.
const CACHE: usize = 4 << 20;

impl<T> Kept<T> {
    /// Floats for each sample.
    pub fn size(shape: &Shape, second_state: bool) -> usize {
        shape.time * shape.gates() + (shape.time + 1) * shape.padded() * usize::from(second_state)
    }

    /// The part of the samples from `first` on, where the part of the first of all is at `all`.
    pub fn new(shape: &Shape, all: *mut T, (first, rows): (usize, usize), second_state: bool) -> Self {
        let each = Self::size(shape, second_state);
        let gates = all.wrapping_add(first * each);
        let stream = shape.batch * each * size_of::<T>() > CACHE;
        Kept { gates, c: gates.wrapping_add(rows * shape.time * shape.gates()), rows, stream }
    }

    /// The gates of the first sample of a panel and step.
    #[inline(always)]
    pub fn gates(&self, shape: &Shape, panel: &Panel, step: usize) -> *mut T {
        self.gates.wrapping_add((step * shape.gates() + panel.before) * self.rows)
    }

    /// The state of the first sample of a panel: before step `slot`, or after step `slot - 1`.
    #[inline(always)]
    pub fn c(&self, shape: &Shape, p: usize, slot: usize) -> *mut T {
        self.c.wrapping_add((slot * shape.panels() + p) * self.rows * shape.lanes)
    }
}

/// The work of one group of samples.
pub struct Forward<T, C> {
    pub shape: Shape,
    pub order: Order,
    /// First sample and number of samples.
    pub rows: (usize, usize),
    pub to: Pointers<T>,
    /// Nothing where no gradient will be asked for.
    pub kept: Option<Kept<T>>,
    /// Memory of this shard alone, of [`Shape::forward_work`] floats.
    pub work: *mut T,
    pub cell: PhantomData<C>,
}

impl<T: Float, C: Cell> Kernel<T> for Forward<T, C> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let Forward { shape, order, rows: (first, count), to, kept, work, .. } = self;
        let Shape { time, features, hidden, lanes, .. } = shape;
        let padded = shape.padded();
        // The states of two steps lie densely: in `y` they are a sequence apart, where rows push each other out of a
        // cache. Then come the cell states and the gates of a panel.
        let state = |step: usize| work.wrapping_add(step % 2 * count * padded);
        let c = work.wrapping_add(2 * count * padded);
        let gates = work.wrapping_add(3 * count * padded);
        // SAFETY: every pointer below is to an element of an operand, a result, kept or working memory of these shapes,
        // of the samples first..first + count; `lanes` is V's.
        unsafe {
            for p in 0..shape.panels() {
                let panel = shape.panel(p);
                for row in 0..count {
                    let from = (first + row) * hidden + panel.first;
                    let h = V::load_first(to.h0.add(from), panel.units);
                    h.store(state(0).add(row * padded + panel.first));
                    if C::SECOND_STATE {
                        let c0 = V::load_first(to.c0.add(from), panel.units);
                        c0.store(c.add(row * padded + panel.first));
                        if let Some(kept) = &kept {
                            c0.store(kept.c(&shape, p, 0).add(row * lanes));
                        }
                    }
                }
            }
            for step in 0..time {
                let t = order.at(step);
                let x = to.x.add((first * time + t) * features);
                let y = to.y.add((first * time + t) * hidden);
                let (h, h_new) = (state(step).cast_const(), state(step + 1));
                for p in 0..shape.panels() {
                    let panel = shape.panel(p);
                    let weights = to.weights.add(shape.weight_rows() * panel.before);
                    products::<T, C>(
                        &shape,
                        &panel,
                        weights,
                        (x, time * features),
                        (h, padded),
                        gates,
                        count,
                    );
                    let point = Point {
                        panel,
                        gates: gates.cast_const(),
                        kept: kept
                            .map(|k| (k.gates(&shape, &panel, step), k.c(&shape, p, step + 1), k.stream)),
                        h: h.add(panel.first),
                        h_new: h_new.add(panel.first),
                        c: c.add(panel.first),
                        row: padded,
                        y: y.add(panel.first),
                        y_row: time * hidden,
                    };
                    point.run::<V, C>(count);
                }
            }
            for row in 0..count {
                let sample = first + row;
                let h = state(time).add(row * padded).cast_const();
                std::ptr::copy_nonoverlapping(h, to.h_n.add(sample * hidden), hidden);
                if C::SECOND_STATE {
                    let c = c.add(row * padded).cast_const();
                    std::ptr::copy_nonoverlapping(c, to.c_n.add(sample * hidden), hidden);
                }
            }
            fence();
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
        product(bias, 0, [input, state(0)], 0, width).in_pieces();
    } else {
        // The state does not take part in every slot.
        product(bias, 0, [input, Part::none()], 0, width).in_pieces();
        let skip = C::STATE.0 * shape.lanes;
        let start = gates.wrapping_add(skip).cast_const();
        product(start, width, [state(skip), Part::none()], skip, C::STATE.1 * shape.lanes).in_pieces();
    }
}

/// Where the gates' arithmetic of one panel and step reads and writes.
struct Point<T> {
    panel: Panel,
    /// The products.
    gates: *const T,
    /// Where gates and cell states are kept, if they are, and whether past the caches.
    kept: Option<(*mut T, *mut T, bool)>,
    h: *const T,
    h_new: *mut T,
    /// The cell states, which become the new ones.
    c: *mut T,
    /// Floats from sample to sample of the states.
    row: usize,
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
                let h = if C::CARRY_IS_STATE { V::load(self.h.add(row * self.row)) } else { zero };
                let c = if C::SECOND_STATE { V::load(self.c.add(row * self.row)) } else { zero };
                let out = C::forward(gates, h, c);
                let store = |v: V, to: *mut T| if whole { v.store(to) } else { v.store_first(to, units) };
                out.h.store(self.h_new.add(row * self.row));
                store(out.h, self.y.add(row * self.y_row));
                if C::SECOND_STATE {
                    out.c.store(self.c.add(row * self.row));
                }
                let Some((gates, c, stream)) = self.kept else { continue };
                for (slot, v) in out.gates.into_iter().enumerate() {
                    let to = gates.add(row * width + slot * units);
                    if stream && whole { v.stream(to) } else { store(v, to) }
                }
                if C::SECOND_STATE {
                    let to = c.add(row * V::N);
                    if stream { out.c.stream(to) } else { out.c.store(to) }
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
            // The four slots, h, c.
            let mut lanes = [[T::default(); MOST]; 6];
            // SAFETY: as in `run`; a lane for each unit of each sample here.
            unsafe {
                for (row, u) in (first..first + here).flat_map(|row| (0..units).map(move |u| (row, u))) {
                    let lane = (row - first) * units + u;
                    for (slot, of) in lanes.iter_mut().take(4).enumerate() {
                        of[lane] = *self.gates.add(row * width + slot * units + u);
                    }
                    if C::CARRY_IS_STATE {
                        lanes[4][lane] = *self.h.add(row * self.row + u);
                    }
                    if C::SECOND_STATE {
                        lanes[5][lane] = *self.c.add(row * self.row + u);
                    }
                }
                let [i, f, g, o, h, c] = lanes.each_ref().map(|of| V::load(of.as_ptr()));
                let out = C::forward([i, f, g, o], h, c);
                let [i, f, g, o] = out.gates;
                for (of, v) in lanes.iter_mut().zip([i, f, g, o, out.h, out.c]) {
                    v.store(of.as_mut_ptr());
                }
                for row in first..first + here {
                    if let (true, Some((_, c, _))) = (C::SECOND_STATE, self.kept) {
                        // Backward reads whole registers of them.
                        V::splat(T::default()).store(c.add(row * V::N));
                    }
                    for u in 0..units {
                        let lane = (row - first) * units + u;
                        *self.h_new.add(row * self.row + u) = lanes[4][lane];
                        *self.y.add(row * self.y_row + u) = lanes[4][lane];
                        if C::SECOND_STATE {
                            *self.c.add(row * self.row + u) = lanes[5][lane];
                        }
                        let Some((gates, c, _)) = self.kept else { continue };
                        for (slot, of) in lanes.iter().take(4).enumerate() {
                            *gates.add(row * width + slot * units + u) = of[lane];
                        }
                        if C::SECOND_STATE {
                            *c.add(row * V::N + u) = lanes[5][lane];
                        }
                    }
                }
            }
        }
    }
}
