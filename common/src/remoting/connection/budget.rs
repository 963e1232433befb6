//! What all connections of one listener may hold together: bytes of requests that have not arrived whole, and of replies that
//! their peers have not taken. Limits per connection alone bound nothing, since there may be 50,000 of them. It counts and
//! says no; what happens then is the connection's business.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The start of a long request found no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the unfinished requests of all connections hold {used} bytes and {limit} is the limit (maxBufferedBytes); send it again"
)]
pub(crate) struct NoRoom {
    used: usize,
    limit: usize,
}

/// A number of bytes that many share.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    limit: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Budget {
        Budget {
            used: AtomicUsize::new(0),
            limit,
        }
    }

    /// Changes a holder's share, unless it grows and there is no room.
    pub(crate) fn resize(&self, share: &mut usize, bytes: usize) -> Result<(), NoRoom> {
        if bytes > *share {
            let more = bytes - *share;
            let before = self.used.fetch_add(more, Ordering::Relaxed);
            if before.saturating_add(more) > self.limit {
                self.used.fetch_sub(more, Ordering::Relaxed);
                return Err(NoRoom {
                    used: before,
                    limit: self.limit,
                });
            }
        } else {
            self.used.fetch_sub(*share - bytes, Ordering::Relaxed);
        }
        *share = bytes;
        Ok(())
    }

    /// Notes what a holder has already, whether there is room or not.
    pub(crate) fn note(&self, share: &mut usize, bytes: usize) {
        if bytes > *share {
            self.used.fetch_add(bytes - *share, Ordering::Relaxed);
        } else if bytes < *share {
            self.used.fetch_sub(*share - bytes, Ordering::Relaxed);
        }
        *share = bytes;
    }

    /// Whether no more should be added.
    pub(crate) fn is_used_up(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_grow_to_the_limit_and_give_back_what_they_had() {
        let budget = Budget::new(100);
        let (mut one, mut other) = (0, 0);
        assert_eq!(budget.resize(&mut one, 60), Ok(()));
        let refused = budget.resize(&mut other, 41);
        assert_eq!(
            refused,
            Err(NoRoom {
                used: 60,
                limit: 100
            })
        );
        assert_eq!((other, budget.resize(&mut other, 40)), (0, Ok(())));
        assert!(budget.is_used_up());
        assert_eq!(budget.resize(&mut one, 10), Ok(()));
        budget.note(&mut other, 400);
        assert!(budget.is_used_up() && budget.resize(&mut one, 11).is_err());
        budget.note(&mut other, 0);
        budget.note(&mut one, 0);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
