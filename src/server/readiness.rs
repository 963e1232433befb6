//! Tells a supervisor that waits for it (systemd's `Type=notify`) when the process serves and when it stops. Without one nothing
//! happens; a supervisor that cannot be told is logged and never stops the process.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

const VARIABLE: &str = "NOTIFY_SOCKET";

/// The process serves.
pub(crate) fn announce_ready(status: &str) {
    announce(&format!("READY=1\nSTATUS={status}\n"));
}

/// The process is about to stop.
pub(crate) fn announce_stopping() {
    announce("STOPPING=1\n");
}

fn announce(message: &str) {
    let Some(name) = env::var_os(VARIABLE) else {
        return;
    };
    if let Err(error) = send(&name, message) {
        tracing::warn!(socket = ?name, %error, "the supervisor could not be told");
    }
}

/// A leading `@` names a socket in the abstract name space.
fn send(name: &OsStr, message: &str) -> io::Result<()> {
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.send_to_addr(message.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_message_arrives_at_a_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), "READY=1\n").unwrap();
        let mut buffer = [0; 64];
        let length = receiver.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1\n");
    }

    #[test]
    fn the_message_arrives_at_an_abstract_name() {
        let name = format!("mainstem-test-{}", std::process::id());
        let receiver =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(OsStr::new(&format!("@{name}")), "STOPPING=1\n").unwrap();
        let mut buffer = [0; 64];
        let length = receiver.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"STOPPING=1\n");
    }
}
