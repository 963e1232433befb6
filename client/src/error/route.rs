//! Why no route to a topic could be found, with what the user can do about it.

use super::RequestError;

/// No usable route to a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// A name server answered that it knows no such topic.
    #[error(
        "no route for topic {topic}: name server {name_server} knows no such topic; \
         create it with `mainstem topic create {topic}` or enable autoCreateTopicEnable"
    )]
    UnknownTopic {
        /// The topic.
        topic: String,
        /// The name server that said so.
        name_server: String,
    },
    /// No name server could be asked.
    #[error(
        "no route for topic {topic}: none of the name servers {name_servers} answered ({cause}); \
         check the addresses (NAMESRV_ADDR, --namesrv) and that a name server runs"
    )]
    NoNameServer {
        /// The topic.
        topic: String,
        /// All addresses tried.
        name_servers: String,
        /// What the last one said.
        cause: Box<RequestError>,
    },
    /// The topic exists, but nothing can be sent to it.
    #[error(
        "topic {topic} has no queue to write to: no broker of it has a master up and write permission; \
         start a broker of it, or give the permission back (`mainstem topic describe {topic}` shows both)"
    )]
    NotWritable {
        /// The topic.
        topic: String,
    },
    /// The topic exists, but nothing can be read from it.
    #[error(
        "topic {topic} has no queue to read from: no broker of it is up and gives read permission; \
         start a broker of it, or give the permission back (`mainstem topic describe {topic}` shows both)"
    )]
    NotReadable {
        /// The topic.
        topic: String,
    },
    /// A queue that the topic's route does not have.
    #[error(
        "topic {topic} has no queue {queue_id} on broker {broker_name}; ask for the topic's queues again"
    )]
    UnknownQueue {
        /// The topic.
        topic: String,
        /// The broker's name.
        broker_name: String,
        /// The queue's number.
        queue_id: i32,
    },
}

impl RouteError {
    /// Whether the route may be there later without anybody doing anything but starting servers.
    #[must_use]
    pub fn can_retry(&self) -> bool {
        match self {
            Self::UnknownTopic { .. } | Self::UnknownQueue { .. } => false,
            Self::NoNameServer { .. } | Self::NotWritable { .. } | Self::NotReadable { .. } => true,
        }
    }
}
