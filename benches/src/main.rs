//! Benchmarks of Mainstem, run by name: `cargo run --release -p mainstem-benches -- NAME`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mainstem_benches::copies::{self, CopiesArgs};
use mainstem_benches::load::{self, Load};

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
    /// Load a broker that is already running
    #[command(subcommand)]
    Load(Load),
}

fn main() -> ExitCode {
    match run(Args::parse().benchmark) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(benchmark: Benchmark) -> Result<(), Box<dyn std::error::Error>> {
    match benchmark {
        Benchmark::Copies(args) => copies::run(&args)?,
        Benchmark::Load(load) => println!("{}", load::run(&load)?),
    }
    Ok(())
}
