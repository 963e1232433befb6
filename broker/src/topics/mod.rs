//! Topics: the table that every request reads, the names that belong to the system, and the rules by which a topic is
//! created, changed and removed.

mod admin;
mod creation;
mod system;
mod table;

pub use admin::{DeleteTopicError, PutTopicError};
pub use creation::CreateTopicError;
pub(crate) use system::{is_system_topic, system_topics, topic_config};
pub use table::{Topic, TopicTable};
