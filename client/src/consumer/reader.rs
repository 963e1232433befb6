//! Reading of one queue: a task that pulls as long as there is room and puts what it finds into the process queue. It ends
//! when the queue is taken away, when its offset is reset (another reader takes over), or with its consumer.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mainstem_common::protocol::{MASTER_ID, MessageQueue};
use mainstem_common::remoting::code::response;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::member::{LOG_EVERY, Member};
use super::process_queue::{FlowLimits, ProcessQueue};
use super::pull::{self, Pull, PullStatus, Pulled, QueueNames};
use super::subscription::Subscription;
use crate::clock::now_ms;
use crate::error::{ConsumeError, RouteError};

/// After a failed pull; doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// A broker that says "nothing" at once although it was asked to wait is asked again after this.
const IDLE_PAUSE: Duration = Duration::from_millis(100);

/// One queue while it is this consumer's.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) queue: MessageQueue,
    pub(crate) process: ProcessQueue,
    names: QueueNames,
    subscription: Arc<Subscription>,
    /// Cancelled when the queue is taken away.
    stop: CancellationToken,
    /// The replica that the broker advises to read from.
    broker_id: AtomicI64,
    last_pull_ms: AtomicI64,
    last_handled_ms: AtomicI64,
}

impl Reader {
    pub(crate) fn new(
        queue: MessageQueue,
        subscription: Arc<Subscription>,
        start: i64,
        limits: FlowLimits,
        stop: CancellationToken,
    ) -> Self {
        Self {
            names: QueueNames {
                broker: queue.broker_name.as_str().into(),
                topic: queue.topic.as_str().into(),
            },
            process: ProcessQueue::new(start, limits),
            queue,
            subscription,
            stop,
            broker_id: AtomicI64::new(MASTER_ID),
            last_pull_ms: AtomicI64::new(now_ms()),
            last_handled_ms: AtomicI64::new(now_ms()),
        }
    }

    /// The queue is no longer this consumer's: nothing more is pulled or handed out.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    pub(crate) fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// When the last pull was answered, in milliseconds since the epoch.
    pub(crate) fn last_pull_ms(&self) -> i64 {
        self.last_pull_ms.load(Ordering::Relaxed)
    }

    /// When a message was last finished, in milliseconds since the epoch.
    pub(crate) fn last_handled_ms(&self) -> i64 {
        self.last_handled_ms.load(Ordering::Relaxed)
    }

    /// Marks messages as finished.
    pub(crate) fn finish(&self, offsets: impl IntoIterator<Item = i64>) {
        self.last_handled_ms.store(now_ms(), Ordering::Relaxed);
        self.process.finish(offsets);
    }

    /// Pulls until the offset moves from outside; returns the new one. Runs under the stop token.
    pub(crate) async fn read(&self, member: &Member) -> i64 {
        let mut failures = 0_u32;
        loop {
            self.process.room().await;
            let began = Instant::now();
            match self.pull(member).await {
                Ok(pulled) => {
                    if std::mem::take(&mut failures) > 0 {
                        member.take_error();
                    }
                    self.last_pull_ms.store(now_ms(), Ordering::Relaxed);
                    if pulled.status == PullStatus::OffsetMoved {
                        tracing::info!(
                            topic = %self.queue.topic, broker = %self.queue.broker_name, queue = self.queue.queue_id,
                            from = self.process.next_offset(), to = pulled.next_offset,
                            "the broker moved this queue's offset: it was out of range or has been reset"
                        );
                        return pulled.next_offset;
                    }
                    let idle = pulled.status == PullStatus::Nothing && began.elapsed() < IDLE_PAUSE;
                    self.take_in(member, pulled);
                    if idle {
                        tokio::time::sleep(IDLE_PAUSE).await;
                    }
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    self.failed(member, error, failures).await;
                }
            }
        }
    }

    async fn pull(&self, member: &Member) -> Result<Pulled, ConsumeError> {
        let entry = member.instance().routes().find(&self.queue.topic).await?;
        let broker_id = self.broker_id.load(Ordering::Relaxed);
        let Some(broker) = entry.reader_addr_of(&self.queue.broker_name, broker_id) else {
            return Err(ConsumeError::Route(RouteError::UnknownQueue {
                topic: self.queue.topic.clone(),
                broker_name: self.queue.broker_name.clone(),
                queue_id: self.queue.queue_id,
            }));
        };
        member
            .offsets()
            .reached(&self.queue, self.process.committable());
        let commit = member.offsets().unwritten(&self.queue);
        let request = Pull {
            group: member.group(),
            queue: &self.queue,
            offset: self.process.next_offset(),
            subscription: &self.subscription,
            commit,
        };
        let pulled = pull::pull(
            member.instance(),
            broker,
            &request,
            member.pull_settings(),
            &self.names,
        )
        .await?;
        if let Some(offset) = commit {
            member.offsets().written(&self.queue, offset);
        }
        self.broker_id
            .store(pulled.suggested_broker_id, Ordering::Relaxed);
        Ok(pulled)
    }

    fn take_in(&self, member: &Member, pulled: Pulled) {
        for record in &pulled.unreadable {
            member.unreadable(self, record);
        }
        let any = !pulled.messages.is_empty();
        self.process.add(pulled.messages, pulled.next_offset);
        if any {
            member.arrived().notify_one();
        }
    }

    async fn failed(&self, member: &Member, error: ConsumeError, failures: u32) {
        if failures % LOG_EVERY == 1 {
            tracing::warn!(
                topic = %self.queue.topic, broker = %self.queue.broker_name, queue = self.queue.queue_id, failures, %error,
                "pull failed, trying again"
            );
        }
        match error.code() {
            // The broker has lost sight of this client.
            Some(response::SUBSCRIPTION_NOT_EXIST | response::SUBSCRIPTION_NOT_LATEST) => {
                member.announce_once().await;
            }
            None => member.instance().routes().refresh_soon(&self.queue.topic),
            Some(_) => {}
        }
        self.broker_id.store(MASTER_ID, Ordering::Relaxed);
        member.note_error(error);
        let pause = FIRST_PAUSE
            .saturating_mul(1 << (failures - 1).min(8))
            .min(LONGEST_PAUSE);
        tokio::time::sleep(pause).await;
    }
}
