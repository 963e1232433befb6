//! Models of the append lock, in both its kinds, and of the appended mark.

use super::*;

/// Two threads of two appends each: no place and no queue offset is given twice or left out.
fn two_appenders(lock: LockKind) {
    model(3, move || {
        let log = ModelLog::open(FlushMode::Async, lock);
        let threads = [1, 2].map(|tag| {
            let log = Arc::clone(&log);
            thread(move || {
                let first = log.append(tag);
                let second = log.append(tag);
                assert!(first.physical_offset < second.physical_offset);
                assert!(first.queue_offset < second.queue_offset);
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(log.check_all(4)[1..3], [2, 2]);
    });
}

#[test]
fn two_appenders_that_spin() {
    two_appenders(LockKind::Spin);
}

#[test]
fn two_appenders_that_park() {
    two_appenders(LockKind::Reentrant);
}

/// Appends that end while others run: each is either whole in the log or was refused.
#[test]
fn appends_end_between_two_records() {
    model(3, || {
        let log = ModelLog::open(FlushMode::Async, LockKind::Reentrant);
        let appender = Arc::clone(&log);
        let appender = thread(move || {
            for _ in 0..2 {
                match appender.append_long(1, 1) {
                    Ok(_) => {}
                    Err(AppendError::Closed) => return,
                    Err(other) => panic!("{other}"),
                }
            }
        });
        log.log.stop_appends();
        let end = log.log.watermarks().appended();
        appender.join().unwrap();
        assert_eq!(
            log.log.watermarks().appended(),
            end,
            "nothing is appended once appends have ended"
        );
        log.check_all(end / RECORD_BYTES);
    });
}
