//! Tiles of two by two places: to and from their sixteen numbers.

use super::sums::{OfPixels, OfPlaces, ToPlaces, square};
use super::{NUMBERS, Panel, panels};
use crate::backend::cpu::simd::{Elementary, Float, Kernel, load, store};
use std::ops::Range;

/// Images channels last, that may end within a tile or before it.
#[derive(Clone, Copy)]
pub struct Images<T> {
    pub from: *const T,
    /// Rows and columns.
    pub size: [usize; 2],
    pub channels: usize,
    /// Floats from image to image, and from row to row.
    pub steps: [usize; 2],
    /// As many zeros as there are channels.
    pub zeros: *const T,
}

impl<T> Images<T> {
    /// Where a pixel is, or zeros where there is none. A negative place is a very large one as well.
    #[inline(always)]
    fn pixel(&self, image: usize, [y, x]: [isize; 2]) -> *const T {
        let (y, x) = (y as usize, x as usize);
        let within = y < self.size[0] && x < self.size[1];
        let at = image * self.steps[0];
        if within { self.from.wrapping_add(at + y * self.steps[1] + x * self.channels) } else { self.zeros }
    }
}

/// Some rows of tiles of some images.
#[derive(Clone, Debug)]
pub struct Block {
    pub images: Range<usize>,
    pub rows: Range<usize>,
    /// Tiles of a row.
    pub columns: usize,
}

impl Block {
    /// Tiles in all.
    pub fn tiles(&self) -> usize {
        self.images.len() * self.rows.len() * self.columns
    }

    /// Image, row and column of each.
    #[inline(always)]
    fn each(&self) -> impl Iterator<Item = [usize; 3]> + '_ {
        self.images
            .clone()
            .flat_map(move |n| self.rows.clone().flat_map(move |y| (0..self.columns).map(move |x| [n, y, x])))
    }
}

/// `Bᵀ d B` of the pixels of some tiles: `[number][tile][channel]`.
pub struct Pixels<'a, T> {
    pub block: &'a Block,
    pub images: Images<T>,
    /// How many rows and columns before the first pixel the first tile begins.
    pub before: [isize; 2],
    pub to: *mut T,
    /// Floats from tile to tile, and from number to number.
    pub row: usize,
    pub plane: usize,
}

impl<T: Float> Kernel<T> for &Pixels<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        for (tile, [n, y, x]) in self.block.each().enumerate() {
            let first = [2 * y as isize - self.before[0], 2 * x as isize - self.before[1]];
            let mut at = [self.images.zeros; NUMBERS];
            for (i, at) in at.iter_mut().enumerate() {
                *at = self.images.pixel(n, [first[0] + i as isize / 4, first[1] + i as isize % 4]);
            }
            let to = self.to.wrapping_add(tile * self.row);
            for c in (0..self.images.channels).step_by(V::N) {
                // SAFETY: each pointer is to all channels; the numbers have room for whole registers.
                unsafe {
                    let mut d = [[V::splat(T::default()); 4]; 4];
                    for (d, at) in d.as_flattened_mut().iter_mut().zip(at) {
                        *d = load(at.wrapping_add(c), self.images.channels - c);
                    }
                    let numbers = square::<OfPixels, V, 4, 4>(d);
                    for (i, number) in numbers.as_flattened().iter().enumerate() {
                        number.store(to.wrapping_add(i * self.plane + c));
                    }
                }
            }
        }
    }
}

/// `Aᵀ m A`: the places of some tiles from their numbers.
pub struct Places<'a, T> {
    pub block: &'a Block,
    /// `[number][tile][channel]`
    pub from: *const T,
    pub row: usize,
    pub plane: usize,
    /// A float for each channel, or null.
    pub bias: *const T,
    /// `[image][row][column][channel]`
    pub to: *mut T,
    /// Rows and columns.
    pub size: [usize; 2],
    pub channels: usize,
}

impl<T: Float> Kernel<T> for &Places<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let [height, width] = self.size;
        for (tile, [n, y, x]) in self.block.each().enumerate() {
            let [y, x] = [2 * y, 2 * x];
            let from = self.from.wrapping_add(tile * self.row);
            let to = self.to.wrapping_add(((n * height + y) * width + x) * self.channels);
            for c in (0..self.channels).step_by(V::N) {
                let count = self.channels - c;
                // SAFETY: the numbers are there, and so many channels of each place.
                unsafe {
                    let zero = V::splat(T::default());
                    let mut m = [[zero; 4]; 4];
                    for (i, m) in m.as_flattened_mut().iter_mut().enumerate() {
                        *m = load(from.wrapping_add(i * self.plane + c), count);
                    }
                    let bias =
                        if self.bias.is_null() { zero } else { load(self.bias.wrapping_add(c), count) };
                    for (i, row) in square::<ToPlaces, V, 4, 2>(m).into_iter().enumerate().take(height - y) {
                        for (j, sum) in row.into_iter().enumerate().take(width - x) {
                            let to = to.wrapping_add((i * width + j) * self.channels + c);
                            store(sum.add(bias), to, count);
                        }
                    }
                }
            }
        }
    }
}

/// `A dy Aᵀ`: from the gradients of the places of some tiles to those of their numbers, `[number][panel][tile][channel]`.
pub struct Gradients<'a, T> {
    pub block: &'a Block,
    pub images: Images<T>,
    pub to: *mut T,
    pub plane: usize,
}

impl<T: Float> Kernel<T> for &Gradients<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let (tiles, channels) = (self.block.tiles(), self.images.channels);
        for (tile, [n, y, x]) in self.block.each().enumerate() {
            let mut at = [self.images.zeros; 4];
            for (i, at) in at.iter_mut().enumerate() {
                *at = self.images.pixel(n, [(2 * y + i / 2) as isize, (2 * x + i % 2) as isize]);
            }
            for Panel { first, count, width } in panels(channels, V::N) {
                let to = self.to.wrapping_add(first * tiles + tile * width);
                for c in (0..count).step_by(V::N) {
                    // SAFETY: each pointer is to all channels; the numbers have room for whole registers.
                    unsafe {
                        let mut d = [[V::splat(T::default()); 2]; 2];
                        for (d, at) in d.as_flattened_mut().iter_mut().zip(at) {
                            *d = load(at.wrapping_add(first + c), count - c);
                        }
                        let numbers = square::<OfPlaces, V, 2, 4>(d);
                        for (i, number) in numbers.as_flattened().iter().enumerate() {
                            number.store(to.wrapping_add(i * self.plane + c));
                        }
                    }
                }
            }
        }
    }
}
