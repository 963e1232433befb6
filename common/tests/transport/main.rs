//! The transport over real sockets: a server and raw peers, a client and servers, and what misbehaving ones get.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bad_peers;
mod client;
mod durability;
mod limits;
mod pipelining;
mod shutdown;
mod support;
