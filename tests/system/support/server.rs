//! A running server process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, mainstem};

/// A server that has printed its banner.
pub(crate) struct Server {
    child: Child,
    banner: Vec<String>,
    log: PathBuf,
    _directory: Option<tempfile::TempDir>,
}

/// How to start one.
pub(crate) struct Start {
    command: Command,
    directory: Option<tempfile::TempDir>,
    log: PathBuf,
}

impl Start {
    /// `standalone` on free ports, with data in this directory.
    pub(crate) fn standalone(data_dir: &Path) -> Start {
        let mut start = Start::of("standalone", data_dir);
        start
            .command
            .args(["--namesrv-port", "0", "--broker-port", "0", "--data-dir"])
            .arg(data_dir);
        start.small_store()
    }

    /// `standalone` on the ports that another one had.
    pub(crate) fn standalone_like(data_dir: &Path, other: &Server) -> Start {
        let mut start = Start::of("standalone", data_dir);
        let ports = [
            other.name_server().port().to_string(),
            other.broker().port().to_string(),
        ];
        start
            .command
            .args([
                "--namesrv-port",
                &ports[0],
                "--broker-port",
                &ports[1],
                "--data-dir",
            ])
            .arg(data_dir);
        start.small_store()
    }

    /// `broker` on a free port.
    pub(crate) fn broker(data_dir: &Path, name: &str, name_servers: &str) -> Start {
        let mut start = Start::of("broker", data_dir);
        start
            .command
            .args([
                "--broker-port",
                "0",
                "--name",
                name,
                "--namesrv",
                name_servers,
                "--data-dir",
            ])
            .arg(data_dir);
        start.small_store()
    }

    /// `nameserver` on a free port.
    pub(crate) fn name_server() -> Start {
        Start::name_server_at("127.0.0.1:0")
    }

    /// `nameserver` at this address.
    pub(crate) fn name_server_at(address: &str) -> Start {
        let directory = tempfile::tempdir().unwrap();
        let mut start = Start::of("nameserver", directory.path());
        start.command.args(["--listen", address]);
        start.directory = Some(directory);
        start
    }

    fn of(subcommand: &str, directory: &Path) -> Start {
        let mut command = mainstem();
        command.arg(subcommand);
        let log = log_directory(directory).join(format!("{subcommand}-{}.log", unique()));
        Start {
            command,
            directory: None,
            log,
        }
    }

    /// A subcommand with nothing but what the test adds.
    pub(crate) fn bare(subcommand: &str, directory: &Path) -> Start {
        Start::of(subcommand, directory)
    }

    /// Files of a few MiB, so that tests do not allocate a GiB each.
    fn small_store(self) -> Start {
        self.set("mappedFileSizeCommitLog=33554432")
            .set("maxHashSlotNum=50000")
            .set("maxIndexNum=200000")
    }

    /// Adds `--set`.
    pub(crate) fn set(mut self, assignment: &str) -> Start {
        self.command.args(["--set", assignment]);
        self
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, args: &[&str]) -> Start {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Start {
        self.command.env(name, value);
        self
    }

    /// Keeps its log in this directory, where that beside the data would be in the way.
    pub(crate) fn log_in(mut self, directory: &Path) -> Start {
        self.log = directory.join(format!("server-{}.log", unique()));
        self
    }

    /// Starts it and kills it so soon after.
    pub(crate) fn killed_after(mut self, time: std::time::Duration) {
        let mut child = self
            .command
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&self.log).unwrap())
            .spawn()
            .unwrap();
        std::thread::sleep(time);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts it and waits for `ready`.
    pub(crate) fn ready(self) -> Server {
        match self.outcome() {
            Ok(server) => server,
            Err((status, log)) => {
                panic!("the server ended with {status} before it was ready:\n{log}")
            }
        }
    }

    /// Starts it, which must fail, and gives exit status and log.
    pub(crate) fn fails(self) -> (ExitStatus, String) {
        match self.outcome() {
            Ok(server) => panic!("the server started:\n{}", server.banner.join("\n")),
            Err(failure) => failure,
        }
    }

    /// Starts it; if it ends before `ready`, its exit status and log.
    pub(crate) fn outcome(mut self) -> Result<Server, (ExitStatus, String)> {
        let log_file = std::fs::File::create(&self.log).unwrap();
        let mut child = self
            .command
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut banner = Vec::new();
        let started = Instant::now();
        loop {
            match lines.recv_timeout(PATIENCE.saturating_sub(started.elapsed())) {
                Ok(line) => {
                    let is_last = line.starts_with("ready");
                    banner.push(line);
                    if is_last {
                        break;
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let status = child.wait().unwrap();
                    return Err((status, std::fs::read_to_string(&self.log).unwrap()));
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let _ = child.kill();
                    panic!(
                        "not ready after {PATIENCE:?}:\n{}",
                        std::fs::read_to_string(&self.log).unwrap()
                    );
                }
            }
        }
        Ok(Server {
            child,
            banner,
            log: self.log,
            _directory: self.directory,
        })
    }
}

impl Server {
    /// What it printed.
    pub(crate) fn banner(&self) -> String {
        self.banner.join("\n")
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The first word of a line of the banner, behind its name.
    fn fact(&self, name: &str) -> String {
        let value = self
            .banner
            .iter()
            .find_map(|line| line.trim_start().strip_prefix(name));
        let value = value.and_then(|value| value.split_whitespace().next());
        value
            .unwrap_or_else(|| panic!("no {name} in\n{}", self.banner()))
            .to_owned()
    }

    /// Where its name server listens.
    pub(crate) fn name_server(&self) -> SocketAddr {
        self.fact("name server ").parse().unwrap()
    }

    /// Where its broker listens.
    pub(crate) fn broker(&self) -> SocketAddr {
        self.fact("broker ").parse().unwrap()
    }

    /// A client command of this name server.
    pub(crate) fn client(&self, args: &[&str]) -> Command {
        let mut command = mainstem();
        command
            .args(args)
            .args(["--namesrv", &self.name_server().to_string()]);
        command
    }

    /// Resident memory of the process.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.memory_bytes("VmRSS:")
    }

    /// The part of it that is not backed by files.
    pub(crate) fn anonymous_bytes(&self) -> u64 {
        self.memory_bytes("RssAnon:")
    }

    fn memory_bytes(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.split_whitespace()
            .next()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until it has ended, and gives exit status and log.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, self.log());
            }
            assert!(
                started.elapsed() < PATIENCE,
                "still running after {PATIENCE:?}:\n{}",
                self.log()
            );
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Stops it by SIGTERM; everything must have gone well.
    pub(crate) fn stop(self) {
        self.signal(Signal::TERM);
        let (status, log) = self.wait();
        assert!(status.success(), "{status}\n{log}");
    }

    /// Kills it at once, as a crash does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "--- log of the server\n{}",
                std::fs::read_to_string(&self.log).unwrap_or_default()
            );
        }
    }
}

/// The nearest directory above that exists already; a data directory itself is the server's.
fn log_directory(directory: &Path) -> &Path {
    directory
        .ancestors()
        .skip(1)
        .find(|above| above.is_dir())
        .unwrap()
}

fn unique() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
