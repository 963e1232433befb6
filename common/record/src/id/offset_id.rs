//! The offset message id: store host and log position in hex, which admin tools parse back to reach the broker. Owns that
//! text form and nothing else.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

/// Longest id in bytes before hex: IPv6, port, offset.
const MAX_RAW_LEN: usize = 16 + 4 + 8;

/// Where a message lies: 32 (IPv4) or 56 (IPv6) upper-case hex characters of address, 32-bit port and 64-bit offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OffsetMessageId {
    /// The broker's advertised address.
    pub host: SocketAddr,
    /// Position in its commit log, in bytes.
    pub physical_offset: i64,
}

/// The text is no offset message id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is not an offset message id: it needs 32 or 56 hex characters of address, port and log position"
)]
pub struct OffsetIdError {
    /// The text given, shortened to what an id may take.
    pub text: String,
}

impl OffsetMessageId {
    /// Appends the id to `out`.
    pub fn write_hex(&self, out: &mut String) {
        let (raw, len) = self.raw();
        super::push_hex(out, &raw[..len]);
    }

    fn raw(&self) -> ([u8; MAX_RAW_LEN], usize) {
        let mut raw = [0; MAX_RAW_LEN];
        let ip_len = match self.host.ip().to_canonical() {
            IpAddr::V4(ip) => {
                raw[..4].copy_from_slice(&ip.octets());
                4
            }
            IpAddr::V6(ip) => {
                raw[..16].copy_from_slice(&ip.octets());
                16
            }
        };
        raw[ip_len..ip_len + 4].copy_from_slice(&u32::from(self.host.port()).to_be_bytes());
        raw[ip_len + 4..ip_len + 12].copy_from_slice(&self.physical_offset.to_be_bytes());
        (raw, ip_len + 12)
    }
}

impl fmt::Display for OffsetMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(MAX_RAW_LEN * 2);
        self.write_hex(&mut text);
        f.pad(&text)
    }
}

impl FromStr for OffsetMessageId {
    type Err = OffsetIdError;

    fn from_str(text: &str) -> Result<Self, OffsetIdError> {
        parse(text).ok_or_else(|| OffsetIdError {
            text: text.chars().take(2 * MAX_RAW_LEN + 8).collect(),
        })
    }
}

fn parse(text: &str) -> Option<OffsetMessageId> {
    let digits = text.as_bytes();
    let mut raw = [0u8; MAX_RAW_LEN];
    let len = digits.len() / 2;
    if !matches!(digits.len(), 32 | 56) {
        return None;
    }
    for (byte, pair) in raw.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    let (ip, rest): (IpAddr, &[u8]) = if len == 16 {
        (
            Ipv4Addr::from(*raw.first_chunk::<4>()?).into(),
            &raw[4..len],
        )
    } else {
        (
            Ipv6Addr::from(*raw.first_chunk::<16>()?).into(),
            &raw[16..len],
        )
    };
    let (port, offset) = rest.split_first_chunk::<4>()?;
    let port = u16::try_from(u32::from_be_bytes(*port)).ok()?;
    let physical_offset = i64::from_be_bytes(*offset.first_chunk::<8>()?);
    Some(OffsetMessageId {
        host: SocketAddr::new(ip, port),
        physical_offset,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_is_apaches() {
        let id = OffsetMessageId {
            host: "10.0.0.1:10911".parse().unwrap(),
            physical_offset: 1000,
        };
        assert_eq!(id.to_string(), "0A00000100002A9F00000000000003E8");
        assert_eq!("0a00000100002a9f00000000000003e8".parse(), Ok(id));
    }

    #[test]
    fn an_ipv6_id_has_56_characters() {
        let id = OffsetMessageId {
            host: "[2001:db8::1]:10911".parse().unwrap(),
            physical_offset: 7,
        };
        assert_eq!(id.to_string().len(), 56);
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "xyz",
            "0A00000100002A9F00000000000003E",
            "0A0000010FFF2A9F00000000000003E8",
            "ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ",
            "+A00000100002A9F00000000000003E8",
        ] {
            assert!(text.parse::<OffsetMessageId>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn ids_are_read_back(ip in any::<[u8; 4]>(), port in any::<u16>(), physical_offset in any::<i64>()) {
            let id = OffsetMessageId { host: (ip, port).into(), physical_offset };
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn hostile_text_never_panics(text in "\\PC{0,60}") {
            let _ = text.parse::<OffsetMessageId>();
        }
    }
}
