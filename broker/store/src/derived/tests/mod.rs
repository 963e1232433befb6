//! The derived part over a simulated disk and a log that is just bytes: whatever is lost, the log
//! and what is left give every queue, unit and key back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod deletion;
mod expiry;
mod harness;
mod loss;
mod power;
mod pressure;
