//! Shapes, strides and views: which element of a storage stands at which index of a tensor.

mod runs;

pub(crate) use runs::Runs;

use crate::{Error, Result};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// The highest number of dimensions. See [`Dims`].
pub const MAX_RANK: usize = 6;

/// A short list of sizes, held inline.
///
/// ```
/// use forge_core::{Dims, MAX_RANK};
/// let shape = Dims::new("reshape", &[2, 0, 3])?;
/// assert_eq!((shape.len(), shape[2], shape.count()), (3, 3, 0));
/// assert!(Dims::new("reshape", &[1; MAX_RANK + 1]).is_err());
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Copy, Eq, Default)]
pub struct Dims {
    /// As wide as a size, so that copies are of whole words: a narrow write that a wide read follows waits for it.
    len: usize,
    sizes: [usize; MAX_RANK],
}

impl Dims {
    /// From a slice of at most [`MAX_RANK`] sizes, whose product can be addressed.
    ///
    /// # Errors
    /// When there are more sizes, or more elements than memory has addresses.
    pub fn new(op: &'static str, sizes: &[usize]) -> Result<Self> {
        if sizes.len() > MAX_RANK {
            return Err(Error::shape(
                op,
                format!("{sizes:?} has {} dimensions; at most {MAX_RANK}", sizes.len()),
            ));
        }
        // Sizes of 0 apart, so that strides can be computed, too.
        let product =
            sizes.iter().filter(|size| **size > 0).try_fold(1_usize, |n, size| n.checked_mul(*size));
        if product.is_none_or(|n| isize::try_from(n).is_err()) {
            return Err(Error::shape(op, format!("{sizes:?} has more elements than can be addressed")));
        }
        Ok(Self::filled(sizes))
    }

    /// From a slice that is known to be short enough.
    pub(crate) fn filled(from: &[usize]) -> Self {
        let mut sizes = [0; MAX_RANK];
        sizes[..from.len()].copy_from_slice(from);
        Dims { len: from.len(), sizes }
    }

    /// Product of the sizes; 1 for no dimension.
    pub fn count(&self) -> usize {
        self.iter().product()
    }

    /// These sizes, then one more.
    pub(crate) fn with_last(&self, op: &'static str, last: usize) -> Result<Self> {
        let mut sizes = [last; MAX_RANK + 1];
        sizes[..self.len()].copy_from_slice(self);
        Self::new(op, &sizes[..=self.len()])
    }

    pub(crate) fn as_mut(&mut self) -> &mut [usize] {
        &mut self.sizes[..self.len]
    }
}

impl PartialEq for Dims {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().zip(other.iter()).all(|(a, b)| a == b)
    }
}

impl Hash for Dims {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self[..].hash(state);
    }
}

impl Deref for Dims {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.sizes[..self.len]
    }
}

impl fmt::Debug for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &**self)
    }
}

/// How a tensor's indices map to the elements of its storage.
///
/// Methods that can fail take the name of the operation that asks, for its message.
///
/// ```
/// use forge_core::{Dims, Layout};
/// let rows = Layout::contiguous(Dims::new("doc", &[3, 4])?);
/// assert_eq!((rows.strides(), rows.rank(), rows.count(), rows.contiguous_range()), (&[4, 1][..], 2, 12, Some(0..12)));
/// let columns = rows.permute("doc", &[1, 0])?;
/// assert_eq!((&columns.shape()[..], columns.strides(), columns.is_contiguous()), (&[4, 3][..], &[1, 4][..], false));
/// // Two elements of the columns from the second on, every other one: 1 and 3 of each row.
/// let odd = columns.slice("doc", 0, 1, 2, 2)?;
/// assert_eq!((&odd.shape()[..], odd.strides(), odd.offset()), (&[2, 3][..], &[2, 4][..], 1));
/// let repeated = rows.slice("doc", 0, 0, 1, 1)?.expand("doc", Dims::new("doc", &[5, 4])?)?;
/// assert_eq!(repeated.strides(), [0, 1]); // one row, read five times
/// assert_eq!(&rows.unsqueeze("doc", 1)?.shape()[..], [3, 1, 4]);
/// assert!(rows.reshape(Dims::new("doc", &[2, 6])?).is_some());
/// assert!(columns.reshape(Dims::new("doc", &[12])?).is_none()); // needs a copy
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    shape: Dims,
    strides: Dims,
    offset: usize,
}

impl Layout {
    /// Row-major, from the start of the storage.
    #[inline]
    pub fn contiguous(shape: Dims) -> Self {
        let mut strides = shape;
        let mut step = 1;
        for (stride, &size) in strides.as_mut().iter_mut().zip(shape.iter()).rev() {
            *stride = step;
            step *= size.max(1);
        }
        Layout { shape, strides, offset: 0 }
    }

    /// The same over a storage of its own.
    #[inline]
    pub(crate) fn from_start(&self) -> Self {
        Layout { offset: 0, ..*self }
    }

    /// Sizes of the dimensions.
    pub fn shape(&self) -> &Dims {
        &self.shape
    }

    /// Elements between neighbours, a dimension each; 0 repeats one element.
    pub fn strides(&self) -> &[usize] {
        &self.strides
    }

    /// Position of the first element.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub fn count(&self) -> usize {
        self.shape.count()
    }

    /// Whether the elements lie side by side in row-major order.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        let mut step = 1;
        for (&size, &stride) in self.shape.iter().zip(self.strides.iter()).rev() {
            if size != 1 {
                if stride != step {
                    return false;
                }
                step *= size;
            }
        }
        true
    }

    /// The range of elements, when they lie side by side.
    pub fn contiguous_range(&self) -> Option<std::ops::Range<usize>> {
        self.is_contiguous().then(|| self.offset..self.offset + self.count())
    }

    /// The order of dimensions in which the elements lie side by side, without gaps or repeats, if there is one: of a
    /// row-major layout that of its dimensions, of images with channels last `[0, 2, 3, 1]`.
    pub(crate) fn dense_order(&self) -> Option<Dims> {
        let mut order = self.shape;
        order.as_mut().iter_mut().enumerate().for_each(|(d, at)| *at = d);
        if self.is_contiguous() {
            return Some(order);
        }
        // Where a dimension of one element stands does not matter: first.
        let key =
            |d: &usize| std::cmp::Reverse(if self.shape[*d] == 1 { usize::MAX } else { self.strides[*d] });
        order.as_mut().sort_by_key(key);
        let mut turned = *self;
        for (to, &from) in order.iter().enumerate() {
            turned.shape.as_mut()[to] = self.shape[from];
            turned.strides.as_mut()[to] = self.strides[from];
        }
        turned.is_contiguous().then_some(order)
    }

    /// The same elements in another order of dimensions.
    ///
    /// # Errors
    /// When `order` does not name each dimension once.
    pub fn permute(&self, op: &'static str, order: &[usize]) -> Result<Self> {
        let mut seen = [false; MAX_RANK];
        let fits = order.len() == self.rank()
            && order.iter().all(|&d| d < self.rank() && !std::mem::replace(&mut seen[d], true));
        if !fits {
            return Err(Error::shape(
                op,
                format!("{order:?} is not an order of the {} dimensions of {:?}", self.rank(), self.shape),
            ));
        }
        let mut out = *self;
        for (to, &from) in order.iter().enumerate() {
            out.shape.as_mut()[to] = self.shape[from];
            out.strides.as_mut()[to] = self.strides[from];
        }
        Ok(out)
    }

    /// `len` elements of dimension `axis` from `start`, every `step`-th.
    ///
    /// # Errors
    /// When there is no such dimension, `step` is 0, or an element lies outside.
    pub fn slice(
        &self,
        op: &'static str,
        axis: usize,
        start: usize,
        len: usize,
        step: usize,
    ) -> Result<Self> {
        self.check_axis(op, axis)?;
        let size = self.shape[axis];
        let last = len.saturating_sub(1).checked_mul(step).and_then(|n| n.checked_add(start));
        if step == 0 || start > size || (len > 0 && last.is_none_or(|last| last >= size)) {
            return Err(Error::shape(
                op,
                format!(
                    "{len} elements from {start} in steps of {step} do not fit dimension {axis} of {:?}",
                    self.shape
                ),
            ));
        }
        let mut out = *self;
        out.shape.as_mut()[axis] = len;
        if len > 0 {
            out.offset += start * self.strides[axis];
        }
        if len > 1 {
            out.strides.as_mut()[axis] *= step;
        }
        Ok(out)
    }

    /// Another shape over the same elements, if that needs no copy.
    pub fn reshape(&self, shape: Dims) -> Option<Self> {
        if shape.count() != self.count() {
            return None;
        }
        if self.is_contiguous() {
            return Some(Layout { offset: self.offset, ..Layout::contiguous(shape) });
        }
        // Group the old dimensions into runs that each cover a run of new ones, and split each with its stride.
        let (mut old, mut count) = ([(1, 0); MAX_RANK], 0);
        for (&size, &stride) in self.shape.iter().zip(self.strides.iter()).filter(|&(&size, _)| size != 1) {
            old[count] = (size, stride);
            count += 1;
        }
        let old = &old[..count];
        let mut strides = Dims::filled(&shape);
        let (mut i, mut j) = (0, 0);
        while j < shape.len() {
            if shape[j] == 1 {
                strides.as_mut()[j] = 0;
                j += 1;
                continue;
            }
            let (mut old_count, old_first) = (old.get(i)?.0, i);
            let (mut new_count, new_first) = (shape[j], j);
            while old_count != new_count {
                if old_count < new_count {
                    i += 1;
                    old_count *= old.get(i)?.0;
                } else {
                    j += 1;
                    new_count *= *shape.get(j)?;
                }
            }
            if old[old_first..=i].windows(2).any(|w| w[0].1 != w[1].1 * w[1].0) {
                return None;
            }
            let mut step = old[i].1;
            for d in (new_first..=j).rev() {
                strides.as_mut()[d] = step;
                step *= shape[d];
            }
            i += 1;
            j += 1;
        }
        Some(Layout { shape, strides, offset: self.offset })
    }

    /// Repeat dimensions of size 1, and add leading ones, to reach `shape` without a copy.
    ///
    /// # Errors
    /// When a size other than 1 would change, or a dimension vanish.
    pub fn expand(&self, op: &'static str, shape: Dims) -> Result<Self> {
        let error = || Error::shape(op, format!("{:?} does not broadcast to {shape:?}", self.shape));
        let lead = shape.len().checked_sub(self.rank()).ok_or_else(error)?;
        let mut strides = shape;
        for d in 0..shape.len() {
            strides.as_mut()[d] = match d.checked_sub(lead) {
                None => 0,
                Some(k) if self.shape[k] == shape[d] => self.strides[k],
                Some(k) if self.shape[k] == 1 => 0,
                Some(_) => return Err(error()),
            };
        }
        Ok(Layout { shape, strides, offset: self.offset })
    }

    /// A dimension of size 1 before `axis`.
    ///
    /// # Errors
    /// When `axis` is above the rank, or the layout has [`MAX_RANK`] dimensions already.
    pub fn unsqueeze(&self, op: &'static str, axis: usize) -> Result<Self> {
        if axis > self.rank() || self.rank() == MAX_RANK {
            return Err(Error::shape(op, format!("no room for a new dimension {axis} in {:?}", self.shape)));
        }
        let insert = |dims: &[usize], value: usize| {
            let mut all = [value; MAX_RANK];
            all[..axis].copy_from_slice(&dims[..axis]);
            all[axis + 1..=dims.len()].copy_from_slice(&dims[axis..]);
            Dims::filled(&all[..=dims.len()])
        };
        Ok(Layout { shape: insert(&self.shape, 1), strides: insert(&self.strides, 0), offset: self.offset })
    }

    /// Windows of `size` elements along `axis`, one every `step`, as a new last dimension; they may overlap.
    pub(crate) fn windows(&self, op: &'static str, axis: usize, size: usize, step: usize) -> Result<Self> {
        self.check_axis(op, axis)?;
        let whole = self.shape[axis];
        if size == 0 || step == 0 || size > whole {
            return Err(Error::shape(
                op,
                format!("windows of {size} every {step} do not fit dimension {axis} of {:?}", self.shape),
            ));
        }
        let with_last = |dims: &[usize], last: usize| Dims::new(op, &[dims, &[last]].concat());
        let (mut shape, mut strides) =
            (with_last(&self.shape, size)?, with_last(&self.strides, self.strides[axis])?);
        shape.as_mut()[axis] = (whole - size) / step + 1;
        strides.as_mut()[axis] = self.strides[axis].saturating_mul(step);
        Ok(Layout { shape, strides, offset: self.offset })
    }

    /// The elements at the start of each dimension, as many as `shape` says, which is nowhere larger.
    pub(crate) fn corner(&self, shape: &Dims) -> Self {
        Layout { shape: *shape, ..*self }
    }

    /// Dimension `axis` replaced by `size` repeats of its first element.
    pub(crate) fn repeated(&self, axis: usize, size: usize) -> Self {
        let mut out = *self;
        out.shape.as_mut()[axis] = size;
        out.strides.as_mut()[axis] = 0;
        out
    }

    /// Each element once: dimensions that repeat one element get the size 1.
    pub(crate) fn without_repeats(&self) -> Self {
        let mut out = *self;
        for d in 0..self.rank() {
            if self.strides[d] == 0 {
                out.shape.as_mut()[d] = self.shape[d].min(1);
            }
        }
        out
    }

    /// The first `n` dimensions, from the same offset.
    pub(crate) fn leading(&self, n: usize) -> Self {
        Layout {
            shape: Dims::filled(&self.shape[..n]),
            strides: Dims::filled(&self.strides[..n]),
            offset: self.offset,
        }
    }

    /// The dimensions after the first `n`, from offset 0.
    pub(crate) fn trailing(&self, n: usize) -> Self {
        Layout { shape: Dims::filled(&self.shape[n..]), strides: Dims::filled(&self.strides[n..]), offset: 0 }
    }

    pub(crate) fn check_axis(&self, op: &'static str, axis: usize) -> Result<()> {
        if axis < self.rank() {
            return Ok(());
        }
        Err(Error::shape(op, format!("dimension {axis} of {:?}, which has {}", self.shape, self.rank())))
    }
}

/// The shape that two operands broadcast to, by NumPy's rule: from the right, sizes are equal or one of them is 1.
///
/// ```
/// use forge_core::{Dims, broadcast};
/// let dims = |sizes: &[usize]| Dims::new("add", sizes);
/// assert_eq!(&broadcast("add", &dims(&[5, 1, 3])?, &dims(&[4, 1])?)?[..], [5, 4, 3]);
/// assert!(broadcast("add", &dims(&[2])?, &dims(&[3])?).is_err());
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When two sizes differ and neither is 1.
pub fn broadcast(op: &'static str, a: &Dims, b: &Dims) -> Result<Dims> {
    let rank = a.len().max(b.len());
    let mut out = Dims::filled(&[1; MAX_RANK][..rank]);
    for d in 0..rank {
        let size = |dims: &Dims| (d + dims.len()).checked_sub(rank).map_or(1, |k| dims[k]);
        out.as_mut()[d] = match (size(a), size(b)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return Err(Error::shape(op, format!("{a:?} and {b:?} do not broadcast together"))),
        };
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
