//! How much memory devices have handed out while a profiler is on. Of the whole process: a batch may be gathered in one
//! thread and dropped in another.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// Held now, less what was held when the profiler began; below 0 once what is older goes.
static HELD: AtomicI64 = AtomicI64::new(0);
/// The most since the last [`since_last`].
static PEAK: AtomicI64 = AtomicI64::new(0);
/// Handed out since the last [`since_last`].
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// Memory that a device handed out.
#[inline(always)]
pub(crate) fn took(bytes: usize) {
    if super::is_on() {
        count(bytes);
    }
}

/// Memory that a device got back.
#[inline(always)]
pub(crate) fn gave(bytes: usize) {
    if super::is_on() {
        HELD.fetch_sub(bytes as i64, Relaxed);
    }
}

#[cold]
fn count(bytes: usize) {
    let held = HELD.fetch_add(bytes as i64, Relaxed) + bytes as i64;
    PEAK.fetch_max(held, Relaxed);
    TAKEN.fetch_add(bytes as u64, Relaxed);
}

/// Begins at nothing.
pub(super) fn begin() {
    HELD.store(0, Relaxed);
    PEAK.store(0, Relaxed);
    TAKEN.store(0, Relaxed);
}

/// Bytes handed out since the last call, and the most that were held in that time.
pub(super) fn since_last() -> (u64, u64) {
    let peak = PEAK.swap(HELD.load(Relaxed), Relaxed);
    (TAKEN.swap(0, Relaxed), u64::try_from(peak).unwrap_or(0))
}
