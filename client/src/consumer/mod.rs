//! Consumers.

mod allocation;
mod process_queue;
mod pull;
mod start;
mod subscription;

pub use start::ConsumeFrom;
pub use subscription::Filter;
