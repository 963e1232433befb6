//! What a server is told: its limits and times, and what can go wrong when it starts to listen.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Limits and times of one listener.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Longest frame accepted, not counting its length word.
    pub max_frame_bytes: usize,
    /// Connections at a time; one more is closed at once.
    pub max_connections: usize,
    /// A connection without reads and writes for this long is closed.
    pub idle_timeout: Duration,
    /// Requests of one connection whose reply is held back or deferred; at the bound no more is read from it. Those that
    /// wait for something to happen ([`Deferred::waiting`](crate::remoting::Deferred::waiting)) do not count.
    pub max_in_flight_per_connection: usize,
    /// Bytes finished for one connection but not taken by its peer; at the bound no more is read from it.
    pub max_unsent_bytes_per_connection: usize,
    /// Bytes of requests that have not arrived whole, and again of replies that peers have not taken, over all connections.
    /// Without room a connection whose long request goes on is closed, and one with unsent replies is not read from.
    pub max_buffered_bytes: usize,
    /// A peer that takes none of the bytes that wait for it for this long loses its connection. The kernel tells of
    /// what a peer took in lumps of up to a few megabytes, so this must leave the slowest good peer time for one.
    pub slow_reader_timeout: Duration,
    /// Handed to every connection as [`Connection::listener_tag`](crate::remoting::Connection::listener_tag).
    pub listener_tag: u32,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            max_frame_bytes: 16_777_216,
            max_connections: 65_536,
            idle_timeout: Duration::from_secs(120),
            max_in_flight_per_connection: 65_536,
            max_unsent_bytes_per_connection: 16 << 20,
            max_buffered_bytes: 1 << 30,
            slow_reader_timeout: Duration::from_secs(30),
            listener_tag: 0,
        }
    }
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {source}{}", remedy(source))]
pub struct BindError {
    /// The address asked for.
    pub addr: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; stop the process that listens there, or choose another port",
        io::ErrorKind::AddrNotAvailable => "; choose an address of this machine",
        io::ErrorKind::PermissionDenied => "; choose a port of 1024 or above",
        _ => "",
    }
}
