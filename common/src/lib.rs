//! What every side of Mainstem agrees on: the remoting protocol and its transport, the bodies that travel in it, and
//! config files. It knows nothing of brokers, stores or clients.

pub mod config;
pub mod json;
pub mod protocol;
pub mod remoting;
