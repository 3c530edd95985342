//! Registers side by side: their lanes turned against each other, and summed.

use super::Lanes;

/// As many registers as one has lanes, at the front; none has more than sixteen.
pub type Rows<V> = [V; 16];

/// Makes columns of rows: lane j of register i becomes lane i of register j.
///
/// To zip register i with register i + N/2 rotates the binary digits of (register, lane) by one; log₂ N such rounds
/// exchange the two numbers.
#[inline(always)]
pub fn transpose<V: Lanes>(rows: &mut Rows<V>) {
    let half = V::N / 2;
    for _ in 0..V::N.trailing_zeros() {
        let before = *rows;
        for i in 0..half {
            (rows[2 * i], rows[2 * i + 1]) = before[i].zip(before[i + half]);
        }
    }
}

/// The sum of each register's lanes: register i's in lane i.
#[inline(always)]
pub fn sums<V: Lanes>(mut rows: Rows<V>) -> V {
    let mut count = V::N;
    while count > 1 {
        count /= 2;
        for i in 0..count {
            let (low, high) = rows[i].zip(rows[i + count]);
            rows[i] = low.add(high);
        }
    }
    rows[0]
}

#[cfg(test)]
mod tests {
    use super::super::{Elementary, Float, Kernel, Level};
    use super::*;
    use crate::backend::Scalar;

    /// Numbers of places, turned and summed.
    struct Turned;

    impl<T: Float> Kernel<T> for Turned {
        type Output = (usize, Vec<f64>, Vec<f64>);
        #[inline(always)]
        unsafe fn run<V: Elementary<Float = T>>(self) -> Self::Output {
            let from: Vec<T> = (0..V::N * V::N).map(|i| <T as Scalar>::from_f64(i as f64)).collect();
            let (mut turned, mut summed) = (from.clone(), vec![T::default(); V::N]);
            // SAFETY: the caller's promise; each row is within its list.
            unsafe {
                let mut rows: Rows<V> = [V::splat(T::default()); 16];
                rows.iter_mut().zip(from.chunks(V::N)).for_each(|(row, from)| *row = V::load(from.as_ptr()));
                sums(rows).store(summed.as_mut_ptr());
                transpose(&mut rows);
                rows.iter().zip(turned.chunks_mut(V::N)).for_each(|(row, to)| row.store(to.as_mut_ptr()));
            }
            let wide = |all: Vec<T>| all.into_iter().map(Scalar::to_f64).collect();
            (V::N, wide(turned), wide(summed))
        }
    }

    #[test]
    fn rows_become_columns_and_are_summed_at_every_level() {
        for level in Level::ALL.into_iter().filter(|level| *level <= Level::widest()) {
            // SAFETY: the machine has the level.
            let both = unsafe { [f32::dispatch_at(level, Turned), f64::dispatch_at(level, Turned)] };
            for (n, turned, summed) in both {
                for (i, row) in turned.chunks(n).enumerate() {
                    let column: Vec<f64> = (0..n).map(|j| (j * n + i) as f64).collect();
                    assert_eq!(row, column, "{level:?}, {n} lanes");
                }
                let wanted: Vec<f64> = (0..n).map(|i| (0..n).map(|j| (i * n + j) as f64).sum()).collect();
                assert_eq!(summed, wanted, "{level:?}, {n} lanes");
            }
        }
    }
}
