//! Working memory of a kernel: aligned to a cache line, from the free list and back to it.

use super::free_list::FreeList;
use super::simd::Float;
use crate::backend::Aligned;
use std::sync::Arc;

/// Elements of unspecified value.
pub struct Scratch<T: Float> {
    memory: Arc<FreeList>,
    buffer: Option<Aligned>,
    element: std::marker::PhantomData<T>,
}

impl<T: Float> Scratch<T> {
    /// Room for `len` elements.
    pub fn new(memory: &Arc<FreeList>, len: usize) -> Self {
        let buffer = Some(memory.take(T::DTYPE, len));
        Scratch { memory: memory.clone(), buffer, element: std::marker::PhantomData }
    }

    /// Room for `len` elements that are 0.
    pub fn zeros(memory: &Arc<FreeList>, len: usize) -> Self {
        let mut scratch = Self::new(memory, len);
        scratch.as_mut().fill(T::default());
        scratch
    }

    /// The elements.
    pub fn as_mut(&mut self) -> &mut [T] {
        self.buffer.as_mut().and_then(Aligned::slice_mut).unwrap_or(&mut [])
    }

    /// The elements.
    pub fn as_ref(&self) -> &[T] {
        self.buffer.as_ref().and_then(Aligned::slice).unwrap_or(&[])
    }
}

impl<T: Float> Drop for Scratch<T> {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.memory.give(buffer);
        }
    }
}

impl<T: Float> std::fmt::Debug for Scratch<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scratch({} x {})", self.as_ref().len(), T::DTYPE)
    }
}
