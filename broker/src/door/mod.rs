//! The remoting door: decodes requests, calls the broker's functions, encodes their results and errors. It is the only
//! part of the broker that knows frames, codes and connections, and it decides nothing.

mod admin;
mod channel;
mod clients;
mod first_sends;
mod groups;
mod locks;
mod offsets;
mod pull;
mod query;
mod relay;
mod send;
mod stats;
mod topics;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mainstem_common::remoting::code::{request as code, response};
use mainstem_common::remoting::{Connection, Durability, HeaderError, Replies, Request, Service};
use mainstem_store::FlushMode;
use tokio::sync::watch;

use crate::broker_core::BrokerCore;
use crate::clients::SharedChannel;
use crate::send::Sender;
use channel::RemotingChannel;
use first_sends::{FirstSends, Waiting};

pub(crate) use first_sends::MAX_WAITING_BYTES;

/// Tag of the main port's connections.
pub(crate) const MAIN_PORT: u32 = 0;
/// Tag of the fast port's connections.
pub(crate) const FAST_PORT: u32 = 1;

/// Codes that the fast port does not serve, as RocketMQ's does not.
const NOT_ON_FAST_PORT: [i32; 2] = [code::PULL_MESSAGE, code::LITE_PULL_MESSAGE];

/// The service behind both ports.
pub(crate) struct Door {
    pub(crate) core: Arc<BrokerCore>,
    durable: watch::Receiver<Durability>,
    /// Acknowledgements wait for the disk.
    holds_replies: bool,
    /// The broker is going away: new requests are refused.
    stopping: AtomicBool,
    /// Sends to topics that are being created, of all connections.
    waiting: Waiting,
}

/// What the door keeps for a connection.
pub(crate) struct Session {
    sender: Sender,
    channel: SharedChannel,
    message_id: String,
    first_sends: FirstSends,
}

impl Door {
    pub(crate) fn new(core: Arc<BrokerCore>, durable: watch::Receiver<Durability>) -> Self {
        let holds_replies = core.store.watermarks().flush_mode() == FlushMode::Sync;
        Door {
            core,
            durable,
            holds_replies,
            stopping: AtomicBool::new(false),
            waiting: Waiting::default(),
        }
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    fn dispatch(
        &self,
        session: &mut Session,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Result<(), HeaderError> {
        match request.code {
            code::SEND_MESSAGE | code::SEND_MESSAGE_V2 | code::SEND_BATCH_MESSAGE => {
                send::send(self, session, request, replies)?;
            }
            code::PULL_MESSAGE | code::LITE_PULL_MESSAGE => {
                pull::pull(self, session, request, replies)?
            }
            code::CONSUMER_SEND_MSG_BACK => send::send_back(self, request, replies)?,
            code::QUERY_CONSUMER_OFFSET => offsets::query(self, request, replies)?,
            code::UPDATE_CONSUMER_OFFSET => offsets::update(self, request, replies)?,
            code::SEARCH_OFFSET_BY_TIMESTAMP => offsets::search(self, request, replies)?,
            code::GET_MAX_OFFSET => offsets::max(self, request, replies)?,
            code::GET_MIN_OFFSET => offsets::min(self, request, replies)?,
            code::GET_EARLIEST_MSG_STORETIME => offsets::earliest(self, request, replies)?,
            code::GET_ALL_CONSUMER_OFFSET => offsets::all(self, replies),
            code::GET_ALL_DELAY_OFFSET => offsets::all_delay(self, replies),
            code::INVOKE_BROKER_TO_RESET_OFFSET => offsets::reset(self, request, replies)?,
            code::CLONE_GROUP_OFFSET => offsets::clone_group(self, request, replies)?,
            code::QUERY_CORRECTION_OFFSET => offsets::correction(self, request, replies)?,
            code::HEART_BEAT => clients::heartbeat(self, session, request, replies),
            code::UNREGISTER_CLIENT => clients::unregister(self, session, request, replies)?,
            code::CHECK_CLIENT_CONFIG => clients::check_config(request, replies),
            code::GET_CONSUMER_LIST_BY_GROUP => clients::consumer_list(self, request, replies)?,
            code::GET_CONSUMER_CONNECTION_LIST => {
                clients::consumer_connections(self, request, replies)?
            }
            code::GET_PRODUCER_CONNECTION_LIST => {
                clients::producer_connections(self, request, replies)?
            }
            code::GET_ALL_PRODUCER_INFO => clients::all_producers(self, replies),
            code::LOCK_BATCH_MQ => locks::lock(self, request, replies),
            code::UNLOCK_BATCH_MQ => locks::unlock(self, request, replies),
            code::UPDATE_AND_CREATE_TOPIC => topics::put(self, request, replies)?,
            code::UPDATE_AND_CREATE_TOPIC_LIST => topics::put_list(self, request, replies),
            code::DELETE_TOPIC_IN_BROKER => topics::delete(self, request, replies)?,
            code::GET_ALL_TOPIC_CONFIG => topics::all(self, replies),
            code::GET_TOPIC_CONFIG => topics::get(self, request, replies)?,
            code::GET_SYSTEM_TOPIC_LIST_FROM_BROKER => topics::system(self, replies),
            code::GET_TOPIC_STATS_INFO => stats::topic_stats(self, request, replies)?,
            code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP => groups::put(self, request, replies),
            code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST => {
                groups::put_list(self, request, replies)
            }
            code::GET_ALL_SUBSCRIPTIONGROUP_CONFIG => groups::all(self, replies),
            code::GET_SUBSCRIPTIONGROUP_CONFIG => groups::get(self, request, replies)?,
            code::DELETE_SUBSCRIPTIONGROUP => groups::delete(self, request, replies)?,
            code::GET_CONSUME_STATS => stats::consume_stats(self, request, replies)?,
            code::GET_BROKER_CONSUME_STATS => stats::broker_consume_stats(self, replies),
            code::QUERY_TOPIC_CONSUME_BY_WHO => groups::of_topic(self, request, replies)?,
            code::QUERY_TOPICS_BY_CONSUMER => groups::topics_of(self, request, replies)?,
            code::QUERY_SUBSCRIPTION_BY_CONSUMER => {
                groups::subscription_of(self, request, replies)?
            }
            code::QUERY_CONSUME_TIME_SPAN => stats::time_span(self, request, replies)?,
            code::VIEW_BROKER_STATS_DATA => stats::counter(self, request, replies)?,
            code::GET_BROKER_RUNTIME_INFO => stats::runtime_info(self, replies),
            code::QUERY_MESSAGE => query::by_key(self, request, replies)?,
            code::VIEW_MESSAGE_BY_ID => query::by_offset(self, request, replies)?,
            code::QUERY_CONSUME_QUEUE => query::consume_queue(self, request, replies)?,
            code::GET_BROKER_CONFIG => admin::get_config(self, replies),
            code::UPDATE_BROKER_CONFIG => admin::update_config(self, request, replies),
            code::DELETE_EXPIRED_COMMITLOG => admin::remove_expired(self, replies),
            code::CLEAN_EXPIRED_CONSUMEQUEUE | code::CLEAN_UNUSED_TOPIC => {
                admin::clean(replies);
            }
            code::GET_CONSUMER_RUNNING_INFO => relay::running_info(self, request, replies)?,
            code::CONSUME_MESSAGE_DIRECTLY => relay::consume_directly(self, request, replies)?,
            code::INVOKE_BROKER_TO_GET_CONSUMER_STATUS => {
                relay::consumer_status(self, request, replies)?
            }
            other => unknown(other, replies),
        }
        Ok(())
    }
}

fn unknown(code: i32, replies: &mut Replies<'_>) {
    let remark = format!(" request type {code} not supported");
    replies
        .reply(response::REQUEST_CODE_NOT_SUPPORTED)
        .remark(&remark)
        .send();
}

/// Answers with an error code and its reason.
fn refuse(replies: &mut Replies<'_>, code: i32, error: &dyn std::fmt::Display) {
    replies.reply(code).remark(&error.to_string()).send();
}

/// The longest frame that RocketMQ's clients take unless they are told otherwise.
const CLIENT_FRAME_BYTES: usize = 16 * 1024 * 1024;
/// What a frame has beside its body, at most: lengths and a header without ext fields.
const HEADER_BYTES: usize = 1024;

/// Answers with a body and no ext fields. A body that would make the client drop its connection is refused instead, with
/// what to ask for in its place.
fn answer_body(door: &Door, replies: &mut Replies<'_>, body: Vec<u8>) {
    let limit = CLIENT_FRAME_BYTES.max(door.core.config.max_frame_bytes);
    if body.len() + HEADER_BYTES > limit {
        let remark = format!(
            "the answer has {} bytes and a frame {limit} at most; ask for single topics or groups instead (codes 351, 352, 202, 208), \
             or raise maxFrameBytes here and com.rocketmq.remoting.frameMaxLength at the client",
            body.len()
        );
        return refuse(replies, response::SYSTEM_ERROR, &remark);
    }
    replies.reply(response::SUCCESS).body(body).send();
}

impl Service for Door {
    type Session = Session;

    fn connected(&self, connection: &Arc<Connection>) -> Session {
        Session {
            sender: self.core.sender(),
            channel: Arc::new(RemotingChannel::new(connection.clone(), &self.core)),
            message_id: String::new(),
            first_sends: FirstSends::default(),
        }
    }

    fn request(&self, session: &mut Session, request: &Request<'_>, replies: &mut Replies<'_>) {
        if self.stopping.load(Ordering::Acquire) {
            return refuse(
                replies,
                response::SERVICE_NOT_AVAILABLE,
                &"the broker is shutting down",
            );
        }
        if NOT_ON_FAST_PORT.contains(&request.code)
            && replies.connection().listener_tag() == FAST_PORT
        {
            return unknown(request.code, replies);
        }
        if let Err(error) = self.dispatch(session, request, replies) {
            refuse(replies, response::SYSTEM_ERROR, &error);
        }
    }

    fn batch_end(&self, session: &mut Session) {
        session.sender.finish();
    }

    fn durable(&self) -> Option<watch::Receiver<Durability>> {
        self.holds_replies.then(|| self.durable.clone())
    }

    fn durability_lost_reply(&self) -> (i32, String) {
        let remark = "the store stopped accepting messages: a flush to disk failed, and whether this message is stored is unknown; restart the broker to recover";
        (response::SERVICE_NOT_AVAILABLE, remark.to_owned())
    }

    fn disconnected(&self, session: Session, _connection: &Arc<Connection>) {
        self.core.channel_closed(session.channel.id());
    }
}
