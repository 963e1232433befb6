//! A full disk, a real one: a small file system in memory, mounted where that is allowed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Start, eventually, expect_success, run_with_input, succeed, text};

/// A mounted file system of a given size, unmounted at the end.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn mount(path: &Path, size: &str) -> Option<SmallDisk> {
        std::fs::create_dir_all(path).unwrap();
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(path)
            .output()
            .ok()?;
        output.status.success().then(|| SmallDisk {
            path: path.to_owned(),
        })
    }

    fn resize(&self, size: &str) {
        let output = Command::new("mount")
            .args(["-o", &format!("remount,size={size}")])
            .arg(&self.path)
            .output()
            .unwrap();
        expect_success(&output);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

#[test]
fn a_full_disk_refuses_sends_by_name_serves_reads_and_recovers_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&dir.path().join("disk"), "12m") else {
        eprintln!("not run: this user may not mount a small disk");
        return;
    };
    let start = Start::standalone(&disk.path.join("data")).set("mappedFileSizeCommitLog=4194304");
    let server = start.ready();
    succeed(&mut server.client(&["topic", "create", "much", "--queues", "1"]));
    // Short enough not to be compressed.
    let line = "x".repeat(3_500);
    let lines: String = (0..6_000).map(|_| format!("{line}\n")).collect();
    let output = run_with_input(
        &mut server.client(&["produce", "much", "--ordered-by", "1", "--retry-for", "1s"]),
        lines.as_bytes(),
    );
    assert_eq!(output.status.code(), Some(1), "21 MB do not fit");
    let message = text(&output.stderr);
    assert!(
        message.to_lowercase().contains("disk") && message.to_lowercase().contains("full"),
        "{message}"
    );

    let kept = succeed(&mut server.client(&["consume", "much", "--until-end"]))
        .lines()
        .count();
    assert!(kept > 100, "{kept} messages can be read from the full disk");

    disk.resize("100m");
    eventually("sends are taken again", || {
        run_with_input(
            &mut server.client(&["produce", "much", "--retry-for", "0s"]),
            b"one more\n",
        )
        .status
        .success()
    });
    assert_eq!(
        succeed(&mut server.client(&["consume", "much", "--until-end"]))
            .lines()
            .count(),
        kept + 1
    );
    server.stop();
}
