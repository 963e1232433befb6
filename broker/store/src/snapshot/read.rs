//! Reading the newest whole snapshot of a directory. Damage is told once, and the older snapshot
//! is taken instead.

use std::io;

use super::{End, Frame, Head, MAGIC, QueueState, VERSION, frame, path_of};
use crate::disk::{Disk, DiskFile, OpenMode};

const FILE_HEAD_BYTES: usize = MAGIC.len() + 4;

/// Loads the newest whole snapshot that belongs to `owner`; hands its queues to `take`, after all
/// of them are known to be intact.
///
/// # Errors
/// When the disk refuses. Damage is no error: `None` then.
pub(crate) fn load(
    disk: &dyn Disk,
    owner: u64,
    mut take: impl FnMut(&Head, QueueState),
) -> io::Result<Option<Head>> {
    let mut heads: Vec<Head> = Vec::new();
    for slot in 0..2 {
        match head_of(disk, &path_of(slot)) {
            Ok(Some(head)) if head.owner == owner => heads.push(head),
            Ok(_) => {}
            Err(reason) => report(disk, &path_of(slot), &reason),
        }
    }
    heads.sort_unstable_by_key(|head| std::cmp::Reverse(head.sequence));
    for head in heads {
        let path = path_of(head.sequence);
        // Twice over the file rather than all queues in memory twice.
        let whole = read(disk, &path, &mut |_| {})
            .and_then(|()| read(disk, &path, &mut |queue| take(&head, queue)));
        match whole {
            Ok(()) => return Ok(Some(head)),
            Err(reason) => report(disk, &path, &reason),
        }
    }
    Ok(None)
}

/// Reads one of the two files, whoever it belongs to, and hands its queues to `take`; `None` when
/// there is none. The error says what is damaged.
pub(crate) fn look(
    disk: &dyn Disk,
    slot: u64,
    take: &mut dyn FnMut(QueueState),
) -> Result<Option<Head>, String> {
    let path = path_of(slot);
    let head = head_of(disk, &path)?;
    if head.is_some() {
        read(disk, &path, take)?;
    }
    Ok(head)
}

fn report(disk: &dyn Disk, path: &str, reason: &str) {
    tracing::error!(file = %disk.display(path), reason, "snapshot of the consume queues cannot be used; an older one or the log takes its place");
}

struct Frames {
    file: crate::sync::Arc<dyn DiskFile>,
    position: u64,
    content: Vec<u8>,
}

impl Frames {
    /// `None` when there is no such file.
    fn open(disk: &dyn Disk, path: &str) -> Result<Option<Self>, String> {
        let file = match disk.open(path, OpenMode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| error.to_string())?,
        };
        let mut head = [0; FILE_HEAD_BYTES];
        file.read_exact_at(&mut head, 0)
            .map_err(|error| error.to_string())?;
        if head.strip_prefix(MAGIC) != Some(VERSION.to_be_bytes().as_slice()) {
            return Err("it is no snapshot of this version".to_owned());
        }
        Ok(Some(Self {
            file,
            position: FILE_HEAD_BYTES as u64,
            content: Vec::new(),
        }))
    }

    fn next(&mut self) -> Result<Frame, String> {
        let at = self.position;
        let damaged = || format!("frame at byte {at} is damaged");
        let mut head = [0; frame::FRAME_HEAD_BYTES];
        self.file
            .read_exact_at(&mut head, at)
            .map_err(|error| error.to_string())?;
        let (len, crc) = frame::head(head).ok_or_else(damaged)?;
        let position = at + frame::FRAME_HEAD_BYTES as u64;
        let left = self
            .file
            .len()
            .map_err(|error| error.to_string())?
            .saturating_sub(position);
        if len as u64 > left {
            return Err(damaged());
        }
        self.content.resize(len, 0);
        self.file
            .read_exact_at(&mut self.content, position)
            .map_err(|error| error.to_string())?;
        self.position = position + len as u64;
        frame::decode(&self.content, crc).ok_or_else(damaged)
    }
}

fn head_of(disk: &dyn Disk, path: &str) -> Result<Option<Head>, String> {
    let Some(mut frames) = Frames::open(disk, path)? else {
        return Ok(None);
    };
    match frames.next()? {
        Frame::Head(head) => Ok(Some(head)),
        _ => Err("it does not begin with its head".to_owned()),
    }
}

fn read(disk: &dyn Disk, path: &str, take: &mut dyn FnMut(QueueState)) -> Result<(), String> {
    let mut frames = Frames::open(disk, path)?.ok_or("it is gone")?;
    let mut count = 0;
    loop {
        match frames.next()? {
            Frame::Head(_) => {}
            Frame::Queues(queues) => {
                count += queues.len() as u64;
                queues.into_iter().for_each(&mut *take);
            }
            Frame::End(End { queues }) if queues == count => return Ok(()),
            Frame::End(End { queues }) => {
                return Err(format!("it holds {count} of {queues} queues"));
            }
        }
    }
}
