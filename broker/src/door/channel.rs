//! A connection as the broker's way back to a client.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mainstem_common::protocol::{MessageQueue, ResetOffsetTable};
use mainstem_common::remoting::code::request;
use mainstem_common::remoting::{CallCause, CallError, Command, Connection};

use crate::broker_core::BrokerCore;
use crate::clients::{AskError, ClientAnswer, ClientChannel, ClientQuestion, OffsetReset};

/// Longest wait for a client's answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct RemotingChannel {
    connection: Arc<Connection>,
    broker_name: String,
}

impl RemotingChannel {
    pub(super) fn new(connection: Arc<Connection>, core: &BrokerCore) -> Self {
        RemotingChannel {
            connection,
            broker_name: core.config.broker_name.clone(),
        }
    }

    fn notify(&self, command: Command) {
        if let Err(error) = self.connection.one_way(command) {
            tracing::debug!(%error, "a notice was not delivered; the client's own timer makes up for it");
        }
    }
}

impl ClientChannel for RemotingChannel {
    fn id(&self) -> u64 {
        self.connection.id()
    }

    fn remote(&self) -> SocketAddr {
        self.connection.peer()
    }

    fn close(&self) {
        self.connection.close();
    }

    fn notify_members_changed(&self, group: &str) {
        self.notify(
            Command::request(request::NOTIFY_CONSUMER_IDS_CHANGED).with_ext("consumerGroup", group),
        );
    }

    fn reset_offsets(&self, reset: &OffsetReset) {
        let queue =
            |id: i32| MessageQueue::new(reset.topic.as_str(), self.broker_name.as_str(), id);
        let body = ResetOffsetTable {
            offset_table: reset
                .offsets
                .iter()
                .map(|(id, offset)| (queue(*id), *offset))
                .collect(),
        };
        self.notify(
            Command::request(request::RESET_CONSUMER_CLIENT_OFFSET)
                .with_ext("topic", reset.topic.as_str())
                .with_ext("group", reset.group.as_str())
                .with_ext("timestamp", reset.timestamp_ms.to_string())
                .with_ext("isForce", "false")
                .with_ext("queueId", "-1")
                .with_body(body.to_json()),
        );
    }

    fn ask(
        &self,
        question: ClientQuestion,
    ) -> Pin<Box<dyn Future<Output = Result<ClientAnswer, AskError>> + Send>> {
        let connection = self.connection.clone();
        let command = command_of(question, &self.broker_name);
        Box::pin(async move {
            let client = connection.peer();
            let reply = connection
                .call(command, ASK_TIMEOUT)
                .await
                .map_err(|error| ask_error(client, &error))?;
            Ok(ClientAnswer {
                code: reply.code,
                remark: reply.remark,
                body: reply.body,
            })
        })
    }
}

fn ask_error(client: SocketAddr, error: &CallError) -> AskError {
    match error.cause() {
        CallCause::TimedOut(limit) => AskError::TimedOut {
            client,
            limit_ms: limit.as_millis() as u64,
        },
        cause => AskError::Unreachable {
            client,
            cause: cause.to_string(),
        },
    }
}

fn command_of(question: ClientQuestion, broker_name: &str) -> Command {
    match question {
        ClientQuestion::RunningInfo {
            group,
            client_id,
            with_stacks,
        } => Command::request(request::GET_CONSUMER_RUNNING_INFO)
            .with_ext("consumerGroup", group)
            .with_ext("clientId", client_id)
            .with_ext("jstackEnable", if with_stacks { "true" } else { "false" }),
        ClientQuestion::ConsumeDirectly {
            group,
            client_id,
            message_id,
            topic,
            record,
        } => Command::request(request::CONSUME_MESSAGE_DIRECTLY)
            .with_ext("consumerGroup", group)
            .with_ext("clientId", client_id)
            .with_ext("msgId", message_id)
            .with_ext("brokerName", broker_name)
            .with_ext("topic", topic)
            .with_ext("topicSysFlag", "0")
            .with_ext("groupSysFlag", "0")
            .with_body(record),
        ClientQuestion::OffsetTable { group, topic } => {
            Command::request(request::GET_CONSUMER_STATUS_FROM_CLIENT)
                .with_ext("topic", topic)
                .with_ext("group", group)
        }
    }
}
