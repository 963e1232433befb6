//! Makes unique keys, the message ids that clients show. Owns their uniqueness: no key repeats within a process, whatever
//! the clock does; the text has the shape that Apache's tools expect.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const MS_PER_DAY: u64 = 86_400_000;

/// Makes keys of 32 (IPv4) or 56 (IPv6) upper-case hex characters: address, process id (2 bytes), a number of this generator
/// (4), milliseconds since the month began (4), counter (2).
#[derive(Debug)]
pub struct UniqueKeyGenerator {
    prefix: Vec<u8>,
    /// Random per generator; the month is added, so the same millisecond of another month gives another key.
    seed: u32,
    /// Milliseconds since the epoch, then 16 bits of counter. It only grows: a clock that jumps back repeats nothing.
    last: AtomicU64,
}

impl UniqueKeyGenerator {
    /// A generator for a client at `ip`.
    #[must_use]
    pub fn new(ip: IpAddr) -> Self {
        let mut prefix = match ip.to_canonical() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        prefix.extend_from_slice(&(std::process::id() as u16).to_be_bytes());
        Self {
            prefix,
            seed: RandomState::new().hash_one(std::process::id()) as u32,
            last: AtomicU64::new(0),
        }
    }

    /// The next key.
    pub fn next(&self) -> String {
        let mut key = String::with_capacity((self.prefix.len() + 10) * 2);
        self.write_next(&mut key);
        key
    }

    /// Appends the next key to `out`.
    pub fn write_next(&self, out: &mut String) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_millis() as u64);
        let stamp = self.claim(now);
        let (month, ms_of_month) = month_of(stamp >> 16);
        super::push_hex(out, &self.prefix);
        super::push_hex(out, &self.seed.wrapping_add(month).to_be_bytes());
        super::push_hex(out, &ms_of_month.to_be_bytes());
        super::push_hex(out, &(stamp as u16).to_be_bytes());
    }

    /// Takes the next stamp: the clock's if it has moved on, else the last one plus one.
    fn claim(&self, now_ms: u64) -> u64 {
        let fresh = now_ms << 16;
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            let next = fresh.max(last + 1);
            match self
                .last
                .compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return next,
                Err(seen) => last = seen,
            }
        }
    }
}

/// The month's number since year 0 and the milliseconds since it began, in UTC (civil calendar of the proleptic Gregorian
/// kind, counted from 1 March so that leap days come last).
fn month_of(epoch_ms: u64) -> (u32, u32) {
    let days = epoch_ms / MS_PER_DAY + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5;
    let months = (era * 400 + year_of_era) * 12 + month;
    (
        months as u32,
        (day_of_month * MS_PER_DAY + epoch_ms % MS_PER_DAY) as u32,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn keys_have_apaches_shape() {
        let key = UniqueKeyGenerator::new(Ipv4Addr::new(127, 0, 0, 1).into()).next();
        assert_eq!(key.len(), 32);
        assert!(key.starts_with("7F000001"));
        assert!(
            key.chars()
                .all(|c| c.is_ascii_digit() || ('A'..='F').contains(&c))
        );
        assert_eq!(
            UniqueKeyGenerator::new(Ipv6Addr::LOCALHOST.into())
                .next()
                .len(),
            56
        );
    }

    #[test]
    fn keys_of_many_threads_never_repeat() {
        const EACH: usize = if cfg!(miri) { 50 } else { 20_000 };
        let keys = UniqueKeyGenerator::new(Ipv4Addr::LOCALHOST.into());
        let made: Vec<String> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..EACH).map(|_| keys.next()).collect::<Vec<_>>()))
                .collect();
            workers
                .into_iter()
                .flat_map(|w| w.join().unwrap())
                .collect()
        });
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), made.len());
    }

    #[test]
    fn a_clock_that_jumps_back_repeats_nothing() {
        let keys = UniqueKeyGenerator::new(Ipv4Addr::LOCALHOST.into());
        let mut seen = HashSet::new();
        for now_ms in [
            1_700_000_000_000,
            1_699_999_999_000,
            1_700_000_000_000,
            0,
            1_700_000_000_001,
        ] {
            assert!(seen.insert(keys.claim(now_ms)));
        }
    }

    #[test]
    fn months_begin_at_zero_milliseconds() {
        let first_of_march_2024 = 1_709_251_200_000;
        let (march, ms) = month_of(first_of_march_2024);
        assert_eq!(ms, 0);
        let (february, ms) = month_of(first_of_march_2024 - 1);
        assert_eq!((february + 1, u64::from(ms)), (march, 29 * MS_PER_DAY - 1));
        let first_of_january_2026 = 1_767_225_600_000;
        let (january, ms) = month_of(first_of_january_2026);
        assert_eq!(
            (month_of(first_of_january_2026 - 1).0 + 1, ms),
            (january, 0)
        );
    }
}
