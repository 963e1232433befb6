//! Finds the ports of a broker before it listens: the main port must be known to everything that is built first, and
//! with port 0 a free one is wanted whose neighbour is free, too.

use std::net::{IpAddr, SocketAddr};

use mainstem_common::remoting::BindError;
use socket2::{Domain, Socket, Type};

use crate::broker::StartError;
use crate::config::FastPort;

/// Attempts to find a free pair.
const MAX_ATTEMPTS: usize = 64;

/// Ports that are bound but not listened on, so that nobody else gets them meanwhile.
pub(crate) struct ReservedPorts {
    pub(crate) main: SocketAddr,
    pub(crate) fast: Option<SocketAddr>,
    _sockets: Vec<Socket>,
}

fn reserve(addr: SocketAddr) -> Result<(Socket, SocketAddr), BindError> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        // The listener sets it too: then both may hold the port as long as only one listens.
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        let local = socket.local_addr()?.as_socket().unwrap_or(addr);
        Ok((socket, local))
    };
    bind().map_err(|source| BindError { addr, source })
}

/// The port of the fast port for a main port, as configured.
fn fast_port_for(fast: FastPort, main: u16) -> Result<Option<u16>, StartError> {
    match fast {
        FastPort::Off => Ok(None),
        FastPort::Port(port) => Ok(Some(port)),
        FastPort::Auto if main > 2 => Ok(Some(main - 2)),
        FastPort::Auto => Err(StartError::NoFastPort { listen_port: main }),
    }
}

/// Reserves the main port and, unless it is off, the fast port.
pub(crate) fn reserve_ports(
    ip: IpAddr,
    main_port: u16,
    fast: FastPort,
) -> Result<ReservedPorts, StartError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let (socket, main) = reserve(SocketAddr::new(ip, main_port))?;
        let Some(fast_port) = fast_port_for(fast, main.port())? else {
            return Ok(ReservedPorts {
                main,
                fast: None,
                _sockets: vec![socket],
            });
        };
        match reserve(SocketAddr::new(ip, fast_port)) {
            Ok((fast_socket, fast)) => {
                return Ok(ReservedPorts {
                    main,
                    fast: Some(fast),
                    _sockets: vec![socket, fast_socket],
                });
            }
            // Another free main port may have a free neighbour.
            Err(_) if main_port == 0 && fast == FastPort::Auto && attempts < MAX_ATTEMPTS => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn port_0_finds_a_pair_and_others_do_not_get_it() {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let first = reserve_ports(ip, 0, FastPort::Auto).unwrap();
        assert_eq!(first.fast.unwrap().port(), first.main.port() - 2);
        let second = reserve_ports(ip, 0, FastPort::Auto).unwrap();
        assert_ne!(first.main, second.main);
    }

    #[test]
    fn a_port_that_is_listened_on_is_an_error() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let refused = reserve_ports(IpAddr::V4(Ipv4Addr::LOCALHOST), port, FastPort::Off);
        assert!(matches!(refused, Err(StartError::Bind(_))));
    }
}
