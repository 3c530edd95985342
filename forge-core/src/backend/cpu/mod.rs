//! The CPU backend.

mod channels_last;
mod free_list;
mod functions;
mod gemm;
mod index;
mod map;
mod ranges;
mod reduce;
mod scratch;
pub(crate) mod simd;
mod sums;
pub(crate) mod threads;
mod tile;
mod turn;

pub use simd::simd_level;
pub use threads::{set_threads, threads};

use super::{
    Along, Arg, Attention, Backend, Binary, Conv, Extreme, Gemm, Loss, Memory, Norm, Optim, Pool, Random,
    Reduce, Rnn, Scan, Softmax, Unary,
};
use crate::layout::Layout;
use crate::rng::Stream;
use crate::{DType, Element, Error, Host, Result, profile};
use std::sync::Arc;

/// Elements that are copied from the host to where registers of them begin on a cache line; more stay where they are.
const SMALL: usize = 1 << 20;

/// Runs everything in host memory, in f32 and f64.
///
/// ```
/// use forge_core::{backend::{Backend, Cpu}, DType, Device};
/// assert_eq!(Cpu::new().name(), "cpu");
/// assert!(Device::new(Cpu::new()).supports(DType::F64));
/// ```
#[derive(Debug)]
pub struct Cpu {
    memory: Arc<free_list::FreeList>,
    attention: attention::CpuAttention,
    rnn: rnn::CpuRnn,
    conv: conv::CpuConv,
    loss: loss::CpuLoss,
    norm: norm::CpuNorm,
    pool: pool::CpuPool,
}

impl Cpu {
    /// The CPU.
    pub fn new() -> Self {
        let memory = Arc::<free_list::FreeList>::default();
        Cpu {
            attention: attention::CpuAttention::new(&memory),
            rnn: rnn::CpuRnn::new(&memory),
            conv: conv::CpuConv::new(&memory),
            loss: loss::CpuLoss::new(&memory),
            norm: norm::CpuNorm::new(&memory),
            pool: pool::CpuPool::new(&memory),
            memory,
        }
    }
}

impl Default for Cpu {
    fn default() -> Self {
        Cpu::new()
    }
}

/// The typed elements of an operand.
fn elements<'a, T: Element>(op: &'static str, memory: &'a Memory) -> Result<&'a [T]> {
    let elements = match memory {
        Memory::Aligned(elements) => elements.slice(),
        Memory::Host(host) => T::slice(host),
        Memory::Device(_) => return Err(foreign(op)),
    };
    elements.ok_or_else(|| other_type::<T>(op, memory.dtype()))
}

/// The typed elements of an output.
fn elements_mut<'a, T: Element>(op: &'static str, memory: &'a mut Memory) -> Result<&'a mut [T]> {
    let dtype = memory.dtype();
    let elements = match memory {
        Memory::Aligned(elements) => elements.slice_mut(),
        Memory::Host(host) => T::slice_mut(host),
        Memory::Device(_) => return Err(foreign(op)),
    };
    elements.ok_or_else(|| other_type::<T>(op, dtype))
}

#[cold]
fn other_type<T: Element>(op: &'static str, right: DType) -> Error {
    crate::ErrorKind::DTypes { op, left: T::DTYPE, right }.into()
}

#[cold]
fn foreign(op: &'static str) -> Error {
    Error::other(format!("{op}: this memory is not the CPU's"))
}

/// Runs `$body` with `$T` standing for the float type of `$dtype`.
macro_rules! float {
    ($op:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            dtype => {
                Err(crate::ErrorKind::DType { op: $op, dtype, hint: "convert with `.to_dtype(DType::F32)`" }
                    .into())
            }
        }
    };
}

// Below `float!`, which they use.
mod attention;
mod conv;
mod loss;
mod norm;
mod optim;
mod pool;
mod rnn;
mod softmax;

/// Runs `$body` with `$T` standing for any element type.
macro_rules! any {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            DType::I64 => {
                type $T = i64;
                $body
            }
        }
    };
}

fn positions<'a>(along: &Along<'a>) -> Result<index::Positions<'a>> {
    let Along { op, axis, index } = *along;
    Ok(index::Positions { op, axis, index: elements(op, index.memory)?, layout: index.layout })
}

impl Backend for Cpu {
    fn name(&self) -> String {
        "cpu".into()
    }

    fn supports(&self, _dtype: DType) -> bool {
        true
    }

    fn allocate(&self, dtype: DType, len: usize) -> Result<Memory> {
        Ok(Memory::Aligned(self.memory.take(dtype, len)))
    }

    fn recycle(&self, memory: Memory) {
        match memory {
            Memory::Aligned(buffer) => self.memory.give(buffer),
            Memory::Host(host) => profile::gave(host.len() * host.dtype().size()),
            Memory::Device(_) => {}
        }
    }

    fn upload(&self, host: Host) -> Result<Memory> {
        if host.len() > SMALL {
            profile::took(host.len() * host.dtype().size());
            return Ok(Memory::Host(host));
        }
        let mut aligned = self.memory.take(host.dtype(), host.len());
        any!(host.dtype(), T => {
            if let (Some(to), Some(from)) = (aligned.slice_mut::<T>(), T::slice(&host)) {
                to.copy_from_slice(from);
            }
        });
        Ok(Memory::Aligned(aligned))
    }

    fn download(&self, memory: &Memory) -> Result<Host> {
        match memory {
            Memory::Host(host) => Ok(host.clone()),
            Memory::Aligned(elements) => Ok(elements.to_host()),
            Memory::Device(_) => Err(Error::other("download: this memory is not the CPU's")),
        }
    }

    fn fill(&self, out: &mut Memory, value: f64) -> Result<()> {
        any!(out.dtype(), T => elements_mut::<T>("fill", out)?.fill(T::from_f64(value)));
        Ok(())
    }

    fn copy(&self, x: Arg, out: &mut Memory, to: &Layout) -> Result<()> {
        let (from, into, layout) = (x.memory.dtype(), out.dtype(), x.layout);
        if from == into {
            // Without a detour through f64, so that large integers stay exact.
            if from == DType::I64 {
                let (x, out) = (elements::<i64>("copy", x.memory)?, elements_mut("copy", out)?);
                map::copy(x, layout, out, to, |v| v);
                return Ok(());
            }
            return float!("copy", from, T => {
                turn::copy::<T>(elements("copy", x.memory)?, layout, elements_mut("copy", out)?, to);
                Ok(())
            });
        }
        any!(from, T => any!(into, U => {
            let (x, out) = ((elements::<T>("to_dtype", x.memory)?, x.layout), elements_mut::<U>("to_dtype", out)?);
            map::copy(x.0, x.1, out, to, |v| U::from_f64(v.to_f64()));
            Ok(())
        }))
    }

    fn unary(&self, op: Unary, x: Arg, out: &mut Memory) -> Result<()> {
        let name = op.kind.name();
        float!(name, x.memory.dtype(), T => {
            map::unary::<T>(op, elements(name, x.memory)?, x.layout, elements_mut(name, out)?);
            Ok(())
        })
    }

    fn unary_grad(&self, op: Unary, kept: Arg, g: Arg, out: &mut Memory) -> Result<()> {
        let name = op.kind.name();
        float!(name, g.memory.dtype(), T => {
            let (k, dy) = (elements(name, kept.memory)?, elements(name, g.memory)?);
            map::unary_grad::<T>(op, (k, kept.layout), (dy, g.layout), elements_mut(name, out)?);
            Ok(())
        })
    }

    fn binary(&self, op: Binary, a: Arg, b: Arg, out: &mut Memory) -> Result<()> {
        let name = op.name();
        float!(name, a.memory.dtype(), T => {
            let (x, y) = (elements(name, a.memory)?, elements(name, b.memory)?);
            map::binary::<T>(op, (x, a.layout), (y, b.layout), elements_mut(name, out)?);
            Ok(())
        })
    }

    fn binary_grad(&self, op: Binary, side: usize, a: Arg, b: Arg, g: Arg, out: &mut Memory) -> Result<()> {
        let name = op.name();
        float!(name, g.memory.dtype(), T => {
            let (x, y, dz) = (elements(name, a.memory)?, elements(name, b.memory)?, elements(name, g.memory)?);
            let out = elements_mut(name, out)?;
            map::binary_grad::<T>(op, side, (x, a.layout), (y, b.layout), (dz, g.layout), out);
            Ok(())
        })
    }

    fn accumulate(&self, x: Arg, out: &mut Memory, to: &Layout) -> Result<()> {
        float!("accumulate", out.dtype(), T => {
            let out = elements_mut("accumulate", out)?;
            map::accumulate::<T>(elements("accumulate", x.memory)?, x.layout, out, to);
            Ok(())
        })
    }

    fn reduce(&self, op: Reduce, x: Arg, axes: usize, out: &mut Memory) -> Result<()> {
        any!(x.memory.dtype(), T => {
            let from = elements("reduce", x.memory)?;
            reduce::reduce::<T>(op, from, x.layout, axes, elements_mut("reduce", out)?);
            Ok(())
        })
    }

    fn select(&self, mask: Arg, a: Arg, b: Arg, out: &mut Memory) -> Result<()> {
        any!(out.dtype(), T => {
            let all = (elements("where", mask.memory)?, elements("where", a.memory)?, elements("where", b.memory)?);
            let out = elements_mut("where", out)?;
            map::select::<T>((all.0, mask.layout), (all.1, a.layout), (all.2, b.layout), out);
            Ok(())
        })
    }

    fn position(&self, of: Extreme, x: Arg, out: &mut Memory) -> Result<()> {
        any!(x.memory.dtype(), T => {
            let from = elements("position", x.memory)?;
            reduce::position::<T>(of, from, x.layout, elements_mut("position", out)?);
            Ok(())
        })
    }

    fn scan(&self, scan: Scan, x: Arg, out: &mut Memory) -> Result<()> {
        self.copy(x, out, &Layout::contiguous(*x.layout.shape()))?;
        any!(x.memory.dtype(), T => {
            reduce::scan::<T>(scan, x.layout.shape(), elements_mut("scan", out)?);
            Ok(())
        })
    }

    fn gemm(&self, gemm: Gemm, out: &mut Memory) -> Result<()> {
        float!("matmul", out.dtype(), T => gemm::run::<T>(&self.memory, gemm, out))
    }

    fn gather(&self, x: Arg, along: Along, out: &mut Memory) -> Result<()> {
        any!(x.memory.dtype(), T => {
            let out = elements_mut::<T>(along.op, out)?;
            index::gather(elements::<T>(along.op, x.memory)?, x.layout, &positions(&along)?, out)
        })
    }

    fn scatter_add(&self, x: Arg, along: Along, out: &mut Memory, to: &Layout) -> Result<()> {
        float!(along.op, x.memory.dtype(), T => {
            let out = elements_mut::<T>(along.op, out)?;
            index::scatter_add(elements::<T>(along.op, x.memory)?, x.layout, &positions(&along)?, out, to)
        })
    }

    fn random(&self, random: Random, stream: Stream, out: &mut Memory) -> Result<()> {
        float!("random", out.dtype(), T => {
            for (i, o) in elements_mut::<T>("random", out)?.iter_mut().enumerate() {
                *o = random.draw(&stream, i) as T;
            }
            Ok(())
        })
    }

    fn attention(&self) -> &dyn Attention {
        &self.attention
    }

    fn conv(&self) -> &dyn Conv {
        &self.conv
    }

    fn loss(&self) -> &dyn Loss {
        &self.loss
    }

    fn norm(&self) -> &dyn Norm {
        &self.norm
    }

    fn pool(&self) -> &dyn Pool {
        &self.pool
    }

    fn rnn(&self) -> &dyn Rnn {
        &self.rnn
    }

    fn optim(&self) -> &dyn Optim {
        &optim::CpuOptim
    }

    fn softmax(&self) -> &dyn Softmax {
        &softmax::CpuSoftmax
    }
}
