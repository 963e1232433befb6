//! Names of index files: the time of their creation, `yyyyMMddHHmmssSSS`, in UTC, raised where
//! needed so that names only grow. Promises nothing about what a name's file holds.

use super::file::NAME_DIGITS;

/// A name for a file created at `now_ms`, greater than `last`.
pub(super) fn next_name(now_ms: i64, last: Option<&str>) -> String {
    let name = of_time(now_ms);
    let after_last = last
        .and_then(|last| last.parse::<u64>().ok())
        .map(|last| format!("{:017}", last + 1));
    match after_last {
        Some(least) if name < least => least,
        _ => name,
    }
}

/// Whether a name in the directory is that of an index file.
pub(super) fn is_name(name: &str) -> bool {
    name.len() == NAME_DIGITS && name.bytes().all(|byte| byte.is_ascii_digit())
}

fn of_time(ms: i64) -> String {
    let (days, ms) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!(
        "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}{:03}",
        ms % 1000
    )
}

/// Year, month and day of a number of days since 1970-01-01. Years are taken from March on, so
/// that the leap day is a year's last.
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097;
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_time_in_utc() {
        assert_eq!(of_time(0), "19700101000000000");
        assert_eq!(of_time(951_782_400_123), "20000229000000123");
        assert_eq!(of_time(1_795_347_836_587), "20261122114356587");
    }

    #[test]
    fn names_grow_though_the_clock_jumps_back() {
        assert_eq!(next_name(0, Some("20261122114356587")), "20261122114356588");
        assert_eq!(
            next_name(1_795_347_836_587, Some("19700101000000000")),
            "20261122114356587"
        );
        assert!(is_name("20261122114356587"));
        assert!(!is_name("2026112211435658x") && !is_name("abort"));
    }
}
