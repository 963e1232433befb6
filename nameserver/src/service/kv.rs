//! Requests about the key-value configuration.

use mainstem_common::remoting::code::response;
use mainstem_common::remoting::headers::{KvKey, KvNamespace, KvValueReply, PutKvConfig};
use mainstem_common::remoting::{Deferred, Replies, Request};

use super::{NameService, Outcome, Refusal, header};
use crate::kv::KvError;

/// The only namespace with a meaning of its own: queues per broker of ordered topics, told to brokers as they register.
pub(super) const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

impl NameService {
    pub(super) fn put_kv(&self, request: &Request<'_>, replies: &mut Replies<'_>) -> Outcome {
        let head: PutKvConfig<'_> = header(request)?;
        let (namespace, key, value) = (
            head.namespace.to_owned(),
            head.key.to_owned(),
            head.value.to_owned(),
        );
        self.change(value.len(), replies, move |changeable, deferred| {
            answer(deferred, changeable.kv.put(&namespace, &key, &value));
        })
    }

    pub(super) fn get_kv(&self, request: &Request<'_>, replies: &mut Replies<'_>) -> Outcome {
        let head: KvKey<'_> = header(request)?;
        match self.kv.get(head.namespace, head.key) {
            Some(value) => replies
                .reply(response::SUCCESS)
                .header(&KvValueReply {
                    value: Some(&value),
                })
                .send(),
            None => {
                let remark = format!(
                    "No config item, Namespace: {} Key: {}",
                    head.namespace, head.key
                );
                replies
                    .reply(response::QUERY_NOT_FOUND)
                    .empty_ext()
                    .remark(&remark)
                    .send();
            }
        }
        Ok(())
    }

    pub(super) fn delete_kv(&self, request: &Request<'_>, replies: &mut Replies<'_>) -> Outcome {
        let head: KvKey<'_> = header(request)?;
        let (namespace, key) = (head.namespace.to_owned(), head.key.to_owned());
        self.change(0, replies, move |changeable, deferred| {
            answer(deferred, changeable.kv.delete(&namespace, &key))
        })
    }

    pub(super) fn kv_of_namespace(
        &self,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Outcome {
        let head: KvNamespace<'_> = header(request)?;
        match self.kv.namespace(head.namespace) {
            Some(table) => {
                replies
                    .reply(response::SUCCESS)
                    .body(table.to_json())
                    .send();
                Ok(())
            }
            None => Err(Refusal(
                response::QUERY_NOT_FOUND,
                format!("No config item, Namespace: {}", head.namespace),
            )),
        }
    }
}

fn answer(deferred: Deferred, outcome: Result<(), KvError>) {
    match outcome {
        Ok(()) => deferred.reply(response::SUCCESS).send(),
        Err(error) => {
            tracing::error!(%error, "key-value configuration not changed");
            deferred
                .reply(response::SYSTEM_ERROR)
                .remark(&error.to_string())
                .send();
        }
    }
}
