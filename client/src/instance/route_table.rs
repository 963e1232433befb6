//! The routes of the topics that this client uses: asked for when first needed, refreshed at intervals and on demand, never
//! twice at once for one topic. A route that was good is kept while no name server knows better, so that clients
//! outlive a restart of everything around them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use mainstem_common::protocol::{QueueData, TopicRoute};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::Topic;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{NameServers, TopicEntry, accept, bad_reply};
use crate::error::{RequestError, RouteError};
use crate::producer::BrokerHealth;

/// Intervals after which a topic that nobody asked for is forgotten.
const IDLE_INTERVALS: u32 = 20;

/// The topic whose queues a topic inherits when its first message creates it.
#[derive(Debug, Clone)]
pub(crate) struct DefaultTopic {
    pub(crate) name: String,
    /// At most this many queues on each broker.
    pub(crate) queues: i32,
}

type Found = Result<Arc<TopicEntry>, RouteError>;

/// A cache of routes in front of the name servers.
#[derive(Debug)]
pub(crate) struct RouteTable {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name_servers: NameServers,
    default_topic: Option<DefaultTopic>,
    entries: RwLock<HashMap<Arc<str>, Known>>,
    health: Mutex<HashMap<String, Arc<BrokerHealth>>>,
    /// Refreshes under way, by topic.
    asking: Mutex<HashMap<String, watch::Receiver<Option<Found>>>>,
    /// Counts changes of any route.
    changes: watch::Sender<u64>,
    /// Ends refreshes under way.
    stop: CancellationToken,
}

#[derive(Debug)]
struct Known {
    entry: Arc<TopicEntry>,
    idle_intervals: u32,
}

impl RouteTable {
    pub(crate) fn new(
        name_servers: NameServers,
        default_topic: Option<DefaultTopic>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                name_servers,
                default_topic,
                entries: RwLock::default(),
                health: Mutex::default(),
                asking: Mutex::default(),
                changes: watch::Sender::new(0),
                stop,
            }),
        }
    }

    pub(crate) fn name_servers(&self) -> &NameServers {
        &self.shared.name_servers
    }

    /// What is known of the topic, without asking anybody.
    pub(crate) fn get(&self, topic: &str) -> Option<Arc<TopicEntry>> {
        let entry = Arc::clone(&self.shared.entries.read().get(topic)?.entry);
        entry.mark_used();
        Some(entry)
    }

    /// What is known of the topic, asking a name server if nothing is.
    pub(crate) async fn find(&self, topic: &str) -> Found {
        match self.get(topic) {
            Some(entry) => Ok(entry),
            None => self.refresh(topic).await,
        }
    }

    /// Asks a name server, or waits for the answer if somebody is asking already. The asking goes on when the caller
    /// loses interest, for others may wait for it too.
    pub(crate) async fn refresh(&self, topic: &str) -> Found {
        let mut answer = self.asking(topic);
        let found = answer
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|found| found.clone());
        found.unwrap_or_else(|| {
            Err(RouteError::NoNameServer {
                topic: topic.to_owned(),
                name_servers: self.shared.name_servers.text(),
                cause: Box::new(RequestError::NotSent {
                    server: self.shared.name_servers.text(),
                    request: "GET_ROUTEINFO_BY_TOPIC",
                    cause: "the client was shut down".to_owned(),
                }),
            })
        })
    }

    /// Starts a refresh, unless one is under way, and does not wait for it.
    pub(crate) fn refresh_soon(&self, topic: &str) {
        drop(self.asking(topic));
    }

    fn asking(&self, topic: &str) -> watch::Receiver<Option<Found>> {
        let mut asking = self.shared.asking.lock();
        if let Some(answer) = asking.get(topic) {
            return answer.clone();
        }
        let (tell, answer) = watch::channel(None);
        asking.insert(topic.to_owned(), answer.clone());
        drop(asking);
        let (shared, topic) = (Arc::clone(&self.shared), topic.to_owned());
        tokio::spawn(async move {
            let found = shared.stop.run_until_cancelled(shared.ask(&topic)).await;
            shared.asking.lock().remove(&topic);
            tell.send_replace(found);
        });
        answer
    }

    /// Refreshes all known routes at intervals, and forgets topics that nobody uses.
    pub(crate) async fn keep_fresh(&self, interval: Duration) {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for topic in self.topics_in_use() {
                if let Err(error) = self.refresh(&topic).await {
                    tracing::debug!(%topic, %error, "route not refreshed");
                }
            }
        }
    }

    fn topics_in_use(&self) -> Vec<Arc<str>> {
        let mut entries = self.shared.entries.write();
        entries.retain(|_, known| {
            known.idle_intervals = if known.entry.take_used() {
                0
            } else {
                known.idle_intervals + 1
            };
            known.idle_intervals <= IDLE_INTERVALS
        });
        entries.keys().cloned().collect()
    }

    /// Addresses of every broker of the known routes.
    pub(crate) fn broker_addrs(&self, masters_only: bool) -> BTreeSet<String> {
        let entries = self.shared.entries.read();
        entries
            .values()
            .flat_map(|known| known.entry.broker_addrs(masters_only))
            .map(str::to_owned)
            .collect()
    }

    /// Counts the changes of any route, for those who want to hear of them.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }
}

impl Shared {
    async fn ask(&self, topic: &str) -> Found {
        match self.route_of(topic).await {
            Ok(Ok(route)) => Ok(self.install(topic, route, false)),
            Ok(Err(name_server)) => match self.known(topic) {
                Some(entry) if !entry.is_assumed() => Ok(entry),
                _ => self.assume(topic, name_server).await,
            },
            Err(cause) => self
                .known(topic)
                .ok_or_else(|| self.unreachable(topic, cause)),
        }
    }

    /// The route that the topic will have once a broker has created it for its first message.
    async fn assume(&self, topic: &str, name_server: String) -> Found {
        let unknown = RouteError::UnknownTopic {
            topic: topic.to_owned(),
            name_server,
        };
        let Some(default) = &self.default_topic else {
            return Err(unknown);
        };
        match self.route_of(&default.name).await {
            Ok(Ok(mut route)) => {
                for queues in &mut route.queue_datas {
                    limit_queues(queues, default.queues);
                }
                Ok(self.install(topic, route, true))
            }
            Ok(Err(_)) => Err(unknown),
            Err(cause) => Err(self.unreachable(topic, cause)),
        }
    }

    /// The route, or the name server that says that there is none.
    async fn route_of(&self, topic: &str) -> Result<Result<TopicRoute, String>, RequestError> {
        let header = Topic {
            topic,
            ..Topic::default()
        };
        let command = Command::request(request::GET_ROUTEINFO_BY_TOPIC).with_header(&header);
        let (address, reply) = self.name_servers.ask(command).await?;
        if reply.code == response::TOPIC_NOT_EXIST {
            return Ok(Err(address));
        }
        let reply = accept(&address, request::GET_ROUTEINFO_BY_TOPIC, reply)?;
        TopicRoute::from_json(&reply.body)
            .map(Ok)
            .map_err(|error| bad_reply(&address, request::GET_ROUTEINFO_BY_TOPIC, error))
    }

    fn known(&self, topic: &str) -> Option<Arc<TopicEntry>> {
        self.entries
            .read()
            .get(topic)
            .map(|known| Arc::clone(&known.entry))
    }

    /// Keeps the route; an unchanged one keeps its entry and with it the turn of its queues.
    fn install(&self, topic: &str, route: TopicRoute, assumed: bool) -> Arc<TopicEntry> {
        let entry = {
            let mut entries = self.entries.write();
            if let Some(known) = entries.get(topic)
                && *known.entry.route() == route
                && known.entry.is_assumed() == assumed
            {
                return Arc::clone(&known.entry);
            }
            let entry = Arc::new(TopicEntry::new(topic, route, assumed, |broker| {
                self.health_of(broker)
            }));
            entries.insert(
                Arc::clone(entry.topic()),
                Known {
                    entry: Arc::clone(&entry),
                    idle_intervals: 0,
                },
            );
            entry
        };
        tracing::debug!(
            topic,
            assumed,
            brokers = entry.route().broker_datas.len(),
            "route changed"
        );
        self.changes.send_modify(|changes| *changes += 1);
        entry
    }

    fn health_of(&self, broker_name: &str) -> Arc<BrokerHealth> {
        let mut health = self.health.lock();
        Arc::clone(
            health
                .entry(broker_name.to_owned())
                .or_insert_with(|| Arc::new(BrokerHealth::new())),
        )
    }

    fn unreachable(&self, topic: &str, cause: RequestError) -> RouteError {
        RouteError::NoNameServer {
            topic: topic.to_owned(),
            name_servers: self.name_servers.text(),
            cause: Box::new(cause),
        }
    }
}

fn limit_queues(queues: &mut QueueData, limit: i32) {
    let count = queues.read_queue_nums.min(limit);
    queues.read_queue_nums = count;
    queues.write_queue_nums = count;
}
