//! Mainstem's benchmarks: storage layouts side by side, the ways of sending a file, locks, and the load generator.
//! Everything here measures and prints; nothing here is needed to run a broker.

pub mod kafka;
