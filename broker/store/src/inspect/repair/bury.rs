//! Burying damage in the middle of the log: exactly the damaged bytes are written over, so that all
//! messages before and behind stay. It promises that queue offsets have no hole where it can be told
//! which messages were lost: each of them leaves an empty message with its topic, queue and offset.
//! The rest becomes a record that no reader dispatches. It may not touch a valid record.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use mainstem_record::{BLANK_MAGIC, BLANK_MIN, NewRecord, Placement, RecordView, place, sys_flag};

use super::save::Saved;
use super::{Failed, Repair, failed};
use crate::commit_log::{Found, LogFile, Walker, next_candidate};
use crate::disk::OpenMode;
use crate::dispatch::{DispatchRecord, Marks, messages_of};
use crate::sync::Arc;

/// Topic of the record that fills what no message needs. It says that it was rolled back, and such
/// records get into no queue and no index.
pub(super) const PADDING_TOPIC: &str = "BURIED";
/// Property of a message that stands for a lost one; its value is the log position.
pub(super) const PROPERTY: &str = "BURIED";

type QueueKey = (String, i32);

/// One lost message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lost {
    topic: String,
    queue_id: i32,
    offset: u64,
}

/// What is to be buried and what it was.
pub(super) struct Grave {
    file: Arc<LogFile>,
    position: u64,
    /// Where the next record, or the next file, begins.
    limit: u64,
    lost: Vec<Lost>,
    /// Messages missing behind the damage that do not fit into it.
    unexplained: u64,
    store_timestamp_ms: i64,
    host: SocketAddr,
}

/// The next offset of each queue, and who wrote last, while the log is walked.
struct Known {
    next: HashMap<QueueKey, u64>,
    store_timestamp_ms: i64,
    host: SocketAddr,
}

impl Known {
    fn note(&mut self, record: &RecordView<'_>) {
        self.store_timestamp_ms = record.store_timestamp_ms();
        self.host = record.store_host();
        if let Some((key, offset)) = queue_place(record) {
            let dispatched = DispatchRecord::of(0, record);
            let messages = messages_of(&dispatched, &Marks::of(dispatched.properties));
            self.next.insert(key, offset + messages);
        }
    }

    /// Whether a record cannot be the next of its queue. That of a topic which was deleted may begin
    /// again at 0.
    fn contradicts(&self, record: &RecordView<'_>) -> bool {
        queue_place(record).is_some_and(|(key, offset)| {
            offset != 0 && self.next.get(&key).is_some_and(|next| *next != offset)
        })
    }
}

/// Queue and offset of a record, if it has them.
fn queue_place(record: &RecordView<'_>) -> Option<(QueueKey, u64)> {
    let kind = sys_flag::transaction_type(record.sys_flag());
    if kind == sys_flag::TRANSACTION_PREPARED || kind == sys_flag::TRANSACTION_ROLLBACK {
        return None;
    }
    let offset = u64::try_from(record.queue_offset()).ok()?;
    Some(((record.topic().to_owned(), record.queue_id()), offset))
}

impl Repair<'_> {
    /// What lies at a damaged position; why nothing can be buried there.
    pub(super) fn judge_bury(&self, position: u64) -> Result<Grave, String> {
        let io = |error: std::io::Error| error.to_string();
        let mut walker = Walker::new(&self.log.files);
        let Some(file) = walker.file_of(position).cloned() else {
            return Err(self.describe_log());
        };
        let floor = self.floor().map_err(|failed| failed.source.to_string())?;
        if let Some(floor) = floor.filter(|floor| floor.position <= position) {
            return Err(format!(
                "the log is durable up to {} only; what lies behind that is cut by the next start",
                floor.position
            ));
        }
        let mut known = Known {
            next: HashMap::new(),
            store_timestamp_ms: 0,
            host: ([127, 0, 0, 1], 10911).into(),
        };
        let mut at = self.log.start();
        while at < position {
            match walker.look(at).map_err(io)? {
                Found::Record(record) => {
                    known.note(&record);
                    at += record.total_size() as u64;
                }
                Found::Blank => at = walker.file_of(at).map_or(position, |file| file.end()),
                Found::Zeros | Found::Invalid(_) | Found::NoFile => {
                    at = self
                        .next_valid(at + 1)
                        .map_err(io)?
                        .unwrap_or(u64::MAX)
                        .min(
                            // Every file begins with a record.
                            if at < file.base() {
                                file.base()
                            } else {
                                u64::MAX
                            },
                        );
                }
            }
        }
        if at > position {
            return Err("neither a record nor damage begins there".to_owned());
        }
        let hint = match walker.look(position).map_err(io)? {
            // Nothing in itself says that it is wrong, but its queue does.
            Found::Record(record) if known.contradicts(&record) => None,
            Found::Record(_) | Found::Blank => {
                return Err("what lies there is valid".to_owned());
            }
            Found::Zeros | Found::NoFile => None,
            Found::Invalid(_) => self.hint(&file, position),
        };
        let Some(next) = self.next_valid(position + 1).map_err(io)? else {
            return Err(format!(
                "no valid record lies behind it, so there is nothing to keep: --cut-log-at {position}"
            ));
        };
        let mut grave = Grave {
            position,
            limit: next.min(file.end()),
            file,
            lost: Vec::new(),
            unexplained: 0,
            store_timestamp_ms: known.store_timestamp_ms,
            host: known.host,
        };
        self.find_lost(&mut grave, hint, &known.next, next)
            .map_err(io)?;
        // Said now, before anything is changed.
        grave.fill()?;
        Ok(grave)
    }

    /// The next position with a valid record.
    fn next_valid(&self, from: u64) -> std::io::Result<Option<u64>> {
        let end = self.log.end();
        let mut walker = Walker::new(&self.log.files);
        let mut position = from;
        loop {
            position = next_candidate(&self.log.files, position, end)?;
            if position >= end {
                return Ok(None);
            }
            if matches!(walker.look(position)?, Found::Record(_)) {
                return Ok(Some(position));
            }
            position += 1;
        }
    }

    /// What the damaged record itself still says: enough where only its body or properties are hurt.
    fn hint(&self, file: &LogFile, position: u64) -> Option<(Lost, u64)> {
        let mut head = [0; BLANK_MIN];
        file.read_into(position, &mut head).ok()?;
        let (size, _) = RecordView::peek_size_and_magic(&head)?;
        if u64::from(size) > file.end() - position {
            return None;
        }
        let mut bytes = vec![0; size as usize];
        file.read_into(position, &mut bytes).ok()?;
        let record = RecordView::parse(&bytes).ok()?;
        let ((topic, queue_id), offset) = queue_place(&record)?;
        let lost = Lost {
            topic,
            queue_id,
            offset,
        };
        Some((lost, position + u64::from(size)))
    }

    /// Finds out which messages lay there: what the damaged record says of itself, and what the
    /// queues miss behind it. Looks no further than the next damage.
    fn find_lost(
        &self,
        grave: &mut Grave,
        hint: Option<(Lost, u64)>,
        known: &HashMap<QueueKey, u64>,
        next: u64,
    ) -> std::io::Result<()> {
        let mut lost: BTreeMap<QueueKey, std::ops::Range<u64>> = BTreeMap::new();
        if let Some((hint, end)) = hint
            && end <= grave.limit
        {
            let key = (hint.topic, hint.queue_id);
            if known.get(&key).is_none_or(|next| *next == hint.offset) {
                lost.insert(key, hint.offset..hint.offset + 1);
            }
        }
        let mut seen = std::collections::HashSet::new();
        let mut walker = Walker::new(&self.log.files);
        let mut at = next;
        loop {
            match walker.look(at)? {
                Found::Record(record) => {
                    if let Some((key, offset)) = queue_place(&record)
                        && !seen.contains(&key)
                    {
                        if let Some(expected) = known.get(&key).filter(|next| **next < offset) {
                            lost.insert(key.clone(), *expected..offset);
                        }
                        seen.insert(key);
                    }
                    at += record.total_size() as u64;
                }
                Found::Blank => at = walker.file_of(at).map_or(u64::MAX, |file| file.end()),
                Found::Zeros | Found::Invalid(_) | Found::NoFile => break,
            }
        }
        let room = grave.limit - grave.position;
        let all = || {
            lost.iter().flat_map(|((topic, queue_id), offsets)| {
                offsets.clone().map(move |offset| Lost {
                    topic: topic.clone(),
                    queue_id: *queue_id,
                    offset,
                })
            })
        };
        let count: u64 = lost
            .values()
            .map(|offsets| offsets.end - offsets.start)
            .sum();
        // More than the damaged bytes can have held were lost elsewhere.
        let least = room / mainstem_record::MIN_RECORD_LEN as u64;
        if count <= least {
            grave.lost = all().collect();
            let needed: u64 = grave
                .lost
                .iter()
                .map(|lost| grave.stand_in(lost, 0).1)
                .sum();
            if needed <= room {
                return Ok(());
            }
            grave.lost.clear();
        }
        grave.unexplained = count;
        Ok(())
    }

    /// Writes over the damage.
    pub(super) fn bury(
        &self,
        position: u64,
        saved: &mut Saved<'_>,
        actions: &mut Vec<String>,
    ) -> Result<(), Failed> {
        let refused = |reason: String| {
            failed("bury damage in", self.disk.display("commitlog"))(std::io::Error::other(reason))
        };
        let grave = self.judge_bury(position).map_err(refused)?;
        // They know of messages that are not there any more.
        self.rebuild_queues(saved, actions)?;
        self.rebuild_index(saved, actions)?;
        let file = &grave.file;
        let shown = self.disk.display(file.path());
        let offset = position - file.base();
        let len = grave.limit - position;
        let mut old = vec![0; usize::try_from(len).unwrap_or(0)];
        file.read_into(position, &mut old)
            .map_err(failed("read", shown.clone()))?;
        let (copy, name) = saved.copy_of(&format!("{}.bytes-{offset}", file.path()))?;
        copy.write_at(&old, 0)
            .and_then(|()| copy.sync_data())
            .map_err(failed("save a part of", shown.clone()))?;
        saved.sync_name(&name)?;
        let bytes = grave.fill().map_err(refused)?;
        debug_assert_eq!(
            bytes.len() as u64,
            len,
            "exactly the damage is written over"
        );
        let open = self
            .disk
            .open(file.path(), OpenMode::ReadWrite)
            .map_err(failed("open", shown.clone()))?;
        open.write_at(&bytes, offset)
            .and_then(|()| open.sync_data())
            .map_err(failed("write to", shown))?;
        actions.push(format!(
            "buried {len} bytes of {} from byte {offset} on, log position {position}",
            file.path()
        ));
        for lost in &grave.lost {
            actions.push(format!(
                "message {} of queue {} of topic {} is lost; an empty one with property {PROPERTY} stands in its place",
                lost.offset, lost.queue_id, lost.topic
            ));
        }
        if grave.lost.is_empty() {
            actions.push(if grave.unexplained > 0 {
                format!(
                    "{} messages are missing behind it, more than can have lain there: their queue offsets stay empty",
                    grave.unexplained
                )
            } else {
                "no queue misses a message there".to_owned()
            });
        }
        Ok(())
    }
}

impl Grave {
    /// The message that stands for a lost one, with so many bytes of properties, and its length.
    fn stand_in(&self, lost: &Lost, properties: usize) -> (Vec<u8>, u64) {
        let text = format!("{PROPERTY}\x01{}\x02", self.position);
        let properties = if properties < text.len() {
            " ".repeat(properties)
        } else {
            let digits = properties - PROPERTY.len() - 2;
            format!("{PROPERTY}\x01{:0digits$}\x02", self.position)
        };
        self.record(&lost.topic, lost.queue_id, 0, b"", properties.as_bytes())
    }

    fn record(
        &self,
        topic: &str,
        queue_id: i32,
        sys_flag: i32,
        body: &[u8],
        properties: &[u8],
    ) -> (Vec<u8>, u64) {
        let record = NewRecord {
            topic,
            queue_id,
            flag: 0,
            sys_flag,
            born_timestamp_ms: self.store_timestamp_ms,
            born_host: self.host,
            store_host: self.host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body,
            properties,
        };
        let mut bytes = Vec::new();
        // Topics come from valid records, and all lengths are below those of the record replaced.
        match record.encode_into(&mut bytes) {
            Ok(len) => (bytes, len as u64),
            Err(_) => (Vec::new(), u64::MAX),
        }
    }

    /// The bytes that are written over the damage, exactly as many.
    fn fill(&self) -> Result<Vec<u8>, String> {
        let room = self.limit - self.position;
        let ends_file = self.limit == self.file.end();
        let text = (PROPERTY.len() + 2 + self.position.to_string().len()) as u64;
        let needed: u64 = self.lost.iter().map(|lost| self.stand_in(lost, 0).1).sum();
        let padding = self
            .record(PADDING_TOPIC, 0, sys_flag::TRANSACTION_ROLLBACK, b"", b"")
            .1;
        let rest_min = if ends_file { BLANK_MIN as u64 } else { padding };
        let mut slack = room.checked_sub(needed).ok_or("it is too small")?;
        let mut bytes = Vec::new();
        for (number, lost) in self.lost.iter().enumerate() {
            let is_last = number + 1 == self.lost.len();
            // A file ends with a blank.
            let spare = if ends_file {
                slack.saturating_sub(BLANK_MIN as u64)
            } else {
                slack
            };
            let mut properties = if spare >= text { text } else { 0 };
            if is_last && slack - properties < rest_min {
                properties = slack;
            }
            slack -= properties;
            let (mut record, _) = self.stand_in(lost, usize::try_from(properties).unwrap_or(0));
            self.put(&mut record, bytes.len(), lost.offset);
            bytes.append(&mut record);
        }
        if slack == 0 {
            return Ok(bytes);
        }
        if ends_file && slack >= BLANK_MIN as u64 {
            let size = u32::try_from(slack).map_err(|_| "it is longer than a log file")?;
            bytes.extend_from_slice(&size.to_be_bytes());
            bytes.extend_from_slice(&BLANK_MAGIC.to_be_bytes());
        } else if slack >= padding {
            let body = vec![0; usize::try_from(slack - padding).unwrap_or(0)];
            let (mut record, _) =
                self.record(PADDING_TOPIC, 0, sys_flag::TRANSACTION_ROLLBACK, &body, b"");
            self.put(&mut record, bytes.len(), 0);
            bytes.append(&mut record);
        } else {
            return Err(format!(
                "its {room} bytes are too few for a record; cut the log there instead"
            ));
        }
        bytes.resize(usize::try_from(room).unwrap_or(0), 0);
        Ok(bytes)
    }

    fn put(&self, record: &mut [u8], offset: usize, queue_offset: u64) {
        place(
            record,
            &Placement {
                queue_offset: queue_offset.cast_signed(),
                physical_offset: (self.position + offset as u64).cast_signed(),
                store_timestamp_ms: self.store_timestamp_ms,
            },
        );
    }
}
