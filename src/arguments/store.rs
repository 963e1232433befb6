//! Arguments of `mainstem store`: the directory, what to check or show, which repairs to make.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;

#[derive(Clone, Debug, Args)]
pub(crate) struct Store {
    #[command(subcommand)]
    pub(crate) action: StoreAction,
}

/// The directory and the sizes of its files; common to all actions on a store.
#[derive(Clone, Debug, Args)]
pub(crate) struct StoreDirectory {
    /// The data directory, as storePathRootDir names it
    pub(crate) dir: PathBuf,
    /// The broker's configuration file, where its file sizes (mappedFileSizeCommitLog, mappedFileSizeConsumeQueue, maxHashSlotNum,
    /// maxIndexNum) or delay levels are not the defaults. Without it the sizes of log and queue files are told from the files
    #[arg(long, short = 'c', value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set one of these keys, over the file; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum StoreAction {
    /// Verify every file and say what is wrong, where, how bad it is, and how to repair it. Changes nothing.
    ///
    /// Exit code 0: sound; 1: something is wrong; 2: it cannot be checked.
    Check {
        #[command(flatten)]
        directory: StoreDirectory,
        /// Output
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show what the files hold: records of the log unless told otherwise. Changes nothing
    Dump(StoreDump),
    /// Do what `store check` proposed, and nothing else; whatever is removed is first saved in DIR/mainstem/repair-TIME
    Repair(StoreRepair),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StoreDump {
    #[command(flatten)]
    pub(crate) directory: StoreDirectory,
    /// Begin at this log position (records) or queue offset (queue entries)
    #[arg(long, value_name = "N")]
    pub(crate) from: Option<u64>,
    /// Show at most so many
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Only records of this topic
    #[arg(long)]
    pub(crate) topic: Option<String>,
    /// Only records of this queue
    #[arg(long, value_name = "ID")]
    pub(crate) queue: Option<i32>,
    /// The entries of a queue instead of records
    #[arg(long, num_args = 2, value_names = ["TOPIC", "QUEUE"], group = "part")]
    pub(crate) queue_entries: Option<Vec<String>>,
    /// The files of the key index, and with --entries what is in them
    #[arg(long, group = "part")]
    pub(crate) index: bool,
    /// With --index: every entry
    #[arg(long, requires = "index")]
    pub(crate) entries: bool,
    /// The durable floor
    #[arg(long, group = "part")]
    pub(crate) floor: bool,
    /// The snapshot of the queues
    #[arg(long, group = "part")]
    pub(crate) snapshot: bool,
    /// The journal: topics, groups, offsets, deletions
    #[arg(long, group = "part")]
    pub(crate) journal: bool,
    /// Output; json is an object a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("steps").required(true).multiple(true))]
pub(crate) struct StoreRepair {
    #[command(flatten)]
    pub(crate) directory: StoreDirectory,
    /// Remove the log from this position on, where a record or damage begins: every later message is given up
    #[arg(long, value_name = "POSITION", group = "steps")]
    pub(crate) cut_log_at: Option<u64>,
    /// Write over the damage that begins at this position: what lay there is given up, nothing before or behind it. May be given more than once
    #[arg(long, value_name = "POSITION", group = "steps")]
    pub(crate) bury_at: Vec<u64>,
    /// Remove the log files before this one, named by the position where it begins: every earlier message is given up
    #[arg(long, value_name = "POSITION", group = "steps")]
    pub(crate) drop_log_before: Option<u64>,
    /// Have all consume queues built anew from the log at the next start
    #[arg(long, group = "steps")]
    pub(crate) rebuild_queues: bool,
    /// Have the key index built anew from the log at the next start
    #[arg(long, group = "steps")]
    pub(crate) rebuild_index: bool,
    /// Give up the journal: topics, groups and offsets come from config/*.json then, as they were exported last
    #[arg(long, group = "steps")]
    pub(crate) drop_journal: bool,
    /// Move files in config/ away that are no JSON
    #[arg(long, group = "steps")]
    pub(crate) drop_config: bool,
    /// Output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}
