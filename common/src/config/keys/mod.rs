//! The table of keys, in groups as a person thinks of them. Every key here has an effect; keys of Apache RocketMQ without one are in
//! `apache.rs`, and those that would promise what is not built in `unsupported.rs`.

mod addresses;
mod consumers;
mod messages;
mod name_server;
mod process;
mod storage;
mod topics;

use super::key::{KeyInfo, Role};

/// Keys of the broker.
pub mod broker {
    pub use super::addresses::*;
    pub use super::consumers::*;
    pub use super::messages::*;
    pub use super::process::*;
    pub use super::storage::*;
    pub use super::topics::*;
}

/// Keys of the name server.
pub mod namesrv {
    pub use super::name_server::*;
}

/// Declares keys: a static handle each, and the list of the group.
macro_rules! keys {
    ($group:ident = $title:literal; $($handle:ident: $type:ty = $name:literal, $kind:expr, $default:literal, $unit:literal, $when:ident, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $handle: crate::config::Key<$type> = crate::config::Key::new(crate::config::KeyInfo {
                name: $name,
                kind: $kind,
                default: $default,
                unit: $unit,
                when: crate::config::When::$when,
                meaning: $meaning,
            });
        )*
        pub(in crate::config) static $group: super::Group = super::Group { title: $title, keys: &[$(&$handle.info),*] };
        #[cfg(test)]
        mod readable {
            #[allow(unused_imports)]
            use super::*;

            #[test]
            fn every_default_is_allowed_and_has_the_type_of_its_key() {
                $( super::super::check::<$type>(&super::$handle.info); )*
            }
        }
    };
}
use keys;

/// Keys that belong together.
pub struct Group {
    /// The heading in the reference.
    pub title: &'static str,
    /// The keys, in the order of the reference.
    pub keys: &'static [&'static KeyInfo],
}

/// The groups of a role, in the order of the reference.
#[must_use]
pub fn groups(role: Role) -> &'static [&'static Group] {
    static BROKER: [&Group; 6] = [
        &addresses::GROUP,
        &storage::GROUP,
        &topics::GROUP,
        &messages::GROUP,
        &consumers::GROUP,
        &process::GROUP,
    ];
    static NAME_SERVER: [&Group; 1] = [&name_server::GROUP];
    match role {
        Role::Broker => &BROKER,
        Role::NameServer => &NAME_SERVER,
    }
}

/// Every key of a role.
pub fn all(role: Role) -> impl Iterator<Item = &'static KeyInfo> {
    groups(role)
        .iter()
        .flat_map(|group| group.keys.iter().copied())
}

/// The key of this name, spelled exactly.
#[must_use]
pub fn find(role: Role, name: &str) -> Option<&'static KeyInfo> {
    all(role).find(|info| info.name == name)
}

#[cfg(test)]
#[allow(clippy::panic)]
fn check<T: super::Setting>(info: &KeyInfo) {
    let plain = info
        .kind
        .normalise(info.default)
        .unwrap_or_else(|| panic!("{}: the default is not allowed", info.name));
    assert_eq!(
        plain, info.default,
        "{}: write the default in its plain form",
        info.name
    );
    assert!(
        T::read(&plain).is_some(),
        "{}: the type does not read the default",
        info.name
    );
    if let super::Kind::Int { min, max } = info.kind {
        for bound in [min, max] {
            assert!(
                T::read(&bound.to_string()).is_some(),
                "{}: the type does not hold {bound}",
                info.name
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stays_small_and_names_are_unique() {
        let mut total = 0;
        for role in [Role::Broker, Role::NameServer] {
            let mut names: Vec<&str> = all(role).map(|info| info.name).collect();
            total += names.len();
            names.sort_unstable();
            let before = names.len();
            names.dedup();
            assert_eq!(names.len(), before, "a name stands twice");
        }
        assert!(total < 80, "{total} keys; each must earn its place");
    }

    #[test]
    fn every_meaning_is_a_sentence() {
        for info in all(Role::Broker).chain(all(Role::NameServer)) {
            assert!(
                info.meaning.ends_with('.') && info.meaning.len() > 20,
                "{}",
                info.name
            );
        }
    }
}
