//! Models of the change to the next file: appenders, and the thread that makes it.

use super::*;

/// Fills the file but for one record and a blank.
fn filled() -> Arc<ModelLog> {
    let log = ModelLog::open(FlushMode::Async, LockKind::Reentrant);
    log.append_long(7, FILE_BYTES / RECORD_BYTES - 2).unwrap();
    log
}

/// Appenders that find the file full wait for the next one, whoever of them used up what came.
fn appenders_wait_for_the_next_file(tags: &'static [u8], preemptions: usize) {
    model(preemptions, move || {
        let log = filled();
        let maker = thread({
            let log = Arc::clone(&log);
            move || log.log.run_maker()
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
        for appender in appenders {
            appender.join().unwrap();
        }
        log.log.stop_maker();
        maker.join().unwrap();
        let mut offsets = Vec::new();
        log.log
            .scan(0, u64::MAX, &mut |_, record| {
                offsets.push(record.queue_offset());
                true
            })
            .unwrap();
        let all: Vec<i64> = (0..=2 * tags.len() as i64).collect();
        assert_eq!(offsets, all);
    });
}

#[test]
fn one_appender_waits_for_the_next_file() {
    appenders_wait_for_the_next_file(&[1], 2);
}

#[test]
fn two_appenders_wait_for_the_next_file() {
    appenders_wait_for_the_next_file(&[1, 2], 1);
}
