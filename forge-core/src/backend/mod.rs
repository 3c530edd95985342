//! What a device must be able to do.
//!
//! A backend implements the required primitives of [`Backend`]: memory, strided copy, elementwise maps, reductions,
//! running sums, selection, matrix products, gather and scatter, random numbers. Families of coarse operations
//! ([`Conv`], [`Norm`], [`Pool`], [`Rnn`], [`Softmax`], [`Optim`] and others) are by
//! default composed of the primitives, so that they are right on any device from its first day; a fast backend
//! overrides a family's forward and backward together.
//!
//! The least that makes a device, here the CPU's primitives under another name, with one family of its own. Put into a
//! [`Device`](crate::Device), it takes all that tensors, layers and optimizers do:
//!
//! ```
//! use forge_core::backend::{
//!     Along, Arg, Backend, Binary, Composed, Cpu, Extreme, Gemm, Memory, Random, Reduce, Scan, Softmax, Unary,
//! };
//! use forge_core::{rng::Stream, DType, Device, Host, Layout, Result, Tensor};
//!
//! #[derive(Debug, Default)]
//! struct Own { cpu: Cpu, softmax: PlainSoftmax }
//!
//! impl Backend for Own {
//!     fn name(&self) -> String { "own".into() }
//!     fn supports(&self, dtype: DType) -> bool { self.cpu.supports(dtype) }
//!     fn allocate(&self, dtype: DType, len: usize) -> Result<Memory> { self.cpu.allocate(dtype, len) }
//!     fn upload(&self, host: Host) -> Result<Memory> { self.cpu.upload(host) }
//!     fn download(&self, memory: &Memory) -> Result<Host> { self.cpu.download(memory) }
//!     fn fill(&self, out: &mut Memory, value: f64) -> Result<()> { self.cpu.fill(out, value) }
//!     fn copy(&self, x: Arg, out: &mut Memory, to: &Layout) -> Result<()> { self.cpu.copy(x, out, to) }
//!     fn unary(&self, op: Unary, x: Arg, out: &mut Memory) -> Result<()> { self.cpu.unary(op, x, out) }
//!     fn unary_grad(&self, op: Unary, kept: Arg, g: Arg, out: &mut Memory) -> Result<()> {
//!         self.cpu.unary_grad(op, kept, g, out)
//!     }
//!     fn binary(&self, op: Binary, a: Arg, b: Arg, out: &mut Memory) -> Result<()> { self.cpu.binary(op, a, b, out) }
//!     fn binary_grad(&self, op: Binary, side: usize, a: Arg, b: Arg, g: Arg, out: &mut Memory) -> Result<()> {
//!         self.cpu.binary_grad(op, side, a, b, g, out)
//!     }
//!     fn accumulate(&self, x: Arg, out: &mut Memory, to: &Layout) -> Result<()> { self.cpu.accumulate(x, out, to) }
//!     fn reduce(&self, op: Reduce, x: Arg, axes: usize, out: &mut Memory) -> Result<()> {
//!         self.cpu.reduce(op, x, axes, out)
//!     }
//!     fn gemm(&self, gemm: Gemm, out: &mut Memory) -> Result<()> { self.cpu.gemm(gemm, out) }
//!     fn select(&self, mask: Arg, a: Arg, b: Arg, out: &mut Memory) -> Result<()> { self.cpu.select(mask, a, b, out) }
//!     fn position(&self, of: Extreme, x: Arg, out: &mut Memory) -> Result<()> { self.cpu.position(of, x, out) }
//!     fn scan(&self, scan: Scan, x: Arg, out: &mut Memory) -> Result<()> { self.cpu.scan(scan, x, out) }
//!     fn gather(&self, x: Arg, along: Along, out: &mut Memory) -> Result<()> { self.cpu.gather(x, along, out) }
//!     fn scatter_add(&self, x: Arg, along: Along, out: &mut Memory, to: &Layout) -> Result<()> {
//!         self.cpu.scatter_add(x, along, out, to)
//!     }
//!     fn random(&self, random: Random, stream: Stream, out: &mut Memory) -> Result<()> {
//!         self.cpu.random(random, stream, out)
//!     }
//!
//!     // A family of its own. The others (conv(), norm(), pool(), rnn(), attention(), loss(), optim()) are composed.
//!     fn softmax(&self) -> &dyn Softmax { &self.softmax }
//! }
//!
//! /// Forward by the formula; backward is the composed one.
//! #[derive(Debug, Default)]
//! struct PlainSoftmax;
//!
//! impl Softmax for PlainSoftmax {
//!     fn softmax(&self, x: &Tensor, axis: usize, log: bool) -> Result<Tensor> {
//!         let e = (x - x.max(axis, true)?.0)?.exp()?;
//!         let y = (&e / e.sum(&[axis], true)?)?;
//!         if log { y.log() } else { Ok(y) }
//!     }
//!     fn softmax_backward(&self, y: &Tensor, g: &Tensor, axis: usize, log: bool) -> Result<Tensor> {
//!         Composed.softmax_backward(y, g, axis, log)
//!     }
//! }
//!
//! let device = Device::new(Own::default());
//! let x = Tensor::from_vec(vec![1000.0f64, 1000.0], &[2], &device)?;
//! assert_eq!(x.softmax(0)?.to_vec::<f64>()?, [0.5, 0.5]);
//! let (kernel, image) = (x.reshape(&[1, 1, 1, 2])?, x.reshape(&[1, 1, 2, 1])?);
//! assert_eq!(image.pad(&[(0, 0), (0, 0), (0, 0), (0, 1)], forge_core::ops::PadMode::Constant(1.0))?
//!     .conv2d(&kernel, None, &Default::default())?.to_vec::<f64>()?, [1_001_000.0; 2]);
//! # Ok::<(), forge_core::Error>(())
//! ```
//!
//! An operation of one's own, with a derivative of one's own, needs no backend: see [`ops::custom`](crate::ops::custom).

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
pub use cpu::{Cpu, set_threads, simd_level, threads};
pub use elementwise::{Binary, Keep, Unary, UnaryKind};
pub(crate) use elementwise::{for_each_binary, for_each_unary};
pub use family::{
    AdamStep, Attention, AttentionArgs, Conv, ConvArgs, CrossEntropyArgs, GruArgs, GruOut, LionStep, Loss,
    LstmArgs, LstmOut, Norm, NormArgs, NormKind, NormOut, Optim, Parts, Pool, PoolArgs, PoolKind,
    RmsPropStep, Rnn, Saved, SgdStep, Slot, Softmax, Span, Targets, Window,
};
pub use scalar::{Dual, Scalar};
pub(crate) use shared::{Pooled, Rooms, Shared, Unique};

use crate::layout::Layout;
use crate::rng::Stream;
use crate::{DType, Host, Result};
use std::any::Any;
use std::fmt::Debug;

/// Elements on a device: host memory, or whatever the backend keeps.
///
/// ```
/// use forge_core::{backend::Memory, DType, Host};
/// let memory = Memory::Host(Host::F32(vec![1.0, 2.0]));
/// assert_eq!((memory.dtype(), memory.len(), memory.is_empty()), (DType::F32, 2, false));
/// ```
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
///
/// ```
/// use forge_core::{backend::{DeviceMemory, Memory}, DType};
/// use std::any::Any;
/// /// A pointer on some device, as far as the host knows.
/// #[derive(Debug)]
/// struct Pointer { address: u64, len: usize }
/// impl DeviceMemory for Pointer {
///     fn dtype(&self) -> DType { DType::F32 }
///     fn len(&self) -> usize { self.len }
///     fn as_any(&self) -> &dyn Any { self }
///     fn as_any_mut(&mut self) -> &mut dyn Any { self }
/// }
/// let mut memory: Box<dyn DeviceMemory> = Box::new(Pointer { address: 64, len: 0 });
/// assert!(memory.is_empty() && memory.dtype().is_float());
/// memory.as_any_mut().downcast_mut::<Pointer>().unwrap().len = 8;
/// assert_eq!(memory.as_any().downcast_ref::<Pointer>().unwrap().address, 64);
/// assert_eq!(Memory::Device(memory).len(), 8);
/// ```
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
///
/// See [`Backend`].
#[derive(Clone, Copy, Debug)]
pub struct Arg<'a> {
    /// The elements.
    pub memory: &'a Memory,
    /// Which of them, in what order.
    pub layout: &'a Layout,
}

/// How elements of one slice become one number.
///
/// See [`Backend`].
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
///
/// See [`Backend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// The first of the largest, or the first NaN.
    Max,
    /// The first of the smallest, or the first NaN.
    Min,
}

/// A running reduction along one dimension.
///
/// See [`Backend`].
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
///
/// See [`Backend`].
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
///
/// ```
/// use forge_core::{backend::Random, rng::Stream};
/// let stream = Stream::new(0, "doc");
/// assert_eq!(Random::Uniform.draw(&stream, 3), stream.uniform(3));
/// assert_eq!(Random::Normal.draw(&stream, 3), stream.normal(3));
/// let factor = Random::Mask { keep: 0.25 }.draw(&stream, 3);
/// assert_eq!(factor, if stream.uniform(3) < 0.25 { 4.0 } else { 0.0 });
/// ```
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
///
/// See [`Backend`].
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
///
/// How to write one stands in the docs of [this module](self); what the primitives do, in numbers:
///
/// ```
/// use forge_core::backend::{Along, Arg, Backend, Binary, Cpu, Extreme, Gemm, Memory, Random, Reduce, Scan};
/// use forge_core::{backend::{Unary, UnaryKind}, rng::Stream, DType, Dims, Host, Layout, Result};
/// let cpu = Cpu::new();
/// let layout = |shape: &[usize]| Ok::<_, forge_core::Error>(Layout::contiguous(Dims::new("doc", shape)?));
/// let (square, column) = (layout(&[2, 2])?, layout(&[2, 1])?);
/// let out = |dtype: DType, len: usize, write: &dyn Fn(&mut Memory) -> Result<()>| {
///     let mut out = cpu.allocate(dtype, len)?;
///     cpu.fill(&mut out, 0.0)?;
///     write(&mut out)?;
///     let host = cpu.download(&out)?;
///     cpu.recycle(out);
///     Ok::<_, forge_core::Error>(host)
/// };
/// let f32s = |len: usize, write: &dyn Fn(&mut Memory) -> Result<()>| match out(DType::F32, len, write)? {
///     Host::F32(values) => Ok(values),
///     other => Err(forge_core::Error::other(format!("{other:?}"))),
/// };
/// let numbers = cpu.upload(Host::F32(vec![1.0, 2.0, 3.0, 4.0]))?;
/// let signs = cpu.upload(Host::F32(vec![0.0, 1.0, 0.0, 1.0]))?;
/// let (x, mask) = (Arg { memory: &numbers, layout: &square }, Arg { memory: &signs, layout: &square });
/// let turned = square.permute("doc", &[1, 0])?;
/// assert_eq!(f32s(4, &|out| cpu.copy(x, out, &turned))?, [1.0, 3.0, 2.0, 4.0]);
/// assert_eq!(f32s(4, &|out| cpu.accumulate(x, out, &square))?, [1.0, 2.0, 3.0, 4.0]); // to what was there, here 0
/// let op = Unary::new(UnaryKind::Square);
/// assert_eq!(f32s(4, &|out| cpu.unary(op, x, out))?, [1.0, 4.0, 9.0, 16.0]);
/// assert_eq!(f32s(4, &|out| cpu.unary_grad(op, x, mask, out))?, [0.0, 4.0, 0.0, 8.0]); // g · 2 x
/// assert_eq!(f32s(4, &|out| cpu.binary(Binary::Sub, x, mask, out))?, [1.0, 1.0, 3.0, 3.0]);
/// assert_eq!(f32s(4, &|out| cpu.binary_grad(Binary::Sub, 1, x, mask, x, out))?, [-1.0, -2.0, -3.0, -4.0]);
/// assert_eq!(f32s(4, &|out| cpu.select(mask, x, mask, out))?, [0.0, 2.0, 0.0, 4.0]);
/// assert_eq!(f32s(2, &|out| cpu.reduce(Reduce::Sum, x, 1, out))?, [3.0, 7.0]);
/// assert_eq!(out(DType::I64, 2, &|out| cpu.position(Extreme::Max, x, out))?, Host::I64(vec![1, 1]));
/// let scan = Scan { op: Reduce::Sum, axis: 1, reverse: false, exclusive: false };
/// assert_eq!(f32s(4, &|out| cpu.scan(scan, x, out))?, [1.0, 3.0, 3.0, 7.0]);
/// let product = Gemm { a: x, b: x, alpha: 1.0, beta: 0.0, bias: None, activation: None };
/// assert_eq!(f32s(4, &|out| cpu.gemm(product, out))?, [7.0, 10.0, 15.0, 22.0]);
/// let positions = cpu.upload(Host::I64(vec![1, 0]))?;
/// let along = Along { op: "doc", axis: 1, index: Arg { memory: &positions, layout: &column } };
/// assert_eq!(f32s(2, &|out| cpu.gather(x, along, out))?, [2.0, 3.0]);
/// let first = Arg { memory: &numbers, layout: &column }; // 1 and 2
/// assert_eq!(f32s(4, &|out| cpu.scatter_add(first, along, out, &square))?, [0.0, 1.0, 2.0, 0.0]);
/// let stream = Stream::new(0, "doc");
/// assert_eq!(f32s(2, &|out| cpu.random(Random::Uniform, stream, out))?[1], stream.uniform(1) as f32);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// A method that gives a `Result` fails when the device does, and of a type that it does not support; `gather` and
/// `scatter_add` of a position that does not exist. Shapes are checked before.
pub trait Backend: Debug + Send + Sync + 'static {
    /// Name with index, such as `cpu` or `cuda:0`.
    fn name(&self) -> String;

    /// Whether tensors of this type can live here.
    fn supports(&self, dtype: DType) -> bool;

    /// Room for `len` elements, of unspecified value.
    fn allocate(&self, dtype: DType, len: usize) -> Result<Memory>;

    /// Takes back memory that no tensor uses any more. Small memory of the host stays with its thread instead, where a
    /// tensor of the same device finds it.
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
