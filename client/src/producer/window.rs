//! The send window: how many messages and bytes may be on their way at once. A full window makes senders wait instead of
//! letting memory grow; closing it waits until everything in it has come back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::error::NotSentCause;

/// Limits on what is in flight.
#[derive(Debug)]
pub(crate) struct SendWindow {
    max_messages: u32,
    max_bytes: u32,
    messages: Semaphore,
    bytes: Semaphore,
    closed: AtomicBool,
}

/// A place in the window; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct InFlight<'a> {
    _message: SemaphorePermit<'a>,
    _bytes: SemaphorePermit<'a>,
}

impl SendWindow {
    pub(crate) fn new(max_messages: u32, max_bytes: u32) -> Self {
        debug_assert!(max_messages > 0 && max_bytes > 0, "the builder checks both");
        Self {
            max_messages,
            max_bytes,
            messages: Semaphore::new(max_messages as usize),
            bytes: Semaphore::new(max_bytes as usize),
            closed: AtomicBool::new(false),
        }
    }

    /// Waits for a place. A message larger than the whole window takes all of it.
    pub(crate) async fn enter(
        &self,
        bytes: usize,
        deadline: Instant,
    ) -> Result<InFlight<'_>, NotSentCause> {
        let bytes = u32::try_from(bytes)
            .unwrap_or(u32::MAX)
            .clamp(1, self.max_bytes);
        if self.closed.load(Ordering::Acquire) {
            return Err(NotSentCause::ShutDown);
        }
        if let Some(place) = self.try_enter(bytes) {
            return Ok(place);
        }
        let began = Instant::now();
        let entering = async {
            let message = self.messages.acquire().await;
            let bytes = self.bytes.acquire_many(bytes).await;
            Some(InFlight {
                _message: message.ok()?,
                _bytes: bytes.ok()?,
            })
        };
        match tokio::time::timeout_at(deadline, entering).await {
            Ok(place) => place.ok_or(NotSentCause::ShutDown),
            Err(_) => Err(NotSentCause::WindowFull {
                in_flight: self.max_messages as usize,
                waited: began.elapsed(),
            }),
        }
    }

    fn try_enter(&self, bytes: u32) -> Option<InFlight<'_>> {
        let message = self.messages.try_acquire().ok()?;
        let bytes = self.bytes.try_acquire_many(bytes).ok()?;
        Some(InFlight {
            _message: message,
            _bytes: bytes,
        })
    }

    /// Lets nobody in any more and waits, up to `patience`, for those inside to leave; says whether all have.
    pub(crate) async fn drain(&self, patience: Duration) -> bool {
        self.closed.store(true, Ordering::Release);
        let drained =
            tokio::time::timeout(patience, self.messages.acquire_many(self.max_messages)).await;
        let drained = drained.is_ok();
        self.messages.close();
        self.bytes.close();
        drained
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[tokio::test]
    async fn a_full_window_makes_a_sender_wait_until_a_place_is_free() {
        let window = Arc::new(SendWindow::new(1, 100));
        let first = window.enter(1, later()).await.unwrap();
        assert!(matches!(
            window.enter(1, soon()).await,
            Err(NotSentCause::WindowFull { in_flight: 1, .. })
        ));
        let waiting = tokio::spawn({
            let window = Arc::clone(&window);
            async move { window.enter(1, later()).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn bytes_are_limited_too_and_a_message_larger_than_the_window_takes_all_of_it() {
        let window = SendWindow::new(10, 100);
        let giant = window.enter(1_000, later()).await.unwrap();
        assert!(window.enter(1, soon()).await.is_err());
        drop(giant);
        let _half = window.enter(60, later()).await.unwrap();
        assert!(window.enter(60, soon()).await.is_err());
        assert!(window.enter(40, soon()).await.is_ok());
    }

    #[tokio::test]
    async fn a_sender_that_gives_up_waiting_takes_no_place() {
        let window = SendWindow::new(2, 100);
        let held = window.enter(90, later()).await.unwrap();
        assert!(window.enter(50, soon()).await.is_err());
        drop(held);
        assert_eq!(
            (
                window.messages.available_permits(),
                window.bytes.available_permits()
            ),
            (2, 100)
        );
    }

    #[tokio::test]
    async fn draining_waits_for_those_inside_and_lets_nobody_in() {
        let window = Arc::new(SendWindow::new(4, 100));
        let inside = window.enter(1, later()).await.unwrap();
        let draining = tokio::spawn({
            let window = Arc::clone(&window);
            async move { window.drain(Duration::from_secs(30)).await }
        });
        while !window.closed.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
        assert!(matches!(
            window.enter(1, later()).await,
            Err(NotSentCause::ShutDown)
        ));
        assert!(!draining.is_finished());
        drop(inside);
        assert!(draining.await.unwrap());
    }
}
