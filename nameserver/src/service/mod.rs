//! The door: decodes requests, calls the tables, encodes answers. Queries are answered where they come in; changes are left
//! to the changing thread and answered from there. What a request means is known to `tables` and `kv`, not here.

mod admin;
mod brokers;
mod kv;
mod topics;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mainstem_common::config::Settings;
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::{
    Connection, Deferred, ExtFields, HeaderError, Replies, Request, Service,
};
use parking_lot::Mutex;

use crate::changes::{Changeable, Changes};
use crate::config::OnChange;
use crate::kv::KvStore;
use crate::tables::{Origin, RouteTables, UnitFilter};

/// The name server as the transport sees it.
pub(crate) struct NameService {
    pub(crate) tables: Arc<RouteTables>,
    pub(crate) kv: Arc<KvStore>,
    pub(crate) changes: Changes,
    pub(crate) settings: Mutex<Settings>,
    pub(crate) on_change: Option<OnChange>,
}

/// What is kept per connection.
pub(crate) struct Session {
    origin: Origin,
    /// Whether a broker has registered on it, so that its end matters.
    registered: bool,
    /// Registrations on their way; while there are any, none may overtake them.
    registering: Arc<AtomicUsize>,
}

/// A request that cannot be answered as it wishes: code and remark of the reply.
struct Refusal(i32, String);

impl From<HeaderError> for Refusal {
    fn from(error: HeaderError) -> Self {
        Self(response::SYSTEM_ERROR, error.to_string())
    }
}

type Outcome = Result<(), Refusal>;

impl Service for NameService {
    type Session = Session;

    fn connected(&self, connection: &Arc<Connection>) -> Session {
        Session {
            origin: Origin {
                id: connection.id(),
                connection: Some(Arc::clone(connection)),
            },
            registered: false,
            registering: Arc::default(),
        }
    }

    fn request(&self, session: &mut Session, request: &Request<'_>, replies: &mut Replies<'_>) {
        if let Err(Refusal(code, remark)) = self.handle(session, request, replies) {
            replies.reply(code).remark(&remark).send();
        }
    }

    fn disconnected(&self, session: Session, _connection: &Arc<Connection>) {
        if session.registered {
            self.changes
                .submit(move |changeable| changeable.routes.connection_closed(session.origin.id));
        }
    }
}

impl NameService {
    fn handle(
        &self,
        session: &mut Session,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Outcome {
        match request.code {
            request::GET_ROUTEINFO_BY_TOPIC => self.route(request, replies),
            request::REGISTER_BROKER => self.register_broker(session, request, replies),
            request::BROKER_HEARTBEAT => self.broker_heartbeat(request, replies),
            request::QUERY_DATA_VERSION => self.query_data_version(request, replies),
            request::UNREGISTER_BROKER => self.unregister_broker(request, replies),
            request::GET_BROKER_CLUSTER_INFO => self.cluster_info(replies),
            request::GET_BROKER_MEMBER_GROUP => self.member_group(request, replies),
            request::GET_ALL_TOPIC_LIST_FROM_NAMESERVER => self.all_topics(replies),
            request::GET_TOPICS_BY_CLUSTER => self.topics_of_cluster(request, replies),
            request::GET_SYSTEM_TOPIC_LIST_FROM_NS => self.system_topics(replies),
            request::GET_UNIT_TOPIC_LIST => self.unit_topics(UnitFilter::Unit, replies),
            request::GET_HAS_UNIT_SUB_TOPIC_LIST => self.unit_topics(UnitFilter::UnitSub, replies),
            request::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST => {
                self.unit_topics(UnitFilter::UnitSubNotUnit, replies)
            }
            request::DELETE_TOPIC_IN_NAMESRV => self.delete_topic(request, replies),
            request::REGISTER_TOPIC_IN_NAMESRV => self.register_topic(request, replies),
            request::WIPE_WRITE_PERM_OF_BROKER => self.wipe_write_perm(request, replies),
            request::ADD_WRITE_PERM_OF_BROKER => self.add_write_perm(request, replies),
            request::PUT_KV_CONFIG => self.put_kv(request, replies),
            request::GET_KV_CONFIG => self.get_kv(request, replies),
            request::DELETE_KV_CONFIG => self.delete_kv(request, replies),
            request::GET_KVLIST_BY_NAMESPACE => self.kv_of_namespace(request, replies),
            request::UPDATE_NAMESRV_CONFIG => self.update_config(request, replies),
            request::GET_NAMESRV_CONFIG => self.get_config(replies),
            code => {
                let remark = format!(" request type {code} not supported");
                Err(Refusal(response::REQUEST_CODE_NOT_SUPPORTED, remark))
            }
        }
    }

    /// Leaves a change to the changing thread, which answers. `bytes` is what `job` holds besides a few words.
    fn change(
        &self,
        bytes: usize,
        replies: &mut Replies<'_>,
        job: impl FnOnce(&mut Changeable, Deferred) + Send + 'static,
    ) -> Outcome {
        let Ok(permit) = self.changes.reserve(bytes) else {
            let remark = "[REJECTREQUEST] too many changes of the routing tables are waiting; try again in a second";
            return Err(Refusal(response::SYSTEM_BUSY, remark.to_owned()));
        };
        let deferred = replies.defer();
        permit.submit(move |changeable| job(changeable, deferred));
        Ok(())
    }
}

/// The typed header of a request.
fn header<'a, H: ExtFields<'a>>(request: &Request<'a>) -> Result<H, HeaderError> {
    H::decode(&request.ext)
}

/// Counts one registration for as long as it lives.
struct Registering(Arc<AtomicUsize>);

impl Registering {
    fn begin(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(counter))
    }
}

impl Drop for Registering {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
