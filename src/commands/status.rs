//! `mainstem status`: brokers, topics, rates and lag; or, for health checks, only whether everything answers.

use std::sync::Arc;

use mainstem_client::{Admin, BrokerStatus};
use mainstem_record::topic as names_of;
use serde::Serialize;

use crate::arguments::{Format, Status};
use crate::commands::client;
use crate::commands::topic::names;
use crate::failure::Failure;
use crate::output::{Output, Table};

/// Topics and groups that are asked for their figures, some requests each; more would make a status a load of its own.
const MAX_SHOWN: usize = 500;

/// Runs the command.
pub(crate) fn run(arguments: &Status) -> Result<(), Failure> {
    client::run(async {
        let admin = Arc::new(client::admin(&arguments.connect).await?);
        if arguments.ready {
            ready(&admin).await
        } else {
            show(&admin, arguments.format, arguments.all).await
        }
    })
}

/// Ready means: a name server answers, it knows a broker, and every broker that it knows answers.
async fn ready(admin: &Admin) -> Result<(), Failure> {
    let brokers = match admin.brokers().await {
        Ok(brokers) => brokers,
        Err(error) => return not_ready(&error.to_string()),
    };
    if brokers.is_empty() {
        return not_ready(&format!(
            "the name server {} knows no broker",
            admin.name_servers().join(";")
        ));
    }
    for broker in &brokers {
        if let Err(error) = &broker.runtime {
            return not_ready(&format!(
                "broker {} at {}: {error}",
                broker.name, broker.addr
            ));
        }
    }
    let mut out = Output::stdout();
    out.line(b"ready")?;
    Ok(out.flush()?)
}

fn not_ready(reason: &str) -> Result<(), Failure> {
    eprintln!("not ready: {reason}");
    Err(Failure::No)
}

/// Everything that is shown.
#[derive(Serialize)]
struct Shown {
    brokers: Vec<Broker>,
    topics: Vec<Topic>,
    groups: Vec<Group>,
    /// Topics and groups that were left out.
    left_out: usize,
}

#[derive(Serialize)]
struct Broker {
    name: String,
    id: i64,
    cluster: String,
    address: String,
    version: Option<String>,
    put_per_second: Option<f64>,
    get_per_second: Option<f64>,
    /// Used part of the disk under the commit log, 0 to 1.
    disk_ratio: Option<f64>,
    /// roomy, filling, pressed or full; nothing where the broker does not say.
    disk_stage: Option<String>,
    error: Option<String>,
}

#[derive(Serialize)]
struct Topic {
    topic: String,
    queues: usize,
    messages: i64,
    put_per_second: f64,
}

#[derive(Serialize)]
struct Group {
    group: String,
    lag: i64,
    consumed_per_second: f64,
    members: Option<usize>,
}

async fn show(admin: &Arc<Admin>, format: Format, all: bool) -> Result<(), Failure> {
    let brokers = admin.brokers().await.map_err(Failure::failed)?;
    let mut left_out = 0;
    let mut names = names(admin, all).await?;
    left_out += names.len().saturating_sub(MAX_SHOWN);
    names.truncate(MAX_SHOWN);
    let ask = |name| topic(Arc::clone(admin), name);
    let topics = client::side_by_side(names, ask).await?;
    let groups = admin.groups().await.map_err(Failure::failed)?;
    let mut groups: Vec<String> = groups
        .into_keys()
        .filter(|group| all || !is_builtin(group))
        .collect();
    left_out += groups.len().saturating_sub(MAX_SHOWN);
    groups.truncate(MAX_SHOWN);
    let ask = |name| group(Arc::clone(admin), name);
    let groups = client::side_by_side(groups, ask).await?;
    let shown = Shown {
        brokers: brokers.iter().map(broker).collect(),
        topics: topics.into_iter().flatten().collect(),
        groups: groups.into_iter().flatten().collect(),
        left_out,
    };
    let mut out = Output::stdout();
    match format {
        Format::Json => out.line(&serde_json::to_vec(&shown).map_err(Failure::failed)?)?,
        Format::Text => text(&shown, &mut out)?,
    }
    Ok(out.flush()?)
}

/// What is shown of a topic; nothing of one that was deleted meanwhile.
async fn topic(admin: Arc<Admin>, name: String) -> Option<Topic> {
    let stats = admin.topic_stats(&name).await.ok()?;
    let messages = stats
        .offset_table
        .iter()
        .map(|(_, offsets)| offsets.max_offset - offsets.min_offset)
        .sum();
    Some(Topic {
        topic: name,
        queues: stats.offset_table.len(),
        messages,
        put_per_second: stats.topic_put_tps,
    })
}

/// What is shown of a group; nothing of one that was deleted meanwhile.
async fn group(admin: Arc<Admin>, name: String) -> Option<Group> {
    let lag = admin.group_lag(&name, None).await.ok()?;
    let connected = admin.consumer_connections(&name).await.ok().flatten();
    Some(Group {
        lag: lag.total(),
        consumed_per_second: lag.consume_rate,
        group: name,
        members: connected.map(|connected| connected.connection_set.len()),
    })
}

/// Groups of the system and its tools, which every broker has.
fn is_builtin(group: &str) -> bool {
    names_of::is_system_group(group)
        || group.starts_with("CID_ONS")
        || matches!(
            group,
            "TOOLS_CONSUMER" | "FILTERSRV_CONSUMER" | "SELF_TEST_C_GROUP"
        )
}

fn broker(status: &BrokerStatus) -> Broker {
    Broker {
        name: status.name.clone(),
        id: status.id,
        cluster: status.cluster.clone(),
        address: status.addr.clone(),
        version: status.version().map(str::to_owned),
        put_per_second: status.put_rate(),
        get_per_second: status.get_rate(),
        disk_ratio: status.disk_ratio(),
        disk_stage: status.value("diskStage").map(str::to_owned),
        error: status.runtime.as_ref().err().map(ToString::to_string),
    }
}

/// How full the broker's disk is; with what it does because of it, unless that is nothing.
fn disk(broker: &Broker) -> String {
    let Some(ratio) = broker.disk_ratio else {
        return "-".to_owned();
    };
    let used = format!("{:.0} %", ratio * 100.0);
    match broker.disk_stage.as_deref() {
        None | Some("roomy") => used,
        Some("full") => format!("{used}, full: refuses messages"),
        Some(stage) => format!("{used}, {stage}"),
    }
}

fn text(shown: &Shown, out: &mut Output) -> Result<(), Failure> {
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
    let mut table = Table::new(&[
        "broker", "id", "cluster", "address", "in/s", "out/s", "disk", "version",
    ]);
    for broker in &shown.brokers {
        let state = broker
            .error
            .clone()
            .or_else(|| broker.version.clone())
            .unwrap_or_default();
        let (put, get) = (rate(broker.put_per_second), rate(broker.get_per_second));
        table.row(vec![
            broker.name.clone(),
            broker.id.to_string(),
            broker.cluster.clone(),
            broker.address.clone(),
            put,
            get,
            disk(broker),
            state,
        ]);
    }
    table.print(out)?;
    if !shown.topics.is_empty() {
        out.line(b"")?;
        let mut table = Table::new(&["topic", "queues", "messages", "in/s"]);
        for topic in &shown.topics {
            let cells = vec![
                topic.topic.clone(),
                topic.queues.to_string(),
                topic.messages.to_string(),
                format!("{:.1}", topic.put_per_second),
            ];
            table.row(cells);
        }
        table.print(out)?;
    }
    if !shown.groups.is_empty() {
        out.line(b"")?;
        let mut table = Table::new(&["group", "members", "lag", "consumed/s"]);
        for group in &shown.groups {
            let members = group.members.unwrap_or(0).to_string();
            table.row(vec![
                group.group.clone(),
                members,
                group.lag.to_string(),
                format!("{:.1}", group.consumed_per_second),
            ]);
        }
        table.print(out)?;
    }
    if shown.left_out > 0 {
        out.line(format!("{} more topics and groups are not shown", shown.left_out).as_bytes())?;
    }
    Ok(())
}
