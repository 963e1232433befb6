//! Settings and housekeeping: codes 25, 26, 306, 316, 329.

use mainstem_common::remoting::code::response;
use mainstem_common::remoting::{Replies, Request};

use super::{Door, refuse};
use crate::admin::UpdateConfigError;

pub(super) fn get_config(door: &Door, replies: &mut Replies<'_>) {
    let version = String::from_utf8_lossy(&door.core.topics.version().to_json()).into_owned();
    replies
        .reply(response::SUCCESS)
        .ext("version", &version)
        .body(door.core.config_text())
        .send();
}

pub(super) fn update_config(door: &Door, request: &Request<'_>, replies: &mut Replies<'_>) {
    let text = match std::str::from_utf8(request.body) {
        Ok(text) => text,
        Err(error) => return refuse(replies, response::SYSTEM_ERROR, &error),
    };
    match door.core.update_config(text) {
        Ok(()) => replies.reply(response::SUCCESS).send(),
        Err(error) => {
            let code = match error {
                UpdateConfigError::Closed { .. } => response::NO_PERMISSION,
                UpdateConfigError::Malformed { .. } | UpdateConfigError::Refused(_) => {
                    response::INVALID_PARAMETER
                }
            };
            refuse(replies, code, &error);
        }
    }
}

/// Triggers of clean-ups that the store does by itself: there is nothing to do, which is what the caller wants.
pub(super) fn clean(replies: &mut Replies<'_>) {
    replies.reply(response::SUCCESS).send();
}

/// Removes expired messages now, whatever the hour.
pub(super) fn remove_expired(door: &Door, replies: &mut Replies<'_>) {
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::task::spawn_blocking(move || match core.remove_expired() {
        Ok(_) => deferred.reply(response::SUCCESS).send(),
        Err(error) => deferred
            .reply(response::SYSTEM_ERROR)
            .remark(&format!("expired messages cannot be removed: {error}"))
            .send(),
    });
}
