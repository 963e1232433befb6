//! Models of the sleeper, by which the store's threads wait for work.

use super::*;
use crate::sync::{AtomicU64, Ordering};

/// Two wakers, one sleeper: it sees what both stored, or it would sleep for ever.
pub(super) fn two_wakers() {
    model(3, || {
        let sleeper = Arc::new(Sleeper::default());
        let work = Arc::new(AtomicU64::new(0));
        let wakers = [1, 2].map(|_| {
            let (sleeper, work) = (Arc::clone(&sleeper), Arc::clone(&work));
            thread(move || {
                work.fetch_add(1, Ordering::Release);
                sleeper.wake();
            })
        });
        let seen = || work.load(Ordering::Acquire);
        let mut last = seen();
        while last < 2 {
            sleeper.sleep(Duration::from_secs(1), || seen() != last);
            last = seen();
        }
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

#[test]
fn no_wake_up_is_lost() {
    two_wakers();
}
