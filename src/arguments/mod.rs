//! Every argument of every subcommand, with its help text. Owns the words a person types; what they do is in `commands/`.

mod store;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use store::{Store, StoreAction, StoreDirectory, StoreDump, StoreRepair};

/// A RocketMQ-compatible message broker: one binary, one log, durable by default.
///
/// Without a subcommand it runs `standalone`: a name server and a broker in one process.
#[derive(Debug, Parser)]
#[command(
    name = "mainstem",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 120
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    standalone: Standalone,
}

impl Arguments {
    /// The command to run; arguments without a subcommand are those of `standalone`.
    pub(crate) fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Standalone(self.standalone))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a name server and a broker in one process (the default)
    Standalone(Standalone),
    /// Run a name server
    Nameserver(NameServer),
    /// Run a broker
    Broker(Broker),
    /// Create, list, describe or delete topics
    Topic(Topic),
    /// Send the lines of a file or of stdin as messages
    Produce(Produce),
    /// Print the messages of a topic
    Consume(Consume),
    /// Show brokers, topics, rates and lag
    Status(Status),
    /// Print every configuration key, or the effective values with their sources
    Config(Config),
    /// Measure a broker that is already running: rates, latency, CPU time and memory
    #[command(subcommand)]
    Bench(mainstem_load::Load),
    /// Check, show or repair a data directory while no broker runs on it
    Store(Store),
}

/// Where a server's configuration comes from; common to all servers.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Configuration {
    /// Configuration file: TOML (.toml) or RocketMQ's own properties (.conf, .properties)
    #[arg(long, short = 'c', value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set a configuration key, over the file; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Start although KEY asks for protection, replication or a storage form that is not built; said at every start
    #[arg(long, value_name = "KEY")]
    pub(crate) accept_unsupported: Vec<String>,
    /// How much is logged: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// The form of the log on stderr: human or json
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Standalone {
    /// Directory of the data [default: ./mainstem-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "IP")]
    pub(crate) listen: Option<IpAddr>,
    /// Address that clients are told [default: the listen address, for 0.0.0.0 that of the default route]
    #[arg(long, value_name = "IP")]
    pub(crate) advertise: Option<IpAddr>,
    /// Port of the name server; 0 is any free one [default: 9876]
    #[arg(long, value_name = "N")]
    pub(crate) namesrv_port: Option<u16>,
    /// Port of the broker; 0 is any free one [default: 10911]
    #[arg(long, value_name = "N")]
    pub(crate) broker_port: Option<u16>,
    /// The broker's second port, which the dashboard uses: auto (broker port - 2), off, or a port
    #[arg(long, value_name = "auto|off|N")]
    pub(crate) fast_port: Option<String>,
    /// Serve metrics for Prometheus at http://ADDRESS/metrics
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct NameServer {
    /// Address to listen on, with or without port [default: 127.0.0.1:9876]
    #[arg(long, value_name = "IP[:PORT]")]
    pub(crate) listen: Option<String>,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Broker {
    /// Name servers to register with, separated by semicolons [default: $NAMESRV_ADDR]
    #[arg(long, short = 'n', value_name = "HOST:PORT;...")]
    pub(crate) namesrv: Option<String>,
    /// Directory of the data [default: ./mainstem-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address to listen on [default: brokerIP1 where it is set, else 127.0.0.1]
    #[arg(long, value_name = "IP")]
    pub(crate) listen: Option<IpAddr>,
    /// Address that clients are told [default: the listen address, for 0.0.0.0 that of the default route]
    #[arg(long, value_name = "IP")]
    pub(crate) advertise: Option<IpAddr>,
    /// Port; 0 is any free one [default: 10911]
    #[arg(long, value_name = "N")]
    pub(crate) broker_port: Option<u16>,
    /// The second port, which the dashboard uses: auto (broker port - 2), off, or a port
    #[arg(long, value_name = "auto|off|N")]
    pub(crate) fast_port: Option<String>,
    /// The broker's name in routes [default: the host's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Serve metrics for Prometheus at http://ADDRESS/metrics
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
}

/// How a client command reaches the cluster; common to all of them.
#[derive(Clone, Debug, Args)]
pub(crate) struct Connect {
    /// Name servers, separated by semicolons
    #[arg(
        long,
        short = 'n',
        value_name = "HOST:PORT;...",
        env = "NAMESRV_ADDR",
        default_value = "127.0.0.1:9876",
        hide_env_values = true
    )]
    pub(crate) namesrv: String,
    /// How long a single request may take, e.g. 500ms, 3s, 1m
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Topic {
    #[command(subcommand)]
    pub(crate) action: TopicAction,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TopicAction {
    /// Create a topic on every broker of the cluster, or change it
    Create {
        /// The topic
        topic: String,
        /// Queues on each broker
        #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=65_536))]
        queues: u32,
        /// On this broker only
        #[arg(long, value_name = "NAME")]
        broker: Option<String>,
        #[command(flatten)]
        connect: Connect,
    },
    /// List topics
    List {
        /// Show the system's own topics and those of retries, too
        #[arg(long)]
        all: bool,
        /// Output
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        #[command(flatten)]
        connect: Connect,
    },
    /// Show where a topic's queues lie and what they hold
    Describe {
        /// The topic
        topic: String,
        /// Output
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        #[command(flatten)]
        connect: Connect,
    },
    /// Delete a topic with its messages
    Delete {
        /// The topic
        topic: String,
        #[command(flatten)]
        connect: Connect,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Produce {
    /// The topic
    pub(crate) topic: String,
    /// The file to read; stdin unless given
    pub(crate) file: Option<PathBuf>,
    /// Message key from each line: the number of a field separated by blanks (from 1), or a JSON pointer such as /user/id
    #[arg(long, value_name = "FIELD|POINTER")]
    pub(crate) key_from: Option<crate::input::Selector>,
    /// Keep the order of lines with equal values: field or JSON pointer as above. They go to one queue, one after the other
    #[arg(long, value_name = "FIELD|POINTER")]
    pub(crate) ordered_by: Option<crate::input::Selector>,
    /// Tag of every message
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Property of every message; may be repeated
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = property)]
    pub(crate) properties: Vec<(String, String)>,
    /// Send up to N waiting lines in one request [default: 1; with --ordered-by, where one request of a queue waits for the other, 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    batch: Option<u32>,
    /// Requests under way at a time
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) in_flight: u32,
    /// How long to go on trying to send a line that fails, and to wait for servers that are not up yet, e.g. 30s
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) retry_for: Duration,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Consume {
    /// The topic
    pub(crate) topic: String,
    /// Read as this consumer group: go on where it stopped, and commit. Without it all queues are read and no trace is left
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// Stop at the end that the queues have now, instead of following
    #[arg(long)]
    pub(crate) until_end: bool,
    /// Where to begin: earliest, latest, or a time such as 2026-01-31T12:00:00Z, -1h, or milliseconds since 1970; with --group only
    /// for queues where the group has no offset yet
    #[arg(
        long,
        value_name = "WHERE",
        default_value = "earliest",
        allow_hyphen_values = true
    )]
    pub(crate) from: crate::input::From,
    /// Only messages with one of these tags, e.g. "a || b"
    #[arg(long, value_name = "TAGS", default_value = "*")]
    pub(crate) filter: String,
    /// Stop after N messages
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// text: the bodies, a line each; json: an object each with all that a message carries
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Status {
    /// Only tell whether name server and brokers answer, by the exit code: 0 yes, 1 no
    #[arg(long)]
    pub(crate) ready: bool,
    /// Show the system's own topics and groups, too
    #[arg(long)]
    pub(crate) all: bool,
    /// Output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Config {
    /// Show the value that each key would have, and where it comes from
    #[arg(long)]
    pub(crate) effective: bool,
    /// Print the reference page (docs/configuration.md)
    #[arg(long, conflicts_with = "effective")]
    pub(crate) markdown: bool,
    /// The name server's keys instead of the broker's
    #[arg(long)]
    pub(crate) nameserver: bool,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
}

impl Produce {
    /// The most lines in one request.
    pub(crate) fn batch(&self) -> u32 {
        self.batch
            .unwrap_or(if self.ordered_by.is_some() { 32 } else { 1 })
    }
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    if name.is_empty() {
        return Err("a property needs a name".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// A time span: a number with the unit ms, s, m, h or d; seconds without one.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit_ms = match unit {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("write a number and ms, s, m, h or d, such as 3s".to_owned()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "write a number and ms, s, m, h or d, such as 3s".to_owned())?;
    number
        .checked_mul(unit_ms)
        .map(Duration::from_millis)
        .ok_or_else(|| "too long".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn standalone_is_the_default() {
        let parsed =
            Arguments::try_parse_from(["mainstem", "--data-dir", "d", "--fast-port", "off"])
                .unwrap();
        assert!(matches!(
            parsed.into_command(),
            Command::Standalone(Standalone {
                data_dir: Some(_),
                fast_port: Some(_),
                ..
            })
        ));
        assert!(matches!(
            Arguments::try_parse_from(["mainstem"])
                .unwrap()
                .into_command(),
            Command::Standalone(_)
        ));
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(duration("2").unwrap(), Duration::from_secs(2));
        assert_eq!(duration("1h").unwrap(), Duration::from_secs(3_600));
        for bad in ["", "s", "1x", "-1s", "99999999999999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
