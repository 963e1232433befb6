//! What a name server is told at start. Owns the defaults; reading files and flags is the binary's.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mainstem_common::config::keys::namesrv as keys;
use mainstem_common::config::{Change, Role, Settings};
use mainstem_common::remoting::ServerConfig;

/// Called with each key that was changed at run time.
pub type OnChange = Arc<dyn Fn(&Change) + Send + Sync>;

/// A name server's configuration.
#[derive(Clone)]
pub struct NameServerConfig {
    /// Where to listen; port 0 chooses a free one.
    pub listen: SocketAddr,
    /// How long a broker may be silent before it leaves the tables, unless its registration says otherwise.
    pub broker_timeout_ms: u64,
    /// How often silent brokers are looked for.
    pub scan_interval_ms: u64,
    /// File of the key-value configuration; without one it is lost at the end.
    pub kv_path: Option<PathBuf>,
    /// Limits of the listener.
    pub server: ServerConfig,
    /// What codes 318 and 319 change and show.
    pub settings: Settings,
    /// Called after a key was changed at run time (code 318).
    pub on_change: Option<OnChange>,
}

impl NameServerConfig {
    /// The configuration that `settings` describe.
    #[must_use]
    pub fn from_settings(settings: Settings) -> Self {
        let ip = settings
            .get(&keys::BIND_ADDRESS)
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let kv_path = settings.get(&keys::KV_CONFIG_PATH);
        Self {
            listen: SocketAddr::new(ip, settings.get(&keys::LISTEN_PORT)),
            broker_timeout_ms: settings.get(&keys::BROKER_TIMEOUT_MS),
            scan_interval_ms: settings.get(&keys::SCAN_NOT_ACTIVE_BROKER_INTERVAL),
            kv_path: (!kv_path.is_empty()).then(|| PathBuf::from(kv_path)),
            server: ServerConfig {
                max_connections: settings.get(&keys::MAX_CONNECTIONS),
                idle_timeout: Duration::from_secs(
                    settings.get(&keys::SERVER_CHANNEL_MAX_IDLE_TIME_SECONDS),
                ),
                ..ServerConfig::default()
            },
            settings,
            on_change: None,
        }
    }
}

impl Default for NameServerConfig {
    fn default() -> Self {
        Self::from_settings(Settings::defaults(Role::NameServer))
    }
}

impl fmt::Debug for NameServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameServerConfig")
            .field("listen", &self.listen)
            .field("broker_timeout_ms", &self.broker_timeout_ms)
            .field("scan_interval_ms", &self.scan_interval_ms)
            .field("kv_path", &self.kv_path)
            .finish_non_exhaustive()
    }
}
