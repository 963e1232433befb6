//! The user's handler: what it may be, how it is called, and what its outcome means. A panic in a handler is caught
//! and counts as "try again".

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::message::ReceivedMessage;

/// What a handler made of the messages it was given. It holds for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// They are done with.
    Done,
    /// Deliver them again, later each time: by default after 10 s, 30 s, 1 min and so on. After
    /// [`max_attempts`](crate::PushConsumerBuilder::max_attempts) they go to the group's dead-letter topic.
    Retry,
    /// Deliver them again after this time, rounded up to the next of the [`DELAY_LEVELS`](crate::DELAY_LEVELS).
    RetryAfter(Duration),
    /// They can never be handled: put them into the group's dead-letter topic, `%DLQ%group`.
    DeadLetter,
}

/// A function that a push consumer can call with a batch: `async Fn(&[ReceivedMessage]) -> Outcome`, whose future is `Send`.
/// Implemented for all such functions and for closures that capture nothing; with state there is
/// [`handler_with`](crate::PushConsumerBuilder::handler_with).
pub trait HandlerFn<'a>: Send + Sync {
    /// The future of one call.
    type Future: Future<Output = Outcome> + Send + 'a;

    /// Handles a batch.
    fn call(&self, messages: &'a [ReceivedMessage]) -> Self::Future;
}

impl<'a, F, Fut> HandlerFn<'a> for F
where
    F: Fn(&'a [ReceivedMessage]) -> Fut + Send + Sync,
    Fut: Future<Output = Outcome> + Send + 'a,
{
    type Future = Fut;

    fn call(&self, messages: &'a [ReceivedMessage]) -> Fut {
        self(messages)
    }
}

/// As [`HandlerFn`], with state that the consumer keeps: `async Fn(&S, &[ReceivedMessage]) -> Outcome`.
pub trait StatefulHandlerFn<'a, S: 'a>: Send + Sync {
    /// The future of one call.
    type Future: Future<Output = Outcome> + Send + 'a;

    /// Handles a batch.
    fn call(&self, state: &'a S, messages: &'a [ReceivedMessage]) -> Self::Future;
}

impl<'a, S, F, Fut> StatefulHandlerFn<'a, S> for F
where
    S: 'a,
    F: Fn(&'a S, &'a [ReceivedMessage]) -> Fut + Send + Sync,
    Fut: Future<Output = Outcome> + Send + 'a,
{
    type Future = Fut;

    fn call(&self, state: &'a S, messages: &'a [ReceivedMessage]) -> Fut {
        self(state, messages)
    }
}

/// One call of a handler, whatever its type.
pub(crate) type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A handler whose type has been forgotten.
pub(crate) trait Handler: Send + Sync {
    fn handle<'a>(&'a self, messages: &'a [ReceivedMessage]) -> HandlerFuture<'a>;
}

pub(crate) struct Plain<F>(pub(crate) F);

impl<F> Handler for Plain<F>
where
    F: for<'a> HandlerFn<'a>,
{
    fn handle<'a>(&'a self, messages: &'a [ReceivedMessage]) -> HandlerFuture<'a> {
        Box::pin(self.0.call(messages))
    }
}

pub(crate) struct Stateful<S, F> {
    pub(crate) state: S,
    pub(crate) function: F,
}

impl<S, F> Handler for Stateful<S, F>
where
    S: Send + Sync + 'static,
    F: for<'a> StatefulHandlerFn<'a, S>,
{
    fn handle<'a>(&'a self, messages: &'a [ReceivedMessage]) -> HandlerFuture<'a> {
        Box::pin(self.function.call(&self.state, messages))
    }
}

/// How a call of a handler ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Handled {
    Returned(Outcome),
    Panicked(String),
    /// It ran longer than it may and was dropped.
    TookTooLong,
}

/// Calls the handler, at most for `limit`.
pub(crate) async fn call(
    handler: &dyn Handler,
    messages: &[ReceivedMessage],
    limit: Duration,
) -> Handled {
    let caught = async {
        let mut future =
            match std::panic::catch_unwind(AssertUnwindSafe(|| handler.handle(messages))) {
                Ok(future) => future,
                Err(panic) => return Handled::Panicked(panic_text(&*panic)),
            };
        std::future::poll_fn(|context| {
            match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
                Ok(Poll::Ready(outcome)) => Poll::Ready(Handled::Returned(outcome)),
                Ok(Poll::Pending) => Poll::Pending,
                Err(panic) => Poll::Ready(Handled::Panicked(panic_text(&*panic))),
            }
        })
        .await
    };
    tokio::time::timeout(limit, caught)
        .await
        .unwrap_or(Handled::TookTooLong)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without text".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_panic_before_or_after_the_first_await_is_caught_with_its_text() {
        let at_once = Plain(async |_: &[ReceivedMessage]| -> Outcome { panic!("at once") });
        let later = Plain(async |_: &[ReceivedMessage]| -> Outcome {
            tokio::task::yield_now().await;
            panic!("later {}", 1)
        });
        assert_eq!(
            call(&at_once, &[], LONG).await,
            Handled::Panicked("at once".to_owned())
        );
        assert_eq!(
            call(&later, &[], LONG).await,
            Handled::Panicked("later 1".to_owned())
        );
    }

    #[tokio::test]
    async fn a_handler_that_hangs_is_given_up() {
        let hangs = Plain(async |_: &[ReceivedMessage]| std::future::pending::<Outcome>().await);
        assert_eq!(
            call(&hangs, &[], Duration::from_millis(5)).await,
            Handled::TookTooLong
        );
    }

    #[tokio::test]
    async fn state_is_lent_to_the_handler() {
        struct Answers(Outcome);
        impl Answers {
            async fn handle(&self, messages: &[ReceivedMessage]) -> Outcome {
                assert!(messages.is_empty());
                self.0
            }
        }
        let handler = Stateful {
            state: Answers(Outcome::Retry),
            function: Answers::handle,
        };
        assert_eq!(
            call(&handler, &[], LONG).await,
            Handled::Returned(Outcome::Retry)
        );
    }
}
