//! Requests of brokers: registration, heartbeat, data version, good-bye; and of tools about brokers.

use std::sync::atomic::Ordering;

use mainstem_common::protocol::{DataVersion, RegisterBrokerBody, TopicTable};
use mainstem_common::remoting::code::response;
use mainstem_common::remoting::headers::{
    AddWritePermReply, BrokerHeartbeat, BrokerIdentity, BrokerMemberGroup, BrokerName,
    DataVersionReply, RegisterBroker, RegisterBrokerReply, WipeWritePermReply,
};
use mainstem_common::remoting::{Deferred, Replies, Request};

use super::kv::ORDER_TOPIC_CONFIG;
use super::{NameService, Outcome, Refusal, Registering, Session, header};
use crate::tables::{Registered, Registration, fingerprint};

/// Brokers older than 3.0.11 send their topics alone.
const FIRST_VERSION_WITH_BODY: i32 = 37;
/// Brokers from 5.0.0 on put static topics into the compressed form.
const FIRST_VERSION_WITH_MAPPINGS: i32 = 413;
/// The ext field of a broker's zone; no header class has it.
const ZONE_NAME: &str = "__ZONE_NAME";

impl NameService {
    pub(super) fn register_broker(
        &self,
        session: &mut Session,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Outcome {
        let head: RegisterBroker<'_> = header(request)?;
        check_crc(&head, request.body)?;
        let who = Registration {
            cluster: head.cluster_name.to_owned(),
            broker_name: head.broker_name.to_owned(),
            broker_id: head.broker_id,
            broker_addr: head.broker_addr.to_owned(),
            ha_server_addr: head.ha_server_addr.to_owned(),
            timeout_ms: head
                .heartbeat_timeout_ms
                .and_then(|ms| u64::try_from(ms).ok())
                .filter(|ms| *ms > 0),
            enable_acting_master: head.enable_acting_master,
            zone_name: request.ext.get(ZONE_NAME).map(str::to_owned),
        };
        let form = BodyForm {
            compressed: head.compressed.unwrap_or(false),
            version: request.version,
        };
        let fingerprint = fingerprint(request.body, form.compressed);
        session.registered = true;
        if session.registering.load(Ordering::Acquire) == 0
            && let Some(registered) = self.tables.repeat(&who, fingerprint, session.origin.id)
        {
            let reply = replies
                .reply(response::SUCCESS)
                .header(&reply_header(&registered));
            match self.kv.namespace(ORDER_TOPIC_CONFIG) {
                Some(order) => reply.body(order.to_json()).send(),
                None => reply.send(),
            }
            return Ok(());
        }

        let body = request.body.to_vec();
        let (origin, registering) = (
            session.origin.clone(),
            Registering::begin(&session.registering),
        );
        self.change(body.len(), replies, move |changeable, deferred| {
            let registered = form.read(&body).and_then(|body| {
                let registered = changeable.routes.register(&who, &body, fingerprint, origin);
                registered.map_err(|e| Refusal(response::SYSTEM_ERROR, e.to_string()))
            });
            drop(registering);
            match registered {
                Ok(registered) => {
                    let reply = deferred.reply(response::SUCCESS).header(&reply_header(&registered));
                    match changeable.kv.namespace(ORDER_TOPIC_CONFIG) {
                        Some(order) => reply.body(order.to_json()).send(),
                        None => reply.send(),
                    }
                }
                Err(Refusal(code, remark)) => {
                    tracing::warn!(peer = %deferred.connection().peer(), broker = who.broker_name, addr = who.broker_addr, remark, "registration refused");
                    deferred.reply(code).empty_ext().remark(&remark).send();
                }
            }
        })
    }

    pub(super) fn broker_heartbeat(
        &self,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Outcome {
        let head: BrokerHeartbeat<'_> = header(request)?;
        self.tables.heard_of(head.cluster_name, head.broker_addr);
        replies.reply(response::SUCCESS).send();
        Ok(())
    }

    pub(super) fn query_data_version(
        &self,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Outcome {
        let head: BrokerIdentity<'_> = header(request)?;
        let theirs = DataVersion::from_json(request.body)
            .map_err(|e| Refusal(response::SYSTEM_ERROR, e.to_string()))?;
        self.tables.heard_of(head.cluster_name, head.broker_addr);
        let ours = self
            .tables
            .data_version(head.cluster_name, head.broker_addr);
        let reply = replies.reply(response::SUCCESS).header(&DataVersionReply {
            changed: ours != Some(theirs),
        });
        match ours {
            Some(ours) => reply.body(ours.to_json()).send(),
            None => reply.send(),
        }
        Ok(())
    }

    pub(super) fn unregister_broker(
        &self,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Outcome {
        let head: BrokerIdentity<'_> = header(request)?;
        let (cluster, name, addr) = (
            head.cluster_name.to_owned(),
            head.broker_name.to_owned(),
            head.broker_addr.to_owned(),
        );
        self.change(0, replies, move |changeable, deferred| {
            changeable.routes.unregister(&cluster, &name, &addr);
            deferred.reply(response::SUCCESS).send();
        })
    }

    pub(super) fn cluster_info(&self, replies: &mut Replies<'_>) -> Outcome {
        replies
            .reply(response::SUCCESS)
            .body(self.tables.cluster_info())
            .send();
        Ok(())
    }

    pub(super) fn member_group(&self, request: &Request<'_>, replies: &mut Replies<'_>) -> Outcome {
        let head: BrokerMemberGroup<'_> = header(request)?;
        let body = self
            .tables
            .member_group(head.cluster_name, head.broker_name);
        replies.reply(response::SUCCESS).body(body).send();
        Ok(())
    }

    pub(super) fn wipe_write_perm(
        &self,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Outcome {
        let name = header::<BrokerName<'_>>(request)?.broker_name.to_owned();
        self.change(0, replies, move |changeable, deferred| {
            let count = changeable.routes.wipe_write_perm(&name);
            log_write_perm(&deferred, &name, count, "write permission wiped");
            deferred
                .reply(response::SUCCESS)
                .header(&WipeWritePermReply {
                    wipe_topic_count: clamp(count),
                })
                .send();
        })
    }

    pub(super) fn add_write_perm(
        &self,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Outcome {
        let name = header::<BrokerName<'_>>(request)?.broker_name.to_owned();
        self.change(0, replies, move |changeable, deferred| {
            let count = changeable.routes.add_write_perm(&name);
            log_write_perm(&deferred, &name, count, "write permission added");
            deferred
                .reply(response::SUCCESS)
                .header(&AddWritePermReply {
                    add_topic_count: clamp(count),
                })
                .send();
        })
    }
}

fn log_write_perm(deferred: &Deferred, broker: &str, topics: usize, what: &str) {
    tracing::info!(broker, topics, by = %deferred.connection().peer(), "{what}");
}

fn clamp(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn reply_header(registered: &Registered) -> RegisterBrokerReply<'_> {
    RegisterBrokerReply {
        ha_server_addr: registered.ha_server_addr.as_deref(),
        master_addr: registered.master_addr.as_deref(),
    }
}

fn check_crc(head: &RegisterBroker<'_>, body: &[u8]) -> Outcome {
    let announced = head.body_crc32.unwrap_or(0);
    if announced == 0 || announced as u32 == crc32fast::hash(body) & 0x7FFF_FFFF {
        return Ok(());
    }
    tracing::warn!(
        broker = head.broker_name,
        addr = head.broker_addr,
        "registration refused: its body was damaged on the way"
    );
    Err(Refusal(
        response::SYSTEM_ERROR,
        "crc32 not match".to_owned(),
    ))
}

/// How a registration's body is written.
#[derive(Clone, Copy)]
struct BodyForm {
    compressed: bool,
    version: i32,
}

impl BodyForm {
    fn read(self, body: &[u8]) -> Result<RegisterBrokerBody, Refusal> {
        let refusal = |e: &dyn std::error::Error| {
            Refusal(
                response::SYSTEM_ERROR,
                format!("register broker failed: {e}"),
            )
        };
        if body.is_empty() {
            return Ok(RegisterBrokerBody::default());
        }
        if self.version < FIRST_VERSION_WITH_BODY {
            let table = TopicTable::from_json(body).map_err(|e| refusal(&e))?;
            return Ok(RegisterBrokerBody {
                topic_config_serialize_wrapper: table,
                ..RegisterBrokerBody::default()
            });
        }
        if self.compressed {
            RegisterBrokerBody::from_compressed(body, self.version >= FIRST_VERSION_WITH_MAPPINGS)
                .map_err(|e| refusal(&e))
        } else {
            RegisterBrokerBody::from_json(body).map_err(|e| refusal(&e))
        }
    }
}
