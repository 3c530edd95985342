//! Weights in the order in which the kernels read them, and gradients back from it.

use super::cell::Cell;
use super::shape::{Block, Panel, Shape, blocks, used};
use crate::backend::cpu::simd::Float;

/// The slot of each gate within a panel, and the unit rows: calls `each(gate row of the weights, column of the panel)`.
fn columns(shape: &Shape, panel: &Panel, slots: &[usize], mut each: impl FnMut(usize, usize)) {
    for (gate, slot) in slots.iter().enumerate() {
        for j in 0..panel.units {
            each(gate * shape.hidden + panel.first + j, slot * panel.units + j);
        }
    }
}

/// For each panel: `[features + hidden, width]` weights, then `[width]` biases.
pub fn forward<T: Float, C: Cell>(
    shape: &Shape,
    (w_ih, w_hh): (&[T], &[T]),
    (b_ih, b_hh): (&[T], &[T]),
    out: &mut [T],
) {
    out.fill(T::default());
    let (features, hidden) = (shape.features, shape.hidden);
    let mut rest = out;
    for p in 0..shape.panels() {
        let panel = shape.panel(p);
        let (weights, after) = rest.split_at_mut(shape.weight_rows() * panel.width);
        rest = after;
        let bias = (features + hidden) * panel.width;
        columns(shape, &panel, C::INPUT_SLOTS, |row, column| {
            for (k, w) in w_ih[row * features..(row + 1) * features].iter().enumerate() {
                weights[k * panel.width + column] = *w;
            }
            weights[bias + column] = weights[bias + column] + b_ih[row];
        });
        columns(shape, &panel, C::STATE_SLOTS, |row, column| {
            for (k, w) in w_hh[row * hidden..(row + 1) * hidden].iter().enumerate() {
                weights[(features + k) * panel.width + column] = *w;
            }
            weights[bias + column] = weights[bias + column] + b_hh[row];
        });
    }
}

/// For each block of output columns and each panel: the used gate rows times the block's columns, or of a thin block its
/// columns times those rows; from weights `[gates · hidden, columns]`.
pub fn backward<T: Float>(
    shape: &Shape,
    columns_out: usize,
    weights: &[T],
    slots: (usize, usize),
    gate_slots: &[usize],
    out: &mut [T],
) {
    out.fill(T::default());
    let mut at = 0;
    let depth = shape.depth(slots);
    for Block { first, width, thin } in blocks(columns_out, shape.lanes) {
        let count = width.min(columns_out - first);
        let mut gates = 0;
        for p in 0..shape.panels() {
            let panel = shape.panel(p);
            let range = used(&panel, shape.lanes, slots);
            columns(shape, &panel, gate_slots, |row, column| {
                let gate = gates + column - range.start;
                let from = &weights[row * columns_out + first..][..count];
                if thin {
                    from.iter().enumerate().for_each(|(c, w)| out[at + c * depth + gate] = *w);
                } else {
                    out[at + gate * width..][..count].copy_from_slice(from);
                }
            });
            gates += range.len();
        }
        at += depth * width;
    }
}

/// Weight gradients out of the panels' `[features + hidden + 1, width]`.
pub struct Gradients<'a, T> {
    pub w_ih: Option<&'a mut [T]>,
    pub w_hh: Option<&'a mut [T]>,
    pub b_ih: Option<&'a mut [T]>,
    pub b_hh: Option<&'a mut [T]>,
}

/// See [`Gradients`].
pub fn unpack<T: Float, C: Cell>(shape: &Shape, panels: &[T], mut to: Gradients<T>) {
    let (features, hidden) = (shape.features, shape.hidden);
    let mut rest = panels;
    for p in 0..shape.panels() {
        let panel = shape.panel(p);
        let (weights, after) = rest.split_at(shape.weight_rows() * panel.width);
        rest = after;
        let one = |slots: &[usize],
                   skip: usize,
                   count: usize,
                   w: &mut Option<&mut [T]>,
                   b: &mut Option<&mut [T]>| {
            columns(shape, &panel, slots, |row, column| {
                if let Some(w) = w {
                    for (k, w) in w[row * count..(row + 1) * count].iter_mut().enumerate() {
                        *w = weights[(skip + k) * panel.width + column];
                    }
                }
                if let Some(b) = b {
                    b[row] = weights[(features + hidden) * panel.width + column];
                }
            });
        };
        one(C::INPUT_SLOTS, 0, features, &mut to.w_ih, &mut to.b_ih);
        one(C::STATE_SLOTS, features, hidden, &mut to.w_hh, &mut to.b_hh);
    }
}
