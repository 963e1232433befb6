//! How far the log is durable, as a connection sees it: a watch that moves, and the wait for its next move without an
//! allocation per wait.

use std::task::{Context, Poll};
use tokio::sync::watch;
use tokio::sync::watch::error::RecvError;
use tokio_util::sync::ReusableBoxFuture;

/// The watermark that replies held back by position wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durability {
    /// Everything before this position of the log is durable.
    pub position: u64,
    /// The store has failed and no position will become durable any more. Held replies are then answered with
    /// [`Service::durability_lost_reply`](crate::remoting::Service::durability_lost_reply).
    pub failed: bool,
}

type Receiver = watch::Receiver<Durability>;

/// One connection's view of the watermark.
#[derive(Debug)]
pub(crate) struct DurableWatch {
    current: Receiver,
    /// The receiver that the wait uses, while it is not in the wait.
    spare: Option<Receiver>,
    wait: Option<ReusableBoxFuture<'static, (Receiver, Result<(), RecvError>)>>,
}

impl DurableWatch {
    pub(crate) fn new(receiver: Receiver) -> DurableWatch {
        DurableWatch {
            spare: Some(receiver.clone()),
            current: receiver,
            wait: None,
        }
    }

    /// The watermark now. A watch whose sender is gone counts as failed: nothing will move it again.
    pub(crate) fn now(&self) -> Durability {
        let mut now = *self.current.borrow();
        now.failed |= self.current.has_changed().is_err();
        now
    }

    /// Ready when the watermark may have moved since the last wait ended.
    pub(crate) fn poll_moved(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(mut receiver) = self.spare.take() {
            let moved = async move {
                let outcome = receiver.changed().await;
                (receiver, outcome)
            };
            match &mut self.wait {
                Some(wait) => wait.set(moved),
                None => self.wait = Some(ReusableBoxFuture::new(moved)),
            }
        }
        match &mut self.wait {
            Some(wait) => wait
                .poll(context)
                .map(|(receiver, _)| self.spare = Some(receiver)),
            None => Poll::Pending,
        }
    }
}
