//! The permission bits of a topic's queues. Owns the bits and their short text.

/// The topic may be used as a template for topics created on demand.
pub const INHERIT: i32 = 1;
/// Messages may be sent.
pub const WRITE: i32 = 2;
/// Messages may be read.
pub const READ: i32 = 4;
/// Reserved by RocketMQ.
pub const PRIORITY: i32 = 8;

/// Whether messages may be read.
#[must_use]
pub const fn is_readable(perm: i32) -> bool {
    perm & READ != 0
}

/// Whether messages may be sent.
#[must_use]
pub const fn is_writable(perm: i32) -> bool {
    perm & WRITE != 0
}

/// Whether the topic is a template.
#[must_use]
pub const fn is_inherited(perm: i32) -> bool {
    perm & INHERIT != 0
}

/// Whether `perm` is one that a topic can have: some of the four bits and nothing else.
#[must_use]
pub const fn is_valid(perm: i32) -> bool {
    perm >= 0 && perm < PRIORITY
}

/// The bits as RocketMQ's tools print them: `RW-`.
#[must_use]
pub fn to_text(perm: i32) -> String {
    let mark = |bit, letter| if perm & bit == 0 { '-' } else { letter };
    [mark(READ, 'R'), mark(WRITE, 'W'), mark(INHERIT, 'X')]
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_told_apart() {
        assert_eq!(
            (
                to_text(6).as_str(),
                to_text(7).as_str(),
                to_text(4).as_str(),
                to_text(0).as_str()
            ),
            ("RW-", "RWX", "R--", "---")
        );
        assert!(is_readable(4) && !is_writable(4) && is_inherited(7));
        assert!(is_valid(0) && is_valid(7) && !is_valid(8) && !is_valid(-1));
    }
}
