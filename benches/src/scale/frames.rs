//! Requests beside sends and pulls, written whole: what a consumer sends while nothing happens, and what brokers and
//! clients ask of a name server.

use bytes::BytesMut;
use mainstem_common::protocol::{
    ConsumerData, DataVersion, HeartbeatData, RegisterBrokerBody, SubscriptionData, TopicConfig,
    TopicTable,
};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::request;

fn write(out: &mut Vec<u8>, opaque: i32, mut command: Command) {
    command.opaque = opaque;
    let mut bytes = BytesMut::new();
    command.encode(&mut bytes);
    out.extend_from_slice(&bytes);
}

/// A consumer's heartbeat: its group, subscribed to one topic.
pub(super) fn heartbeat(out: &mut Vec<u8>, opaque: i32, client: &str, group: &str, topic: &str) {
    let consumer = ConsumerData {
        group_name: group.to_owned(),
        subscription_data_set: vec![SubscriptionData::by_tags(topic, "*", 1)],
        ..ConsumerData::default()
    };
    let body = HeartbeatData {
        client_id: client.to_owned(),
        consumer_data_set: vec![consumer],
        ..HeartbeatData::default()
    };
    write(
        out,
        opaque,
        Command::request(request::HEART_BEAT).with_body(body.to_json()),
    );
}

/// The commit of one queue's offset, as consumers send it every five seconds for each queue: without an answer.
pub(super) fn commit(out: &mut Vec<u8>, group: &str, topic: &str, queue: u32, offset: i64) {
    let mut command = Command::request(request::UPDATE_CONSUMER_OFFSET)
        .with_ext("consumerGroup", group)
        .with_ext("topic", topic)
        .with_ext("queueId", queue.to_string())
        .with_ext("commitOffset", offset.to_string());
    command.flag |= ONE_WAY;
    write(out, 0, command);
}

/// Bit of the flag.
const ONE_WAY: i32 = 2;

/// Who else is in the group, as asked every twenty seconds.
pub(super) fn members(out: &mut Vec<u8>, opaque: i32, group: &str) {
    let command =
        Command::request(request::GET_CONSUMER_LIST_BY_GROUP).with_ext("consumerGroup", group);
    write(out, opaque, command);
}

/// A route query.
pub(super) fn route(out: &mut Vec<u8>, opaque: i32, topic: &str) {
    let command = Command::request(request::GET_ROUTEINFO_BY_TOPIC).with_ext("topic", topic);
    write(out, opaque, command);
}

/// A broker's registration with all its topics.
pub(super) fn registration(
    out: &mut Vec<u8>,
    opaque: i32,
    topics: &[String],
    version: DataVersion,
) {
    let configs = topics
        .iter()
        .map(|topic| (topic.clone(), TopicConfig::new(topic.clone(), 8)));
    let body = RegisterBrokerBody {
        filter_server_list: Vec::new(),
        topic_config_serialize_wrapper: TopicTable {
            data_version: version,
            topic_config_table: configs.collect(),
            ..TopicTable::default()
        },
    };
    write(
        out,
        opaque,
        identity(request::REGISTER_BROKER)
            .with_ext("haServerAddr", "")
            .with_body(body.to_json()),
    );
}

/// A broker's heartbeat of the light kind.
pub(super) fn data_version(out: &mut Vec<u8>, opaque: i32, version: DataVersion) {
    write(
        out,
        opaque,
        identity(request::QUERY_DATA_VERSION).with_body(version.to_json()),
    );
}

fn identity(code: i32) -> Command {
    Command::request(code)
        .with_ext("brokerName", "broker-a")
        .with_ext("brokerAddr", "127.0.0.1:10911")
        .with_ext("clusterName", "DefaultCluster")
        .with_ext("brokerId", "0")
}
