//! Finding an offset by the store time of its message, by binary search over a queue's units.
//! Promises Apache's answers at the borders; relies on store times that do not fall along a queue.

use super::ConsumeQueues;
use super::queue::Queue;
use crate::error::ReadError;
use crate::log_reader::LogReader;
use crate::outcome::Boundary;

impl ConsumeQueues {
    /// The offset of the first message stored at or after `time_ms` ([`Boundary::Lower`]; the
    /// queue's maximum when there is none), or of the last one stored at or before it
    /// ([`Boundary::Upper`]; the queue's minimum when there is none).
    ///
    /// # Errors
    /// When queue file or log cannot be read.
    pub(crate) fn offset_by_time(
        &self,
        queue: &Queue,
        time_ms: i64,
        boundary: Boundary,
        log: &dyn LogReader,
    ) -> Result<u64, ReadError> {
        let bounds = self.bounds(queue, log).map_err(|source| ReadError::Io {
            position: 0,
            bytes: 0,
            source,
        })?;
        let is_before = |offset| {
            let time = self.store_time(queue, offset, log)?;
            // What is gone was stored before everything that is not.
            Ok::<_, ReadError>(time.is_none_or(|time| match boundary {
                Boundary::Lower => time < time_ms,
                Boundary::Upper => time <= time_ms,
            }))
        };
        let (mut low, mut high) = (bounds.min, bounds.max);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(middle)? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(match boundary {
            Boundary::Lower => low,
            Boundary::Upper => low.saturating_sub(1).max(bounds.min),
        })
    }
}
