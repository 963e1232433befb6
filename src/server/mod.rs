//! What every server command does around its servers: settings from all layers, log, descriptors, addresses, the banner, readiness
//! and the stop. The servers themselves are the libraries' work.

pub(crate) mod addresses;
pub(crate) mod banner;
pub(crate) mod broker_server;
pub(crate) mod configuration;
mod descriptors;
pub(crate) mod name_server;
pub(crate) mod process;
mod readiness;
mod stop;

pub(crate) use descriptors::raise_descriptor_limit;
pub(crate) use readiness::{announce_ready, announce_stopping};
pub(crate) use stop::Stop;
