use crate::history::Event;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Something that hears what happens, on a thread of its own: a progress bar, a file, a socket.
///
/// A closure of `&Event` is one; see [`Outlet`].
pub trait Listener: Send + 'static {
    /// The next event, in order.
    ///
    /// ```
    /// use forge_core::{history::Event, learn::Listener};
    /// struct Epochs(usize);
    /// impl Listener for Epochs {
    ///     fn event(&mut self, event: &Event) {
    ///         self.0 += usize::from(matches!(event, Event::EpochBegin { .. }));
    ///     }
    /// }
    /// let mut epochs = Epochs(0);
    /// epochs.event(&Event::EpochBegin { epoch: 0 });
    /// epochs.event(&Event::Failed { message: "a full disk".to_owned() });
    /// assert_eq!(epochs.0, 1);
    /// ```
    fn event(&mut self, event: &Event);
}

impl<F: FnMut(&Event) + Send + 'static> Listener for F {
    fn event(&mut self, event: &Event) {
        self(event);
    }
}

/// Events a slow listener may be behind before `batch` events are dropped for it.
const CAPACITY: usize = 256;

/// Hands events to listeners without waiting for them.
///
/// A slow listener misses `batch` events; all others are queued for it, however far behind it is. Dropping the outlet
/// waits until every listener has heard everything, so the last event is never lost.
///
/// ```
/// use forge_core::{history::Event, learn::{Listener, Outlet}};
/// use std::sync::mpsc::channel;
/// let (told, hear) = channel();
/// let listener: Box<dyn Listener> = Box::new(move |event: &Event| told.send(event.clone()).unwrap());
/// let outlet = Outlet::new(vec![listener]);
/// outlet.send(Event::EpochBegin { epoch: 4 });
/// drop(outlet); // waits until all is heard
/// assert_eq!(hear.iter().collect::<Vec<_>>(), [Event::EpochBegin { epoch: 4 }]);
/// ```
#[derive(Default)]
pub struct Outlet {
    threads: Vec<(Arc<Channel>, JoinHandle<()>)>,
}

#[derive(Default)]
struct Channel {
    queue: Mutex<Queue>,
    ready: Condvar,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Arc<Event>>,
    closed: bool,
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Arc<Event>> {
        let mut queue = self.lock();
        loop {
            match (queue.events.pop_front(), queue.closed) {
                (Some(event), _) => return Some(event),
                (None, true) => return None,
                (None, false) => queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Outlet {
    /// An outlet with a thread for each listener.
    pub fn new(listeners: Vec<Box<dyn Listener>>) -> Self {
        let threads = listeners
            .into_iter()
            .map(|mut listener| {
                let channel = Arc::new(Channel::default());
                let theirs = channel.clone();
                let thread = std::thread::spawn(move || {
                    while let Some(event) = theirs.next() {
                        listener.event(&event);
                    }
                });
                (channel, thread)
            })
            .collect();
        Outlet { threads }
    }

    /// Queues an event for every listener.
    pub fn send(&self, event: Event) {
        let event = Arc::new(event);
        for (channel, _) in &self.threads {
            let mut queue = channel.lock();
            if event.is_droppable() && queue.events.len() >= CAPACITY {
                continue;
            }
            queue.events.push_back(event.clone());
            drop(queue);
            channel.ready.notify_one();
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        for (channel, _) in &self.threads {
            channel.lock().closed = true;
            channel.ready.notify_one();
        }
        for (_, thread) in self.threads.drain(..) {
            // A listener that panicked has had its say on standard error; training is not undone by it.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::StopReason;
    use std::time::{Duration, Instant};

    #[test]
    fn a_slow_listener_misses_only_batches_and_delays_nobody() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let theirs = heard.clone();
        let gate = Arc::new(Mutex::new(()));
        let held = gate.lock().unwrap();
        let their_gate = gate.clone();
        let outlet = Outlet::new(vec![Box::new(move |event: &Event| {
            drop(their_gate.lock().unwrap());
            theirs.lock().unwrap().push(event.clone());
        })]);
        let begin = Instant::now();
        for step in 0..2000 {
            outlet.send(Event::BatchEnd { epoch: 0, step, batch: step as usize, loss: 0.0 });
            if step % 100 == 0 {
                outlet.send(Event::EpochBegin { epoch: step as usize / 100 });
            }
        }
        outlet.send(Event::TrainEnd { stop: StopReason::Finished, epochs: 1, seconds: 0.0 });
        assert!(begin.elapsed() < Duration::from_secs(5), "sending waited for the listener");
        drop(held);
        drop(outlet);
        let heard = heard.lock().unwrap();
        let epochs: Vec<usize> = heard
            .iter()
            .filter_map(|e| if let Event::EpochBegin { epoch } = e { Some(*epoch) } else { None })
            .collect();
        assert_eq!(epochs, (0..20).collect::<Vec<_>>());
        assert!(heard.len() < 600, "batches were not dropped: {}", heard.len());
        assert!(matches!(heard.last(), Some(Event::TrainEnd { .. })));
    }
}
