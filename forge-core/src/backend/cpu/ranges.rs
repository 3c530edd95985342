//! Work on slices of one length, cut into ranges that threads take.

use super::threads::{Shared, parallel};

/// Elements of one range. It depends on nothing, so a result doesn't, either.
const RANGE: usize = 1 << 15;

/// Calls `work` with the same range of every slice, for ranges that cover all of them: all at once where there is too
/// little to do for a second thread. A slice that is empty is so in every call; the others are as long as the first.
#[inline]
pub fn ranges<T: Send + Sync, const W: usize, const R: usize>(
    written: [&mut [T]; W],
    read: [&[T]; R],
    work: impl Fn([&mut [T]; W], [&[T]; R]) + Sync,
) {
    let len = written.first().map_or(0, |first| first.len());
    if len < 4 * RANGE { work(written, read) } else { in_parallel(len, written, read, work) }
}

#[inline(never)]
fn in_parallel<T: Send + Sync, const W: usize, const R: usize>(
    len: usize,
    written: [&mut [T]; W],
    read: [&[T]; R],
    work: impl Fn([&mut [T]; W], [&[T]; R]) + Sync,
) {
    let lengths = written.each_ref().map(|slice| slice.len());
    assert!(
        lengths.iter().chain(&read.map(<[T]>::len)).all(|&n| n == len || n == 0),
        "slices differ in length"
    );
    let starts = written.map(Shared::new);
    parallel(len.div_ceil(RANGE), |number| {
        let range = number * RANGE..len.min((number + 1) * RANGE);
        let written = std::array::from_fn(|k| match lengths[k] {
            0 => &mut [][..],
            // SAFETY: the range lies within the slice, no other call has an element of it, and the slices are borrowed
            // until all calls have returned.
            _ => unsafe { starts[k].part(range.start, range.len()) },
        });
        work(written, read.map(|slice| slice.get(range.clone()).unwrap_or(&[])));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_visited_once_by_its_own_range() {
        for len in [0, 1, RANGE, 4 * RANGE - 1, 4 * RANGE, 5 * RANGE + 7] {
            let from: Vec<u64> = (0..len as u64).collect();
            let (mut sum, mut count) = (vec![1; len], vec![0; len]);
            ranges([&mut sum, &mut count, &mut []], [&from, &[]], |[sum, count, none], [from, nothing]| {
                assert!(none.is_empty() && nothing.is_empty());
                for ((sum, count), from) in sum.iter_mut().zip(count).zip(from) {
                    *sum += from;
                    *count += 1;
                }
            });
            assert!(count.iter().all(|&n| n == 1));
            assert!(sum.iter().zip(&from).all(|(sum, from)| *sum == from + 1));
        }
    }
}
