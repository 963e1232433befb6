//! Writing a snapshot, queue by queue, with one buffer for all. The snapshot exists once
//! [`SnapshotWriter::finish`] has returned, and not before.

use std::io;

use super::{DIRECTORY, End, Frame, Head, MAGIC, QueueState, TEMPORARY, VERSION, frame, path_of};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::sync::Arc;

/// Queues of one frame at most.
const FRAME_QUEUES: usize = 1024;
/// A frame is closed when its tails have so many bytes.
const FRAME_TAIL_BYTES: usize = 1 << 20;

/// A snapshot being written.
#[derive(Debug)]
pub(crate) struct SnapshotWriter<'a> {
    disk: &'a dyn Disk,
    file: Arc<dyn DiskFile>,
    head: Head,
    buffer: Vec<u8>,
    position: u64,
    queues: Vec<QueueState>,
    tail_bytes: usize,
    count: u64,
}

impl<'a> SnapshotWriter<'a> {
    /// Begins a snapshot.
    pub(crate) fn begin(disk: &'a dyn Disk, head: Head) -> io::Result<Self> {
        disk.create_dir_all(DIRECTORY)?;
        let file = disk.open(TEMPORARY, OpenMode::Create)?;
        file.set_len(0)?;
        let mut buffer = Vec::new();
        buffer.extend_from_slice(MAGIC);
        buffer.extend_from_slice(&VERSION.to_be_bytes());
        let mut writer = Self {
            disk,
            file,
            head,
            buffer,
            position: 0,
            queues: Vec::new(),
            tail_bytes: 0,
            count: 0,
        };
        writer.write(&Frame::Head(head))?;
        Ok(writer)
    }

    /// Adds a queue.
    pub(crate) fn add(&mut self, queue: QueueState) -> io::Result<()> {
        self.tail_bytes += queue.tail.len();
        self.queues.push(queue);
        self.count += 1;
        if self.queues.len() >= FRAME_QUEUES || self.tail_bytes >= FRAME_TAIL_BYTES {
            self.write_queues()?;
        }
        Ok(())
    }

    fn write_queues(&mut self) -> io::Result<()> {
        self.tail_bytes = 0;
        let queues = std::mem::take(&mut self.queues);
        self.write(&Frame::Queues(queues))
    }

    fn write(&mut self, content: &Frame) -> io::Result<()> {
        frame::encode(content, &mut self.buffer).map_err(io::Error::other)?;
        self.file.write_at(&self.buffer, self.position)?;
        self.position += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Makes the snapshot durable in the place of the one before the last; returns its bytes.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        self.write_queues()?;
        let queues = self.count;
        self.write(&Frame::End(End { queues }))?;
        self.file.sync_data()?;
        self.disk.rename(TEMPORARY, &path_of(self.head.sequence))?;
        self.disk.sync_dir(DIRECTORY)?;
        Ok(self.position)
    }
}
