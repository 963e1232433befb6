//! Registration with the name servers: every one of them is told everything at the start, regularly and after each
//! change, and of a new topic at once. One task per name server, so that a dead one holds up nobody; the connection
//! stays open, for to a name server it is the broker's life.

mod body;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mainstem_common::protocol::{DataVersion, MASTER_ID, TopicConfig, perm};
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::{BrokerIdentity, DataVersionReply, RegisterBroker};
use mainstem_common::remoting::{CallError, Command, RemotingClient};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::broker_core::BrokerCore;
use body::Body;

/// Pause after a failed registration, doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Longest such pause.
const LAST_RETRY: Duration = Duration::from_secs(10);
/// Changes within this time share one registration.
const GATHER: Duration = Duration::from_millis(10);
/// How often a name server is asked whether it still knows the broker's topics: one that was restarted does not, and
/// until it is told again its clients find no route.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Longest wait for a name server to take the goodbye.
const GOODBYE_WAIT: Duration = Duration::from_secs(1);

/// Who registers.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) cluster_name: String,
    pub(crate) broker_name: String,
    pub(crate) address: SocketAddr,
}

impl Identity {
    fn header<'a>(&'a self, address: &'a str) -> BrokerIdentity<'a> {
        BrokerIdentity {
            broker_name: &self.broker_name,
            broker_addr: address,
            cluster_name: &self.cluster_name,
            broker_id: MASTER_ID,
        }
    }
}

struct NameServer {
    address: String,
    changed: Notify,
    /// It has been told everything at least once.
    told: AtomicBool,
}

struct Shared {
    identity: Identity,
    client: RemotingClient,
    servers: Vec<NameServer>,
    timeout: Duration,
    /// How many name servers have been told everything at least once.
    told: watch::Sender<usize>,
}

/// The broker's side of its registrations.
#[derive(Clone)]
pub(crate) struct Registration {
    shared: Arc<Shared>,
}

/// Why a name server does not know the broker's topics now.
#[derive(Debug, thiserror::Error)]
enum RegisterError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("it answered with code {code}: {remark}")]
    Refused { code: i32, remark: String },
}

impl Registration {
    pub(crate) fn new(
        identity: Identity,
        client: RemotingClient,
        servers: &[String],
        timeout: Duration,
    ) -> Self {
        let servers = servers
            .iter()
            .map(|address| NameServer {
                address: address.clone(),
                changed: Notify::new(),
                told: AtomicBool::new(false),
            })
            .collect();
        Registration {
            shared: Arc::new(Shared {
                identity,
                client,
                servers,
                timeout,
                told: watch::Sender::new(0),
            }),
        }
    }

    /// Waits until every name server has been told everything once.
    pub(crate) async fn all_told(&self) {
        let mut told = self.shared.told.subscribe();
        // The sender lives as long as `self`, so this ends only when the condition holds.
        let _ = told
            .wait_for(|told| *told >= self.shared.servers.len())
            .await;
    }

    /// Has every name server told of all topics soon.
    pub(crate) fn topics_changed(&self) {
        for server in &self.shared.servers {
            server.changed.notify_one();
        }
    }

    /// Tells every name server of some topics, in one registration, and waits for those that answer in time; the others get
    /// everything soon.
    pub(crate) async fn register_topics(
        &self,
        topics: impl IntoIterator<Item = TopicConfig>,
        version: DataVersion,
        wait: Duration,
    ) {
        let mut calls = JoinSet::new();
        let body = Body::of(topics, version);
        for index in 0..self.shared.servers.len() {
            let (registration, body) = (self.clone(), body.clone());
            calls.spawn(async move {
                let server = &registration.shared.servers[index];
                if let Err(error) = registration.call(server, body, wait).await {
                    tracing::debug!(name_server = %server.address, %error, "new topics were not registered at once");
                    server.changed.notify_one();
                }
            });
        }
        while calls.join_next().await.is_some() {}
    }

    /// The same without waiting. Needs a runtime.
    pub(crate) fn announce_topic(&self, topic: &TopicConfig, version: DataVersion) {
        if self.shared.servers.is_empty() {
            return;
        }
        let (registration, topic) = (self.clone(), topic.clone());
        let timeout = self.shared.timeout;
        tokio::spawn(async move {
            registration
                .register_topics([topic], version, timeout)
                .await
        });
    }

    /// Starts the task of every name server.
    pub(crate) fn start(
        &self,
        core: &Arc<BrokerCore>,
        stop: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) {
        for index in 0..self.shared.servers.len() {
            let (registration, core, stop) = (self.clone(), core.clone(), stop.clone());
            tasks.spawn(async move {
                stop.run_until_cancelled(registration.keep_registered(index, &core))
                    .await;
            });
        }
    }

    async fn keep_registered(&self, index: usize, core: &BrokerCore) {
        let server = &self.shared.servers[index];
        let mut failures = 0u32;
        loop {
            let pause = match self.register_all(server, core).await {
                Ok(()) => {
                    if !server.told.swap(true, Ordering::Relaxed) {
                        self.shared.told.send_modify(|told| *told += 1);
                    }
                    if failures > 0 {
                        tracing::info!(name_server = %server.address, failures, "registered again");
                    }
                    failures = 0;
                    core.config.register_interval
                }
                Err(error) => {
                    failures += 1;
                    let pause = FIRST_RETRY
                        .saturating_mul(1 << (failures - 1).min(4))
                        .min(LAST_RETRY);
                    // The first failure, and then fewer and fewer: a name server may be down for days.
                    if failures.is_power_of_two() {
                        tracing::warn!(name_server = %server.address, %error, failures, retry_in = ?pause, "registration failed");
                    }
                    pause
                }
            };
            let registered = failures == 0;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = server.changed.notified() => tokio::time::sleep(GATHER).await,
                () = self.until_forgotten(server, core), if registered => {
                    tracing::info!(name_server = %server.address, "it does not know this broker's topics any more: registering again");
                }
            }
        }
    }

    /// Returns when the name server says that it does not know the topics as they are. One that does not answer is left
    /// to the next registration.
    async fn until_forgotten(&self, server: &NameServer, core: &BrokerCore) {
        let identity = &self.shared.identity;
        let address = identity.address.to_string();
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            let version = core.topics.version();
            let command = Command::request(request::QUERY_DATA_VERSION)
                .with_header(&identity.header(&address))
                .with_body(version.to_json());
            match self
                .shared
                .client
                .call(&server.address, command, self.shared.timeout)
                .await
            {
                Ok(reply) if reply.code == response::SUCCESS => {
                    let changed = reply
                        .header::<DataVersionReply>()
                        .is_ok_and(|header| header.changed);
                    if changed {
                        return;
                    }
                }
                // A name server without this request: the regular registration has to do.
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(name_server = %server.address, %error, "the name server does not answer");
                    return;
                }
            }
        }
    }

    async fn register_all(
        &self,
        server: &NameServer,
        core: &BrokerCore,
    ) -> Result<(), RegisterError> {
        let (topics, version) = core.topics.snapshot();
        let configs = topics
            .iter()
            .map(|topic| core.registered_config(&topic.config));
        self.call(server, Body::of(configs, version), self.shared.timeout)
            .await
    }

    async fn call(
        &self,
        server: &NameServer,
        body: Body,
        timeout: Duration,
    ) -> Result<(), RegisterError> {
        let identity = &self.shared.identity;
        let address = identity.address.to_string();
        let header = RegisterBroker {
            broker_name: &identity.broker_name,
            broker_addr: &address,
            cluster_name: &identity.cluster_name,
            ha_server_addr: &address,
            broker_id: MASTER_ID,
            enable_acting_master: Some(false),
            compressed: Some(body.compressed),
            body_crc32: Some((crc32fast::hash(&body.bytes) & 0x7fff_ffff) as i32),
            ..RegisterBroker::default()
        };
        let command = Command::request(request::REGISTER_BROKER)
            .with_header(&header)
            .with_body(body.bytes);
        let reply = self
            .shared
            .client
            .call(&server.address, command, timeout)
            .await?;
        if reply.code != response::SUCCESS {
            return Err(RegisterError::Refused {
                code: reply.code,
                remark: reply.remark.unwrap_or_default(),
            });
        }
        Ok(())
    }

    /// Says goodbye to every name server and closes the connections.
    pub(crate) async fn unregister(&self) {
        let mut calls = JoinSet::new();
        for index in 0..self.shared.servers.len() {
            let registration = self.clone();
            calls.spawn(async move {
                let Shared {
                    identity,
                    client,
                    servers,
                    ..
                } = &*registration.shared;
                let address = identity.address.to_string();
                let header = identity.header(&address);
                let command = Command::request(request::UNREGISTER_BROKER).with_header(&header);
                if let Err(error) = client
                    .call(&servers[index].address, command, GOODBYE_WAIT)
                    .await
                {
                    tracing::debug!(name_server = %servers[index].address, %error, "no goodbye");
                }
            });
        }
        while calls.join_next().await.is_some() {}
        self.shared.client.close().await;
    }
}

/// The bits that the broker's permission takes away from a topic.
const PERMISSION_BITS: i32 = perm::READ | perm::WRITE;

impl BrokerCore {
    /// A topic as name servers are told of it: it may do what the broker may, which is how a broker is drained.
    pub(crate) fn registered_config(&self, config: &TopicConfig) -> TopicConfig {
        TopicConfig {
            perm: config.perm & (self.live.permission() | !PERMISSION_BITS),
            ..config.clone()
        }
    }
}
