//! Matrix products, by the `gemm` crate on one thread.

use super::simd::Float;
use super::{elements, elements_mut, map};
use crate::backend::{Arg, Gemm, Memory, Scalar};
use crate::layout::{Dims, Layout, Runs};
use crate::{Error, Result};

/// A batch of products; see [`Gemm`].
pub fn run<T: Float>(gemm: Gemm, out: &mut Memory) -> Result<()> {
    let rank = gemm.a.layout.rank();
    let matrix = |arg: &Arg| {
        let (shape, strides) = (arg.layout.shape(), arg.layout.strides());
        ((shape[rank - 2], shape[rank - 1]), (strides[rank - 2], strides[rank - 1]))
    };
    let ((m, k), (a_row, a_col)) = matrix(&gemm.a);
    let ((k_b, n), (b_row, b_col)) = matrix(&gemm.b);
    let batch_shape = &gemm.a.layout.shape()[..rank - 2];
    if k != k_b || rank != gemm.b.layout.rank() || batch_shape != &gemm.b.layout.shape()[..rank - 2] {
        return Err(Error::shape(
            "matmul",
            format!(
                "{:?} x {:?}: not a batch of matrix products",
                gemm.a.layout.shape(),
                gemm.b.layout.shape()
            ),
        ));
    }
    let (a, b) = (elements::<T>("matmul", gemm.a.memory)?, elements::<T>("matmul", gemm.b.memory)?);
    let out = elements_mut::<T>("matmul", out)?;
    let batches: usize = batch_shape.iter().product();
    if out.len() != batches * m * n {
        return Err(Error::shape(
            "matmul",
            format!("the output holds {} elements, not {}", out.len(), batches * m * n),
        ));
    }
    if out.is_empty() {
        return Ok(());
    }
    let (lead_a, lead_b) = (gemm.a.layout.leading(rank - 2), gemm.b.layout.leading(rank - 2));
    let runs = Runs::new([&lead_a, &lead_b]);
    let mut products = out.chunks_exact_mut(m * n);
    runs.each(|[at_a, at_b]| {
        for i in 0..runs.n {
            let Some(c) = products.next() else { return };
            let (from_a, from_b) = (at_a + i * runs.strides[0], at_b + i * runs.strides[1]);
            let operand = |x: &[T], from: usize, rows: usize, cols: usize, row: usize, col: usize| {
                // The last element that is read; the slice check keeps the pointers below in range.
                let last = if rows * cols == 0 { 0 } else { from + (rows - 1) * row + (cols - 1) * col + 1 };
                debug_assert!(last <= x.len());
                if rows * cols == 0 { x.as_ptr() } else { x[from..last].as_ptr() }
            };
            let (pa, pb) = (operand(a, from_a, m, k, a_row, a_col), operand(b, from_b, k, n, b_row, b_col));
            // SAFETY: `pa` and `pb` point at checked ranges that hold all m×k and k×n elements under their strides;
            // `c` holds m·n elements and is exclusively borrowed, so it overlaps neither.
            unsafe {
                gemm::gemm(
                    m,
                    n,
                    k,
                    c.as_mut_ptr(),
                    1,
                    n as isize,
                    gemm.beta != 0.0,
                    pa,
                    a_col as isize,
                    a_row as isize,
                    pb,
                    b_col as isize,
                    b_row as isize,
                    <T as Scalar>::from_f64(gemm.beta),
                    <T as Scalar>::from_f64(gemm.alpha),
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
        }
    });
    epilogue(gemm, n, out)
}

/// Bias and activation, a piece of a row at a time, so that nothing is allocated.
fn epilogue<T: Float>(gemm: Gemm, n: usize, out: &mut [T]) -> Result<()> {
    const PIECE: usize = 256;
    if let Some(bias) = gemm.bias {
        let values = elements::<T>("matmul", bias.memory)?;
        if bias.layout.shape()[..] != [n] {
            return Err(Error::shape(
                "matmul",
                format!("a bias of {:?} for {n} columns", bias.layout.shape()),
            ));
        }
        let (from, stride) = (bias.layout.offset(), bias.layout.strides()[0]);
        for row in out.chunks_exact_mut(n) {
            if stride == 1 {
                row.iter_mut().zip(&values[from..from + n]).for_each(|(o, b)| *o = *o + *b);
            } else {
                row.iter_mut().enumerate().for_each(|(j, o)| *o = *o + values[from + j * stride]);
            }
        }
    }
    if let Some(activation) = gemm.activation {
        let mut before = [T::default(); PIECE];
        for piece in out.chunks_mut(PIECE) {
            let before = &mut before[..piece.len()];
            before.copy_from_slice(piece);
            map::unary(activation, before, &Layout::contiguous(Dims::filled(&[piece.len()])), piece);
        }
    }
    Ok(())
}
