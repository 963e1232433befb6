//! Lines of a file or of stdin as bytes, with their numbers. A line ends at `\n` or at the end of the input; nothing else of it is
//! changed, so that what is consumed compares byte for byte. A limit keeps an input without line ends from filling the memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// A line and its number, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Why lines end early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// The input cannot be opened or read.
    #[error("{input}: {cause}")]
    Read {
        /// The file, or stdin.
        input: String,
        /// What the system said.
        cause: io::Error,
    },
    /// A line over the limit.
    #[error(
        "line {number} of {input} has more than {limit} bytes, the most that a message may have"
    )]
    TooLong {
        /// The file, or stdin.
        input: String,
        /// The line.
        number: u64,
        /// The limit.
        limit: usize,
    },
}

/// The lines of one input.
pub(crate) struct Lines {
    input: String,
    reader: Box<dyn BufRead + Send>,
    limit: usize,
    number: u64,
}

const BUFFER_BYTES: usize = 256 * 1024;

impl Lines {
    /// Opens a file, or stdin without one or for `-`; `limit` is the most bytes of a line.
    pub(crate) fn open(path: Option<&Path>, limit: usize) -> Result<Lines, LineError> {
        match path.filter(|path| path.as_os_str() != "-") {
            Some(path) => {
                let input = path.display().to_string();
                let file = File::open(path).map_err(|cause| LineError::Read {
                    input: input.clone(),
                    cause,
                })?;
                Ok(Lines::new(
                    input,
                    Box::new(BufReader::with_capacity(BUFFER_BYTES, file)),
                    limit,
                ))
            }
            None => Ok(Lines::new(
                "stdin".to_owned(),
                Box::new(BufReader::with_capacity(BUFFER_BYTES, io::stdin())),
                limit,
            )),
        }
    }

    fn new(input: String, reader: Box<dyn BufRead + Send>, limit: usize) -> Lines {
        Lines {
            input,
            reader,
            limit,
            number: 0,
        }
    }
}

impl Iterator for Lines {
    type Item = Result<Line, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Vec::new();
        let most = self.limit as u64 + 1;
        match self
            .reader
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut bytes)
        {
            Ok(0) => return None,
            Ok(_) => {}
            Err(cause) => {
                return Some(Err(LineError::Read {
                    input: self.input.clone(),
                    cause,
                }));
            }
        }
        self.number += 1;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        } else if bytes.len() > self.limit {
            let (input, number, limit) = (self.input.clone(), self.number, self.limit);
            return Some(Err(LineError::TooLong {
                input,
                number,
                limit,
            }));
        }
        Some(Ok(Line {
            number: self.number,
            bytes,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lines(text: &'static [u8], limit: usize) -> Vec<Result<Line, LineError>> {
        Lines::new("test".to_owned(), Box::new(text), limit).collect()
    }

    #[test]
    fn bytes_are_kept_and_only_the_newline_goes() {
        let found: Vec<Vec<u8>> = lines(b"a\r\n\n\xff b\nlast", 10)
            .into_iter()
            .map(|line| line.unwrap().bytes)
            .collect();
        assert_eq!(
            found,
            [
                b"a\r".to_vec(),
                b"".to_vec(),
                b"\xff b".to_vec(),
                b"last".to_vec()
            ]
        );
    }

    #[test]
    fn a_line_at_the_limit_passes_and_a_longer_one_is_named() {
        let found = lines(b"12345\n123456\n", 5);
        assert_eq!(found[0].as_ref().unwrap().bytes, b"12345");
        assert!(matches!(
            found[1],
            Err(LineError::TooLong {
                number: 2,
                limit: 5,
                ..
            })
        ));
    }
}
