//! Sequences as images of height 1, so that operations on images are all there is to write.

use crate::{Error, Result, Tensor};

/// One setting for each of `D` dimensions as one for rows and one for columns.
pub fn rows_and_columns<T: Copy, const D: usize>(settings: [T; D], of_one_row: T) -> [T; 2] {
    const { assert!(D == 1 || D == 2, "sequences have one dimension, images two") };
    std::array::from_fn(|d| (d + D).checked_sub(2).map_or(of_one_row, |k| settings[k]))
}

/// `[a, b, length]` as `[a, b, 1, length]`; an image as it is.
pub fn raise(x: &Tensor) -> Result<Tensor> {
    match *x.shape() {
        [a, b, length] => x.reshape(&[a, b, 1, length]),
        _ => Ok(x.clone()),
    }
}

/// An image of `D` dimensions: of one row, the row.
pub fn lower<const D: usize>(x: Tensor) -> Result<Tensor> {
    match *x.shape() {
        [a, b, 1, length] if D == 1 => x.reshape(&[a, b, length]),
        _ => Ok(x),
    }
}

/// `[batch, channels, length]` or `[batch, channels, height, width]`.
pub fn check_rank<const D: usize>(op: &'static str, x: &Tensor) -> Result<()> {
    if x.rank() == 2 + D {
        return Ok(());
    }
    let wanted = if D == 1 { "[batch, channels, length]" } else { "[batch, channels, height, width]" };
    Err(Error::shape(op, format!("x is {:?}, not {wanted}", x.shape())))
}

/// That none of some settings is 0.
pub fn check_positive<const D: usize>(op: &'static str, what: &str, sizes: [usize; D]) -> Result<()> {
    if sizes.contains(&0) {
        return Err(Error::argument(op, format!("{what} {sizes:?} must be at least 1 everywhere")));
    }
    Ok(())
}

/// That memory for this many elements can be addressed.
pub fn check_count(op: &'static str, sizes: &[usize]) -> Result<()> {
    let count = sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    if count.is_none_or(|n| n > isize::MAX as usize / 16) {
        return Err(Error::shape(op, format!("{sizes:?} are more elements than any memory holds")));
    }
    Ok(())
}
