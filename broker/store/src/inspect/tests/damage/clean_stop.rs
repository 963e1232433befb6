//! Damage after a clean stop, when everything is where it belongs.

use super::*;

/// Path, harm, what a check says at worst, what a start does.
type Row = (&'static str, Harm, Severity, Start);

const AFTER_A_CLEAN_STOP: &[Row] = &[
    // A record's magic, its position, its body, in the first file: behind the last snapshot only is
    // it walked at a start.
    ("commitlog/*", Flip(Record(5)), Lost, ServesLess),
    ("commitlog/*", Flip(Record(31)), Lost, ServesLess),
    // Only the reader looks at the body's CRC.
    ("commitlog/*", Flip(Record(200)), Lost, ServesAll),
    // Behind the blank that closes a file.
    ("commitlog/*", Flip(End(2)), Expected, ServesAll),
    ("commitlog/*", Cut(Middle), Lost, Refuses),
    ("commitlog/*", Cut(End(1)), Lost, Refuses),
    ("commitlog/*", Remove, Lost, ServesLess),
    // The last file holds the log's end; what is behind it is zero.
    ("commitlog/+", Flip(End(100)), Repairable, ServesAll),
    ("commitlog/+", Cut(End(100)), Repairable, Refuses),
    ("commitlog/+", Cut(Byte(10)), Lost, Refuses),
    ("consumequeue/a/0/*", Flip(Middle), Repairable, ServesLess),
    ("consumequeue/a/0/*", Flip(Byte(9)), Repairable, ServesLess),
    ("consumequeue/a/0/*", Cut(Middle), Repairable, ServesLess),
    ("consumequeue/a/0/*", Remove, Repairable, ServesLess),
    // Behind the queue's end a file may hold anything.
    ("consumequeue/a/0/+", Flip(End(3)), Expected, ServesAll),
    ("consumequeue/a/0/+", Cut(End(1)), Rebuilt, ServesAll),
    // Entries of the first index file, its slots, its header's times.
    ("index/*", Flip(End(35)), Repairable, ServesLess),
    ("index/*", Flip(Byte(43)), Repairable, ServesLess),
    ("index/*", Flip(Byte(3)), Repairable, ServesAll),
    ("index/*", Cut(Middle), Repairable, ServesLess),
    ("index/*", Cut(End(1)), Repairable, ServesLess),
    ("index/+", Remove, Rebuilt, ServesAll),
    ("index/+", Flip(Byte(3)), Rebuilt, ServesAll),
    ("checkpoint", Flip(Byte(1)), Repairable, ServesAll),
    ("checkpoint", Flip(Byte(41)), Repairable, ServesAll),
    ("checkpoint", Cut(Byte(20)), Rebuilt, ServesAll),
    ("checkpoint", Remove, Expected, ServesAll),
    ("mainstem/floor", Flip(Byte(30)), Rebuilt, ServesAll),
    ("mainstem/floor", Flip(Byte(4096 + 30)), Rebuilt, ServesAll),
    ("mainstem/floor", Cut(Byte(4100)), Rebuilt, ServesAll),
    ("mainstem/floor", Cut(Byte(10)), Rebuilt, ServesAll),
    ("mainstem/floor", Remove, Rebuilt, ServesAll),
    ("mainstem/snapshot-0", Flip(Byte(40)), Rebuilt, ServesAll),
    ("mainstem/snapshot-1", Flip(Byte(40)), Rebuilt, ServesAll),
    ("mainstem/snapshot-0", Cut(End(1)), Rebuilt, ServesAll),
    ("mainstem/snapshot-1", Cut(End(1)), Rebuilt, ServesAll),
    ("mainstem/index", Flip(Byte(20)), Rebuilt, ServesAll),
    ("mainstem/index", Flip(Byte(4096 + 20)), Rebuilt, ServesAll),
    ("mainstem/journal", Flip(Byte(3)), Rebuilt, ServesAll),
    ("mainstem/journal", Flip(Byte(40)), Lost, ServesAll),
    ("mainstem/journal", Flip(End(1)), Lost, ServesAll),
    ("mainstem/journal", Cut(End(1)), Lost, ServesAll),
    ("mainstem/journal", Cut(Byte(10)), Lost, ServesAll),
    ("config/topics.json", Flip(Byte(0)), Rebuilt, ServesAll),
    ("config/topics.json", Cut(End(1)), Rebuilt, ServesAll),
    ("config/topics.json.bak", Cut(Byte(0)), Rebuilt, ServesAll),
];

#[test]
fn damage_after_a_clean_stop_is_found() {
    let (sound, positions) = written(true);
    let mut wrong = Vec::new();
    for row in AFTER_A_CLEAN_STOP {
        let (pattern, damage, severity, start) = *row;
        let disk = sound.crash(7);
        let path = path_of(&disk, pattern);
        harm(&disk, &path, damage, positions[0]);
        let report = check(&disk);
        let outcome = match open(&disk) {
            Err(error) => {
                assert_names_a_remedy(row, &error);
                Refuses
            }
            Ok(store) => {
                let found = served(&store);
                store.close().unwrap();
                if found == (MESSAGES, MESSAGES) {
                    ServesAll
                } else {
                    ServesLess
                }
            }
        };
        if (report.worst(), outcome) != (severity, start) {
            wrong.push(format!(
                "{row:?}: is {:?}, {outcome:?}\n{:#?}",
                report.worst(),
                report.findings
            ));
        }
        if !is_named(&report, &path) && severity != Expected {
            wrong.push(format!(
                "{row:?} does not name {path}: {:#?}",
                report.findings
            ));
        }
        for finding in report.findings.iter().filter(|f| f.severity == Repairable) {
            assert!(
                !finding.commands.is_empty() || finding.file.starts_with("commitlog"),
                "{finding:?}"
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
