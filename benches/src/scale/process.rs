//! A server process of one's own: started on free ports, waited for until it prints `ready`, watched from outside, ended
//! with this value. Promises that nothing is left running, and that a start that fails shows the server's own words.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mainstem_load::ServerProcess;
use rustix::process::{Pid, Signal, kill_process};

/// A stop that takes longer is ended the hard way.
const STOP_WAIT: Duration = Duration::from_secs(120);

/// A running `mainstem` with the lines that it printed.
#[derive(Debug)]
struct Server {
    child: Child,
    banner: Vec<String>,
    started_in: Duration,
}

impl Server {
    fn start(mut command: Command, log: &Path) -> io::Result<Self> {
        let began = Instant::now();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(fs::File::create(log)?)
            .spawn()?;
        let mut banner = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines() {
                let line = line?;
                let ready = line.starts_with("ready");
                banner.push(line);
                if ready {
                    let started_in = began.elapsed();
                    return Ok(Self {
                        child,
                        banner,
                        started_in,
                    });
                }
            }
        }
        let status = child.wait()?;
        let words = fs::read_to_string(log).unwrap_or_default();
        Err(io::Error::other(format!(
            "the server ended with {status} before it was ready:\n{words}"
        )))
    }

    /// The first word behind a name in the banner.
    fn fact(&self, name: &str) -> io::Result<String> {
        self.banner
            .iter()
            .find_map(|line| line.trim_start().strip_prefix(name))
            .and_then(|value| value.split_whitespace().next())
            .map(str::to_owned)
            .ok_or_else(|| io::Error::other(format!("the server printed no line {name:?}")))
    }

    /// Ends it cleanly; how long that took.
    fn stop(mut self) -> io::Result<Duration> {
        let began = Instant::now();
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("the server has no process id"))?;
        kill_process(pid, Signal::TERM)?;
        while began.elapsed() < STOP_WAIT {
            if self.child.try_wait()?.is_some() {
                return Ok(began.elapsed());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(io::Error::other(format!(
            "the server did not stop within {STOP_WAIT:?}"
        )))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A broker and its name server in one process.
#[derive(Debug)]
pub struct Standalone {
    server: Server,
    log: PathBuf,
    /// The broker's address.
    pub broker: String,
    /// The name server's address.
    pub name_server: String,
}

impl Standalone {
    /// Starts on free ports with data in `dir`/data and these `key=value` settings.
    ///
    /// # Errors
    /// When it cannot be started or ends before it is ready.
    pub fn start(program: &Path, dir: &Path, settings: &[&str]) -> io::Result<Self> {
        Self::start_in(program, dir, settings, None)
    }

    /// The same within a control group: the process moves itself there before anything else.
    pub(super) fn start_in(
        program: &Path,
        dir: &Path,
        settings: &[&str],
        group: Option<&Path>,
    ) -> io::Result<Self> {
        let mut command = match group {
            None => Command::new(program),
            Some(group) => {
                let mut shell = Command::new("/bin/sh");
                shell
                    .args(["-c", "echo $$ > \"$0\"/cgroup.procs && exec \"$@\""])
                    .arg(group)
                    .arg(program);
                shell
            }
        };
        command
            .args(["standalone", "--namesrv-port", "0", "--broker-port", "0"])
            .arg("--data-dir")
            .arg(dir.join("data"));
        for setting in settings {
            command.args(["--set", setting]);
        }
        let log = dir.join("server.log");
        let server = Server::start(command, &log)?;
        Ok(Self {
            broker: server.fact("broker ")?,
            name_server: server.fact("name server ")?,
            server,
            log,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.server.child.id()
    }

    /// From its start to `ready`.
    pub fn started_in(&self) -> Duration {
        self.server.started_in
    }

    /// Its account.
    pub fn account(&self) -> ServerProcess {
        ServerProcess::new(self.pid())
    }

    /// Anonymous resident memory now, MiB.
    pub fn anonymous_mib(&self) -> f64 {
        self.account().memory().map_or(0.0, |m| m.anonymous_mib)
    }

    /// CPU time so far, microseconds.
    pub fn cpu_us(&self) -> f64 {
        self.account().cpu_us().unwrap_or(0.0)
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it cleanly; how long that took.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(self) -> io::Result<Duration> {
        self.server.stop()
    }
}

/// A name server alone.
#[derive(Debug)]
pub struct NameServerProcess {
    server: Server,
    /// Its address.
    pub address: String,
}

impl NameServerProcess {
    /// Starts on a free port.
    ///
    /// # Errors
    /// When it cannot be started or ends before it is ready.
    pub fn start(program: &Path, dir: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(["nameserver", "--listen", "127.0.0.1:0"]);
        let server = Server::start(command, &dir.join("server.log"))?;
        Ok(Self {
            address: server.fact("name server ")?,
            server,
        })
    }

    /// Its account.
    pub fn account(&self) -> ServerProcess {
        ServerProcess::new(self.server.child.id())
    }
}
