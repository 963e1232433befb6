//! Removing one end of the log: what lies behind a position, or the files before it. Everything that
//! says how far the log reached is corrected with it: floor, snapshots, index, deletions.

use std::io;

use super::save::Saved;
use super::{Failed, Repair, failed};
use crate::commit_log::{Found, LogFile, Walker, look_behind};
use crate::disk::OpenMode;
use crate::floor::{self, Floor, FloorFile};
use crate::journal::Journal;
use crate::layout;
use crate::owner::LastWriter;
use crate::snapshot;
use crate::sync::Arc;

const CHUNK_BYTES: usize = 1 << 20;

impl Repair<'_> {
    /// The positions between which the log has files.
    pub(super) fn describe_log(&self) -> String {
        format!(
            "the log has files for positions {} to {}",
            self.log.start(),
            self.log.end().saturating_sub(1)
        )
    }

    /// A cut must leave whole records only.
    pub(super) fn judge_cut(&self, position: u64) -> Result<(), String> {
        if !(self.log.start()..=self.log.end()).contains(&position) {
            return Err(self.describe_log());
        }
        let mut walker = Walker::new(&self.log.files);
        // Every file begins with a record.
        let mut at = walker
            .file_of(position)
            .map_or(position, |file| file.base());
        while at < position {
            let before = at;
            match walker.look(at).map_err(|error| error.to_string())? {
                Found::Record(record) => at += record.total_size() as u64,
                Found::Blank => at = walker.file_of(at).map_or(position, |file| file.end()),
                Found::Zeros | Found::Invalid(_) | Found::NoFile => {
                    return Err(format!(
                        "no valid record lies at {at}, in front of that position; cut there or further in front"
                    ));
                }
            }
            if at > position {
                return Err(format!(
                    "no record begins there; one begins at {before} and the next at {at}"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn judge_drop(&self, position: u64) -> Result<(), String> {
        let bases: Vec<u64> = self.log.files.iter().map(|file| file.base()).collect();
        if bases.iter().skip(1).any(|base| *base == position) {
            return Ok(());
        }
        Err(format!(
            "it takes the start of a log file behind the first: one of {:?}",
            bases.iter().skip(1).take(64).collect::<Vec<_>>()
        ))
    }

    /// Removes the log from `position` on.
    pub(super) fn cut(
        &self,
        position: u64,
        saved: &mut Saved<'_>,
        actions: &mut Vec<String>,
    ) -> Result<(), Failed> {
        if self.reaches_further(position)? {
            self.forget_derived(saved, actions)?;
        }
        self.lower_deletions(position, actions)?;
        // Newest first: a cut that is cut short leaves no gap.
        let first = self.log.start();
        for file in self.log.files.iter().rev() {
            if file.base() < position || file.base() == first {
                break;
            }
            saved.take(file.path())?;
            actions.push(format!("moved log file {} away", file.path()));
        }
        let holder = self
            .log
            .files
            .iter()
            .find(|file| file.base() <= position && position < file.end());
        if let Some(file) = holder.filter(|file| file.base() < position || file.base() == first) {
            self.cut_file(file, position, saved, actions)?;
        }
        self.lower_floor(position, actions)
    }

    /// Zeroes a file from `position` on, after saving what is there, and gives it its full length.
    fn cut_file(
        &self,
        file: &Arc<LogFile>,
        position: u64,
        saved: &mut Saved<'_>,
        actions: &mut Vec<String>,
    ) -> Result<(), Failed> {
        let shown = self.disk.display(file.path());
        let read = |source| failed("read", shown.clone())(source);
        let used = look_behind(std::slice::from_ref(file), position, u64::MAX).map_err(read)?;
        let write = |source| failed("write zeros to", shown.clone())(source);
        let open = self
            .disk
            .open(file.path(), OpenMode::ReadWrite)
            .map_err(failed("open", shown.clone()))?;
        let full = file.end() - file.base();
        if used.end > position {
            let (copy, name) =
                saved.copy_of(&format!("{}.from-{}", file.path(), position - file.base()))?;
            let save = |source| failed("save a part of", shown.clone())(source);
            let mut at = position;
            let mut buffer = Vec::new();
            while at < used.end {
                let len = CHUNK_BYTES.min(usize::try_from(used.end - at).unwrap_or(CHUNK_BYTES));
                buffer.resize(len, 0);
                file.read_into(at, &mut buffer).map_err(read)?;
                copy.write_at(&buffer, at - position).map_err(save)?;
                at += len as u64;
            }
            copy.sync_data().map_err(save)?;
            saved.sync_name(&name)?;
        }
        let there = open.len().map_err(read)?;
        if there != full {
            open.set_len(full).map_err(write)?;
        }
        let zeros = vec![0; CHUNK_BYTES];
        let mut at = position;
        while at < used.end {
            let len = CHUNK_BYTES.min(usize::try_from(used.end - at).unwrap_or(CHUNK_BYTES));
            open.write_at(&zeros[..len], at - file.base())
                .map_err(write)?;
            at += len as u64;
        }
        open.sync_data().map_err(failed("sync", shown.clone()))?;
        let at = position - file.base();
        actions.push(if used.end > position {
            format!(
                "zeroed {} bytes of {} from byte {at} on ({} whole records among them)",
                used.end - position,
                file.path(),
                used.records
            )
        } else {
            format!("nothing but zeros was in {} from byte {at} on", file.path())
        });
        if there != full {
            actions.push(format!(
                "gave {} its length of {full} bytes; it had {there}",
                file.path()
            ));
        }
        Ok(())
    }

    /// Whether anything knows of a log that goes on behind `position`: then queues and index may, too.
    fn reaches_further(&self, position: u64) -> Result<bool, Failed> {
        for slot in 0..2 {
            match snapshot::look(&**self.disk, slot, &mut |_| {}) {
                Ok(head) if head.is_none_or(|head| head.position <= position) => {}
                // A damaged one may have.
                _ => return Ok(true),
            }
        }
        if self.floor()?.is_some_and(|floor| floor.position > position) {
            return Ok(true);
        }
        let behind = look_behind(&self.log.files, position, u64::MAX)
            .map_err(failed("read", self.disk.display("commitlog")))?;
        Ok(behind.records > 0)
    }

    fn forget_derived(
        &self,
        saved: &mut Saved<'_>,
        actions: &mut Vec<String>,
    ) -> Result<(), Failed> {
        // They may point to messages that go, and what is left of the log gives all of them.
        self.rebuild_queues(saved, actions)?;
        self.rebuild_index(saved, actions)
    }

    /// A deletion behind the end would hide what is sent to a topic of that name from now on.
    fn lower_deletions(&self, position: u64, actions: &mut Vec<String>) -> Result<(), Failed> {
        let LastWriter::Mainstem { state_id, .. } = self.last else {
            return Ok(());
        };
        const PATH: &str = "mainstem/journal";
        let shown = self.disk.display(PATH);
        let mut beyond = std::collections::BTreeMap::new();
        let look = crate::journal::look(&**self.disk, |table, topic, value| {
            if table != crate::journal::OwnTable::Deletions as u8 {
                return;
            }
            match value.and_then(|value| value.split_first_chunk()) {
                Some((at, done)) => {
                    beyond.insert(topic.to_owned(), (u64::from_be_bytes(*at), done == [1]))
                }
                None => beyond.remove(topic),
            };
        })
        .map_err(failed("read", shown.clone()))?;
        beyond.retain(|_, (at, _)| *at > position);
        if beyond.is_empty() || look.is_none_or(|look| look.owner != Some(state_id)) {
            return Ok(());
        }
        let topics: Vec<_> = beyond
            .iter()
            .map(|(topic, (_, done))| (topic.clone(), *done))
            .collect();
        Journal::rewrite_deletions(self.disk, state_id, position, &topics)
            .map_err(failed("rewrite", shown))?;
        for topic in beyond.keys() {
            actions.push(format!(
                "moved the deletion of topic {topic} in the journal to {position}, the log's new end"
            ));
        }
        Ok(())
    }

    /// The floor of the directory's present life.
    pub(super) fn floor(&self) -> Result<Option<Floor>, Failed> {
        let LastWriter::Mainstem { state_id, .. } = self.last else {
            return Ok(None);
        };
        let slots =
            floor::look(&**self.disk).map_err(failed("read", self.disk.display(layout::FLOOR)))?;
        let newest = slots.and_then(|slots| floor::newest(&slots));
        Ok(newest.filter(|floor| floor.state_id == state_id))
    }

    fn write_floor(&self, floor: &Floor) -> Result<(), Failed> {
        let write = |source: io::Error| failed("write", self.disk.display(layout::FLOOR))(source);
        let (mut file, _) = FloorFile::open(&**self.disk).map_err(write)?;
        file.write(floor).map_err(write)
    }

    fn lower_floor(&self, position: u64, actions: &mut Vec<String>) -> Result<(), Failed> {
        let Some(known) = self.floor()?.filter(|floor| floor.position > position) else {
            return Ok(());
        };
        self.write_floor(&Floor {
            position,
            clean: false,
            ..known
        })?;
        actions.push(format!(
            "lowered the durable floor from {} to {position}",
            known.position
        ));
        Ok(())
    }

    /// Removes the log files that lie whole below `position`.
    pub(super) fn drop_before(
        &self,
        position: u64,
        saved: &mut Saved<'_>,
        actions: &mut Vec<String>,
    ) -> Result<(), Failed> {
        for file in self.log.files.iter().filter(|file| file.end() <= position) {
            saved.take(file.path())?;
            actions.push(format!("moved log file {} away", file.path()));
        }
        // The numbers of a clean stop are not those of this log any more.
        let Some(known) = self.floor()?.filter(|floor| floor.clean) else {
            return Ok(());
        };
        self.write_floor(&Floor {
            clean: false,
            ..known
        })
    }
}
