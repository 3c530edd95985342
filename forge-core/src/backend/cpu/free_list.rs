//! Memory that tensors gave back, kept for the next ones: a steady training step asks the system for none.

use crate::{DType, Host, profile};
use std::sync::{Mutex, PoisonError};

/// Elements in the smallest class: `2^MIN_CLASS`.
const MIN_CLASS: u32 = 4;
/// One class for each power of two up to `2^MAX_CLASS` elements; larger buffers are not kept.
const MAX_CLASS: u32 = 23;
const CLASSES: usize = (MAX_CLASS - MIN_CLASS + 1) as usize;
/// Bytes that are kept at most. When more come back, everything kept is let go, so that sizes which are no longer
/// asked for do not stay.
const LIMIT: usize = 256 << 20;

/// Free buffers by element type and size class. Class `c` holds buffers with room for at least `2^c` elements.
#[derive(Debug, Default)]
pub struct FreeList {
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    buffers: [[Vec<Host>; CLASSES]; 3],
    bytes: usize,
}

impl FreeList {
    /// A buffer of `len` elements of unspecified value.
    pub fn take(&self, dtype: DType, len: usize) -> Host {
        let Some(class) = class_for(len) else {
            let host = Host::zeros(dtype, len);
            profile::took(bytes(&host));
            return host;
        };
        let reused = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let reused = free.buffers[slot(dtype)][(class - MIN_CLASS) as usize].pop();
            free.bytes -= reused.as_ref().map_or(0, bytes);
            reused
        };
        // Of a fresh buffer the system gives zeros at no cost; the room beyond `len` is for the next user.
        let mut host = reused.unwrap_or_else(|| Host::zeros(dtype, 1 << class));
        profile::took(bytes(&host));
        match &mut host {
            Host::F32(v) => fit(v, len, f32::NAN),
            Host::F64(v) => fit(v, len, f64::NAN),
            Host::I64(v) => fit(v, len, i64::MIN),
        }
        host
    }

    /// Takes a buffer back.
    pub fn give(&self, host: Host) {
        profile::gave(bytes(&host));
        let capacity = bytes(&host) / host.dtype().size();
        let Some(class) = capacity.checked_ilog2().filter(|class| (MIN_CLASS..=MAX_CLASS).contains(class))
        else {
            return;
        };
        let mut outdated = None;
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.bytes + bytes(&host) > LIMIT {
            outdated = Some(std::mem::take(&mut *free));
        }
        free.bytes += bytes(&host);
        free.buffers[slot(host.dtype())][(class - MIN_CLASS) as usize].push(host);
        drop(free);
        drop(outdated);
    }
}

/// The smallest class whose buffers have room for `len` elements, unless it is too large to be kept.
fn class_for(len: usize) -> Option<u32> {
    let class = len.checked_next_power_of_two()?.ilog2().max(MIN_CLASS);
    (len > 0 && class <= MAX_CLASS).then_some(class)
}

fn slot(dtype: DType) -> usize {
    match dtype {
        DType::F32 => 0,
        DType::F64 => 1,
        DType::I64 => 2,
    }
}

pub fn bytes(host: &Host) -> usize {
    match host {
        Host::F32(v) => 4 * v.capacity(),
        Host::F64(v) => 8 * v.capacity(),
        Host::I64(v) => 8 * v.capacity(),
    }
}

/// Makes a buffer `len` long within its room. What it holds is unspecified; in debug builds it is `poison`, so that a
/// kernel which leaves an element unwritten shows in every test.
fn fit<T: Copy>(buffer: &mut Vec<T>, len: usize, poison: T) {
    buffer.resize(len, poison);
    if cfg!(debug_assertions) {
        buffer.fill(poison);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &Host) -> usize {
        match host {
            Host::F32(v) => v.as_ptr() as usize,
            Host::F64(v) => v.as_ptr() as usize,
            Host::I64(v) => v.as_ptr() as usize,
        }
    }

    #[test]
    fn a_buffer_serves_again_for_any_length_of_its_class_and_for_its_own_type_only() {
        let pool = FreeList::default();
        let first = pool.take(DType::F32, 100);
        let home = address(&first);
        pool.give(first);
        let other = pool.take(DType::I64, 100);
        assert_ne!(address(&other), home);
        let small = pool.take(DType::F32, 64);
        assert_ne!(address(&small), home, "a smaller class");
        let second = pool.take(DType::F32, 128);
        assert_eq!((address(&second), second.len(), second.dtype()), (home, 128, DType::F32));
    }

    #[test]
    fn room_that_came_from_elsewhere_is_never_outgrown() {
        let pool = FreeList::default();
        pool.give(Host::F64(Vec::with_capacity(100)));
        let host = pool.take(DType::F64, 64);
        assert_eq!(host.len(), 64);
        pool.give(host);
        // 100 elements have room for 64, not for every length of the class above.
        assert!(matches!(pool.take(DType::F64, 100), Host::F64(v) if v.capacity() >= 128));
    }

    #[test]
    fn what_is_kept_stays_below_the_limit() {
        let pool = FreeList::default();
        let megabytes = |n: usize| Host::F32(Vec::with_capacity(n << 18));
        for _ in 0..100 {
            pool.give(megabytes(10));
            let kept = pool.free.lock().unwrap().bytes;
            assert!(kept <= LIMIT, "{kept}");
        }
        let before = pool.free.lock().unwrap().bytes;
        pool.give(megabytes(100));
        assert_eq!(pool.free.lock().unwrap().bytes, before, "too large to be kept");
        assert_eq!(pool.take(DType::F32, 0).len(), 0);
    }
}
