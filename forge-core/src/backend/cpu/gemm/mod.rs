//! Matrix products: panels of the right operand, packed where that pays, times rows of the left one in the register tile.
//!
//! A product is cut into tasks of one panel and some rows each, by its shape alone; a batch is so many products more.

mod dots;
mod pack;

use super::free_list::FreeList;
use super::scratch::Scratch;
use super::simd::{Float, lanes};
use super::threads::{Shared, parallel_if};
use super::tile::{Part, Product};
use super::{elements, elements_mut, map};
use crate::backend::{Arg, Gemm, Memory, Scalar};
use crate::layout::{Dims, Layout};
use crate::{Error, Result};
use dots::Dots;
use pack::Pack;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::slice::{from_raw_parts, from_raw_parts_mut};
use std::sync::Arc;

/// Products that are summed before the next panel is packed: a panel of them stays in the first-level cache.
const DEPTH: usize = 112;
/// Rows of a task: many for each panel that is packed, in whole tiles.
const ROWS: usize = 480;
/// Up to so many rows, a panel is read where it lies, if it can be.
const FEW: usize = 12;
/// Up to so many rows or columns, a product of operands that both lie along the sum is one of dot products.
const THIN: usize = 2;
/// The same limit for long sums, beside which adding up a register's lanes costs little, and what is long.
const FEW_OF_LONG: usize = 16;
const LONG: usize = 128;
/// Rows or columns of a task of dot products.
const MANY: usize = 64;

/// Multiply-adds above which the `gemm` crate is quicker: it packs the left operand, too, and takes memory for that.
const LARGE: usize = 1 << 25;
/// Elements of a panel that lies on the stack.
const LITTLE: usize = 1024;
/// Elements of a right operand that stays in the first-level cache as it lies.
const NEAR: usize = 4096;

/// Rows or columns of a piece of a large product, at least, and the most pieces: each packs both operands anew.
const PIECE: usize = 512;
const PIECES: usize = 16;

/// The way that a call takes.
#[derive(Clone, Copy)]
enum Way {
    /// Few rows or columns meet along sums that lie side by side.
    Thin,
    /// So many panels times blocks of rows.
    Panels,
    /// Pieces of so many rows or columns by the `gemm` crate.
    Large,
}

/// A strided matrix.
#[derive(Clone, Copy)]
struct Matrix<T> {
    at: *const T,
    /// Elements from row to row and from column to column.
    row: usize,
    column: usize,
}

// SAFETY: it is only read, while the borrowed operand lives.
unsafe impl<T: Sync> Sync for Matrix<T> {}

impl<T: Copy> Matrix<T> {
    fn transposed(self) -> Self {
        Matrix { row: self.column, column: self.row, ..self }
    }

    /// So many elements further.
    fn by(self, offset: usize) -> Self {
        Matrix { at: self.at.wrapping_add(offset), ..self }
    }

    /// From a row and a column on.
    fn from(self, row: usize, column: usize) -> Self {
        self.by(row * self.row + column * self.column)
    }
}

/// A batch of products; see [`Gemm`].
pub fn run<T: Float>(memory: &Arc<FreeList>, gemm: Gemm, out: &mut Memory) -> Result<()> {
    let rank = gemm.a.layout.rank();
    let (shape_a, shape_b) = (gemm.a.layout.shape(), gemm.b.layout.shape());
    if rank < 2
        || rank != shape_b.len()
        || shape_a[rank - 1] != shape_b[rank - 2]
        || shape_a[..rank - 2] != shape_b[..rank - 2]
    {
        let why = format!("{shape_a:?} x {shape_b:?}: not a batch of matrix products");
        return Err(Error::shape("matmul", why));
    }
    let (mut m, k, mut n) = (shape_a[rank - 2], shape_a[rank - 1], shape_b[rank - 1]);
    let (mut a, mut b) = ((operand::<T>(&gemm.a)?, &gemm.a), (operand::<T>(&gemm.b)?, &gemm.b));
    let out = elements_mut::<T>("matmul", out)?;
    let batch = &shape_a[..rank - 2];
    let batches: usize = batch.iter().product();
    if out.len() != batches * m * n {
        let why = format!("the output holds {} elements, not {}", out.len(), batches * m * n);
        return Err(Error::shape("matmul", why));
    }
    if out.is_empty() {
        return Ok(());
    }
    if gemm.beta != 0.0 && gemm.beta != 1.0 {
        let factor = <T as Scalar>::from_f64(gemm.beta);
        out.iter_mut().for_each(|o| *o = *o * factor);
    }
    if n == 1 && gemm.bias.is_none() && a.0.column != 1 {
        // A column is a row of the transposed product, whose panels are wide.
        (m, n) = (1, m);
        (a, b) = ((b.0.transposed(), b.1), (a.0.transposed(), a.1));
    }
    let mut copy = None;
    let bias = gemm.bias.as_ref().map(|bias| bias_of(memory, bias, n, &mut copy)).transpose()?;
    let bias = bias.map_or(std::ptr::null(), <[T]>::as_ptr);
    let (factor, adds) = (<T as Scalar>::from_f64(gemm.alpha), gemm.beta != 0.0);
    let task = Task { sizes: (m, k, n), factor, adds, bias, width: 4 * lanes::<T>(), memory };
    let way = task.way(&a.0, &b.0);
    let each = task.parts(way);
    let to = Shared::new(out);
    parallel_if(batches.saturating_mul(m * n).saturating_mul(k), batches * each, |number| {
        let (product, part) = (number / each, number % each);
        let (a, b) = (a.0.by(offset(a.1, rank, product)), b.0.by(offset(b.1, rank, product)));
        let out = to.get().wrapping_add(product * m * n);
        // SAFETY: the operands' last elements are there, by `operand`, and so are those of this product; of the output,
        // which is exclusively borrowed, a task writes its own part.
        unsafe {
            match way {
                Way::Thin => task.dots(a, b, out, part),
                Way::Panels => task.panel(a, b, out, part),
                Way::Large => task.piece(a, b, out, part),
            }
        }
    });
    activate(gemm, out)
}

/// The operand's first matrix, whose elements and those of all others of the batch are in memory.
fn operand<T: Float>(arg: &Arg) -> Result<Matrix<T>> {
    let all = elements::<T>("matmul", arg.memory)?;
    let (shape, strides) = (arg.layout.shape(), arg.layout.strides());
    let furthest = shape.iter().zip(strides).map(|(&size, &stride)| size.saturating_sub(1) * stride);
    let end = arg.layout.offset() + furthest.sum::<usize>();
    if shape.count() > 0 && end >= all.len() {
        return Err(Error::shape("matmul", "an operand reaches beyond its memory"));
    }
    let rank = shape.len();
    let at = all.as_ptr().wrapping_add(arg.layout.offset());
    Ok(Matrix { at, row: strides[rank - 2], column: strides[rank - 1] })
}

/// Where matrix `number` of a batch begins, from the first one.
fn offset(arg: &Arg, rank: usize, mut number: usize) -> usize {
    let mut at = 0;
    for d in (0..rank - 2).rev() {
        let size = arg.layout.shape()[d];
        at += number % size * arg.layout.strides()[d];
        number /= size;
    }
    at
}

/// The bias, side by side: where it lies if it does so, else a copy in `copy`.
fn bias_of<'a, T: Float>(
    memory: &Arc<FreeList>,
    bias: &Arg<'a>,
    n: usize,
    copy: &'a mut Option<Scratch<T>>,
) -> Result<&'a [T]> {
    if bias.layout.shape()[..] != [n] {
        let why = format!("a bias of {:?} for {n} columns", bias.layout.shape());
        return Err(Error::shape("matmul", why));
    }
    let values = elements::<T>("matmul", bias.memory)?;
    if let Some(there) = bias.layout.contiguous_range().and_then(|range| values.get(range)) {
        return Ok(there);
    }
    let packed = copy.insert(Scratch::new(memory, n));
    let to = Layout::contiguous(Dims::filled(&[n]));
    map::copy(values, bias.layout, packed.as_mut(), &to, |v| v);
    Ok(packed.as_ref())
}

/// Room for a panel of a small product, where asking for memory would take as long as the product.
#[repr(align(64))]
struct Little<T>([MaybeUninit<T>; LITTLE]);

impl<T> Little<T> {
    fn new() -> Self {
        Little([const { MaybeUninit::uninit() }; LITTLE])
    }

    fn at(&mut self) -> *mut T {
        self.0.as_mut_ptr().cast()
    }
}

/// What the tasks of a call have in common.
struct Task<'a, T> {
    sizes: (usize, usize, usize),
    factor: T,
    /// Whether the output's own values are added to.
    adds: bool,
    /// Added to each row, or null.
    bias: *const T,
    /// Columns of a panel.
    width: usize,
    memory: &'a Arc<FreeList>,
}
// SAFETY: the bias is only read, while its scratch lives.
unsafe impl<T: Sync> Sync for Task<'_, T> {}

impl<T: Float> Task<'_, T> {
    /// By the shape, and by how the operands lie.
    fn way(&self, a: &Matrix<T>, b: &Matrix<T>) -> Way {
        let (m, k, n) = self.sizes;
        let few = m.min(n);
        let pays = few <= THIN && k >= self.width / 4 || few <= FEW_OF_LONG && k >= LONG;
        if pays && a.column == 1 && b.row == 1 && !self.adds {
            Way::Thin
        } else if m.min(n) > FEW && m.saturating_mul(n).saturating_mul(k) > LARGE {
            Way::Large
        } else {
            Way::Panels
        }
    }

    /// Tasks of each product.
    fn parts(&self, way: Way) -> usize {
        let (m, _, n) = self.sizes;
        match way {
            Way::Thin => m.max(n).div_ceil(MANY),
            Way::Panels => n.div_ceil(self.width) * m.div_ceil(ROWS),
            Way::Large => (m.max(n) / PIECE).clamp(1, PIECES),
        }
    }

    /// One panel of one block of rows.
    ///
    /// # Safety
    /// The operands and the output have the sizes of the task.
    unsafe fn panel(&self, a: Matrix<T>, b: Matrix<T>, out: *mut T, part: usize) {
        let (m, k, n) = self.sizes;
        let blocks = m.div_ceil(ROWS);
        let (first, row) = (part / blocks * self.width, part % blocks * ROWS);
        let (columns, rows) = (self.width.min(n - first), ROWS.min(m - row));
        let padded = columns.next_multiple_of(self.width / 4);
        let one = <T as Scalar>::from_f64(1.0);
        let near = rows <= FEW || k * n <= NEAR;
        let direct = self.factor == one && b.column == 1 && columns == padded && near;
        // Products in pieces of one size.
        let deep = k.div_ceil(k.div_ceil(DEPTH).max(1)).max(1);
        let floats = if direct { 0 } else { deep * padded };
        let mut little = Little::<T>::new();
        let mut packed = (floats > LITTLE).then(|| Scratch::<T>::new(self.memory, floats));
        let panel = packed.as_mut().map_or(little.at(), |packed| packed.as_mut().as_mut_ptr());
        let out = out.wrapping_add(row * n + first);
        // A sum of no products is written, too.
        for from in (0..k.max(1)).step_by(deep) {
            let depth = deep.min(k - from);
            let b = b.from(from, first);
            let (at, step) = match direct {
                true => (b.at, b.row),
                false => {
                    T::dispatch(Pack { b, depth, columns, padded, factor: self.factor, to: panel });
                    (panel.cast_const(), padded)
                }
            };
            let a = a.from(row, from);
            let (start, start_row) = match from > 0 || self.adds {
                true => (out.cast_const(), n),
                false if self.bias.is_null() => (self.bias, 0),
                false => (self.bias.wrapping_add(first), 0),
            };
            let parts = [Part::block(depth, a.at, a.row, a.column, at, step), Part::none()];
            T::dispatch(&Product { rows, columns, start, start_row, parts, out, out_row: n });
        }
        if self.adds && !self.bias.is_null() {
            // SAFETY: the task's own rows and columns.
            unsafe { self.add_bias(out, rows, first..first + columns) };
        }
    }

    /// A piece of a large product: some of its rows, or of its columns where there are more of them.
    ///
    /// # Safety
    /// As [`Task::panel`].
    unsafe fn piece(&self, a: Matrix<T>, b: Matrix<T>, out: *mut T, part: usize) {
        let (m, k, n) = self.sizes;
        let parts = self.parts(Way::Large);
        let range = |size: usize| part * size / parts..(part + 1) * size / parts;
        let (rows, columns) = if m >= n { (range(m), 0..n) } else { (0..m, range(n)) };
        let (a, b) = (a.from(rows.start, 0), b.from(0, columns.start));
        let out = out.wrapping_add(rows.start * n + columns.start);
        let one = <T as Scalar>::from_f64(1.0);
        // SAFETY: the caller's promise; pieces are of rows or columns of their own.
        unsafe {
            gemm::gemm(
                rows.len(),
                columns.len(),
                k,
                out,
                1,
                n as isize,
                self.adds,
                a.at,
                a.column as isize,
                a.row as isize,
                b.at,
                b.column as isize,
                b.row as isize,
                one,
                self.factor,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
            if !self.bias.is_null() {
                self.add_bias(out, rows.len(), columns);
            }
        }
    }

    /// Adds the bias of some columns to so many rows of the output, from its first element on.
    ///
    /// # Safety
    /// They are there.
    unsafe fn add_bias(&self, out: *mut T, rows: usize, columns: Range<usize>) {
        for row in 0..rows {
            // SAFETY: within the caller's rows and columns; the bias has all columns.
            let (out, bias) = unsafe {
                let out = out.add(row * self.sizes.2);
                let bias = self.bias.add(columns.start);
                (from_raw_parts_mut(out, columns.len()), from_raw_parts(bias, columns.len()))
            };
            out.iter_mut().zip(bias).for_each(|(o, b)| *o = *o + *b);
        }
    }

    /// A part of a product with few rows, or with few columns.
    ///
    /// # Safety
    /// As [`Task::panel`].
    unsafe fn dots(&self, a: Matrix<T>, b: Matrix<T>, out: *mut T, part: usize) {
        let (m, k, n) = self.sizes;
        let (b, factor, bias) = (b.transposed(), self.factor, self.bias);
        let range = |size: usize| part * MANY..size.min((part + 1) * MANY);
        T::dispatch(match m <= n {
            true => Dots {
                few: (a, m),
                many: (b, range(n)),
                k,
                factor,
                out,
                steps: (n, 1),
                bias,
                bias_steps: (0, 1),
            },
            false => Dots {
                few: (b, n),
                many: (a, range(m)),
                k,
                factor,
                out,
                steps: (1, n),
                bias,
                bias_steps: (1, 0),
            },
        });
    }
}

/// The activation, a piece at a time, so that nothing is allocated.
fn activate<T: Float>(gemm: Gemm, out: &mut [T]) -> Result<()> {
    const SOME: usize = 512;
    let Some(activation) = gemm.activation else { return Ok(()) };
    let mut before = [T::default(); SOME];
    for piece in out.chunks_mut(SOME) {
        let before = &mut before[..piece.len()];
        before.copy_from_slice(piece);
        map::unary(activation, before, &Layout::contiguous(Dims::filled(&[piece.len()])), piece);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::{DType, Device, Tensor};

    fn noise(shape: &[usize], stream: &str) -> Tensor {
        let stream = Stream::new(7, stream);
        let count = shape.iter().product();
        Tensor::new(&(0..count).map(|i| stream.normal(i)).collect::<Vec<_>>(), shape).unwrap()
    }

    /// Every way through the kernels: thin, in tiles of dot products, few rows read in place, packed, several depths,
    /// several blocks of rows, tails; operands in either order; sums on top of what is there, with a factor and a bias.
    #[test]
    fn products_are_those_of_the_definition() {
        let sizes = [
            (1, 1, 1),
            (1, 40, 9),
            (2, 17, 70),
            (9, 33, 1),
            (70, 40, 2),
            (3, 5, 64),
            (12, 230, 128),
            (7, 3, 33),
            (13, 112, 65),
            (20, 113, 31),
            (481, 5, 6),
            (970, 2, 3),
            (5, 0, 4),
            (6, 225, 200),
            (513, 130, 510),
            (3, 128, 3),
            (16, 131, 37),
            (70, 150, 10),
            (5, 128, 70),
            (16, 131, 200),
        ];
        let turns = [(false, false), (false, true), (true, false), (true, true)];
        let dtypes = [(DType::F64, 1e-12), (DType::F32, 1e-6)];
        let cases = sizes.iter().flat_map(|size| turns.map(|turn| (*size, turn)));
        for (((m, k, n), (turn_a, turn_b)), (dtype, exact)) in
            cases.flat_map(|case| dtypes.map(|d| (case, d)))
        {
            if m * k * n > LARGE && turn_a == turn_b {
                continue; // not worth the time
            }
            let noise = |shape: &[usize], name: &str| noise(shape, name).to_dtype(dtype).unwrap();
            let matrix = |rows: usize, columns: usize, turned: bool, name: &str| match turned {
                true => noise(&[2, columns, rows], name).permute(&[0, 2, 1]).unwrap(),
                false => noise(&[2, rows, columns], name),
            };
            let (a, b) = (matrix(m, k, turn_a, "a"), matrix(k, n, turn_b, "b"));
            let (before, bias) = (noise(&[2, m, n], "out"), noise(&[n], "bias"));
            let (x, y, z) = (a.to_f64_vec().unwrap(), b.to_f64_vec().unwrap(), bias.to_f64_vec().unwrap());
            for (alpha, beta, with_bias) in
                [(1.0, 0.0, false), (1.0, 0.0, true), (1.0, 1.0, true), (-0.5, 0.25, false)]
            {
                let gemm = Gemm {
                    a: a.arg(),
                    b: b.arg(),
                    alpha,
                    beta,
                    bias: with_bias.then(|| bias.arg()),
                    activation: None,
                };
                let mut out = before.to_dtype(dtype).unwrap();
                Device::cpu().gemm(gemm, out.memory_alone().unwrap()).unwrap();
                let (out, old) = (out.to_f64_vec().unwrap(), before.to_f64_vec().unwrap());
                for (at, (found, old)) in out.iter().zip(old).enumerate() {
                    let (batch, i, j) = (at / (m * n), at / n % m, at % n);
                    let term = |l: usize| x[(batch * m + i) * k + l] * y[(batch * k + l) * n + j];
                    let sum: f64 = (0..k).map(term).sum();
                    let wanted = alpha * sum + beta * old + if with_bias { z[j] } else { 0.0 };
                    assert!(
                        (found - wanted).abs() < exact * (1.0 + k as f64),
                        "{m} x {k} x {n}, {turn_a} {turn_b}, {alpha} {beta} {with_bias}, {at}: {found} {wanted}"
                    );
                }
            }
        }
    }
}
