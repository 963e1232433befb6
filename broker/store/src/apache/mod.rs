//! What Apache's broker leaves in a data directory beside log, queues and index. Promises to read
//! and write its files so that it can go on with them; what the JSON says is the broker's business.

mod config_file;
mod log_time;

pub use config_file::{ConfigFileError, ConfigFiles};
pub(crate) use log_time::log_start_at;
