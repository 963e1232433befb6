//! Benchmarks of Mainstem, run by name.
fn main() {}
