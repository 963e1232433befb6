//! Producers against brokers that misbehave.

mod faults;
mod order;
mod routes;
mod sends;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{FakeBroker, FakeNameServer, Reaction, Server, eventually};
use mainstem_client::{
    Message, NotSentCause, Producer, RequestError, RouteError, SendError, SendStatus,
};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::SendMessageV2;
use parking_lot::Mutex;
use tokio::sync::oneshot;

const SEND: i32 = request::SEND_MESSAGE_V2;

fn message(body: &str) -> Message {
    Message::builder("t").body(body.to_owned()).build().unwrap()
}

async fn producer(name_servers: &str) -> Producer {
    Producer::builder("p")
        .name_servers(name_servers)
        .attempt_timeout(Duration::from_millis(300))
        .build()
        .await
        .unwrap()
}

/// A name server that knows one topic `t` of four queues on one broker.
async fn one_broker() -> (FakeNameServer, FakeBroker, Producer) {
    let (name_server, broker) = (FakeNameServer::start().await, FakeBroker::start().await);
    name_server.set("t", 4, &[("a", &broker.text())]);
    let producer = producer(&name_server.text()).await;
    (name_server, broker, producer)
}

async fn two_brokers() -> (FakeNameServer, FakeBroker, FakeBroker, Producer) {
    let (name_server, a, b) = (
        FakeNameServer::start().await,
        FakeBroker::start().await,
        FakeBroker::start().await,
    );
    name_server.set("t", 2, &[("a", &a.text()), ("b", &b.text())]);
    let producer = producer(&name_server.text()).await;
    (name_server, a, b, producer)
}

fn unique_keys(server: &Server) -> Vec<String> {
    let key = |command: &Command| {
        let header: SendMessageV2<'_> = command.header().unwrap();
        let properties = mainstem_record::Properties::parse(header.properties.unwrap().as_bytes());
        properties.get("UNIQ_KEY").unwrap().to_owned()
    };
    server.seen(SEND).iter().map(key).collect()
}

fn refuse(code: i32, remark: &str) -> Option<Reaction> {
    Some(Reaction::Reply(Command::response(code).with_remark(remark)))
}
