//! The work of a whole broker: its binary runs under callgrind, and the load comes from another process. One connection
//! with a window keeps what arrives with a wake-up, and so the count, nearly the same from run to run.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{InstructionsArgs, callgrind, counted, missing_valgrind, scratch};

/// Messages that each run of pulls reads.
pub(super) const STORED: u64 = 1_000;

/// Sends so many messages, `batch` in a request.
pub(super) fn sends(args: &InstructionsArgs, messages: u64, batch: u32) -> io::Result<u64> {
    let (messages, batch) = (messages.to_string(), batch.to_string());
    count(args, |load| {
        load.run(&[
            "produce", "--create", "--window", "32", "--count", &messages, "--batch", &batch,
        ])
    })
}

/// Pulls everything so many times.
pub(super) fn pulls(args: &InstructionsArgs, times: u64) -> io::Result<u64> {
    let stored = STORED.to_string();
    count(args, |load| {
        load.run(&["produce", "--create", "--window", "32", "--count", &stored])?;
        for _ in 0..times {
            load.run(&["consume"])?;
        }
        Ok(())
    })
}

/// Loads a broker.
struct Load<'a> {
    binary: &'a Path,
    broker: String,
}

impl Load<'_> {
    fn run(&self, args: &[&str]) -> io::Result<()> {
        let (kind, rest) = args.split_at(1);
        let output = Command::new(self.binary)
            .arg("bench")
            .args(kind)
            .args(["--broker", &self.broker, "--connections", "1"])
            .args(rest)
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(io::Error::other(format!("the load failed: {text}")))
    }
}

fn count(
    args: &InstructionsArgs,
    load: impl FnOnce(&Load<'_>) -> io::Result<()>,
) -> io::Result<u64> {
    let binary = binary(args)?;
    let dir = scratch(&args.dir)?;
    let mut server = callgrind(&binary)
        .args(["standalone", "--data-dir"])
        .arg(dir.path().join("data"))
        .args(["--namesrv-port", "0", "--broker-port", "0"])
        .args(["--fast-port", "off", "--set", "flushDiskType=ASYNC_FLUSH"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing_valgrind)?;
    let loaded = address(&mut server).and_then(|broker| {
        load(&Load {
            binary: &binary,
            broker,
        })
    });
    if let Some(pid) = Pid::from_raw(server.id().cast_signed()) {
        // It is ours and not yet waited for, so the number is still its own.
        kill_process(pid, Signal::TERM)?;
    }
    let output = server.wait_with_output()?;
    loaded?;
    counted(&output)
}

/// Reads on until the server says that it is ready; returns where its broker listens.
fn address(server: &mut Child) -> io::Result<String> {
    let mut broker = None;
    if let Some(stdout) = server.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("broker"), Some(address)) => broker = Some(address.to_owned()),
                (Some("ready"), _) => break,
                _ => {}
            }
        }
    }
    broker.ok_or_else(|| io::Error::other("the broker ended before it was ready"))
}

fn binary(args: &InstructionsArgs) -> io::Result<PathBuf> {
    let path = match &args.binary {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("mainstem"),
    };
    if path.is_file() {
        return Ok(path);
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        format!(
            "there is no broker at {}: build it (cargo build --release) or name it with --binary",
            path.display()
        ),
    ))
}
