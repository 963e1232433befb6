//! Whole-system tests: the real binary, real sockets and files, free ports and temporary directories. Each file holds the behaviour of
//! one part as a person meets it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_starts;
mod configuration;
mod connections;
mod disk_full;
mod durability;
mod lifecycle;
mod memory;
mod pipes;
mod readiness;
mod real_input;
mod separate;
mod support;
mod topics;
