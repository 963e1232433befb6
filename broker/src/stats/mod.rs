//! What the broker counts for operators: counters by topic and group with a short history, and broker-wide rates.

mod broker;
mod counter;
mod rates;

pub(crate) use broker::BrokerStats;
pub(crate) use counter::SAMPLE_INTERVAL_MS;
pub use counter::name as counter_name;
pub use counter::{Counter, CounterTable, Window};
pub(crate) use rates::Rate;
