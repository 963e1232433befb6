//! Tests that mount things run in a process with mounts and processes of its own (Linux namespaces): whatever becomes of it, the kernel ends
//! its brokers, unmounts its disks and frees its loop devices. Where that is not possible a test says loudly that it was not run.

use std::process::{Command, Stdio};

use mainstem_blocks::{FileSystem, missing_tools};

/// Set in the process that has mounts of its own.
const INSIDE: &str = "MAINSTEM_OWN_MOUNTS";

/// Runs a test's body with mounts of its own. `test` is the test's whole name; `needs_fuse` where a recorded disk is mounted.
pub(super) fn run(test: &str, kind: FileSystem, needs_fuse: bool, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    if let Some(missing) = missing(kind, needs_fuse) {
        eprintln!("NOT RUN: {test}: {missing}");
        return;
    }
    // Left-over directories of a process that was killed go with this one.
    let temporary = tempfile::tempdir().unwrap();
    let mut command = Command::new("setpriv");
    command
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(INSIDE, "1")
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::null());
    if std::env::var_os("MAINSTEM_TELL").is_some() {
        let status = command.status().unwrap();
        assert!(status.success(), "{test}: {status}");
        return;
    }
    let output = command.output().unwrap();
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    println!("{}", text.concat());
    assert!(output.status.success(), "{test}: {}", output.status);
}

fn missing(kind: FileSystem, needs_fuse: bool) -> Option<String> {
    if let Some(missing) = missing_tools(kind) {
        return Some(missing);
    }
    if needs_fuse && !std::path::Path::new("/dev/fuse").exists() {
        return Some("there is no /dev/fuse".to_owned());
    }
    let unshared = Command::new("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "true",
        ])
        .output();
    match unshared {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!(
            "no namespaces of its own: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Some(format!("setpriv and unshare (util-linux): {error}")),
    }
}
