//! A file per subcommand: each takes its arguments and runs to the end.

pub(crate) mod bench;
pub(crate) mod broker;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod consume;
pub(crate) mod nameserver;
pub(crate) mod produce;
pub(crate) mod standalone;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod topic;
