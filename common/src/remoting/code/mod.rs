//! The numbers of the protocol: request codes, response codes and their names for logs. This module owns the
//! numbers only; which of them a server answers is the server's own matter.

/// Defines public constants and the function that names them. The lookup is a `match`, so two names with the same
/// number do not compile.
macro_rules! codes {
    ($($name:ident = $code:literal;)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`, code ", stringify!($code), ".")]
            pub const $name: i32 = $code;
        )*

        /// The protocol's name of `code`, or `None` for a number it does not define.
        pub const fn name(code: i32) -> Option<&'static str> {
            #[deny(unreachable_patterns)]
            match code {
                $($name => Some(stringify!($name)),)*
                _ => None,
            }
        }
    };
}
use codes;

pub mod request;
pub mod response;

/// The name of a request code for logs; `"UNKNOWN"` for a number the protocol does not define.
pub const fn request_name(code: i32) -> &'static str {
    match request::name(code) {
        Some(name) => name,
        None => "UNKNOWN",
    }
}

/// The name of a response code for logs; `"UNKNOWN"` for a number the protocol does not define.
pub const fn response_name(code: i32) -> &'static str {
    match response::name(code) {
        Some(name) => name,
        None => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_protocol_names() {
        assert_eq!(request_name(request::SEND_MESSAGE_V2), "SEND_MESSAGE_V2");
        assert_eq!(request_name(200_050), "POP_MESSAGE");
        assert_eq!(request_name(9999), "UNKNOWN");
        assert_eq!(
            response_name(response::SUBSCRIPTION_GROUP_NOT_EXIST),
            "SUBSCRIPTION_GROUP_NOT_EXIST"
        );
    }
}
