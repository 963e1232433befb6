//! Where a repair puts what it removes: `mainstem/repair-TIME/`, with the paths that the files had.
//! Promises that a file is there, durably, before it is gone from its old place.

use std::io;

use super::{Failed, failed};
use crate::disk::{Disk, DiskFile};
use crate::layout;
use crate::sync::Arc;

/// The directory of one repair; it exists once something was put there.
#[derive(Debug)]
pub(super) struct Saved<'a> {
    disk: &'a dyn Disk,
    directory: String,
    used: bool,
}

impl<'a> Saved<'a> {
    pub(super) fn new(disk: &'a dyn Disk, now_ms: i64) -> Self {
        let seconds = now_ms / 1000;
        let mut directory = format!("{}/repair-{seconds}", layout::DIRECTORY);
        let mut number = 1;
        while disk.exists(&directory).unwrap_or(false) {
            directory = format!("{}/repair-{seconds}-{number}", layout::DIRECTORY);
            number += 1;
        }
        Self {
            disk,
            directory,
            used: false,
        }
    }

    pub(super) fn directory(&self) -> &str {
        &self.directory
    }

    /// Whether anything was saved.
    pub(super) fn used(&self) -> bool {
        self.used
    }

    fn prepare(&mut self, path: &str) -> Result<String, Failed> {
        let target = format!("{}/{path}", self.directory);
        let parent = target.rsplit_once('/').map_or("", |(parent, _)| parent);
        self.disk
            .create_dir_all(parent)
            .map_err(failed("create the directory", self.disk.display(parent)))?;
        self.used = true;
        Ok(target)
    }

    /// Moves a file away; whether it was there.
    pub(super) fn take(&mut self, path: &str) -> Result<bool, Failed> {
        let shown = self.disk.display(path);
        if !self
            .disk
            .exists(path)
            .map_err(failed("look for", shown.clone()))?
        {
            return Ok(false);
        }
        let target = self.prepare(path)?;
        self.disk
            .rename(path, &target)
            .map_err(failed("move away", shown))?;
        for moved in [&target, path] {
            let parent = moved.rsplit_once('/').map_or("", |(parent, _)| parent);
            self.disk
                .sync_dir(parent)
                .map_err(failed("sync the directory", self.disk.display(parent)))?;
        }
        Ok(true)
    }

    /// Moves everything below a directory away, and removes it; returns the number of files.
    pub(super) fn take_tree(&mut self, path: &str) -> Result<u64, Failed> {
        let names = match self.disk.list(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            other => other.map_err(failed("list", self.disk.display(path)))?,
        };
        let mut moved = 0;
        for name in names {
            let below = format!("{path}/{name}");
            match self.disk.list(&below) {
                Ok(_) => moved += self.take_tree(&below)?,
                Err(_) => moved += u64::from(self.take(&below)?),
            }
        }
        self.disk
            .remove_dir(path)
            .map_err(failed("remove the directory", self.disk.display(path)))?;
        Ok(moved)
    }

    /// An empty file in the place of `path`, to copy into.
    pub(super) fn copy_of(&mut self, path: &str) -> Result<(Arc<dyn DiskFile>, String), Failed> {
        let target = self.prepare(path)?;
        let file = self
            .disk
            .create_new(&target)
            .map_err(failed("create", self.disk.display(&target)))?;
        Ok((file, target))
    }

    /// Makes the name of a copied file durable.
    pub(super) fn sync_name(&self, target: &str) -> Result<(), Failed> {
        let parent = target.rsplit_once('/').map_or("", |(parent, _)| parent);
        self.disk
            .sync_dir(parent)
            .map_err(failed("sync the directory", self.disk.display(parent)))
    }
}
