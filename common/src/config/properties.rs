//! Reads Java properties as `java.util.Properties` does: comments, three separators, continued lines and escapes, with the line
//! numbers that Java forgets. Differs in two ways: the text is UTF-8, and blanks behind a value are dropped.

use super::file::Entry;
use super::problem::{Problem, Problems};

/// The entries of a properties text, in order.
pub(super) fn parse(text: &str, path: &str) -> Result<Vec<Entry>, Problems> {
    let mut entries = Vec::new();
    let mut problems = Vec::new();
    for (line, logical) in logical_lines(text) {
        match entry(&logical) {
            Ok((key, value)) => entries.push(Entry { key, value, line }),
            Err(what) => problems.push(Problem::Syntax {
                path: path.to_owned(),
                line,
                what,
            }),
        }
    }
    if problems.is_empty() {
        Ok(entries)
    } else {
        Err(Problems(problems))
    }
}

/// Lines with content, continued ones joined, each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(u32, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Vec::new();
    let mut open: Option<(u32, String)> = None;
    for (number, raw) in (1..).zip(text.lines()) {
        let content = raw.trim_start();
        if open.is_none() && (content.is_empty() || content.starts_with(['#', '!'])) {
            continue;
        }
        let (_, joined) = open.get_or_insert_with(|| (number, String::new()));
        // An odd number of backslashes at the end: the last one continues the line.
        let backslashes = content.bytes().rev().take_while(|b| *b == b'\\').count();
        if backslashes % 2 == 1 {
            joined.push_str(&content[..content.len() - 1]);
        } else {
            joined.push_str(content);
            lines.extend(open.take());
        }
    }
    lines.extend(open);
    lines
}

/// Key and value of one logical line: the key ends at the first `=`, `:` or blank that is not escaped.
fn entry(line: &str) -> Result<(String, String), String> {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            let ends = !escaped && (matches!(c, '=' | ':') || c.is_whitespace());
            escaped = !escaped && *c == '\\';
            ends
        })
        .map_or(line.len(), |(at, _)| at);
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim();
    let key = unescape(key)?;
    if key.is_empty() {
        return Err("a value without a key; write key = value".to_owned());
    }
    Ok((key, unescape(value)?))
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let unit = (digits.len() == 4)
                    .then(|| u32::from_str_radix(&digits, 16).ok())
                    .flatten();
                let Some(decoded) = unit.and_then(char::from_u32) else {
                    return Err(format!(
                        "\\u{digits} is no character; write \\u and four hexadecimal digits"
                    ));
                };
                out.push(decoded);
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(String, String, u32)> {
        parse(text, "t.conf")
            .unwrap()
            .into_iter()
            .map(|e| (e.key, e.value, e.line))
            .collect()
    }

    fn pair(key: &str, value: &str, line: u32) -> (String, String, u32) {
        (key.to_owned(), value.to_owned(), line)
    }

    #[test]
    fn comments_separators_and_blanks() {
        let text = "# c\n! c\n\na = 1 \nb:2\nc 3\n  d=\r\ne\n";
        assert_eq!(
            pairs(text),
            [
                pair("a", "1", 4),
                pair("b", "2", 5),
                pair("c", "3", 6),
                pair("d", "", 7),
                pair("e", "", 8)
            ]
        );
    }

    #[test]
    fn continued_lines_join_and_keep_their_first_number() {
        assert_eq!(
            pairs("a = 1 \\\n   2\\\n# 3\nb = x\\\\\nc=y\\"),
            [
                pair("a", "1 2# 3", 1),
                pair("b", "x\\", 4),
                pair("c", "y", 5)
            ]
        );
    }

    #[test]
    fn escapes() {
        assert_eq!(
            pairs("k\\=e\\ y = \\u0041\\tb\\c"),
            [pair("k=e y", "A\tbc", 1)]
        );
        let message = parse("\na = \\u00g1", "t.conf").unwrap_err().to_string();
        assert!(message.starts_with("t.conf:2:"), "{message}");
    }

    #[test]
    fn a_value_without_key_is_an_error_with_its_line() {
        let message = parse("a=1\n= 2", "t.conf").unwrap_err().to_string();
        assert!(message.starts_with("t.conf:2:"), "{message}");
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC*|[=:\\\\#! \n\ra-z0-9u]*") {
            let _ = parse(&text, "t.conf");
        }

        #[test]
        fn plain_pairs_come_back(key in "[a-zA-Z][a-zA-Z0-9.]{0,20}", value in "[a-zA-Z0-9:;=/._-]{0,30}") {
            let value = value.trim_start_matches(['=', ':']).to_owned();
            prop_assert_eq!(pairs(&format!("{key} = {value}")), [pair(&key, &value, 1)]);
        }
    }
}
