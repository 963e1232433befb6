//! A name server that knows the routes it was told.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mainstem_common::protocol::{BrokerData, ClusterInfo, QueueData, TopicRoute};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::Topic;
use parking_lot::Mutex;

use super::{Reaction, Server};

pub struct FakeNameServer {
    pub server: Server,
    routes: Arc<Mutex<HashMap<String, TopicRoute>>>,
}

impl FakeNameServer {
    pub async fn start() -> Self {
        let routes: Arc<Mutex<HashMap<String, TopicRoute>>> = Arc::default();
        let known = Arc::clone(&routes);
        let server =
            Server::start(move |command| Reaction::Reply(answer(&known.lock(), command))).await;
        Self { server, routes }
    }

    /// Puts a topic with `queues` queues on each of these brokers, in the place of what it was.
    pub fn set(&self, topic: &str, queues: i32, brokers: &[(&str, &str)]) {
        self.routes
            .lock()
            .insert(topic.to_owned(), route(queues, brokers));
    }

    pub fn remove(&self, topic: &str) {
        self.routes.lock().remove(topic);
    }

    pub fn text(&self) -> String {
        self.server.text()
    }
}

fn route(queues: i32, brokers: &[(&str, &str)]) -> TopicRoute {
    TopicRoute {
        broker_datas: brokers
            .iter()
            .map(|(name, addr)| BrokerData {
                broker_name: (*name).to_owned(),
                cluster: "c".to_owned(),
                broker_addrs: BTreeMap::from([(0, (*addr).to_owned())]),
                ..BrokerData::default()
            })
            .collect(),
        queue_datas: brokers
            .iter()
            .map(|(name, _)| QueueData {
                broker_name: (*name).to_owned(),
                perm: 6,
                read_queue_nums: queues,
                write_queue_nums: queues,
                topic_sys_flag: 0,
            })
            .collect(),
        ..TopicRoute::default()
    }
}

fn answer(routes: &HashMap<String, TopicRoute>, command: &Command) -> Command {
    match command.code {
        request::GET_ROUTEINFO_BY_TOPIC => {
            let header: Topic<'_> = command.header().unwrap();
            match routes.get(header.topic) {
                Some(route) => Command::response(response::SUCCESS).with_body(route.to_json()),
                None => Command::response(response::TOPIC_NOT_EXIST).with_remark("no such topic"),
            }
        }
        request::GET_BROKER_CLUSTER_INFO => {
            let mut info = ClusterInfo::default();
            for broker in routes.values().flat_map(|route| &route.broker_datas) {
                info.broker_addr_table
                    .insert(broker.broker_name.clone(), broker.clone());
                info.cluster_addr_table
                    .entry(broker.cluster.clone())
                    .or_default()
                    .push(broker.broker_name.clone());
            }
            Command::response(response::SUCCESS).with_body(info.to_json())
        }
        _ => Command::response(response::REQUEST_CODE_NOT_SUPPORTED),
    }
}
