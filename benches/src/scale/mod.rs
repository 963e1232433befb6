//! How the broker and the name server bear numbers: many topics, many queues, many waiting consumers, old data, many
//! routes. Every command starts processes of its own, takes its contestants in turns and prints a Markdown table with
//! the machine; nothing here runs inside the process that is measured.

mod cold_readers;
mod frames;
mod group;
mod idle;
mod many_queues;
mod many_topics;
mod parked;
mod process;
mod routes;

use std::io;
use std::path::{Path, PathBuf};

pub use cold_readers::{ColdReadersArgs, run as cold_readers};
pub use idle::{IdleArgs, run as idle};
pub use many_queues::{ManyQueuesArgs, run as many_queues};
pub use many_topics::{ManyTopicsArgs, run as many_topics};
use many_topics::{load, produce};
pub use parked::{ParkedArgs, run as parked};
pub use process::{NameServerProcess, Standalone};
pub use routes::{RoutesArgs, run as routes};

use crate::measure::{Machine, Scratch};

/// What every command here needs.
#[derive(Debug, Clone, clap::Args)]
pub struct Place {
    /// The program to start; unless given the `mainstem` beside this one (`cargo build --release`)
    #[arg(long)]
    mainstem: Option<PathBuf>,
    /// Directory for the data, which is removed at the end
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

impl Place {
    fn program(&self) -> io::Result<PathBuf> {
        let program = match &self.mainstem {
            Some(program) => program.clone(),
            None => std::env::current_exe()?.with_file_name("mainstem"),
        };
        if program.is_file() {
            return Ok(program);
        }
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "there is no {}; build it with `cargo build --release`, or name one with --mainstem",
                program.display()
            ),
        ))
    }

    fn scratch(&self, name: &str) -> io::Result<Scratch> {
        Scratch::new(
            self.dir
                .join(format!("mainstem-{name}-{}", std::process::id())),
        )
    }

    /// The first line of every table's page.
    fn machine(&self) -> String {
        format!("{}\n", Machine::describe(&self.dir))
    }
}

/// Files so small that a run's first GiB is not what it measures; the layout is the default's otherwise.
const SMALL_INDEX: [&str; 2] = ["maxHashSlotNum=500000", "maxIndexNum=2000000"];

/// Bytes that everything below a directory takes on disk, MiB.
fn disk_mib(dir: &Path) -> io::Result<f64> {
    Ok(crate::measure::disk_usage(dir)? as f64 / f64::from(1 << 20))
}

/// Puts every file out of the page cache of the whole machine; says so when it may not.
fn drop_all_caches() -> io::Result<()> {
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "3").map_err(|e| {
        io::Error::new(
            e.kind(),
            format!("the page cache cannot be emptied, which needs root: {e}"),
        )
    })
}
