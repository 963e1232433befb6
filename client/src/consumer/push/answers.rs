//! What only a push consumer can answer: to handle a given message now (309), for an admin who wants to see how it fares.

use std::sync::Arc;
use std::time::Instant;

use mainstem_common::protocol::{ConsumeMessageDirectlyResult, ConsumeResult};
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::ConsumeMessageDirectly;
use mainstem_common::remoting::{Command, PeerAnswer};

use super::Shared;
use super::handler::{self, Handled, Outcome};
use crate::consumer::answers;
use crate::instance::ServerRequests;
use crate::message::ReceivedMessage;

impl ServerRequests for Shared {
    fn answer(self: Arc<Self>, _from: &str, command: Command) -> Option<PeerAnswer> {
        if command.code == request::CONSUME_MESSAGE_DIRECTLY {
            return Some(Box::pin(
                async move { self.consume_directly(&command).await },
            ));
        }
        answers::answer(&self.member, &command)
    }
}

impl Shared {
    async fn consume_directly(&self, command: &Command) -> Command {
        let fail = |reason: String| Command::response(response::SYSTEM_ERROR).with_remark(reason);
        let header = match command.header::<ConsumeMessageDirectly<'_>>() {
            Ok(header) if header.consumer_group == self.member.group() => header,
            Ok(header) => return answers::wrong_group(header.consumer_group),
            Err(error) => return fail(error.to_string()),
        };
        let message = match mainstem_record::Message::decode(&command.body) {
            Ok((message, _)) => message,
            Err(error) => return fail(error.to_string()),
        };
        let topic = message.topic.as_str().into();
        let message = ReceivedMessage::new(
            message,
            &header.broker_name.unwrap_or_default().into(),
            &topic,
        );
        let began = Instant::now();
        let handled =
            handler::call(&*self.handler, &[message], self.settings.handler_timeout).await;
        let (consume_result, remark) = match handled {
            Handled::Returned(Outcome::Done) => (ConsumeResult::Success, None),
            Handled::Returned(_) => (ConsumeResult::Later, None),
            Handled::Panicked(text) => (ConsumeResult::ThrowException, Some(text)),
            Handled::TookTooLong => (
                ConsumeResult::ReturnNull,
                Some("the handler took too long".to_owned()),
            ),
        };
        let result = ConsumeMessageDirectlyResult {
            auto_commit: true,
            consume_result,
            order: false,
            remark,
            spent_time_mills: i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX),
        };
        Command::response(response::SUCCESS).with_body(result.to_json())
    }
}
