//! `mainstem broker`: a broker that registers with name servers elsewhere.

use mainstem_broker::Broker;
use mainstem_common::config::keys::broker;
use mainstem_common::config::{Loaded, Role};

use crate::arguments;
use crate::failure::Failure;
use crate::server::banner::Banner;
use crate::server::process::{Process, stop_cleanly};
use crate::server::{Stop, announce_ready, broker_server, configuration};

/// Runs the command.
pub(crate) fn run(arguments: &arguments::Broker) -> Result<(), Failure> {
    let (layers, loaded) = configuration::broker(arguments)?;
    let process = Process::begin(Role::Broker, layers, &loaded.settings, &loaded.warnings);
    let threads = loaded.settings.get(&broker::WORKER_THREADS);
    process.run(threads, |process| serve(process, loaded))
}

async fn serve(process: Process, loaded: Loaded) -> Result<(), Failure> {
    let mut signals = Stop::listen().map_err(Failure::failed)?;
    let settings = loaded.settings;
    let addresses = broker_server::addresses(&settings)?;
    let name_servers = settings.get(&broker::NAMESRV_ADDR);
    if name_servers.is_empty() {
        tracing::warn!(
            "no name server is given, so no client will find this broker: --namesrv HOST:PORT or namesrvAddr"
        );
    }
    let broker = Broker::start(broker_server::config(
        settings.clone(),
        &addresses,
        &process.log,
    ))
    .await
    .map_err(Failure::failed)?;

    broker_server::await_registration(&broker).await;

    let mut banner = Banner::default();
    broker_server::describe(&mut banner, &settings, &addresses, &broker);
    banner.fact(
        "name servers",
        if name_servers.is_empty() {
            "none".to_owned()
        } else {
            name_servers.join(" ")
        },
    );
    banner.print(
        &format!("Mainstem {} broker", env!("CARGO_PKG_VERSION")),
        process.started.elapsed(),
    );
    announce_ready(&format!("serving on {}", broker.addr()));

    process.until_stopped(&mut signals).await;
    stop_cleanly(&mut signals, async {
        broker.shutdown().await.map_err(Failure::failed)
    })
    .await
}
