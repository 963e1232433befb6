//! Hosts in records and message ids: the address's bytes, then the port as a 32-bit number. Owns that form only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::layout::{HOST_LEN_V4, HOST_LEN_V6};

/// Writes `host` to the start of `out` and returns its length, 8 or 20 bytes. IPv4 in IPv6 clothes is written as IPv4, as
/// Java would.
pub(super) fn write(host: SocketAddr, out: &mut [u8]) -> usize {
    let port = u32::from(host.port()).to_be_bytes();
    match host.ip().to_canonical() {
        IpAddr::V4(ip) => {
            out[..4].copy_from_slice(&ip.octets());
            out[4..HOST_LEN_V4].copy_from_slice(&port);
            HOST_LEN_V4
        }
        IpAddr::V6(ip) => {
            out[..16].copy_from_slice(&ip.octets());
            out[16..HOST_LEN_V6].copy_from_slice(&port);
            HOST_LEN_V6
        }
    }
}

/// Whether [`write()`] takes 20 bytes for this host.
pub(super) fn is_v6(host: SocketAddr) -> bool {
    host.ip().to_canonical().is_ipv6()
}

/// Reads a host of 8 or 20 bytes; `Err` holds a port that no address has.
pub(super) fn read(bytes: &[u8]) -> Result<SocketAddr, u32> {
    let (ip, port): (IpAddr, &[u8]) = if bytes.len() == HOST_LEN_V4 {
        let mut octets = [0; 4];
        octets.copy_from_slice(&bytes[..4]);
        (Ipv4Addr::from(octets).into(), &bytes[4..])
    } else {
        let mut octets = [0; 16];
        octets.copy_from_slice(&bytes[..16]);
        (Ipv6Addr::from(octets).into(), &bytes[16..])
    };
    let mut word = [0; 4];
    word.copy_from_slice(port);
    let port = u32::from_be_bytes(word);
    u16::try_from(port)
        .map(|port| SocketAddr::new(ip, port))
        .map_err(|_| port)
}
