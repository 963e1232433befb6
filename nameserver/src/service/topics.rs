//! Requests about topics: routes, lists, and operators' changes.

use mainstem_common::protocol::{TopicList, TopicRoute};
use mainstem_common::remoting::code::response;
use mainstem_common::remoting::headers::{Cluster, DeleteTopicInNameServer, Topic};
use mainstem_common::remoting::{Replies, Request};

use super::{NameService, Outcome, Refusal, header};
use crate::tables::UnitFilter;

impl NameService {
    pub(super) fn route(&self, request: &Request<'_>, replies: &mut Replies<'_>) -> Outcome {
        let topic = request.ext.required("topic")?;
        match self.tables.route(topic) {
            Some(route) => {
                replies.reply(response::SUCCESS).body(route).send();
                Ok(())
            }
            None => {
                let remark = format!("No topic route info in name server for the topic: {topic}");
                Err(Refusal(response::TOPIC_NOT_EXIST, remark))
            }
        }
    }

    pub(super) fn all_topics(&self, replies: &mut Replies<'_>) -> Outcome {
        send_list(replies, &self.tables.all_topics())
    }

    pub(super) fn topics_of_cluster(
        &self,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Outcome {
        let head: Cluster<'_> = header(request)?;
        send_list(replies, &self.tables.topics_of_cluster(head.cluster))
    }

    pub(super) fn system_topics(&self, replies: &mut Replies<'_>) -> Outcome {
        send_list(replies, &self.tables.system_topics())
    }

    pub(super) fn unit_topics(&self, filter: UnitFilter, replies: &mut Replies<'_>) -> Outcome {
        send_list(replies, &self.tables.unit_topics(filter))
    }

    pub(super) fn delete_topic(&self, request: &Request<'_>, replies: &mut Replies<'_>) -> Outcome {
        let head: DeleteTopicInNameServer<'_> = header(request)?;
        let topic = head.topic.to_owned();
        let cluster = head
            .cluster_name
            .filter(|name| !name.is_empty())
            .map(str::to_owned);
        self.change(0, replies, move |changeable, deferred| {
            changeable.routes.delete_topic(&topic, cluster.as_deref());
            deferred.reply(response::SUCCESS).send();
        })
    }

    pub(super) fn register_topic(
        &self,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Outcome {
        let topic = header::<Topic<'_>>(request)?.topic.to_owned();
        let route = TopicRoute::from_json(request.body)
            .map_err(|e| Refusal(response::SYSTEM_ERROR, e.to_string()))?;
        self.change(request.body.len(), replies, move |changeable, deferred| {
            changeable.routes.register_topic(&topic, &route.queue_datas);
            deferred.reply(response::SUCCESS).send();
        })
    }
}

fn send_list(replies: &mut Replies<'_>, list: &TopicList) -> Outcome {
    replies.reply(response::SUCCESS).body(list.to_json()).send();
    Ok(())
}
