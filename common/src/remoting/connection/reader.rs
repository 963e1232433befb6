//! Reading: whatever the socket has, into memory that the thread's connections share, so that an idle connection owns
//! no read buffer. Only the start of a frame whose rest has not come yet is kept with its connection.

use crate::remoting::frame::{self, FrameError};
use crate::remoting::head::Scratch;
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::net::TcpStream;

use super::budget::{Budget, NoRoom};
use super::outgoing::Outgoing;

/// Bytes that one read asks for.
const READ_BYTES: usize = 256 * 1024;
/// The start of a frame up to this size moves into the shared buffer and back; a longer one is gathered in place.
const MOVED_PARTIAL_BYTES: usize = 16 * 1024;
/// Room that a long frame has at least before each of its reads.
const MIN_GATHER_BYTES: usize = 16 * 1024;
/// Memory for the start of a frame that a connection keeps while it is not quiet.
const KEEP_PARTIAL_BYTES: usize = 8 * 1024;

/// The memory that a thread lends to the connection whose turn it is.
pub(crate) struct Lent {
    read: Box<[u8]>,
    pub(crate) out: Outgoing,
    head: Scratch,
}

thread_local! {
    static LENT: Cell<Option<Box<Lent>>> = const { Cell::new(None) };
}

impl Lent {
    pub(crate) fn take() -> Box<Lent> {
        LENT.take().unwrap_or_else(|| {
            Box::new(Lent {
                read: vec![0; READ_BYTES].into_boxed_slice(),
                out: Outgoing::default(),
                head: Scratch::new(),
            })
        })
    }

    /// The parts that one read uses.
    pub(crate) fn for_reading(&mut self) -> (&mut [u8], &mut Scratch) {
        (&mut self.read, &mut self.head)
    }

    pub(crate) fn give_back(self: Box<Self>) {
        debug_assert!(self.out.is_empty());
        LENT.set(Some(self));
    }
}

/// The bytes of a frame that is not complete yet.
#[derive(Debug, Default)]
pub(crate) struct Partial {
    bytes: Vec<u8>,
    /// Length of the whole frame, if its words have arrived.
    needed: Option<usize>,
    /// What it holds of the budget of unfinished requests; only long ones count.
    share: usize,
}

impl Partial {
    /// Gives back its share of the budget, at the end.
    pub(crate) fn end(&mut self, budget: &Budget) {
        budget.note(&mut self.share, 0);
    }

    /// Gives back memory that is not in use.
    pub(crate) fn trim(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Reads once and hands every byte that is there, old ones first, to `decode`, which returns how many it used:
    /// whole frames. `Ready(0)` is the end of the stream.
    pub(crate) fn poll_read<E: From<io::Error> + From<FrameError> + From<NoRoom>>(
        &mut self,
        stream: &mut TcpStream,
        context: &mut Context<'_>,
        read: &mut [u8],
        max_frame_bytes: usize,
        budget: &Budget,
        decode: impl FnOnce(&[u8]) -> Result<usize, E>,
    ) -> Poll<Result<usize, E>> {
        if self.needed.unwrap_or(0) > MOVED_PARTIAL_BYTES {
            return self.poll_gather(stream, context, max_frame_bytes, budget, decode);
        }
        let old = self.bytes.len();
        read[..old].copy_from_slice(&self.bytes);
        let mut buffer = ReadBuf::new(&mut read[old..]);
        ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
        let count = buffer.filled().len();
        if count > 0 {
            self.bytes.clear();
            let bytes = &read[..old + count];
            let used = decode(bytes)?;
            self.keep(&bytes[used..], max_frame_bytes)?;
        }
        Poll::Ready(Ok(count))
    }

    /// Reads the rest of a long frame in place. Memory grows with what has arrived, not with what was announced.
    fn poll_gather<E: From<io::Error> + From<FrameError> + From<NoRoom>>(
        &mut self,
        stream: &mut TcpStream,
        context: &mut Context<'_>,
        max_frame_bytes: usize,
        budget: &Budget,
        decode: impl FnOnce(&[u8]) -> Result<usize, E>,
    ) -> Poll<Result<usize, E>> {
        let needed = self.needed.unwrap_or(0);
        let missing = needed.saturating_sub(self.bytes.len());
        let room = self.bytes.capacity() - self.bytes.len();
        if room < missing.min(MIN_GATHER_BYTES) {
            let more = missing.min(self.bytes.len().max(READ_BYTES));
            budget.resize(&mut self.share, self.bytes.len() + more)?;
            self.bytes.reserve_exact(more);
        }
        let count = ready!(pin!(stream.read_buf(&mut self.bytes)).poll(context))?;
        if self.bytes.len() >= needed && count > 0 {
            let bytes = std::mem::take(&mut self.bytes);
            budget.note(&mut self.share, 0);
            let used = decode(&bytes)?;
            self.keep(&bytes[used..], max_frame_bytes)?;
        }
        Poll::Ready(Ok(count))
    }

    fn keep(&mut self, rest: &[u8], max_frame_bytes: usize) -> Result<(), FrameError> {
        self.needed = frame::needed(rest, max_frame_bytes)?;
        if self.bytes.capacity() > KEEP_PARTIAL_BYTES {
            self.bytes = Vec::new();
        }
        self.bytes.extend_from_slice(rest);
        Ok(())
    }
}
