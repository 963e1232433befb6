//! What a registration carries: the topics, written as brokers of today write them, or compressed where that would fill a frame.
//! Promises that a table of as many topics as a broker takes fits.

use bytes::Bytes;
use mainstem_common::protocol::{DataVersion, RegisterBrokerBody, TopicConfig, TopicTable};

/// A larger table goes as Apache's compressed form, which name servers read since 3.0.11. Uncompressed, less than 100,000
/// topics fill a frame of 16 MiB.
const COMPRESS_FROM_BYTES: usize = 4 * 1024 * 1024;

/// A registration's body.
#[derive(Clone)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    pub(super) compressed: bool,
}

impl Body {
    pub(super) fn of(
        topics: impl IntoIterator<Item = TopicConfig>,
        data_version: DataVersion,
    ) -> Body {
        let body = RegisterBrokerBody {
            filter_server_list: Vec::new(),
            topic_config_serialize_wrapper: TopicTable {
                data_version,
                topic_config_table: topics
                    .into_iter()
                    .map(|topic| (topic.topic_name.clone(), topic))
                    .collect(),
                ..TopicTable::default()
            },
        };
        let plain = body.to_json();
        if plain.len() < COMPRESS_FROM_BYTES {
            return Body {
                bytes: plain.into(),
                compressed: false,
            };
        }
        Body {
            bytes: body.to_compressed().into(),
            compressed: true,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::BrokerConfig;

    /// Names as different as they come, and as long as they may be.
    fn topics(count: usize) -> impl Iterator<Item = TopicConfig> {
        (0..count as u64).map(|index| {
            let mixed = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            TopicConfig::new(format!("{mixed:016x}{index:0111}"), 8)
        })
    }

    #[test]
    fn as_many_topics_as_a_broker_takes_fit_into_a_frame() {
        let count = BrokerConfig::default().max_topics;
        let body = Body::of(topics(count), DataVersion::default());
        assert!(body.compressed);
        assert!(body.bytes.len() < 15 * 1024 * 1024, "{}", body.bytes.len());
        let read = RegisterBrokerBody::from_compressed(&body.bytes, true).unwrap();
        let read = read.topic_config_serialize_wrapper.topic_config_table;
        assert_eq!(read.len(), count);
        assert!(topics(count).all(|topic| read.get(&topic.topic_name) == Some(&topic)));
    }

    #[test]
    fn a_usual_table_goes_as_brokers_of_today_send_it() {
        let body = Body::of(topics(1_000), DataVersion::default());
        assert!(!body.compressed);
        let read = RegisterBrokerBody::from_json(&body.bytes).unwrap();
        let read = read.topic_config_serialize_wrapper.topic_config_table;
        assert_eq!(read.len(), 1_000);
    }
}
