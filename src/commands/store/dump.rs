//! `mainstem store dump`: records, queue entries, index, floor, snapshot and journal, as lines of text or JSON.

use std::io;

use mainstem_store::inspect::{InspectError, Inspection, QueueEntryDump, RecordDump, RecordFilter};
use serde::Serialize;

use super::sizes;
use crate::arguments::{Format, StoreDump};
use crate::failure::Failure;
use crate::output::Output;

/// Longest body that a line of text shows.
const SHOWN_BODY_CHARS: usize = 120;

/// Prints lines until one cannot be printed; that error is what counts then.
struct Lines {
    out: Output,
    format: Format,
    failed: Option<io::Error>,
}

impl Lines {
    /// Prints a value; `false` when nobody reads any more.
    fn show<T: Serialize>(&mut self, value: &T, text: impl FnOnce(&T) -> String) -> bool {
        let line = match self.format {
            Format::Text => text(value),
            Format::Json => serde_json::to_string(value).unwrap_or_default(),
        };
        if self.failed.is_none() {
            self.failed = self.out.line(line.as_bytes()).err();
        }
        self.failed.is_none()
    }

    fn finish(mut self) -> Result<(), Failure> {
        match self.failed {
            Some(error) => Err(error.into()),
            None => Ok(self.out.flush()?),
        }
    }
}

fn cannot(error: InspectError) -> Failure {
    match error {
        InspectError::NotFound(_) => Failure::failed(error),
        _ => Failure::Usage(error.to_string()),
    }
}

/// Runs the command.
pub(crate) fn run(arguments: &StoreDump) -> Result<(), Failure> {
    let directory = &arguments.directory;
    let inspection = Inspection::open(&directory.dir, &sizes(directory)?).map_err(cannot)?;
    let mut lines = Lines {
        out: Output::stdout(),
        format: arguments.format,
        failed: None,
    };
    if let Some(queue) = &arguments.queue_entries {
        queue_entries(&inspection, arguments, queue, &mut lines)?;
    } else if arguments.index {
        index(&inspection, arguments.entries, &mut lines)?;
    } else if arguments.floor {
        for slot in inspection.dump_floor().map_err(cannot)? {
            lines.show(&slot, |slot| match slot.position {
                Some(position) => format!(
                    "slot {}: sequence {}, durable before position {position}, {}, state {}, newest record stored at {} ms",
                    slot.slot,
                    slot.sequence.unwrap_or(0),
                    if slot.clean == Some(true) { "closed there" } else { "in use" },
                    slot.state_id.as_deref().unwrap_or(""),
                    slot.timestamp_ms.unwrap_or(0)
                ),
                None => format!("slot {}: {}", slot.slot, slot.state),
            });
        }
    } else if arguments.snapshot {
        snapshot(&inspection, &mut lines)?;
    } else if arguments.journal {
        inspection
            .dump_journal(|entry| {
                lines.show(entry, |entry| match &entry.value {
                    Some(value) => format!("{} {} = {value}", entry.table, entry.key),
                    None => format!("{} {} removed", entry.table, entry.key),
                });
            })
            .map_err(cannot)?;
    } else {
        records(&inspection, arguments, &mut lines)?;
    }
    lines.finish()
}

fn records(
    inspection: &Inspection,
    arguments: &StoreDump,
    lines: &mut Lines,
) -> Result<(), Failure> {
    let filter = RecordFilter {
        from: arguments.from,
        count: arguments.count,
        topic: arguments.topic.clone(),
        queue_id: arguments.queue,
    };
    let stop = inspection
        .dump_records(&filter, |record| lines.show(record, record_text))
        .map_err(cannot)?;
    if lines.failed.is_none() {
        eprintln!("stopped at log position {}: {}", stop.position, stop.reason);
    }
    Ok(())
}

fn record_text(record: &RecordDump) -> String {
    let properties: Vec<String> = record
        .properties
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let body = match &record.body {
        Some(body) => {
            let mut shown: String = body.chars().take(SHOWN_BODY_CHARS).collect();
            if shown.len() < body.len() {
                shown.push('…');
            }
            format!("{shown:?}")
        }
        None => format!("({} bytes)", record.body_bytes),
    };
    format!(
        "{} {} bytes {}/{} #{} stored {} ms [{}] {body}",
        record.position,
        record.size,
        record.topic,
        record.queue_id,
        record.queue_offset,
        record.store_timestamp_ms,
        properties.join(" ")
    )
}

fn queue_entries(
    inspection: &Inspection,
    arguments: &StoreDump,
    queue: &[String],
    lines: &mut Lines,
) -> Result<(), Failure> {
    let [topic, queue_id] = queue else {
        return Err(Failure::Usage(
            "--queue-entries takes TOPIC QUEUE".to_owned(),
        ));
    };
    let queue_id = queue_id
        .parse()
        .map_err(|_| Failure::Usage(format!("{queue_id:?} is no queue: give its number")))?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let text = |entry: &QueueEntryDump| {
        format!(
            "#{} {} bytes at {} tags {} ({}, {})",
            entry.offset, entry.size, entry.position, entry.tags_code, entry.kind, entry.held_by
        )
    };
    inspection
        .dump_queue(topic, queue_id, arguments.from.unwrap_or(0), |entry| {
            let more = left > 0 && lines.show(entry, text);
            left = left.saturating_sub(1);
            more && left > 0
        })
        .map_err(cannot)
}

fn index(inspection: &Inspection, entries: bool, lines: &mut Lines) -> Result<(), Failure> {
    // Both callbacks print.
    let lines = std::cell::RefCell::new(lines);
    let mut entry = |entry: &mainstem_store::inspect::IndexEntryDump| {
        lines.borrow_mut().show(entry, |entry| {
            format!(
                "  entry {}: hash {} at {}, {} s after the first, before it in its chain {}",
                entry.number, entry.hash, entry.position, entry.seconds, entry.previous
            )
        });
    };
    let file = |file: &mainstem_store::inspect::IndexFileDump| {
        lines.borrow_mut().show(file, |file| {
            format!(
                "{}: {} entries in {} slots, of records from log position {} to that at {}, stored {} to {} ms",
                file.file,
                file.next_entry - 1,
                file.slots_used,
                file.begin_position,
                file.end_position,
                file.begin_ms,
                file.end_ms
            )
        });
    };
    inspection
        .dump_index(file, if entries { Some(&mut entry) } else { None })
        .map_err(cannot)
}

fn snapshot(inspection: &Inspection, lines: &mut Lines) -> Result<(), Failure> {
    let snapshot = inspection.dump_snapshot().map_err(cannot)?;
    lines.show(&snapshot, |snapshot| {
        let mut text = format!(
            "{}: number {}, state {}, at log position {}, {} queues",
            snapshot.file,
            snapshot.sequence,
            snapshot.state_id,
            snapshot.position,
            snapshot.queues.len()
        );
        for queue in &snapshot.queues {
            text.push_str(&format!(
                "\n  {}/{}: {}, those before {} in files",
                queue.topic,
                queue.queue_id,
                messages(queue.min, queue.next),
                queue.tail_start
            ));
        }
        text
    });
    Ok(())
}

/// The messages of a queue, the last one named too.
fn messages(min: u64, next: u64) -> String {
    if min >= next {
        format!("no message, the next is {next}")
    } else {
        format!("messages {min} to {}", next - 1)
    }
}
