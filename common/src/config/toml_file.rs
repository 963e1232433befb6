//! Reads TOML into the same entries as a properties file: tables are joined with dots, lists with semicolons, and every value keeps
//! the number of its line.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::Entry;
use super::problem::{Problem, Problems};

/// The entries of a TOML text, in the order of their lines.
pub(super) fn parse(text: &str, path: &str) -> Result<Vec<Entry>, Problems> {
    let table = DeTable::parse(text).map_err(|e| Problem::Syntax {
        path: path.to_owned(),
        line: e.span().map_or(1, |span| line_of(text, span.start)),
        what: e.message().to_owned(),
    })?;
    let mut reader = Reader {
        text,
        path,
        entries: Vec::new(),
        problems: Vec::new(),
    };
    reader.table("", table.get_ref());
    if !reader.problems.is_empty() {
        return Err(Problems(reader.problems));
    }
    reader.entries.sort_by_key(|entry| entry.line);
    Ok(reader.entries)
}

fn line_of(text: &str, position: usize) -> u32 {
    let before = text
        .as_bytes()
        .iter()
        .take(position)
        .filter(|b| **b == b'\n')
        .count();
    u32::try_from(before + 1).unwrap_or(u32::MAX)
}

struct Reader<'a> {
    text: &'a str,
    path: &'a str,
    entries: Vec<Entry>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let line = line_of(self.text, name.span().start);
            match value.get_ref() {
                DeValue::Table(inner) => self.table(&key, inner),
                other => match text_of(other) {
                    Some(value) => self.entries.push(Entry { key, value, line }),
                    None => self.problems.push(Problem::Syntax {
                        path: self.path.to_owned(),
                        line,
                        what: format!(
                            "{key} must be a string, a number, true, false or a list of these"
                        ),
                    }),
                },
            }
        }
    }
}

fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|n| n.to_string()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::Array(items) => {
            let items: Option<Vec<String>> = items
                .iter()
                .map(|item: &Spanned<DeValue<'_>>| match item.get_ref() {
                    DeValue::Array(_) => None,
                    scalar => text_of(scalar),
                })
                .collect();
            items.map(|items| items.join(";"))
        }
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tables_lists_and_lines() {
        let text = "# c\nlistenPort = 10_911\nbrokerName = \"a\"\nnamesrvAddr = [\"a:1\", \"b:2\"]\ntraceOn = true\nperm = 0x6\n\n[namesrv]\nlistenPort = 9876\n";
        let entries: Vec<_> = parse(text, "t.toml")
            .unwrap()
            .into_iter()
            .map(|e| (e.key, e.value, e.line))
            .collect();
        let expected = [
            ("listenPort", "10911", 2),
            ("brokerName", "a", 3),
            ("namesrvAddr", "a:1;b:2", 4),
            ("traceOn", "true", 5),
            ("perm", "6", 6),
            ("namesrv.listenPort", "9876", 9),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(k, v, l)| ((*k).to_owned(), (*v).to_owned(), *l))
            .collect();
        assert_eq!(entries, expected);
    }

    #[test]
    fn a_mistake_names_its_line() {
        let message = parse("a = 1\nb = \n", "t.toml").unwrap_err().to_string();
        assert!(message.starts_with("t.toml:2:"), "{message}");
        let message = parse("a = 1\n\nb = 2024-01-01\n", "t.toml")
            .unwrap_err()
            .to_string();
        assert!(message.starts_with("t.toml:3:"), "{message}");
    }
}
