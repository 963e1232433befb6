//! One log or a log per partition: the experiment. Engines under one trait, one workload over all of them, a sweep that
//! varies one factor at a time. Folder by folder: `engine` (the trait), `engines`, `workload` (a cell), `sweep`.

mod command;
pub mod engine;
mod engines;
pub mod losses;
pub mod sweep;
pub mod workload;

pub use command::{LayoutArgs, run};
pub use engine::{Engine, EngineKind, EngineOptions, Mode};
