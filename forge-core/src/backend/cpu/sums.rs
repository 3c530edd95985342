//! Sums that shards of the work made, each its own, added up in the order of the shards.

use super::simd::{Elementary, Float, Kernel};

/// Adds to the first `each` floats those that lie behind them, `each` at a time.
pub struct AddShards<'a, T> {
    pub all: &'a mut [T],
    pub each: usize,
}

impl<T: Float> Kernel<T> for AddShards<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Elementary<Float = T>>(self) {
        let (sum, others) = self.all.split_at_mut(self.each);
        for (i, out) in sum.chunks_mut(V::N).enumerate() {
            // SAFETY: the chunk, and that of each of the others, holds as many floats as are named.
            unsafe {
                let mut total = V::load_first(out.as_ptr(), out.len());
                for other in others.chunks_exact(self.each) {
                    let from = other[i * V::N..].as_ptr();
                    total = total.add(V::load_first(from, out.len()));
                }
                total.store_first(out.as_mut_ptr(), out.len());
            }
        }
    }
}
