//! Host memory that begins on a cache line, so that no register of floats straddles two.

use crate::{DType, Element, Host};

/// Bytes of a cache line, and of the widest register.
const LINE: usize = 64;
const WORD: usize = size_of::<u64>();

/// Elements in host memory from the start of a cache line on. Its room may serve again as elements of another number and
/// type.
///
/// ```
/// use forge_core::{backend::Aligned, DType, Host};
/// let mut elements = Aligned::with_room(64).of(DType::F32, 3);
/// assert_eq!((elements.dtype(), elements.len(), elements.is_empty(), elements.room()), (DType::F32, 3, false, 64));
/// elements.slice_mut::<f32>().unwrap().copy_from_slice(&[1.0, 2.0, 3.0]);
/// assert_eq!(elements.slice::<f32>(), Some(&[1.0, 2.0, 3.0][..]));
/// assert!(elements.slice::<f64>().is_none()); // another type
/// assert_eq!(elements.to_host(), Host::F32(vec![1.0, 2.0, 3.0]));
/// ```
pub struct Aligned {
    /// The room, with a line more than it holds. The system gives zeros at no cost, and pages only where they are used.
    words: Box<[u64]>,
    /// The first word of a line.
    start: usize,
    len: usize,
    kind: Kind,
}

/// Element type, as wide as a word: a buffer is moved whole when it was just made, and a wide read of a narrow write waits
/// for it.
#[derive(Clone, Copy)]
#[repr(usize)]
enum Kind {
    F32,
    F64,
    I64,
}

impl Aligned {
    /// The smallest class of rooms that are kept for later, whose size is `2^MIN_CLASS` bytes.
    pub(crate) const MIN_CLASS: u32 = 6;

    /// The smallest class whose rooms hold so many bytes; none for no byte.
    #[inline]
    pub(crate) fn class_for(bytes: usize) -> Option<u32> {
        let class = bytes.checked_next_power_of_two()?.ilog2().max(Self::MIN_CLASS);
        (bytes > 0).then_some(class)
    }

    /// The class that a room of so many bytes belongs to, if it is kept at all.
    #[inline]
    pub(crate) fn class_of(room: usize) -> Option<u32> {
        room.checked_ilog2().filter(|class| *class >= Self::MIN_CLASS)
    }

    /// Room for so many bytes, which are 0; no elements yet.
    pub fn with_room(bytes: usize) -> Self {
        if bytes == 0 {
            return Aligned { words: Box::default(), start: 0, len: 0, kind: Kind::F32 };
        }
        let words = vec![0u64; (bytes + LINE).div_ceil(WORD)].into_boxed_slice();
        let address = words.as_ptr() as usize;
        let start = (address.next_multiple_of(LINE) - address) / WORD;
        Aligned { words, start, len: 0, kind: Kind::F32 }
    }

    /// Bytes that it has room for.
    pub fn room(&self) -> usize {
        (self.words.len() * WORD).saturating_sub(LINE)
    }

    /// The same room as `len` elements of unspecified value, as many as fit at most. In debug builds they are no
    /// numbers, so that a kernel which leaves an element unwritten shows in every test.
    pub fn of(mut self, dtype: DType, len: usize) -> Self {
        self.renew(dtype, len);
        self
    }

    /// As [`Aligned::of`], in place.
    #[inline]
    pub(crate) fn renew(&mut self, dtype: DType, len: usize) {
        debug_assert!(len * dtype.size() <= self.room());
        self.len = len.min(self.room() / dtype.size());
        self.kind = match dtype {
            DType::F32 => Kind::F32,
            DType::F64 => Kind::F64,
            DType::I64 => Kind::I64,
        };
        if cfg!(debug_assertions) {
            match dtype {
                DType::F32 => self.fill(f32::NAN),
                DType::F64 => self.fill(f64::NAN),
                DType::I64 => self.fill(i64::MIN),
            }
        }
    }

    fn fill<T: Element>(&mut self, poison: T) {
        if let Some(elements) = self.slice_mut() {
            elements.fill(poison);
        }
    }

    /// Element type.
    #[inline]
    pub fn dtype(&self) -> DType {
        match self.kind {
            Kind::F32 => DType::F32,
            Kind::F64 => DType::F64,
            Kind::I64 => DType::I64,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements, if they are of this type.
    #[inline]
    pub fn slice<T: Element>(&self) -> Option<&[T]> {
        // SAFETY: `len` elements from `start` are within the words, by `of`; the words are initialised, the line is
        // aligned for every element type, and every pattern of bits is an element.
        (T::DTYPE == self.dtype()).then(|| unsafe {
            std::slice::from_raw_parts(self.words.as_ptr().add(self.start).cast::<T>(), self.len)
        })
    }

    /// The elements, if they are of this type.
    #[inline]
    pub fn slice_mut<T: Element>(&mut self) -> Option<&mut [T]> {
        // SAFETY: as in `slice`; they are exclusively borrowed with `self`.
        (T::DTYPE == self.dtype()).then(|| unsafe {
            std::slice::from_raw_parts_mut(self.words.as_mut_ptr().add(self.start).cast::<T>(), self.len)
        })
    }

    /// A copy in vectors of the host.
    pub fn to_host(&self) -> Host {
        let copy = |elements: Option<Host>| elements.unwrap_or(Host::zeros(self.dtype(), 0));
        match self.dtype() {
            DType::F32 => copy(self.slice::<f32>().map(|v| Host::F32(v.to_vec()))),
            DType::F64 => copy(self.slice::<f64>().map(|v| Host::F64(v.to_vec()))),
            DType::I64 => copy(self.slice::<i64>().map(|v| Host::I64(v.to_vec()))),
        }
    }
}

impl std::fmt::Debug for Aligned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Aligned({} x {})", self.len, self.dtype())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_begin_on_a_line_and_have_one_type() {
        for bytes in [0, 8, 100, 1 << 20] {
            let mut room = Aligned::with_room(bytes);
            assert!(room.room() >= bytes && room.is_empty());
            for len in [bytes / 8, bytes / 16] {
                room = room.of(DType::F64, len);
                let floats = room.slice_mut::<f64>().unwrap();
                assert!(len == 0 || (floats.as_ptr() as usize).is_multiple_of(LINE));
                assert_eq!(floats.len(), len);
                floats.fill(2.5);
                assert!(room.slice::<f32>().is_none() && room.slice::<i64>().is_none());
                assert_eq!(room.to_host(), Host::F64(vec![2.5; len]));
            }
        }
    }
}
