//! A Markdown table, aligned for reading as plain text too.

use std::fmt;

/// Columns with a head, rows below.
#[derive(Debug, Clone, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    pub fn new<S: Into<String>>(heads: impl IntoIterator<Item = S>) -> Self {
        Self {
            rows: vec![heads.into_iter().map(Into::into).collect()],
        }
    }

    /// Adds a row; missing cells stay empty.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) -> &mut Self {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| {
            self.rows
                .iter()
                .filter_map(|r| r.get(c))
                .map(|s| s.chars().count())
                .max()
                .unwrap_or(0)
                .max(3)
        };
        for (i, row) in self.rows.iter().enumerate() {
            for c in 0..columns {
                let cell = row.get(c).map_or("", String::as_str);
                write!(f, "| {cell:<width$} ", width = width(c))?;
            }
            writeln!(f, "|")?;
            if i == 0 {
                for c in 0..columns {
                    write!(f, "|{:-<1$}", "", width(c) + 2)?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["way", "ms"]);
        table.row(["sendfile", "1.5"]).row(["mmap"]);
        assert_eq!(
            table.to_string(),
            "| way      | ms  |\n|----------|-----|\n| sendfile | 1.5 |\n| mmap     |     |\n"
        );
    }
}
