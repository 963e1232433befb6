//! Where reading begins: the earliest message, the latest, or a time.

use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

/// The place to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// The first message that is kept.
    Earliest,
    /// What comes after now.
    Latest,
    /// The first message stored at or after this time, in milliseconds since 1970.
    TimeMs(i64),
}

const ALLOWED: &str = "give earliest, latest, a time such as 2026-01-31T12:00:00Z (UTC), a span back such as -1h, or milliseconds since 1970";

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<From, String> {
        match text {
            "earliest" => return Ok(From::Earliest),
            "latest" => return Ok(From::Latest),
            _ => {}
        }
        if let Some(span) = text.strip_prefix('-') {
            let span = crate::arguments::duration(span).map_err(|_| ALLOWED.to_owned())?;
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let then = now.saturating_sub(span).as_millis();
            return Ok(From::TimeMs(i64::try_from(then).unwrap_or(i64::MAX)));
        }
        let time = if text.bytes().all(|b| b.is_ascii_digit()) && text.len() > 4 {
            text.parse().ok()
        } else {
            date_time_ms(text)
        };
        time.map(From::TimeMs).ok_or_else(|| ALLOWED.to_owned())
    }
}

/// Milliseconds since 1970 of `YYYY-MM-DD`, with `THH:MM`, `:SS` and `.fff` where wanted, in UTC; a `Z` may stand behind it.
fn date_time_ms(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time),
        None => (text, "00:00:00"),
    };
    let mut parts = date.splitn(3, '-');
    let year = number(parts.next()?, 4)?;
    let month = number(parts.next()?, 2)?;
    let day = number(parts.next()?, 2)?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = clock.split(':');
    let hour = number(parts.next()?, 2)?;
    let minute = number(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0), |s| number(s, 2))?;
    if parts.next().is_some()
        || !(1..=12).contains(&month)
        || !(1..=days_in(year, month)).contains(&day)
    {
        return None;
    }
    if hour > 23
        || minute > 59
        || second > 60
        || fraction.is_empty()
        || !fraction.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let days = days_since_1970(year, month, day);
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + millis)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days of the Gregorian calendar, counted in eras of 400 years that begin with March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_read_as_utc() {
        for (text, ms) in [
            ("1970-01-01", 0),
            ("2000-03-01T00:00:00Z", 951_868_800_000),
            ("2026-01-31T12:00:00.25Z", 1_769_860_800_250),
            ("2024-02-29 23:59", 1_709_251_140_000),
            ("1769860800250", 1_769_860_800_250),
        ] {
            assert_eq!(text.parse::<From>().unwrap(), From::TimeMs(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-29",
            "2026-1-1",
            "2026-01-01T25:00",
            "-x",
            "2026-01-01T10:00:00.",
        ] {
            assert!(bad.parse::<From>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_span_back_is_before_now() {
        let From::TimeMs(then) = "-1h".parse().unwrap() else {
            unreachable!("a span gives a time")
        };
        let From::TimeMs(now) = "-0s".parse().unwrap() else {
            unreachable!("a span gives a time")
        };
        assert!((now - then - 3_600_000).abs() < 60_000);
    }
}
