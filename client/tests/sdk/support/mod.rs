//! A name server and brokers over real sockets that do as they are told: answer, stay silent, refuse, close, be slow. They
//! store messages in memory and speak just enough of the protocol for producers and consumers.

pub mod broker;
pub mod name_server;
pub mod server;

use std::time::Duration;

pub use broker::FakeBroker;
pub use name_server::FakeNameServer;
pub use server::{Reaction, Server};

/// Waits until `condition` holds; panics with `what` if it does not within 20 s.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let patience = Duration::from_secs(20);
    let began = tokio::time::Instant::now();
    while !condition() {
        assert!(
            began.elapsed() < patience,
            "not within {patience:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
