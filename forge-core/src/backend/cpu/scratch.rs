//! Working memory of a kernel: aligned to a cache line, from the free list and back to it.

use super::free_list::FreeList;
use super::simd::Float;
use crate::{Element, Host};
use std::sync::Arc;

/// Bytes of a cache line, and of the widest register.
const LINE: usize = 64;

/// Elements of unspecified value.
pub struct Scratch<T: Float> {
    memory: Arc<FreeList>,
    host: Option<Host>,
    start: usize,
    len: usize,
    element: std::marker::PhantomData<T>,
}

impl<T: Float> Scratch<T> {
    /// Room for `len` elements.
    pub fn new(memory: &Arc<FreeList>, len: usize) -> Self {
        let lanes = LINE / T::DTYPE.size();
        let host = memory.take(T::DTYPE, len + lanes);
        let address = T::slice(&host).map_or(0, |s| s.as_ptr() as usize);
        let start = (address.next_multiple_of(LINE) - address) / T::DTYPE.size();
        Scratch { memory: memory.clone(), host: Some(host), start, len, element: std::marker::PhantomData }
    }

    /// Room for `len` elements that are 0.
    pub fn zeros(memory: &Arc<FreeList>, len: usize) -> Self {
        let mut scratch = Self::new(memory, len);
        scratch.as_mut().fill(T::default());
        scratch
    }

    /// The elements.
    pub fn as_mut(&mut self) -> &mut [T] {
        let range = self.start..self.start + self.len;
        match self.host.as_mut().and_then(|host| <T as Element>::slice_mut(host)) {
            Some(all) => &mut all[range],
            None => &mut [],
        }
    }

    /// The elements.
    pub fn as_ref(&self) -> &[T] {
        match self.host.as_ref().and_then(|host| <T as Element>::slice(host)) {
            Some(all) => &all[self.start..self.start + self.len],
            None => &[],
        }
    }
}

impl<T: Float> Drop for Scratch<T> {
    fn drop(&mut self) {
        if let Some(host) = self.host.take() {
            self.memory.give(host);
        }
    }
}

impl<T: Float> std::fmt::Debug for Scratch<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scratch({} x {})", self.len, T::DTYPE)
    }
}
