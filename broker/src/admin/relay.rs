//! Questions relayed to one consumer, or to all of a group.

use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::sync::Arc;

use bytes::Bytes;
use mainstem_record::id::OffsetMessageId;

use crate::broker_core::BrokerCore;
use crate::clients::{AskError, ClientAnswer, ClientQuestion, Member};

/// Why a question could not be relayed.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// That consumer is not connected.
    #[error("The Consumer <{group}> <{client_id}> not online")]
    NotOnline {
        /// Group.
        group: String,
        /// Client.
        client_id: String,
    },
    /// Nobody of the group is connected.
    #[error("No Any Consumer online in the consumer group: [{group}]")]
    NobodyOnline {
        /// Group.
        group: String,
    },
    /// There is no such message.
    #[error("no message {message_id} on this broker")]
    NoSuchMessage {
        /// Message id.
        message_id: String,
    },
    /// The client did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
}

impl BrokerCore {
    fn member(&self, group: &str, client_id: &str) -> Result<Member, RelayError> {
        self.consumers
            .member(group, client_id)
            .ok_or_else(|| RelayError::NotOnline {
                group: group.to_owned(),
                client_id: client_id.to_owned(),
            })
    }

    /// Asks a consumer what it is doing.
    pub async fn consumer_running_info(
        &self,
        group: String,
        client_id: String,
        with_stacks: bool,
    ) -> Result<ClientAnswer, RelayError> {
        let member = self.member(&group, &client_id)?;
        Ok(member
            .channel
            .ask(ClientQuestion::RunningInfo {
                group,
                client_id,
                with_stacks,
            })
            .await?)
    }

    /// Has a consumer process one message now.
    pub async fn consume_directly(
        self: &Arc<Self>,
        group: String,
        client_id: String,
        message_id: String,
    ) -> Result<ClientAnswer, RelayError> {
        let member = self.member(&group, &client_id)?;
        let missing = || RelayError::NoSuchMessage {
            message_id: message_id.clone(),
        };
        let id = OffsetMessageId::from_str(&message_id).map_err(|_| missing())?;
        let core = self.clone();
        let read = tokio::task::spawn_blocking(move || core.message_at(id.physical_offset)).await;
        let record = read
            .ok()
            .and_then(Result::ok)
            .flatten()
            .ok_or_else(missing)?;
        let topic = mainstem_record::RecordView::parse(&record)
            .map(|view| view.topic().to_owned())
            .map_err(|_| missing())?;
        let record = Bytes::from_owner(record);
        Ok(member
            .channel
            .ask(ClientQuestion::ConsumeDirectly {
                group,
                client_id,
                message_id,
                topic,
                record,
            })
            .await?)
    }

    /// Asks the members of a group, or the one given, for their offsets; by client id.
    pub async fn consumer_offset_tables(
        &self,
        group: &str,
        topic: &str,
        client: Option<&str>,
    ) -> Result<BTreeMap<String, ClientAnswer>, RelayError> {
        let members = self
            .consumers
            .group(group)
            .map(|group| group.members)
            .unwrap_or_default();
        if members.is_empty() {
            return Err(RelayError::NobodyOnline {
                group: group.to_owned(),
            });
        }
        let mut answers = BTreeMap::new();
        for member in members {
            if client.is_some_and(|wanted| !wanted.is_empty() && wanted != &*member.client_id) {
                continue;
            }
            let question = ClientQuestion::OffsetTable {
                group: group.to_owned(),
                topic: topic.to_owned(),
            };
            answers.insert(
                member.client_id.to_string(),
                member.channel.ask(question).await?,
            );
        }
        Ok(answers)
    }
}
