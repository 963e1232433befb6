//! What an append costs by the store alone, beside the least that it could cost: `append` (ratios to a plain copy and to
//! plain synced writes), `roll` (the latency where one log file ends and the next begins), `flush-bytes` (what the device
//! takes for each flush, over a whole file). Owns the load; the store's own options decide everything else.

mod flush_bytes;
mod load;
mod ratio;
mod roll;

pub use flush_bytes::{FlushBytesArgs, run as flush_bytes};
pub use ratio::{AppendArgs, run as append};
pub use roll::{RollArgs, run as roll};
