//! Operands by heads, in any order of dimensions, and what is packed of them.

use super::{Matrix, OP};
use crate::backend::AttentionArgs;
use crate::backend::cpu::elements;
use crate::backend::cpu::free_list::FreeList;
use crate::backend::cpu::scratch::Scratch;
use crate::backend::cpu::simd::{Float, lanes};
use crate::layout::{Dims, Layout};
use crate::{Device, Result, Tensor};
use std::sync::Arc;

/// Sizes of an attention.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub batch: usize,
    pub heads: usize,
    pub time: usize,
    pub source: usize,
    pub dim: usize,
    pub width: usize,
    pub causal: bool,
}

impl Sizes {
    pub fn of(args: &AttentionArgs) -> Self {
        let (q, v) = (args.q.shape(), args.v.shape());
        let [batch, heads, time, dim] = [q[0], q[1], q[2], q[3]];
        Sizes { batch, heads, time, source: v[2], dim, width: v[3], causal: args.causal }
    }

    /// Keys that one of the queries before `query` sees, from the first.
    pub fn seen_before(&self, query: usize) -> usize {
        if self.causal { self.source.min(query) } else { self.source }
    }

    /// Multiply-adds of one of the products.
    pub fn work(&self) -> usize {
        self.batch * self.heads * self.time * self.source * self.dim
    }
}

/// `[batch, heads, rows, columns]` with strides.
#[derive(Clone, Copy)]
pub struct View<'a, T> {
    elements: &'a [T],
    layout: Layout,
}

impl<'a, T: Float> View<'a, T> {
    pub fn of(tensor: &'a Tensor) -> Result<Self> {
        Ok(View { elements: elements(OP, tensor.arg().memory)?, layout: *tensor.layout() })
    }

    /// As if its shape were this, by repeating.
    pub fn expanded(self, shape: &[usize; 4]) -> Result<Self> {
        Ok(View { layout: self.layout.expand(OP, Dims::filled(shape))?, ..self })
    }

    /// Where a row starts, and the distance of its elements.
    pub fn row(&self, sizes: &Sizes, head: usize, row: usize) -> (usize, usize) {
        let strides = self.layout.strides();
        let (batch, head) = (head / sizes.heads, head % sizes.heads);
        (self.layout.offset() + batch * strides[0] + head * strides[1] + row * strides[2], strides[3])
    }

    /// The elements that [`View::row`] counts in.
    pub fn all(&self) -> &'a [T] {
        self.elements
    }

    /// Rows of a head as they lie.
    pub fn matrix(&self, sizes: &Sizes, head: usize, row: usize) -> Matrix<T> {
        let (start, step) = self.row(sizes, head, row);
        Matrix { start: self.elements[start..].as_ptr(), row: self.layout.strides()[2], step }
    }

    /// A head's rows one after the other, each filled up to whole registers.
    pub fn packed(&self, sizes: &Sizes, head: usize, memory: &Arc<FreeList>) -> Packed<T> {
        let (rows, columns) = (self.layout.shape()[2], self.layout.shape()[3]);
        let row = filled::<T>(columns);
        let mut packed = Packed { scratch: Scratch::new(memory, rows * row), row };
        for (number, out) in packed.scratch.as_mut().chunks_exact_mut(row).enumerate() {
            let (start, step) = self.row(sizes, head, number);
            let (out, behind) = out.split_at_mut(columns);
            if step == 1 {
                out.copy_from_slice(&self.elements[start..start + columns]);
            } else {
                out.iter_mut().enumerate().for_each(|(i, o)| *o = self.elements[start + i * step]);
            }
            behind.fill(T::default());
        }
        packed
    }

    /// A head's columns one after the other, times a factor, each filled up to whole registers.
    pub fn turned(&self, sizes: &Sizes, head: usize, factor: T, memory: &Arc<FreeList>) -> Packed<T> {
        let (rows, columns) = (self.layout.shape()[2], self.layout.shape()[3]);
        let row = filled::<T>(rows);
        let mut packed = Packed { scratch: Scratch::new(memory, columns * row), row };
        let out = packed.scratch.as_mut();
        for number in 0..rows {
            let (start, step) = self.row(sizes, head, number);
            let from = self.elements[start..].iter().step_by(step.max(1));
            for (out, &value) in out.chunks_exact_mut(row).zip(from) {
                out[number] = value * factor;
            }
        }
        for out in out.chunks_exact_mut(row) {
            out[rows..].fill(T::default());
        }
        packed
    }
}

/// `n` rounded up to whole registers.
pub fn filled<T: Float>(n: usize) -> usize {
    n.next_multiple_of(lanes::<T>())
}

/// Rows that are filled up to whole registers.
pub struct Packed<T: Float> {
    pub scratch: Scratch<T>,
    pub row: usize,
}

impl<T: Float> Packed<T> {
    /// Zeros.
    pub fn zeros(memory: &Arc<FreeList>, rows: usize, columns: usize) -> Self {
        let row = filled::<T>(columns);
        Packed { scratch: Scratch::zeros(memory, rows * row), row }
    }

    /// From row `row` on.
    pub fn from(&self, row: usize) -> Matrix<T> {
        Matrix { start: self.scratch.as_ref()[row * self.row..].as_ptr(), row: self.row, step: 1 }
    }
}

/// Where a result `[batch, heads, rows, columns]` is written head by head.
#[derive(Clone, Copy)]
pub struct Place {
    shape: [usize; 4],
    /// Whether the heads of a row lie side by side.
    joined: bool,
}

impl Place {
    /// As `like` lies: where the heads of a row lie side by side there, they do here, so that layers which part and join
    /// heads copy nothing.
    pub fn like(like: &Tensor, sizes: &Sizes, [rows, columns]: [usize; 2]) -> Self {
        let strides = like.layout().strides();
        Place {
            shape: [sizes.batch, sizes.heads, rows, columns],
            joined: sizes.heads > 1 && strides[1] < strides[2],
        }
    }

    /// Head after head.
    pub fn by_heads(sizes: &Sizes, [rows, columns]: [usize; 2]) -> Self {
        Place { shape: [sizes.batch, sizes.heads, rows, columns], joined: false }
    }

    /// Room for it, in the order of the memory.
    pub fn room<T: Float>(&self, device: &Device) -> Result<Tensor> {
        let [batch, heads, rows, columns] = self.shape;
        let shape = if self.joined { [batch, rows, heads, columns] } else { self.shape };
        Tensor::build(device, T::DTYPE, Dims::filled(&shape), |_| Ok(()))
    }

    /// What [`Place::room`] gave, as `[batch, heads, rows, columns]`.
    pub fn view(&self, room: Tensor) -> Result<Tensor> {
        if self.joined { room.permute(&[0, 2, 1, 3]) } else { Ok(room) }
    }

    /// Where a row of a head starts.
    pub fn row(&self, head: usize, row: usize) -> usize {
        let [_, heads, rows, columns] = self.shape;
        let (batch, head) = (head / heads, head % heads);
        let at = if self.joined { row * heads + head } else { head * rows + row };
        (batch * heads * rows + at) * columns
    }

    /// From row to row of a head.
    pub fn step(&self) -> usize {
        if self.joined { self.shape[1] * self.shape[3] } else { self.shape[3] }
    }
}
