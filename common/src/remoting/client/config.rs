//! The client's limits and times.

use std::time::Duration;

/// Limits and times of a [`RemotingClient`](super::RemotingClient).
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Making one connection, name lookup included.
    pub connect_timeout: Duration,
    /// First pause after a failed connect; it doubles with each failure. Calls within a pause fail at once.
    pub min_backoff: Duration,
    /// Longest pause after failed connects.
    pub max_backoff: Duration,
    /// A connection without reads and writes for this long is closed; the next call makes a new one.
    pub idle_timeout: Duration,
    /// A server that takes none of the bytes that wait for it for this long loses its connection.
    pub slow_reader_timeout: Duration,
    /// Longest frame accepted or sent, not counting its length word.
    pub max_frame_bytes: usize,
    /// Request bytes under way to one address before callers must wait; each call counts at least 1 KiB.
    pub window_bytes: usize,
    /// Bytes queued for one connection before callers must wait.
    pub max_unsent_bytes_per_connection: usize,
    /// Requests of one server that may wait for their answer; at the bound no more is read from it.
    pub max_peer_requests_per_connection: usize,
    /// How long [`RemotingClient::close`](super::RemotingClient::close) lets calls finish.
    pub close_grace: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            connect_timeout: Duration::from_secs(3),
            min_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(120),
            slow_reader_timeout: Duration::from_secs(30),
            max_frame_bytes: 16_777_216,
            window_bytes: 32 << 20,
            max_unsent_bytes_per_connection: 16 << 20,
            max_peer_requests_per_connection: 1024,
            close_grace: Duration::from_secs(5),
        }
    }
}
