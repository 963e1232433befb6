//! Deserializers for clients that are loose with scalars: C++ sends numbers as text and the reverse, Go sends tag codes as
//! text. Each function fits serde's `deserialize_with`; enums get the same by the macro below.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// An integer, from a number or its decimal text.
pub(crate) fn int<'de, D: Deserializer<'de>, T: TryFrom<i64>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let number = deserializer.deserialize_any(IntVisitor)?;
    T::try_from(number)
        .map_err(|_| de::Error::custom(format_args!("number {number} is out of range")))
}

/// Integers, each a number or its decimal text.
pub(crate) fn int_list<'de, D: Deserializer<'de>, T: TryFrom<i64>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct Item<T>(T);
    impl<'de, T: TryFrom<i64>> Deserialize<'de> for Item<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            int(deserializer).map(Item)
        }
    }
    Ok(Vec::<Item<T>>::deserialize(deserializer)?
        .into_iter()
        .map(|item| item.0)
        .collect())
}

/// A floating-point number, from a number or its text.
pub(crate) fn float<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = string(deserializer)?;
    text.parse()
        .map_err(|_| de::Error::custom(format_args!("{text:?} is not a number")))
}

/// A truth value, from `true`, `"true"`, `1` and their opposites.
pub(crate) fn boolean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let text = string(deserializer)?;
    match text.as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(de::Error::custom(format_args!(
            "{text:?} is neither true nor false"
        ))),
    }
}

/// Text, from any scalar.
pub(crate) fn string<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_any(TextVisitor)
}

/// Texts, each from any scalar.
pub(crate) fn string_list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    struct Item(String);
    impl<'de> Deserialize<'de> for Item {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            string(deserializer).map(Item)
        }
    }
    Ok(Vec::<Item>::deserialize(deserializer)?
        .into_iter()
        .map(|item| item.0)
        .collect())
}

struct IntVisitor;

impl Visitor<'_> for IntVisitor {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<i64, E> {
        i64::try_from(number)
            .map_err(|_| E::custom(format_args!("number {number} is out of range")))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<i64, E> {
        if number.fract() == 0.0 && number.abs() < 9.0e15 {
            return Ok(number as i64);
        }
        Err(E::custom(format_args!("{number} is not a whole number")))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<i64, E> {
        text.trim()
            .parse()
            .map_err(|_| E::custom(format_args!("{text:?} is not a whole number")))
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number or a truth value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<String, E> {
        Ok(text)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

/// Reads a Java enum: its constant's name, its ordinal, or the ordinal's text.
pub(crate) fn enum_from<'de, D: Deserializer<'de>, T: Copy>(
    deserializer: D,
    enum_name: &'static str,
    constants: &'static [(T, &'static str)],
) -> Result<T, D::Error> {
    struct EnumVisitor<T: 'static>(&'static str, &'static [(T, &'static str)], PhantomData<T>);
    impl<T: Copy> Visitor<'_> for EnumVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a constant of {} or its ordinal", self.0)
        }

        fn visit_u64<E: de::Error>(self, ordinal: u64) -> Result<T, E> {
            let constant = usize::try_from(ordinal)
                .ok()
                .and_then(|ordinal| self.1.get(ordinal));
            constant
                .map(|(value, _)| *value)
                .ok_or_else(|| E::custom(format_args!("{} has no ordinal {ordinal}", self.0)))
        }

        fn visit_i64<E: de::Error>(self, ordinal: i64) -> Result<T, E> {
            match u64::try_from(ordinal) {
                Ok(ordinal) => self.visit_u64(ordinal),
                Err(_) => Err(E::custom(format_args!(
                    "{} has no ordinal {ordinal}",
                    self.0
                ))),
            }
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            if let Some((value, _)) = self.1.iter().find(|(_, name)| *name == text) {
                return Ok(*value);
            }
            match text.parse() {
                Ok(ordinal) => self.visit_u64(ordinal),
                Err(_) => Err(E::custom(format_args!(
                    "{} has no constant {text:?}",
                    self.0
                ))),
            }
        }
    }
    deserializer.deserialize_any(EnumVisitor(enum_name, constants, PhantomData))
}

/// Declares an enum that travels by its Java constant's name; the order is that of the Java ordinals.
macro_rules! java_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            const CONSTANTS: &'static [(Self, &'static str)] = &[$((Self::$variant, $text)),+];

            /// The name as Java spells it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The constant of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::CONSTANTS.iter().find(|(_, text)| *text == name).map(|(value, _)| *value)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::json::enum_from(deserializer, stringify!($name), Self::CONSTANTS)
            }
        }
    };
}
pub(crate) use java_enum;
