//! Names of the files that only this project has, apart from Apache's. Everything private lies in
//! one directory, so that a Java broker that opens the same data sees nothing it does not know.

/// Directory of private files.
pub(crate) const DIRECTORY: &str = "mainstem";
/// The durable floor.
pub(crate) const FLOOR: &str = "mainstem/floor";
/// The lock that only stores of this project take.
pub(crate) const OWN_LOCK: &str = "mainstem/lock";
/// Directory of bytes that recovery or repair cut from the log.
pub(crate) const CUT_DIRECTORY: &str = "mainstem/cut";
/// Apache's lock file.
pub(crate) const LOCK: &str = "lock";
/// Present while a broker runs, or after it died.
pub(crate) const ABORT: &str = "abort";
