//! What cannot be found, and what is found only by what was derived from it.

use super::*;

/// What cannot be found: no checksum covers it, and nothing else says what it was. The record's body
/// has a CRC, its topic, size, places, keys and tag are in queues and index too; the rest of its head
/// is not covered by the format.
#[test]
fn a_flipped_bit_in_an_uncovered_field_cannot_be_found() {
    let (sound, positions) = written(true);
    let base = FILE_BYTES;
    let record = positions.iter().find(|at| **at > base).unwrap() - base;
    let path = "commitlog/00000000000000065536";
    // Sender's flag, the sender's time, both hosts, reconsume times.
    for uncovered in [16, 44, 50, 66, 79] {
        let disk = sound.crash(7);
        flip(&disk, path, record + uncovered);
        let report = check(&disk);
        assert!(report.is_sound(), "byte {uncovered}: {report:#?}");
    }
    // Size, magic, CRC, queue id, queue offset, position, and a byte of the body.
    for covered in [3, 6, 10, 15, 27, 35, 100] {
        let disk = sound.crash(7);
        flip(&disk, path, record + covered);
        let report = check(&disk);
        assert!(!report.is_sound(), "byte {covered}");
    }
}

#[test]
fn a_flipped_bit_in_key_or_tag_is_found_by_what_was_derived_from_it() {
    let (sound, positions) = written(true);
    let record = positions.iter().find(|at| **at > FILE_BYTES).unwrap() - FILE_BYTES;
    let path = "commitlog/00000000000000065536";
    let bytes = sound.read_whole(path).unwrap();
    for text in [&b"KEYS\x01"[..], b"UNIQ_KEY\x01", b"TAGS\x01"] {
        let from = usize::try_from(record).unwrap();
        let at = bytes[from..]
            .windows(text.len())
            .position(|window| window == text)
            .unwrap();
        let disk = sound.crash(7);
        flip(&disk, path, record + (at + text.len()) as u64);
        assert!(!check(&disk).is_sound(), "{text:?}");
    }
}
