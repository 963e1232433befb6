//! The load generator, `mainstem bench produce|consume|end-to-end`: raw frames over blocking sockets, so that the same
//! bytes reach every broker that is compared. Owns options and results; a connection's life is in `connection`.

mod connection;
mod consume;
mod end_to_end;
mod outcome;
mod produce;
mod progress;
pub mod requests;
mod server;

use std::io;
use std::path::PathBuf;

pub use connection::Connection;
pub use outcome::{Latency, Outcome};
pub use server::{Memory, ServerProcess};

/// What every kind of load needs to know.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// The broker's address
    #[arg(long, default_value = "127.0.0.1:10911")]
    pub broker: String,
    /// Topic; with --topics above 1 the prefix of topic-0, topic-1, ...
    #[arg(long, default_value = "bench")]
    pub topic: String,
    /// Number of topics
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub topics: u32,
    /// Queues of each topic
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub queues: u32,
    /// Connections, each a thread
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,
    /// Process id of the broker on this machine: adds its CPU time per message and its memory
    #[arg(long)]
    pub pid: Option<u32>,
    /// Write the result as JSON to this file
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Create the topics first
    #[arg(long)]
    pub create: bool,
}

/// Sends messages.
#[derive(Debug, Clone, clap::Args)]
pub struct ProduceArgs {
    /// Where to
    #[command(flatten)]
    pub target: Target,
    /// Messages in all
    #[arg(long, default_value_t = 300_000)]
    pub count: u64,
    /// Body size, bytes
    #[arg(long, default_value_t = 1024)]
    pub size: usize,
    /// Bodies are cut out of this file instead of being made up
    #[arg(long)]
    pub payload: Option<PathBuf>,
    /// Requests in flight on each connection
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub window: u32,
    /// Messages in one request
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub batch: u32,
    /// Messages a second over all connections; 0 is as fast as it goes. Latency then counts from the intended start
    #[arg(long, default_value_t = 0)]
    pub rate: u64,
}

/// Pulls what is stored.
#[derive(Debug, Clone, clap::Args)]
pub struct ConsumeArgs {
    #[command(flatten)]
    target: Target,
    /// Most messages in one pull
    #[arg(long, default_value_t = 32)]
    max: u32,
}

/// Sends at a rate and consumes at the tail: the time from intended send to arrival.
#[derive(Debug, Clone, clap::Args)]
pub struct EndToEndArgs {
    /// The load
    #[command(flatten)]
    pub produce: ProduceArgs,
}

/// The kinds of load.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Load {
    /// Send messages and measure until each is acknowledged
    Produce(ProduceArgs),
    /// Pull every stored message of the topics
    Consume(ConsumeArgs),
    /// Send and consume together and measure from intended send to arrival
    EndToEnd(EndToEndArgs),
}

/// Why a load could not be brought to its end.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No connection.
    #[error(
        "cannot reach the broker at {broker}: {cause}; is it running, and is --broker its address?"
    )]
    Connect {
        /// as given
        broker: String,
        /// the system's word
        cause: io::Error,
    },
    /// The connection broke or fell silent.
    #[error("the connection to {broker} failed after {done} answers: {cause}")]
    Connection {
        /// as given
        broker: String,
        /// answers received on this connection
        done: u64,
        /// the system's word
        cause: io::Error,
    },
    /// The broker refused what every message needs.
    #[error("the broker refused to create topic {topic}: code {code}, {remark}")]
    Create {
        /// the topic
        topic: String,
        /// response code
        code: i32,
        /// the broker's text
        remark: String,
    },
    /// A file of ours.
    #[error("cannot {what} {path}: {cause}")]
    File {
        /// read or write
        what: &'static str,
        /// which
        path: PathBuf,
        /// the system's word
        cause: io::Error,
    },
    /// Something about the options.
    #[error("{0}")]
    Options(String),
}

/// Runs the load and prints its outcome; also written as JSON if asked.
pub fn run(load: &Load) -> Result<Outcome, LoadError> {
    let (target, outcome) = match load {
        Load::Produce(args) => (&args.target, produce::run(args)?),
        Load::Consume(args) => (&args.target, consume::run(args)?),
        Load::EndToEnd(args) => (&args.produce.target, end_to_end::run(&args.produce)?),
    };
    if let Some(path) = &target.json {
        let file_error = |cause| LoadError::File {
            what: "write",
            path: path.clone(),
            cause,
        };
        let text = serde_json::to_vec_pretty(&outcome).map_err(|e| file_error(e.into()))?;
        std::fs::write(path, text).map_err(file_error)?;
    }
    Ok(outcome)
}

impl Target {
    /// The name of topic number `i`.
    pub fn topic_name(&self, i: u32) -> String {
        if self.topics == 1 {
            self.topic.clone()
        } else {
            format!("{}-{i}", self.topic)
        }
    }

    /// Creates the topics, if that is asked for.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses.
    pub fn create_topics(&self) -> Result<(), LoadError> {
        if !self.create {
            return Ok(());
        }
        let mut connection = connection::Connection::open(&self.broker)?;
        for i in 0..self.topics {
            let topic = self.topic_name(i);
            let (code, remark) = connection
                .call(|out, opaque| requests::create_topic(out, opaque, &topic, self.queues))?;
            if code != 0 {
                return Err(LoadError::Create {
                    topic,
                    code,
                    remark,
                });
            }
        }
        Ok(())
    }
}
