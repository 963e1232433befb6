//! A client that is nothing but a socket: sends frames, good and bad, and reads what comes back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::{Bytes, BytesMut};
use mainstem_common::remoting::Command;

use super::PATIENCE;

/// A connection.
pub(crate) struct BareClient {
    pub(crate) socket: TcpStream,
}

impl BareClient {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> BareClient {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        BareClient { socket }
    }

    /// Sends bytes as they are; false if the server has closed the connection.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// Sends a request and reads its answer; `None` if the server closed instead.
    pub(crate) fn call(&mut self, command: &Command) -> Option<Command> {
        let mut frame = BytesMut::new();
        command.encode(&mut frame);
        if !self.send(&frame) {
            return None;
        }
        self.read()
    }

    /// Reads one frame; `None` if the server closed.
    pub(crate) fn read(&mut self) -> Option<Command> {
        let mut length = [0; 4];
        self.socket.read_exact(&mut length).ok()?;
        let mut frame = length.to_vec();
        let rest = usize::try_from(u32::from_be_bytes(length)).unwrap();
        frame.resize(4 + rest, 0);
        self.socket.read_exact(&mut frame[4..]).ok()?;
        Some(Command::decode(Bytes::from(frame)).unwrap())
    }

    /// Waits until the server closes; anything that it still sends is dropped.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }
}

/// The first bytes of a frame that announces more than any server takes.
pub(crate) fn oversized_prefix() -> Vec<u8> {
    let mut bytes = u32::MAX.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[0; 16]);
    bytes
}
