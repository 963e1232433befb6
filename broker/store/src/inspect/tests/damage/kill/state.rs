//! Journal, JSON files and lock after a kill: no message depends on them, but topics do.

use super::*;

const JOURNAL: &str = "mainstem/journal";
const TOPICS: &str = "config/topics.json";
const BACKUP: &str = "config/topics.json.bak";
const LOCK: &str = "lock";
const NO_JOURNAL: (&str, Harm) = (JOURNAL, Remove);

/// The last export, and the one before it.
const NEWER: &str = "topics.json {\"a\":2}";
const OLDER: &str = "topics.json {\"a\":1}";

/// What is known of topics after a start with these files harmed, where from, and what is said.
type StateRow = (&'static [(&'static str, Harm)], &'static str, &'static str);

const STATE: &[StateRow] = &[
    (&[], "journal a=2 b=1", ""),
    // Every key has its last good value.
    (
        &[(JOURNAL, Flip(Middle))],
        "journal a=2",
        "journal is damaged",
    ),
    (&[(JOURNAL, Flip(End(1)))], "journal a=1 b=1", ""),
    (&[(JOURNAL, Cut(End(1)))], "journal a=1 b=1", ""),
    (&[(JOURNAL, Cut(Middle))], "journal a=1", ""),
    (&[(JOURNAL, Flip(Byte(3)))], "journal a=2 b=1", "journal"),
    (&[(JOURNAL, Cut(Byte(0)))], NEWER, "journal"),
    (&[(JOURNAL, Remove)], NEWER, "journal"),
    // Exports are not asked while there is a journal.
    (&[(TOPICS, Cut(Byte(0)))], "journal a=2 b=1", ""),
    (&[(TOPICS, Remove)], "journal a=2 b=1", ""),
    // Without one, they are; the version before takes the place of a damaged one.
    (
        &[NO_JOURNAL, (TOPICS, Flip(Middle))],
        OLDER,
        "topics.json.bak",
    ),
    (
        &[NO_JOURNAL, (TOPICS, Flip(End(1)))],
        OLDER,
        "topics.json.bak",
    ),
    (
        &[NO_JOURNAL, (TOPICS, Cut(Middle))],
        OLDER,
        "topics.json.bak",
    ),
    (&[NO_JOURNAL, (TOPICS, Cut(Byte(0)))], OLDER, "it is empty"),
    (&[NO_JOURNAL, (TOPICS, Remove)], OLDER, "it is missing"),
    (&[NO_JOURNAL, (BACKUP, Cut(Byte(0)))], NEWER, "journal"),
    // Nothing is left of it: better no start than one without topics.
    (
        &[NO_JOURNAL, (TOPICS, Cut(Byte(0))), (BACKUP, Remove)],
        "refused",
        "it is empty",
    ),
    (
        &[NO_JOURNAL, (TOPICS, Cut(Middle)), (BACKUP, Flip(Middle))],
        "refused",
        "remove both",
    ),
    // Nobody knows any more who wrote last: as a Java broker's directory, with the exports.
    (&[(LOCK, Flip(Middle))], NEWER, "journal is not"),
    (&[(LOCK, Flip(End(1)))], NEWER, "journal is not"),
    (&[(LOCK, Cut(Middle))], NEWER, "journal is not"),
    (&[(LOCK, Cut(Byte(0)))], NEWER, "journal is not"),
    (&[(LOCK, Remove)], NEWER, "journal is not"),
];

/// What a broker would know of topics: from the journal, or from the export where that is new.
fn known(store: &Store) -> Result<String, crate::apache::ConfigFileError> {
    if !store.journal().is_new() {
        let mut all = store.journal().get_all(Table::Topics);
        all.sort();
        let text =
            |(key, value): (String, Vec<u8>)| format!(" {key}={}", String::from_utf8_lossy(&value));
        return Ok(format!(
            "journal{}",
            all.into_iter().map(text).collect::<String>()
        ));
    }
    let files = store.config_files();
    let read = files.read("topics.json", |text| {
        is_json(text).map(|()| text.to_owned())
    })?;
    Ok(format!("topics.json {}", read.unwrap_or_default()))
}

#[test]
fn damage_of_journal_exports_and_lock_after_a_kill_leaves_the_last_good_version_and_is_said() {
    let killed = killed();
    let mut wrong = Vec::new();
    for row in STATE {
        let (harms, expected, word) = *row;
        let disk = killed.disk.crash(7);
        for (path, damage) in harms {
            harm(&disk, path, *damage, 0);
        }
        let report = check(&disk);
        let ((store, is), mut lines) = said(|| {
            let store = open(&disk).unwrap();
            let is = known(&store);
            (store, is)
        });
        let is = is.unwrap_or_else(|error| {
            lines.push(error.to_string());
            "refused".to_owned()
        });
        let is_said = match word {
            "" => lines.is_empty(),
            word => lines.iter().any(|line| line.contains(word)),
        };
        let lost_is_told = expected != "refused" || report.worst() == Lost;
        if is != expected || !is_said || !lost_is_told || served(&store) != (MESSAGES, MESSAGES) {
            wrong.push(format!(
                "{row:?}: is {is}, said {lines:#?}, {:#?}",
                report.findings
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
