//! The two cells: which gates meet which operands, and the arithmetic at one point of the sequence.

use crate::backend::cpu::simd::Elementary;

/// A recurrent cell whose gates take four slots a unit.
pub trait Cell: Copy + Send + Sync + 'static {
    /// For the gates in PyTorch's order: the slot of their product with the input.
    const INPUT_SLOTS: &'static [usize];
    /// For the gates in PyTorch's order: the slot of their product with the state.
    const STATE_SLOTS: &'static [usize];
    /// First slot and number of slots that the input takes part in.
    const INPUT: (usize, usize);
    /// First slot and number of slots that the state takes part in.
    const STATE: (usize, usize);
    /// Whether there is a second state beside h.
    const SECOND_STATE: bool;
    /// Whether the carried gradient is a part of the gradient of the state before.
    const CARRY_IS_STATE: bool;

    /// One unit's step: from the products in its four slots and the states before to the activated gates, the new
    /// state, and for an LSTM c′.
    fn forward<V: Elementary>(gates: [V; 4], h: V, c: V) -> Point<V>;

    /// From the gradient of the new state (and the carried one) to those of the products, and what is carried on.
    fn backward<V: Elementary>(gates: [V; 4], at: Before<V>, dh: V, carry: V) -> ([V; 4], V);
}

/// The results of a step.
pub struct Point<V> {
    /// What backward needs, in the slots.
    pub gates: [V; 4],
    /// The new state.
    pub h: V,
    /// An LSTM's new cell state.
    pub c: V,
}

/// The states that a step began with, and the cell state c′ of its end.
pub struct Before<V> {
    pub h: V,
    pub c: V,
    pub c_new: V,
}

/// i, f, g, o in the slots; the cell state's gradient is carried.
#[derive(Clone, Copy)]
pub struct LstmCell;

impl Cell for LstmCell {
    const INPUT_SLOTS: &'static [usize] = &[0, 1, 2, 3];
    const STATE_SLOTS: &'static [usize] = &[0, 1, 2, 3];
    const INPUT: (usize, usize) = (0, 4);
    const STATE: (usize, usize) = (0, 4);
    const SECOND_STATE: bool = true;
    const CARRY_IS_STATE: bool = false;

    #[inline(always)]
    fn forward<V: Elementary>([i, f, g, o]: [V; 4], _h: V, c: V) -> Point<V> {
        let (i, f, g, o) = (i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid());
        let c = f.mul_add(c, i.mul(g));
        Point { gates: [i, f, g, o], h: o.mul(c.tanh()), c }
    }

    #[inline(always)]
    fn backward<V: Elementary>([i, f, g, o]: [V; 4], at: Before<V>, dh: V, dc: V) -> ([V; 4], V) {
        // σ′ = σ - σ², tanh′ = 1 - tanh²
        let (d_o, tanh_c) = (dh.mul(o), at.c_new.tanh());
        let dc = dc.add(tanh_c.mul(tanh_c).neg_mul_add(d_o, d_o));
        let slope = |s: V| s.neg_mul_add(s, s);
        let (dci, dcf, dcg) = (dc.mul(i), dc.mul(f), dc.mul(g));
        (
            [
                dcg.mul(slope(i)),
                dc.mul(at.c).mul(slope(f)),
                g.mul(g).neg_mul_add(dci, dci),
                dh.mul(tanh_c).mul(slope(o)),
            ],
            dcf,
        )
    }
}

/// The slots: the new gate's input product (then the new gate n), r, z, and the new gate's state product, which r
/// multiplies.
#[derive(Clone, Copy)]
pub struct GruCell;

impl Cell for GruCell {
    const INPUT_SLOTS: &'static [usize] = &[1, 2, 0];
    const STATE_SLOTS: &'static [usize] = &[1, 2, 3];
    const INPUT: (usize, usize) = (0, 3);
    const STATE: (usize, usize) = (1, 3);
    const SECOND_STATE: bool = false;
    const CARRY_IS_STATE: bool = true;

    #[inline(always)]
    fn forward<V: Elementary>([n, r, z, inner]: [V; 4], h: V, c: V) -> Point<V> {
        let (r, z) = (r.sigmoid(), z.sigmoid());
        let n = r.mul_add(inner, n).tanh();
        // (1 - z) n + z h, with one product.
        let h = z.mul_add(h.sub(n), n);
        Point { gates: [n, r, z, inner], h, c }
    }

    #[inline(always)]
    fn backward<V: Elementary>([n, r, z, inner]: [V; 4], at: Before<V>, dh: V, _carry: V) -> ([V; 4], V) {
        let slope = |s: V| s.neg_mul_add(s, s);
        let through_z = dh.mul(z);
        let d = dh.sub(through_z);
        let d_n = n.mul(n).neg_mul_add(d, d);
        let d_z = dh.mul(at.h.sub(n)).mul(slope(z));
        let d_r = d_n.mul(inner).mul(slope(r));
        ([d_n, d_r, d_z, d_n.mul(r)], through_z)
    }
}
