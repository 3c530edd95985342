//! Matrices whose rows become columns on their way from one memory to another.

use super::map;
use super::simd::{Elementary, Float, Kernel, Rows, load, store, transpose};
use super::threads::{Shared, parallel_if};
use crate::layout::{Layout, Runs};

/// `to[row · to_step + column] = from[column · from_step + row]`, times a factor: in squares of a register's size.
#[derive(Clone, Copy)]
pub struct Turn<T> {
    pub rows: usize,
    pub columns: usize,
    /// Columns that are written, at least `columns`: those beyond are 0.
    pub padded: usize,
    pub from: *const T,
    pub from_step: usize,
    pub to: *mut T,
    pub to_step: usize,
    pub factor: Option<T>,
}

/// Multiply-adds that take as long as to move a number.
pub const MOVED: usize = 8;
/// Below so many rows or columns a square is mostly empty.
const FEW: usize = 4;

/// Whether a matrix of such a size is turned more quickly by squares than number by number.
pub fn pays(rows: usize, columns: usize) -> bool {
    rows >= FEW && columns >= FEW
}

impl<T: Float> Kernel<T> for &Turn<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        // SAFETY: the maker vouches for both memories.
        unsafe {
            match self.factor {
                Some(factor) => {
                    let by = V::splat(factor);
                    self.squares::<V>(|row| row.mul(by));
                }
                None => self.squares::<V>(|row| row),
            }
        }
    }
}

impl<T: Float> Turn<T> {
    #[inline(always)]
    unsafe fn squares<V: Elementary<Float = T>>(&self, value: impl Fn(V) -> V) {
        for c in (0..self.padded).step_by(V::N) {
            let columns = V::N.min(self.columns.saturating_sub(c));
            let written = V::N.min(self.padded - c);
            for r in (0..self.rows).step_by(V::N) {
                let rows = V::N.min(self.rows - r);
                // SAFETY: the square lies within the matrix.
                unsafe {
                    let mut square: Rows<V> = [V::splat(T::default()); 16];
                    for (i, row) in square[..V::N].iter_mut().enumerate() {
                        if i < columns {
                            *row = value(load::<V>(self.from.add((c + i) * self.from_step + r), rows));
                        }
                    }
                    transpose(&mut square);
                    for (i, row) in square[..V::N].iter().enumerate() {
                        if i < rows {
                            store(*row, self.to.add((r + i) * self.to_step + c), written);
                        }
                    }
                }
            }
        }
    }
}

/// Copies between strided views of one element type. Where one of them has elements side by side along one dimension and
/// the other along another, as with channels last and first, in squares.
pub fn copy<T: Float>(x: &[T], from: &Layout, out: &mut [T], to: &Layout) {
    let mut runs = Runs::new([from, to]);
    let turned = if runs.strides[1] == 1 && runs.strides[0] != 1 { runs.side_by_side(0) } else { None };
    let Some((rows, [_, to_step])) = turned.filter(|(rows, _)| pays(*rows, runs.n)) else {
        return map::copy(x, from, out, to, |v| v);
    };
    let planes = runs.count();
    if planes * runs.n == 0 {
        return;
    }
    let [furthest_from, furthest_to] = runs.furthest();
    let (columns, from_step) = (runs.n, runs.strides[0]);
    assert!(
        furthest_from + rows <= x.len() && furthest_to + (rows - 1) * to_step < out.len(),
        "a view reaches beyond its memory"
    );
    let out = Shared::new(out);
    parallel_if(MOVED * planes * rows * columns, planes, |plane| {
        let [a, b] = runs.start(plane);
        // SAFETY: both views lie within their memories, and no two elements of the result in one place.
        T::dispatch(&Turn {
            rows,
            columns,
            padded: columns,
            from: x[a..].as_ptr(),
            from_step,
            to: out.get().wrapping_add(b),
            to_step,
            factor: None,
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::{DType, Tensor};

    /// Orders of dimensions, of sizes around a register's, of a part of a larger tensor: bit for bit what copying one number
    /// after the other gives.
    #[test]
    fn squares_copy_what_single_elements_would() {
        let stream = Stream::new(3, "turn");
        let orders = [[0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2], [3, 2, 1, 0], [2, 0, 3, 1], [1, 0, 3, 2]];
        for shape in
            [[2, 3, 4, 5], [1, 17, 5, 33], [3, 16, 1, 16], [2, 31, 4, 4], [2, 0, 3, 4], [1, 64, 7, 7]]
        {
            let whole = [shape[0], shape[1] + 1, shape[2], shape[3]];
            let numbers: Vec<f64> = (0..whole.iter().product()).map(|i| stream.normal(i)).collect();
            for dtype in [DType::F32, DType::F64] {
                let all = Tensor::new(&numbers, &whole).unwrap().to_dtype(dtype).unwrap();
                let part = all.narrow(1, 1, shape[1]).unwrap();
                for order in orders {
                    let x = part.permute(&order).unwrap();
                    let to = Layout::contiguous(*x.dims());
                    let found = x.packed().unwrap().to_f64_vec().unwrap();
                    let from: Vec<f64> = all.to_f64_vec().unwrap();
                    let mut wanted = vec![0.0; x.count()];
                    map::copy(&from, x.layout(), &mut wanted, &to, |v| v);
                    assert_eq!(found, wanted, "{shape:?} {order:?} {dtype}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "beyond its memory")]
    fn a_view_beyond_its_memory_is_stopped() {
        let x = Tensor::new(&[1f32; 256], &[16, 16]).unwrap().transpose().unwrap();
        let to = Layout::contiguous(*x.dims());
        copy(&[0f32; 255], x.layout(), &mut [0f32; 256], &to);
    }
}
