//! Which messages of a topic a subscription wants, decided from a message's tags code alone. Hash collisions pass: the
//! client compares the text again.

use mainstem_record::hash;

/// Most tags one expression may name.
pub const MAX_TAGS: usize = 1024;

/// A compiled subscription expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagFilter {
    /// Every message.
    All,
    /// Messages whose tags code is one of these, in ascending order.
    Codes(Box<[i64]>),
}

/// Why a subscription expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// An expression of only separators.
    #[error("subscription {expression:?} names no tag: write * for all, or tags joined by ||")]
    NoTag {
        /// The expression as sent.
        expression: String,
    },
    /// More than [`MAX_TAGS`] tags.
    #[error("the subscription names {count} tags: at most {MAX_TAGS} are allowed")]
    TooManyTags {
        /// Number of tags found.
        count: usize,
    },
}

impl TagFilter {
    /// Reads `*`, an empty text, or tags joined by `||`.
    pub fn parse(expression: &str) -> Result<Self, FilterError> {
        let trimmed = expression.trim();
        if trimmed.is_empty() || trimmed == "*" {
            return Ok(TagFilter::All);
        }
        let codes: Vec<i64> = trimmed
            .split("||")
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .map(hash::tags_code)
            .collect();
        if codes.is_empty() {
            return Err(FilterError::NoTag {
                expression: expression.to_owned(),
            });
        }
        if codes.len() > MAX_TAGS {
            return Err(FilterError::TooManyTags { count: codes.len() });
        }
        Ok(TagFilter::from_codes(codes))
    }

    /// A filter of the given codes; an empty list lets nothing pass.
    pub fn from_codes(mut codes: Vec<i64>) -> Self {
        codes.sort_unstable();
        codes.dedup();
        TagFilter::Codes(codes.into_boxed_slice())
    }

    /// Whether a message with this tags code is wanted.
    pub fn matches(&self, tags_code: i64) -> bool {
        match self {
            TagFilter::All => true,
            TagFilter::Codes(codes) if codes.len() <= 8 => codes.contains(&tags_code),
            TagFilter::Codes(codes) => codes.binary_search(&tags_code).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_star_or_nothing_wants_everything() {
        assert_eq!(TagFilter::parse("*").unwrap(), TagFilter::All);
        assert_eq!(TagFilter::parse("").unwrap(), TagFilter::All);
        assert!(TagFilter::All.matches(0));
    }

    #[test]
    fn tags_match_by_their_java_hash() {
        let filter = TagFilter::parse("TagA || TagB").unwrap();
        assert!(filter.matches(2_598_919) && filter.matches(2_598_920));
        assert!(!filter.matches(2_598_921) && !filter.matches(0));
    }

    #[test]
    fn an_expression_without_a_tag_is_refused() {
        assert!(matches!(
            TagFilter::parse("||"),
            Err(FilterError::NoTag { .. })
        ));
    }
}
