//! What a broker registers with (code 103): its topics and filter servers, as JSON or as Apache's compressed form.
//!
//! The compressed form is one zlib stream of pieces, each a 32-bit length and text: the data version as JSON; a 32-bit count
//! and that many topics as `name readQueues writeQueues perm filterType attributes`; the filter servers as a JSON list; from
//! 5.0.0 on also a count and that many static-topic mappings as JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use mainstem_record::{compression, sys_flag};

use super::{DataVersion, TopicConfig, TopicFilterType, TopicTable};
use crate::json::{self, JsonError};

/// What a registration may unpack to, in bytes.
const MAX_UNPACKED_LEN: usize = 128 * 1024 * 1024;
/// zlib's own default; registrations are rare.
const COMPRESSION_LEVEL: u32 = 6;

/// Topics and filter servers of a broker.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RegisterBrokerBody {
    /// Filter servers; historic.
    #[serde(deserialize_with = "json::string_list")]
    pub filter_server_list: Vec<String>,
    /// The topics.
    pub topic_config_serialize_wrapper: TopicTable,
}

super::json_body!(RegisterBrokerBody);

/// Why a compressed registration cannot be read.
#[derive(Debug, Error)]
pub enum RegisterBodyError {
    /// The stream is no zlib, or too large.
    #[error("compressed registration: {0}")]
    Decompress(#[from] compression::DecompressError),
    /// It ends early, or a length is negative.
    #[error("compressed registration: it ends inside the {what}, or a length in it is wrong")]
    Truncated {
        /// The piece.
        what: &'static str,
    },
    /// A topic's line is not what it must be.
    #[error(
        "compressed registration: {line:?} is no topic; it needs name, two queue counts, permission and filter type"
    )]
    Topic {
        /// The line, shortened.
        line: String,
    },
    /// A JSON piece is malformed.
    #[error("compressed registration: {0}")]
    Json(#[from] JsonError),
}

impl RegisterBrokerBody {
    /// Reads Apache's compressed form; `with_mappings` for brokers from 5.0.0 on.
    pub fn from_compressed(body: &[u8], with_mappings: bool) -> Result<Self, RegisterBodyError> {
        let zlib = sys_flag::COMPRESSED | sys_flag::COMPRESSION_ZLIB;
        let unpacked = compression::decompress(zlib, body, MAX_UNPACKED_LEN)?;
        let mut pieces = Pieces(&unpacked);
        let mut table = TopicTable {
            data_version: DataVersion::from_json(pieces.text("data version")?)?,
            ..TopicTable::default()
        };
        for _ in 0..pieces.count("topic count")? {
            let topic = parse_topic(pieces.text("topic")?)?;
            table
                .topic_config_table
                .insert(topic.topic_name.clone(), topic);
        }
        let filter_server_list = json::from_slice(pieces.text("filter server list")?)?;
        if with_mappings && !pieces.0.is_empty() {
            for _ in 0..pieces.count("mapping count")? {
                let mapping: Value = json::from_slice(pieces.text("mapping")?)?;
                if let Some(topic) = mapping.get("topic").and_then(Value::as_str) {
                    table
                        .topic_queue_mapping_info_map
                        .insert(topic.to_owned(), mapping);
                }
            }
        }
        Ok(Self {
            filter_server_list,
            topic_config_serialize_wrapper: table,
        })
    }

    /// Writes the compressed form, without static-topic mappings (a count of 0).
    #[must_use]
    pub fn to_compressed(&self) -> Vec<u8> {
        let table = &self.topic_config_serialize_wrapper;
        let mut out = Vec::new();
        push_piece(&mut out, &table.data_version.to_json());
        out.extend_from_slice(&(table.topic_config_table.len() as u32).to_be_bytes());
        for topic in table.topic_config_table.values() {
            push_piece(&mut out, topic_line(topic).as_bytes());
        }
        let mut filter_servers = Vec::new();
        json::write_value(&mut filter_servers, &self.filter_server_list);
        push_piece(&mut out, &filter_servers);
        out.extend_from_slice(&0u32.to_be_bytes());
        compression::compress_zlib(&out, COMPRESSION_LEVEL)
    }
}

fn push_piece(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
    out.extend_from_slice(text);
}

fn topic_line(topic: &TopicConfig) -> String {
    let mut attributes = Vec::new();
    json::write_value(&mut attributes, &topic.attributes);
    format!(
        "{} {} {} {} {} {}",
        topic.topic_name,
        topic.read_queue_nums,
        topic.write_queue_nums,
        topic.perm,
        topic.topic_filter_type,
        String::from_utf8_lossy(&attributes)
    )
}

fn parse_topic(line: &[u8]) -> Result<TopicConfig, RegisterBodyError> {
    let text = String::from_utf8_lossy(line);
    let malformed = || RegisterBodyError::Topic {
        line: text.chars().take(200).collect(),
    };
    let mut words = text.splitn(6, ' ');
    let mut next = || words.next().ok_or_else(malformed);
    let name = next()?;
    let mut number = || next()?.parse::<i32>().map_err(|_| malformed());
    let (read_queue_nums, write_queue_nums, perm) = (number()?, number()?, number()?);
    let topic_filter_type = TopicFilterType::from_name(next()?).ok_or_else(malformed)?;
    let mut topic = TopicConfig {
        read_queue_nums,
        write_queue_nums,
        perm,
        topic_filter_type,
        ..TopicConfig::new(name, 0)
    };
    // The attributes came with 5.0; before it the line ends here.
    if let Some(attributes) = words
        .next()
        .filter(|text| !text.is_empty() && *text != "null")
    {
        topic.attributes = json::from_slice(attributes.as_bytes())?;
    }
    Ok(topic)
}

/// The pieces not read yet.
struct Pieces<'a>(&'a [u8]);

impl<'a> Pieces<'a> {
    fn count(&mut self, what: &'static str) -> Result<usize, RegisterBodyError> {
        let truncated = RegisterBodyError::Truncated { what };
        let Some((word, rest)) = self.0.split_first_chunk::<4>() else {
            return Err(truncated);
        };
        self.0 = rest;
        usize::try_from(i32::from_be_bytes(*word)).map_err(|_| truncated)
    }

    fn text(&mut self, what: &'static str) -> Result<&'a [u8], RegisterBodyError> {
        let len = self.count(what)?;
        let (text, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(RegisterBodyError::Truncated { what })?;
        self.0 = rest;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn body() -> RegisterBrokerBody {
        let mut with_attributes = TopicConfig::new("B", 4);
        with_attributes
            .attributes
            .insert("message.type".to_owned(), "FIFO ONE".to_owned());
        let mut table = TopicTable {
            data_version: DataVersion {
                counter: 3,
                state_version: 1,
                timestamp: 5,
            },
            ..TopicTable::default()
        };
        for topic in [TopicConfig::new("A", 8), with_attributes] {
            table
                .topic_config_table
                .insert(topic.topic_name.clone(), topic);
        }
        RegisterBrokerBody {
            filter_server_list: vec!["10.0.0.1:1".to_owned()],
            topic_config_serialize_wrapper: table,
        }
    }

    #[test]
    fn the_compressed_form_is_read_back() {
        for with_mappings in [false, true] {
            assert_eq!(
                RegisterBrokerBody::from_compressed(&body().to_compressed(), with_mappings)
                    .unwrap(),
                body()
            );
        }
    }

    #[test]
    fn damaged_compressed_forms_are_refused() {
        let packed = body().to_compressed();
        for len in 0..packed.len() {
            assert!(RegisterBrokerBody::from_compressed(&packed[..len], true).is_err());
        }
        let lying = compression::compress_zlib(&[0x7F, 0xFF, 0xFF, 0xFF, b'{'], 6);
        assert!(matches!(
            RegisterBrokerBody::from_compressed(&lying, true),
            Err(RegisterBodyError::Truncated { .. })
        ));
        let mut pieces = Vec::new();
        push_piece(&mut pieces, b"{}");
        pieces.extend_from_slice(&1u32.to_be_bytes());
        push_piece(&mut pieces, b"A 1 x 6 SINGLE_TAG");
        let packed = compression::compress_zlib(&pieces, 6);
        assert!(matches!(
            RegisterBrokerBody::from_compressed(&packed, true),
            Err(RegisterBodyError::Topic { .. })
        ));
    }
}
