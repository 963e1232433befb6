//! docs/storage.md against the store: a reader in another language, written from that page alone, reads what the store wrote and
//! finds it in agreement with itself. Skipped, with a word, where there is no Python 3.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mainstem_record::NewRecord;
use mainstem_store::{Store, StoreOptions, Table};

#[test]
fn a_reader_written_from_the_document_reads_what_the_store_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        commit_log_file_bytes: 64 << 10,
        queue_file_units: 50,
        index_slots: 100,
        index_entries: 300,
        checkpoint_interval: Duration::from_millis(20),
        ..StoreOptions::default()
    };
    let host: SocketAddr = ([127, 0, 0, 1], 10911).into();
    let v6: SocketAddr = "[2001:db8::1]:10911".parse().unwrap();
    let send = |store: &Store, topic: &str, n: u32| {
        let properties = format!("KEYS\x01k{n} ключ{n}\x02TAGS\x01метка{}\x02", n % 3);
        let record = NewRecord {
            topic,
            queue_id: i32::try_from(n % 3).unwrap(),
            flag: 7,
            sys_flag: 0,
            born_timestamp_ms: 1,
            born_host: if n.is_multiple_of(5) { v6 } else { host },
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: &vec![3; (n * 37 % 900) as usize],
            properties: properties.as_bytes(),
        };
        store.append(&record, Default::default()).unwrap();
    };
    for round in 0..3 {
        let store = Store::open(dir.path(), options.clone()).unwrap();
        store.delete_topic("again").unwrap();
        for n in 0..150 {
            send(&store, "straße", n);
            send(&store, "again", n);
            store
                .journal()
                .put(Table::Topics, &format!("t{n}"), b"{}")
                .unwrap();
        }
        assert!(store.wait_durable(store.watermarks().appended(), Duration::from_secs(30)));
        if round == 1 {
            // As a crash would; what is there then is read as it is.
            std::thread::sleep(Duration::from_millis(1200));
        } else {
            store.close().unwrap();
        }
        drop(store);
        let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/storage_reader.py");
        let ran = Command::new("python3")
            .arg(reader)
            .arg(dir.path())
            .args(["100", "300"])
            .output();
        let Ok(ran) = ran else {
            eprintln!("skipped: there is no python3");
            return;
        };
        let (out, err) = (
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr),
        );
        assert!(ran.status.success(), "round {round}: {err}");
        assert!(
            out.contains(&format!("\"messages\": {}", (round + 1) * 150 + 150)),
            "{out}"
        );
    }
}
