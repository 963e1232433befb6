//! Bodies that producers compress. Owns the three methods that clients mark in `sys_flag` and the limit on what a small
//! body may grow to; brokers pass compressed bodies through untouched and need none of this.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use thiserror::Error;

use crate::sys_flag::{
    COMPRESSION_LZ4, COMPRESSION_ZLIB, COMPRESSION_ZSTD, compression_type, is_compressed,
};

/// Why a body cannot be decompressed.
#[derive(Debug, Error)]
pub enum DecompressError {
    /// A method that this build does not read.
    #[error(
        "the body is compressed by {method}, which is not supported here; let the producer use zlib or lz4"
    )]
    Unsupported {
        /// The method's name, or its bits.
        method: String,
    },
    /// The decompressed body would pass the limit.
    #[error(
        "the body decompresses to more than {limit} bytes; raise the limit or send smaller messages"
    )]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The bytes are not what the flag says.
    #[error("the body is not valid {method} data: {cause}")]
    Corrupt {
        /// The method's name.
        method: &'static str,
        /// What the decoder found.
        cause: io::Error,
    },
}

/// The body as the producer had it: itself if `sys_flag` says it is not compressed, else decompressed, at most `limit` bytes.
pub fn decompress(
    sys_flag: i32,
    body: &[u8],
    limit: usize,
) -> Result<Cow<'_, [u8]>, DecompressError> {
    if !is_compressed(sys_flag) {
        return Ok(Cow::Borrowed(body));
    }
    match compression_type(sys_flag) {
        // Go and old Java clients leave the type bits empty and mean zlib.
        0 | COMPRESSION_ZLIB => read_limited("zlib", flate2::read::ZlibDecoder::new(body), limit),
        COMPRESSION_LZ4 => read_limited("lz4", lz4_flex::frame::FrameDecoder::new(body), limit),
        COMPRESSION_ZSTD => Err(DecompressError::Unsupported {
            method: "zstd".to_owned(),
        }),
        other => Err(DecompressError::Unsupported {
            method: format!("an unknown method (type bits {other:#05x})"),
        }),
    }
    .map(Cow::Owned)
}

/// The body as a zlib stream; `level` is 0 (store) to 9, clients use 5.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "zlib into memory has nothing that can fail; an empty result would be a lie"
)]
pub fn compress_zlib(body: &[u8], level: u32) -> Vec<u8> {
    let mut encoder =
        flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level.min(9)));
    encoder
        .write_all(body)
        .and_then(|()| encoder.finish())
        .expect("zlib into memory cannot fail")
}

fn read_limited(
    method: &'static str,
    decoder: impl Read,
    limit: usize,
) -> Result<Vec<u8>, DecompressError> {
    let mut out = Vec::new();
    let bound = (limit as u64).saturating_add(1);
    decoder
        .take(bound)
        .read_to_end(&mut out)
        .map_err(|cause| DecompressError::Corrupt { method, cause })?;
    if out.len() > limit {
        return Err(DecompressError::TooLarge { limit });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::sys_flag::COMPRESSED;

    #[test]
    fn zlib_is_read_with_and_without_type_bits() {
        let body = b"mainstem ".repeat(1000);
        let packed = compress_zlib(&body, 5);
        assert!(packed.len() < body.len() / 10);
        for flag in [COMPRESSED, COMPRESSED | COMPRESSION_ZLIB] {
            assert_eq!(&*decompress(flag, &packed, body.len()).unwrap(), &body[..]);
        }
        assert!(matches!(decompress(0, &body, 0), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn lz4_frames_are_read() {
        let body = b"mainstem ".repeat(1000);
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(&body).unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(
            &*decompress(COMPRESSED | COMPRESSION_LZ4, &packed, 1 << 20).unwrap(),
            &body[..]
        );
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let packed = compress_zlib(&vec![0; 10 << 20], 9);
        assert!(matches!(
            decompress(COMPRESSED, &packed, 1 << 20),
            Err(DecompressError::TooLarge { .. })
        ));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert!(matches!(
            decompress(COMPRESSED | COMPRESSION_ZSTD, b"x", 10),
            Err(DecompressError::Unsupported { .. })
        ));
        assert!(matches!(
            decompress(COMPRESSED | 0x700, b"x", 10),
            Err(DecompressError::Unsupported { .. })
        ));
        assert!(matches!(
            decompress(COMPRESSED, b"xyz", 10),
            Err(DecompressError::Corrupt { .. })
        ));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0i32..8) {
            let _ = decompress(COMPRESSED | kind << 8, &bytes, 1 << 16);
        }
    }
}
