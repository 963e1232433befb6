//! Walking the log from its first byte to its last, over damage, gaps and files of a wrong length, and
//! handing every valid record to the comparisons with queues and index.

use mainstem_record::RecordView;

use super::Progress;
use super::private::Private;
use crate::commit_log::{Found, Walker, look_behind, next_candidate, path_of};
use crate::dispatch::{DispatchRecord, Marks};
use crate::index::{IndexVerifier, KeyPrefix};
use crate::inspect::finding::{LogExtent, messages};
use crate::inspect::{Findings, InspectError, Inspection, Severity, Step};
use crate::owner::LastWriter;
use crate::queues::QueueVerifier;

/// Bytes of the log between two calls of the progress callback.
const PROGRESS_EVERY_BYTES: u64 = 8 << 20;

/// What is to be done at a place that holds no valid record.
enum Place {
    /// The log ends there.
    End,
    /// Damage; the log goes on at that position.
    DamageTo(u64),
    /// Damage, and nothing valid behind it.
    DamageToEnd,
}

impl Inspection {
    pub(super) fn walk(
        &self,
        private: &Private,
        queues: &mut QueueVerifier<'_>,
        index: &mut IndexVerifier<'_>,
        findings: &mut Findings,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<LogExtent, InspectError> {
        let files = &self.log.files;
        let mut extent = LogExtent {
            start: self.log.start(),
            end: self.log.start(),
            durable_floor: private.durable(),
            ..LogExtent::default()
        };
        index
            .begin_at(extent.start, findings)
            .map_err(InspectError::io("read", "index"))?;
        let total_bytes = private
            .durable()
            .unwrap_or(self.log.end())
            .max(extent.start)
            - extent.start;
        let mut told = extent.start;
        let mut walker = Walker::new(files);
        let mut hashes = Vec::new();
        let mut position = extent.start;
        loop {
            if position >= told + PROGRESS_EVERY_BYTES {
                told = position;
                let done_bytes = position - extent.start;
                progress(Progress {
                    done_bytes,
                    total_bytes: total_bytes.max(done_bytes),
                });
            }
            let path = walker
                .file_of(position)
                .map_or_else(|| path_of(position), |file| file.path().to_owned());
            let reason = match walker.look(position) {
                Ok(Found::Record(record)) => match queues.follows(position, &record) {
                    Err(expected)
                        if private.durable().is_some_and(|durable| position >= durable) =>
                    {
                        format!(
                            "queue offset {} where queue {} of {} goes on at {expected}",
                            record.queue_offset(),
                            record.queue_id(),
                            record.topic()
                        )
                    }
                    follows => {
                        if let Err(expected) = follows {
                            tell_gap(
                                &path,
                                position,
                                self.log.file_bytes,
                                extent.start,
                                &record,
                                expected,
                                findings,
                            );
                        }
                        queues
                            .record(position, &record, findings)
                            .map_err(InspectError::io("read", "consumequeue"))?;
                        self.index_record(
                            position,
                            &record,
                            &mut hashes,
                            index,
                            findings,
                            &private.deletions,
                        )?;
                        extent.records += 1;
                        extent.newest_store_timestamp_ms = record.store_timestamp_ms();
                        position += record.total_size() as u64;
                        continue;
                    }
                },
                Ok(Found::Blank) => {
                    position = walker.file_of(position).map_or(position, |file| file.end());
                    continue;
                }
                Ok(Found::Zeros) => "there are only zeros".to_owned(),
                Ok(Found::NoFile) if position >= self.log.end() => {
                    "the log has no further file".to_owned()
                }
                Ok(Found::NoFile) => "the file is missing".to_owned(),
                Ok(Found::Invalid(reason)) => reason,
                Err(error) => format!("it cannot be read: {error}"),
            };
            match self.place(position, private.durable())? {
                Place::End => {
                    self.tell_remains(position, &reason, private, findings)?;
                    break;
                }
                Place::DamageTo(next) => {
                    self.tell_damage(&path, position, &reason, Some(next), private, findings);
                    position = next;
                }
                Place::DamageToEnd => {
                    self.tell_damage(&path, position, &reason, None, private, findings);
                    break;
                }
            }
        }
        extent.end = position;
        self.tell_lengths(position, private, findings);
        Ok(extent)
    }

    fn index_record(
        &self,
        position: u64,
        record: &RecordView<'_>,
        hashes: &mut Vec<u32>,
        index: &mut IndexVerifier<'_>,
        findings: &mut Findings,
        deletions: &std::collections::HashMap<String, u64>,
    ) -> Result<(), InspectError> {
        use mainstem_record::sys_flag;
        let rolled_back =
            sys_flag::transaction_type(record.sys_flag()) == sys_flag::TRANSACTION_ROLLBACK;
        let is_deleted = deletions
            .get(record.topic())
            .is_some_and(|deleted| position < *deleted);
        let io = InspectError::io("read", "index");
        if rolled_back || is_deleted {
            return index
                .skip(position, record.store_timestamp_ms(), findings)
                .map_err(io);
        }
        let dispatched = DispatchRecord::of(position, record);
        let marks = Marks::of(dispatched.properties);
        let prefix = KeyPrefix::of_topic(record.topic());
        hashes.clear();
        marks.hash_keys(prefix, hashes);
        let tag = marks.tags.map(|tag| prefix.tag(tag));
        index
            .record(position, record.store_timestamp_ms(), hashes, tag, findings)
            .map_err(io)
    }

    /// What it means that no valid record lies at `position`.
    fn place(&self, position: u64, durable: Option<u64>) -> Result<Place, InspectError> {
        let end = self.log.end();
        if position >= end {
            return Ok(match durable {
                Some(durable) if position < durable => Place::DamageToEnd,
                _ => Place::End,
            });
        }
        let must_be_valid = match (durable, self.last) {
            (Some(durable), _) => position < durable,
            // Nothing says where the log of a Java broker ends; after a clean stop nothing valid lies
            // behind it.
            (None, LastWriter::Apache { clean }) => clean || position < self.last_two_files(),
            (None, _) => false,
        };
        if !must_be_valid {
            return Ok(Place::End);
        }
        let next = self
            .next_record(position + 1)
            .map_err(InspectError::io("read", self.disk.display("commitlog")))?;
        Ok(match (next, durable) {
            (Some(next), Some(durable)) if next >= durable => Place::DamageToEnd,
            (Some(next), _) => Place::DamageTo(next),
            (None, Some(_)) => Place::DamageToEnd,
            (None, None) => Place::End,
        })
    }

    fn last_two_files(&self) -> u64 {
        let from_end = self.log.files.iter().rev().nth(1);
        from_end.map_or(0, |file| file.base())
    }

    /// The next position at which a valid record lies, wherever the damage ends.
    fn next_record(&self, from: u64) -> std::io::Result<Option<u64>> {
        let files = &self.log.files;
        let end = self.log.end();
        let mut walker = Walker::new(files);
        let mut position = from;
        loop {
            position = next_candidate(files, position, end)?;
            if position >= end {
                return Ok(None);
            }
            if matches!(walker.look(position), Ok(Found::Record(_))) {
                return Ok(Some(position));
            }
            position += 1;
        }
    }

    fn offset_in_file(&self, position: u64) -> u64 {
        (position - self.log.start()) % self.log.file_bytes
    }

    fn tell_damage(
        &self,
        path: &str,
        position: u64,
        reason: &str,
        next: Option<u64>,
        private: &Private,
        findings: &mut Findings,
    ) {
        let base = position - self.offset_in_file(position);
        let short = self.log.odd_length(base).map_or(String::new(), |found| {
            format!("; the file has {found} of {} bytes", self.log.file_bytes)
        });
        let (until, mut remedy) = match next {
            Some(next) => (
                format!(
                    "no valid record from log position {position} to {}; the next one begins at {next}",
                    next - 1
                ),
                "the messages there are lost; all others can be read",
            ),
            None => (
                format!(
                    "no valid record from log position {position} on, though the log is durable before position {}",
                    private.durable().unwrap_or(position)
                ),
                "everything from there on is lost",
            ),
        };
        let resume = private.snapshot.map_or(0, |head| head.position);
        if private.durable().is_some() && position >= resume {
            remedy = "the store refuses to start: restore the file from a copy, or give up the damage alone (bury), what lies behind it (cut) or before it (drop)";
        }
        let mut steps = Vec::new();
        // What begins in the middle of nowhere is buried from where the damage begins.
        steps.extend(next.map(|_| Step::BuryAt(position)));
        steps.push(Step::CutLogAt(position));
        let later = self.log.files.iter().find(|file| file.base() > position);
        if let Some(later) = later.filter(|later| next.is_some_and(|next| later.end() > next)) {
            steps.push(Step::DropLogBefore(later.base()));
        }
        findings.add_with(
            Severity::Lost,
            path,
            Some(position - base),
            format!("{until}: {reason}{short}"),
            remedy,
            &steps,
        );
    }

    /// Whatever lies behind the log's end.
    fn tell_remains(
        &self,
        end: u64,
        reason: &str,
        private: &Private,
        findings: &mut Findings,
    ) -> Result<(), InspectError> {
        let remains = look_behind(&self.log.files, end, u64::MAX)
            .map_err(InspectError::io("read", self.disk.display("commitlog")))?;
        if remains.end == end {
            return Ok(());
        }
        let path = self
            .log
            .files
            .iter()
            .find(|file| file.end() > end)
            .map_or_else(|| path_of(end), |file| file.path().to_owned());
        let message = format!(
            "the log ends at {end} ({reason}); {} bytes behind it are not zero and hold {} whole records",
            remains.end - end,
            remains.records
        );
        let closed = private
            .floor
            .is_some_and(|floor| floor.clean && floor.position == end);
        let offset = Some(self.offset_in_file(end));
        if self.clean() && closed {
            // A start after a clean stop does not look there, and a later crash might.
            findings.add_with(
                Severity::Repairable,
                &path,
                offset,
                message,
                "after a clean stop only zeros may lie there; cut them away",
                &[Step::CutLogAt(end)],
            );
        } else {
            findings.add(
                Severity::Expected,
                &path,
                offset,
                message,
                "a torn tail: the next start cuts it, and saves what holds whole records",
            );
        }
        Ok(())
    }

    /// Files whose length or place is wrong, as far as the log's end does not explain it.
    fn tell_lengths(&self, end: u64, private: &Private, findings: &mut Findings) {
        let last = self.log.files.last().map_or(0, |last| last.base());
        for odd in &self.log.odd {
            let unused = odd.base == last
                && odd.base > self.log.start()
                && odd.base >= end
                && odd.found < self.log.file_bytes
                && private.floor.is_none_or(|floor| floor.position <= odd.base);
            let message = format!(
                "it has {} bytes where a log file has {}",
                odd.found, self.log.file_bytes
            );
            if unused {
                let remedy =
                    "half made by a broker that died, and unused: the next start removes it";
                findings.add(
                    Severity::Expected,
                    &path_of(odd.base),
                    None,
                    message,
                    remedy,
                );
                continue;
            }
            let step = Step::CutLogAt(end.max(odd.base).min(odd.base + self.log.file_bytes));
            let steps = if odd.base == last {
                vec![step]
            } else {
                Vec::new()
            };
            findings.add_with(
                if end > odd.base && odd.found < end - odd.base {
                    Severity::Lost
                } else {
                    Severity::Repairable
                },
                &path_of(odd.base),
                Some(odd.found),
                message,
                "the store refuses to start with it; cutting the log at its end gives the newest file its length back",
                &steps,
            );
        }
        for base in &self.log.misplaced {
            findings.add(
                Severity::Repairable,
                &path_of(*base),
                None,
                format!(
                    "its name does not fit between files of {} bytes",
                    self.log.file_bytes
                ),
                "the store refuses to start with it; move it out of commitlog/",
            );
        }
    }
}

/// Messages that the log lacks between two that it has.
fn tell_gap(
    path: &str,
    position: u64,
    file_bytes: u64,
    start: u64,
    record: &RecordView<'_>,
    expected: u64,
    findings: &mut Findings,
) {
    let found = record.queue_offset();
    let place = format!("queue {} of topic {}", record.queue_id(), record.topic());
    let offset = Some((position - start) % file_bytes);
    if found.cast_unsigned() > expected {
        findings.add(
            Severity::Lost,
            path,
            offset,
            format!(
                "{} of {place} missing in front of log position {position}",
                messages(expected, found.cast_unsigned())
            ),
            "they are lost; the damage in front of it, if any, is told for itself",
        );
    } else {
        findings.add(
            Severity::Lost,
            path,
            offset,
            format!("the record at log position {position} says that it is message {found} of {place}, which goes on at {expected}"),
            "the queue cannot be built anew from such a log; leave its files as they are",
        );
    }
}
