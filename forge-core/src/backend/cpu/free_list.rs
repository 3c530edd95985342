//! Memory that tensors gave back, kept for the next ones: a steady training step asks the system for none.

use crate::backend::Aligned;
use crate::{DType, profile};
use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

/// One class for each power of two up to `2^MAX_CLASS` bytes; larger buffers are not kept.
const MAX_CLASS: u32 = 29;
const CLASSES: usize = (MAX_CLASS - Aligned::MIN_CLASS + 1) as usize;
/// Bytes that are kept at most. When more come back, everything kept is let go, so that sizes which are no longer
/// asked for do not stay.
const LIMIT: usize = 1 << 30;
/// Bytes and buffers of a class that each thread keeps for itself, where it finds them without a lock: enough for the
/// working memory of small kernels, whose time a lock would show in. Results of small operations come from the storages
/// that a thread keeps whole.
const OWN_BYTES: usize = 1 << 20;
const OWN_BUFFERS: usize = 32;

/// Free buffers by size class. Class `c` holds buffers with room for at least `2^c` bytes.
#[derive(Debug)]
struct Free {
    buffers: [Vec<Aligned>; CLASSES],
    bytes: usize,
}

impl Free {
    const NONE: Free = Free { buffers: [const { Vec::new() }; CLASSES], bytes: 0 };

    fn pop(&mut self, class: u32) -> Option<Aligned> {
        let buffer = self.buffers[(class - Aligned::MIN_CLASS) as usize].pop()?;
        self.bytes -= buffer.room();
        Some(buffer)
    }

    fn push(&mut self, class: u32, buffer: Aligned) {
        self.bytes += buffer.room();
        self.buffers[(class - Aligned::MIN_CLASS) as usize].push(buffer);
    }
}

thread_local!(static OWN: RefCell<Free> = const { RefCell::new(Free::NONE) });

/// The free buffers of a device, beside those that threads keep.
#[derive(Debug)]
pub struct FreeList {
    free: Mutex<Free>,
}

impl Default for FreeList {
    fn default() -> Self {
        FreeList { free: Mutex::new(Free::NONE) }
    }
}

impl FreeList {
    /// A buffer of `len` elements of unspecified value.
    pub fn take(&self, dtype: DType, len: usize) -> Aligned {
        let bytes = len * dtype.size();
        let Some(class) = class_for(bytes) else {
            let buffer = Aligned::with_room(bytes);
            profile::took(buffer.room());
            return buffer.of(dtype, len);
        };
        profile::took(1 << class);
        // A thread that ends has none of its own any more.
        let own = OWN.try_with(|own| own.borrow_mut().pop(class)).ok().flatten();
        let reused = own.or_else(|| self.free.lock().unwrap_or_else(PoisonError::into_inner).pop(class));
        // The room beyond `len` is for the next user.
        reused.unwrap_or_else(|| Aligned::with_room(1 << class)).of(dtype, len)
    }

    /// Takes a buffer back.
    pub fn give(&self, buffer: Aligned) {
        profile::gave(buffer.room());
        let Some(class) = class_of(buffer.room()) else { return };
        let mut buffer = Some(buffer);
        let _ = OWN.try_with(|own| {
            let mut own = own.borrow_mut();
            let few = own.buffers[(class - Aligned::MIN_CLASS) as usize].len() < OWN_BUFFERS;
            if few && own.bytes + (1 << class) <= OWN_BYTES {
                buffer.take().into_iter().for_each(|buffer| own.push(class, buffer));
            }
        });
        let Some(buffer) = buffer else { return };
        let mut outdated = None;
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.bytes + buffer.room() > LIMIT {
            outdated = Some(std::mem::replace(&mut *free, Free::NONE));
        }
        free.push(class, buffer);
        drop(free);
        drop(outdated);
    }
}

/// The smallest class whose buffers have room for so many bytes, unless it is too large to be kept.
fn class_for(bytes: usize) -> Option<u32> {
    Aligned::class_for(bytes).filter(|class| *class <= MAX_CLASS)
}

/// The class that a buffer with this room belongs to, if it is kept at all.
fn class_of(room: usize) -> Option<u32> {
    Aligned::class_of(room).filter(|class| *class <= MAX_CLASS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(buffer: &Aligned) -> usize {
        match buffer.dtype() {
            DType::F32 => buffer.slice::<f32>().unwrap().as_ptr() as usize,
            DType::F64 => buffer.slice::<f64>().unwrap().as_ptr() as usize,
            DType::I64 => buffer.slice::<i64>().unwrap().as_ptr() as usize,
        }
    }

    #[test]
    fn a_buffer_serves_again_for_any_elements_of_its_class() {
        // In a thread of its own, which has given nothing back yet.
        std::thread::spawn(|| {
            let pool = FreeList::default();
            let first = pool.take(DType::F32, 100);
            let home = address(&first);
            pool.give(first);
            let small = pool.take(DType::F32, 64);
            assert_ne!(address(&small), home, "a smaller class");
            let second = pool.take(DType::I64, 64);
            assert_eq!((address(&second), second.len(), second.dtype()), (home, 64, DType::I64));
            // More than a thread keeps: the others go to the list of all, and come back from there.
            let many: Vec<Aligned> = (0..2 * OWN_BUFFERS).map(|_| pool.take(DType::F64, 4)).collect();
            let mut homes: Vec<usize> = many.iter().map(address).collect();
            many.into_iter().for_each(|buffer| pool.give(buffer));
            let again: Vec<Aligned> = (0..2 * OWN_BUFFERS).map(|_| pool.take(DType::F64, 4)).collect();
            let mut homes_again: Vec<usize> = again.iter().map(address).collect();
            homes.sort_unstable();
            homes_again.sort_unstable();
            assert_eq!(homes, homes_again);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn what_is_kept_stays_below_the_limit() {
        let pool = FreeList::default();
        let megabytes = |n: usize| Aligned::with_room(n << 20); // no page of which is touched
        for _ in 0..100 {
            pool.give(megabytes(40));
            let kept = pool.free.lock().unwrap().bytes;
            assert!(kept <= LIMIT, "{kept}");
        }
        let before = pool.free.lock().unwrap().bytes;
        assert!(before > 0);
        pool.give(megabytes(1100));
        assert_eq!(pool.free.lock().unwrap().bytes, before, "too large to be kept");
        assert_eq!(pool.take(DType::F32, 0).len(), 0);
    }
}
