//! Bytes on their way to a socket: heads and small bodies in one buffer, large bodies as shared chunks that stand
//! between them and are never copied. One wake-up's frames leave in one write, vectored when there are chunks.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
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
    bytes: Bytes,
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
                self.chunk_bytes -= chunk.bytes.len();
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
            self.chunk_bytes += body.len();
            self.chunks.push_back(Chunk {
                at: self.inline.len(),
                bytes: body,
            });
        }
    }

    /// Does the same for bytes that are not shared yet, and shares only what is not copied.
    pub(crate) fn push_part<P: AsRef<[u8]> + Send + 'static>(&mut self, part: P) {
        let bytes = part.as_ref();
        if bytes.len() <= INLINE_BODY_BYTES {
            self.inline.extend_from_slice(bytes);
        } else {
            self.push_body(Bytes::from_owner(part));
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
            let written = if self.chunks.is_empty() {
                Pin::new(&mut *stream).poll_write(context, &self.inline[self.written..])
            } else {
                self.poll_write_vectored(stream, context)
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
            let inline_to = chunk.map_or(self.inline.len(), |chunk| chunk.at);
            if inline_from < inline_to {
                slices[count] = IoSlice::new(&self.inline[inline_from..inline_to]);
                count += 1;
                inline_from = inline_to;
            }
            let Some(chunk) = chunk else { break };
            slices[count] = IoSlice::new(&chunk.bytes);
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
            let of_chunk = count.min(chunk.bytes.len());
            self.chunk_bytes -= of_chunk;
            count -= of_chunk;
            if of_chunk < chunk.bytes.len() {
                chunk.bytes.advance(of_chunk);
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
