//! The name server's own configuration, read and changed at run time (codes 318 and 319).

use mainstem_common::config::{Format, Problem};
use mainstem_common::remoting::code::response;
use mainstem_common::remoting::{Replies, Request};

use super::{NameService, Outcome, Refusal};

/// Keys that nobody may change over the network.
const FORBIDDEN: &[&str] = &[
    "configBlackList",
    "configStorePath",
    "kvConfigPath",
    "rocketmqHome",
];

impl NameService {
    pub(super) fn get_config(&self, replies: &mut Replies<'_>) -> Outcome {
        let text = self.settings.lock().to_properties();
        replies
            .reply(response::SUCCESS)
            .body(text.into_bytes())
            .send();
        Ok(())
    }

    /// All or nothing: the first key that cannot be changed refuses the rest.
    pub(super) fn update_config(
        &self,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Outcome {
        let invalid = |text: String| Refusal(response::INVALID_PARAMETER, text);
        let text = std::str::from_utf8(request.body)
            .map_err(|_| invalid("the configuration is no UTF-8".to_owned()))?;
        let entries = Format::Properties
            .parse(text, "request")
            .map_err(|problems| invalid(problems.to_string()))?;
        if let Some(entry) = entries
            .iter()
            .find(|entry| FORBIDDEN.contains(&entry.key.as_str()))
        {
            let remark = format!("Can not update config in black list: {}", entry.key);
            return Err(Refusal(response::NO_PERMISSION, remark));
        }
        let mut settings = self.settings.lock();
        let mut changed = settings.clone();
        let mut changes = Vec::new();
        for entry in &entries {
            let change =
                changed
                    .change(&entry.key, &entry.value)
                    .map_err(|problem| match problem {
                        Problem::OnlyAtStart { .. } => {
                            Refusal(response::NO_PERMISSION, problem.to_string())
                        }
                        _ => invalid(problem.to_string()),
                    })?;
            changes.push(change);
        }
        *settings = changed;
        drop(settings);
        for change in changes.iter().filter(|change| change.from != change.to) {
            let by = replies.connection().peer();
            tracing::info!(key = change.key, from = change.from, to = change.to, %by, "configuration changed");
            if let Some(on_change) = &self.on_change {
                on_change(change);
            }
        }
        replies.reply(response::SUCCESS).send();
        Ok(())
    }
}
