//! Making and mounting real file systems on a disk that is a file, through the kernel's loop driver. A mount ends with its value;
//! the loop device goes with it (the kernel's auto-clear).

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::image::Image;

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// ext4 as `mkfs.ext4` makes it.
    Ext4,
    /// xfs.
    Xfs,
    /// btrfs, which copies on write.
    Btrfs,
}

impl FileSystem {
    /// All of them.
    pub const ALL: [FileSystem; 3] = [FileSystem::Ext4, FileSystem::Xfs, FileSystem::Btrfs];

    /// Its name for `mount -t`.
    pub fn name(self) -> &'static str {
        match self {
            FileSystem::Ext4 => "ext4",
            FileSystem::Xfs => "xfs",
            FileSystem::Btrfs => "btrfs",
        }
    }

    /// The file system of this name.
    pub fn named(name: &str) -> Option<FileSystem> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Makes one in a file that has its size already.
    ///
    /// # Errors
    /// What `mkfs` says.
    pub fn make_in(self, file: &Path) -> io::Result<()> {
        let (command, args): (_, &[&str]) = match self {
            FileSystem::Ext4 => (
                "mkfs.ext4",
                &[
                    "-q",
                    "-F",
                    "-b",
                    "4096",
                    "-E",
                    "nodiscard,lazy_itable_init=0,lazy_journal_init=0",
                ],
            ),
            FileSystem::Xfs => ("mkfs.xfs", &["-q", "-f", "-K", "-s", "size=4096"]),
            FileSystem::Btrfs => ("mkfs.btrfs", &["-q", "-f", "-K"]),
        };
        run(Command::new(command).args(args).arg(file))?;
        Ok(())
    }

    /// A disk of this size with an empty file system.
    ///
    /// # Errors
    /// What `mkfs` says.
    pub fn formatted(self, bytes: u64) -> io::Result<Image> {
        let file = tempfile::NamedTempFile::new()?;
        file.as_file().set_len(bytes)?;
        self.make_in(file.path())?;
        Image::from_file(file.path())
    }

    /// Size of the sectors of its disks, which are written whole or not at all. ext4 and xfs get 4 KiB: of a superblock (ext4) or a block of
    /// metadata (xfs) torn into smaller ones they find the check sum wrong before or while they recover, and do not mount. btrfs has copies of
    /// all but the superblock that it mounts by.
    pub fn sector_bytes(self) -> usize {
        match self {
            FileSystem::Btrfs => 512,
            FileSystem::Ext4 | FileSystem::Xfs => 4096,
        }
    }

    /// Pages that its disks never tear, whatever their sectors: btrfs writes its superblock in place, and a mount looks at no copy of it.
    pub fn whole_pages(self) -> &'static [u64] {
        match self {
            FileSystem::Btrfs => &[64 << 10],
            FileSystem::Ext4 | FileSystem::Xfs => &[],
        }
    }

    fn options(self) -> &'static str {
        match self {
            FileSystem::Ext4 | FileSystem::Btrfs => "noatime,nodiscard",
            FileSystem::Xfs => "noatime,nodiscard,nouuid",
        }
    }
}

/// A mounted file system; unmounted when dropped.
pub struct Mounted {
    at: PathBuf,
    is_mounted: bool,
    _directory: tempfile::TempDir,
}

impl Mounted {
    /// Mounts the file system in a file, which replays its journal if need be.
    ///
    /// # Errors
    /// What `losetup` or `mount` says.
    pub fn new(kind: FileSystem, file: &Path) -> io::Result<Mounted> {
        if kind == FileSystem::Btrfs {
            // It knows disks by their id: an older disk with the same one must be forgotten.
            run(Command::new("btrfs").args(["device", "scan", "--forget"]))?;
        }
        let directory = tempfile::Builder::new().prefix("mounted-").tempdir()?;
        let sector_bytes = kind.sector_bytes().to_string();
        let device = run(Command::new("losetup")
            .args(["--find", "--show", "--sector-size", &sector_bytes])
            .arg(file))?;
        let device = device.trim();
        let mounted = run(Command::new("mount")
            .args(["-t", kind.name(), "-o", kind.options(), device])
            .arg(directory.path()));
        // In use it is freed with the last use: when the file system is unmounted.
        let freed = run(Command::new("losetup").args(["--detach", device]));
        mounted.and(freed)?;
        Ok(Mounted {
            at: directory.path().to_owned(),
            is_mounted: true,
            _directory: directory,
        })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Unmounts it.
    ///
    /// # Errors
    /// What `umount` says, as when somebody still uses it.
    pub fn unmount(mut self) -> io::Result<()> {
        run(Command::new("umount").arg(&self.at))?;
        self.is_mounted = false;
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.is_mounted && run(Command::new("umount").arg(&self.at)).is_err() {
            let _ = run(Command::new("umount").arg("-l").arg(&self.at));
        }
    }
}

/// What this machine lacks for mounting such disks; `None` when all is there.
pub fn missing_tools(kind: FileSystem) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root may mount disks".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Some("there is no loop driver (/dev/loop-control)".to_owned());
    }
    for command in [
        "losetup",
        "mount",
        "umount",
        &format!("mkfs.{}", kind.name()),
    ] {
        if Command::new(command).arg("-V").output().is_err() {
            return Some(format!("there is no {command}"));
        }
    }
    None
}

/// Runs a command; what it printed.
fn run(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(format!(
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    )))
}
