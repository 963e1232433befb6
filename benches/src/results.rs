//! Results of a long run, kept in a file of one JSON object a line: each is written as soon as it is there, so that a run
//! that is broken off keeps what it has and the next one goes on from it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Items in the order in which they were added, in a file or in memory only.
#[derive(Debug)]
pub struct Results<T> {
    path: Option<PathBuf>,
    items: Vec<T>,
}

impl<T: Serialize + DeserializeOwned> Results<T> {
    /// Opens the file. A last line that was cut off while it was written is left out, and gone from the file.
    ///
    /// # Errors
    /// When the file cannot be read or written, or an earlier line is not what this program writes.
    pub fn open(path: &Path) -> io::Result<Self> {
        let text = match fs::read_to_string(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            other => other.map_err(|e| naming(path, &e))?,
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            OpenOptions::new()
                .write(true)
                .open(path)?
                .set_len(whole as u64)?;
        }
        let items = text[..whole]
            .lines()
            .enumerate()
            .map(|(i, line)| {
                serde_json::from_str(line).map_err(|e| {
                    io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!(
                            "{}, line {}: {e}; it was written by another version: move the file away to begin anew",
                            path.display(),
                            i + 1
                        ),
                    )
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            path: Some(path.to_owned()),
            items,
        })
    }

    /// Results that nobody asks to keep.
    pub fn in_memory() -> Self {
        Self {
            path: None,
            items: Vec::new(),
        }
    }

    /// Adds an item and writes it out at once.
    ///
    /// # Errors
    /// When the file cannot be written; the item is not added then.
    pub fn add(&mut self, item: T) -> io::Result<()> {
        if let Some(path) = &self.path {
            let mut line = serde_json::to_vec(&item)?;
            line.push(b'\n');
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(&line))
                .map_err(|e| naming(path, &e))?;
        }
        self.items.push(item);
        Ok(())
    }

    /// All of them.
    pub fn items(&self) -> &[T] {
        &self.items
    }
}

fn naming(path: &Path, cause: &io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("{}: {cause}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_is_forgotten_and_the_rest_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        let mut results = Results::open(&path).unwrap();
        results.add((1, "one".to_owned())).unwrap();
        results.add((2, "two".to_owned())).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}[3,\"th")).unwrap();
        let mut again = Results::<(i32, String)>::open(&path).unwrap();
        assert_eq!(again.items(), results.items());
        again.add((4, "four".to_owned())).unwrap();
        assert_eq!(
            Results::<(i32, String)>::open(&path).unwrap().items().len(),
            3
        );
    }

    #[test]
    fn a_file_of_something_else_is_named_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        fs::write(&path, "[1,\"one\"]\nhello\n").unwrap();
        let error = Results::<(i32, String)>::open(&path)
            .unwrap_err()
            .to_string();
        assert!(error.contains("results.jsonl, line 2"), "{error}");
    }
}
