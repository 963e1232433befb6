//! Finding the log file to rebuild from by a time, as Apache does after a crash: from the newest
//! file whose first record was stored at or before the checkpoint. Looks at one record a file.

use std::io;

use mainstem_record::{MAGIC_V1, MAGIC_V2, sys_flag};

use crate::disk::{Disk, OpenMode};

const DIRECTORY: &str = "commitlog";
const NAME_DIGITS: usize = 20;
const MAGIC_POSITION: usize = 4;
const SYS_FLAG_POSITION: usize = 36;
/// Behind an IPv4 born host; 12 bytes later behind one of IPv6.
const STORE_TIMESTAMP_POSITION: usize = 56;
const V6_HOST_MORE_BYTES: usize = 12;

/// Start of the newest log file whose first record was stored at or before `time_ms`; `None` when
/// there is none.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn log_start_at(disk: &dyn Disk, time_ms: i64) -> io::Result<Option<u64>> {
    let names = match disk.list(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    for name in names.iter().rev().filter(|name| name.len() == NAME_DIGITS) {
        let Ok(start) = name.parse() else { continue };
        if first_stored_ms(disk, name)?.is_some_and(|stored_ms| stored_ms <= time_ms) {
            return Ok(Some(start));
        }
    }
    Ok(None)
}

fn first_stored_ms(disk: &dyn Disk, name: &str) -> io::Result<Option<i64>> {
    let file = disk.open(&format!("{DIRECTORY}/{name}"), OpenMode::Read)?;
    let mut head = [0; STORE_TIMESTAMP_POSITION + V6_HOST_MORE_BYTES + 8];
    if file.read_at(&mut head, 0)? < head.len() {
        return Ok(None);
    }
    let word = |at: usize| {
        head.get(at..)
            .and_then(|b| b.first_chunk::<4>())
            .map_or(0, |b| u32::from_be_bytes(*b))
    };
    if ![MAGIC_V1, MAGIC_V2].contains(&word(MAGIC_POSITION)) {
        return Ok(None);
    }
    let is_v6 = word(SYS_FLAG_POSITION).cast_signed() & sys_flag::BORN_HOST_V6 != 0;
    let at = STORE_TIMESTAMP_POSITION + if is_v6 { V6_HOST_MORE_BYTES } else { 0 };
    let stored = head
        .get(at..)
        .and_then(|bytes| bytes.first_chunk::<8>())
        .map(|bytes| i64::from_be_bytes(*bytes));
    Ok(stored.filter(|stored_ms| *stored_ms > 0))
}
