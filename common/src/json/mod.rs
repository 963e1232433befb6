//! The JSON that RocketMQ's sides exchange: what Java's fastjson, Go's and C++'s writers make of it is read here, and what is
//! written here all of them read. Owns the dialect and its limits; what the texts mean is `protocol`'s.
//!
//! Beyond standard JSON the reader takes unquoted numeric keys (`{0:"addr"}`), objects as keys (`{{"topic":"T"}:1}`; the key
//! becomes its compact text), repeated keys (the last wins) and white space at the end. `$ref` stays an ordinary member.

mod lenient;
mod parse;
mod write;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use parse::{JsonError, Limits, parse, parse_with};
pub use write::ObjectWriter;

pub(crate) use lenient::{
    boolean, enum_from, float, int, int_list, java_enum, string, string_list,
};
pub(crate) use write::write_value;

/// Reads a typed value from the dialect. Members that are `null` count as absent, as they do in Java.
///
/// Standard JSON goes straight into the type; only a text that is not is read through [`parse`] first.
pub fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonError> {
    from_slice_with(text, Limits::NETWORK)
}

/// As [`from_slice`], under other limits; for files, which may be larger than any request.
pub fn from_slice_with<T: DeserializeOwned>(text: &[u8], limits: Limits) -> Result<T, JsonError> {
    // Repeated members, nulls and the like fail here too, and get their second chance below.
    if let Ok(value) = serde_json::from_slice(text) {
        return Ok(value);
    }
    let mut value = parse_with(text, limits)?;
    drop_nulls(&mut value);
    serde_json::from_value(value).map_err(|cause| JsonError::Shape {
        cause: cause.to_string(),
    })
}

/// Depth is bounded by the parser's limit.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
