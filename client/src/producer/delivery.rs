//! Delivery: attempts to hand one send to a broker until it is acknowledged, refused for good, or out of time. This is
//! where it is decided what a failure means: move to another broker, stay and wait (ordered sends), or give up, and
//! which of several failures the caller hears of.

use std::sync::Arc;
use std::time::Duration;

use mainstem_common::protocol::MessageQueue;
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{self, request, response};
use mainstem_common::remoting::headers::{SendMessageV2, SendReply};
use tokio::time::Instant;

use super::Shared;
use super::lane::Turn;
use super::outgoing::Outgoing;
use super::queue_choice;
use super::receipt::{Delivered, SendStatus};
use crate::clock::now_ms;
use crate::error::{NotSentCause, Refusal, RequestError, RouteError, SendError};
use crate::instance::{PublishQueue, PublishRoute, read_header};

/// Between two attempts at the same broker; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Where a send goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Destination<'a> {
    /// Any queue; each attempt may take another.
    InTurn,
    /// The queue of this key, whatever happens.
    Key(&'a str),
    /// This queue, whatever happens.
    Queue(&'a MessageQueue),
}

/// What has gone wrong so far in one send.
#[derive(Debug, Default)]
struct Failures {
    attempts: u32,
    last_broker: Option<String>,
    /// The last attempt that may have stored the message; it outweighs whatever came after.
    unknown: Option<RequestError>,
}

impl Shared {
    /// The queues to write to, asking a name server if the topic is new to this producer.
    pub(crate) async fn publish_route(&self, topic: &str) -> Result<Arc<PublishRoute>, RouteError> {
        let entry = self.instance.routes().find(topic).await?;
        if let Some(route) = entry.publish() {
            return Ok(Arc::clone(route));
        }
        let entry = self.instance.routes().refresh(topic).await?;
        entry
            .publish()
            .cloned()
            .ok_or_else(|| RouteError::NotWritable {
                topic: topic.to_owned(),
            })
    }

    /// Waits for the turn of an ordered send, and says which queue it is for; `None` for one that may go anywhere.
    pub(crate) async fn line_up(
        &self,
        topic: &str,
        to: Destination<'_>,
        deadline: Instant,
    ) -> Result<Option<(PublishQueue, Turn)>, SendError> {
        if matches!(to, Destination::InTurn) {
            return Ok(None);
        }
        let not_sent = |cause| SendError::not_sent(topic, cause);
        let in_topic = self
            .lanes
            .topic_turn(topic, deadline)
            .await
            .map_err(not_sent)?;
        let queue = match self.fixed_queue(topic, to, deadline).await {
            Ok(queue) => queue,
            Err(error) => {
                in_topic.failed();
                return Err(error);
            }
        };
        let turn = self
            .lanes
            .queue_turn(&queue.name(topic), in_topic, deadline)
            .await
            .map_err(not_sent)?;
        Ok(Some((queue, turn)))
    }

    async fn fixed_queue(
        &self,
        topic: &str,
        to: Destination<'_>,
        deadline: Instant,
    ) -> Result<PublishQueue, SendError> {
        let mut failures = Failures::default();
        let route = loop {
            match self.publish_route(topic).await {
                Ok(route) => break route,
                Err(error) => self
                    .after_no_route(&error, &mut failures, deadline)
                    .await
                    .map_err(|()| SendError::not_sent(topic, error))?,
            }
        };
        match to {
            Destination::Key(key) => Ok(route.queues()
                [queue_choice::position_of_key(key, route.queues().len())]
            .clone()),
            Destination::Queue(queue) => route
                .find(&queue.broker_name, queue.queue_id)
                .cloned()
                .ok_or_else(|| {
                    SendError::not_sent(
                        topic,
                        RouteError::UnknownQueue {
                            topic: topic.to_owned(),
                            broker_name: queue.broker_name.clone(),
                            queue_id: queue.queue_id,
                        },
                    )
                }),
            Destination::InTurn => Ok(queue_choice::next_in_turn(&route, None).clone()),
        }
    }

    /// Tries until a broker has acknowledged the send. With `fixed` all attempts go to that queue, at whatever address its broker has
    /// by then.
    pub(crate) async fn deliver(
        &self,
        outgoing: &Outgoing,
        fixed: Option<&PublishQueue>,
        deadline: Instant,
    ) -> Result<Delivered, SendError> {
        let mut failures = Failures::default();
        loop {
            let route = match self.publish_route(&outgoing.topic).await {
                Ok(route) => route,
                Err(error) => {
                    if self
                        .after_no_route(&error, &mut failures, deadline)
                        .await
                        .is_err()
                    {
                        return Err(match failures.unknown.take() {
                            Some(unknown) => failures.give_up(outgoing, unknown),
                            None => SendError::not_sent(&outgoing.topic, error),
                        });
                    }
                    continue;
                }
            };
            let queue = match fixed {
                // A broker that is away leaves the route; its queues do not move for that.
                Some(fixed) => route
                    .find(fixed.broker.name(), fixed.queue_id)
                    .unwrap_or(fixed),
                None => queue_choice::next_in_turn(&route, failures.last_broker.as_deref()),
            };
            let began = Instant::now();
            let timeout = self
                .settings
                .attempt_timeout
                .min(deadline.saturating_duration_since(began));
            failures.attempts += 1;
            match self.attempt(outgoing, queue, timeout).await {
                Ok((mut reply, status)) => {
                    queue.broker.health().answered(began.elapsed());
                    self.after_success(outgoing, &route);
                    let header: SendReply<'_> =
                        read_header(queue.broker.addr(), request_code(outgoing), &reply)
                            .map_err(|cause| failures.give_up(outgoing, cause))?;
                    let (queue_id, queue_offset) = (header.queue_id, header.queue_offset);
                    return Ok(Delivered {
                        queue_id,
                        queue_offset,
                        offset_message_id: take_message_id(&mut reply),
                        broker: Arc::clone(&queue.broker),
                        status,
                        attempts: failures.attempts,
                    });
                }
                Err(error) => {
                    note_health(queue, &error);
                    let again = self.may_try_again(&error);
                    if matches!(
                        error,
                        RequestError::OutcomeUnknown { .. } | RequestError::BadReply { .. }
                    ) {
                        failures.unknown = Some(error.clone());
                    }
                    if !again
                        || failures.attempts > self.settings.retries
                        || Instant::now() >= deadline
                    {
                        return Err(failures.give_up(outgoing, error));
                    }
                    tracing::debug!(topic = %outgoing.topic, broker = queue.broker.name(), attempt = failures.attempts, %error, "send failed, trying again");
                    self.instance.routes().refresh_soon(&outgoing.topic);
                    if fixed.is_some() || !route.has_several_brokers() {
                        pause(failures.attempts, deadline).await;
                    }
                    failures.last_broker = Some(queue.broker.name().to_owned());
                }
            }
        }
    }

    /// One request and its answer; the status says which kind of yes it was.
    async fn attempt(
        &self,
        outgoing: &Outgoing,
        queue: &PublishQueue,
        timeout: Duration,
    ) -> Result<(Command, SendStatus), RequestError> {
        let command = self.command(outgoing, queue);
        let code = command.code;
        let server = queue.broker.addr();
        let reply = self.instance.call(server, command, timeout).await?;
        let status = match reply.code {
            response::SUCCESS => SendStatus::Stored,
            response::FLUSH_DISK_TIMEOUT => SendStatus::FlushTimeout,
            response::SLAVE_NOT_AVAILABLE => SendStatus::NoReplica,
            response::FLUSH_SLAVE_TIMEOUT => SendStatus::ReplicaTimeout,
            _ => {
                return Err(RequestError::Refused(Refusal {
                    server: server.to_owned(),
                    request: code::request_name(code),
                    code: reply.code,
                    remark: reply.remark.unwrap_or_default(),
                }));
            }
        };
        Ok((reply, status))
    }

    /// Sends without asking for an answer; moves on to other brokers as long as nothing has left.
    pub(crate) async fn hand_over(&self, outgoing: &Outgoing) -> Result<(), SendError> {
        let mut failures = Failures::default();
        loop {
            let route = self
                .publish_route(&outgoing.topic)
                .await
                .map_err(|error| SendError::not_sent(&outgoing.topic, error))?;
            let queue = queue_choice::next_in_turn(&route, failures.last_broker.as_deref());
            failures.attempts += 1;
            let Err(error) = self
                .instance
                .one_way(queue.broker.addr(), self.command(outgoing, queue))
                .await
            else {
                self.after_success(outgoing, &route);
                return Ok(());
            };
            note_health(queue, &error);
            if !matches!(error, RequestError::NotSent { .. })
                || failures.attempts > self.settings.retries
            {
                return Err(failures.give_up(outgoing, error));
            }
            failures.last_broker = Some(queue.broker.name().to_owned());
        }
    }

    fn command(&self, outgoing: &Outgoing, queue: &PublishQueue) -> Command {
        let header = SendMessageV2 {
            producer_group: &self.group,
            topic: &outgoing.topic,
            default_topic: &self.settings.default_topic,
            default_topic_queue_nums: self.settings.default_topic_queues,
            queue_id: queue.queue_id,
            sys_flag: outgoing.sys_flag,
            born_timestamp_ms: now_ms(),
            flag: outgoing.flag,
            properties: Some(&outgoing.properties),
            batch: outgoing.is_batch.then_some(true),
            ..SendMessageV2::default()
        };
        Command::request(request_code(outgoing))
            .with_header(&header)
            .with_body(outgoing.body.clone())
    }

    /// A topic that this send may just have created has a real route soon.
    fn after_success(&self, outgoing: &Outgoing, route: &PublishRoute) {
        if route.is_assumed() {
            self.instance.routes().refresh_soon(&outgoing.topic);
        }
    }

    /// Waits before the next attempt, if there may be one.
    async fn after_no_route(
        &self,
        error: &RouteError,
        failures: &mut Failures,
        deadline: Instant,
    ) -> Result<(), ()> {
        failures.attempts += 1;
        if !error.can_retry()
            || failures.attempts > self.settings.retries
            || Instant::now() >= deadline
        {
            return Err(());
        }
        pause(failures.attempts, deadline).await;
        Ok(())
    }

    fn may_try_again(&self, error: &RequestError) -> bool {
        match error {
            RequestError::OutcomeUnknown { .. } => self.settings.retry_unknown_outcome,
            other => other.can_retry(),
        }
    }
}

impl Failures {
    /// The error that the caller sees: the worst of all attempts.
    fn give_up(&self, outgoing: &Outgoing, last: RequestError) -> SendError {
        let topic = outgoing.topic.to_string();
        let attempts = self.attempts;
        let unknown = match &last {
            RequestError::OutcomeUnknown { .. } | RequestError::BadReply { .. } => {
                Some(last.clone())
            }
            _ => self.unknown.clone(),
        };
        if let Some(cause) = unknown {
            return SendError::OutcomeUnknown {
                topic,
                unique_key: outgoing.unique_key.clone(),
                attempts,
                cause: Box::new(cause),
            };
        }
        match last {
            RequestError::Refused(refusal) => SendError::Refused {
                topic,
                attempts,
                refusal: Box::new(refusal),
            },
            other => SendError::NotSent {
                topic,
                cause: NotSentCause::Request(Box::new(other)),
            },
        }
    }
}

/// The offset message id, moved out of the answer.
fn take_message_id(reply: &mut Command) -> String {
    let found = reply.ext.iter_mut().find(|(name, _)| name == "msgId");
    found
        .map(|(_, value)| std::mem::take(value))
        .unwrap_or_default()
}

fn request_code(outgoing: &Outgoing) -> i32 {
    if outgoing.is_batch {
        request::SEND_BATCH_MESSAGE
    } else {
        request::SEND_MESSAGE_V2
    }
}

/// A broker that did not answer, or says that it cannot serve, is left alone for a while; one that dislikes a message is not.
fn note_health(queue: &PublishQueue, error: &RequestError) {
    let unwell = match error {
        RequestError::NotSent { .. } | RequestError::OutcomeUnknown { .. } => true,
        RequestError::Refused(refusal) => matches!(
            refusal.code,
            response::SYSTEM_BUSY
                | response::SERVICE_NOT_AVAILABLE
                | response::FLOW_CONTROL
                | response::GO_AWAY
        ),
        RequestError::BadReply { .. } => false,
    };
    if unwell {
        queue.broker.health().failed();
    }
}

async fn pause(attempts: u32, deadline: Instant) {
    let pause = FIRST_PAUSE
        .saturating_mul(1 << (attempts.saturating_sub(1)).min(16))
        .min(LONGEST_PAUSE);
    tokio::time::sleep_until(deadline.min(Instant::now() + pause)).await;
}
