//! The one thread that changes things. Owns the order of changes: they happen one after the other, as they were submitted,
//! away from the threads that answer queries. Requests are bounded in number and bytes; what the server itself must do
//! (forgetting a lost broker) is always taken.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use crate::kv::KvStore;
use crate::tables::RouteChanges;

/// Requests that may wait.
const MAX_WAITING: usize = 4096;
/// Bytes of their bodies that may wait.
const MAX_WAITING_BYTES: usize = 256 * 1024 * 1024;

/// What the changing thread alone may touch.
pub(crate) struct Changeable {
    pub(crate) routes: RouteChanges,
    pub(crate) kv: Arc<KvStore>,
}

type Job = Box<dyn FnOnce(&mut Changeable) + Send>;

/// The way to that thread.
#[derive(Clone)]
pub(crate) struct Changes {
    queue: Arc<Queue>,
}

/// Too much is waiting already.
pub(crate) struct Overloaded;

struct Queue {
    state: Mutex<QueueState>,
    wake: Condvar,
}

#[derive(Default)]
struct QueueState {
    jobs: VecDeque<(usize, Job)>,
    reserved: usize,
    waiting_bytes: usize,
    stopping: bool,
}

impl Changes {
    /// Starts the thread; it ends after [`stop`](Self::stop), once everything submitted is done.
    pub(crate) fn start(changeable: Changeable) -> std::io::Result<(Self, JoinHandle<()>)> {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            wake: Condvar::new(),
        });
        let theirs = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("ns-changes".to_owned())
            .spawn(move || theirs.run(changeable))?;
        Ok((Self { queue }, thread))
    }

    /// Makes room for a request's change; `bytes` is what it will hold in memory while it waits.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<Permit, Overloaded> {
        let mut state = self.queue.state.lock();
        let waiting = state.jobs.len() + state.reserved;
        if state.stopping
            || waiting >= MAX_WAITING
            || state.waiting_bytes.saturating_add(bytes) > MAX_WAITING_BYTES
        {
            return Err(Overloaded);
        }
        state.reserved += 1;
        state.waiting_bytes += bytes;
        Ok(Permit {
            queue: Arc::clone(&self.queue),
            bytes,
            used: false,
        })
    }

    /// Submits a change that may not be refused.
    pub(crate) fn submit(&self, job: impl FnOnce(&mut Changeable) + Send + 'static) {
        self.queue.state.lock().jobs.push_back((0, Box::new(job)));
        self.queue.wake.notify_one();
    }

    /// Lets the thread end when all is done.
    pub(crate) fn stop(&self) {
        self.queue.state.lock().stopping = true;
        self.queue.wake.notify_one();
    }
}

/// Room for one change.
pub(crate) struct Permit {
    queue: Arc<Queue>,
    bytes: usize,
    used: bool,
}

impl Permit {
    /// Submits the change that the room was made for.
    pub(crate) fn submit(mut self, job: impl FnOnce(&mut Changeable) + Send + 'static) {
        self.used = true;
        let mut state = self.queue.state.lock();
        state.reserved -= 1;
        state.jobs.push_back((self.bytes, Box::new(job)));
        drop(state);
        self.queue.wake.notify_one();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.used {
            let mut state = self.queue.state.lock();
            state.reserved -= 1;
            state.waiting_bytes -= self.bytes;
        }
    }
}

impl Queue {
    fn run(&self, mut changeable: Changeable) {
        while let Some(job) = self.next() {
            // A defect in one change must not take the server's ability to change with it.
            if catch_unwind(AssertUnwindSafe(|| job(&mut changeable))).is_err() {
                tracing::error!(
                    "a change of the routing tables panicked; its request was answered with an error"
                );
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if let Some((bytes, job)) = state.jobs.pop_front() {
                state.waiting_bytes -= bytes;
                return Some(job);
            }
            if state.stopping {
                return None;
            }
            self.wake.wait(&mut state);
        }
    }
}
