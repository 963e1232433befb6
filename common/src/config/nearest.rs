//! The known name that is nearest to a mistyped one. Owns the distance and nothing else.

/// The candidate with the smallest edit distance to `name`, case aside; the first of several.
pub(super) fn nearest(
    name: &str,
    candidates: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    candidates.min_by_key(|candidate| distance(&lower, &candidate.to_ascii_lowercase()))
}

/// Insertions, deletions and replacements of one character that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_has_the_fewest_edits() {
        let known = ["brokerName", "brokerRole", "listenPort"];
        assert_eq!(nearest("brokerNmae", known.into_iter()), Some("brokerName"));
        assert_eq!(nearest("BROKERROLE", known.into_iter()), Some("brokerRole"));
        assert_eq!(nearest("listnPort", known.into_iter()), Some("listenPort"));
        assert_eq!(nearest("x", std::iter::empty()), None);
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
