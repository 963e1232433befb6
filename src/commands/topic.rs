//! `mainstem topic create|list|describe|delete`.

use std::collections::BTreeMap;

use mainstem_client::{Admin, NewTopic, TopicDescription};
use mainstem_record::topic;
use serde::Serialize;

use crate::arguments::{Format, Topic, TopicAction};
use crate::commands::client;
use crate::failure::Failure;
use crate::output::{Output, Table};

/// Runs the command.
pub(crate) fn run(arguments: &Topic) -> Result<(), Failure> {
    client::run(async {
        match &arguments.action {
            TopicAction::Create {
                topic,
                queues,
                broker,
                connect,
            } => {
                let admin = client::admin(connect).await?;
                create(&admin, topic, *queues, broker.as_deref()).await
            }
            TopicAction::List {
                all,
                format,
                connect,
            } => list(&client::admin(connect).await?, *all, *format).await,
            TopicAction::Describe {
                topic,
                format,
                connect,
            } => describe(&client::admin(connect).await?, topic, *format).await,
            TopicAction::Delete { topic, connect } => {
                delete(&client::admin(connect).await?, topic).await
            }
        }
    })
}

async fn create(
    admin: &Admin,
    topic: &str,
    queues: u32,
    broker: Option<&str>,
) -> Result<(), Failure> {
    let mut new = NewTopic::new(topic, i32::try_from(queues).map_err(Failure::failed)?);
    new.broker = broker.map(str::to_owned);
    admin.create_topic(&new).await.map_err(Failure::failed)?;
    let mut out = Output::stdout();
    let place = broker.map_or_else(
        || "every broker".to_owned(),
        |broker| format!("broker {broker}"),
    );
    out.line(format!("topic {topic}: {queues} queues on {place}").as_bytes())?;
    Ok(out.flush()?)
}

async fn list(admin: &Admin, all: bool, format: Format) -> Result<(), Failure> {
    let topics = names(admin, all).await?;
    let mut out = Output::stdout();
    match format {
        Format::Text => {
            for topic in topics {
                out.line(topic.as_bytes())?;
            }
        }
        Format::Json => out.line(&serde_json::to_vec(&topics).map_err(Failure::failed)?)?,
    }
    Ok(out.flush()?)
}

/// The names of all topics, sorted; unless `all`, without those that nobody made on purpose.
pub(super) async fn names(admin: &Admin, all: bool) -> Result<Vec<String>, Failure> {
    let mut topics = admin.topics().await.map_err(Failure::failed)?;
    if !all {
        let cluster = admin.cluster().await.map_err(Failure::failed)?;
        topics.retain(|name| {
            let named_after_server = cluster.cluster_addr_table.contains_key(name)
                || cluster.broker_addr_table.contains_key(name);
            let made_by_brokers = topic::is_system(name)
                || topic::is_retry(name)
                || topic::is_dlq(name)
                || name.ends_with("_REPLY_TOPIC");
            !named_after_server && !made_by_brokers && name != topic::BENCHMARK
        });
    }
    topics.sort();
    Ok(topics)
}

#[derive(Serialize)]
struct Described {
    topic: String,
    brokers: BTreeMap<String, String>,
    groups: Vec<String>,
    queues: Vec<Queue>,
}

#[derive(Serialize)]
struct Queue {
    broker: String,
    queue_id: i32,
    min_offset: i64,
    max_offset: i64,
    messages: i64,
    last_stored_ms: i64,
}

impl Described {
    fn new(topic: &str, description: &TopicDescription) -> Described {
        let brokers = description.route.broker_datas.iter().map(|broker| {
            let address = broker
                .broker_addrs
                .get(&0)
                .or_else(|| broker.broker_addrs.values().next());
            (
                broker.broker_name.clone(),
                address.cloned().unwrap_or_default(),
            )
        });
        let queues = description
            .stats
            .offset_table
            .iter()
            .map(|(queue, offsets)| Queue {
                broker: queue.broker_name.clone(),
                queue_id: queue.queue_id,
                min_offset: offsets.min_offset,
                max_offset: offsets.max_offset,
                messages: offsets.max_offset - offsets.min_offset,
                last_stored_ms: offsets.last_update_timestamp,
            });
        Described {
            topic: topic.to_owned(),
            brokers: brokers.collect(),
            groups: description.groups.clone(),
            queues: queues.collect(),
        }
    }
}

async fn describe(admin: &Admin, topic: &str, format: Format) -> Result<(), Failure> {
    let description = admin.describe_topic(topic).await.map_err(Failure::failed)?;
    let described = Described::new(topic, &description);
    let mut out = Output::stdout();
    if format == Format::Json {
        out.line(&serde_json::to_vec(&described).map_err(Failure::failed)?)?;
        return Ok(out.flush()?);
    }
    let brokers: Vec<String> = described
        .brokers
        .iter()
        .map(|(name, address)| format!("{name} ({address})"))
        .collect();
    out.line(format!("topic {topic} on {}", brokers.join(", ")).as_bytes())?;
    let groups = if described.groups.is_empty() {
        "none".to_owned()
    } else {
        described.groups.join(", ")
    };
    out.line(format!("consumer groups: {groups}").as_bytes())?;
    let mut table = Table::new(&["broker", "queue", "min offset", "max offset", "messages"]);
    for queue in &described.queues {
        let numbers = [
            i64::from(queue.queue_id),
            queue.min_offset,
            queue.max_offset,
            queue.messages,
        ];
        table.row(
            std::iter::once(queue.broker.clone())
                .chain(numbers.iter().map(ToString::to_string))
                .collect(),
        );
    }
    table.print(&mut out)?;
    Ok(out.flush()?)
}

async fn delete(admin: &Admin, topic: &str) -> Result<(), Failure> {
    admin
        .delete_topic(topic, None)
        .await
        .map_err(Failure::failed)?;
    let mut out = Output::stdout();
    out.line(format!("topic {topic} deleted").as_bytes())?;
    Ok(out.flush()?)
}
