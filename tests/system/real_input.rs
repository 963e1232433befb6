//! The README's tour as a test: every line of a real, large text of the machine, sent in order by a key into eight queues and read
//! back, compared byte for byte and in order; and once more with the broker killed in the middle.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Instant;

use mainstem_record::hash::java_string_hash;

use crate::support::{PATIENCE, Server, Start, expect_success, succeed, text};

const QUEUES: usize = 8;
const ENOUGH_LINES: usize = 100_000;

/// The file lists of the package database, else the names of all files of the machine's programs, at most a million lines.
fn real_text(dir: &Path) -> (PathBuf, Vec<Vec<u8>>) {
    let mut bytes = Vec::new();
    let mut lists: Vec<PathBuf> = std::fs::read_dir("/var/lib/dpkg/info")
        .map(|entries| {
            entries
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .collect()
        })
        .unwrap_or_default();
    lists.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "list")
    });
    lists.sort();
    for list in lists {
        bytes.extend(std::fs::read(list).unwrap());
    }
    if bytes.iter().filter(|byte| **byte == b'\n').count() < ENOUGH_LINES {
        list_files(Path::new("/usr"), &mut bytes);
    }
    let lines: Vec<Vec<u8>> = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .take(1_000_000)
        .collect();
    assert!(
        lines.len() > ENOUGH_LINES,
        "this machine has only {} lines to send",
        lines.len()
    );
    let path = dir.join("lines.txt");
    std::fs::write(&path, lines.join(&b'\n')).unwrap();
    (path, lines)
}

fn list_files(dir: &Path, into: &mut Vec<u8>) {
    use std::os::unix::ffi::OsStrExt;
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        into.extend_from_slice(entry.path().as_os_str().as_bytes());
        into.push(b'\n');
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            list_files(&entry.path(), into);
        }
    }
}

/// The queue that a line belongs to: by the hash of its first field.
fn queue_of(line: &[u8]) -> usize {
    let field = line
        .split(u8::is_ascii_whitespace)
        .find(|field| !field.is_empty())
        .unwrap();
    let hash = java_string_hash(&String::from_utf8_lossy(field));
    hash.unsigned_abs() as usize % QUEUES
}

/// What one queue holds: unique keys and bodies in the order of their offsets.
type Queue = Vec<(String, Vec<u8>)>;

/// Everything in the topic, by queue.
fn consume(server: &Server) -> Vec<Queue> {
    let output = server
        .client(&["consume", "files", "--until-end", "--format", "json"])
        .output()
        .unwrap();
    expect_success(&output);
    let mut queues: Vec<HashMap<i64, (String, Vec<u8>)>> = vec![HashMap::new(); QUEUES];
    for line in output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let message: serde_json::Value = serde_json::from_slice(line).unwrap();
        let queue = usize::try_from(message["queue_id"].as_i64().unwrap()).unwrap();
        let body = match message.get("body_hex").and_then(serde_json::Value::as_str) {
            Some(hex) => (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect(),
            None => message["body"].as_str().unwrap().as_bytes().to_vec(),
        };
        let key = message["unique_key"].as_str().unwrap().to_owned();
        let before = queues[queue].insert(message["queue_offset"].as_i64().unwrap(), (key, body));
        assert!(before.is_none(), "an offset came twice");
    }
    let ordered = |queue: HashMap<i64, (String, Vec<u8>)>| {
        let mut offsets: Vec<_> = queue.into_iter().collect();
        offsets.sort_by_key(|(offset, _)| *offset);
        for (n, (offset, _)) in offsets.iter().enumerate() {
            assert_eq!(*offset, i64::try_from(n).unwrap(), "offsets have no hole");
        }
        offsets.into_iter().map(|(_, message)| message).collect()
    };
    queues.into_iter().map(ordered).collect()
}

/// Every queue must hold exactly its lines, in the order of their first occurrences; a resent one repeats under the same unique key.
fn compare(sent: &[Vec<u8>], queues: &[Queue]) -> usize {
    let mut expected: Vec<Vec<&[u8]>> = vec![Vec::new(); QUEUES];
    for line in sent {
        expected[queue_of(line)].push(line);
    }
    let mut repeats = 0;
    for (number, (queue, expected)) in queues.iter().zip(&expected).enumerate() {
        let mut seen: HashSet<&str> = HashSet::new();
        let first: Vec<&[u8]> = queue
            .iter()
            .filter(|(key, _)| seen.insert(key))
            .map(|(_, body)| body.as_slice())
            .collect();
        repeats += queue.len() - first.len();
        let differs = first
            .iter()
            .zip(expected)
            .position(|(got, wanted)| got != wanted);
        if let Some(at) = differs {
            panic!(
                "queue {number}, message {at}: {} instead of {}",
                text(first[at]),
                text(expected[at])
            );
        }
        assert_eq!(
            first.len(),
            expected.len(),
            "queue {number} lacks lines or has lines of its own"
        );
    }
    repeats
}

fn produce(server: &Server, file: &Path) -> Child {
    let mut command = server.client(&[
        "produce",
        "files",
        file.to_str().unwrap(),
        "--ordered-by",
        "1",
        "--batch",
        "16",
        "--retry-for",
        "120s",
        // Longer than any stall of a busy machine: a request that is given up for slow would be sent again.
        "--timeout",
        "60s",
    ]);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn every_line_arrives_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (file, lines) = real_text(dir.path());
    let server = Start::standalone(&dir.path().join("data")).ready();
    succeed(&mut server.client(&["topic", "create", "files", "--queues", &QUEUES.to_string()]));
    let output = produce(&server, &file).wait_with_output().unwrap();
    expect_success(&output);
    assert!(
        text(&output.stderr).contains(&format!("{} messages acknowledged", lines.len())),
        "{}",
        text(&output.stderr)
    );
    let queues = consume(&server);
    assert_eq!(
        compare(&lines, &queues),
        0,
        "nothing was sent again, so nothing repeats"
    );
    server.stop();
}

#[test]
fn no_acknowledged_line_is_missing_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let (file, lines) = real_text(dir.path());
    let data = dir.path().join("data");
    let mut server = Start::standalone(&data).ready();
    succeed(&mut server.client(&["topic", "create", "files", "--queues", &QUEUES.to_string()]));
    let mut producer = produce(&server, &file);
    // Kills come when a quarter, a half and three quarters of the lines lie in the log.
    for quarter in 1..=3 {
        let threshold = lines.len() * quarter / 4;
        let started = Instant::now();
        while stored(&server) < threshold && producer.try_wait().unwrap().is_none() {
            assert!(
                started.elapsed() < PATIENCE * 5,
                "the producer does not get on:\n{}",
                server.log()
            );
        }
        let start = Start::standalone_like(&data, &server);
        server.kill();
        server = start.ready();
    }
    let output = producer.wait_with_output().unwrap();
    expect_success(&output);
    let queues = consume(&server);
    let repeats = compare(&lines, &queues);
    println!("{repeats} lines repeat after three kills");
    server.stop();
}

/// Messages in the topic.
fn stored(server: &Server) -> usize {
    let output = server
        .client(&["topic", "describe", "files", "--format", "json"])
        .output()
        .unwrap();
    let Ok(described) = serde_json::from_slice::<serde_json::Value>(&output.stdout) else {
        return 0;
    };
    let ends = described["queues"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|queue| queue["max_offset"].as_u64());
    usize::try_from(ends.sum::<u64>()).unwrap()
}
