//! The SDK against servers over real sockets: against fakes that misbehave as they are told (`producer`, `push`,
//! `pull_consumer`), and against a real name server and broker (`end_to_end`).

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub)]

mod end_to_end;
mod producer;
mod pull_consumer;
mod push;
mod support;
