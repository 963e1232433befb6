//! Configuration: the one table of keys, the readers of the two file formats, and the layers that make an effective value.
//! Promises that every value in a [`Settings`] is allowed by its key and says where it came from. Knows nothing of what the
//! values are used for, opens no file but the one it is told to read, and never logs: warnings are returned.

mod apache;
mod file;
mod key;
pub mod keys;
mod layers;
mod nearest;
mod problem;
mod properties;
mod settings;
mod toml_file;
mod unsupported;

pub use file::{Entry, Format, read_file};
pub use key::{Key, KeyInfo, Kind, Role, Setting, When};
pub use keys::{broker, namesrv};
pub use layers::{Layers, Loaded};
pub use problem::{Problem, Problems, Warning};
pub use settings::{Change, Effective, Settings, Source};
pub use unsupported::{Refused, refused};
