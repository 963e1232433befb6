//! Models of those who block until a position is durable, as an embedder of the store does.

use super::*;
use crate::queues::{Pushed, Queue, QueueUnit, TailMemory};
use crate::store::ProgressSink;

thread_local! {
    /// What the long poll found. All threads of a model run on one.
    static FOUND: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Two threads wait for their own appends, the flusher tells: nobody waits for ever.
#[test]
fn whoever_waits_for_an_append_is_woken() {
    model(2, || {
        let log = ModelLog::open(FlushMode::Sync, LockKind::Reentrant);
        let sink = Arc::new(ProgressSink::default());
        let flusher = thread({
            let (log, sink) = (Arc::clone(&log), Arc::clone(&sink));
            move || log.log.run_flusher(|_| sink.moved(&log.log))
        });
        for tag in [1, 2] {
            let appended = log.append(tag);
            assert!(sink.wait(&log.log, appended.durable_at, Duration::from_secs(1)));
        }
        log.log.stop_flusher();
        flusher.join().unwrap();
        log.check_all(2);
    });
}

/// A long poll marks a queue as watched and looks at its bounds: a message that comes meanwhile is
/// seen by one of the two.
#[test]
fn a_long_poll_finds_the_message_or_is_told_of_it() {
    model(3, || {
        let queue = Arc::new(Queue::new("T".into(), 0, 1, 0));
        let unit = QueueUnit {
            physical_offset: 0,
            size: 100,
            tags_code: 0,
        };
        let poll = thread({
            let queue = Arc::clone(&queue);
            move || {
                queue.watch();
                FOUND.set(queue.max());
            }
        });
        let mut told = 0;
        for offset in 0..2 {
            let pushed = queue.push(offset, &unit, &TailMemory::default());
            if pushed == (Pushed::Taken { watched: true }) {
                told += 1;
            }
        }
        poll.join().unwrap();
        assert!(FOUND.get() + told >= 2, "a message went by unnoticed");
    });
}
