//! Models of the group commit: the flusher, those who ask it, and those who wait for the mark.

use super::*;

/// Appenders that ask for a flush, the flusher, and a thread that sleeps until all is flushed: if
/// any wake-up were lost, nobody would run any more.
fn flushed_by_the_flusher(tags: &'static [u8], preemptions: usize) {
    model(preemptions, move || {
        let log = ModelLog::open(FlushMode::Sync, LockKind::Reentrant);
        let waiter = Arc::new(Sleeper::default());
        let flusher = thread({
            let (log, waiter) = (Arc::clone(&log), Arc::clone(&waiter));
            move || {
                log.log.run_flusher(|flushed| {
                    assert!(flushed);
                    waiter.wake();
                });
            }
        });
        let appenders: Vec<_> = tags
            .iter()
            .map(|tag| {
                let log = Arc::clone(&log);
                thread(move || {
                    log.append(*tag);
                    log.append(*tag);
                })
            })
            .collect();
        let all = 2 * tags.len() as u64 * RECORD_BYTES;
        let marks = log.log.watermarks();
        while marks.durable() < all {
            waiter.sleep(Duration::from_secs(1), || marks.durable() >= all);
            let (readable, appended) = (marks.readable(), marks.appended());
            assert!(
                readable <= appended,
                "nothing is readable before it is there"
            );
            for number in 0..readable / RECORD_BYTES {
                log.check_record(number * RECORD_BYTES);
            }
        }
        for appender in appenders {
            appender.join().unwrap();
        }
        log.log.stop_flusher();
        flusher.join().unwrap();
        log.check_all(2 * tags.len() as u64);
        // What was called durable is on the device.
        let left = log.disk.crash(1);
        let bytes = left.read_whole("commitlog/00000000000000000000").unwrap();
        for record in bytes[..all as usize].chunks(RECORD_BYTES as usize) {
            whole(record);
        }
    });
}

#[test]
fn one_appender_and_the_flusher() {
    flushed_by_the_flusher(&[1], 2);
}

#[test]
fn two_appenders_and_the_flusher() {
    flushed_by_the_flusher(&[1, 2], 1);
}

/// Two threads flush at once, as the background does beside the flusher: the mark covers what was
/// appended before either began, and never passes the appended one.
#[test]
fn two_flushes_at_once() {
    model(3, || {
        let log = ModelLog::open(FlushMode::Sync, LockKind::Reentrant);
        log.append(1);
        let flush = |log: Arc<ModelLog>| {
            move || {
                log.log.flush().unwrap();
                let marks = log.log.watermarks();
                assert!(marks.flushed() >= RECORD_BYTES);
                assert!(marks.flushed() <= marks.appended());
            }
        };
        let threads = [
            thread(flush(Arc::clone(&log))),
            thread(flush(Arc::clone(&log))),
        ];
        log.append(2);
        for thread in threads {
            thread.join().unwrap();
        }
        log.log.flush().unwrap();
        assert_eq!(log.log.watermarks().flushed(), 2 * RECORD_BYTES);
    });
}

/// A flush that fails ends the log: nothing that was appended after its sync began is called durable.
#[test]
fn a_failed_flush_beside_an_appender() {
    model(3, || {
        let log = ModelLog::open(FlushMode::Sync, LockKind::Reentrant);
        log.append(1);
        log.disk
            .faults()
            .fail_sync_after(0, crate::disk::sim::SyncFailure::DropsDirty);
        let appender = Arc::clone(&log);
        let appender = thread(move || {
            let _ = appender.append_long(2, 1);
        });
        log.log.flush().unwrap_err();
        assert!(
            log.append_long(3, 1).is_err(),
            "nothing is appended behind a failed flush"
        );
        appender.join().unwrap();
        log.log.flush().unwrap_err();
        assert_eq!(log.log.watermarks().durable(), 0);
    });
}
