//! Where a broker listens and what clients are told. Promises that an advertised address which clients cannot reach through the listen
//! address stops the start, with the remedy: clients would be sent there and find nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The two addresses of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// The address to bind.
    pub(crate) listen: IpAddr,
    /// The address for clients.
    pub(crate) advertised: IpAddr,
    /// How the advertised address was found.
    pub(crate) how: &'static str,
}

/// Why the addresses cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    /// The advertised address is one to listen on, not one to connect to.
    #[error(
        "the advertised address {0} (--advertise, brokerIP1) means every address of this machine; give the one that clients connect to"
    )]
    AdvertisedWildcard(IpAddr),
    /// Clients would connect where nobody listens.
    #[error(
        "the advertised address {advertised} (--advertise, brokerIP1) is not reached through the listen address {listen} (--listen, bindAddress): \
         clients would be sent to {advertised} and find nobody; listen on {advertised} or on {wildcard}"
    )]
    Unreachable {
        /// The address for clients.
        advertised: IpAddr,
        /// The address to bind.
        listen: IpAddr,
        /// The address that listens everywhere.
        wildcard: IpAddr,
    },
    /// There is no default route to take the address from.
    #[error(
        "listening on {0}, and this machine has no default route to tell its address from; give the address for clients with --advertise"
    )]
    NoDefaultRoute(IpAddr),
}

/// Works out both addresses from what was given.
pub(crate) fn resolve(
    listen: Option<IpAddr>,
    advertised: Option<IpAddr>,
) -> Result<Addresses, AddressError> {
    let given = "given";
    let listen = match (listen, advertised) {
        (Some(listen), _) => listen,
        (None, Some(advertised)) => advertised,
        (None, None) => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let Some(advertised) = advertised else {
        if !listen.is_unspecified() {
            return Ok(Addresses {
                listen,
                advertised: listen,
                how: "the listen address",
            });
        }
        let advertised =
            default_route_address(listen).ok_or(AddressError::NoDefaultRoute(listen))?;
        return Ok(Addresses {
            listen,
            advertised,
            how: "the address of the default route",
        });
    };
    if advertised.is_unspecified() {
        return Err(AddressError::AdvertisedWildcard(advertised));
    }
    if reachable(listen, advertised) {
        return Ok(Addresses {
            listen,
            advertised,
            how: given,
        });
    }
    let wildcard = if advertised.is_ipv4() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    };
    Err(AddressError::Unreachable {
        advertised,
        listen,
        wildcard,
    })
}

/// An address to connect to, for one that listens: a wildcard is reached through loopback.
pub(crate) fn dialled(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

/// Whether a connection to `advertised` can arrive at a socket bound to `listen`. An address that is not this machine's may be a
/// translated one (a container's host, a load balancer), which reaches any address but loopback.
fn reachable(listen: IpAddr, advertised: IpAddr) -> bool {
    if listen == advertised {
        return true;
    }
    match listen {
        IpAddr::V4(any) if any.is_unspecified() => advertised.is_ipv4(),
        IpAddr::V6(any) if any.is_unspecified() => true,
        _ => !listen.is_loopback() && !advertised.is_loopback() && !is_local(advertised),
    }
}

/// Whether the address is one of this machine's: only such a one can be bound.
fn is_local(address: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(address, 0)).is_ok()
}

/// The source address of the default route. Connecting a UDP socket chooses the route and sends nothing; the destination is one of the
/// addresses reserved for documentation.
fn default_route_address(listen: IpAddr) -> Option<IpAddr> {
    let via_v4 = || {
        source_address(
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        )
    };
    let via_v6 = || {
        source_address(
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        )
    };
    if listen.is_ipv4() {
        via_v4()
    } else {
        via_v4().or_else(via_v6)
    }
}

fn source_address(from: IpAddr, to: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind(SocketAddr::new(from, 0)).ok()?;
    socket.connect(SocketAddr::new(to, 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn loopback_unless_something_is_given() {
        let found = resolve(None, None).unwrap();
        assert_eq!(
            (found.listen.to_string(), found.advertised.to_string()),
            ("127.0.0.1".to_owned(), "127.0.0.1".to_owned())
        );
    }

    #[test]
    fn the_advertised_address_alone_is_listened_on() {
        let found = resolve(None, ip("127.0.0.2")).unwrap();
        assert_eq!(found.listen, found.advertised);
    }

    #[test]
    fn an_advertised_address_that_the_listener_does_not_hear_stops_the_start() {
        for (listen, advertised) in [
            ("127.0.0.1", "203.0.113.7"),
            ("203.0.113.7", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.2"),
            ("0.0.0.0", "2001:db8::7"),
        ] {
            let error = resolve(ip(listen), ip(advertised)).unwrap_err();
            assert!(
                error.to_string().contains(advertised) && error.to_string().contains(listen),
                "{error}"
            );
        }
        assert!(matches!(
            resolve(ip("0.0.0.0"), ip("0.0.0.0")),
            Err(AddressError::AdvertisedWildcard(_))
        ));
    }

    #[test]
    fn a_translated_address_is_taken() {
        assert!(resolve(ip("0.0.0.0"), ip("203.0.113.7")).is_ok());
        assert!(resolve(ip("198.51.100.1"), ip("203.0.113.7")).is_ok());
    }
}
