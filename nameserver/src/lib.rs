//! Mainstem's name server: which broker holds which topic, and where it listens. It keeps five tables in memory, fed by the
//! brokers' registrations, and answers clients from them; name servers do not know each other, and nothing but the
//! key-value configuration is kept on disk.
//!
//! Queries read the tables from any connection and never wait for a change. Changes are made one after the other by one
//! thread (`changes`), which alone holds the right to change the tables.

mod changes;
mod config;
mod kv;
mod server;
mod service;
mod tables;

pub use config::{NameServerConfig, OnChange};
pub use kv::KvError;
pub use server::{NameServer, StartError};
