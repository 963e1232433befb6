//! Pulls that wait: parking one without missing the message that arrives meanwhile, and answering one that is woken.

use std::sync::Arc;

use mainstem_store::Patience;

use super::{AnswerPull, ColdPull, Parkable, ParkedPull};
use crate::broker_core::BrokerCore;
use crate::clients::TagFilter;

impl BrokerCore {
    /// Parks a pull; `answer` is called once with whatever comes. `owner` is the channel it came by.
    pub fn park(self: &Arc<Self>, pull: Parkable, owner: u64, answer: AnswerPull) {
        let (topic, queue_id) = (pull.request.topic.clone(), pull.request.queue_id);
        let (offset, filter) = (pull.request.offset, pull.filter.clone());
        let Parkable {
            request,
            filter: own_filter,
            deadline,
        } = pull;
        let parked = ParkedPull {
            request,
            filter: own_filter,
            owner,
            deadline,
            answer,
        };
        match self
            .parked
            .park(parked, || self.store.watch_queue(&topic, queue_id))
        {
            // The table is full: answered at once, which costs the consumer a round trip and the broker nothing.
            Err(pull) => self.answer_woken(pull),
            Ok(id) => {
                // A message that arrived between the read and the parking has woken nobody.
                let end = self.store.queue_bounds(&topic, queue_id).max as i64;
                if end > offset && self.any_wanted(&topic, queue_id, offset, &filter) {
                    self.parked.wake(id);
                }
            }
        }
    }

    /// Answers a pull that an arrival, its deadline or a change has woken; what must come from disk is read elsewhere.
    pub(crate) fn answer_woken(self: &Arc<Self>, pull: ParkedPull) {
        match self.read_again(&pull.request, &pull.filter, Patience::InMemoryOnly) {
            Some(answer) => (pull.answer)(answer),
            None => {
                let cold = ColdPull {
                    request: pull.request,
                    filter: pull.filter,
                };
                self.read_cold(cold, pull.answer);
            }
        }
    }

    fn any_wanted(&self, topic: &str, queue_id: i32, offset: i64, filter: &TagFilter) -> bool {
        if *filter == TagFilter::All {
            return true;
        }
        u64::try_from(offset)
            .ok()
            .and_then(|offset| self.store.queue_unit(topic, queue_id, offset))
            .is_none_or(|unit| filter.matches(unit.tags_code))
    }
}
