//! What every handle of this crate stands on: one client id, one set of connections, the name servers, the routes
//! and the heartbeats. A handle owns one instance; when it is dropped or shut down the instance's tasks end.

mod client_id;
mod heartbeat;
mod name_servers;
mod options;
mod peer;
mod publish_route;
mod route_table;
mod topic_entry;

pub(crate) use client_id::{local_ip, new_client_id};
pub(crate) use name_servers::{NameServers, default_name_servers};
pub(crate) use options::{ClientOptions, at_least_a_millisecond, at_least_one};
pub(crate) use peer::{PeerDoor, ServerRequests};
pub(crate) use publish_route::{BrokerTarget, PublishQueue, PublishRoute};
pub(crate) use route_table::{DefaultTopic, RouteTable};
pub(crate) use topic_entry::TopicEntry;

use std::sync::Arc;
use std::time::Duration;

use mainstem_common::protocol::HeartbeatData;
use mainstem_common::remoting::RemotingClient;
use mainstem_common::remoting::code::{self, request, response};
use mainstem_common::remoting::headers::UnregisterClient;
use mainstem_common::remoting::{Command, ExtFields};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{Refusal, RequestError};

/// The connections, routes and tasks behind one producer, consumer or admin client.
pub(crate) struct Instance {
    client_id: String,
    options: ClientOptions,
    remoting: Arc<RemotingClient>,
    routes: RouteTable,
    /// Cancelled when the handle is dropped or has been shut down.
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl Instance {
    /// Makes the instance and starts its route refresh. `door` is what servers' requests go to.
    pub(crate) fn start(
        options: ClientOptions,
        default_topic: Option<DefaultTopic>,
        door: &Arc<PeerDoor>,
    ) -> Arc<Self> {
        let remoting = Arc::new(RemotingClient::new(
            options.remoting(),
            Arc::clone(door) as Arc<_>,
        ));
        let name_servers = NameServers::new(
            options.name_servers.clone(),
            Arc::clone(&remoting),
            options.request_timeout,
        );
        let stop = CancellationToken::new();
        let instance = Arc::new(Self {
            client_id: new_client_id(&options.name_servers),
            remoting,
            routes: RouteTable::new(name_servers, default_topic, stop.clone()),
            stop,
            tasks: TaskTracker::new(),
            options,
        });
        let refreshed = Arc::clone(&instance);
        instance.spawn(async move {
            refreshed
                .routes
                .keep_fresh(refreshed.options.route_interval)
                .await
        });
        instance
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(crate) fn options(&self) -> &ClientOptions {
        &self.options
    }

    pub(crate) fn routes(&self) -> &RouteTable {
        &self.routes
    }

    pub(crate) fn name_servers(&self) -> &NameServers {
        self.routes.name_servers()
    }

    pub(crate) fn remoting(&self) -> &Arc<RemotingClient> {
        &self.remoting
    }

    /// Cancelled when this instance ends.
    pub(crate) fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Runs a task that ends with the instance.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Sends a request and returns the answer, whatever its code.
    pub(crate) async fn call(
        &self,
        server: &str,
        command: Command,
        timeout: Duration,
    ) -> Result<Command, RequestError> {
        let name = code::request_name(command.code);
        self.remoting
            .call(server, command, timeout)
            .await
            .map_err(|error| RequestError::from_call(name, error))
    }

    /// Sends a request and returns the answer if its code is 0.
    pub(crate) async fn request(
        &self,
        server: &str,
        command: Command,
    ) -> Result<Command, RequestError> {
        let code = command.code;
        let reply = self
            .call(server, command, self.options.request_timeout)
            .await?;
        accept(server, code, reply)
    }

    /// Sends a request that nobody answers.
    pub(crate) async fn one_way(&self, server: &str, command: Command) -> Result<(), RequestError> {
        let name = code::request_name(command.code);
        self.remoting
            .one_way(server, command)
            .await
            .map_err(|error| RequestError::from_call(name, error))
    }

    /// Starts announcing what `data` says to every broker of the known routes, now and at intervals.
    pub(crate) fn announce(
        self: &Arc<Self>,
        data: impl Fn() -> HeartbeatData + Send + Sync + 'static,
    ) {
        let instance = Arc::clone(self);
        self.spawn(async move { heartbeat::keep_announcing(&instance, &data).await });
    }

    /// Announces once to every broker of the known routes and waits for the answers.
    pub(crate) async fn announce_once(&self, data: &HeartbeatData) {
        heartbeat::announce(self, data).await;
    }

    /// Takes leave of every broker, then ends all tasks and closes all connections.
    pub(crate) async fn shut_down(
        &self,
        producer_group: Option<&str>,
        consumer_group: Option<&str>,
    ) {
        if !self.stop.is_cancelled() && (producer_group.is_some() || consumer_group.is_some()) {
            let header = UnregisterClient {
                client_id: &self.client_id,
                producer_group,
                consumer_group,
            };
            let command = Command::request(request::UNREGISTER_CLIENT).with_header(&header);
            for broker in self.routes.broker_addrs(consumer_group.is_none()) {
                if let Err(error) = self.request(&broker, command.clone()).await {
                    tracing::debug!(%broker, %error, "could not unregister; the broker will notice the closed connection");
                }
            }
        }
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.remoting.close().await;
    }
}

/// The answer if it says yes, else the refusal.
pub(crate) fn accept(server: &str, request: i32, reply: Command) -> Result<Command, RequestError> {
    if reply.code == response::SUCCESS {
        return Ok(reply);
    }
    Err(RequestError::Refused(Refusal {
        server: server.to_owned(),
        request: code::request_name(request),
        code: reply.code,
        remark: reply.remark.unwrap_or_default(),
    }))
}

/// Reads a typed header of an answer.
pub(crate) fn read_header<'a, H: ExtFields<'a>>(
    server: &str,
    request: i32,
    reply: &'a Command,
) -> Result<H, RequestError> {
    reply
        .header()
        .map_err(|error| bad_reply(server, request, error))
}

/// The error for an answer that cannot be read.
pub(crate) fn bad_reply(server: &str, request: i32, cause: impl std::fmt::Display) -> RequestError {
    RequestError::BadReply {
        server: server.to_owned(),
        request: code::request_name(request),
        cause: cause.to_string(),
    }
}
