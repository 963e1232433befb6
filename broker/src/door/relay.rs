//! Questions relayed to consumers: codes 307, 309, 223.

use mainstem_common::remoting::code::response;
use mainstem_common::remoting::headers::{
    ConsumeMessageDirectly, ConsumerRunningInfo, ConsumerStatus,
};
use mainstem_common::remoting::{Deferred, ExtFields as _, HeaderError, Replies, Request};

use super::Door;
use crate::admin::RelayError;
use crate::clients::{AskError, ClientAnswer};

fn pass_on(deferred: Deferred, answer: Result<ClientAnswer, RelayError>) {
    match answer {
        Ok(answer) => {
            let reply = deferred.reply(answer.code);
            let reply = match &answer.remark {
                Some(remark) => reply.remark(remark),
                None => reply,
            };
            reply.body(answer.body).send();
        }
        Err(error) => deferred
            .reply(code_of(&error))
            .remark(&error.to_string())
            .send(),
    }
}

fn code_of(error: &RelayError) -> i32 {
    match error {
        RelayError::NobodyOnline { .. } => response::CONSUMER_NOT_ONLINE,
        RelayError::Ask(AskError::TimedOut { .. }) => response::CONSUME_MSG_TIMEOUT,
        _ => response::SYSTEM_ERROR,
    }
}

pub(super) fn running_info(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = ConsumerRunningInfo::decode(&request.ext)?;
    let (group, client_id) = (
        header.consumer_group.to_owned(),
        header.client_id.to_owned(),
    );
    let with_stacks = header.jstack_enable.unwrap_or(false);
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::spawn(async move {
        pass_on(
            deferred,
            core.consumer_running_info(group, client_id, with_stacks)
                .await,
        );
    });
    Ok(())
}

pub(super) fn consume_directly(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = ConsumeMessageDirectly::decode(&request.ext)?;
    let (group, client_id) = (
        header.consumer_group.to_owned(),
        header.client_id.to_owned(),
    );
    let message_id = header.msg_id.unwrap_or_default().to_owned();
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::spawn(async move {
        pass_on(
            deferred,
            core.consume_directly(group, client_id, message_id).await,
        );
    });
    Ok(())
}

pub(super) fn consumer_status(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = ConsumerStatus::decode(&request.ext)?;
    let (topic, group) = (header.topic.to_owned(), header.group.to_owned());
    let client = header.client_addr.map(str::to_owned);
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::spawn(async move {
        match core
            .consumer_offset_tables(&group, &topic, client.as_deref())
            .await
        {
            Ok(answers) => deferred
                .reply(response::SUCCESS)
                .body(status_body(&answers))
                .send(),
            Err(error) => deferred
                .reply(code_of(&error))
                .remark(&error.to_string())
                .send(),
        }
    });
    Ok(())
}

/// The clients' own tables under their ids; they pass through as text.
fn status_body(answers: &std::collections::BTreeMap<String, ClientAnswer>) -> Vec<u8> {
    let mut body = b"{\"consumerTable\":{".to_vec();
    let mut first = true;
    for (client_id, answer) in answers {
        // A client answers with an object that holds its table as `messageQueueTable`.
        let Some(table) = table_of(&answer.body) else {
            continue;
        };
        if !std::mem::take(&mut first) {
            body.push(b',');
        }
        body.extend_from_slice(
            serde_json::Value::from(client_id.as_str())
                .to_string()
                .as_bytes(),
        );
        body.push(b':');
        body.extend_from_slice(table);
    }
    body.extend_from_slice(b"},\"messageQueueTable\":{}}");
    body
}

fn table_of(body: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"\"messageQueueTable\":";
    let start = body.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let mut depth = 0usize;
    let mut in_text = false;
    let mut escaped = false;
    for (index, byte) in body[start..].iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' if !in_text => depth += 1,
            b'}' if !in_text => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(&body[start..=start + index]);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_cut_out_with_its_object_keys() {
        let body = br#"{"consumerTable":{},"messageQueueTable":{{"brokerName":"b}","queueId":0,"topic":"T"}:1}}"#;
        assert_eq!(
            table_of(body),
            Some(&br#"{{"brokerName":"b}","queueId":0,"topic":"T"}:1}"#[..])
        );
        assert_eq!(table_of(b"{}"), None);
        assert_eq!(table_of(b"{\"messageQueueTable\":{"), None);
    }
}
