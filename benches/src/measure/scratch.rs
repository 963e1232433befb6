//! A directory for one run: new at its start, gone at its end with whatever is in it.

use std::io;
use std::path::{Path, PathBuf};

/// The directory; dropping it removes it.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes `dir` anew; what an interrupted run left there goes first.
    ///
    /// # Errors
    /// When it cannot be removed or made, with its name.
    pub fn new(dir: PathBuf) -> io::Result<Self> {
        let naming =
            |e: io::Error| io::Error::new(e.kind(), format!("cannot make {}: {e}", dir.display()));
        match std::fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(naming(e)),
            _ => {}
        }
        std::fs::create_dir_all(&dir).map_err(naming)?;
        Ok(Self(dir))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next run removes what cannot be removed now, or says why not.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
