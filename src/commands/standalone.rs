//! `mainstem standalone`: a name server and a broker in one process, the shortest way from nothing to a message.

use mainstem_broker::Broker;
use mainstem_common::config::keys::{broker, namesrv};
use mainstem_common::config::{Loaded, Role};
use mainstem_nameserver::NameServer;

use crate::arguments::Standalone;
use crate::failure::Failure;
use crate::server::addresses::dialled;
use crate::server::banner::{Banner, client_commands};
use crate::server::process::{Process, stop_cleanly};
use crate::server::{Stop, announce_ready, broker_server, configuration, name_server};

/// Runs the command.
pub(crate) fn run(arguments: &Standalone) -> Result<(), Failure> {
    let (layers, loaded, name_server) = configuration::standalone(arguments)?;
    let mut warnings = loaded.warnings.clone();
    warnings.extend(name_server.warnings.iter().cloned());
    let process = Process::begin(Role::Broker, layers, &loaded.settings, &warnings);
    let threads = loaded.settings.get(&broker::WORKER_THREADS);
    process.run(threads, |process| serve(process, loaded, name_server))
}

async fn serve(process: Process, loaded: Loaded, mut own: Loaded) -> Result<(), Failure> {
    let mut signals = Stop::listen().map_err(Failure::failed)?;
    let settings = loaded.settings;
    let addresses = broker_server::addresses(&settings)?;
    own.settings.derive(
        &namesrv::BIND_ADDRESS,
        &addresses.listen.to_string(),
        "the broker's listen address",
    );
    let data_dir = settings.get(&broker::STORE_PATH_ROOT_DIR);
    let kv_path = std::path::Path::new(&data_dir)
        .join("namesrv")
        .join("kvConfig.json");
    own.settings.derive(
        &namesrv::KV_CONFIG_PATH,
        &kv_path.display().to_string(),
        "the data directory",
    );

    let name_server = NameServer::start(name_server::config(own.settings, &process.log))
        .map_err(Failure::failed)?;
    let name_server_address = dialled(name_server.local_addr());
    let mut config = broker_server::config(settings.clone(), &addresses, &process.log);
    // A file that served a broker by itself may name the address that is our own now.
    config
        .name_servers
        .retain(|address| *address != name_server_address.to_string());
    config
        .name_servers
        .insert(0, name_server_address.to_string());
    let broker = match Broker::start(config).await {
        Ok(broker) => broker,
        Err(error) => {
            name_server.shutdown().await;
            return Err(Failure::failed(error));
        }
    };

    broker_server::await_registration(&broker).await;

    let mut banner = Banner::default();
    banner.fact("name server", name_server.local_addr().to_string());
    broker_server::describe(&mut banner, &settings, &addresses, &broker);
    for command in client_commands(name_server_address) {
        banner.command(command);
    }
    banner.print(
        &format!("Mainstem {} standalone", env!("CARGO_PKG_VERSION")),
        process.started.elapsed(),
    );
    announce_ready(&format!("serving on {}", broker.addr()));

    process.until_stopped(&mut signals).await;
    stop_cleanly(&mut signals, async {
        let stopped = broker.shutdown().await;
        name_server.shutdown().await;
        stopped.map_err(Failure::failed)
    })
    .await
}
