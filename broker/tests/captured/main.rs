//! Requests that were captured on their way to the real broker, replayed to this one: the replies have the same codes
//! and the same ext fields, and of pulls the same numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod conversations;
mod errors;
mod frames;
#[path = "../support/mod.rs"]
mod support;
