//! The one binary, `mainstem`. Reads arguments, hands each subcommand to its file in `commands/`, and turns what comes back into an
//! exit code; everything else is the libraries' work.

mod arguments;
mod commands;
mod failure;
mod input;
mod log;
mod output;
mod server;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use failure::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.into_command() {
        Command::Standalone(arguments) => commands::standalone::run(&arguments),
        Command::Nameserver(arguments) => commands::nameserver::run(&arguments),
        Command::Broker(arguments) => commands::broker::run(&arguments),
        Command::Topic(arguments) => commands::topic::run(&arguments),
        Command::Produce(arguments) => commands::produce::run(&arguments),
        Command::Consume(arguments) => commands::consume::run(&arguments),
        Command::Status(arguments) => commands::status::run(&arguments),
        Command::Config(arguments) => commands::config::run(&arguments),
        Command::Bench(load) => commands::bench::run(&load),
        Command::Store(arguments) => commands::store::run(&arguments),
    }
}
