//! What a configuration key is: its name, the kind of values it allows, its default, unit and meaning. Owns the check of a single
//! value and its reading into a Rust type; knows neither files nor layers.

use std::marker::PhantomData;
use std::net::IpAddr;

/// Which server a key belongs to. The two have keys of the same name (`listenPort`), as in Apache RocketMQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The broker, and the standalone process, which is configured like a broker.
    Broker,
    /// The name server.
    NameServer,
}

/// When a change of the key takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Read once at start.
    Start,
    /// May be changed while the server runs (request code 25, `updateBrokerConfig`).
    Live,
}

/// The values that a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number within both bounds.
    Int {
        /// Smallest allowed value.
        min: i64,
        /// Largest allowed value.
        max: i64,
    },
    /// A port: 0 (the system chooses) to 65535.
    Port,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// `off`, `auto`, or a port of its own.
    FastPort,
    /// A name of a cluster, broker or region: 1 to 127 characters out of `% | a-z A-Z 0-9 _ - .`; empty only where the default is.
    Name,
    /// An IP address, or empty.
    Ip,
    /// `host:port` addresses separated by semicolons, or empty.
    Addresses,
    /// A path, or empty.
    Path,
    /// Up to 64 delays such as `1s 5s 10m 2h 1d`, separated by spaces.
    Delays,
    /// Hours of the day, `00` to `23`, separated by semicolons.
    Hours,
}

const MAX_NAME_LEN: usize = 127;
const MAX_PATH_LEN: usize = 4096;
const MAX_ADDRESSES: usize = 64;
const MAX_DELAYS: usize = 64;

impl Kind {
    /// The value in its plain form, or `None` if the kind does not allow it.
    #[must_use]
    pub fn normalise(&self, raw: &str) -> Option<String> {
        let raw = raw.trim();
        match *self {
            Kind::Bool => match raw.to_ascii_lowercase().as_str() {
                "true" => Some("true".to_owned()),
                "false" => Some("false".to_owned()),
                _ => None,
            },
            Kind::Int { min, max } => {
                let value: i64 = raw.replace('_', "").parse().ok()?;
                (min..=max).contains(&value).then(|| value.to_string())
            }
            Kind::Port => raw.parse::<u16>().ok().map(|port| port.to_string()),
            Kind::Choice(words) => words
                .iter()
                .find(|word| word.eq_ignore_ascii_case(raw))
                .map(|word| (*word).to_owned()),
            Kind::FastPort => match raw {
                "off" | "auto" => Some(raw.to_owned()),
                _ => raw.parse::<u16>().ok().map(|port| port.to_string()),
            },
            Kind::Name => {
                let fine = raw.len() <= MAX_NAME_LEN
                    && raw.chars().all(|c| {
                        c.is_ascii_alphanumeric() || matches!(c, '%' | '|' | '_' | '-' | '.')
                    });
                fine.then(|| raw.to_owned())
            }
            Kind::Ip => {
                if raw.is_empty() {
                    return Some(String::new());
                }
                raw.parse::<IpAddr>().ok().map(|ip| ip.to_string())
            }
            Kind::Addresses => addresses(raw),
            Kind::Path => {
                (raw.len() <= MAX_PATH_LEN && !raw.contains('\0')).then(|| raw.to_owned())
            }
            Kind::Delays => {
                let delays: Vec<&str> = raw.split_whitespace().collect();
                let fine = !delays.is_empty()
                    && delays.len() <= MAX_DELAYS
                    && delays.iter().all(|d| delay_ms(d).is_some());
                fine.then(|| delays.join(" "))
            }
            Kind::Hours => {
                let hours: Vec<&str> = raw
                    .split(';')
                    .map(str::trim)
                    .filter(|h| !h.is_empty())
                    .collect();
                let fine = !hours.is_empty()
                    && hours.iter().all(|h| h.parse::<u8>().is_ok_and(|h| h < 24));
                fine.then(|| hours.join(";"))
            }
        }
    }

    /// What is allowed, in words, for messages and the reference page.
    #[must_use]
    pub fn allowed(&self) -> String {
        match *self {
            Kind::Bool => "true or false".to_owned(),
            Kind::Int { min, max: i64::MAX } => format!("a whole number, at least {min}"),
            Kind::Int { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Port => "a port from 0 to 65535 (0: any free one)".to_owned(),
            Kind::Choice(words) => words.join(", "),
            Kind::FastPort => "auto (the port minus 2), off, or a port".to_owned(),
            Kind::Name => format!("1 to {MAX_NAME_LEN} characters of a-z A-Z 0-9 _ - . % |"),
            Kind::Ip => "an IP address".to_owned(),
            Kind::Addresses => "host:port, several separated by ;".to_owned(),
            Kind::Path => format!("a path of at most {MAX_PATH_LEN} bytes"),
            Kind::Delays => {
                format!("1 to {MAX_DELAYS} delays like 1s 5m 2h 1d, separated by spaces")
            }
            Kind::Hours => "hours of the day from 00 to 23, several separated by ;".to_owned(),
        }
    }
}

fn addresses(raw: &str) -> Option<String> {
    let list: Vec<&str> = raw
        .split(';')
        .map(str::trim)
        .filter(|a| !a.is_empty())
        .collect();
    if list.len() > MAX_ADDRESSES {
        return None;
    }
    for address in &list {
        let (host, port) = address.rsplit_once(':')?;
        if host.is_empty() || host.contains(char::is_whitespace) || port.parse::<u16>().is_err() {
            return None;
        }
    }
    Some(list.join(";"))
}

/// Milliseconds of a delay such as `1s`, `5m`, `2h` or `1d`.
fn delay_ms(text: &str) -> Option<u64> {
    let unit_ms: u64 = match text.as_bytes().last()? {
        b's' => 1_000,
        b'm' => 60_000,
        b'h' => 3_600_000,
        b'd' => 86_400_000,
        _ => return None,
    };
    let count: u32 = text[..text.len() - 1].parse().ok()?;
    Some(u64::from(count) * unit_ms)
}

/// A key without its Rust type: a row of the table.
#[derive(Clone, Copy, Debug)]
pub struct KeyInfo {
    /// The name, spelled as Apache RocketMQ does where it has the key.
    pub name: &'static str,
    /// What values it allows.
    pub kind: Kind,
    /// The value when nothing sets it; empty where it is worked out at start, as the meaning says.
    pub default: &'static str,
    /// The unit of a number, else empty.
    pub unit: &'static str,
    /// When a change takes effect.
    pub when: When,
    /// One or two sentences for the reference.
    pub meaning: &'static str,
}

/// A key with the Rust type of its values, the handle by which code reads a setting.
#[derive(Debug)]
pub struct Key<T> {
    /// The row of the table.
    pub info: KeyInfo,
    value: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// A key from its row; only the tables make keys.
    pub(super) const fn new(info: KeyInfo) -> Self {
        Key {
            info,
            value: PhantomData,
        }
    }
}

/// A Rust type that a checked value can be read into.
pub trait Setting: Sized {
    /// Reads a value that the key's kind allowed; `None` is a mistake in the table, which a test rules out for defaults and bounds.
    fn read(value: &str) -> Option<Self>;
}

macro_rules! parsed {
    ($($type:ty),*) => { $(
        impl Setting for $type {
            fn read(value: &str) -> Option<Self> {
                value.parse().ok()
            }
        }
    )* };
}

parsed!(bool, u16, u32, u64, usize, i32, i64, String);

impl Setting for Option<IpAddr> {
    fn read(value: &str) -> Option<Self> {
        if value.is_empty() {
            Some(None)
        } else {
            value.parse().ok().map(Some)
        }
    }
}

/// A list separated by semicolons.
impl Setting for Vec<String> {
    fn read(value: &str) -> Option<Self> {
        Some(
            value
                .split(';')
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn numbers_keep_to_their_bounds() {
        let kind = Kind::Int { min: 1, max: 1_000 };
        assert_eq!(kind.normalise(" 1_000 ").as_deref(), Some("1000"));
        for bad in ["0", "1001", "", "ten", "1.5", "99999999999999999999"] {
            assert_eq!(kind.normalise(bad), None, "{bad}");
        }
    }

    #[test]
    fn addresses_need_a_port() {
        assert_eq!(
            Kind::Addresses.normalise("a:1; [::1]:2;").as_deref(),
            Some("a:1;[::1]:2")
        );
        for bad in ["a", "a:b", ":1", "a:70000"] {
            assert_eq!(Kind::Addresses.normalise(bad), None, "{bad}");
        }
    }

    #[test]
    fn delays_read_as_milliseconds() {
        let read: Vec<_> = ["1s", "5m", "2h", "1d"].into_iter().map(delay_ms).collect();
        assert_eq!(
            read,
            [
                Some(1_000),
                Some(300_000),
                Some(7_200_000),
                Some(86_400_000)
            ]
        );
        assert_eq!(Kind::Delays.normalise("1s  5x"), None);
        assert_eq!(Kind::Delays.normalise("é"), None);
    }

    #[test]
    fn choices_take_any_case_and_give_the_table_spelling() {
        let kind = Kind::Choice(&["SYNC_FLUSH", "ASYNC_FLUSH"]);
        assert_eq!(kind.normalise("sync_flush").as_deref(), Some("SYNC_FLUSH"));
        assert_eq!(kind.normalise("SINC"), None);
    }
}
