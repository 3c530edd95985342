//! Weights to numbers of tiles, and their gradient back.

use super::sums::{OfTaps, ToTaps, square};
use super::{NUMBERS, Panel, Squares, panels};
use crate::backend::cpu::free_list::FreeList;
use crate::backend::cpu::scratch::Scratch;
use crate::backend::cpu::simd::{Elementary, Float, Kernel, load};
use crate::backend::cpu::turn::Turn;
use std::sync::Arc;

/// Elements of a kernel.
const TAPS: usize = 9;

impl Squares {
    /// Floats from one number of all weights to the next.
    pub(super) fn plane_of_weights(&self) -> usize {
        let [inputs, outputs] = self.channels;
        inputs * outputs.next_multiple_of(self.lanes) + self.lanes
    }

    /// The numbers of weights `[out channels, in channels, 3, 3]` for sweeps from images to places, in panels of out channels:
    /// `[number][panel][in channel][out channel]`.
    pub fn weights<T: Float>(&self, memory: &Arc<FreeList>, weight: &[T]) -> Scratch<T> {
        let [inputs, outputs] = self.channels;
        let row = outputs.next_multiple_of(self.lanes);
        let mut turned = Scratch::<T>::new(memory, inputs * TAPS * row);
        T::dispatch(&Turn {
            rows: inputs * TAPS,
            columns: outputs,
            padded: row,
            from: weight.as_ptr(),
            from_step: inputs * TAPS,
            to: turned.as_mut().as_mut_ptr(),
            to_step: row,
            factor: None,
        });
        self.numbers(memory, turned.as_ref().as_ptr(), row as isize, TAPS * row)
    }

    /// The same for sweeps from places to images, over the kernel turned round, in panels of in channels of the convolution.
    pub fn weights_turned_round<T: Float>(&self, memory: &Arc<FreeList>, weight: &[T]) -> Scratch<T> {
        let [outputs, inputs] = self.channels;
        let plane = outputs * inputs;
        let mut turned = Scratch::<T>::new(memory, TAPS * plane);
        T::dispatch(&Turn {
            rows: TAPS,
            columns: plane,
            padded: plane,
            from: weight.as_ptr(),
            from_step: TAPS,
            to: turned.as_mut().as_mut_ptr(),
            to_step: plane,
            factor: None,
        });
        let last = turned.as_ref().as_ptr().wrapping_add((TAPS - 1) * plane);
        self.numbers(memory, last, -(plane as isize), inputs)
    }

    /// The numbers of weights whose first element of the kernel is at `from`, with `tap` floats from one to the next and
    /// `row` from channel to channel.
    fn numbers<T: Float>(
        &self,
        memory: &Arc<FreeList>,
        from: *const T,
        tap: isize,
        row: usize,
    ) -> Scratch<T> {
        let ([rows, columns], plane) = (self.channels, self.plane_of_weights());
        let mut numbers = Scratch::<T>::new(memory, NUMBERS * plane);
        let to = numbers.as_mut().as_mut_ptr();
        T::dispatch(&Expand { rows, columns, from, tap, row, to, plane });
        numbers
    }

    /// The gradient `[out channels, in channels, 3, 3]` from that of the numbers.
    pub fn gradient<T: Float>(&self, memory: &Arc<FreeList>, numbers: &[T], to: &mut [T]) {
        let [inputs, outputs] = self.channels;
        let row = outputs.next_multiple_of(self.lanes);
        let mut turned = Scratch::<T>::new(memory, inputs * TAPS * row);
        let from = numbers.as_ptr();
        let taps = turned.as_mut().as_mut_ptr();
        T::dispatch(&Contract { rows: inputs, columns: row, from, plane: self.plane_of_weights(), to: taps });
        T::dispatch(&Turn {
            rows: outputs,
            columns: inputs * TAPS,
            padded: inputs * TAPS,
            from: taps.cast_const(),
            from_step: row,
            to: to.as_mut_ptr(),
            to_step: inputs * TAPS,
            factor: None,
        });
    }
}

/// `G g Gᵀ`
struct Expand<T> {
    rows: usize,
    columns: usize,
    from: *const T,
    tap: isize,
    row: usize,
    to: *mut T,
    plane: usize,
}

impl<T: Float> Kernel<T> for &Expand<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        for Panel { first, count, width } in panels(self.columns, V::N) {
            for r in 0..self.rows {
                let to = self.to.wrapping_add(first * self.rows + r * width);
                for c in (0..count).step_by(V::N) {
                    let from = self.from.wrapping_add(r * self.row + first + c);
                    // SAFETY: so many columns are there; the numbers have room for whole registers.
                    unsafe {
                        let mut g = [[V::splat(T::default()); 3]; 3];
                        for (i, g) in g.as_flattened_mut().iter_mut().enumerate() {
                            let from = from.wrapping_offset(i as isize * self.tap);
                            *g = load(from, count - c);
                        }
                        let numbers = square::<OfTaps, V, 3, 4>(g);
                        for (i, number) in numbers.as_flattened().iter().enumerate() {
                            number.store(to.wrapping_add(i * self.plane + c));
                        }
                    }
                }
            }
        }
    }
}

/// `Gᵀ u G`: `[row][element of the kernel][column]`, of whole registers.
struct Contract<T> {
    rows: usize,
    columns: usize,
    from: *const T,
    plane: usize,
    to: *mut T,
}

impl<T: Float> Kernel<T> for &Contract<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        for r in 0..self.rows {
            for c in (0..self.columns).step_by(V::N) {
                let from = self.from.wrapping_add(r * self.columns + c);
                let to = self.to.wrapping_add(r * TAPS * self.columns + c);
                // SAFETY: rows are whole registers on both sides.
                unsafe {
                    let mut u = [[V::splat(T::default()); 4]; 4];
                    for (i, u) in u.as_flattened_mut().iter_mut().enumerate() {
                        *u = V::load(from.wrapping_add(i * self.plane));
                    }
                    let taps = square::<ToTaps, V, 4, 3>(u);
                    for (i, tap) in taps.as_flattened().iter().enumerate() {
                        tap.store(to.wrapping_add(i * self.columns));
                    }
                }
            }
        }
    }
}
