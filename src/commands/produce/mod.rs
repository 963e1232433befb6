//! `mainstem produce`: the lines of a file or of stdin as messages. A thread reads lines, the dispatcher turns each into a message and
//! puts it into a lane, and each lane sends one request after the other. In order means: one lane per queue, so that a later line is
//! never acknowledged before an earlier one of its queue; else the next lane with room takes the line.

mod lane;
mod progress;
mod shape;

use std::path::Path;
use std::sync::Arc;

use mainstem_client::{Admin, Message, MessageQueue, Producer, RouteError};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;

use crate::arguments::Produce;
use crate::commands::client;
use crate::failure::Failure;
use crate::input::{Line, LineError, Lines};
use lane::{Lane, Numbered};
use progress::Progress;
use shape::Shape;

/// The producer group of the command line.
const GROUP: &str = "mainstem-cli";
/// Attempts of one send, on other brokers where order allows; what still fails is tried again for `--retry-for`.
const ATTEMPTS: u32 = 3;
/// The longest body that Apache RocketMQ and we take by default; the broker has the last word.
const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;
/// Lines between the reading thread and the dispatcher, and before each lane.
const LINES_AHEAD: usize = 4_096;

/// Runs the command.
pub(crate) fn run(arguments: &Produce) -> Result<(), Failure> {
    client::run(async {
        tokio::select! {
            result = produce(arguments) => result,
            () = client::interrupted() => Err(Failure::failed("interrupted; lines that were not acknowledged may be missing")),
        }
    })
}

async fn produce(arguments: &Produce) -> Result<(), Failure> {
    let shape = Shape::new(arguments);
    let producer = Producer::builder(GROUP)
        .name_servers(&arguments.connect.namesrv)
        .attempt_timeout(arguments.connect.timeout)
        .timeout(arguments.connect.timeout.saturating_mul(ATTEMPTS))
        .retries(ATTEMPTS - 1)
        .request_timeout(arguments.connect.timeout)
        .max_message_bytes(MAX_LINE_BYTES)
        .max_in_flight_messages(arguments.in_flight.saturating_mul(arguments.batch()).max(1))
        .build()
        .await
        .map_err(Failure::failed)?;
    let queues = queues(arguments, &producer).await?;
    let progress = Arc::new(Progress::start(input_bytes(arguments.file.as_deref())));
    let lines = read_lines(arguments.file.as_deref())?;
    let result = send_all(arguments, &shape, &producer, queues, lines, &progress).await;
    progress.finish(result.is_ok());
    producer.shutdown().await;
    result
}

/// Reads lines on a thread of its own: stdin cannot be read without blocking.
fn read_lines(path: Option<&Path>) -> Result<mpsc::Receiver<Result<Line, LineError>>, Failure> {
    let lines = Lines::open(path, MAX_LINE_BYTES).map_err(Failure::failed)?;
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    let read = move || {
        for line in lines {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("lines".to_owned())
        .spawn(read)
        .map_err(Failure::failed)?;
    Ok(receiver)
}

fn input_bytes(path: Option<&Path>) -> Option<u64> {
    let metadata = std::fs::metadata(path?).ok()?;
    metadata.is_file().then_some(metadata.len())
}

async fn send_all(
    arguments: &Produce,
    shape: &Shape,
    producer: &Producer,
    queues: Vec<MessageQueue>,
    mut lines: mpsc::Receiver<Result<Line, LineError>>,
    progress: &Arc<Progress>,
) -> Result<(), Failure> {
    let mut lanes = Lanes::open(arguments, producer, queues, progress);
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            Some(ended) = lanes.tasks.join_next() => {
                // A lane ends before its lines do only because it failed.
                ended.map_err(Failure::failed)??;
                continue;
            }
        };
        let Some(line) = line else { break };
        let line = line.map_err(Failure::failed)?;
        progress.read(line.bytes.len() + 1);
        if line.bytes.is_empty() {
            progress.left_out();
            continue;
        }
        let (message, order) = shape.message(line.number, line.bytes)?;
        lanes
            .put(
                Numbered {
                    number: line.number,
                    message,
                },
                order.as_deref(),
            )
            .await?;
    }
    lanes.finish().await
}

/// The lanes and their tasks.
struct Lanes {
    inputs: Vec<mpsc::Sender<Numbered>>,
    tasks: JoinSet<Result<(), Failure>>,
    /// Without an order: the lane that gets the next line, and how many lines more.
    turn: usize,
    left_in_turn: u32,
    batch: u32,
}

impl Lanes {
    fn open(
        arguments: &Produce,
        producer: &Producer,
        queues: Vec<MessageQueue>,
        progress: &Arc<Progress>,
    ) -> Lanes {
        let batch = arguments.batch();
        let mut lanes = Lanes {
            inputs: Vec::new(),
            tasks: JoinSet::new(),
            turn: 0,
            left_in_turn: batch,
            batch,
        };
        let queues: Vec<Option<MessageQueue>> = if arguments.ordered_by.is_some() {
            queues.into_iter().map(Some).collect()
        } else {
            vec![None; arguments.in_flight as usize]
        };
        // Without an order a lane holds little, so that a slow one does not hoard lines that others could send.
        let lines_ahead = if arguments.ordered_by.is_some() {
            LINES_AHEAD
        } else {
            2 * batch as usize
        };
        for queue in queues {
            let (input, lines) = mpsc::channel(lines_ahead);
            lanes.inputs.push(input);
            let (producer, progress) = (producer.clone(), Arc::clone(progress));
            let lane = Lane {
                producer,
                lines,
                queue,
                batch: batch as usize,
                retry_for: arguments.retry_for,
                progress,
            };
            lanes.tasks.spawn(lane.run());
        }
        lanes
    }

    /// Puts a message into the lane of its order, or into the next one with room; waits while there is none.
    async fn put(&mut self, mut message: Numbered, order: Option<&str>) -> Result<(), Failure> {
        let lane = match order {
            Some(order) => lane_of(order, self.inputs.len()),
            None => {
                for _ in 0..self.inputs.len() {
                    match self.inputs[self.turn].try_send(message) {
                        Ok(()) => {
                            self.left_in_turn -= 1;
                            if self.left_in_turn == 0 {
                                self.next_turn();
                            }
                            return Ok(());
                        }
                        Err(TrySendError::Full(back) | TrySendError::Closed(back)) => {
                            message = back
                        }
                    }
                    self.next_turn();
                }
                self.turn
            }
        };
        if self.inputs[lane].send(message).await.is_ok() {
            return Ok(());
        }
        // The lane is gone: one of the tasks holds the reason.
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(Failure::failed)??;
        }
        Err(Failure::failed("a lane ended without a reason"))
    }

    fn next_turn(&mut self) {
        self.turn = (self.turn + 1) % self.inputs.len();
        self.left_in_turn = self.batch;
    }

    /// Closes the lanes and waits until everything is acknowledged.
    async fn finish(mut self) -> Result<(), Failure> {
        self.inputs.clear();
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(Failure::failed)??;
        }
        Ok(())
    }
}

/// The lane of a value: the same one for the whole run, whatever happens to the topic meanwhile.
fn lane_of(order: &str, lanes: usize) -> usize {
    let hash = mainstem_record::hash::java_string_hash(order);
    hash.unsigned_abs() as usize % lanes.max(1)
}

/// Why the queues are not known.
#[derive(Debug, thiserror::Error)]
enum NoQueues {
    #[error(transparent)]
    Route(#[from] RouteError),
    /// Then nobody can tell whether there is such a topic, or make it.
    #[error(
        "the name server {name_servers} knows no broker; start one with `mainstem broker`, or `mainstem standalone`"
    )]
    NoBroker { name_servers: String },
}

impl NoQueues {
    fn may_pass(&self) -> bool {
        match self {
            NoQueues::Route(error) => error.can_retry(),
            NoQueues::NoBroker { .. } => true,
        }
    }
}

/// The queues of the topic; waits for servers to come up as long as lines are retried.
async fn queues(arguments: &Produce, producer: &Producer) -> Result<Vec<MessageQueue>, Failure> {
    let admin = client::admin(&arguments.connect).await?;
    let ask = async || match producer.queues(&arguments.topic).await {
        Err(RouteError::UnknownTopic { .. }) if knows_no_broker(&admin).await => {
            Err(NoQueues::NoBroker {
                name_servers: admin.name_servers().join(";"),
            })
        }
        answer => Ok(answer?),
    };
    let queues = client::patiently(arguments.retry_for, ask, NoQueues::may_pass).await;
    admin.shutdown().await;
    let mut queues = queues?;
    if queues.is_empty() {
        return Err(Failure::failed(format!(
            "topic {} has no queues to write to",
            arguments.topic
        )));
    }
    queues.sort_by(|a, b| (&a.broker_name, a.queue_id).cmp(&(&b.broker_name, b.queue_id)));
    Ok(queues)
}

async fn knows_no_broker(admin: &Admin) -> bool {
    let cluster = admin.cluster().await;
    cluster.is_ok_and(|cluster| cluster.broker_addr_table.is_empty())
}

/// What a lane sends: a message and the line that it came from.
pub(super) fn describe(messages: &[Message], first_line: u64) -> String {
    match messages.len() {
        1 => format!("line {first_line}"),
        count => format!("{count} lines from {first_line} on"),
    }
}
