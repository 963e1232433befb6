//! Showing index files as they are, without opening the index.

use std::io;

use super::Geometry;
use super::file::{DIRECTORY, path_of};
use super::format::{ENTRY_BYTES, Entry, HEADER_BYTES, Header};
use super::name;
use crate::disk::{Disk, OpenMode};
use crate::inspect::{IndexEntryDump, IndexFileDump};

/// Entries read at once.
const CHUNK_ENTRIES: u32 = 8192;

/// Hands every file and, if wanted, every entry to the callbacks, oldest first.
pub(crate) fn dump(
    disk: &dyn Disk,
    geometry: Geometry,
    show_file: &mut dyn FnMut(&IndexFileDump),
    show_entry: &mut Option<&mut dyn FnMut(&IndexEntryDump)>,
) -> io::Result<()> {
    let names = match disk.list(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for name in names.iter().filter(|name| name::is_name(name)) {
        let file = disk.open(&path_of(name), OpenMode::Read)?;
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, 0)?;
        let header = Header::decode(&bytes);
        show_file(&IndexFileDump {
            file: path_of(name),
            begin_ms: header.begin_ms,
            end_ms: header.end_ms,
            begin_position: header.begin_position,
            end_position: header.end_position,
            slots_used: header.slots_used,
            next_entry: header.next_entry,
        });
        let Some(show) = show_entry else { continue };
        let mut next = 1;
        while next < header.next_entry.min(geometry.entries) {
            let count = CHUNK_ENTRIES.min(header.next_entry.min(geometry.entries) - next);
            let mut chunk = vec![[0; ENTRY_BYTES]; usize::try_from(count).unwrap_or(0)];
            file.read_exact_at(chunk.as_flattened_mut(), geometry.entry_position(next))?;
            for (number, bytes) in (next..).zip(&chunk) {
                let entry = Entry::decode(bytes);
                show(&IndexEntryDump {
                    number,
                    hash: entry.hash,
                    position: entry.position,
                    seconds: entry.seconds,
                    previous: entry.previous,
                });
            }
            next += count;
        }
    }
    Ok(())
}
