//! Benchmarks of Mainstem, run by name: `cargo run --release -p mainstem-benches -- NAME`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mainstem_benches::copies::{self, CopiesArgs};

/// Measures Mainstem and what it is compared with
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// Send a file to a socket by read and write, mmap, sendfile and splice
    Copies(CopiesArgs),
}

fn main() -> ExitCode {
    let outcome = match Args::parse().benchmark {
        Benchmark::Copies(args) => copies::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}
