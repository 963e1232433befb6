//! The name servers that this client may ask. They do not know each other and all know the same, so any one that answers
//! will do: this keeps to one while it works and moves on when it does not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mainstem_common::remoting::Command;
use mainstem_common::remoting::RemotingClient;
use mainstem_common::remoting::code;

use super::accept;
use crate::error::RequestError;

/// The environment variable that names the name servers when the builder does not, as for RocketMQ's own clients.
const ENVIRONMENT_VARIABLE: &str = "NAMESRV_ADDR";
const DEFAULT_NAME_SERVER: &str = "127.0.0.1:9876";

/// The addresses to use when none are given.
pub(crate) fn default_name_servers() -> String {
    std::env::var(ENVIRONMENT_VARIABLE)
        .ok()
        .filter(|addresses| !addresses.trim().is_empty())
        .unwrap_or_else(|| DEFAULT_NAME_SERVER.to_owned())
}

/// A list of equal name servers with the one that last answered.
#[derive(Clone, Debug)]
pub(crate) struct NameServers {
    addresses: std::sync::Arc<[String]>,
    remoting: std::sync::Arc<RemotingClient>,
    timeout: Duration,
    current: std::sync::Arc<AtomicUsize>,
}

impl NameServers {
    pub(crate) fn new(
        addresses: Vec<String>,
        remoting: std::sync::Arc<RemotingClient>,
        timeout: Duration,
    ) -> Self {
        debug_assert!(!addresses.is_empty(), "options are checked before this");
        // Clients of one list spread over it.
        let start = std::process::id() as usize % addresses.len().max(1);
        Self {
            addresses: addresses.into(),
            remoting,
            timeout,
            current: AtomicUsize::new(start).into(),
        }
    }

    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// All addresses for a message to a person.
    pub(crate) fn text(&self) -> String {
        self.addresses.join(";")
    }

    /// Asks the current name server, and the others in turn when it cannot be reached or stays silent. Returns the
    /// answer, whatever its code, with the address it came from.
    pub(crate) async fn ask(&self, command: Command) -> Result<(String, Command), RequestError> {
        let first = self.current.load(Ordering::Relaxed);
        let name = code::request_name(command.code);
        let mut last_error = None;
        for step in 0..self.addresses.len() {
            let index = (first + step) % self.addresses.len();
            let address = &self.addresses[index];
            match self
                .remoting
                .call(address, command.clone(), self.timeout)
                .await
            {
                Ok(reply) => {
                    self.current.store(index, Ordering::Relaxed);
                    return Ok((address.clone(), reply));
                }
                Err(error) => {
                    tracing::debug!(name_server = %address, %error, "name server does not answer");
                    last_error = Some(RequestError::from_call(name, error));
                }
            }
        }
        Err(last_error.unwrap_or_else(|| RequestError::NotSent {
            server: self.text(),
            request: name,
            cause: "no name server is configured".to_owned(),
        }))
    }

    /// [`ask`](Self::ask), and only code 0 is an answer.
    pub(crate) async fn request(&self, command: Command) -> Result<Command, RequestError> {
        let code = command.code;
        let (address, reply) = self.ask(command).await?;
        accept(&address, code, reply)
    }

    /// Sends a change to every name server, since they do not tell each other. All are tried; the first error is returned.
    pub(crate) async fn request_all(&self, command: Command) -> Result<Vec<Command>, RequestError> {
        let mut replies = Vec::with_capacity(self.addresses.len());
        let mut first_error = None;
        for address in self.addresses.iter() {
            let name = code::request_name(command.code);
            let outcome = match self
                .remoting
                .call(address, command.clone(), self.timeout)
                .await
            {
                Ok(reply) => accept(address, command.code, reply),
                Err(error) => Err(RequestError::from_call(name, error)),
            };
            match outcome {
                Ok(reply) => replies.push(reply),
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        first_error.map_or(Ok(replies), Err)
    }
}
