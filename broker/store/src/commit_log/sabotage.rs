//! Switches by which a test breaks one promise on purpose, to see that the power-cut runs and the
//! models notice. It promises to be nothing at all outside of tests.

/// What can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// A group is said to be flushed without a sync.
    Flush,
    /// The body's CRC is not looked at.
    BodyCheck,
    /// What lies behind the end of a recovered log stays there.
    Zeroing,
    /// The range above the floor is not written again after an unclean stop.
    Rewrite,
    /// A thread goes to sleep without looking once more whether there is work.
    SecondLook,
    /// Appends do not keep out of the step of zeros that is being written.
    Fence,
}

#[cfg(test)]
thread_local! {
    static BROKEN: std::cell::Cell<Option<Sabotage>> = const { std::cell::Cell::new(None) };
}

/// Breaks one promise for everything that this thread does, or mends it again.
#[cfg(test)]
pub(crate) fn break_on_this_thread(what: Option<Sabotage>) {
    BROKEN.set(what);
}

/// Whether a promise is broken here.
#[inline]
pub(crate) fn is_broken(what: Sabotage) -> bool {
    #[cfg(test)]
    return BROKEN.get() == Some(what);
    #[cfg(not(test))]
    {
        let _ = what;
        false
    }
}
