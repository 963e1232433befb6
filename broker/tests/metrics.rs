//! The metrics are valid OpenMetrics text, by a strict reader, and say what happened.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use support::{PullOf, TestBroker};

#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: Option<String>,
    /// Full name and label text of each sample, with its value, in order.
    samples: Vec<(String, String, f64)>,
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn number(text: &str) -> f64 {
    if text == "+Inf" {
        return f64::INFINITY;
    }
    assert!(
        text.chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e')),
        "{text}"
    );
    text.parse().unwrap()
}

/// Reads OpenMetrics text; panics on whatever its standard forbids.
fn parse(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with("# EOF\n"), "ends with EOF and a line feed");
    assert!(!text.contains('\r') && !text.contains("\n\n"));
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut seen = BTreeSet::new();
    for line in text.strip_suffix("# EOF\n").unwrap().lines() {
        if let Some(described) = line.strip_prefix("# ") {
            let mut words = described.splitn(3, ' ');
            let (what, name) = (words.next().unwrap(), words.next().unwrap());
            let rest = words.next().unwrap_or_default();
            assert!(is_name(name), "{line}");
            if name != current {
                assert!(seen.insert(name.to_owned()), "{name} comes in two places");
                current = name.to_owned();
            }
            let family = families.entry(current.clone()).or_default();
            assert!(family.samples.is_empty(), "{line}: after its samples");
            match what {
                "HELP" => assert!(family.help.replace(rest.to_owned()).is_none(), "{line}"),
                "TYPE" => {
                    assert!(["counter", "gauge", "histogram"].contains(&rest), "{line}");
                    assert!(family.kind.is_empty(), "{line}: twice");
                    family.kind = rest.to_owned();
                }
                "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (head, value) = line.rsplit_once(' ').expect(line);
        let (name, labels) = match head.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect(line)),
            None => (head, ""),
        };
        assert!(is_name(name), "{line}");
        let family = families.get_mut(&current).expect(line);
        let suffix = name.strip_prefix(&current).expect(line);
        let allowed: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => panic!("{line}: without a type"),
        };
        assert!(allowed.contains(&suffix), "{line}");
        assert_eq!(suffix == "_bucket", labels.starts_with("le=\""), "{line}");
        family
            .samples
            .push((name.to_owned(), labels.to_owned(), number(value)));
    }
    for (name, family) in &families {
        assert!(
            family.help.as_ref().is_some_and(|help| !help.is_empty()),
            "{name} has no help"
        );
        assert!(!family.samples.is_empty(), "{name} has no sample");
        if family.kind == "histogram" {
            check_histogram(name, family);
        }
    }
    families
}

fn check_histogram(name: &str, family: &Family) {
    let mut last = (f64::NEG_INFINITY, 0.0);
    let (mut count, mut sum) = (None, None);
    for (sample, labels, value) in &family.samples {
        if sample.ends_with("_bucket") {
            let bound = labels
                .strip_prefix("le=\"")
                .and_then(|rest| rest.strip_suffix('"'))
                .expect("one label");
            let bound = number(bound);
            assert!(bound > last.0, "{name}: bounds rise");
            assert!(*value >= last.1, "{name}: counts are cumulative");
            last = (bound, *value);
        } else if sample.ends_with("_count") {
            count = Some(*value);
        } else {
            sum = Some(*value);
        }
    }
    assert_eq!(last.0, f64::INFINITY, "{name}: the last bucket holds all");
    assert_eq!(Some(last.1), count, "{name}");
    assert!(sum.is_some_and(|sum| sum >= 0.0), "{name}");
}

fn value(families: &BTreeMap<String, Family>, family: &str, suffix: &str) -> f64 {
    let name = format!("{family}{suffix}");
    let family = families
        .get(family)
        .unwrap_or_else(|| panic!("no {family} in {:?}", families.keys()));
    family
        .samples
        .iter()
        .find(|(sample, _, _)| *sample == name)
        .expect("the sample")
        .2
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_text_is_valid_and_counts_what_was_done() {
    let broker = TestBroker::start().await;
    let core = broker.broker().core();
    let before = parse(&core.metrics_text());
    assert_eq!(value(&before, "mainstem_messages_in", "_total"), 0.0);
    let client = broker.client();
    for _ in 0..200 {
        client.send_ok("T", 0, "", b"x").await;
    }
    client.pull(&PullOf::default()).await;
    let text = core.metrics_text();
    let after = parse(&text);
    assert_eq!(value(&after, "mainstem_messages_in", "_total"), 200.0);
    // What the start itself appends (nothing) and flushes is in both.
    let grown =
        |family: &str, suffix: &str| value(&after, family, suffix) - value(&before, family, suffix);
    assert_eq!(grown("mainstem_store_flush_messages", "_sum"), 200.0);
    let flushes = grown("mainstem_store_flush_seconds", "_count");
    assert!((1.0..=200.0).contains(&flushes), "{flushes}");
    assert_eq!(grown("mainstem_store_flush_messages", "_count"), flushes);
    assert!(grown("mainstem_store_flush_seconds", "_sum") > 0.0);
    assert!(grown("mainstem_store_flush_size_bytes", "_sum") >= flushes * 4096.0);
    assert!(grown("mainstem_store_flushed_bytes", "_total") > 200.0);
    assert!(grown("mainstem_store_append_seconds", "_count") >= 3.0);
    assert!(grown("mainstem_store_lock_wait_seconds", "_count") >= 3.0);
    assert!(grown("mainstem_store_dispatch_lag_seconds", "_count") >= 1.0);
    let stage = value(&after, "mainstem_disk_stage", "");
    assert!((0.0..=2.0).contains(&stage), "{text}");
    let ratio = value(&after, "mainstem_disk_used_ratio", "");
    assert!((0.0..=1.0).contains(&ratio));
    assert_eq!(value(&after, "mainstem_store_failed", ""), 0.0);
}
