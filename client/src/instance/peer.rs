//! The door for requests that servers send to this client: a changed group, a reset offset, questions of admin tools.
//! It is made before the consumer that answers, which connects itself once it stands.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use mainstem_common::remoting::Command;
use mainstem_common::remoting::{PeerAnswer, PeerRequests};

/// Who answers servers' requests.
pub(crate) trait ServerRequests: Send + Sync {
    /// Takes one request of the server at `from`; `None` refuses it. Must not block.
    fn answer(self: Arc<Self>, from: &str, command: Command) -> Option<PeerAnswer>;
}

/// Passes servers' requests to whoever has been connected, without keeping it alive.
#[derive(Default)]
pub(crate) struct PeerDoor {
    handler: OnceLock<Weak<dyn ServerRequests>>,
}

impl PeerDoor {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Connects the one who answers; only the first call counts.
    pub(crate) fn connect<T: ServerRequests + 'static>(&self, handler: &Arc<T>) {
        let handler: Weak<T> = Arc::downgrade(handler);
        let _ = self.handler.set(handler);
    }
}

impl fmt::Debug for PeerDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerDoor")
            .field("is_connected", &self.handler.get().is_some())
            .finish()
    }
}

impl PeerRequests for PeerDoor {
    fn request(&self, from: &str, command: Command) -> Option<PeerAnswer> {
        self.handler.get()?.upgrade()?.answer(from, command)
    }
}
