//! The one pool of threads.
//!
//! Work comes as a number of shards. How many there are, and what each does, is a function of shapes alone; threads only
//! claim them one after the other. So results are the same for any number of threads, and for any load.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};

/// Turns of the waiting loop before a thread parks: some tens of microseconds, longer than the gap between two kernels
/// of a training step.
const SPINS: u32 = 4_000;
/// The most threads that can be asked for.
const MOST: usize = 256;

type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// A job as its workers see it.
struct Job {
    /// Valid while the job is open and while any worker is inside it; see `Threads::run`.
    work: *const Work<'static>,
    shards: usize,
}

/// Threads that wait for work. There is one of this kind in the program, [`POOL`].
pub struct Threads {
    /// Threads in use, the caller among them.
    wanted: AtomicUsize,
    /// Held by the thread whose job is being done.
    busy: Mutex<Spawned>,
    job: UnsafeCell<Job>,
    /// Number of the open job; 0 when there is none.
    open: AtomicUsize,
    /// The next shard that nobody has claimed.
    next: AtomicUsize,
    /// Workers that may be looking at `job`.
    inside: AtomicUsize,
    panicked: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    parked: Mutex<usize>,
    wake: Condvar,
}

#[derive(Default)]
struct Spawned {
    workers: usize,
    jobs: usize,
}

// SAFETY: `job` is written only by the holder of `busy` while no job is open and no worker is inside, and read only by
// workers that are inside an open job.
unsafe impl Sync for Threads {}
// SAFETY: the raw pointer in `job` is only followed as above.
unsafe impl Send for Threads {}

/// The pool of the program.
pub static POOL: LazyLock<Threads> = LazyLock::new(|| Threads {
    wanted: AtomicUsize::new(cores()),
    busy: Mutex::default(),
    job: UnsafeCell::new(Job { work: &nothing, shards: 0 }),
    open: AtomicUsize::new(0),
    next: AtomicUsize::new(0),
    inside: AtomicUsize::new(0),
    panicked: AtomicBool::new(false),
    panic: Mutex::new(None),
    parked: Mutex::new(0),
    wake: Condvar::new(),
});

fn nothing(_: usize) {}

/// Physical cores that this process may use: two hardware threads of one core share its arithmetic units.
fn cores() -> usize {
    let logical = std::thread::available_parallelism().map_or(1, usize::from);
    let siblings = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list");
    let siblings = siblings.map_or(1, |list| siblings_in(&list));
    (logical / siblings.max(1)).clamp(1, MOST)
}

/// The number of processors in a list such as `0,64` or `0-1`.
fn siblings_in(list: &str) -> usize {
    let range = |part: &str| -> Option<usize> {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(to.trim().parse::<usize>().ok()?.checked_sub(from.trim().parse().ok()?)? + 1)
    };
    list.split(',').filter_map(range).sum()
}

/// Sets how many threads compute, from 1; by default one for each physical core. It changes the speed, never a result.
///
/// ```
/// forge_core::set_threads(2);
/// assert_eq!(forge_core::threads(), 2);
/// ```
pub fn set_threads(threads: usize) {
    POOL.wanted.store(threads.clamp(1, MOST), Ordering::Relaxed);
}

/// How many threads compute.
///
/// ```
/// forge_core::set_threads(0); // one at least
/// assert_eq!(forge_core::threads(), 1);
/// ```
pub fn threads() -> usize {
    POOL.wanted.load(Ordering::Relaxed)
}

/// Calls `work` once for each number below `shards`, on the threads of the pool, and returns when all calls have.
///
/// A call from within a shard, or while another thread's job is running, does all shards itself.
pub fn parallel(shards: usize, work: impl Fn(usize) + Sync) {
    POOL.run(shards, &work);
}

/// Multiply-adds below which waking a thread costs more than it saves.
const LITTLE: usize = 1_000_000;

/// As [`parallel`] where there are enough multiply-adds to be worth it, else on this thread.
pub fn parallel_if(multiply_adds: usize, shards: usize, work: impl Fn(usize) + Sync) {
    if multiply_adds < LITTLE { (0..shards).for_each(work) } else { parallel(shards, work) }
}

impl Threads {
    fn run(&'static self, shards: usize, work: &Work<'_>) {
        let threads = self.wanted.load(Ordering::Relaxed).min(shards);
        let busy = if threads > 1 { self.busy.try_lock().ok() } else { None };
        let Some(mut spawned) = busy else {
            return (0..shards).for_each(work);
        };
        while spawned.workers + 1 < threads {
            let number = spawned.workers + 1;
            let name = format!("forge-{number}");
            if std::thread::Builder::new().name(name).spawn(move || self.serve(number)).is_err() {
                break; // with fewer threads the results are the same
            }
            spawned.workers += 1;
        }
        spawned.jobs += 1;
        // SAFETY: no job is open and no worker inside (the end of the last `run` waited for that), and `busy` is held.
        // The lifetime is forgotten: this function does not return before the job is closed and nobody is inside.
        unsafe {
            *self.job.get() =
                Job { work: std::mem::transmute::<&Work<'_>, &'static Work<'static>>(work), shards }
        };
        self.next.store(0, Ordering::Relaxed);
        self.open.store(spawned.jobs, Ordering::SeqCst);
        if *self.parked.lock().unwrap_or_else(PoisonError::into_inner) > 0 {
            self.wake.notify_all();
        }
        let mine = catch_unwind(AssertUnwindSafe(|| self.claim(work, shards)));
        self.open.store(0, Ordering::SeqCst);
        let mut turns = 0u32;
        while self.inside.load(Ordering::SeqCst) != 0 {
            turns += 1;
            if turns < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
        let theirs = match self.panicked.swap(false, Ordering::Relaxed) {
            true => self.panic.lock().unwrap_or_else(PoisonError::into_inner).take(),
            false => None,
        };
        drop(spawned);
        if let Some(panic) = mine.err().or(theirs) {
            resume_unwind(panic);
        }
    }

    fn claim(&self, work: &Work<'_>, shards: usize) {
        loop {
            let shard = self.next.fetch_add(1, Ordering::Relaxed);
            if shard >= shards {
                return;
            }
            work(shard);
        }
    }

    /// The life of worker `number`, from 1.
    fn serve(&self, number: usize) {
        let mut seen = 0;
        loop {
            let job = self.wait(seen);
            seen = job;
            if number >= self.wanted.load(Ordering::Relaxed) {
                continue;
            }
            self.inside.fetch_add(1, Ordering::SeqCst);
            // The job may have been closed before this thread was counted; then it must not be looked at.
            if self.open.load(Ordering::SeqCst) == job {
                // SAFETY: the job is open and this thread is counted as inside, so `run` waits before it returns.
                let Job { work, shards } = unsafe { &*self.job.get() };
                // SAFETY: as above.
                let work = unsafe { &**work };
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.claim(work, *shards))) {
                    *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
                    self.panicked.store(true, Ordering::Relaxed);
                    // The shards that are left are not started.
                    self.next.store(usize::MAX / 2, Ordering::Relaxed);
                }
            }
            self.inside.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Waits for an open job other than `seen`, first turning, then parked, and gives its number.
    fn wait(&self, seen: usize) -> usize {
        let new = || {
            let open = self.open.load(Ordering::SeqCst);
            (open != 0 && open != seen).then_some(open)
        };
        for _ in 0..SPINS {
            if let Some(job) = new() {
                return job;
            }
            std::hint::spin_loop();
        }
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // Under the lock: `run` opens a job before it takes the lock to see who is parked.
            if let Some(job) = new() {
                return job;
            }
            *parked += 1;
            parked = self.wake.wait(parked).unwrap_or_else(PoisonError::into_inner);
            *parked -= 1;
        }
    }
}

/// A pointer that shards may write through, each its own part.
pub struct Shared<T>(*mut T);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<T> {}

// SAFETY: whoever dereferences it promises that parts do not overlap.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<T> {}

impl<T> Shared<T> {
    /// Of elements that this call has for itself.
    pub fn new(elements: &mut [T]) -> Self {
        Shared(elements.as_mut_ptr())
    }

    /// The pointer.
    pub fn get(self) -> *mut T {
        self.0
    }

    /// `len` elements from `start`.
    ///
    /// # Safety
    /// They are there, and no other part that is in use overlaps them.
    pub unsafe fn part<'a>(self, start: usize, len: usize) -> &'a mut [T] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_is_done_once_whatever_the_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            set_threads(threads);
            for shards in [0, 1, 2, 7, 1000] {
                let counts: Vec<AtomicUsize> = (0..shards).map(|_| AtomicUsize::new(0)).collect();
                parallel(shards, |i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                    // A job within a job.
                    parallel(2, |_| {
                        counts[i].fetch_add(10, Ordering::Relaxed);
                    });
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 21));
            }
        }
    }

    #[test]
    fn jobs_of_several_threads_do_not_disturb_each_other() {
        set_threads(3);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let sum = AtomicUsize::new(0);
                        parallel(17, |i| {
                            sum.fetch_add(i, Ordering::Relaxed);
                        });
                        assert_eq!(sum.load(Ordering::Relaxed), 17 * 8);
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        set_threads(4);
        let caught = catch_unwind(|| {
            parallel(64, |i| assert!(i != 13, "thirteen"));
        });
        assert!(caught.is_err());
        let sum = AtomicUsize::new(0);
        parallel(64, |i| {
            sum.fetch_add(i, Ordering::Relaxed);
        });
        assert_eq!(sum.load(Ordering::Relaxed), 64 * 63 / 2);
    }

    #[test]
    fn lists_of_hardware_threads_are_counted() {
        assert_eq!(["0", "0,64\n", "0-1\n", "0-1,8-9", ""].map(siblings_in), [1, 2, 2, 4, 0]);
    }
}
