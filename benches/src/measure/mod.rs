//! Reading the kernel's own accounts: CPU time, faults and context switches of a thread or the process, bytes that
//! reached the device. Owns no clock of its own beyond `Instant`; a figure that the machine does not give is absent, never 0.

mod counters;
mod device;
mod limits;
mod machine;
mod memory;
mod scratch;
mod space;
mod spread;

pub use counters::{Counters, Scope};
pub use device::{Device, DeviceCounters};
pub use limits::raise_open_file_limit;
pub use machine::Machine;
pub use memory::{
    MemoryGroup, MemoryLimit, dirty_limit_bytes, drop_page_cache, leave_memory_limit, memory_bytes,
};
pub use scratch::Scratch;
pub use space::{disk_usage, need_space};
pub use spread::{Spread, alternate};
