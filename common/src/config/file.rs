//! A configuration file as a list of entries with line numbers, whatever its format. Owns the choice of the format by the file's
//! name and the limit on its length; what the keys mean is not its business.

use std::path::Path;

use super::problem::{Problem, Problems};
use super::{properties, toml_file};

/// One `key = value` of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key; in TOML, tables are joined with dots.
    pub key: String,
    /// The value as text; in TOML, lists are joined with semicolons.
    pub value: String,
    /// The line it begins in, from 1.
    pub line: u32,
}

/// The formats of a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Java properties, the format of RocketMQ's own `broker.conf`.
    Properties,
    /// TOML.
    Toml,
}

impl Format {
    /// The format that a file's name tells.
    #[must_use]
    pub fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()? {
            "toml" => Some(Format::Toml),
            "conf" | "properties" => Some(Format::Properties),
            _ => None,
        }
    }

    /// The entries of a text in this format; `path` is for messages only.
    pub fn parse(self, text: &str, path: &str) -> Result<Vec<Entry>, Problems> {
        match self {
            Format::Properties => properties::parse(text, path),
            Format::Toml => toml_file::parse(text, path),
        }
    }
}

/// A configuration is a page or two; a limit keeps a wrong path (a log file, a device) from filling the memory.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Reads the entries of a file.
pub fn read_file(path: &Path) -> Result<Vec<Entry>, Problems> {
    let shown = path.display().to_string();
    let format = Format::of(path).ok_or_else(|| Problem::UnknownFormat {
        path: shown.clone(),
    })?;
    let unreadable = |cause: std::io::Error| Problem::Unreadable {
        path: shown.clone(),
        cause: cause.to_string(),
    };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(Problem::TooLong {
            path: shown,
            bytes,
            limit: MAX_FILE_BYTES,
        }
        .into());
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    format.parse(&text, &shown)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_name_tells_the_format() {
        assert_eq!(
            Format::of(Path::new("/etc/broker.conf")),
            Some(Format::Properties)
        );
        assert_eq!(
            Format::of(Path::new("b.properties")),
            Some(Format::Properties)
        );
        assert_eq!(Format::of(Path::new("b.toml")), Some(Format::Toml));
        assert_eq!(Format::of(Path::new("broker")), None);
        assert_eq!(Format::of(Path::new("broker.yaml")), None);
    }

    #[test]
    fn a_missing_file_is_named() {
        let message = read_file(Path::new("/nowhere/broker.conf"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("/nowhere/broker.conf"), "{message}");
    }
}
