//! Kernels of three by three at every pixel, with four ninths of the products: Winograd's F(2 × 2, 3 × 3).
//!
//! Two by two places see four by four pixels. Sums and differences of the pixels (`Bᵀ d B`), times those of the weights
//! (`G g Gᵀ`), summed over channels, are sixteen numbers of which the four places are again sums and differences
//! (`Aᵀ m A`): sixteen products for each channel instead of thirty-six. Summed over channels they are sixteen products of
//! matrices, tiles times channels. The gradient of an image is the same with the kernel turned round; that of the weights is
//! the transpose, step by step.
//!
//! Rounding is of the size of the direct sum's: terms are added in pairs before the long sum, and factors are 1 and ½. A NaN
//! reaches the places that see it and no other. Of infinities differences are taken, so that NaN may come where the direct sum
//! is infinite; and numbers within a factor of four of the largest may overflow.
//!
//! Source: A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016, arXiv:1509.09308.

mod sums;
mod tiles;
mod weights;

use super::geometry::Geometry;
use crate::backend::cpu::free_list::FreeList;
use crate::backend::cpu::scratch::Scratch;
use crate::backend::cpu::simd::Float;
use crate::backend::cpu::tile::{Part, Product};
use std::sync::Arc;
use tiles::{Block, Gradients, Images, Pixels, Places};

/// Numbers of a tile.
const NUMBERS: usize = 16;
/// Registers of a row of a product.
const PANEL: usize = 4;
/// Tiles that are multiplied together: enough for the weights to be read seldom, few enough for a near cache.
const TILES: usize = 64;
/// Tiles of an image, at least.
const FEWEST: usize = 9;
/// Channels of both sides from which on the products that are saved outweigh the sums.
const CHANNELS: usize = 24;

/// A sweep of such a kernel over images, channels last.
#[derive(Clone, Copy, Debug)]
pub struct Squares {
    /// Rows and columns of the images that are read, and of those that are made.
    pub sizes: [[usize; 2]; 2],
    /// Their channels.
    pub channels: [usize; 2],
    /// Floats from image to image, and from row to row, of those that are read.
    pub steps: [usize; 2],
    /// How many rows and columns before the first pixel the first window begins; negative where it begins behind.
    pub before: [isize; 2],
    /// Floats in a register.
    pub lanes: usize,
}

impl Geometry {
    /// The sweeps from images to places and back, where they save products.
    pub fn squares(&self) -> Option<[Squares; 2]> {
        let window = &self.window;
        let dense = window.kernel == [3, 3] && window.stride == [1, 1] && window.dilation == [1, 1];
        if !self.may_tile || !dense || self.groups > 1 || self.channels.iter().any(|n| *n < CHANNELS) {
            return None;
        }
        let before = [0, 1].map(|d| window.padding[d][0] as isize);
        let there = Squares {
            sizes: [self.image, self.places],
            channels: self.channels,
            steps: [self.plain_image(), self.image[1] * self.inputs()],
            before,
            lanes: self.lanes,
        };
        let back = Squares {
            sizes: [self.places, self.image],
            channels: [self.channels[1], self.channels[0]],
            steps: [self.place_image(), self.place_row()],
            before: before.map(|n| 2 - n),
            lanes: self.lanes,
        };
        // By the image alone: a sample gives the same bits in any batch. Tiles at odd ends are in part for nothing, and few
        // tiles have to read as many weights.
        let pays = [&there, &back].into_iter().all(|squares| {
            let ([rows, columns], [high, wide]) = (squares.tiles(), squares.sizes[1]);
            rows * columns >= FEWEST && NUMBERS * rows * columns <= high * wide * 7
        });
        pays.then_some([there, back])
    }
}

impl Squares {
    /// Rows and columns of tiles of an image.
    fn tiles(&self) -> [usize; 2] {
        self.sizes[1].map(|n| n.div_ceil(2))
    }

    /// Images of a block.
    pub fn images(&self) -> usize {
        let [rows, columns] = self.tiles();
        (TILES / (rows * columns)).max(1)
    }

    /// All tiles of some images, block by block: a function of the sizes alone.
    fn blocks(&self, images: usize) -> impl Iterator<Item = Block> + use<> {
        let ([rows, columns], together) = (self.tiles(), self.images());
        let high = (TILES / columns).clamp(1, rows);
        (0..images).step_by(together).flat_map(move |first| {
            let images = first..(first + together).min(images);
            (0..rows).step_by(high).map(move |row| Block {
                images: images.clone(),
                rows: row..(row + high).min(rows),
                columns,
            })
        })
    }

    /// Floats from tile to tile of numbers for so many channels: never a multiple of 64, so that tiles fall into different
    /// sets of the cache.
    fn row(&self, channels: usize) -> usize {
        let row = channels.next_multiple_of(self.lanes);
        if row.is_multiple_of(64) { row + self.lanes } else { row }
    }

    /// Floats from one of a tile's numbers to the next, a register apart for the same reason.
    fn plane(&self, tiles: usize, channels: usize) -> usize {
        tiles * self.row(channels) + self.lanes
    }

    /// Room for the numbers of a block of so many images, for so many channels.
    fn room(&self, images: usize, channels: usize) -> usize {
        let most = self.blocks(images).map(|block| block.tiles()).max().unwrap_or(0);
        NUMBERS * self.plane(most, channels)
    }

    /// The images that are read, from the first pixel on.
    fn images_from<T>(&self, from: *const T, zeros: *const T) -> Images<T> {
        Images { from, size: self.sizes[0], channels: self.channels[0], steps: self.steps, zeros }
    }

    /// Transforms the pixels of a block.
    fn pixels<T: Float>(&self, block: &Block, images: Images<T>, to: *mut T) {
        let (row, plane) = (self.row(images.channels), self.plane(block.tiles(), images.channels));
        T::dispatch(&Pixels { block, images, before: self.before, to, row, plane });
    }
}

/// Columns of a product that are packed side by side.
struct Panel {
    first: usize,
    count: usize,
    /// Floats of its registers.
    width: usize,
}

fn panels(columns: usize, lanes: usize) -> impl Iterator<Item = Panel> {
    (0..columns).step_by(PANEL * lanes).map(move |first| {
        let count = (columns - first).min(PANEL * lanes);
        Panel { first, count, width: count.next_multiple_of(lanes) }
    })
}

impl Squares {
    /// Sweeps over some images.
    ///
    /// # Safety
    /// `from` points at the first pixel of the first image; `weights` at what [`Squares::weights`] made, or for sweeps back
    /// [`Squares::weights_turned_round`]; `bias` at a float for each channel, or nowhere; `to` at room for the results of all
    /// images, without margins.
    pub unsafe fn sweep<T: Float>(
        &self,
        memory: &Arc<FreeList>,
        images: usize,
        (from, weights): (*const T, *const T),
        bias: *const T,
        to: *mut T,
    ) {
        let (&Squares { channels: [inputs, outputs], .. }, lanes) = (self, self.lanes);
        let mut numbers = Scratch::<T>::new(memory, self.room(images, inputs));
        let mut sums = Scratch::<T>::new(memory, self.room(images, outputs));
        let zeros = Scratch::<T>::zeros(memory, inputs);
        let (numbers, sums) = (numbers.as_mut().as_mut_ptr(), sums.as_mut().as_mut_ptr());
        let source = self.images_from(from, zeros.as_ref().as_ptr());
        for block in self.blocks(images) {
            self.pixels(&block, source, numbers);
            let rows = block.tiles();
            let (out_row, plane) = (self.row(outputs), self.plane(rows, outputs));
            for number in 0..NUMBERS {
                let a = numbers.wrapping_add(number * self.plane(rows, inputs));
                for Panel { first, count: columns, width } in panels(outputs, lanes) {
                    let b = weights.wrapping_add(number * self.plane_of_weights() + first * inputs);
                    let product = Product {
                        rows,
                        columns,
                        start: std::ptr::null(),
                        start_row: 0,
                        parts: [Part::block(inputs, a, self.row(inputs), 1, b, width), Part::none()],
                        out: sums.wrapping_add(number * plane + first),
                        out_row,
                    };
                    product.in_pieces();
                }
            }
            T::dispatch(&Places {
                block: &block,
                from: sums.cast_const(),
                row: out_row,
                plane,
                bias,
                to,
                size: self.sizes[1],
                channels: outputs,
            });
        }
    }

    /// Floats of the gradient of the weights as numbers of tiles.
    pub fn gradient_floats(&self) -> usize {
        NUMBERS * self.plane_of_weights()
    }

    /// Adds what some images give to the gradient of the weights, or writes it.
    ///
    /// # Safety
    /// `from` points at the first pixel of the first image, `grad` at the gradient of the first place, `steps` floats from image
    /// to image and from row to row; `to` at [`Squares::gradient_floats`] floats.
    pub unsafe fn correlate<T: Float>(
        &self,
        memory: &Arc<FreeList>,
        images: usize,
        from: *const T,
        (grad, steps): (*const T, [usize; 2]),
        add: bool,
        to: *mut T,
    ) {
        let (&Squares { channels: [inputs, outputs], .. }, lanes) = (self, self.lanes);
        let mut numbers = Scratch::<T>::new(memory, self.room(images, inputs));
        let mut arriving = Scratch::<T>::new(memory, self.room(images, outputs));
        let zeros = Scratch::<T>::zeros(memory, inputs.max(outputs));
        let (numbers, arriving) = (numbers.as_mut().as_mut_ptr(), arriving.as_mut().as_mut_ptr());
        let zeros = zeros.as_ref().as_ptr();
        let source = self.images_from(from, zeros);
        let gradient = Images { from: grad, size: self.sizes[1], channels: outputs, steps, zeros };
        let (mut add, out_row) = (add, outputs.next_multiple_of(lanes));
        for block in self.blocks(images) {
            self.pixels(&block, source, numbers);
            let k = block.tiles();
            let plane = self.plane(k, outputs);
            T::dispatch(&Gradients { block: &block, images: gradient, to: arriving, plane });
            for number in 0..NUMBERS {
                let a = numbers.wrapping_add(number * self.plane(k, inputs));
                for Panel { first, count: columns, width } in panels(outputs, lanes) {
                    let b = arriving.wrapping_add(number * plane + first * k);
                    let out = to.wrapping_add(number * self.plane_of_weights() + first);
                    let product = Product {
                        rows: inputs,
                        columns,
                        start: if add { out.cast_const() } else { std::ptr::null() },
                        start_row: out_row,
                        parts: [Part::block(k, a, 1, self.row(inputs), b, width), Part::none()],
                        out,
                        out_row,
                    };
                    product.in_pieces();
                }
            }
            add = true;
        }
    }
}
