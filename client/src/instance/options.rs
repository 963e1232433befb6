//! The settings that producers, consumers and admin clients share, with their defaults and limits.

use std::time::Duration;

use mainstem_common::remoting::ClientConfig;

use crate::error::BuildError;

/// What an instance is built from.
#[derive(Debug, Clone)]
pub(crate) struct ClientOptions {
    /// `host:port` each, at least one.
    pub(crate) name_servers: Vec<String>,
    /// For one request that is neither a send nor a pull.
    pub(crate) request_timeout: Duration,
    /// Between two heartbeats.
    pub(crate) heartbeat_interval: Duration,
    /// Between two refreshes of the known routes.
    pub(crate) route_interval: Duration,
}

impl ClientOptions {
    pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
    /// Brokers drop a client after 120 s without one.
    pub(crate) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);
    pub(crate) const ROUTE_INTERVAL: Duration = Duration::from_secs(30);

    pub(crate) fn new() -> Self {
        Self {
            name_servers: Vec::new(),
            request_timeout: Self::REQUEST_TIMEOUT,
            heartbeat_interval: Self::HEARTBEAT_INTERVAL,
            route_interval: Self::ROUTE_INTERVAL,
        }
    }

    /// Takes addresses separated by `;` or `,`.
    pub(crate) fn set_name_servers(&mut self, addresses: &str) {
        self.name_servers = addresses
            .split([';', ','])
            .map(|address| address.trim().trim_start_matches("http://").to_owned())
            .filter(|address| !address.is_empty())
            .collect();
    }

    /// Fills in the default name servers and checks everything.
    pub(crate) fn checked(mut self) -> Result<Self, BuildError> {
        if self.name_servers.is_empty() {
            self.set_name_servers(&super::default_name_servers());
        }
        let usable = |address: &String| {
            address.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
            })
        };
        if self.name_servers.is_empty() || !self.name_servers.iter().all(usable) {
            return Err(BuildError::NameServers {
                given: self.name_servers.join(";"),
            });
        }
        for (name, value) in [
            ("request_timeout", self.request_timeout),
            ("heartbeat_interval", self.heartbeat_interval),
            ("route_interval", self.route_interval),
        ] {
            at_least_a_millisecond(name, value)?;
        }
        Ok(self)
    }

    pub(crate) fn remoting(&self) -> ClientConfig {
        ClientConfig::default()
    }
}

/// Refuses a duration that could only be a mistake.
pub(crate) fn at_least_a_millisecond(
    name: &'static str,
    value: Duration,
) -> Result<(), BuildError> {
    if value < Duration::from_millis(1) {
        return Err(BuildError::Value {
            name,
            value: format!("{value:?}"),
            allowed: "at least 1 ms",
        });
    }
    Ok(())
}

/// Refuses a limit that would stop everything.
pub(crate) fn at_least_one(name: &'static str, value: usize) -> Result<(), BuildError> {
    if value == 0 {
        return Err(BuildError::Value {
            name,
            value: "0".to_owned(),
            allowed: "at least 1",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn name_servers_may_be_separated_by_semicolons_or_commas() {
        let mut options = ClientOptions::new();
        options.set_name_servers(" 10.0.0.1:9876;ns.example:1, [::1]:9876 ;");
        assert_eq!(
            options.checked().unwrap().name_servers,
            ["10.0.0.1:9876", "ns.example:1", "[::1]:9876"]
        );
    }

    #[test]
    fn an_address_without_a_port_is_refused_with_an_example() {
        for bad in ["localhost", ":9876", "host:0", "host:abc"] {
            let mut options = ClientOptions::new();
            options.set_name_servers(bad);
            let error = options.checked().unwrap_err().to_string();
            assert!(
                error.contains("127.0.0.1:9876") && error.contains(bad),
                "{error}"
            );
        }
    }
}
