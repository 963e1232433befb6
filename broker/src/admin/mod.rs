//! What operators ask: statistics of topics and groups, runtime information, single messages, settings.

mod config;
mod consume_stats;
mod queries;
mod relay;
mod runtime_info;

pub use config::UpdateConfigError;
pub use queries::KeyQuery;
pub use relay::RelayError;
