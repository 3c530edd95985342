//! Pooling: the largest or the mean element of each part of an image.

use super::{Saved, Window};
use crate::{Result, Tensor};

/// What is taken of each part.
///
/// See [`Pool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest element, of equal ones the first in row-major order; NaN where there is one.
    Max,
    /// The sum of the elements, divided by the kernel's elements that lie in the padded image, or by those in the image.
    Average {
        /// Whether padding counts.
        count_padding: bool,
    },
}

/// The parts of an image.
///
/// ```
/// use forge_core::backend::{Parts, Span};
/// let thirds = Parts::Adaptive([1, 3]);
/// assert_eq!(thirds.counts(), [1, 3]);
/// let mut columns = thirds.spans(1, 4).into_iter(); // 0 and 1, 1 and 2, 2 and 3
/// assert_eq!(columns.nth(1).unwrap(), Span { first: 1, step: 1, len: 2, padded_len: 2 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// What lies under a kernel at so many places. The last may reach beyond the padding; no place lies wholly outside
    /// the image.
    Sliding {
        /// How the kernel slides.
        window: Window,
        /// Number of places, in rows and columns.
        places: [usize; 2],
    },
    /// So many rows and columns of parts that cover the image: part i of n has the elements from ⌊i size / n⌋ to before
    /// ⌈(i + 1) size / n⌉.
    Adaptive([usize; 2]),
}

/// The elements of one part along one dimension.
///
/// See [`Parts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Index of the first.
    pub first: usize,
    /// From each to the next.
    pub step: usize,
    /// How many lie in the image.
    pub len: usize,
    /// How many lie in the padded image.
    pub padded_len: usize,
}

impl Parts {
    /// Rows and columns of parts.
    pub fn counts(&self) -> [usize; 2] {
        match *self {
            Parts::Sliding { places, .. } => places,
            Parts::Adaptive(counts) => counts,
        }
    }

    /// Part `i` along dimension `d` (0 for rows) of an image with `size` elements there.
    ///
    /// ```
    /// use forge_core::backend::{Parts, Span};
    /// assert_eq!(Parts::Adaptive([1, 3]).span(1, 2, 4), Span { first: 2, step: 1, len: 2, padded_len: 2 });
    /// ```
    pub fn span(&self, d: usize, i: usize, size: usize) -> Span {
        match self {
            Parts::Adaptive(counts) => {
                let first = i * size / counts[d];
                let len = ((i + 1) * size).div_ceil(counts[d]) - first;
                Span { first, step: 1, len, padded_len: len }
            }
            Parts::Sliding { window, .. } => {
                let ([before, after], step) = (window.padding[d], window.dilation[d]);
                let start = i * window.stride[d];
                // Elements of the kernel that lie before a point of the padded image. Without a division where that can
                // be: a fast kernel asks for every part.
                let until = |end: usize| {
                    let reach = end.saturating_sub(start);
                    let count = if step == 1 { reach } else { reach.div_ceil(step) };
                    count.min(window.kernel[d])
                };
                let outside = until(before);
                Span {
                    first: (start + outside * step).saturating_sub(before),
                    step,
                    len: until(before + size) - outside,
                    padded_len: until(before + size + after),
                }
            }
        }
    }

    /// The parts along dimension `d` of an image with `size` elements there.
    pub fn spans(&self, d: usize, size: usize) -> impl Iterator<Item = Span> + use<> {
        let parts = *self;
        (0..self.counts()[d]).map(move |i| parts.span(d, i, size))
    }
}

/// The operands of pooling, untracked.
///
/// See [`Pool`].
#[derive(Clone, Debug)]
pub struct PoolArgs {
    /// `[batch, channels, height, width]`
    pub x: Tensor,
    /// What is taken of each part.
    pub kind: PoolKind,
    /// The parts.
    pub parts: Parts,
}

/// Pooling: one node of the tape.
///
/// Results and gradients have logical layout NCHW and any strides.
///
/// ```
/// use forge_core::{backend::{Parts, PoolArgs, PoolKind}, Device, Tensor};
/// let x = Tensor::new(&[1.0f64, 5.0, 3.0, 4.0], &[1, 1, 1, 4])?;
/// let args = PoolArgs { x, kind: PoolKind::Max, parts: Parts::Adaptive([1, 2]) };
/// let device = Device::cpu();
/// let (y, saved) = device.pool().pool(&args, true)?;
/// assert_eq!(y.to_vec::<f64>()?, [5.0, 4.0]);
/// let g = Tensor::new(&[1.0f64, 10.0], &[1, 1, 1, 2])?;
/// assert_eq!(device.pool().pool_backward(&args, saved.unwrap(), g)?.to_vec::<f64>()?, [0.0, 1.0, 0.0, 10.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// # Errors
/// When the device fails, or `saved` is another family's. Shapes are checked before.
pub trait Pool: Send + Sync {
    /// `[batch, channels, rows, columns]`, an element for each part. With `keep`, also gives what backward needs: of
    /// maxima, where they stand.
    fn pool(&self, args: &PoolArgs, keep: bool) -> Result<(Tensor, Option<Saved>)>;

    /// The gradient of x.
    fn pool_backward(&self, args: &PoolArgs, saved: Saved, grad: Tensor) -> Result<Tensor>;
}
