//! `mainstem nameserver`: a name server by itself.

use mainstem_common::config::{Loaded, Role};
use mainstem_nameserver::NameServer;

use crate::arguments;
use crate::failure::Failure;
use crate::server::addresses::dialled;
use crate::server::banner::Banner;
use crate::server::process::{Process, stop_cleanly};
use crate::server::{Stop, announce_ready, configuration, name_server};

/// Runs the command.
pub(crate) fn run(arguments: &arguments::NameServer) -> Result<(), Failure> {
    let (layers, loaded) = configuration::name_server(arguments)?;
    let process = Process::begin(Role::NameServer, layers, &loaded.settings, &loaded.warnings);
    process.run(0, |process| serve(process, loaded))
}

async fn serve(process: Process, loaded: Loaded) -> Result<(), Failure> {
    let mut signals = Stop::listen().map_err(Failure::failed)?;
    let server = NameServer::start(name_server::config(loaded.settings, &process.log))
        .map_err(Failure::failed)?;
    let address = server.local_addr();

    let mut banner = Banner::default();
    banner.fact("name server", address.to_string());
    banner.command(format!(
        "{} broker --namesrv {}",
        crate::server::banner::program(),
        dialled(address)
    ));
    banner.print(
        &format!("Mainstem {} nameserver", env!("CARGO_PKG_VERSION")),
        process.started.elapsed(),
    );
    announce_ready(&format!("serving on {address}"));

    process.until_stopped(&mut signals).await;
    stop_cleanly(&mut signals, async {
        server.shutdown().await;
        Ok(())
    })
    .await
}
