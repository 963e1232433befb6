//! Writing to stdout for pipes: buffered, locked, and with errors instead of panics when the reader is gone. Owns the alignment of
//! tables; colours and progress bars are elsewhere.

use std::io::{self, BufWriter, IsTerminal, Write};

/// Buffered stdout; the buffer is written at the end or when it is full, on a terminal after every line.
pub(crate) struct Output {
    out: BufWriter<io::StdoutLock<'static>>,
    terminal: bool,
}

const BUFFER_BYTES: usize = 64 * 1024;

impl Output {
    /// Takes stdout.
    pub(crate) fn stdout() -> Output {
        let out = io::stdout();
        let terminal = out.is_terminal();
        Output {
            out: BufWriter::with_capacity(BUFFER_BYTES, out.lock()),
            terminal,
        }
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.out.write_all(line)?;
        self.out.write_all(b"\n")?;
        if self.terminal {
            self.out.flush()
        } else {
            Ok(())
        }
    }

    /// Writes what is buffered.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Rows with aligned columns, the last one left as long as it is; the first row is the heading.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this heading.
    pub(crate) fn new(heading: &[&str]) -> Table {
        Table {
            rows: vec![heading.iter().map(|cell| (*cell).to_owned()).collect()],
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Prints it.
    pub(crate) fn print(&self, out: &mut Output) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                let padding = width - cell.chars().count() + 2;
                line.extend(std::iter::repeat_n(' ', padding));
            }
            out.line(line.trim_end().as_bytes())?;
        }
        Ok(())
    }
}
