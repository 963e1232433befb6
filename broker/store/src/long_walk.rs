//! Telling how far a long walk over the log is. It promises a log line every few seconds and none for
//! a walk that is short; it owns nothing but the clock.

use crate::sync::Instant;

/// A walk that takes longer tells how far it is, this often.
const EVERY_S: u64 = 5;
/// Bytes of the log between two looks at the clock.
const STEP_BYTES: u64 = 64 << 20;

/// A walk over the log.
#[derive(Debug)]
pub(crate) struct LongWalk {
    what: &'static str,
    from: u64,
    end: u64,
    began: Instant,
    told_s: u64,
    next_look: u64,
}

impl LongWalk {
    /// `what` is what happens from position `from` up to `end`.
    pub(crate) fn new(what: &'static str, from: u64, end: u64) -> Self {
        Self {
            what,
            from,
            end: end.max(from),
            began: Instant::now(),
            told_s: 0,
            next_look: from,
        }
    }

    /// Tells that the walk is at `at`, if it is time.
    pub(crate) fn tell(&mut self, at: u64) {
        if at < self.next_look {
            return;
        }
        self.next_look = at + STEP_BYTES;
        let seconds = self.began.elapsed().as_secs();
        if seconds >= self.told_s + EVERY_S {
            self.told_s = seconds;
            let percent = self.percent(at);
            tracing::info!(at, end = self.end, percent, seconds, "{}", self.what);
        }
    }

    fn percent(&self, at: u64) -> u64 {
        let done = at.saturating_sub(self.from).saturating_mul(100);
        (done / (self.end - self.from).max(1)).min(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_between_nothing_and_all() {
        let walk = LongWalk::new("a walk", 100, 300);
        assert_eq!(
            [0, 100, 150, 300, 400].map(|at| walk.percent(at)),
            [0, 0, 25, 100, 100]
        );
        assert_eq!(LongWalk::new("nowhere", 9, 3).percent(9), 0);
    }
}
