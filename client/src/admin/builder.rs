//! Builds an admin client.

use std::time::Duration;

use super::Admin;
use crate::error::BuildError;
use crate::instance::{ClientOptions, Instance, PeerDoor};

/// Settings of an [`Admin`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build()"]
pub struct AdminBuilder {
    options: ClientOptions,
}

impl AdminBuilder {
    pub(super) fn new() -> Self {
        Self {
            options: ClientOptions::new(),
        }
    }

    /// Name servers as `host:port`, separated by `;`. Default: the variable NAMESRV_ADDR, else 127.0.0.1:9876.
    pub fn name_servers(mut self, addresses: impl AsRef<str>) -> Self {
        self.options.set_name_servers(addresses.as_ref());
        self
    }

    /// How long one request may take. Default 3 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.options.request_timeout = timeout;
        self
    }

    /// Checks the settings and makes the client; no server is asked yet.
    pub async fn build(self) -> Result<Admin, BuildError> {
        let instance = Instance::start(self.options.checked()?, None, &PeerDoor::new());
        let guard = instance.stop_token().clone().drop_guard();
        Ok(Admin {
            instance,
            _tasks: guard,
        })
    }
}
