//! Models of the log: its real code, run by loom in every order of a few threads that the memory
//! model allows (`bash .ci/long loom`). What is simulated is the disk, without orders of its own, and
//! time, which stands still: a thread that misses its wake-up is found as a deadlock. Each access to
//! mapped bytes is watched, so that a read which no order makes safe is found even if it did no harm.
//! Bounded: at most so many preemptions as each model says, at most 5 threads (one of which only waits).

mod appends;
mod breaks;
mod flushes;
mod leases;
mod rolls;
mod sleepers;
mod waiters;
mod zeros;

use mainstem_record::RecordView;

use super::*;
use crate::disk::GRANULE_BYTES;
use crate::options::LockKind;
use crate::sync::Sleeper;

/// Bytes of each record: of granules of its own.
const RECORD_BYTES: u64 = GRANULE_BYTES as u64;
/// Bytes of each log file.
const FILE_BYTES: u64 = 8 << 10;

/// Runs `body` in every order with up to `preemptions` preemptions.
fn model(preemptions: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 50_000;
    let runs = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    let body = Arc::new(body);
    builder.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let body = Arc::clone(&body);
        thread(move || body()).join().unwrap();
    });
    println!("{runs:?} executions");
}

/// Starts a thread of the model.
fn thread(body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    spawn("model", body).unwrap()
}

/// A log whose threads are the model's.
struct ModelLog {
    disk: SimDisk,
    _lock: Box<dyn DirectoryLock>,
    log: Arc<CommitLog>,
    counter: QueueCounter,
}

impl ModelLog {
    fn open(flush: FlushMode, lock: LockKind) -> Arc<Self> {
        let disk = SimDisk::new();
        let options = StoreOptions {
            commit_log_file_bytes: FILE_BYTES,
            append_lock: Some(lock),
            populate_next_file: false,
            ..options(flush)
        };
        let (lock, log) = open_log(&disk, &options).unwrap();
        Arc::new(Self {
            disk,
            _lock: lock,
            log,
            counter: QueueCounter::new(0),
        })
    }

    /// Appends a record of `granules` granules, filled with the tag.
    fn append_long(&self, tag: u8, granules: u64) -> Result<Appended, AppendError> {
        let mut bytes = Vec::new();
        let empty = record("T", 0, b"").encode_into(&mut bytes).unwrap();
        let body = vec![tag; (granules * RECORD_BYTES) as usize - empty];
        bytes.clear();
        let len = record("T", 0, &body).encode_into(&mut bytes).unwrap();
        assert_eq!(len as u64, granules * RECORD_BYTES);
        let mut placed = Vec::with_capacity(1);
        let parts = [len];
        let parts = parts.iter().map(|len| Part {
            len: *len,
            counter: Some(&self.counter),
        });
        self.log
            .append(&mut bytes, parts, 1_000, &mut placed, None)?;
        self.log.ask_for_flush();
        Ok(placed[0])
    }

    fn append(&self, tag: u8) -> Appended {
        self.append_long(tag, 1).unwrap()
    }

    /// Reads the record at a position below the readable mark through its lease and checks that it
    /// is whole.
    fn check_record(&self, position: u64) -> (i64, u8) {
        let slice = self.log.record_at(position).unwrap().unwrap();
        assert!(slice.is_mapped());
        whole(&slice)
    }

    /// After all threads: `count` records without a hole, each whole; how many of each tag.
    fn check_all(&self, count: u64) -> [u64; 8] {
        let mut tags = [0; 8];
        for number in 0..count {
            let (offset, tag) = self.check_record(number * RECORD_BYTES);
            assert_eq!(offset as u64, number, "queue offsets follow the log");
            tags[tag as usize] += 1;
        }
        assert_eq!(self.log.watermarks().appended(), count * RECORD_BYTES);
        tags
    }
}

/// Queue offset and tag of a record whose bytes are all there.
fn whole(bytes: &[u8]) -> (i64, u8) {
    let record = RecordView::parse(bytes).unwrap();
    let tag = record.body()[0];
    assert!(record.body().iter().all(|byte| *byte == tag));
    (record.queue_offset(), tag)
}
