//! What a client says of itself every 30 seconds (code 34): its groups and their subscriptions.

use serde::{Deserialize, Serialize};

use crate::json::{self, java_enum};

/// The expression that subscribes to everything.
pub const SUBSCRIBE_ALL: &str = "*";

/// Kinds of subscription expression; the wire carries them as text, so others may occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpressionType;

impl ExpressionType {
    /// Tags separated by `||`.
    pub const TAG: &'static str = "TAG";
    /// An SQL92 condition over properties.
    pub const SQL92: &'static str = "SQL92";

    /// Whether the text stands for tags; an absent type does, too.
    #[must_use]
    pub fn is_tag(expression_type: &str) -> bool {
        expression_type.is_empty() || expression_type == Self::TAG
    }
}

java_enum! {
    /// How a consumer gets its messages.
    ConsumeType {
        /// The application pulls.
        #[default]
        ConsumeActively = "CONSUME_ACTIVELY",
        /// The client pulls and hands messages on ("push").
        ConsumePassively = "CONSUME_PASSIVELY",
        /// The broker shares messages out.
        ConsumePop = "CONSUME_POP",
    }
}

java_enum! {
    /// Whether the members of a group share the messages or each get all.
    MessageModel {
        /// Each member gets every message.
        Broadcasting = "BROADCASTING",
        /// The members share the messages.
        #[default]
        Clustering = "CLUSTERING",
    }
}

java_enum! {
    /// Where a new group begins.
    ConsumeFromWhere {
        /// At the end.
        #[default]
        LastOffset = "CONSUME_FROM_LAST_OFFSET",
        /// Historic.
        LastOffsetAndFromMinWhenBootFirst = "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST",
        /// Historic.
        MinOffset = "CONSUME_FROM_MIN_OFFSET",
        /// Historic.
        MaxOffset = "CONSUME_FROM_MAX_OFFSET",
        /// At the oldest message.
        FirstOffset = "CONSUME_FROM_FIRST_OFFSET",
        /// At a time that the client names.
        Timestamp = "CONSUME_FROM_TIMESTAMP",
    }
}

/// One client's heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HeartbeatData {
    /// The client's id.
    #[serde(rename = "clientID", deserialize_with = "json::string")]
    pub client_id: String,
    /// Its consumer groups.
    pub consumer_data_set: Vec<ConsumerData>,
    /// Fingerprint of the full heartbeat, 0 when the client does not use the short form.
    #[serde(deserialize_with = "json::int")]
    pub heartbeat_fingerprint: i32,
    /// Its producer groups.
    pub producer_data_set: Vec<ProducerData>,
    /// Whether the subscriptions were left out because they have not changed.
    #[serde(deserialize_with = "json::boolean")]
    pub without_sub: bool,
}

/// One producer group of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProducerData {
    /// The group.
    #[serde(deserialize_with = "json::string")]
    pub group_name: String,
}

/// One consumer group of a client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumerData {
    /// Where a new group begins.
    pub consume_from_where: ConsumeFromWhere,
    /// How it gets its messages.
    pub consume_type: ConsumeType,
    /// The group.
    #[serde(deserialize_with = "json::string")]
    pub group_name: String,
    /// Shared or to all.
    pub message_model: MessageModel,
    /// What it subscribes to.
    pub subscription_data_set: Vec<SubscriptionData>,
    /// Unit mode.
    #[serde(deserialize_with = "json::boolean")]
    pub unit_mode: bool,
}

/// One subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SubscriptionData {
    /// Historic.
    #[serde(deserialize_with = "json::boolean")]
    pub class_filter_mode: bool,
    /// Hashes of the tags; Go sends them as text.
    #[serde(deserialize_with = "json::int_list")]
    pub code_set: Vec<i32>,
    /// `TAG` or `SQL92`, see [`ExpressionType`].
    #[serde(deserialize_with = "json::string")]
    pub expression_type: String,
    /// The expression as the application wrote it.
    #[serde(deserialize_with = "json::string")]
    pub sub_string: String,
    /// Newer subscriptions have higher numbers: milliseconds (Java) or nanoseconds (Go), never to be mixed.
    #[serde(deserialize_with = "json::int")]
    pub sub_version: i64,
    /// The tags.
    #[serde(deserialize_with = "json::string_list")]
    pub tags_set: Vec<String>,
    /// The topic.
    #[serde(deserialize_with = "json::string")]
    pub topic: String,
}

impl Default for SubscriptionData {
    fn default() -> Self {
        Self {
            class_filter_mode: false,
            code_set: Vec::new(),
            expression_type: ExpressionType::TAG.to_owned(),
            sub_string: String::new(),
            sub_version: 0,
            tags_set: Vec::new(),
            topic: String::new(),
        }
    }
}

impl SubscriptionData {
    /// A subscription by tags: `*` or nothing for all, else tags separated by `||`.
    pub fn by_tags(topic: impl Into<String>, expression: &str, sub_version: i64) -> Self {
        let expression = expression.trim();
        let mut subscription = Self {
            topic: topic.into(),
            sub_version,
            ..Self::default()
        };
        if expression.is_empty() || expression == SUBSCRIBE_ALL {
            SUBSCRIBE_ALL.clone_into(&mut subscription.sub_string);
            return subscription;
        }
        expression.clone_into(&mut subscription.sub_string);
        for tag in expression
            .split("||")
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
        {
            if !subscription.tags_set.iter().any(|known| known == tag) {
                subscription.tags_set.push(tag.to_owned());
                subscription
                    .code_set
                    .push(mainstem_record::hash::java_string_hash(tag));
            }
        }
        subscription
    }

    /// Whether every message passes.
    #[must_use]
    pub fn is_all(&self) -> bool {
        ExpressionType::is_tag(&self.expression_type)
            && (self.sub_string.is_empty() || self.sub_string == SUBSCRIBE_ALL)
    }
}

/// A subscription to be checked (code 46).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CheckClientConfig {
    /// The client's id.
    #[serde(deserialize_with = "json::string")]
    pub client_id: String,
    /// Its consumer group.
    #[serde(deserialize_with = "json::string")]
    pub group: String,
    /// The subscription.
    pub subscription_data: SubscriptionData,
}

super::json_body!(HeartbeatData, SubscriptionData, CheckClientConfig);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cpp_heartbeat_with_ordinals_text_numbers_and_a_trailing_newline_is_read() {
        let text = br#"{"clientID":"c@1","consumerDataSet":[{"consumeFromWhere":4,"consumeType":1,"groupName":"g","messageModel":"1",
            "subscriptionDataSet":[{"subString":"TagA","subVersion":"1700000000000","codeSet":["2598919",7],"tagsSet":null,"topic":"T"}]}]}
"#;
        let heartbeat = HeartbeatData::from_json(text).unwrap();
        let consumer = &heartbeat.consumer_data_set[0];
        assert_eq!(consumer.consume_from_where, ConsumeFromWhere::FirstOffset);
        assert_eq!(consumer.consume_type, ConsumeType::ConsumePassively);
        assert_eq!(consumer.message_model, MessageModel::Clustering);
        let subscription = &consumer.subscription_data_set[0];
        assert_eq!(
            (subscription.sub_version, &subscription.code_set[..]),
            (1_700_000_000_000, &[2_598_919, 7][..])
        );
        assert!(heartbeat.producer_data_set.is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, word) in [
            (
                &br#"{"consumerDataSet":[{"consumeType":"SIDEWAYS"}]}"#[..],
                "SIDEWAYS",
            ),
            (br#"{"consumerDataSet":[{"consumeType":9}]}"#, "9"),
            (br#"{"heartbeatFingerprint":99999999999}"#, "99999999999"),
            (br#"{"clientID":{}}"#, "text"),
        ] {
            let error = HeartbeatData::from_json(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn tags_are_split_trimmed_and_hashed() {
        let subscription = SubscriptionData::by_tags("T", " TagA || TagB||TagA ", 1);
        assert_eq!(
            (&subscription.tags_set[..], &subscription.code_set[..]),
            (
                &["TagA".to_owned(), "TagB".to_owned()][..],
                &[2_598_919, 2_598_920][..]
            )
        );
        assert!(!subscription.is_all());
        assert!(SubscriptionData::by_tags("T", "", 1).is_all());
    }
}
