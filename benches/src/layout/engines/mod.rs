//! The contestants behind the trait, one file each.

mod control;
mod kafka;
mod mainstem;

use std::io;
use std::path::Path;

use super::engine::{Engine, EngineKind, EngineOptions};
use control::{ControlEngine, Placement};
use kafka::KafkaEngine;
use mainstem::MainstemEngine;

pub(super) fn open(
    kind: EngineKind,
    dir: &Path,
    options: &EngineOptions,
) -> io::Result<Box<dyn Engine>> {
    std::fs::create_dir_all(dir)?;
    Ok(match kind {
        EngineKind::Mainstem => Box::new(MainstemEngine::open(dir, options)?),
        EngineKind::Kafka => Box::new(KafkaEngine::open(dir, options, false)?),
        EngineKind::KafkaSyncfs => Box::new(KafkaEngine::open(dir, options, true)?),
        EngineKind::ControlOne => Box::new(ControlEngine::open(dir, options, Placement::One)?),
        EngineKind::ControlMany => {
            Box::new(ControlEngine::open(dir, options, Placement::PerPartition)?)
        }
    })
}
