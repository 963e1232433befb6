//! A broker on free ports and a client that speaks raw commands to it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstem_broker::{Broker, BrokerConfig};
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::{
    ClientConfig, Command, NoPeerRequests, PeerRequests, RemotingClient,
};
use mainstem_record::Message;

/// Longest wait for anything; long, for tests run beside many others.
pub const TIMEOUT: Duration = Duration::from_secs(60);

pub struct TestBroker {
    pub broker: Option<Broker>,
    pub dir: Arc<tempfile::TempDir>,
    pub config: BrokerConfig,
}

pub fn config(dir: &tempfile::TempDir) -> BrokerConfig {
    let mut config = BrokerConfig {
        listen_port: 0,
        data_dir: dir.path().to_owned(),
        shutdown_grace: Duration::from_secs(2),
        ..BrokerConfig::default()
    };
    config.store.commit_log_file_bytes = 16 << 20;
    config.store.index_slots = 1000;
    config.store.index_entries = 4000;
    config
}

impl TestBroker {
    pub async fn start() -> TestBroker {
        TestBroker::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut BrokerConfig)) -> TestBroker {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let mut config = config(&dir);
        change(&mut config);
        let broker = Broker::start(config.clone()).await.unwrap();
        TestBroker {
            broker: Some(broker),
            dir,
            config,
        }
    }

    pub fn broker(&self) -> &Broker {
        self.broker.as_ref().unwrap()
    }

    pub fn addr(&self) -> String {
        self.broker().addr().to_string()
    }

    pub async fn stop(&mut self) {
        self.broker.take().unwrap().shutdown().await.unwrap();
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.broker = Some(Broker::start(self.config.clone()).await.unwrap());
    }

    pub fn client(&self) -> TestClient {
        TestClient::new(&self.addr(), Arc::new(NoPeerRequests))
    }
}

pub struct TestClient {
    pub addr: String,
    pub remoting: RemotingClient,
}

impl TestClient {
    pub fn new(addr: &str, peer: Arc<dyn PeerRequests>) -> TestClient {
        TestClient {
            addr: addr.to_owned(),
            remoting: RemotingClient::new(ClientConfig::default(), peer),
        }
    }

    pub async fn call(&self, command: Command) -> Command {
        self.remoting
            .call(&self.addr, command, TIMEOUT)
            .await
            .unwrap()
    }

    pub async fn ask(&self, code: i32, ext: &[(&'static str, &str)]) -> Command {
        self.call(with_ext(Command::request(code), ext)).await
    }

    pub async fn send(&self, topic: &str, queue_id: i32, properties: &str, body: &[u8]) -> Command {
        self.call(send_command(topic, queue_id, properties, body))
            .await
    }

    pub async fn send_ok(
        &self,
        topic: &str,
        queue_id: i32,
        properties: &str,
        body: &[u8],
    ) -> Command {
        let reply = self.send(topic, queue_id, properties, body).await;
        assert_eq!(reply.code, response::SUCCESS, "{:?}", reply.remark);
        if !properties.contains("DELAY\u{1}") {
            self.until_readable(topic, &reply).await;
        }
        reply
    }

    /// An acknowledged message is durable; it becomes readable a moment later.
    pub async fn until_readable(&self, topic: &str, sent: &Command) {
        let number = |name| ext(sent, name).unwrap().to_owned();
        let (queue_id, offset) = (
            number("queueId"),
            number("queueOffset").parse::<i64>().unwrap(),
        );
        until("the message is readable", async || {
            let bound = [("topic", topic), ("queueId", queue_id.as_str())];
            let reply = self.ask(request::GET_MAX_OFFSET, &bound).await;
            ext(&reply, "offset").unwrap().parse::<i64>().unwrap() > offset
        })
        .await;
    }

    pub async fn pull(&self, pull: &PullOf<'_>) -> Command {
        self.call(pull.command()).await
    }

    pub async fn create_topic(&self, topic: &str, queues: i32, perm: i32) {
        let queues = queues.to_string();
        let reply = self
            .ask(
                request::UPDATE_AND_CREATE_TOPIC,
                &[
                    ("topic", topic),
                    ("defaultTopic", "TBW102"),
                    ("readQueueNums", &queues),
                    ("writeQueueNums", &queues),
                    ("perm", &perm.to_string()),
                    ("topicFilterType", "SINGLE_TAG"),
                ],
            )
            .await;
        assert_eq!(reply.code, response::SUCCESS, "{:?}", reply.remark);
    }

    pub async fn heartbeat(
        &self,
        client_id: &str,
        group: &str,
        topics: &[(&str, &str)],
        version: i64,
    ) -> Command {
        let subscriptions: Vec<_> = topics
            .iter()
            .map(|(topic, expression)| {
                let data = mainstem_common::protocol::SubscriptionData::by_tags(
                    *topic, expression, version,
                );
                serde_json::to_value(data).unwrap()
            })
            .collect();
        let body = serde_json::json!({
            "clientID": client_id,
            "consumerDataSet": [{
                "consumeFromWhere": "CONSUME_FROM_LAST_OFFSET", "consumeType": "CONSUME_PASSIVELY",
                "groupName": group, "messageModel": "CLUSTERING", "subscriptionDataSet": subscriptions, "unitMode": false,
            }],
            "heartbeatFingerprint": 0, "producerDataSet": [{"groupName": "CLIENT_INNER_PRODUCER"}], "withoutSub": false,
        });
        let reply = self
            .call(Command::request(request::HEART_BEAT).with_body(body.to_string()))
            .await;
        assert_eq!(reply.code, response::SUCCESS);
        reply
    }
}

pub fn with_ext(mut command: Command, ext: &[(&'static str, &str)]) -> Command {
    for (name, value) in ext {
        command = command.with_ext(*name, *value);
    }
    command
}

pub fn send_command(topic: &str, queue_id: i32, properties: &str, body: &[u8]) -> Command {
    with_ext(
        Command::request(request::SEND_MESSAGE_V2),
        &[
            ("a", "pg"),
            ("b", topic),
            ("c", "TBW102"),
            ("d", "4"),
            ("e", &queue_id.to_string()),
            ("f", "0"),
            ("g", "1700000000000"),
            ("h", "0"),
            ("i", properties),
            ("j", "0"),
            ("k", "false"),
            ("m", "false"),
        ],
    )
    .with_body(body.to_vec())
}

/// A pull with the subscription in the request.
pub struct PullOf<'a> {
    pub group: &'a str,
    pub topic: &'a str,
    pub queue_id: i32,
    pub offset: i64,
    pub sys_flag: i32,
    pub suspend_ms: i64,
    pub expression: &'a str,
    pub commit: i64,
    pub version: i64,
}

impl Default for PullOf<'_> {
    fn default() -> Self {
        PullOf {
            group: "cg",
            topic: "T",
            queue_id: 0,
            offset: 0,
            sys_flag: 4,
            suspend_ms: 0,
            expression: "*",
            commit: 0,
            version: 1,
        }
    }
}

impl PullOf<'_> {
    pub fn command(&self) -> Command {
        with_ext(
            Command::request(request::PULL_MESSAGE),
            &[
                ("consumerGroup", self.group),
                ("topic", self.topic),
                ("queueId", &self.queue_id.to_string()),
                ("queueOffset", &self.offset.to_string()),
                ("maxMsgNums", "32"),
                ("sysFlag", &self.sys_flag.to_string()),
                ("commitOffset", &self.commit.to_string()),
                ("suspendTimeoutMillis", &self.suspend_ms.to_string()),
                ("subscription", self.expression),
                ("subVersion", &self.version.to_string()),
                ("expressionType", "TAG"),
            ],
        )
    }
}

pub fn ext<'a>(command: &'a Command, name: &str) -> Option<&'a str> {
    command
        .ext
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

pub fn ext_keys(command: &Command) -> Vec<&str> {
    let mut keys: Vec<&str> = command.ext.iter().map(|(name, _)| name.as_ref()).collect();
    keys.sort_unstable();
    keys
}

pub fn messages(reply: &Command) -> Vec<Message> {
    Message::decode_all(&reply.body).unwrap()
}

pub fn bodies(reply: &Command) -> Vec<String> {
    messages(reply)
        .iter()
        .map(|message| String::from_utf8(message.body.to_vec()).unwrap())
        .collect()
}

/// Waits until the condition holds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < TIMEOUT, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
