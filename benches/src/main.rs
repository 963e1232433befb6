//! Benchmarks of Mainstem, run by name: `cargo run --release -p mainstem-benches -- NAME`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mainstem_benches::appends::{
    self, AppendArgs, FlushBytesArgs, RecycleArgs, ReserveArgs, RollArgs,
};
use mainstem_benches::copies::{self, CopiesArgs};
use mainstem_benches::instructions::{self, InstructionsArgs};
use mainstem_benches::kafka::explain::{self, ExplainArgs};
use mainstem_benches::layout::losses::{self, LossesArgs};
use mainstem_benches::layout::{self, LayoutArgs};
use mainstem_benches::locks::{self, LocksArgs};
use mainstem_benches::report::{self, ReportArgs};
use mainstem_benches::scale::{
    self, ColdReadersArgs, IdleArgs, ManyQueuesArgs, ManyTopicsArgs, ParkedArgs, RoutesArgs,
};
use mainstem_load::Load;

/// Measures Mainstem and what it is compared with
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// One log or a log per partition: write and read by the engines named, in turns
    Layout(LayoutArgs),
    /// Where a single log should lose: one cold topic of 64 is read, then half of the topics deleted
    Losses(LossesArgs),
    /// Show how a Kafka-style partition finds an offset: segment, index entry, scan
    Explain(ExplainArgs),
    /// Appends by the store alone, beside a plain copy and plain synced writes
    Append(AppendArgs),
    /// The latency of appends where one log file ends and the next begins
    Roll(RollArgs),
    /// What the device takes for each flush, over a whole log file
    FlushBytes(FlushBytesArgs),
    /// An append lock that copies the record against one that only reserves its place
    Reserve(ReserveArgs),
    /// The next log file made new against an expired one under a new name, and filling either
    Recycle(RecycleArgs),
    /// The append lock: spinning against parking, by threads, flush mode and size
    Locks(LocksArgs),
    /// Send a file to a socket by read and write, mmap, sendfile and splice
    Copies(CopiesArgs),
    /// Measure everything and write docs/benchmarks.md with its plots, or check what it says
    Report(ReportArgs),
    /// Send over 1 to 10,000 topics in turns
    ManyTopics(ManyTopicsArgs),
    /// 100,000 queues: rate, memory, disk, checkpoint, opening
    ManyQueues(ManyQueuesArgs),
    /// What 10,000 topics and 100 consumers cost while nobody sends
    Idle(IdleArgs),
    /// 10,000 pulls that wait: their cost, and how soon one wakes
    Parked(ParkedArgs),
    /// What readers of old data cost producers and tail consumers
    ColdReaders(ColdReadersArgs),
    /// Route queries to a name server, alone and during registrations
    Routes(RoutesArgs),
    /// Count instructions per message and compare them with those recorded (wants valgrind)
    Instructions(InstructionsArgs),
    /// Load a broker that is already running (the same as `mainstem bench`)
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
        Benchmark::Locks(args) => locks::run(&args)?,
        Benchmark::Copies(args) => copies::run(&args)?,
        Benchmark::Layout(args) => layout::run(&args)?,
        Benchmark::Append(args) => appends::append(&args)?,
        Benchmark::Roll(args) => appends::roll(&args)?,
        Benchmark::FlushBytes(args) => appends::flush_bytes(&args)?,
        Benchmark::Reserve(args) => appends::reserve(&args)?,
        Benchmark::Recycle(args) => appends::recycle(&args)?,
        Benchmark::Losses(args) => losses::run(&args)?,
        Benchmark::Explain(args) => print!("{}", explain::run(&args)?),
        Benchmark::Report(args) => report::run(&args)?,
        Benchmark::ManyTopics(args) => scale::many_topics(&args)?,
        Benchmark::ManyQueues(args) => scale::many_queues(&args)?,
        Benchmark::Idle(args) => scale::idle(&args)?,
        Benchmark::Parked(args) => scale::parked(&args)?,
        Benchmark::ColdReaders(args) => scale::cold_readers(&args)?,
        Benchmark::Routes(args) => scale::routes(&args)?,
        Benchmark::Instructions(args) => instructions::run(&args)?,
        Benchmark::Load(load) => println!("{}", mainstem_load::run(&load)?),
    }
    Ok(())
}
