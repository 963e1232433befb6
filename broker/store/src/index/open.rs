//! Opening the index: which files there are and what of them may be believed. Promises that after
//! it every slot of the newest file points to an entry that counts.

use std::io;

use super::append::Appender;
use super::file::{DIRECTORY, IndexFile, path_of};
use super::format::{Geometry, Header};
use super::state::{Loaded, State};
use super::{Foreign, name};
use crate::disk::{Disk, OpenMode};
use crate::sync::Arc;

/// Opens all index files of the geometry, oldest first. Files behind the newest that our state
/// knows never got an entry that counts and are removed.
pub(super) fn open_files(
    disk: &dyn Disk,
    geometry: Geometry,
    newest: Option<&str>,
) -> io::Result<Vec<Arc<IndexFile>>> {
    let names = match disk.list(DIRECTORY) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for name in names {
        if !name::is_name(&name) {
            continue;
        }
        if newest.is_some_and(|newest| name.as_str() > newest) {
            disk.remove(&path_of(&name))?;
            continue;
        }
        // One that never got its length holds nothing.
        if disk.open(&path_of(&name), OpenMode::Read)?.len()? == 0 {
            tracing::warn!(file = %disk.display(&path_of(&name)), "index file is empty, as a crash leaves one that was being made: removed");
            disk.remove(&path_of(&name))?;
            continue;
        }
        match IndexFile::open(disk, &name, geometry) {
            Ok(file) => files.push(Arc::new(file)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                tracing::error!(
                    file = %disk.display(&path_of(&name)), %error,
                    "not an index file of the configured size (maxHashSlotNum, maxIndexNum): left alone, its keys cannot be queried"
                );
            }
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// Brings files into the state that we left.
pub(super) fn take_own(
    disk: &dyn Disk,
    files: &[Arc<IndexFile>],
    appender: &mut Appender,
    loaded: Loaded,
) -> io::Result<State> {
    let mut state = loaded.state;
    if state.file.is_empty() {
        return Ok(state);
    }
    let Some(newest) = files.last().filter(|file| file.name() == state.file) else {
        let left = describe(files);
        tracing::error!(
            file = %disk.display(&path_of(&state.file)), from = left.resume,
            "the newest index file is missing: keys are indexed again from the log, from where the files that are left end"
        );
        return Ok(left);
    };
    newest.assume_header(state.header);
    if loaded.doubtful {
        // A slot may point to an entry that only the lost state knew.
        Appender::clear_slots(newest)?;
        appender.replay(newest, 1)?;
        state.slots_through = 1;
    } else if state.slots_through < state.header.next_entry {
        appender.replay(newest, state.slots_through.max(1))?;
    }
    appender.shrink();
    Ok(state)
}

/// Takes over files that no state of ours describes.
pub(super) fn take_foreign(
    disk: &dyn Disk,
    files: &mut Vec<Arc<IndexFile>>,
    foreign: Foreign,
) -> io::Result<State> {
    if let Foreign::SealedBy(sealed_ms) = foreign {
        for file in files.extract_if(.., |file| {
            file.header().end_ms > sealed_ms || !file.is_full()
        }) {
            tracing::warn!(
                file = %disk.display(&path_of(file.name())),
                "index file was in use when its writer crashed: removed, its keys are indexed again from the log"
            );
            disk.remove(&path_of(file.name()))?;
        }
    }
    Ok(describe(files))
}

/// The state that intact files tell themselves.
fn describe(files: &[Arc<IndexFile>]) -> State {
    let header = files
        .last()
        .map_or_else(Header::default, |file| file.header());
    let full = files.iter().filter(|file| file.is_full());
    State {
        resume: header.end_position,
        file: files
            .last()
            .map_or_else(String::new, |file| file.name().to_owned()),
        header,
        slots_through: header.next_entry,
        sealed_ms: full.map(|file| file.header().end_ms).max().unwrap_or(0),
    }
}
