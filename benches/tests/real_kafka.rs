//! The Kafka-style engine against the real thing: Kafka's own dump tool reads what we wrote, and we read what a real
//! broker wrote. Needs Java and (the first time) Maven; says so and passes where they are missing, unless
//! `INTEROP_REQUIRE=1`.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use mainstem_benches::kafka::batch;
use mainstem_benches::kafka::log_dir::{FlushPolicy, LogDir};
use mainstem_benches::kafka::open_files::OpenFiles;
use mainstem_benches::kafka::partition::{Partition, PartitionConfig};

const BATCHES: i64 = 400;
const RECORDS_PER_BATCH: i64 = 3;

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/kafka.sh")
}

fn kafka(args: &[&str]) -> Output {
    Command::new(script()).args(args).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The reason why the real Kafka cannot be run here has been printed.
fn kafka_is_missing() -> bool {
    let asked = kafka(&["missing"]);
    if !asked.status.success() {
        return false;
    }
    let reason = text(&asked);
    assert!(
        std::env::var_os("INTEROP_REQUIRE").is_none(),
        "the real Kafka cannot be run: {reason}"
    );
    eprintln!("SKIPPED: the real Kafka cannot be run: {reason}");
    true
}

fn tool(args: &[&str]) -> String {
    let output = kafka(&[&["tool"], args].concat());
    assert!(output.status.success(), "{args:?}: {}", text(&output));
    text(&output)
}

fn write_a_partition(dir: &Path) {
    let config = PartitionConfig {
        segment_bytes: 60_000,
        index_interval_bytes: 1000,
        preallocate_bytes: 0,
    };
    let log = LogDir::open(dir, 1, 1, &config, FlushPolicy::Group { parallel: 1 }, 16).unwrap();
    for i in 0..BATCHES {
        let values: Vec<String> = (0..RECORDS_PER_BATCH)
            .map(|k| format!("value {} ", i * RECORDS_PER_BATCH + k).repeat(10))
            .collect();
        let mut bytes = Vec::new();
        batch::encode(0, 1_700_000_000_000 + i, &values, &mut bytes);
        let (_, ticket) = log.append(0, &mut bytes, RECORDS_PER_BATCH as u64).unwrap();
        log.wait_durable(ticket).unwrap();
    }
    log.close().unwrap();
}

fn files_of(dir: &Path, extension: &str) -> Vec<String> {
    let mut files: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == extension))
        .map(|p| p.display().to_string())
        .collect();
    files.sort();
    files
}

#[test]
fn kafkas_dump_tool_reads_our_segments_and_indexes_without_complaint() {
    if kafka_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    write_a_partition(dir.path());
    let partition = dir.path().join("topic-0-0");
    let logs = files_of(&partition, "log");
    assert!(logs.len() > 2, "{logs:?}");
    let dump = tool(&[
        "kafka.tools.DumpLogSegments",
        "--deep-iteration",
        "--print-data-log",
        "--files",
        &logs.join(","),
    ]);
    assert_eq!(
        dump.matches("isvalid: true").count() as i64,
        BATCHES,
        "{dump}"
    );
    for offset in 0..BATCHES * RECORDS_PER_BATCH {
        let payload = format!("payload: value {offset} value");
        assert!(
            dump.lines()
                .any(|l| l.contains(&format!("offset: {offset} ")) && l.contains(&payload)),
            "offset {offset} is missing"
        );
    }
    let indexes = [
        files_of(&partition, "index"),
        files_of(&partition, "timeindex"),
    ]
    .concat();
    // It compares each index with its log, and tells what does not fit.
    let checked = tool(&["kafka.tools.DumpLogSegments", "--files", &indexes.join(",")]);
    assert!(checked.matches("offset: ").count() > 20, "{checked}");
    for complaint in [
        "Mismatch",
        "Non-consecutive",
        "out of order",
        "not valid",
        "corrupt",
        "Exception",
    ] {
        assert!(
            !dump.contains(complaint) && !checked.contains(complaint),
            "{dump}{checked}"
        );
    }
}

/// A broker that is stopped whatever happens to the test.
struct Broker {
    dir: PathBuf,
    address: String,
}

impl Broker {
    fn start(dir: &Path) -> Self {
        let dir = dir.join("kafka");
        let path = dir.display().to_string();
        let started = kafka(&[
            "start",
            &path,
            "--heap",
            "512m",
            "--set",
            "log.segment.bytes=1048576",
        ]);
        assert!(started.status.success(), "{}", text(&started));
        let said = text(&started);
        let address = said
            .split_whitespace()
            .find_map(|w| w.strip_prefix("broker="));
        Self {
            address: address
                .unwrap_or_else(|| panic!("no address in {said}"))
                .to_owned(),
            dir,
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        kafka(&["stop", &self.dir.display().to_string()]);
    }
}

#[test]
fn a_partition_that_a_real_broker_wrote_is_read_by_offset_and_by_time() {
    if kafka_is_missing() {
        return;
    }
    const RECORDS: i64 = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    let servers = format!("bootstrap.servers={}", broker.address);
    tool(&[
        "org.apache.kafka.tools.TopicCommand",
        "--bootstrap-server",
        &broker.address,
        "--create",
        "--topic",
        "written",
        "--partitions",
        "1",
        "--replication-factor",
        "1",
    ]);
    tool(&[
        "org.apache.kafka.tools.ProducerPerformance",
        "--topic",
        "written",
        "--num-records",
        &RECORDS.to_string(),
        "--record-size",
        "200",
        "--throughput",
        "-1",
        "--producer-props",
        &servers,
        "acks=1",
    ]);
    let path = broker.dir.join("data/written-0");
    // While it runs, its active index is longer than what is in it.
    let look = Partition::open_to_look(path.clone()).unwrap();
    let walk = look.explain(RECORDS - 10).unwrap().unwrap();
    assert!(walk.position.is_some(), "{walk:?}");
    drop(broker);

    let config = PartitionConfig::default();
    let (partition, cut) = Partition::open(path, config, Arc::new(OpenFiles::new(16))).unwrap();
    assert_eq!((cut, partition.end_offset()), (0, RECORDS));
    assert!(partition.segments() > 2);
    let (mut offset, mut seen) = (0, 0);
    while let Some(run) = partition.read(offset, 100_000).unwrap() {
        let mut bytes = vec![0; run.len];
        run.file.read_exact_at(&mut bytes, run.position).unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let head = batch::check(rest).unwrap();
            for record in batch::records(rest).unwrap() {
                assert_eq!((record.offset, record.value.unwrap().len()), (seen, 200));
                seen += 1;
            }
            rest = &rest[head.total_bytes..];
        }
        offset = run.next_offset;
    }
    assert_eq!(seen, RECORDS);
    assert_eq!(partition.offset_by_time(0).unwrap(), Some(0));
    assert_eq!(partition.offset_by_time(i64::MAX).unwrap(), None);
}
