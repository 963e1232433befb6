//! From the arguments of a server command to its settings: which flag sets which key, and the process around the settings (log,
//! warnings, run-time threads).

use std::env;
use std::net::SocketAddr;
use std::path::Path;

use mainstem_common::config::keys::{broker, namesrv};
use mainstem_common::config::{Layers, Loaded, Problems, Role, Settings, Warning};

use crate::arguments::{self, Configuration};
use crate::failure::Failure;
use crate::log::Log;

/// The environment variable that names name servers, as in Apache RocketMQ.
const NAMESRV_ADDR_VARIABLE: &str = "NAMESRV_ADDR";

/// Broker and name server settings of a standalone process.
pub(crate) fn standalone(
    arguments: &arguments::Standalone,
) -> Result<(Layers, Loaded, Loaded), Problems> {
    let mut layers = layers(&arguments.configuration, Role::Broker);
    layers.flag(
        &broker::STORE_PATH_ROOT_DIR,
        "--data-dir",
        path(arguments.data_dir.as_deref()),
    );
    layers.flag(&broker::BIND_ADDRESS, "--listen", text(arguments.listen));
    layers.flag(
        &broker::BROKER_IP1,
        "--advertise",
        text(arguments.advertise),
    );
    layers.flag(
        &broker::LISTEN_PORT,
        "--broker-port",
        text(arguments.broker_port),
    );
    layers.flag(
        &broker::FAST_PORT,
        "--fast-port",
        arguments.fast_port.clone(),
    );
    metrics_flag(&mut layers, arguments.metrics_listen);
    let mut loaded = Settings::load(Role::Broker, &layers)?;
    loaded
        .settings
        .derive(&broker::BROKER_NAME, "broker-a", "standalone");

    let mut own = layers_of_file(&arguments.configuration);
    own.flag(
        &namesrv::LISTEN_PORT,
        "--namesrv-port",
        text(arguments.namesrv_port),
    );
    own.flag(&namesrv::BIND_ADDRESS, "--listen", text(arguments.listen));
    let name_server = Settings::load_name_server_table(&own)?;
    Ok((layers, loaded, name_server))
}

/// Settings of a name server by itself.
pub(crate) fn name_server(arguments: &arguments::NameServer) -> Result<(Layers, Loaded), Failure> {
    let mut layers = layers(&arguments.configuration, Role::NameServer);
    if let Some(listen) = &arguments.listen {
        let (ip, port) = split_listen(listen)?;
        layers.flag(&namesrv::BIND_ADDRESS, "--listen", Some(ip));
        layers.flag(&namesrv::LISTEN_PORT, "--listen", port);
    }
    let loaded = Settings::load(Role::NameServer, &layers)?;
    Ok((layers, loaded))
}

/// Settings of a broker by itself.
pub(crate) fn broker(arguments: &arguments::Broker) -> Result<(Layers, Loaded), Problems> {
    let mut layers = layers(&arguments.configuration, Role::Broker);
    layers.environment(
        &broker::NAMESRV_ADDR,
        NAMESRV_ADDR_VARIABLE,
        env::var(NAMESRV_ADDR_VARIABLE).ok(),
    );
    layers.flag(
        &broker::NAMESRV_ADDR,
        "--namesrv",
        arguments.namesrv.clone(),
    );
    layers.flag(
        &broker::STORE_PATH_ROOT_DIR,
        "--data-dir",
        path(arguments.data_dir.as_deref()),
    );
    layers.flag(&broker::BIND_ADDRESS, "--listen", text(arguments.listen));
    layers.flag(
        &broker::BROKER_IP1,
        "--advertise",
        text(arguments.advertise),
    );
    layers.flag(
        &broker::LISTEN_PORT,
        "--broker-port",
        text(arguments.broker_port),
    );
    layers.flag(
        &broker::FAST_PORT,
        "--fast-port",
        arguments.fast_port.clone(),
    );
    layers.flag(&broker::BROKER_NAME, "--name", arguments.name.clone());
    metrics_flag(&mut layers, arguments.metrics_listen);
    let mut loaded = Settings::load(Role::Broker, &layers)?;
    loaded
        .settings
        .derive(&broker::BROKER_NAME, &host_name(), "host name");
    Ok((layers, loaded))
}

/// One flag for the three keys of the metrics.
fn metrics_flag(layers: &mut Layers, listen: Option<SocketAddr>) {
    const FLAG: &str = "--metrics-listen";
    layers.flag(
        &broker::METRICS_EXPORTER_TYPE,
        FLAG,
        listen.map(|_| "PROM".to_owned()),
    );
    layers.flag(
        &broker::METRICS_PROM_EXPORTER_HOST,
        FLAG,
        text(listen.map(|listen| listen.ip())),
    );
    layers.flag(
        &broker::METRICS_PROM_EXPORTER_PORT,
        FLAG,
        text(listen.map(|listen| listen.port())),
    );
}

fn layers_of_file(configuration: &Configuration) -> Layers {
    let mut layers = Layers::default();
    layers.file.clone_from(&configuration.config);
    layers.sets.clone_from(&configuration.set);
    layers
}

/// The layers common to all servers, for `mainstem config` too.
pub(crate) fn layers(configuration: &Configuration, role: Role) -> Layers {
    let mut layers = layers_of_file(configuration);
    layers
        .accept_unsupported
        .clone_from(&configuration.accept_unsupported);
    let (level, format) = match role {
        Role::Broker => (&broker::LOG_LEVEL, &broker::LOG_FORMAT),
        Role::NameServer => (&namesrv::LOG_LEVEL, &namesrv::LOG_FORMAT),
    };
    layers.flag(level, "--log-level", configuration.log_level.clone());
    layers.flag(format, "--log-format", configuration.log_format.clone());
    layers
}

/// Starts the log and writes the warnings of loading to it.
pub(crate) fn start_log(settings: &Settings, role: Role, warnings: &[Warning]) -> Log {
    let (level, format) = match role {
        Role::Broker => (
            settings.get(&broker::LOG_LEVEL),
            settings.get(&broker::LOG_FORMAT),
        ),
        Role::NameServer => (
            settings.get(&namesrv::LOG_LEVEL),
            settings.get(&namesrv::LOG_FORMAT),
        ),
    };
    let log = Log::start(&level, &format);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    log
}

/// The log level that the layers give now, for a reload; flags still override the file.
pub(crate) fn reloaded_level(role: Role, layers: &Layers) -> Result<String, Problems> {
    let settings = Settings::load(role, layers)?.settings;
    Ok(match role {
        Role::Broker => settings.get(&broker::LOG_LEVEL),
        Role::NameServer => settings.get(&namesrv::LOG_LEVEL),
    })
}

/// The host's name, with what no broker name may hold replaced.
fn host_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
                c
            } else {
                '-'
            }
        })
        .take(127)
        .collect();
    if name.is_empty() {
        "DEFAULT_BROKER".to_owned()
    } else {
        name
    }
}

fn split_listen(listen: &str) -> Result<(String, Option<String>), Failure> {
    if listen.parse::<std::net::IpAddr>().is_ok() {
        return Ok((listen.to_owned(), None));
    }
    match listen.parse::<std::net::SocketAddr>() {
        Ok(address) => Ok((address.ip().to_string(), Some(address.port().to_string()))),
        Err(_) => Err(Failure::Usage(format!(
            "--listen {listen}: give an IP address, with or without port, such as 127.0.0.1:9876"
        ))),
    }
}

fn text(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

fn path(path: Option<&Path>) -> Option<String> {
    path.map(|path| path.display().to_string())
}
