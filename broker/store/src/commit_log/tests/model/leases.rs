//! Models of the leases of mapped files: whoever holds one may read while the file is removed. To the
//! model, unmapping writes to all bytes of the file.

use super::*;

#[test]
fn a_lease_outlives_the_removal_of_its_file() {
    model(3, || {
        let log = ModelLog::open(FlushMode::Async, LockKind::Reentrant);
        log.append(1);
        log.append_long(2, FILE_BYTES / RECORD_BYTES - 2).unwrap();
        log.log.step_maker();
        log.append(3);
        log.append_long(4, 1).unwrap();
        log.log.flush().unwrap();
        let reader = Arc::clone(&log);
        let reader = thread(move || {
            // Found or gone; if found, then whole for as long as it is held.
            let Ok(Some(lease)) = reader.log.record_at(0) else {
                return;
            };
            let part = lease.part(0, lease.len());
            drop(lease);
            assert_eq!(whole(&part), (0, 1));
            assert_eq!(whole(&part), (0, 1));
        });
        let (oldest, _) = log.log.oldest_removable();
        let oldest = oldest.expect("the first file is full, readable and flushed");
        log.log.remove_oldest(&oldest).unwrap();
        drop(oldest);
        assert_eq!(log.log.min_position(), FILE_BYTES);
        assert!(log.log.record_at(0).unwrap().is_none(), "it is gone");
        reader.join().unwrap();
        assert_eq!(log.check_record(FILE_BYTES).1, 3);
    });
}
