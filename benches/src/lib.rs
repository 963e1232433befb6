//! Mainstem's benchmarks: storage layouts side by side, the ways of sending a file, locks, and the report over them.
//! Everything here measures and prints; nothing here is needed to run a broker.

pub mod appends;
pub mod ceilings;
pub mod copies;
pub mod group_flush;
pub mod instructions;
pub mod kafka;
pub mod layout;
pub mod locks;
pub mod measure;
pub mod plot;
pub mod record;
pub mod report;
pub mod results;
pub mod scale;
pub mod table;
