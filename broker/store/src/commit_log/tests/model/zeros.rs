//! Models of the zeros ahead: a step that covers where the next records will lie, beside appends.

use super::*;

/// A step covers the whole file; two appends wait for its end, or go first and move it.
pub(super) fn a_step_beside_an_appender(lock: LockKind) {
    model(3, move || {
        let log = ModelLog::open(FlushMode::Async, lock);
        let zeros = Arc::clone(&log);
        let zeros = thread(move || {
            zeros.log.step_ahead(0).unwrap();
        });
        log.append(1);
        log.append(1);
        zeros.join().unwrap();
        log.check_all(2);
    });
}

#[test]
fn an_append_waits_for_the_step_of_zeros() {
    a_step_beside_an_appender(LockKind::Reentrant);
}

#[test]
fn an_append_that_spins_waits_for_the_step_of_zeros() {
    a_step_beside_an_appender(LockKind::Spin);
}

/// More than one append may wait for one step: all of them are woken.
#[test]
fn two_appenders_wait_for_one_step() {
    model(2, || {
        let log = ModelLog::open(FlushMode::Async, LockKind::Reentrant);
        let threads = [1, 2].map(|tag| {
            let log = Arc::clone(&log);
            thread(move || {
                log.append(tag);
                log.append(tag);
            })
        });
        log.log.step_ahead(0).unwrap();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(log.check_all(4)[1..3], [2, 2]);
    });
}
