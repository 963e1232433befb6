//! A name server on a free port and a plain connection to it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use mainstem_common::protocol::{DataVersion, RegisterBrokerBody, TopicConfig, TopicRoute};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_nameserver::{NameServer, NameServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What no test should ever wait for.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn start() -> NameServer {
    start_with(|_| {})
}

pub fn start_with(change: impl FnOnce(&mut NameServerConfig)) -> NameServer {
    let mut config = NameServerConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..NameServerConfig::default()
    };
    change(&mut config);
    NameServer::start(config).unwrap()
}

/// One connection, used for one call at a time or by hand.
pub struct Peer {
    stream: TcpStream,
    next_opaque: i32,
    unread: BytesMut,
}

impl Peer {
    pub async fn connect(server: &NameServer) -> Self {
        let stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            next_opaque: 1,
            unread: BytesMut::new(),
        }
    }

    pub async fn call(&mut self, mut command: Command) -> Command {
        command.opaque = self.next_opaque;
        self.next_opaque += 1;
        let mut frame = BytesMut::new();
        command.encode(&mut frame);
        self.send(&frame).await;
        let reply = self.receive().await;
        assert_eq!(reply.opaque, command.opaque);
        assert!(reply.is_response());
        reply
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub async fn receive(&mut self) -> Command {
        tokio::time::timeout(PATIENCE, self.read_frame())
            .await
            .expect("a reply within the test's patience")
            .unwrap()
    }

    async fn read_frame(&mut self) -> std::io::Result<Command> {
        let len = self.stream.read_u32().await?;
        let mut frame = len.to_be_bytes().to_vec();
        frame.resize(4 + len as usize, 0);
        self.stream.read_exact(&mut frame[4..]).await?;
        Ok(Command::decode(Bytes::from(frame)).expect("a well-formed reply"))
    }

    /// Takes replies without looking at them.
    pub async fn skip(&mut self, replies: usize) {
        let mut left = replies;
        while left > 0 {
            while self.unread.len() < 4 || self.unread.len() < 4 + self.next_len() {
                self.stream.read_buf(&mut self.unread).await.unwrap();
            }
            let len = self.next_len();
            self.unread.advance(4 + len);
            left -= 1;
        }
    }

    fn next_len(&self) -> usize {
        u32::from_be_bytes(self.unread[..4].try_into().unwrap()) as usize
    }

    /// Waits until the server has closed the connection.
    pub async fn closed(&mut self) -> bool {
        let mut rest = Vec::new();
        tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut rest))
            .await
            .is_ok()
    }

    pub async fn route(&mut self, topic: &str) -> Option<TopicRoute> {
        let reply = self
            .call(
                Command::request(request::GET_ROUTEINFO_BY_TOPIC)
                    .with_ext("topic", topic.to_owned()),
            )
            .await;
        match reply.code {
            response::SUCCESS => Some(TopicRoute::from_json(&reply.body).unwrap()),
            response::TOPIC_NOT_EXIST => None,
            code => panic!("route answered {code}: {:?}", reply.remark),
        }
    }

    /// Asks until the topic is routed, or no longer.
    pub async fn await_route(&mut self, topic: &str, routed: bool) {
        let asked = tokio::time::timeout(PATIENCE, async {
            while self.route(topic).await.is_some() != routed {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        asked
            .await
            .unwrap_or_else(|_| panic!("{topic} routed: {routed}"));
    }
}

pub fn table(counter: i64, topics: impl IntoIterator<Item = TopicConfig>) -> RegisterBrokerBody {
    let mut body = RegisterBrokerBody::default();
    let table = &mut body.topic_config_serialize_wrapper;
    table.data_version = DataVersion {
        counter,
        state_version: 0,
        timestamp: 1_700_000_000_000,
    };
    table.topic_config_table = topics
        .into_iter()
        .map(|t| (t.topic_name.clone(), t))
        .collect();
    body
}

pub fn two_topics(counter: i64) -> RegisterBrokerBody {
    table(
        counter,
        [TopicConfig::new("T", 4), TopicConfig::new("TBW102", 8)],
    )
}

pub fn register(broker: &str, addr: &str, body: impl Into<Bytes>) -> Command {
    Command::request(request::REGISTER_BROKER)
        .with_ext("brokerName", broker.to_owned())
        .with_ext("brokerAddr", addr.to_owned())
        .with_ext("clusterName", "DefaultCluster")
        .with_ext("haServerAddr", "127.0.0.1:2")
        .with_ext("brokerId", "0")
        .with_ext("bodyCrc32", "0")
        .with_ext("compressed", "false")
        .with_ext("enableActingMaster", "false")
        .with_body(body)
}

pub fn set_ext(mut command: Command, name: &'static str, value: &str) -> Command {
    command.ext.retain(|(key, _)| key != name);
    command.with_ext(name, value.to_owned())
}
