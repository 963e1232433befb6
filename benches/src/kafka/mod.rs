//! Kafka's storage layout, built as well as its format allows: a directory per topic-partition, segments named by base
//! offset, record batches of format v2, sparse offset and time indexes. It exists to be compared with the single log;
//! Kafka's own tools read its files. From the inside out: `varint`, `batch`, `index`, `segment`, `partition`, `log_dir`.

pub mod batch;
pub mod explain;
pub mod index;
pub mod log_dir;
pub mod open_files;
pub mod partition;
pub mod segment;
pub mod varint;
