//! The ways of sending a file: what each call does and how often a processor touches a byte. Promises that `send`
//! returns only when the socket has taken the whole range.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;

use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};

const CHUNK_BYTES: usize = 64 << 10;

/// A way of getting a file into a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Way {
    /// `read` into a buffer, `write` it: page cache to buffer, buffer to socket.
    ReadWrite,
    /// `write` out of a map of the file: page cache to socket, and a fault for each new page or folio.
    MmapWrite,
    /// `sendfile`: the socket refers to the page cache.
    SendFile,
    /// `splice` into a pipe and out of it: the same by hand.
    Splice,
}

/// In the order of the textbooks.
pub const ALL_WAYS: [Way; 4] = [Way::ReadWrite, Way::MmapWrite, Way::SendFile, Way::Splice];

impl Way {
    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadWrite => "read + write",
            Self::MmapWrite => "mmap + write",
            Self::SendFile => "sendfile",
            Self::Splice => "splice",
        }
    }

    /// How often the sending side's processor copies each byte of a warm file. The receiver's copy out of its socket
    /// comes on top and is the same for all; over loopback there is no network card that would take it by DMA.
    pub fn copies(self) -> u32 {
        match self {
            Self::ReadWrite => 2,
            Self::MmapWrite => 1,
            Self::SendFile | Self::Splice => 0,
        }
    }

    /// Sends the first `len` bytes of `file`.
    pub fn send(self, file: &File, len: u64, mut socket: &TcpStream) -> io::Result<()> {
        match self {
            Self::ReadWrite => {
                let mut buffer = vec![0; CHUNK_BYTES];
                let mut rest = file.take(len);
                loop {
                    match rest.read(&mut buffer)? {
                        0 => return Ok(()),
                        n => socket.write_all(&buffer[..n])?,
                    }
                }
            }
            Self::MmapWrite => {
                // SAFETY: the file is this benchmark's own temporary one; nobody changes or cuts it while it is mapped.
                let map = unsafe { memmap2::MmapOptions::new().len(len as usize).map(file)? };
                socket.write_all(&map)
            }
            Self::SendFile => {
                let mut position = 0;
                while position < len {
                    let rest = (len - position) as usize;
                    let sent = rustix::fs::sendfile(socket, file, Some(&mut position), rest)?;
                    if sent == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Ok(())
            }
            Self::Splice => {
                let (from_pipe, into_pipe) = pipe_with(PipeFlags::CLOEXEC)?;
                let mut position = 0;
                while position < len {
                    let want = (len - position).min(CHUNK_BYTES as u64) as usize;
                    let mut held = splice(
                        file,
                        Some(&mut position),
                        &into_pipe,
                        None,
                        want,
                        SpliceFlags::MOVE,
                    )?;
                    if held == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    while held > 0 {
                        held -= splice(&from_pipe, None, socket, None, held, SpliceFlags::MOVE)?;
                    }
                }
                Ok(())
            }
        }
    }
}
