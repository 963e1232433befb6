//! One blocking connection: writes what it is given, reads complete responses, waits no longer than it is told.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mainstem_common::remoting::frame;
use mainstem_common::remoting::head::{Request, Scratch, decode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::LoadError;

/// A broker that says nothing for so long while answers are due has failed.
const SILENCE: Duration = Duration::from_secs(60);
const READ_BYTES: usize = 256 << 10;
const MAX_FRAME_BYTES: usize = 64 << 20;

/// A connection to a broker or name server.
#[derive(Debug)]
pub struct Connection {
    broker: String,
    socket: TcpStream,
    received: Vec<u8>,
    parsed: usize,
    scratch: Scratch,
    answers: u64,
    last_heard: Instant,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn open(broker: &str) -> Result<Self, LoadError> {
        let connect = || -> io::Result<TcpStream> {
            let socket = TcpStream::connect(broker)?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(SILENCE))?;
            Ok(socket)
        };
        let socket = connect().map_err(|cause| LoadError::Connect {
            broker: broker.to_owned(),
            cause,
        })?;
        Ok(Self {
            broker: broker.to_owned(),
            socket,
            received: Vec::new(),
            parsed: 0,
            scratch: Scratch::new(),
            answers: 0,
            last_heard: Instant::now(),
        })
    }

    /// Writes frames as they are.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn send(&mut self, frames: &[u8]) -> Result<(), LoadError> {
        self.socket.write_all(frames).map_err(|e| self.failed(e))
    }

    /// Hands every response that has arrived to `each`; waits for at least one byte until `until` (`None`: as long as
    /// answers are due at all). Returns the number of responses.
    ///
    /// # Errors
    /// When the connection is broken, silent for long, or sends what is no frame.
    pub fn receive(
        &mut self,
        until: Option<Instant>,
        mut each: impl FnMut(&Request<'_>),
    ) -> Result<usize, LoadError> {
        let mut count = self.parse(&mut each)?;
        if count > 0 {
            return Ok(count);
        }
        if let Some(until) = until
            && !self.readable(until).map_err(|e| self.failed(e))?
        {
            let silent = self.last_heard.elapsed() > SILENCE;
            return if silent {
                Err(self.failed(io::ErrorKind::TimedOut.into()))
            } else {
                Ok(0)
            };
        }
        self.received.drain(..self.parsed);
        self.parsed = 0;
        let filled = self.received.len();
        self.received.resize(filled + READ_BYTES, 0);
        let outcome = self.socket.read(&mut self.received[filled..]);
        self.received
            .truncate(filled + *outcome.as_ref().unwrap_or(&0));
        match outcome {
            Ok(0) => Err(self.failed(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the broker closed it",
            ))),
            Ok(_) => {
                self.last_heard = Instant::now();
                count += self.parse(&mut each)?;
                Ok(count)
            }
            Err(e) => Err(self.failed(e)),
        }
    }

    fn readable(&self, until: Instant) -> io::Result<bool> {
        let wait = until.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: wait.as_secs() as i64,
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        Ok(poll(&mut fds, Some(&timeout))? > 0)
    }

    fn parse(&mut self, each: &mut impl FnMut(&Request<'_>)) -> Result<usize, LoadError> {
        let mut count = 0;
        loop {
            let rest = &self.received[self.parsed..];
            let parts = match frame::split(rest, MAX_FRAME_BYTES) {
                Ok(Some(parts)) => parts,
                Ok(None) => break,
                Err(e) => return Err(self.failed(io::Error::other(e))),
            };
            let length = parts.length;
            match decode(parts.head_type, parts.header, parts.body, &mut self.scratch) {
                // Requests of the broker's own (notices to consumers) are not for us.
                Ok(response) if response.is_response() => {
                    count += 1;
                    each(&response);
                }
                Ok(_) => {}
                Err(e) => return Err(self.failed(io::Error::other(e))),
            }
            self.parsed += length;
        }
        self.answers += count as u64;
        if self.parsed == self.received.len() {
            self.received.clear();
            self.parsed = 0;
        }
        Ok(count)
    }

    /// One request, one answer: its code and remark. `write` is given the buffer and the opaque.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn call(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>, i32),
    ) -> Result<(i32, String), LoadError> {
        let mut out = Vec::new();
        write(&mut out, i32::MAX);
        self.send(&out)?;
        let mut answer = None;
        while answer.is_none() {
            self.receive(None, |r| {
                answer = Some((r.code, r.remark.unwrap_or_default().to_owned()))
            })?;
        }
        Ok(answer.unwrap_or_default())
    }

    fn failed(&self, cause: io::Error) -> LoadError {
        LoadError::Connection {
            broker: self.broker.clone(),
            done: self.answers,
            cause,
        }
    }
}
