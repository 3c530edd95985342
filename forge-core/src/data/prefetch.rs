//! Numbered slots that threads fill ahead of a consumer: bounded, and in order whatever the threads' timing.

use super::Batch;
use crate::Result;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Batch `n` goes to slot `n mod slots`, which is free once batch `n - slots` was taken.
pub struct Slots {
    state: Mutex<State>,
    /// A slot became free, or it is time to stop.
    room: Condvar,
    /// A slot was filled.
    ready: Condvar,
    total: usize,
}

struct State {
    slots: Vec<Option<Result<Batch>>>,
    /// Batches that a thread has begun.
    claimed: usize,
    /// Batches that the consumer has.
    taken: usize,
    stop: bool,
}

impl Slots {
    /// For `total` batches, of which `ahead` are kept at most.
    pub fn new(total: usize, ahead: usize) -> Self {
        let slots = (0..ahead.clamp(1, total.max(1))).map(|_| None).collect();
        let state = State { slots, claimed: 0, taken: 0, stop: false };
        Slots { state: Mutex::new(state), room: Condvar::new(), ready: Condvar::new(), total }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, so what a poisoned lock guards is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does: gathers the next batch that nobody has begun, as long as there is a slot for it.
    pub fn fill(&self, gather: impl Fn(usize) -> Result<Batch>) {
        let mut state = self.lock();
        loop {
            while !state.stop
                && state.claimed < self.total
                && state.claimed >= state.taken + state.slots.len()
            {
                state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.stop || state.claimed >= self.total {
                return;
            }
            let number = state.claimed;
            state.claimed += 1;
            drop(state);
            let batch = gather(number);
            state = self.lock();
            let slot = number % state.slots.len();
            if let Some(slot) = state.slots.get_mut(slot) {
                *slot = Some(batch);
            }
            self.ready.notify_one();
        }
    }

    /// The next batch in order, once it is there. After an error there are no more.
    pub fn take(&self) -> Option<Result<Batch>> {
        let mut state = self.lock();
        while !state.stop && state.taken < self.total {
            let slot = state.taken % state.slots.len();
            if let Some(batch) = state.slots.get_mut(slot).and_then(Option::take) {
                state.taken += 1;
                state.stop = batch.is_err();
                self.room.notify_all();
                return Some(batch);
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }
}

/// Ends the threads when it is dropped.
pub struct Stop<'a>(pub &'a Slots);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.lock().stop = true;
        self.0.room.notify_all();
    }
}
