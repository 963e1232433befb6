//! Zig-zag variable-length integers, as Kafka's record format v2 uses them: seven bits a byte, lowest first, the top
//! bit set on every byte but the last. Owns nothing; decoding never reads past the slice that it is given.

/// The longest encoding of a 64-bit value.
const MAX_VARLONG_BYTES: usize = 10;

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Appends `value` to `out`.
pub fn put(value: i64, out: &mut Vec<u8>) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        out.push((rest as u8) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// How many bytes [`put`] appends for `value`.
pub fn len(value: i64) -> usize {
    let significant_bits = 64 - zigzag(value).leading_zeros() as usize;
    significant_bits.div_ceil(7).max(1)
}

/// Reads a value from the front of `input` and moves `input` past it; `None` when it is cut short or too long.
pub fn take(input: &mut &[u8]) -> Option<i64> {
    let mut raw = 0u64;
    for (i, byte) in input.iter().take(MAX_VARLONG_BYTES).enumerate() {
        raw |= u64::from(byte & 0x7f).checked_shl(7 * i as u32)?;
        if byte & 0x80 == 0 {
            *input = &input[i + 1..];
            return Some((raw >> 1) as i64 ^ -((raw & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_survives_the_round_trip_in_the_stated_length() {
        let mut values = vec![0, 1, -1, 63, 64, -64, -65, 8191, 8192, i64::MAX, i64::MIN];
        values.extend((0..63).flat_map(|bit| [1i64 << bit, -(1i64 << bit), (1i64 << bit) - 1]));
        for value in values {
            let mut out = Vec::new();
            put(value, &mut out);
            assert_eq!(out.len(), len(value), "{value}");
            let mut input = &out[..];
            assert_eq!(take(&mut input), Some(value));
            assert!(input.is_empty());
        }
    }

    #[test]
    fn a_cut_or_endless_encoding_is_refused() {
        assert_eq!(take(&mut &[0x80u8][..]), None);
        assert_eq!(take(&mut &[0xffu8; 11][..]), None);
        assert_eq!(take(&mut &[][..]), None);
    }
}
