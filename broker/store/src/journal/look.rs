//! Looking at a journal's file without taking it into use: whose it is, how much of it is whole, and
//! every change in it. Promises to change nothing.

use std::io;

use super::file::{HEAD_BYTES, PATH, owner_of_head};
use super::read;
use crate::disk::{Disk, OpenMode};

/// What a journal's file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// State id in its head; `None` when the head is damaged.
    pub(crate) owner: Option<u64>,
    /// Whole records.
    pub(crate) records: u64,
    /// Position behind the last whole record.
    pub(crate) end: u64,
    /// Damaged bytes with whole records behind them.
    pub(crate) damaged_bytes: u64,
    /// Where the first damage begins.
    pub(crate) damaged_at: u64,
    /// Bytes behind the last whole record that are not zero.
    pub(crate) torn_bytes: u64,
}

/// Reads the journal's file and hands every change (table, key, and the value unless it is removed)
/// to `visit`, in order; `None` when there is no file.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn look(
    disk: &dyn Disk,
    mut visit: impl FnMut(u8, &str, Option<&[u8]>),
) -> io::Result<Option<Look>> {
    let file = match disk.open(PATH, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut head = [0; HEAD_BYTES];
    let read = file.read_at(&mut head, 0)?;
    let up = read::read(&*file, (HEAD_BYTES as u64).min(read as u64), |change| {
        visit(change.table, change.key, change.value);
    })?;
    Ok(Some(Look {
        owner: owner_of_head(&head),
        records: up.records,
        end: up.end,
        damaged_bytes: up.damaged_bytes,
        damaged_at: up.damaged_at,
        torn_bytes: up.torn_bytes,
    }))
}

/// The name of a table, as a person should see it.
pub(crate) fn table_name(table: u8) -> String {
    match table {
        0 => "topics",
        1 => "groups",
        2 => "offsets",
        3 => "delay-offsets",
        4 => "broker-state",
        5 => "emptied-queues",
        6 => "deletions",
        _ => return format!("table-{table}"),
    }
    .to_owned()
}

/// A value, as a person should see it: text, a number, or hexadecimal.
pub(crate) fn value_text(table: u8, value: &[u8]) -> String {
    let number = value
        .first_chunk()
        .map(|bytes: &[u8; 8]| i64::from_be_bytes(*bytes));
    match (table, number, value) {
        (5, Some(number), [_, _, _, _, _, _, _, _]) => number.to_string(),
        (6, Some(number), [_, _, _, _, _, _, _, _, done]) => {
            let files = if *done == 1 { "gone" } else { "to be removed" };
            format!("{number}, files {files}")
        }
        _ => match std::str::from_utf8(value) {
            Ok(text) => text.to_owned(),
            Err(_) => value.iter().map(|byte| format!("{byte:02x}")).collect(),
        },
    }
}
