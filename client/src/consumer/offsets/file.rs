//! The offsets of a broadcast consumer in a file of this machine. The file is replaced whole, so that a crash leaves the
//! old one or the new one.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use mainstem_common::protocol::MessageQueue;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::error::ConsumeError;

/// A file of offsets, read once and written when they change.
#[derive(Debug)]
pub(crate) struct OffsetFile {
    path: PathBuf,
    offsets: Mutex<BTreeMap<MessageQueue, i64>>,
}

/// The file's form: `[{"topic":"t","broker":"b","queue":0,"offset":12}]`.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    topic: String,
    broker: String,
    queue: i32,
    offset: i64,
}

impl OffsetFile {
    /// Reads the file, or starts with none.
    pub(crate) fn open(path: PathBuf) -> Result<Self, ConsumeError> {
        let fail = |cause: String| ConsumeError::LocalOffsets {
            path: path.display().to_string(),
            cause,
        };
        let lines: Vec<Line> = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| fail(error.to_string()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(fail(error.to_string())),
        };
        let offsets = lines
            .into_iter()
            .map(|line| {
                (
                    MessageQueue::new(line.topic, line.broker, line.queue),
                    line.offset,
                )
            })
            .collect();
        Ok(Self {
            path,
            offsets: Mutex::new(offsets),
        })
    }

    pub(crate) fn get(&self, queue: &MessageQueue) -> Option<i64> {
        self.offsets.lock().get(queue).copied()
    }

    /// Takes the changed offsets in and replaces the file.
    pub(crate) async fn write(&self, changed: &[(MessageQueue, i64)]) -> Result<(), ConsumeError> {
        let lines: Vec<Line> = {
            let mut offsets = self.offsets.lock();
            offsets.extend(changed.iter().cloned());
            offsets
                .iter()
                .map(|(queue, offset)| Line {
                    topic: queue.topic.clone(),
                    broker: queue.broker_name.clone(),
                    queue: queue.queue_id,
                    offset: *offset,
                })
                .collect()
        };
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || replace(&path, &lines)).await;
        written
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(|error| ConsumeError::LocalOffsets {
                path: self.path.display().to_string(),
                cause: error.to_string(),
            })
    }
}

fn replace(path: &Path, lines: &[Line]) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let unfinished = path.with_extension("tmp");
    let mut file = std::fs::File::create(&unfinished)?;
    serde_json::to_writer(&mut file, lines)?;
    file.flush()?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn offsets_are_found_again_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("group").join("offsets.json");
        let queue = |id| MessageQueue::new("t", "b", id);
        let file = OffsetFile::open(path.clone()).unwrap();
        assert_eq!(file.get(&queue(0)), None);
        file.write(&[(queue(0), 5), (queue(1), 7)]).await.unwrap();
        file.write(&[(queue(0), 6)]).await.unwrap();
        let again = OffsetFile::open(path).unwrap();
        assert_eq!(
            (
                again.get(&queue(0)),
                again.get(&queue(1)),
                again.get(&queue(2))
            ),
            (Some(6), Some(7), None)
        );
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("offsets.json");
        std::fs::write(&path, "{").unwrap();
        let error = OffsetFile::open(path).unwrap_err().to_string();
        assert!(error.contains("offsets.json"), "{error}");
    }
}
