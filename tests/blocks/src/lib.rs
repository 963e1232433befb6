//! A disk that remembers every block written to it, so that a power cut can be had at any of them. It is a file of a FUSE file
//! system that the kernel's loop driver makes a block device of: real ext4, xfs or btrfs on it, a real program on that. It
//! promises that writes, discards and flushes are recorded in the order in which they came; it knows nothing of messages.

mod cut;
mod image;
mod mount;
mod recorded;

pub use cut::{Cut, Keep, Random};
pub use image::{Image, PAGE_BYTES};
pub use mount::{FileSystem, Mounted, missing_tools};
pub use recorded::{Event, RecordedDisk, Recording};
