//! Keyspace events, as messages on `__keyspace@DB__:key` and `__keyevent@DB__:event`.

use super::broker::Broker;

/// Bits of `notify-keyspace-events` beside the classes.
pub const KEYSPACE: u32 = 1 << 0;
pub const KEYEVENT: u32 = 1 << 1;

/// Publishes one event on the channels that are switched on.
pub fn publish(broker: &Broker, flags: u32, event: &str, db: usize, key: &[u8]) {
    if flags & KEYSPACE != 0 {
        let mut channel = format!("__keyspace@{db}__:").into_bytes();
        channel.extend_from_slice(key);
        broker.publish(&channel, event.as_bytes());
    }
    if flags & KEYEVENT != 0 {
        broker.publish(format!("__keyevent@{db}__:{event}").as_bytes(), key);
    }
}
