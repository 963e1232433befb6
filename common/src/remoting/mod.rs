//! RocketMQ's remoting protocol and its transport: frames, heads, typed headers, a server and a client. It knows how
//! commands travel and nothing of what they mean to a broker or a name server, which plug in as a [`Service`].
//!
//! A reader may go in the order in which bytes do: `frame`, `head`, `headers`, `connection`, `server`, `client`.

mod client;
pub mod code;
mod command;
mod connection;
pub mod frame;
pub mod head;
pub mod headers;
mod language;
mod server;

pub use client::{ClientConfig, NoPeerRequests, PeerAnswer, PeerRequests, RemotingClient};
pub use command::Command;
pub use connection::{
    CallCause, CallError, Connection, Deferred, DeferredReply, Durability, FileRange, Replies,
    ReplyWriter, Transfer,
};
pub use frame::FrameError;
pub use head::{Ext, HeadError, HeaderError, Request};
pub use headers::ExtFields;
pub use language::Language;
pub use server::{BindError, Server, ServerConfig, Service};
