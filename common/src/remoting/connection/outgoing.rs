//! Bytes on their way to a socket: heads and small bodies in one buffer, large bodies as chunks that stand between them
//! and are never copied: shared memory, or ranges of files that the kernel sends. One wake-up's frames leave in one
//! write, vectored when there are chunks; a range of a file takes a call of its own.

use super::transfer::{FileRange, Transfer};
use bytes::{Buf, Bytes};
use rustix::net::SendFlags;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;

/// Bodies up to this size are copied behind their head; larger ones are worth an entry in a vectored write.
const INLINE_BODY_BYTES: usize = 2048;
/// Slices per vectored write, well below the system's IOV_MAX of 1024.
const SLICES_PER_WRITE: usize = 128;
/// Inline memory kept after everything is written.
const KEEP_INLINE_BYTES: usize = 1 << 20;

#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    inline: Vec<u8>,
    /// Inline bytes that the socket has taken.
    written: usize,
    chunks: VecDeque<Chunk>,
    chunk_bytes: usize,
}

#[derive(Debug)]
struct Chunk {
    /// The inline position that this chunk stands before.
    at: usize,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Shared(Bytes),
    File { range: FileRange, bytes: usize },
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Data::Shared(bytes) => bytes.len(),
            Data::File { bytes, .. } => *bytes,
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Data::Shared(bytes) => bytes.advance(count),
            Data::File { range, bytes } => {
                range.offset += count as u64;
                *bytes -= count;
            }
        }
    }
}

/// Where a frame begins, for cutting it off again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    inline: usize,
    chunks: usize,
}

impl Outgoing {
    pub(crate) fn is_empty(&self) -> bool {
        self.written == self.inline.len() && self.chunks.is_empty()
    }

    pub(crate) fn unsent_bytes(&self) -> usize {
        self.inline.len() - self.written + self.chunk_bytes
    }

    /// The buffer whose end is where the next head goes.
    pub(crate) fn inline(&mut self) -> &mut Vec<u8> {
        &mut self.inline
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            inline: self.inline.len(),
            chunks: self.chunks.len(),
        }
    }

    /// Cuts off everything behind `mark`; nothing may have been written since it was taken.
    pub(crate) fn cut(&mut self, mark: Mark) {
        self.inline.truncate(mark.inline);
        while self.chunks.len() > mark.chunks {
            if let Some(chunk) = self.chunks.pop_back() {
                self.chunk_bytes -= chunk.data.len();
            }
        }
    }

    /// The inline bytes behind `mark`: the whole frame, if it has no chunks.
    pub(crate) fn inline_since(&self, mark: Mark) -> &[u8] {
        &self.inline[mark.inline..]
    }

    /// Appends bytes to the body: a copy of a few, or the shared bytes themselves.
    pub(crate) fn push_body(&mut self, body: Bytes) {
        if body.len() <= INLINE_BODY_BYTES {
            self.inline.extend_from_slice(&body);
        } else {
            self.push_chunk(Data::Shared(body));
        }
    }

    fn push_chunk(&mut self, data: Data) {
        self.chunk_bytes += data.len();
        self.chunks.push_back(Chunk {
            at: self.inline.len(),
            data,
        });
    }

    /// Appends the parts of a body in the way of `transfer`; few bytes are copied in any.
    pub(crate) fn push_parts<P: AsRef<[u8]> + Send + 'static>(
        &mut self,
        parts: Vec<P>,
        transfer: &Transfer<P>,
    ) {
        match transfer {
            Transfer::Copy => {
                for part in parts {
                    self.inline.extend_from_slice(part.as_ref());
                }
            }
            Transfer::Memory => {
                for part in parts {
                    self.push_shared(part);
                }
            }
            Transfer::File(range_of) => self.push_ranges(parts, *range_of),
        }
    }

    /// As [`push_body`](Self::push_body) for bytes that are not shared yet: shares only what is not copied.
    fn push_shared<P: AsRef<[u8]> + Send + 'static>(&mut self, part: P) {
        let bytes = part.as_ref();
        if bytes.len() <= INLINE_BODY_BYTES {
            self.inline.extend_from_slice(bytes);
        } else {
            self.push_chunk(Data::Shared(Bytes::from_owner(part)));
        }
    }

    /// Parts that follow one another in one file are sent as one range of it.
    fn push_ranges<P: AsRef<[u8]> + Send + 'static>(
        &mut self,
        parts: Vec<P>,
        range_of: fn(&P) -> Option<FileRange>,
    ) {
        let mut run: Vec<P> = Vec::new();
        let mut in_file: Option<(FileRange, usize)> = None;
        for part in parts {
            let (len, range) = (part.as_ref().len(), range_of(&part));
            let follows = match (&in_file, &range) {
                (Some((first, bytes)), Some(range)) => range.follows(first, *bytes),
                _ => false,
            };
            if !follows {
                self.push_run(&mut run, in_file.take());
                in_file = range.map(|range| (range, 0));
            }
            if let Some((_, bytes)) = &mut in_file {
                *bytes += len;
            }
            run.push(part);
        }
        self.push_run(&mut run, in_file);
    }

    fn push_run<P: AsRef<[u8]> + Send + 'static>(
        &mut self,
        run: &mut Vec<P>,
        in_file: Option<(FileRange, usize)>,
    ) {
        match in_file {
            Some((range, bytes)) if bytes > INLINE_BODY_BYTES => {
                run.clear();
                self.push_chunk(Data::File { range, bytes });
            }
            _ => {
                for part in run.drain(..) {
                    self.push_shared(part);
                }
            }
        }
    }

    /// Moves all of `other` behind what is here; `other` keeps its memory for the next use.
    pub(crate) fn append(&mut self, other: &mut Outgoing) {
        debug_assert_eq!(
            other.written, 0,
            "only what no socket has seen can be moved"
        );
        let base = self.inline.len();
        self.inline.extend_from_slice(&other.inline);
        self.chunk_bytes += other.chunk_bytes;
        self.chunks
            .extend(other.chunks.drain(..).map(|chunk| Chunk {
                at: base + chunk.at,
                ..chunk
            }));
        other.clear();
    }

    /// Writes until everything is gone (`Ready`) or the socket takes no more; either way `taken` grows by the bytes
    /// that it took.
    pub(crate) fn poll_write(
        &mut self,
        stream: &mut TcpStream,
        context: &mut Context<'_>,
        taken: &mut usize,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let written = match self.chunks.front() {
                None => Pin::new(&mut *stream).poll_write(context, &self.inline[self.written..]),
                Some(Chunk {
                    at,
                    data: Data::File { range, bytes },
                }) => {
                    let head = &self.inline[self.written..*at];
                    poll_write_range(stream, context, head, range, *bytes)
                }
                Some(_) => self.poll_write_vectored(stream, context),
            };
            match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    *taken += count;
                    self.advance(count);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.forget_written();
                    return Poll::Pending;
                }
            }
        }
        self.clear();
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        &self,
        stream: &mut TcpStream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
        let mut count = 0;
        let mut inline_from = self.written;
        let mut chunks = self.chunks.iter();
        // Each round adds at most two slices.
        while count + 2 <= SLICES_PER_WRITE {
            let chunk = chunks.next();
            let shared = match chunk {
                None => None,
                Some(Chunk {
                    data: Data::Shared(bytes),
                    ..
                }) => Some(bytes),
                // The head that belongs to it goes with it.
                Some(_) => break,
            };
            let inline_to = chunk.map_or(self.inline.len(), |chunk| chunk.at);
            if inline_from < inline_to {
                slices[count] = IoSlice::new(&self.inline[inline_from..inline_to]);
                count += 1;
                inline_from = inline_to;
            }
            let Some(bytes) = shared else { break };
            slices[count] = IoSlice::new(bytes);
            count += 1;
        }
        Pin::new(stream).poll_write_vectored(context, &slices[..count])
    }

    /// Steps over `count` bytes that the socket took.
    fn advance(&mut self, mut count: usize) {
        while let Some(chunk) = self.chunks.front_mut() {
            let inline = count.min(chunk.at - self.written);
            self.written += inline;
            count -= inline;
            if self.written < chunk.at {
                debug_assert_eq!(count, 0);
                return;
            }
            let of_chunk = count.min(chunk.data.len());
            self.chunk_bytes -= of_chunk;
            count -= of_chunk;
            if of_chunk < chunk.data.len() {
                chunk.data.advance(of_chunk);
                debug_assert_eq!(count, 0);
                return;
            }
            self.chunks.pop_front();
        }
        self.written += count;
        debug_assert!(self.written <= self.inline.len());
    }

    /// Gives back the front of the inline buffer once most of it is written: a peer that reads slowly but is always
    /// being answered would otherwise let it grow without end.
    fn forget_written(&mut self) {
        if self.written > self.inline.len() / 2 {
            self.inline.drain(..self.written);
            for chunk in &mut self.chunks {
                chunk.at -= self.written;
            }
            self.written = 0;
        }
    }

    fn clear(&mut self) {
        self.inline.clear();
        self.written = 0;
        self.chunk_bytes = 0;
        self.chunks.clear();
        if self.inline.capacity() > KEEP_INLINE_BYTES {
            self.inline = Vec::new();
        }
    }
}

/// Writes what of the head is left, told to wait for more; after that the range.
fn poll_write_range(
    stream: &TcpStream,
    context: &mut Context<'_>,
    head: &[u8],
    range: &FileRange,
    bytes: usize,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(context))?;
        let written = stream.try_io(Interest::WRITABLE, || {
            if head.is_empty() {
                let mut offset = range.offset;
                Ok(rustix::fs::sendfile(
                    stream,
                    &*range.file,
                    Some(&mut offset),
                    bytes,
                )?)
            } else {
                let flags = SendFlags::MORE | SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
                Ok(rustix::net::send(stream, head, flags)?)
            }
        });
        match written {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            other => return Poll::Ready(other),
        }
    }
}
