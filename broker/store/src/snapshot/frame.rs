//! Frames: length, CRC32, content. The only place that knows how content is encoded (bincode 2,
//! which is pinned and used for private files only; the version in the file's head covers it).

use bincode::config;

use super::Frame;

/// Bytes in front of the content.
pub(super) const FRAME_HEAD_BYTES: usize = 8;
/// Longest content: a chunk of queues whose last tail is the longest possible.
pub(super) const MAX_FRAME_BYTES: usize = 128 << 20;

/// Appends a frame to `out`.
pub(super) fn encode(frame: &Frame, out: &mut Vec<u8>) -> Result<(), String> {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEAD_BYTES]);
    bincode::encode_into_std_write(frame, out, config::standard())
        .map_err(|error| error.to_string())?;
    let content = &out[start + FRAME_HEAD_BYTES..];
    let len = u32::try_from(content.len())
        .ok()
        .filter(|_| content.len() <= MAX_FRAME_BYTES)
        .ok_or_else(|| format!("a frame of {} bytes is too long", content.len()))?;
    let crc = crc32fast::hash(content);
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    out[start + 4..start + FRAME_HEAD_BYTES].copy_from_slice(&crc.to_be_bytes());
    Ok(())
}

/// Length and checksum of a frame, from its first bytes; `None` when no frame is that long.
pub(super) fn head(bytes: [u8; FRAME_HEAD_BYTES]) -> Option<(usize, u32)> {
    let [a, b, c, d, crc @ ..] = bytes;
    let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    (len <= MAX_FRAME_BYTES).then(|| (len, u32::from_be_bytes(crc)))
}

/// The content of a frame; `None` when it is damaged.
pub(super) fn decode(content: &[u8], crc: u32) -> Option<Frame> {
    if crc32fast::hash(content) != crc {
        return None;
    }
    let limits = config::standard().with_limit::<{ 2 * MAX_FRAME_BYTES }>();
    match bincode::decode_from_slice(content, limits) {
        Ok((frame, read)) if read == content.len() => Some(frame),
        _ => None,
    }
}
