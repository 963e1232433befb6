//! Administration: topics, groups, brokers, single messages. Each method is one question or one change, asked of every
//! server that it concerns; nothing is cached, so answers are those of the moment.

mod brokers;
mod builder;
mod groups;
mod messages;
mod offsets;
mod topics;

use std::sync::Arc;

use mainstem_common::protocol::{ClusterInfo, MASTER_ID};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::request;
use tokio_util::sync::DropGuard;

pub use brokers::BrokerStatus;
pub use builder::AdminBuilder;
pub use groups::{GroupLag, QueueLag};
pub use offsets::ResetTo;
pub use topics::{NewTopic, TopicDescription};

use crate::error::{AdminError, RequestError};
use crate::instance::{Instance, bad_reply};

/// Asks and changes what brokers and name servers hold.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use mainstem_client::{Admin, NewTopic};
///
/// let admin = Admin::builder().name_servers("127.0.0.1:9876").build().await?;
/// admin.create_topic(&NewTopic::new("orders", 8)).await?;
/// for topic in admin.topics().await? {
///     println!("{topic}");
/// }
/// admin.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Admin {
    instance: Arc<Instance>,
    /// Ends the instance's tasks.
    _tasks: DropGuard,
}

impl Admin {
    /// Starts the description of an admin client.
    pub fn builder() -> AdminBuilder {
        AdminBuilder::new()
    }

    /// Every cluster with its brokers, and every broker with its addresses.
    pub async fn cluster(&self) -> Result<ClusterInfo, AdminError> {
        let code = request::GET_BROKER_CLUSTER_INFO;
        let reply = self
            .instance
            .name_servers()
            .request(Command::request(code))
            .await?;
        ClusterInfo::from_json(&reply.body).map_err(|error| self.unreadable(code, error))
    }

    /// The name servers that this client asks.
    #[must_use]
    pub fn name_servers(&self) -> &[String] {
        self.instance.name_servers().addresses()
    }

    /// Closes the connections.
    pub async fn shutdown(&self) {
        self.instance.shut_down(None, None).await;
    }

    /// Names and addresses of all masters, of one cluster if named.
    async fn masters(&self, cluster: Option<&str>) -> Result<Vec<(String, String)>, AdminError> {
        let info = self.cluster().await?;
        if let Some(name) = cluster
            && !info.cluster_addr_table.contains_key(name)
        {
            return Err(AdminError::UnknownCluster {
                name: name.to_owned(),
                known: list(info.cluster_addr_table.keys()),
            });
        }
        let masters: Vec<(String, String)> = info
            .broker_addr_table
            .values()
            .filter(|broker| cluster.is_none_or(|name| broker.cluster == name))
            .filter_map(|broker| {
                Some((
                    broker.broker_name.clone(),
                    broker.broker_addrs.get(&MASTER_ID)?.clone(),
                ))
            })
            .collect();
        if masters.is_empty() {
            return Err(AdminError::NoBroker {
                name_servers: self.instance.name_servers().text(),
            });
        }
        Ok(masters)
    }

    /// The address of the master of this name; `host:port` stands for itself.
    async fn master(&self, broker: &str) -> Result<String, AdminError> {
        if broker.contains(':') {
            return Ok(broker.to_owned());
        }
        let info = self.cluster().await?;
        let addr = info
            .broker_addr_table
            .get(broker)
            .and_then(|data| data.broker_addrs.get(&MASTER_ID));
        addr.cloned().ok_or_else(|| AdminError::UnknownBroker {
            name: broker.to_owned(),
            known: list(info.broker_addr_table.keys()),
        })
    }

    /// Names and addresses of the masters that hold the topic.
    async fn masters_of_topic(&self, topic: &str) -> Result<Vec<(String, String)>, AdminError> {
        let route = self.route(topic).await?;
        Ok(route
            .broker_datas
            .iter()
            .filter_map(|broker| {
                Some((
                    broker.broker_name.clone(),
                    broker.broker_addrs.get(&MASTER_ID)?.clone(),
                ))
            })
            .collect())
    }

    async fn ask(&self, server: &str, command: Command) -> Result<Command, RequestError> {
        self.instance.request(server, command).await
    }

    fn unreadable(&self, code: i32, cause: impl std::fmt::Display) -> AdminError {
        bad_reply(&self.instance.name_servers().text(), code, cause).into()
    }
}

/// Names for a sentence.
fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
