//! What a refusal means and what to do about it, by response code. This is the one place that knows which codes
//! are worth a retry and what each asks of the user.

use std::fmt;

use mainstem_common::remoting::code::{self, response};

/// A server answered, and the answer was no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Address of the server.
    pub server: String,
    /// Name of the request.
    pub request: &'static str,
    /// The response code.
    pub code: i32,
    /// The server's own words; may be empty.
    pub remark: String,
}

impl Refusal {
    /// Whether the same request may succeed later or at another broker.
    #[must_use]
    pub fn can_retry(&self) -> bool {
        matches!(
            self.code,
            response::SYSTEM_ERROR
                | response::SYSTEM_BUSY
                | response::SERVICE_NOT_AVAILABLE
                | response::NO_PERMISSION
                | response::TOPIC_NOT_EXIST
                | response::NO_BUYER_ID
                | response::NOT_IN_CURRENT_UNIT
                | response::SUBSCRIPTION_NOT_EXIST
                | response::SUBSCRIPTION_NOT_LATEST
                | response::CONSUMER_NOT_ONLINE
                | response::CONSUME_MSG_TIMEOUT
                | response::FLOW_CONTROL
                | response::GO_AWAY
        )
    }

    /// What to do next; empty if the remark says all there is.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self.code {
            response::SYSTEM_BUSY | response::FLOW_CONTROL => {
                "the broker is overloaded: send slower, or add brokers to the topic"
            }
            response::REQUEST_CODE_NOT_SUPPORTED => {
                "this server does not know the request: is it a broker, and recent enough?"
            }
            response::MESSAGE_ILLEGAL => {
                "the broker's limits forbid this message: compare its size with maxMessageSize (4 MiB by default)"
            }
            response::SERVICE_NOT_AVAILABLE => {
                "the broker takes no writes now: look at its log and its disk (`mainstem status`)"
            }
            response::NO_PERMISSION => {
                "check the topic's and the broker's permissions (`mainstem topic describe`), and the access rules if there are any"
            }
            response::TOPIC_NOT_EXIST => {
                "create the topic with `mainstem topic create`, or enable autoCreateTopicEnable"
            }
            response::SUBSCRIPTION_GROUP_NOT_EXIST => {
                "create the group, or enable autoCreateSubscriptionGroup on the broker"
            }
            response::SUBSCRIPTION_PARSE_FAILED => "correct the subscription's filter",
            response::CONSUMER_NOT_ONLINE => "no consumer of the group is connected: start one",
            response::INVALID_PARAMETER => {
                "the broker refuses an argument: queue id, name or offset is out of range"
            }
            response::GO_AWAY => "the broker is shutting down: try again",
            _ => "",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} refused {} with code {} ({})",
            self.server,
            self.request,
            self.code,
            code::response_name(self.code)
        )?;
        if !self.remark.is_empty() {
            write!(f, ": {}", self.remark)?;
        }
        let advice = self.advice();
        if !advice.is_empty() {
            write!(f, "; {advice}")?;
        }
        Ok(())
    }
}
