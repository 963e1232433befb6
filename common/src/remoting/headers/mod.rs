//! Typed custom headers: the ext fields of each request and response as a struct, read from and written to text
//! pairs. One macro defines them; a field's type says whether it is required (`Option` is not). They borrow from the
//! frame, so reading one allocates nothing.

mod admin;
mod groups;
mod namesrv;
mod offsets;
mod pull;
mod query;
mod send;
mod topics;
mod value;

pub use admin::*;
pub use groups::*;
pub use namesrv::*;
pub use offsets::*;
pub use pull::*;
pub use query::*;
pub use send::*;
pub use topics::*;
pub use value::{ExtValue, Value};

use crate::remoting::head::{Ext, HeaderError};

/// A custom header: a set of ext fields with types.
pub trait ExtFields<'a>: Sized {
    /// Reads the header from the ext fields of a command; fields it does not know are ignored.
    ///
    /// # Errors
    /// When a required field is missing or a field's text is not of its type.
    fn decode(ext: &Ext<'a>) -> Result<Self, HeaderError>;

    /// Hands every present field to `out`, in the order of definition.
    fn encode(&self, out: &mut impl FnMut(&'static str, Value<'_>));
}

/// Defines headers: `field: type = "name on the wire"`. Every field states its wire name, so that a search for one
/// finds its field.
macro_rules! headers {
    () => {};
    ($(#[$doc:meta])* $name:ident<'a> { $($(#[$field_doc:meta])* $field:ident: $type:ty = $wire:literal,)* } $($rest:tt)*) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name<'a> { $($(#[$field_doc])* #[doc = concat!("`", $wire, "`")] pub $field: $type,)* }
        $crate::remoting::headers::headers!(@ext $name<'a>, $($field: $type = $wire,)*);
        $crate::remoting::headers::headers!($($rest)*);
    };
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $wire:literal,)* } $($rest:tt)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* #[doc = concat!("`", $wire, "`")] pub $field: $type,)* }
        $crate::remoting::headers::headers!(@ext $name, $($field: $type = $wire,)*);
        $crate::remoting::headers::headers!($($rest)*);
    };
    (@ext $name:ty, $($field:ident: $type:ty = $wire:literal,)*) => {
        impl<'a> $crate::remoting::headers::ExtFields<'a> for $name {
            #[inline]
            fn decode(ext: &$crate::remoting::head::Ext<'a>) -> Result<Self, $crate::remoting::head::HeaderError> {
                $(let mut $field: Option<&'a str> = None;)*
                for (name, value) in ext.iter() {
                    match name {
                        $($wire => $field = Some(value),)*
                        _ => {}
                    }
                }
                Ok(Self { $($field: $crate::remoting::headers::ExtValue::read($wire, $field)?,)* })
            }

            fn encode(&self, out: &mut impl FnMut(&'static str, $crate::remoting::headers::Value<'_>)) {
                $(if let Some(value) = $crate::remoting::headers::ExtValue::write(&self.$field) {
                    out($wire, value);
                })*
            }
        }
    };
}
use headers;
