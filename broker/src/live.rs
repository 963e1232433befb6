//! Settings that may change while the broker runs. Requests read them as plain atomics; a change goes through the
//! key table first, so that only allowed values arrive here.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};

use mainstem_common::config::{Change, Problem, Settings, broker as key};
use mainstem_common::protocol::perm;
use parking_lot::Mutex;

use crate::config::BrokerConfig;

/// The current values.
pub(crate) struct LiveSettings {
    settings: Mutex<Settings>,
    permission: AtomicI32,
    trace_on: AtomicBool,
    auto_create_topic: AtomicBool,
    auto_create_group: AtomicBool,
    long_polling: AtomicBool,
    short_polling_ms: AtomicU64,
    max_transfer_bytes: AtomicUsize,
    max_transfer_count: AtomicUsize,
    notify_members_changed: AtomicBool,
    max_query_messages: AtomicUsize,
}

impl LiveSettings {
    pub(crate) fn new(config: &BrokerConfig) -> Self {
        LiveSettings {
            settings: Mutex::new(config.settings.clone()),
            permission: AtomicI32::new(config.broker_permission),
            trace_on: AtomicBool::new(config.trace_on),
            auto_create_topic: AtomicBool::new(config.auto_create_topic),
            auto_create_group: AtomicBool::new(config.auto_create_group),
            long_polling: AtomicBool::new(config.long_polling),
            short_polling_ms: AtomicU64::new(config.short_polling_ms),
            max_transfer_bytes: AtomicUsize::new(config.max_transfer_bytes_in_memory),
            max_transfer_count: AtomicUsize::new(config.max_transfer_count_in_memory),
            notify_members_changed: AtomicBool::new(config.notify_members_changed),
            max_query_messages: AtomicUsize::new(config.max_query_messages),
        }
    }

    pub(crate) fn permission(&self) -> i32 {
        self.permission.load(Ordering::Relaxed)
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.permission() & perm::WRITE != 0
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.permission() & perm::READ != 0
    }

    pub(crate) fn trace_on(&self) -> bool {
        self.trace_on.load(Ordering::Relaxed)
    }

    pub(crate) fn auto_create_topic(&self) -> bool {
        self.auto_create_topic.load(Ordering::Relaxed)
    }

    pub(crate) fn auto_create_group(&self) -> bool {
        self.auto_create_group.load(Ordering::Relaxed)
    }

    pub(crate) fn long_polling(&self) -> bool {
        self.long_polling.load(Ordering::Relaxed)
    }

    pub(crate) fn short_polling_ms(&self) -> u64 {
        self.short_polling_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn max_transfer_bytes(&self) -> usize {
        self.max_transfer_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn max_transfer_count(&self) -> usize {
        self.max_transfer_count.load(Ordering::Relaxed)
    }

    pub(crate) fn notify_members_changed(&self) -> bool {
        self.notify_members_changed.load(Ordering::Relaxed)
    }

    pub(crate) fn max_query_messages(&self) -> usize {
        self.max_query_messages.load(Ordering::Relaxed)
    }

    /// Every key and its value, one `key=value` a line.
    pub(crate) fn to_properties(&self) -> String {
        self.settings.lock().to_properties()
    }

    /// Reads something from the settings as they are now.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Settings) -> T) -> T {
        read(&self.settings.lock())
    }

    /// Changes keys; nothing is changed when one of them is refused.
    pub(crate) fn change<'a>(
        &self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Vec<Change>, Problem> {
        let mut settings = self.settings.lock();
        let mut candidate = settings.clone();
        let mut changes = Vec::new();
        for (name, value) in pairs {
            changes.push(candidate.change(name, value)?);
        }
        *settings = candidate;
        self.take_over(&settings);
        Ok(changes)
    }

    fn take_over(&self, settings: &Settings) {
        self.permission.store(
            settings.get(&key::BROKER_PERMISSION) as i32,
            Ordering::Relaxed,
        );
        self.trace_on
            .store(settings.get(&key::TRACE_ON), Ordering::Relaxed);
        self.auto_create_topic.store(
            settings.get(&key::AUTO_CREATE_TOPIC_ENABLE),
            Ordering::Relaxed,
        );
        self.auto_create_group.store(
            settings.get(&key::AUTO_CREATE_SUBSCRIPTION_GROUP),
            Ordering::Relaxed,
        );
        self.long_polling
            .store(settings.get(&key::LONG_POLLING_ENABLE), Ordering::Relaxed);
        self.short_polling_ms.store(
            settings.get(&key::SHORT_POLLING_TIME_MILLS),
            Ordering::Relaxed,
        );
        let bytes = settings.get(&key::MAX_TRANSFER_BYTES_ON_MESSAGE_IN_MEMORY);
        self.max_transfer_bytes
            .store(bytes as usize, Ordering::Relaxed);
        let count = settings.get(&key::MAX_TRANSFER_COUNT_ON_MESSAGE_IN_MEMORY);
        self.max_transfer_count
            .store(count as usize, Ordering::Relaxed);
        self.notify_members_changed.store(
            settings.get(&key::NOTIFY_CONSUMER_IDS_CHANGED_ENABLE),
            Ordering::Relaxed,
        );
        self.max_query_messages.store(
            settings.get(&key::MAX_MSGS_NUM_BATCH) as usize,
            Ordering::Relaxed,
        );
    }
}
