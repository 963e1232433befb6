//! What an append costs by the store alone, beside the least that it could cost: `append` (ratios to a plain copy and to
//! plain synced writes), `roll` (the latency where one log file ends and the next begins), `flush-bytes` (what the device
//! takes for each flush, over a whole file). Owns the load; the store's own options decide everything else. Beside them two
//! ways that the store does not go, with what they would give: `reserve` and `recycle`.

mod flush_bytes;
mod load;
mod ratio;
mod recycle;
mod reserve;
mod roll;

pub use flush_bytes::{FlushBytesArgs, run as flush_bytes};
pub use ratio::{AppendArgs, run as append};
pub use recycle::{RecycleArgs, run as recycle};
pub use reserve::{ReserveArgs, run as reserve};
pub use roll::{RollArgs, run as roll};
