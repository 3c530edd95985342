//! A device with the CPU's primitives and every family composed of them, as a new device is on its first day.

use forge_core::backend::{
    Along, Arg, Backend, Binary, Cpu, Extreme, Gemm, Memory, Random, Reduce, Scan, Unary,
};
use forge_core::rng::Stream;
use forge_core::{DType, Host, Layout, Result};

#[derive(Debug, Default)]
pub struct Composed(Cpu);

/// The CPU's own primitives; families are left to their defaults.
macro_rules! primitives {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $out:ty;)*) => {
        impl Backend for Composed {
            fn name(&self) -> String {
                "composed".into()
            }

            $(fn $name(&self, $($argument: $type),*) -> $out {
                self.0.$name($($argument),*)
            })*
        }
    };
}
primitives! {
    fn supports(dtype: DType) -> bool;
    fn allocate(dtype: DType, len: usize) -> Result<Memory>;
    fn recycle(memory: Memory) -> ();
    fn upload(host: Host) -> Result<Memory>;
    fn download(memory: &Memory) -> Result<Host>;
    fn fill(out: &mut Memory, value: f64) -> Result<()>;
    fn copy(x: Arg, out: &mut Memory, to: &Layout) -> Result<()>;
    fn unary(op: Unary, x: Arg, out: &mut Memory) -> Result<()>;
    fn unary_grad(op: Unary, kept: Arg, g: Arg, out: &mut Memory) -> Result<()>;
    fn binary(op: Binary, a: Arg, b: Arg, out: &mut Memory) -> Result<()>;
    fn binary_grad(op: Binary, side: usize, a: Arg, b: Arg, g: Arg, out: &mut Memory) -> Result<()>;
    fn accumulate(x: Arg, out: &mut Memory, to: &Layout) -> Result<()>;
    fn reduce(op: Reduce, x: Arg, axes: usize, out: &mut Memory) -> Result<()>;
    fn gemm(gemm: Gemm, out: &mut Memory) -> Result<()>;
    fn select(mask: Arg, a: Arg, b: Arg, out: &mut Memory) -> Result<()>;
    fn position(of: Extreme, x: Arg, out: &mut Memory) -> Result<()>;
    fn scan(scan: Scan, x: Arg, out: &mut Memory) -> Result<()>;
    fn gather(x: Arg, along: Along, out: &mut Memory) -> Result<()>;
    fn scatter_add(x: Arg, along: Along, out: &mut Memory, to: &Layout) -> Result<()>;
    fn random(random: Random, stream: Stream, out: &mut Memory) -> Result<()>;
}
