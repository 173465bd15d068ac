//! Keyspace events, as messages on `__keyspace@DB__:key` and `__keyevent@DB__:event`.

use super::broker::Broker;
use crate::config::EventClasses;

/// Publishes one event on the channels that are switched on.
pub fn publish(broker: &Broker, on: EventClasses, event: &str, db: usize, key: &[u8]) {
    if on.has(EventClasses::KEYSPACE) {
        let mut channel = format!("__keyspace@{db}__:").into_bytes();
        channel.extend_from_slice(key);
        broker.publish(&channel, event.as_bytes());
    }
    if on.has(EventClasses::KEYEVENT) {
        broker.publish(format!("__keyevent@{db}__:{event}").as_bytes(), key);
    }
}
