//! What a device must be able to do.
//!
//! A backend implements the required primitives of [`Backend`]: memory, strided copy, elementwise maps, reductions,
//! running sums, selection, matrix products, gather and scatter, random numbers. Families of coarse operations
//! ([`Conv`], [`Norm`], [`Pool`], [`Rnn`], [`Softmax`], [`Optim`] and others) are by
//! default composed of the primitives, so that they are right on any device from its first day; a fast backend
//! overrides a family's forward and backward together.

mod aligned;
mod composed;
mod cpu;
mod elementwise;
mod family;
pub mod reference;
mod scalar;
mod shared;

pub use aligned::Aligned;
pub use composed::Composed;
pub use cpu::{Cpu, set_threads, threads};
pub use elementwise::{Binary, Keep, Unary, UnaryKind};
pub(crate) use elementwise::{for_each_binary, for_each_unary};
pub use family::{
    AdamStep, Attention, AttentionArgs, Conv, ConvArgs, CrossEntropyArgs, GruArgs, GruOut, LionStep, Loss,
    LstmArgs, LstmOut, Norm, NormArgs, NormKind, NormOut, Optim, Parts, Pool, PoolArgs, PoolKind,
    RmsPropStep, Rnn, Saved, SgdStep, Slot, Softmax, Span, Targets, Window,
};
pub use scalar::{Dual, Scalar};
pub(crate) use shared::{Pooled, Rooms, Shared};

use crate::layout::Layout;
use crate::rng::Stream;
use crate::{DType, Host, Result};
use std::any::Any;
use std::fmt::Debug;

/// Elements on a device: host memory, or whatever the backend keeps.
#[derive(Debug)]
pub enum Memory {
    /// Elements in host memory, as the host gave them.
    Host(Host),
    /// Elements in host memory, from a cache line on.
    Aligned(Aligned),
    /// Elements elsewhere, known to their backend only.
    Device(Box<dyn DeviceMemory>),
}

impl Memory {
    /// Element type.
    pub fn dtype(&self) -> DType {
        match self {
            Memory::Host(host) => host.dtype(),
            Memory::Aligned(elements) => elements.dtype(),
            Memory::Device(memory) => memory.dtype(),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Memory::Host(host) => host.len(),
            Memory::Aligned(elements) => elements.len(),
            Memory::Device(memory) => memory.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Memory that only its own backend can read.
pub trait DeviceMemory: Any + Debug + Send + Sync {
    /// Element type.
    fn dtype(&self) -> DType;
    /// Number of elements.
    fn len(&self) -> usize;
    /// Whether there is no element.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// For the backend to find its own type again.
    fn as_any(&self) -> &dyn Any;
    /// For the backend to find its own type again.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// A strided operand of a primitive.
#[derive(Clone, Copy, Debug)]
pub struct Arg<'a> {
    /// The elements.
    pub memory: &'a Memory,
    /// Which of them, in what order.
    pub layout: &'a Layout,
}

/// How elements of one slice become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reduce {
    /// Their sum.
    Sum,
    /// Their product.
    Prod,
    /// The largest of them, NaN if one is; of none, the lowest value there is.
    Max,
}

/// Which of some elements is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// The first of the largest, or the first NaN.
    Max,
    /// The first of the smallest, or the first NaN.
    Min,
}

/// A running reduction along one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// How elements are put together.
    pub op: Reduce,
    /// The dimension along which it runs.
    pub axis: usize,
    /// Whether it runs from the last element to the first.
    pub reverse: bool,
    /// Whether an element itself is left out of its result.
    pub exclusive: bool,
}

/// Positions along one dimension: what gather and scatter go by.
#[derive(Clone, Copy, Debug)]
pub struct Along<'a> {
    /// The operation, for messages.
    pub op: &'static str,
    /// The dimension.
    pub axis: usize,
    /// A position, i64, for each element that is read or written. A list of whole rows is expanded by strides of 0.
    pub index: Arg<'a>,
}

/// A random number's distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Random {
    /// Uniform in [0, 1).
    Uniform,
    /// Standard normal.
    Normal,
    /// `1 / keep` with probability `keep`, else 0: the factor of inverted dropout.
    Mask {
        /// Probability of a non-zero factor.
        keep: f64,
    },
}

impl Random {
    /// Element `i` of the distribution drawn from `stream`: the definition that every device follows.
    pub fn draw(self, stream: &Stream, i: usize) -> f64 {
        match self {
            Random::Uniform => stream.uniform(i),
            Random::Normal => stream.normal(i),
            Random::Mask { keep } => {
                if stream.uniform(i) < keep {
                    1.0 / keep
                } else {
                    0.0
                }
            }
        }
    }
}

/// A batch of matrix products with epilogue: `out = act(alpha · a·b + beta · out + bias)`.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<'a> {
    /// `[batch…, m, k]`, any strides.
    pub a: Arg<'a>,
    /// `[batch…, k, n]`, any strides, the same batch dimensions.
    pub b: Arg<'a>,
    /// Factor of the product.
    pub alpha: f64,
    /// Factor of what `out` held before; with 0 its contents are not read.
    pub beta: f64,
    /// `[n]`, added to each row.
    pub bias: Option<Arg<'a>>,
    /// Applied last.
    pub activation: Option<Unary>,
}

/// A device. All outputs are row-major and given by the caller; operand layouts have the shapes that the operation
/// needs (broadcasting is already done by strides of 0). Results depend on shapes and values only, never on the
/// number of threads or the load, so that a run can be repeated to the bit.
pub trait Backend: Debug + Send + Sync + 'static {
    /// Name with index, such as `cpu` or `cuda:0`.
    fn name(&self) -> String;

    /// Whether tensors of this type can live here.
    fn supports(&self, dtype: DType) -> bool;

    /// Room for `len` elements, of unspecified value.
    fn allocate(&self, dtype: DType, len: usize) -> Result<Memory>;

    /// Takes back memory that no tensor uses any more.
    fn recycle(&self, memory: Memory) {
        drop(memory);
    }

    /// Elements from the host.
    fn upload(&self, host: Host) -> Result<Memory>;

    /// All elements of a memory, to the host.
    fn download(&self, memory: &Memory) -> Result<Host>;

    /// Sets every element.
    fn fill(&self, out: &mut Memory, value: f64) -> Result<()>;

    /// Copies `x` to the elements of `out` that `to` names, in index order, converting the element type if they differ.
    fn copy(&self, x: Arg, out: &mut Memory, to: &Layout) -> Result<()>;

    /// `out = op(x)`
    fn unary(&self, op: Unary, x: Arg, out: &mut Memory) -> Result<()>;

    /// `out = g · op'`, where `kept` is the input or output of `op` as [`UnaryKind::keep`] says.
    fn unary_grad(&self, op: Unary, kept: Arg, g: Arg, out: &mut Memory) -> Result<()>;

    /// `out = op(a, b)`
    fn binary(&self, op: Binary, a: Arg, b: Arg, out: &mut Memory) -> Result<()>;

    /// `out = g · ∂op/∂a` for side 0, `g · ∂op/∂b` for side 1.
    fn binary_grad(&self, op: Binary, side: usize, a: Arg, b: Arg, g: Arg, out: &mut Memory) -> Result<()>;

    /// Adds `x` to the elements of `out` that `to` names, each of them once.
    fn accumulate(&self, x: Arg, out: &mut Memory, to: &Layout) -> Result<()>;

    /// Reduces the trailing `axes` dimensions of `x`; `out` has the shape of the others.
    fn reduce(&self, op: Reduce, x: Arg, axes: usize, out: &mut Memory) -> Result<()>;

    /// A batch of matrix products; see [`Gemm`].
    fn gemm(&self, gemm: Gemm, out: &mut Memory) -> Result<()>;

    /// `out = a` where `mask` is not 0, else `b`. All have one shape and one element type, integers too.
    fn select(&self, mask: Arg, a: Arg, b: Arg, out: &mut Memory) -> Result<()>;

    /// The position of an extreme along the last dimension, which is not empty; `out` holds i64 and has the shape of the
    /// other dimensions.
    fn position(&self, of: Extreme, x: Arg, out: &mut Memory) -> Result<()>;

    /// A running reduction; see [`Scan`]. `out` has the shape of `x`.
    fn scan(&self, scan: Scan, x: Arg, out: &mut Memory) -> Result<()>;

    /// `out[i, j, k] = x[i, index[i, j, k], k]`, where j stands for the dimension that `along` names and i, k for those
    /// before and after it. `out` has the shape of the index. A position outside `x` is an error.
    fn gather(&self, x: Arg, along: Along, out: &mut Memory) -> Result<()>;

    /// `out[i, index[i, j, k], k] += x[i, j, k]`, in row-major order of the index, which has the shape of `x`. Only the
    /// elements of `out` that `to` names take part. A position outside them is an error.
    fn scatter_add(&self, x: Arg, along: Along, out: &mut Memory, to: &Layout) -> Result<()>;

    /// Fills `out` with elements of `stream` by the definition of [`Random::draw`].
    fn random(&self, random: Random, stream: Stream, out: &mut Memory) -> Result<()>;

    /// Convolutions and their transposes.
    fn conv(&self) -> &dyn Conv {
        &Composed
    }

    /// Normalisations.
    fn norm(&self) -> &dyn Norm {
        &Composed
    }

    /// Pooling.
    fn pool(&self) -> &dyn Pool {
        &Composed
    }

    /// Recurrent layers over a sequence.
    fn rnn(&self) -> &dyn Rnn {
        &Composed
    }

    /// Attention.
    fn attention(&self) -> &dyn Attention {
        &Composed
    }

    /// Losses of several operations.
    fn loss(&self) -> &dyn Loss {
        &Composed
    }

    /// Softmax along a dimension.
    fn softmax(&self) -> &dyn Softmax {
        &Composed
    }

    /// Parameter updates.
    fn optim(&self) -> &dyn Optim {
        &Composed
    }
}
