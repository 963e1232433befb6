//! The guard against getting slower: instructions per message of encoding, appending, sending and pulling, counted by
//! valgrind's callgrind, which a busy machine does not disturb, and compared with those of a file kept in the repository.
//! Promises that what is counted is one message's work: start and stop are in both of two runs that are subtracted.

mod server;
mod store;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::measure::Scratch;
use crate::table::Table;

/// Where the figures of this version are kept, from the repository's root.
const RECORDED: &str = "benches/instructions.json";

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Case {
    /// A record from a message's parts
    Encode,
    /// One message into a store, asynchronously, dispatched to its queue and the key index
    Append,
    /// One message in a request of its own, from socket to socket
    Send,
    /// One message of a batch of 32
    Batch,
    /// One message of a pull of 32
    Pull,
}

const CASES: [Case; 5] = [
    Case::Encode,
    Case::Append,
    Case::Send,
    Case::Batch,
    Case::Pull,
];

impl Case {
    fn name(self) -> &'static str {
        match self {
            Self::Encode => "encode",
            Self::Append => "append",
            Self::Send => "send",
            Self::Batch => "batch",
            Self::Pull => "pull",
        }
    }

    /// The whole run's instructions, with so many times of the work.
    fn count(self, args: &InstructionsArgs, times: u64) -> io::Result<u64> {
        match self {
            Self::Encode | Self::Append => {
                let program = std::env::current_exe()?;
                let mut run = callgrind(&program);
                run.args(["instructions", "--dir"]).arg(&args.dir);
                run.args(["--body", self.name(), "--times", &times.to_string()]);
                counted(&run.output().map_err(missing_valgrind)?)
            }
            Self::Send => server::sends(args, times, 1),
            Self::Batch => server::sends(args, times, 32),
            Self::Pull => server::pulls(args, times),
        }
    }

    /// Few and many times, whose difference is divided by the messages between them.
    fn runs(self) -> ([u64; 2], u64) {
        match self {
            Self::Encode | Self::Append => ([1_000, 11_000], 10_000),
            Self::Send => ([1_000, 6_000], 5_000),
            Self::Batch => ([3_200, 19_200], 16_000),
            Self::Pull => ([1, 11], 10 * server::STORED),
        }
    }
}

/// How to count.
#[derive(Debug, Clone, clap::Args)]
pub struct InstructionsArgs {
    /// Keep the figures as those of this version
    #[arg(long)]
    write: bool,
    /// The file that keeps them
    #[arg(long, default_value = RECORDED)]
    file: PathBuf,
    /// The broker's binary; that beside this program unless given
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Only these
    #[arg(long, value_delimiter = ',')]
    case: Vec<Case>,
    /// Directory for the data, which is removed after each run
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Do one case's work instead of counting it
    #[arg(long, hide = true, requires = "times")]
    body: Option<Case>,
    #[arg(long, hide = true)]
    times: Option<u64>,
}

/// What the file keeps.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Recorded {
    /// What made the machine code and ran it: figures of another are not comparable to the last percent.
    toolchain: String,
    per_message: BTreeMap<String, u64>,
}

/// Counts, and prints each figure beside the recorded one.
///
/// # Errors
/// When valgrind, the broker's binary or the file is missing, or a run fails.
pub fn run(args: &InstructionsArgs) -> io::Result<()> {
    if let (Some(body), Some(times)) = (args.body, args.times) {
        return match body {
            Case::Encode => store::encode(times),
            Case::Append => store::append(&args.dir, times),
            other => Err(io::Error::other(format!(
                "{} is done by a broker, not by this program",
                other.name()
            ))),
        };
    }
    let mut recorded = read(&args.file)?;
    let toolchain = toolchain()?;
    println!("counted with {toolchain}");
    if !recorded.toolchain.is_empty() && recorded.toolchain != toolchain {
        println!(
            "recorded with {}: differences of some percent may be the tools'",
            recorded.toolchain
        );
    }
    let mut table = Table::new(["instructions a message", "recorded", "now", "change"]);
    for case in CASES {
        if !args.case.is_empty() && !args.case.contains(&case) {
            continue;
        }
        let ([few, many], messages) = case.runs();
        let count = (case
            .count(args, many)?
            .saturating_sub(case.count(args, few)?))
            / messages;
        let before = recorded
            .per_message
            .insert(case.name().to_owned(), count)
            .filter(|before| *before > 0);
        let change = before.map_or(String::new(), |before| {
            format!("{:+.1} %", (count as f64 / before as f64 - 1.0) * 100.0)
        });
        table.row([
            case.name().to_owned(),
            before.map_or(String::new(), |before| before.to_string()),
            count.to_string(),
            change,
        ]);
    }
    print!("{table}");
    if args.write {
        recorded.toolchain = toolchain;
        let mut text = serde_json::to_string_pretty(&recorded)?;
        text.push('\n');
        std::fs::write(&args.file, text).map_err(|e| naming("write", &args.file, &e))?;
        println!("kept in {}", args.file.display());
    }
    Ok(())
}

fn naming(action: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot {action} {}: {error}", path.display()),
    )
}

fn read(path: &Path) -> io::Result<Recorded> {
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|e| naming("read", path, &e.into())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Recorded::default()),
        Err(e) => Err(naming("read", path, &e)),
    }
}

/// A command that runs `program` under callgrind and says on standard error what it counted.
fn callgrind(program: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program);
    command
}

fn missing_valgrind(error: io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot run valgrind: {error}; install it (Debian: apt-get install valgrind)"),
    )
}

/// The count that callgrind printed.
fn counted(output: &Output) -> io::Result<u64> {
    let text = String::from_utf8_lossy(&output.stderr);
    let count = text
        .lines()
        .filter_map(|line| line.split_once("Collected :"))
        .find_map(|(_, count)| count.trim().parse().ok());
    match count {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(io::Error::other(format!(
            "a run under callgrind failed ({}): {}",
            output.status,
            text.lines().last().unwrap_or("it said nothing")
        ))),
    }
}

fn toolchain() -> io::Result<String> {
    let line = |output: Output| {
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .next()
            .unwrap_or("an unknown version")
            .to_owned()
    };
    let valgrind = Command::new("valgrind")
        .arg("--version")
        .output()
        .map_err(missing_valgrind)?;
    let rustc = Command::new("rustc").arg("--version").output();
    Ok(format!(
        "{}, {}, {}",
        line(valgrind),
        rustc.map_or_else(|_| "an unknown rustc".to_owned(), line),
        std::env::consts::ARCH
    ))
}

/// A directory of one run's own.
fn scratch(dir: &Path) -> io::Result<Scratch> {
    Scratch::new(dir.join(format!("mainstem-instructions-{}", std::process::id())))
}
