//! Brokers: what they report of themselves, their settings, and their permission to be written to.

use std::collections::BTreeMap;

use mainstem_common::protocol::KvTable;
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::request;
use mainstem_common::remoting::headers::{AddWritePermReply, BrokerName, WipeWritePermReply};

use super::Admin;
use crate::error::AdminError;
use crate::instance::{bad_reply, read_header};

/// What one broker reports of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerStatus {
    /// Its cluster.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// 0 for a master.
    pub id: i64,
    /// Its address.
    pub addr: String,
    /// Its runtime table, or why it did not give one.
    pub runtime: Result<BTreeMap<String, String>, AdminError>,
}

impl BrokerStatus {
    /// A value of the runtime table.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.runtime.as_ref().ok()?.get(key).map(String::as_str)
    }

    /// Its version, as it spells it.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.value("brokerVersionDesc")
    }

    /// Used part of the disk that holds its commit log, 0 to 1.
    #[must_use]
    pub fn disk_ratio(&self) -> Option<f64> {
        first_number(self.value("commitLogDiskRatio")?)
    }

    /// Messages a second that it takes in, over the last ten seconds.
    #[must_use]
    pub fn put_rate(&self) -> Option<f64> {
        first_number(self.value("putTps")?)
    }

    /// Messages a second that it hands out, over the last ten seconds.
    #[must_use]
    pub fn get_rate(&self) -> Option<f64> {
        first_number(
            self.value("getTransferredTps")
                .or_else(|| self.value("getTransferedTps"))?,
        )
    }
}

impl Admin {
    /// Every broker that the name server knows, with what it reports of itself. A broker that does not answer is listed with its
    /// error.
    pub async fn brokers(&self) -> Result<Vec<BrokerStatus>, AdminError> {
        let mut brokers = Vec::new();
        for broker in self.cluster().await?.broker_addr_table.into_values() {
            for (id, addr) in broker.broker_addrs {
                let runtime = self.broker_runtime(&addr).await;
                let (cluster, name) = (broker.cluster.clone(), broker.broker_name.clone());
                brokers.push(BrokerStatus {
                    cluster,
                    name,
                    id,
                    addr,
                    runtime,
                });
            }
        }
        Ok(brokers)
    }

    /// The runtime table of one broker (name of a master, or `host:port`).
    pub async fn broker_runtime(
        &self,
        broker: &str,
    ) -> Result<BTreeMap<String, String>, AdminError> {
        let code = request::GET_BROKER_RUNTIME_INFO;
        let addr = self.master(broker).await?;
        let reply = self.ask(&addr, Command::request(code)).await?;
        Ok(KvTable::from_json(&reply.body)
            .map_err(|error| bad_reply(&addr, code, error))?
            .table)
    }

    /// The settings of one broker (name of a master, or `host:port`).
    pub async fn broker_config(
        &self,
        broker: &str,
    ) -> Result<BTreeMap<String, String>, AdminError> {
        let code = request::GET_BROKER_CONFIG;
        let addr = self.master(broker).await?;
        let reply = self.ask(&addr, Command::request(code)).await?;
        let text =
            std::str::from_utf8(&reply.body).map_err(|error| bad_reply(&addr, code, error))?;
        Ok(read_properties(text))
    }

    /// Changes settings of one broker (name of a master, or `host:port`) while it runs.
    pub async fn set_broker_config(
        &self,
        broker: &str,
        settings: &[(&str, &str)],
    ) -> Result<(), AdminError> {
        let addr = self.master(broker).await?;
        let text: String = settings
            .iter()
            .map(|(key, value)| format!("{key}={}\n", value.replace('\\', "\\\\")))
            .collect();
        self.ask(
            &addr,
            Command::request(request::UPDATE_BROKER_CONFIG).with_body(text),
        )
        .await?;
        Ok(())
    }

    /// Takes a broker out of use for new messages on every name server: producers turn to others, consumers go on. Returns how many
    /// topics that touched.
    pub async fn wipe_write_permission(&self, broker_name: &str) -> Result<i32, AdminError> {
        let code = request::WIPE_WRITE_PERM_OF_BROKER;
        let replies = self.change_write_permission(code, broker_name).await?;
        let mut count = 0;
        for reply in &replies {
            let header: WipeWritePermReply =
                read_header(&self.instance.name_servers().text(), code, reply)?;
            count = count.max(header.wipe_topic_count);
        }
        Ok(count)
    }

    /// Gives a broker its write permission back on every name server. Returns how many topics that touched.
    pub async fn add_write_permission(&self, broker_name: &str) -> Result<i32, AdminError> {
        let code = request::ADD_WRITE_PERM_OF_BROKER;
        let replies = self.change_write_permission(code, broker_name).await?;
        let mut count = 0;
        for reply in &replies {
            let header: AddWritePermReply =
                read_header(&self.instance.name_servers().text(), code, reply)?;
            count = count.max(header.add_topic_count);
        }
        Ok(count)
    }

    async fn change_write_permission(
        &self,
        code: i32,
        broker_name: &str,
    ) -> Result<Vec<Command>, AdminError> {
        let command = Command::request(code).with_header(&BrokerName { broker_name });
        Ok(self.instance.name_servers().request_all(command).await?)
    }
}

fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// The `key=value` lines of a Java properties text, as brokers write it.
fn read_properties(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', '!']))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_line_by_line_and_comments_are_not() {
        let table = read_properties("#made by a broker\nbrokerName=a\n  x = y=z \n\nnonsense\n");
        assert_eq!(
            table.into_iter().collect::<Vec<_>>(),
            [
                ("brokerName".to_owned(), "a".to_owned()),
                ("x".to_owned(), "y=z".to_owned())
            ]
        );
    }

    #[test]
    fn the_first_of_a_young_brokers_rates_is_read() {
        assert_eq!(
            [
                first_number("0.88 0.97 "),
                first_number(""),
                first_number("1.0 2.0 3.0")
            ],
            [Some(0.88), None, Some(1.0)]
        );
    }
}
