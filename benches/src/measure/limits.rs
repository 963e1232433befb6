//! Limits of this process that a benchmark of many files runs into.

use rustix::process::{Resource, getrlimit, setrlimit};

/// More open files than this serve no benchmark here.
const MOST_OPEN_FILES: u64 = 100_000;

/// Raises the limit of open files as far as it goes without privileges, and returns what it is then.
pub fn raise_open_file_limit() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit
        .maximum
        .unwrap_or(MOST_OPEN_FILES)
        .min(MOST_OPEN_FILES);
    if limit.current.is_some_and(|current| current < most) {
        let wanted = rustix::process::Rlimit {
            current: Some(most),
            ..limit
        };
        if setrlimit(Resource::Nofile, wanted).is_ok() {
            limit = wanted;
        }
    }
    limit.current.unwrap_or(most).min(most) as usize
}
