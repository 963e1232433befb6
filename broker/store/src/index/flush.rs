//! Writing entries from memory into files, in rounds of bounded size; see the module's head for the
//! order that makes it safe. An error at any step loses nothing: the next flush first writes the
//! slots again from what is known to be durable.

use std::io;

use super::append::ROUND_ENTRIES;
use super::file::{IndexFile, path_of};
use super::state::State;
use super::{KeyIndex, Writer, name};
use crate::sync::Arc;

impl KeyIndex {
    /// Writes everything added so far into files and makes it durable. `dispatched` tells the
    /// position up to which the log's keys were added.
    ///
    /// # Errors
    /// When the disk refuses. Nothing is lost; the next call goes on.
    pub(crate) fn flush(&self, now_ms: i64, dispatched: impl FnOnce() -> u64) -> io::Result<()> {
        let writer = &mut *self.writer.lock();
        // Before the entries are taken: every record below it is among them.
        let upto = dispatched();
        self.pending.lock().entries.seal();
        loop {
            let result = self.round(writer, now_ms, upto);
            if result.is_err() {
                writer.replay = true;
            }
            if !result? {
                return Ok(());
            }
        }
    }

    /// One round; false when nothing is left to write.
    fn round(&self, writer: &mut Writer, now_ms: i64, upto: u64) -> io::Result<bool> {
        self.repair(writer)?;
        let batches = self.pending.lock().entries.oldest(ROUND_ENTRIES);
        let waiting: usize = batches.iter().map(|batch| batch.entries().len()).sum();
        if waiting == writer.covered {
            self.drop_covered(writer);
            if writer.state.resume < upto {
                writer.state.resume = upto;
                writer.state_file.write(&writer.state)?;
            }
            writer.appender.shrink();
            return Ok(false);
        }
        let file = self.writable_file(writer, now_ms)?;
        let appended = writer.appender.append(&file, &batches, writer.covered)?;
        let next = State {
            // The newest record may have more keys, in the next round: it counts as not done.
            resume: appended.header.end_position.max(writer.state.resume),
            file: file.name().to_owned(),
            header: appended.header,
            slots_through: appended.first,
            sealed_ms: writer.state.sealed_ms,
        };
        writer.state_file.write(&next)?;
        writer.state = next;
        writer.covered += writer.appender.len();
        writer.appender.publish(&file, &appended)?;
        self.drop_covered(writer);
        Ok(true)
    }

    /// After an error: whatever the slots are, the state and the entries that it names hold.
    fn repair(&self, writer: &mut Writer) -> io::Result<()> {
        if !writer.replay {
            return Ok(());
        }
        let file = self.files.read().last().cloned();
        if let Some(file) = file.filter(|file| file.name() == writer.state.file) {
            file.assume_header(writer.state.header);
            writer
                .appender
                .replay(&file, writer.state.slots_through.max(1))?;
        }
        self.drop_covered(writer);
        writer.replay = false;
        Ok(())
    }

    /// Takes the batches that are in files, slots and all, out of memory.
    fn drop_covered(&self, writer: &mut Writer) {
        let intake = &mut *self.pending.lock();
        while let Some(oldest) = intake.entries.oldest(1).first() {
            let Some(rest) = writer.covered.checked_sub(oldest.entries().len()) else {
                break;
            };
            writer.covered = rest;
            intake.entries.written(1);
        }
    }

    /// The newest file, or a new one when it is full.
    fn writable_file(&self, writer: &mut Writer, now_ms: i64) -> io::Result<Arc<IndexFile>> {
        let newest = self.files.read().last().cloned();
        if let Some(newest) = &newest {
            if !newest.is_full() {
                return Ok(Arc::clone(newest));
            }
            self.seal(writer, newest)?;
        }
        let mut last = newest.as_ref().map(|file| file.name().to_owned());
        let (name, file) = loop {
            let name = name::next_name(now_ms, last.as_deref());
            match IndexFile::create(&*self.disk, &name, self.geometry) {
                Ok(file) => break (name, Arc::new(file)),
                // One that was left alone has the name.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = Some(name),
                Err(error) => return Err(error),
            }
        };
        self.files.write().push(Arc::clone(&file));
        tracing::debug!(file = %self.disk.display(&path_of(&name)), "new index file");
        Ok(file)
    }

    /// Makes a file's slots durable and says so.
    fn seal(&self, writer: &mut Writer, file: &IndexFile) -> io::Result<()> {
        file.file().sync_data()?;
        let mut state = writer.state.clone();
        if state.file == file.name() {
            state.slots_through = state.header.next_entry;
        }
        if file.is_full() {
            state.sealed_ms = state.sealed_ms.max(file.header().end_ms);
        }
        writer.state_file.write(&state)?;
        writer.state = state;
        Ok(())
    }

    /// Flushes and leaves the newest file complete, as at a clean stop.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn close(&self, now_ms: i64, dispatched: impl FnOnce() -> u64) -> io::Result<()> {
        self.flush(now_ms, dispatched)?;
        let writer = &mut *self.writer.lock();
        let newest = self.files.read().last().cloned();
        newest.map_or(Ok(()), |newest| self.seal(writer, &newest))
    }
}
