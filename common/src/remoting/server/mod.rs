//! The server side: a listener that hands every connection to a task of its own, all sharing one [`Service`]. It bounds
//! connections, closes the idle and the slow, and shuts down without cutting off replies that are under way.

mod config;
mod listener;
mod service;

pub use config::{BindError, ServerConfig};
pub use listener::Server;
pub use service::Service;
