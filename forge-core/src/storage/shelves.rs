//! Small storages that a thread keeps whole, with their memory, for its next tensors: without a lock, without a count, and
//! without moving a word. What an operation of a few thousand numbers costs beside its arithmetic is decided here.

use super::Storage;
use crate::backend::{Aligned, Memory, Unique};
use crate::{DType, Device, Host, profile};
use std::cell::RefCell;

/// Bytes that a thread keeps at most, and storages of each class.
const BYTES: usize = 1 << 20;
const EACH: usize = 32;
const CLASSES: usize = (BYTES.ilog2() - Aligned::MIN_CLASS + 1) as usize;

struct Shelves {
    classes: [Vec<Unique<Storage>>; CLASSES],
    bytes: usize,
}

thread_local!(static SHELVES: RefCell<Shelves> = const {
    RefCell::new(Shelves { classes: [const { Vec::new() }; CLASSES], bytes: 0 })
});

/// A storage of this device for `len` elements of unspecified value, if there is one.
#[inline]
pub fn take(device: &Device, dtype: DType, len: usize) -> Option<Unique<Storage>> {
    let class = Aligned::class_for(len * dtype.size())?;
    // A thread that ends has none any more.
    let mut storage = SHELVES.try_with(|shelves| shelves.borrow_mut().pop(class)).ok().flatten()?;
    if storage.device != *device {
        discard(storage);
        return None;
    }
    let Memory::Aligned(elements) = &mut storage.memory else { return None };
    elements.renew(dtype, len);
    profile::took(1 << class);
    Some(storage)
}

/// Keeps a storage, or drops it where there is no place for it.
#[inline]
pub fn put(mut storage: Unique<Storage>) {
    let Memory::Aligned(elements) = &storage.memory else { return };
    let room = elements.room();
    let Some(class) = Aligned::class_of(room).filter(|_| room <= BYTES) else { return };
    storage.outdate();
    let mut storage = Some(storage);
    let _ = SHELVES.try_with(|shelves| shelves.borrow_mut().push(class, room, &mut storage));
    if storage.is_none() {
        profile::gave(room);
    }
}

/// Frees what was kept. Its memory was counted as given back when it came here.
fn discard(mut storage: Unique<Storage>) {
    storage.memory = Memory::Host(Host::F32(Vec::new()));
}

impl Drop for Shelves {
    fn drop(&mut self) {
        self.classes.iter_mut().flat_map(|shelf| shelf.drain(..)).for_each(discard);
    }
}

/// How many storages of a device this thread keeps.
pub fn count(device: &Device) -> usize {
    let of = |shelves: &RefCell<Shelves>| {
        shelves.borrow().classes.iter().flatten().filter(|storage| storage.device == *device).count()
    };
    SHELVES.try_with(of).unwrap_or(0)
}

impl Shelves {
    #[inline]
    fn pop(&mut self, class: u32) -> Option<Unique<Storage>> {
        let storage = self.classes.get_mut((class - Aligned::MIN_CLASS) as usize)?.pop()?;
        self.bytes -= 1 << class;
        Some(storage)
    }

    #[inline]
    fn push(&mut self, class: u32, room: usize, storage: &mut Option<Unique<Storage>>) {
        if let Some(shelf) = self.classes.get_mut((class - Aligned::MIN_CLASS) as usize)
            && shelf.len() < EACH
            && self.bytes + room <= BYTES
        {
            self.bytes += 1 << class;
            shelf.extend(storage.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::backend::Cpu;
    use crate::{DType, Device, Tensor};

    fn home(tensor: &Tensor) -> usize {
        let crate::backend::Memory::Aligned(elements) = tensor.arg().memory else {
            panic!("memory of the CPU")
        };
        elements.slice::<f32>().unwrap().as_ptr() as usize
    }

    #[test]
    fn a_storage_serves_again_on_its_own_device() {
        // In a thread of its own, which keeps nothing yet.
        let run = || {
            let (one, other) = (Device::new(Cpu::new()), Device::new(Cpu::new()));
            let make = |device: &Device, len: usize| Tensor::full(2.0, &[len], DType::F32, device).unwrap();
            let first = make(&one, 100);
            let at = home(&first);
            assert_eq!((one.handles(), super::count(&one)), (2, 0));
            drop(first);
            assert_eq!((one.handles(), super::count(&one)), (1, 1), "what is kept is not held");
            assert_ne!(home(&make(&one, 64)), at, "a smaller class");
            let again = make(&one, 65);
            assert_eq!((home(&again), again.to_vec::<f32>().unwrap()), (at, vec![2.0; 65]));
            drop(again);
            let elsewhere = make(&other, 100);
            let kept = [&one, &other].map(super::count);
            assert_eq!((one.handles(), other.handles(), kept), (1, 2, [1, 0]), "a storage is of one device");
            // A view holds it, too.
            let view = elsewhere.reshape(&[10, 10]).unwrap();
            drop(elsewhere);
            assert_eq!(super::count(&other), 0);
            drop(view);
            assert_eq!(super::count(&other), 1);
        };
        std::thread::spawn(run).join().unwrap();
    }

    #[test]
    fn a_thread_keeps_a_megabyte_at_most() {
        let run = || {
            let device = Device::new(Cpu::new());
            let make = |len: usize, count: usize| -> Vec<Tensor> {
                (0..count).map(|_| Tensor::full(1.0, &[len], DType::F64, &device).unwrap()).collect()
            };
            drop(make(1 << 14, 20)); // 128 KiB each
            assert_eq!(super::count(&device), 8);
            drop(make(4, 100));
            assert_eq!(super::count(&device), 8, "no room is left");
            drop(make(1 << 14, 1)[0].clone());
            let some = make(1 << 14, 2);
            drop(make(4, 100));
            assert_eq!(super::count(&device), 6 + super::EACH);
            drop(some);
        };
        std::thread::spawn(run).join().unwrap();
    }

    #[test]
    fn weights_in_kernel_order_are_not_kept_with_an_old_storage() {
        let device = Device::new(Cpu::new());
        let make = |value: f64| Tensor::full(value, &[3], DType::F32, &device).unwrap();
        for value in [1.0, 2.0] {
            let weight = make(value);
            let packed = Tensor::panels([&weight], || weight.to_vec::<f32>()).unwrap();
            assert_eq!(*packed, vec![value as f32; 3]);
        }
    }
}
