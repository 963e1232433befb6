//! Making memory scarce: a limit on this process, page cache included, by the first version of control groups, and files
//! put out of the page cache. Promises that a limit ends with its value, and that what it cannot do is said plainly.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where distributions mount the controller.
const CONTROLLER: &str = "/sys/fs/cgroup/memory";
const GROUP_PREFIX: &str = "mainstem-bench-";

/// Bytes that the kernel lets lie unwritten before it makes writers wait, if all of the memory could hold them; in whole
/// 256 MiB, upwards.
pub fn dirty_limit_bytes() -> u64 {
    const STEP: u64 = 256 << 20;
    let number = |path: &str| -> u64 {
        fs::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    };
    let limit = match number("/proc/sys/vm/dirty_bytes") {
        0 => memory_bytes() / 100 * number("/proc/sys/vm/dirty_ratio"),
        bytes => bytes,
    };
    limit.next_multiple_of(STEP)
}

/// All memory of the machine.
pub fn memory_bytes() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// A control group that may use so much memory, page cache included; gone with this value.
#[derive(Debug)]
pub struct MemoryGroup(PathBuf);

impl MemoryGroup {
    /// A new group of `mib` MiB; its name ends with `name`, of which each process has one.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] with the reason where the machine has no such controller or does not let us use it.
    pub fn new(name: &str, mib: u64) -> io::Result<Self> {
        let path = Path::new(CONTROLLER).join(format!("{GROUP_PREFIX}{name}"));
        remove_left_behind();
        fs::create_dir(&path).map_err(|e| unsupported("no group can be made", &e))?;
        let group = Self(path);
        fs::write(
            group.path().join("memory.limit_in_bytes"),
            (mib << 20).to_string(),
        )
        .map_err(|e| unsupported("the group refuses", &e))?;
        Ok(group)
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // An empty group that is left behind does no harm; what it had in its charge moves to its parent.
        let _ = fs::remove_dir(&self.0);
    }
}

fn unsupported(what: &str, cause: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!(
            "memory cannot be limited here: {what}: {cause} (this needs root and the memory controller of cgroup v1 at {CONTROLLER})"
        ),
    )
}

/// A limit on the whole process, for as long as this lives.
#[derive(Debug)]
pub struct MemoryLimit {
    /// Goes after the process has left it.
    #[cfg_attr(not(test), expect(dead_code, reason = "only kept alive"))]
    group: MemoryGroup,
    home: PathBuf,
}

impl MemoryLimit {
    /// Puts this process into a new group that may use `mib` MiB.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] with the reason where the machine has no such controller or does not let us use it.
    pub fn enter(mib: u64) -> io::Result<Self> {
        let home = own_group().map_err(|e| unsupported("this process's group is unknown", &e))?;
        let group = MemoryGroup::new(&own_name(), mib)?;
        move_to(group.path()).map_err(|e| unsupported("the group refuses", &e))?;
        Ok(Self { group, home })
    }
}

/// Puts this process back and removes its group, for an end in which the limit is not dropped.
pub fn leave_memory_limit() {
    let group = Path::new(CONTROLLER).join(format!("{GROUP_PREFIX}{}", own_name()));
    if group.exists() {
        // As below; the root takes every process.
        let _ = move_to(Path::new(CONTROLLER)).and_then(|()| fs::remove_dir(&group));
    }
}

/// The end of the name of this process's own group.
fn own_name() -> String {
    std::process::id().to_string()
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // A group that still has the process stays, as one that is left behind.
        let _ = move_to(&self.home);
    }
}

/// Groups of processes that were killed; one that has a process refuses to go.
fn remove_left_behind() {
    let groups = fs::read_dir(CONTROLLER).into_iter().flatten().flatten();
    for group in groups {
        if group
            .file_name()
            .to_string_lossy()
            .starts_with(GROUP_PREFIX)
        {
            let _ = fs::remove_dir(group.path());
        }
    }
}

fn move_to(group: &Path) -> io::Result<()> {
    fs::write(group.join("cgroup.procs"), std::process::id().to_string())
}

fn own_group() -> io::Result<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let below = groups
        .lines()
        .find_map(|line| line.split_once(":memory:").map(|(_, path)| path))
        .ok_or_else(|| io::Error::other("no memory controller is listed in /proc/self/cgroup"))?;
    Ok(Path::new(CONTROLLER).join(below.trim_start_matches('/')))
}

/// Writes out and forgets the cached pages of every file below `dir`; pages that a process has mapped stay.
pub fn drop_page_cache(dir: &Path) -> io::Result<()> {
    use rustix::fs::{Advice, fadvise};
    rustix::fs::syncfs(fs::File::open(dir)?)?;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            drop_page_cache(&path)?;
        } else {
            fadvise(fs::File::open(&path)?, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_limit_is_in_force_while_it_lives_or_is_refused_with_the_reason() {
        let before = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        match MemoryLimit::enter(512) {
            Ok(limit) => {
                let set =
                    fs::read_to_string(limit.group.path().join("memory.limit_in_bytes")).unwrap();
                assert_eq!(set.trim(), (512u64 << 20).to_string());
                assert_ne!(fs::read_to_string("/proc/self/cgroup").unwrap(), before);
                let group = limit.group.path().to_owned();
                drop(limit);
                assert!(!group.exists());
            }
            Err(e) => assert!(
                e.kind() == io::ErrorKind::Unsupported && e.to_string().contains("cgroup"),
                "{e}"
            ),
        }
        assert_eq!(
            fs::read_to_string("/proc/self/cgroup").unwrap_or_default(),
            before
        );
    }
}
