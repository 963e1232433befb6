#![allow(clippy::unwrap_used)]

use mainstem_common::protocol::{
    ClusterInfo, DataVersion, QueueData, RegisterBrokerBody, TopicConfig, TopicRoute,
};

use super::registration::RegisterError;
use super::*;

fn changes() -> RouteChanges {
    RouteChanges::new(Arc::new(RouteTables::with_clock(Clock::manual())), 120_000)
}

fn who(broker_name: &str, broker_id: i64, broker_addr: &str) -> Registration {
    Registration {
        cluster: "c".to_owned(),
        broker_name: broker_name.to_owned(),
        broker_id,
        broker_addr: broker_addr.to_owned(),
        ha_server_addr: format!("{broker_addr}0"),
        timeout_ms: None,
        enable_acting_master: Some(false),
        zone_name: None,
    }
}

fn body(counter: i64, topics: &[TopicConfig]) -> RegisterBrokerBody {
    let mut body = RegisterBrokerBody::default();
    let table = &mut body.topic_config_serialize_wrapper;
    table.data_version = DataVersion {
        counter,
        state_version: 0,
        timestamp: 1,
    };
    table.topic_config_table = topics
        .iter()
        .map(|t| (t.topic_name.clone(), t.clone()))
        .collect();
    body
}

fn two_topics(counter: i64) -> RegisterBrokerBody {
    body(
        counter,
        &[TopicConfig::new("T", 4), TopicConfig::new("TBW102", 8)],
    )
}

fn origin(id: u64) -> Origin {
    Origin {
        id,
        connection: None,
    }
}

impl RouteChanges {
    fn put(&mut self, who: &Registration, body: &RegisterBrokerBody, origin_id: u64) -> Registered {
        let fingerprint = fingerprint(&body.to_json(), false);
        self.register(who, body, fingerprint, origin(origin_id))
            .unwrap()
    }

    fn route_of(&self, topic: &str) -> Option<TopicRoute> {
        self.tables
            .route(topic)
            .map(|route| TopicRoute::from_json(&route).unwrap())
    }

    fn perm_of(&self, topic: &str) -> i32 {
        self.route_of(topic).unwrap().queue_datas[0].perm
    }
}

#[test]
fn a_topic_is_routed_over_all_brokers_that_registered_it() {
    let mut changes = changes();
    assert!(changes.route_of("T").is_none());
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(1), 1);
    changes.put(&who("b", 0, "10.0.0.2:1"), &two_topics(1), 2);
    let route = changes.route_of("T").unwrap();
    let names: Vec<_> = route
        .broker_datas
        .iter()
        .map(|b| b.broker_name.as_str())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(route.queue_datas.len(), 2);
    assert_eq!(route.queue_datas[0].read_queue_nums, 4);
    assert_eq!(changes.tables.all_topics().topic_list, ["T", "TBW102"]);
}

#[test]
fn an_unknown_broker_with_exactly_one_topic_is_refused_and_leaves_no_trace() {
    let mut changes = changes();
    let one = body(1, &[TopicConfig::new("T", 4)]);
    let refused = changes.register(&who("a", 0, "10.0.0.1:1"), &one, 1, origin(1));
    assert!(matches!(
        refused,
        Err(RegisterError::OneTopicFromUnknown { .. })
    ));
    assert!(changes.route_of("T").is_none());
    let info = ClusterInfo::from_json(&changes.tables.cluster_info()).unwrap();
    assert_eq!(info, ClusterInfo::default());
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(1), 1);
    changes.put(
        &who("a", 0, "10.0.0.1:1"),
        &body(2, &[TopicConfig::new("New", 1)]),
        1,
    );
    assert!(changes.route_of("New").is_some() && changes.route_of("T").is_some());
}

#[test]
fn a_changed_topic_is_seen_at_once_even_under_an_unchanged_version() {
    let mut changes = changes();
    let broker = who("a", 0, "10.0.0.1:1");
    changes.put(&broker, &two_topics(1), 1);
    assert_eq!(
        changes.route_of("T").unwrap().queue_datas[0].write_queue_nums,
        4
    );
    changes.put(&broker, &body(1, &[TopicConfig::new("T", 16)]), 1);
    assert_eq!(
        changes.route_of("T").unwrap().queue_datas[0].write_queue_nums,
        16
    );
}

#[test]
fn topics_are_written_by_masters_and_never_dropped_by_a_later_registration() {
    let mut changes = changes();
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(1), 1);
    let slave_table = body(
        9,
        &[TopicConfig::new("T", 64), TopicConfig::new("SlaveOnly", 1)],
    );
    let told = changes.put(&who("a", 1, "10.0.0.2:1"), &slave_table, 2);
    assert_eq!(told.master_addr.as_deref(), Some("10.0.0.1:1"));
    assert_eq!(told.ha_server_addr.as_deref(), Some("10.0.0.1:10"));
    assert!(changes.route_of("SlaveOnly").is_none());
    let route = changes.route_of("T").unwrap();
    assert_eq!(route.queue_datas[0].read_queue_nums, 4);
    assert_eq!(route.broker_datas[0].broker_addrs.len(), 2);
    changes.put(
        &who("a", 0, "10.0.0.1:1"),
        &body(2, &[TopicConfig::new("X", 1), TopicConfig::new("Y", 1)]),
        1,
    );
    assert!(
        changes.route_of("T").is_some(),
        "only 216 and unregistering drop topics"
    );
}

#[test]
fn a_wiped_permission_survives_heartbeats_and_ends_with_a_changed_table() {
    let mut changes = changes();
    let broker = who("a", 0, "10.0.0.1:1");
    changes.put(&broker, &two_topics(1), 1);
    assert_eq!(changes.wipe_write_perm("a"), 2);
    assert_eq!(changes.perm_of("T"), 4);
    changes.put(&broker, &two_topics(1), 1);
    assert_eq!(changes.perm_of("T"), 4);
    changes.put(&broker, &body(2, &[TopicConfig::new("TBW102", 8)]), 1);
    assert_eq!((changes.perm_of("T"), changes.perm_of("TBW102")), (4, 6));
    changes.put(&broker, &two_topics(3), 1);
    assert_eq!(changes.perm_of("T"), 6);
    changes.wipe_write_perm("a");
    assert_eq!(changes.add_write_perm("a"), 2);
    assert_eq!(changes.perm_of("T"), 6);
    assert_eq!(changes.wipe_write_perm("nobody"), 0);
}

#[test]
fn a_repeated_registration_is_recognised_without_being_read() {
    let mut changes = changes();
    let broker = who("a", 0, "10.0.0.1:1");
    let table = two_topics(1);
    let print = fingerprint(&table.to_json(), false);
    assert_eq!(changes.tables.repeat(&broker, print, 1), None);
    changes.put(&broker, &table, 1);
    assert_eq!(
        changes.tables.repeat(&broker, print, 1),
        Some(Registered::default())
    );
    assert_eq!(
        changes.tables.repeat(&broker, print, 2),
        None,
        "another connection must be taken note of"
    );
    assert_eq!(changes.tables.repeat(&broker, print ^ 1, 1), None);
    assert_eq!(
        changes.tables.repeat(&who("a", 0, "10.0.0.9:1"), print, 1),
        None
    );
    changes.delete_topic("T", None);
    assert_eq!(
        changes.tables.repeat(&broker, print, 1),
        None,
        "a deleted topic comes back with the next registration"
    );
    changes.put(&broker, &table, 1);
    assert!(changes.route_of("T").is_some());
}

#[test]
fn the_last_address_of_a_name_takes_its_topics_with_it() {
    let mut changes = changes();
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(1), 1);
    changes.put(&who("a", 1, "10.0.0.2:1"), &two_topics(1), 2);
    changes.put(
        &who("b", 0, "10.0.0.3:1"),
        &body(1, &[TopicConfig::new("T", 1), TopicConfig::new("B", 1)]),
        3,
    );
    changes.unregister("c", "a", "10.0.0.1:1");
    assert_eq!(
        changes.route_of("T").unwrap().broker_datas[0]
            .broker_addrs
            .len(),
        1
    );
    changes.connection_closed(2);
    let route = changes.route_of("T").unwrap();
    assert_eq!((route.broker_datas.len(), route.queue_datas.len()), (1, 1));
    assert!(changes.route_of("TBW102").is_none());
    assert_eq!(changes.tables.all_topics().topic_list, ["B", "T"]);
    changes.unregister("c", "b", "10.0.0.3:1");
    changes.unregister("c", "b", "10.0.0.3:1");
    assert!(changes.tables.all_topics().topic_list.is_empty());
    let info = ClusterInfo::from_json(&changes.tables.cluster_info()).unwrap();
    assert_eq!(info, ClusterInfo::default());
}

#[test]
fn only_the_connection_that_registered_last_takes_a_broker_along() {
    let mut changes = changes();
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(1), 1);
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(1), 2);
    changes.connection_closed(1);
    assert!(changes.route_of("T").is_some());
    changes.connection_closed(2);
    assert!(changes.route_of("T").is_none());
}

#[test]
fn an_address_has_one_id_and_a_place_goes_to_the_newest_unless_it_is_older_by_state() {
    let mut changes = changes();
    changes.put(&who("a", 1, "10.0.0.1:1"), &two_topics(1), 1);
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(1), 1);
    let addrs = |changes: &RouteChanges| {
        changes.route_of("T").unwrap().broker_datas[0]
            .broker_addrs
            .clone()
    };
    assert_eq!(addrs(&changes), [(0, "10.0.0.1:1".to_owned())].into());
    let mut elected = two_topics(1);
    elected
        .topic_config_serialize_wrapper
        .data_version
        .state_version = 5;
    changes.put(&who("a", 0, "10.0.0.2:1"), &elected, 2);
    assert_eq!(addrs(&changes), [(0, "10.0.0.2:1".to_owned())].into());
    assert_eq!(changes.conflicts_reported.len(), 1);
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(2), 1);
    assert_eq!(addrs(&changes), [(0, "10.0.0.2:1".to_owned())].into());
}

#[test]
fn a_broker_name_belongs_to_one_cluster() {
    let mut changes = changes();
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(1), 1);
    let mut other = who("a", 0, "10.0.0.2:1");
    other.cluster = "d".to_owned();
    let refused = changes
        .register(&other, &two_topics(1), 1, origin(2))
        .unwrap_err();
    assert!(
        refused.to_string().contains("belongs to cluster c"),
        "{refused}"
    );
    assert_eq!(changes.tables.topics_of_cluster("d").topic_list.len(), 0);
    assert_eq!(changes.tables.topics_of_cluster("c").topic_list.len(), 2);
}

#[test]
fn without_its_master_an_acting_master_is_read_only() {
    let mut changes = changes();
    let acting = |id, addr| Registration {
        enable_acting_master: Some(true),
        ..who("a", id, addr)
    };
    changes.put(&acting(0, "10.0.0.1:1"), &two_topics(1), 1);
    changes.put(&acting(1, "10.0.0.2:1"), &two_topics(1), 2);
    assert_eq!(changes.perm_of("T"), 6);
    changes.connection_closed(1);
    assert_eq!(changes.perm_of("T"), 4);
    changes.put(&acting(1, "10.0.0.2:1"), &two_topics(2), 2);
    assert_eq!(changes.perm_of("T"), 4);
    changes.put(&acting(0, "10.0.0.1:1"), &two_topics(3), 3);
    assert_eq!(changes.perm_of("T"), 6);
}

#[test]
fn topics_are_added_and_deleted_by_operators() {
    let mut changes = changes();
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(1), 1);
    let queues = |broker: &str| QueueData {
        broker_name: broker.to_owned(),
        perm: 6,
        ..QueueData::default()
    };
    changes.register_topic("Added", &[queues("a"), queues("nobody")]);
    assert!(changes.route_of("Added").is_none());
    changes.register_topic("Added", &[queues("a")]);
    assert!(changes.route_of("Added").is_some());
    changes.delete_topic("Added", Some("other cluster"));
    assert!(changes.route_of("Added").is_some());
    changes.delete_topic("Added", Some("c"));
    assert!(changes.route_of("Added").is_none());
    changes.delete_topic("never there", None);
}

#[test]
fn unit_flags_pick_topics() {
    let mut changes = changes();
    let topics: Vec<TopicConfig> = [("none", 0), ("unit", 1), ("sub", 2), ("both", 3)]
        .into_iter()
        .map(|(name, flag)| TopicConfig {
            topic_sys_flag: flag,
            ..TopicConfig::new(name, 1)
        })
        .collect();
    changes.put(&who("a", 0, "10.0.0.1:1"), &body(1, &topics), 1);
    let list = |filter| changes.tables.unit_topics(filter).topic_list;
    assert_eq!(list(UnitFilter::Unit), ["both", "unit"]);
    assert_eq!(list(UnitFilter::UnitSub), ["both", "sub"]);
    assert_eq!(list(UnitFilter::UnitSubNotUnit), ["sub"]);
    assert_eq!(changes.tables.system_topics().topic_list, ["a", "c"]);
    assert_eq!(
        changes.tables.system_topics().broker_addr.as_deref(),
        Some("10.0.0.1:1")
    );
}

#[test]
fn filter_servers_are_told_and_forgotten() {
    let mut changes = changes();
    let mut with_filter = two_topics(1);
    with_filter.filter_server_list = vec!["10.0.0.7:1".to_owned()];
    changes.put(&who("a", 0, "10.0.0.1:1"), &with_filter, 1);
    let route = changes.route_of("T").unwrap();
    assert_eq!(route.filter_server_table["10.0.0.1:1"], ["10.0.0.7:1"]);
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(1), 1);
    assert!(
        changes
            .route_of("T")
            .unwrap()
            .filter_server_table
            .is_empty()
    );
}

#[test]
fn an_answer_is_encoded_once_until_something_changes() {
    let mut changes = changes();
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(1), 1);
    let first = changes.tables.route("T").unwrap();
    assert_eq!(changes.tables.route("T").unwrap().as_ptr(), first.as_ptr());
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(1), 1);
    assert_eq!(
        changes.tables.route("T").unwrap().as_ptr(),
        first.as_ptr(),
        "a repetition rewrites nothing"
    );
    changes.put(&who("a", 1, "10.0.0.2:1"), &two_topics(1), 2);
    assert_ne!(changes.tables.route("T").unwrap(), first);
}

impl RouteChanges {
    /// Lets time pass as it does for a running server: with a scan every five seconds.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds / 5 {
            self.tables.clock.advance(5000);
            self.expire(5000);
        }
    }
}

#[test]
fn a_broker_is_dropped_after_its_own_time_of_silence() {
    let mut changes = changes();
    let patient = Registration {
        timeout_ms: Some(300_000),
        ..who("b", 0, "10.0.0.2:1")
    };
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(1), 1);
    changes.put(&patient, &two_topics(1), 2);
    changes.pass(120);
    assert_eq!(changes.route_of("T").unwrap().broker_datas.len(), 2);
    changes.pass(5);
    assert_eq!(
        changes.route_of("T").unwrap().broker_datas[0].broker_name,
        "b"
    );
    changes.pass(180);
    assert!(changes.route_of("T").is_none());
}

#[test]
fn heartbeats_of_every_kind_keep_a_broker() {
    let mut changes = changes();
    let broker = who("a", 0, "10.0.0.1:1");
    let table = two_topics(1);
    changes.put(&broker, &table, 1);
    for round in 0..9 {
        changes.pass(100);
        match round % 3 {
            0 => assert!(changes.tables.heard_of("c", "10.0.0.1:1")),
            1 => assert!(
                changes
                    .tables
                    .repeat(&broker, fingerprint(&table.to_json(), false), 1)
                    .is_some()
            ),
            _ => assert_eq!(changes.put(&broker, &table, 1), Registered::default()),
        }
        assert!(changes.route_of("T").is_some(), "round {round}");
    }
    assert!(!changes.tables.heard_of("c", "10.0.0.9:1"));
    changes.pass(125);
    assert!(changes.route_of("T").is_none());
}

#[test]
fn a_pause_of_the_process_expires_nobody() {
    let mut changes = changes();
    changes.put(&who("a", 0, "10.0.0.1:1"), &two_topics(1), 1);
    changes.pass(60);
    changes.tables.clock.advance(3_600_000);
    changes.expire(5000);
    changes.pass(55);
    assert!(changes.route_of("T").is_some());
    changes.pass(10);
    assert!(changes.route_of("T").is_none());
}
