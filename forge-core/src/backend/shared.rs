//! Values with a count of holders, as [`Arc`], whose heap memory serves again: a training step makes and drops the same
//! few kinds of them over and over.

use std::cell::RefCell;
use std::fmt;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::thread::LocalKey;

/// Room for a value, kept by the thread that dropped the last one there.
pub type Room<T> = Arc<MaybeUninit<T>>;
/// The rooms of a thread.
pub type Rooms<T> = RefCell<Vec<Room<T>>>;

/// Rooms that a thread keeps of each kind.
const KEPT: usize = 1024;

/// A type whose rooms are kept.
pub trait Pooled: Sized + 'static {
    /// The free rooms of this thread.
    const ROOMS: &'static LocalKey<Rooms<Self>>;

    /// What becomes of a value that its last holder lets go. By default it is dropped, and its room kept.
    fn retire(value: Unique<Self>) {
        drop(value);
    }
}

/// A value that nobody else holds yet, or any more.
pub struct Unique<T: Pooled>(ManuallyDrop<Arc<T>>);

impl<T: Pooled> Unique<T> {
    /// A value in a room of its own.
    #[inline]
    pub fn new(value: T) -> Self {
        // A thread that ends has no rooms any more.
        let room = T::ROOMS.try_with(|rooms| rooms.borrow_mut().pop()).ok().flatten();
        let room = room.unwrap_or_else(Arc::new_uninit);
        // SAFETY: a room has one holder: a new one is nobody else's, and a kept one was found so by `Shared::drop`. So
        // the value may be written, and then is there.
        let value = unsafe {
            Arc::as_ptr(&room).cast_mut().write(MaybeUninit::new(value));
            room.assume_init()
        };
        Unique(ManuallyDrop::new(value))
    }

    /// The first holder of the value.
    #[inline]
    pub fn share(self) -> Shared<T> {
        // SAFETY: `self` is forgotten, so that its count goes on in the result.
        let value = unsafe { std::ptr::read(&ManuallyDrop::new(self).0) };
        Shared(value)
    }
}

impl<T: Pooled> Deref for Unique<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Pooled> DerefMut for Unique<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: nobody else holds the value, and there are no weak holders.
        unsafe { &mut *Arc::as_ptr(&self.0).cast_mut() }
    }
}

impl<T: Pooled> Drop for Unique<T> {
    fn drop(&mut self) {
        // SAFETY: this is the only place that takes it, and the last use of `self`.
        let value = Arc::into_raw(unsafe { ManuallyDrop::take(&mut self.0) }).cast_mut();
        // SAFETY: this was the only holder and there are no weak ones, so the value may be dropped where it is; from
        // then on the room is one without a value, which has the same size and alignment.
        let room: Room<T> = unsafe {
            value.drop_in_place();
            Arc::from_raw(value.cast::<MaybeUninit<T>>())
        };
        let _ = T::ROOMS.try_with(|rooms| {
            let mut rooms = rooms.borrow_mut();
            if rooms.len() < KEPT {
                rooms.push(room);
            }
        });
    }
}

/// A value held by all clones of this together.
pub struct Shared<T: Pooled>(ManuallyDrop<Arc<T>>);

impl<T: Pooled> Shared<T> {
    /// The value for writing, if nobody else holds it.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        Arc::get_mut(&mut self.0)
    }

    /// Whether both hold the same value.
    pub fn same(a: &Self, b: &Self) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }
}

impl<T: Pooled> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(ManuallyDrop::new(Arc::clone(&self.0)))
    }
}

impl<T: Pooled> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Pooled + fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Pooled> Drop for Shared<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this is the only place that takes it, and the last use of `self`.
        let value = unsafe { ManuallyDrop::take(&mut self.0) };
        if Arc::strong_count(&value) != 1 {
            return; // of two that let go at once the last frees the room, as `Arc` does
        }
        // What other holders did happened before they let go.
        fence(Ordering::Acquire);
        // The only holder, without weak ones.
        T::retire(Unique(ManuallyDrop::new(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    static DROPS: AtomicUsize = AtomicUsize::new(0);

    struct Counted {
        id: u64,
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPS.fetch_add(1, Ordering::SeqCst);
        }
    }
    thread_local!(static ROOMS: Rooms<Counted> = const { RefCell::new(Vec::new()) });
    impl Pooled for Counted {
        const ROOMS: &'static LocalKey<Rooms<Self>> = &ROOMS;
    }

    #[test]
    fn each_value_is_dropped_once_and_its_room_serves_again() {
        let mut first = Unique::new(Counted { id: 7 }).share();
        let home = std::ptr::from_ref(&*first);
        let other = first.clone();
        assert!(first.get_mut().is_none() && Shared::same(&first, &other));
        drop(first);
        assert_eq!((DROPS.load(Ordering::SeqCst), other.id), (0, 7));
        drop(other);
        assert_eq!(DROPS.load(Ordering::SeqCst), 1);
        let mut second = Unique::new(Counted { id: 8 });
        second.id += 1;
        let mut second = second.share();
        assert_eq!(std::ptr::from_ref(&*second), home);
        second.get_mut().unwrap().id += 1;
        assert_eq!(second.id, 10);
        drop(second);
        // Many threads let go of the same values at once.
        let all: Vec<Shared<Counted>> = (0..1000).map(|i| Unique::new(Counted { id: i }).share()).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let mine = all.clone();
                scope.spawn(move || drop(mine));
            }
            drop(all);
        });
        assert_eq!(DROPS.load(Ordering::SeqCst), 1002);
    }
}
