//! Push consumers against brokers that are watched closely, and misbehave.

mod delivery;
mod group;
mod settling;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{FakeBroker, FakeNameServer, Reaction, eventually};
use mainstem_client::{
    Concurrency, ConsumeFrom, Outcome, PushConsumer, PushConsumerBuilder, ReceivedMessage,
};
use mainstem_common::protocol::{
    ConsumeMessageDirectlyResult, ConsumeResult, ConsumerRunningInfo, MessageQueue,
    ResetOffsetTable,
};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::{
    ConsumeMessageDirectly, ConsumerGroup, ConsumerRunningInfo as RunningInfoRequest, ResetOffset,
    SendBack,
};
use parking_lot::Mutex;

const BACK: i32 = request::CONSUMER_SEND_MSG_BACK;

/// A name server with topic `t` and the retry topic of group `g`, one queue each, on one broker.
async fn cluster(queues: i32) -> (FakeNameServer, FakeBroker) {
    let (name_server, broker) = (FakeNameServer::start().await, FakeBroker::start().await);
    name_server.set("t", queues, &[("a", &broker.text())]);
    name_server.set("%RETRY%g", 1, &[("a", &broker.text())]);
    (name_server, broker)
}

fn builder(name_server: &FakeNameServer) -> PushConsumerBuilder {
    PushConsumer::builder("g")
        .name_servers(name_server.text())
        .subscribe("t", "*")
        .from(ConsumeFrom::Earliest)
        .commit_interval(Duration::from_millis(30))
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn add(&self, messages: &[ReceivedMessage]) {
        self.0.lock().extend(
            messages
                .iter()
                .map(|message| String::from_utf8_lossy(&message.body).into_owned()),
        );
    }

    fn bodies(&self) -> Vec<String> {
        self.0.lock().clone()
    }

    fn len(&self) -> usize {
        self.0.lock().len()
    }
}

async fn collect(seen: &Seen, messages: &[ReceivedMessage]) -> Outcome {
    seen.add(messages);
    Outcome::Done
}

fn delay_levels(broker: &FakeBroker) -> Vec<i32> {
    broker
        .server
        .seen(BACK)
        .iter()
        .map(|command| command.header::<SendBack<'_>>().unwrap().delay_level)
        .collect()
}
