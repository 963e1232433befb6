//! The models see what they are for: a promise is broken on purpose, and the model that watches
//! it fails. Done for two promises, not for each.

use super::*;
use crate::commit_log::{Sabotage, break_on_this_thread};

/// What a model says when a promise is broken. All threads of a model run on this one.
fn broken(what: Sabotage, run: impl FnOnce() + std::panic::UnwindSafe) -> String {
    break_on_this_thread(Some(what));
    let outcome = std::panic::catch_unwind(run);
    break_on_this_thread(None);
    let panic = outcome.expect_err("the model notices");
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

#[test]
fn sleeping_without_a_second_look_is_seen_as_a_deadlock() {
    let said = broken(Sabotage::SecondLook, sleepers::two_wakers);
    assert!(said.contains("deadlock"), "{said}");
}

#[test]
fn an_append_into_a_step_of_zeros_is_seen() {
    let said = broken(Sabotage::Fence, || {
        zeros::a_step_beside_an_appender(LockKind::Reentrant);
    });
    assert!(said.contains("Causality violation"), "{said}");
}
