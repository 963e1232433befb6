//! The name under which brokers know one client: `ip@pid#nanos`, as Java clients form it. Two handles of one process
//! never share one, or a group would give both the same queues.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A client id that no other handle has.
pub(crate) fn new_client_id(name_servers: &[String]) -> String {
    format!(
        "{}@{}#{}",
        local_ip(name_servers),
        std::process::id(),
        unique_nanos()
    )
}

/// The address of this machine as the first reachable name server sees it. No packet is sent for it.
pub(crate) fn local_ip(name_servers: &[String]) -> IpAddr {
    name_servers
        .iter()
        .filter_map(|name_server| name_server.to_socket_addrs().ok()?.next())
        .find_map(|name_server| {
            let any: SocketAddr = match name_server {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let socket = UdpSocket::bind(any).ok()?;
            socket.connect(name_server).ok()?;
            Some(socket.local_addr().ok()?.ip())
        })
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Nanoseconds of the clock, moved on where two handles would share them.
fn unique_nanos() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        });
    let last = LAST
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            Some(now.max(last + 1))
        })
        .unwrap_or_default();
    now.max(last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_made_at_once_have_different_ids() {
        let ids: std::collections::HashSet<String> =
            (0..1_000).map(|_| new_client_id(&[])).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(
            ids.iter()
                .all(|id| id.starts_with("127.0.0.1@") && id.contains('#'))
        );
    }
}
