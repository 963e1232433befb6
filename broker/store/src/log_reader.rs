//! How the parts that are derived from the log read it. It promises that nothing behind
//! [`LogReader::readable`] is ever given out; who implements it decides between map and `pread`.

use mainstem_record::RecordView;

use crate::error::ReadError;
use crate::outcome::Patience;
use crate::slice::RecordSlice;

/// What a scan calls for each record: its log position and itself. `false` ends the scan.
pub type ScanVisitor<'a> = dyn FnMut(u64, &RecordView<'_>) -> bool + 'a;

/// Read access to the readable part of a commit log. Positions are bytes since the log's birth.
pub trait LogReader: Send + Sync {
    /// Start of the oldest file that still exists.
    fn min_position(&self) -> u64;
    /// End of the readable prefix.
    fn readable(&self) -> u64;
    /// The whole record at `position`; `None` when the position is outside of the readable log.
    ///
    /// # Errors
    /// When the disk refuses, or no valid record starts there.
    fn record_at(&self, position: u64) -> Result<Option<RecordSlice>, ReadError>;
    /// `len` bytes at `position`, known from a queue unit to be one record; not checked again.
    /// `None` when they are outside of the readable log.
    ///
    /// # Errors
    /// When the disk refuses, or the bytes are not in memory and `patience` forbids to wait.
    fn slice_at(
        &self,
        position: u64,
        len: usize,
        patience: Patience,
    ) -> Result<Option<RecordSlice>, ReadError>;
    /// Has the device begin to read a range that will be asked for in a moment, where it is not
    /// known to be in memory. A hint that never waits and never fails.
    fn read_soon(&self, _position: u64, _len: usize) {}
    /// Calls `visit` for each record that starts in `from..to` (cut to the readable log), in
    /// order, and returns the position after the last one visited, blanks skipped. `from` must be
    /// the start of a record or of a file.
    ///
    /// # Errors
    /// When the disk refuses or a record is invalid.
    fn scan(&self, from: u64, to: u64, visit: &mut ScanVisitor<'_>) -> Result<u64, ReadError>;
}
