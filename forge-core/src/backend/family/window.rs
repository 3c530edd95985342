//! How a kernel slides over an image: what convolutions and pooling share.

/// A kernel sliding over the last two dimensions of `[batch, channels, height, width]`. Rows come first in each pair.
///
/// A sequence is an image of height 1, with a kernel of height 1.
///
/// ```
/// use forge_core::backend::Window;
/// let window = Window { kernel: [1, 3], stride: [1, 2], dilation: [1, 2], padding: [[0, 0], [1, 1]] };
/// assert_eq!(window.extent(), [1, 5]); // elements 0, 2 and 4
/// assert_eq!(window.padded([1, 6]), [1, 8]);
/// assert_eq!(window.places([1, 6]), Some([1, 2])); // from 0 and from 2
/// assert_eq!(window.places([1, 2]), None);
/// assert_eq!(window.elements().collect::<Vec<_>>(), [[0, 0], [0, 1], [0, 2]]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Elements of the kernel.
    pub kernel: [usize; 2],
    /// Elements from one place of the kernel to the next.
    pub stride: [usize; 2],
    /// Elements of the image from one element of the kernel to the next.
    pub dilation: [usize; 2],
    /// Elements that the image is thought to have before its first and after its last.
    pub padding: [[usize; 2]; 2],
}

impl Window {
    /// Elements of the image from the first under the kernel to the last: dilation (kernel - 1) + 1. Saturating.
    pub fn extent(&self) -> [usize; 2] {
        std::array::from_fn(|d| {
            self.dilation[d].saturating_mul(self.kernel[d].saturating_sub(1)).saturating_add(1)
        })
    }

    /// The image with its padding. Saturating.
    pub fn padded(&self, image: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|d| {
            image[d].saturating_add(self.padding[d][0]).saturating_add(self.padding[d][1])
        })
    }

    /// Places of the kernel over an image: (size + padding - extent) / stride + 1, rounded down. `None` where it fits
    /// nowhere.
    pub fn places(&self, image: [usize; 2]) -> Option<[usize; 2]> {
        let (extent, padded) = (self.extent(), self.padded(image));
        let along = |d: usize| Some(padded[d].checked_sub(extent[d])?.checked_div(self.stride[d])? + 1);
        Some([along(0)?, along(1)?])
    }

    /// Every element of the kernel, row by row.
    pub fn elements(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let [rows, cols] = self.kernel;
        (0..rows).flat_map(move |i| (0..cols).map(move |j| [i, j]))
    }
}
