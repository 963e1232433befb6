//! Directories that the real Apache broker wrote.

use std::path::Path;

use super::*;

fn fixture(name: &str) -> Report {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/apache")
        .join(name);
    let sizes = FileSizes {
        index_slots: Some(200),
        index_entries: Some(800),
        ..FileSizes::default()
    };
    let inspection = Inspection::open(&dir, &sizes).unwrap();
    let mut options = CheckOptions {
        is_json: &is_json,
        progress: &mut |_| {},
    };
    inspection.check(&mut options).unwrap()
}

#[test]
fn a_cleanly_stopped_one_is_sound_and_everything_was_compared() {
    let report = fixture("clean");
    assert!(report.is_sound(), "{report:#?}");
    assert_eq!((report.last_writer, report.clean_stop), ("apache", true));
    assert!(
        report.units > 500 && report.index_entries > 1000,
        "{report:#?}"
    );
    assert_eq!(report.queues, 26);
}

#[test]
fn a_killed_one_has_nothing_but_what_the_next_start_makes_good() {
    let report = fixture("killed");
    assert!(
        report.worst() <= crate::inspect::Severity::Rebuilt,
        "{report:#?}"
    );
    assert_eq!((report.last_writer, report.clean_stop), ("apache", false));
    assert!(report.log.records >= 1564);
}
