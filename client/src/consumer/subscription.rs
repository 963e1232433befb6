//! What a consumer wants of a topic: all messages, those with certain tags, or those that an SQL92 expression selects.
//! Brokers compare hashes of tags only, so the tag texts are compared again here.

use std::collections::BTreeSet;

use mainstem_common::protocol::SubscriptionData;
use mainstem_record::hash;

use crate::error::BuildError;

/// Which messages of a topic a consumer gets.
///
/// `"*"`, `"TagA"` and `"TagA || TagB"` convert into a filter by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Every message.
    All,
    /// Messages with one of these tags, separated by `||`.
    Tags(String),
    /// Messages whose properties satisfy an SQL92 expression; the broker must have `enablePropertyFilter`.
    Sql(String),
}

impl From<&str> for Filter {
    fn from(expression: &str) -> Self {
        match expression.trim() {
            "" | "*" => Self::All,
            tags => Self::Tags(tags.to_owned()),
        }
    }
}

impl From<String> for Filter {
    fn from(expression: String) -> Self {
        Self::from(expression.as_str())
    }
}

/// A topic with its filter, in the form that goes to brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) topic: String,
    filter: Filter,
    tags: BTreeSet<String>,
    /// Tells brokers which of two subscriptions of a group is the newer one, in milliseconds.
    version: i64,
}

impl Subscription {
    /// Checks the filter.
    pub(crate) fn new(topic: &str, filter: Filter, version: i64) -> Result<Self, BuildError> {
        let refuse = |filter: &str, reason| BuildError::Filter {
            topic: topic.to_owned(),
            filter: filter.to_owned(),
            reason,
        };
        let mut tags = BTreeSet::new();
        match &filter {
            Filter::All => {}
            Filter::Tags(text) => {
                tags.extend(
                    text.split("||")
                        .map(str::trim)
                        .filter(|tag| !tag.is_empty())
                        .map(str::to_owned),
                );
                if tags.is_empty() {
                    return Err(refuse(
                        text,
                        "it names no tag; write tags separated by ` || `, or `*` for all messages",
                    ));
                }
            }
            Filter::Sql(text) => {
                if text.trim().is_empty() {
                    return Err(refuse(
                        text,
                        "the SQL92 expression is empty; write one such as `a > 5 AND b = 'x'`",
                    ));
                }
            }
        }
        Ok(Self {
            topic: topic.to_owned(),
            filter,
            tags,
            version,
        })
    }

    /// The expression as pulls and heartbeats carry it.
    pub(crate) fn expression(&self) -> &str {
        match &self.filter {
            Filter::All => "*",
            Filter::Tags(text) | Filter::Sql(text) => text,
        }
    }

    pub(crate) fn expression_type(&self) -> &'static str {
        match self.filter {
            Filter::All | Filter::Tags(_) => "TAG",
            Filter::Sql(_) => "SQL92",
        }
    }

    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    /// Whether a message with this tag is wanted, as far as a client can tell.
    pub(crate) fn wants(&self, tag: Option<&str>) -> bool {
        self.tags.is_empty() || tag.is_some_and(|tag| self.tags.contains(tag))
    }

    /// The form of heartbeats.
    pub(crate) fn to_data(&self) -> SubscriptionData {
        SubscriptionData {
            topic: self.topic.clone(),
            sub_string: self.expression().to_owned(),
            tags_set: self.tags.iter().cloned().collect(),
            code_set: self
                .tags
                .iter()
                .map(|tag| hash::java_string_hash(tag))
                .collect(),
            sub_version: self.version,
            expression_type: self.expression_type().to_owned(),
            class_filter_mode: false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tags_are_trimmed_and_compared_as_text() {
        let subscription = Subscription::new("t", "TagA ||TagB|| ".into(), 1).unwrap();
        assert!(subscription.wants(Some("TagA")) && subscription.wants(Some("TagB")));
        assert!(!subscription.wants(Some("TagC")) && !subscription.wants(None));
        assert_eq!(subscription.expression(), "TagA ||TagB||");
    }

    #[test]
    fn a_star_or_nothing_means_every_message() {
        for text in ["*", "", " "] {
            let subscription = Subscription::new("t", text.into(), 1).unwrap();
            assert!(
                subscription.wants(None) && subscription.wants(Some("x")),
                "{text:?}"
            );
            assert_eq!(subscription.expression(), "*");
        }
    }

    #[test]
    fn a_filter_that_selects_nothing_is_refused_with_its_remedy() {
        let error = Subscription::new("t", Filter::Tags(" || ".to_owned()), 1).unwrap_err();
        assert!(error.to_string().contains("names no tag"), "{error}");
        assert!(Subscription::new("t", Filter::Sql(" ".to_owned()), 1).is_err());
    }

    #[test]
    fn two_tags_of_one_hash_are_told_apart() {
        // "Aa" and "BB" have the same Java hash, which is all that a broker compares.
        let subscription = Subscription::new("t", "Aa".into(), 1).unwrap();
        assert_eq!(hash::java_string_hash("Aa"), hash::java_string_hash("BB"));
        assert!(subscription.wants(Some("Aa")) && !subscription.wants(Some("BB")));
    }
}
