//! Keyspace events, as messages on `__keyspace@DB__:key` and `__keyevent@DB__:event`, and on the channels that name fields.
//!
//! In the latter's messages names stand behind their lengths, as they may hold any byte: `5:field,2:no`.

use super::broker::Broker;
use crate::config::EventClasses;
use crate::types::Bstr;

/// What has happened to a key.
pub struct KeyEvent<'a> {
    pub name: &'static str,
    pub db: usize,
    pub key: &'a [u8],
    /// Fields of a hash that it happened to.
    pub fields: &'a [Bstr],
}

/// Publishes one event on the channels that are switched on.
pub fn publish(broker: &Broker, on: EventClasses, event: &KeyEvent<'_>) {
    let KeyEvent { name, db, key, .. } = *event;
    if on.has(EventClasses::KEYSPACE) {
        let channel = joined(&format!("__keyspace@{db}__:"), key);
        broker.publish(&channel, name.as_bytes());
    }
    if on.has(EventClasses::KEYEVENT) {
        broker.publish(format!("__keyevent@{db}__:{name}").as_bytes(), key);
    }
    if on.has(EventClasses::FIELDS) && !event.fields.is_empty() {
        publish_fields(broker, on, event);
    }
}

fn publish_fields(broker: &Broker, on: EventClasses, event: &KeyEvent<'_>) {
    let KeyEvent {
        name,
        db,
        key,
        fields,
    } = *event;
    // The channels that name a field each need no list.
    let wants_list = [
        EventClasses::SUBKEYSPACE,
        EventClasses::SUBKEYEVENT,
        EventClasses::SUBKEYSPACE_EVENT,
    ];
    let list = match wants_list.into_iter().any(|class| on.has(class)) {
        true => listed(fields),
        false => Vec::new(),
    };
    if on.has(EventClasses::SUBKEYSPACE) {
        let channel = joined(&format!("__subkeyspace@{db}__:"), key);
        broker.publish(&channel, &joined(&format!("{name}|"), &list));
    }
    if on.has(EventClasses::SUBKEYEVENT) {
        let message = [&measured(key), &b"|"[..], &list].concat();
        broker.publish(format!("__subkeyevent@{db}__:{name}").as_bytes(), &message);
    }
    // A line end parts the key from the field.
    if on.has(EventClasses::SUBKEYSPACE_ITEM) && !key.contains(&b'\n') {
        let head = [
            &joined(&format!("__subkeyspaceitem@{db}__:"), key),
            &b"\n"[..],
        ]
        .concat();
        for field in fields {
            broker.publish(&[&head[..], field].concat(), name.as_bytes());
        }
    }
    if on.has(EventClasses::SUBKEYSPACE_EVENT) {
        let channel = joined(&format!("__subkeyspaceevent@{db}__:{name}|"), key);
        broker.publish(&channel, &list);
    }
}

/// Names behind their lengths, with commas between them.
fn listed(fields: &[Bstr]) -> Vec<u8> {
    let list: Vec<_> = fields.iter().map(|field| measured(field)).collect();
    list.join(&b","[..])
}

fn joined(head: &str, tail: &[u8]) -> Vec<u8> {
    [head.as_bytes(), tail].concat()
}

/// A name behind its length.
fn measured(name: &[u8]) -> Vec<u8> {
    joined(&format!("{}:", name.len()), name)
}
