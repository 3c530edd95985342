//! Strided operands as runs of elements.

use super::{Layout, MAX_RANK};

/// `N` operands of one shape as a list of inner runs: `n` elements each, one start and one stride an operand.
/// Neighbouring dimensions are merged where every operand allows it, so a contiguous operand gives one run.
pub(crate) struct Runs<const N: usize> {
    /// Outer sizes and strides, innermost last; the first `rank` of them.
    outer: [(usize, [usize; N]); MAX_RANK],
    rank: usize,
    offsets: [usize; N],
    /// Elements in a run.
    pub n: usize,
    /// Stride of each operand within a run.
    pub strides: [usize; N],
}

impl<const N: usize> Runs<N> {
    /// The layouts must have one shape.
    pub fn new(layouts: [&Layout; N]) -> Self {
        let mut outer = [(1, [0; N]); MAX_RANK];
        let mut rank = 0;
        for d in 0..layouts[0].rank() {
            let size = layouts[0].shape[d];
            if size == 1 {
                continue;
            }
            let strides = layouts.map(|l| l.strides[d]);
            match outer[..rank].last_mut() {
                Some((n, s)) if (0..N).all(|k| s[k] == strides[k] * size) => {
                    *n *= size;
                    *s = strides;
                }
                _ => {
                    outer[rank] = (size, strides);
                    rank += 1;
                }
            }
        }
        let (n, strides) = if rank == 0 { (1, [0; N]) } else { outer[rank - 1] };
        Runs { outer, rank: rank.saturating_sub(1), offsets: layouts.map(|l| l.offset), n, strides }
    }

    /// Takes out the dimension along which operand `k` has its elements side by side: how many they are, and the strides.
    pub fn side_by_side(&mut self, k: usize) -> Option<(usize, [usize; N])> {
        let d = self.outer[..self.rank].iter().position(|(_, strides)| strides[k] == 1)?;
        let found = self.outer[d];
        self.outer.copy_within(d + 1..self.rank, d);
        self.rank -= 1;
        Some(found)
    }

    /// Number of runs.
    pub fn count(&self) -> usize {
        self.outer[..self.rank].iter().map(|(size, _)| size).product()
    }

    /// The start of run `number`.
    pub fn start(&self, mut number: usize) -> [usize; N] {
        let mut at = self.offsets;
        for (size, strides) in self.outer[..self.rank].iter().rev() {
            let index = number % size;
            (0..N).for_each(|k| at[k] += index * strides[k]);
            number /= size;
        }
        at
    }

    /// The element that is furthest from the start of its memory.
    pub fn furthest(&self) -> [usize; N] {
        let along = |size: usize, strides: [usize; N], k: usize| size.saturating_sub(1) * strides[k];
        std::array::from_fn(|k| {
            let outer = self.outer[..self.rank].iter().map(|(size, strides)| along(*size, *strides, k));
            self.offsets[k] + along(self.n, self.strides, k) + outer.sum::<usize>()
        })
    }

    /// Calls `f` with the start of each run, in row-major order.
    pub fn each(&self, mut f: impl FnMut([usize; N])) {
        let outer = &self.outer[..self.rank];
        if self.n == 0 || outer.iter().any(|&(size, _)| size == 0) {
            return;
        }
        let mut index = [0usize; MAX_RANK];
        let mut at = self.offsets;
        loop {
            f(at);
            let mut d = outer.len();
            loop {
                if d == 0 {
                    return;
                }
                d -= 1;
                let (size, strides) = &outer[d];
                index[d] += 1;
                if index[d] < *size {
                    for k in 0..N {
                        at[k] += strides[k];
                    }
                    break;
                }
                for k in 0..N {
                    at[k] -= strides[k] * (size - 1);
                }
                index[d] = 0;
            }
        }
    }
}
