//! DEBUG's subcommands on keys.

use super::digest::Digest;
use crate::command::{Done, Fail, Flow, WriteCall};
use crate::engine::{Census, Deadline};
use crate::types::{Text, Type, ValueRef};

/// Every shard is held.
fn census(call: &WriteCall<'_>) -> Census {
    let census = call.db.census(&|| false);
    census.expect("what is held is not waited for")
}

pub fn digest(call: &mut WriteCall<'_>) -> Done {
    let unsound = |what| Fail::said(format!("ERR the keyspace is unsound: {what}"));
    call.db.check().map_err(unsound)?;
    let now_ms = call.db.now_ms();
    let mut sum = Digest::default();
    for index in 0..census(call).databases.len() {
        call.db.other(index).visit(|entry, deadline| {
            let volatile = deadline.is_some();
            sum.add(Digest::of_key(index, entry, volatile, now_ms));
        });
    }
    call.out.simple(&sum.to_string());
    Ok(Flow::Done)
}

pub fn digest_value(call: &mut WriteCall<'_>) -> Done {
    let now_ms = call.db.now_ms();
    let keys = call.args.rest();
    call.out.array(keys.len());
    for key in keys {
        let held = call
            .db
            .peek(key)
            .map(|value| Digest::of_value(value, now_ms));
        call.out.simple(&held.unwrap_or_default().to_string());
    }
    Ok(Flow::Done)
}

pub fn object(call: &mut WriteCall<'_>) -> Done {
    let entry = call.db.stored(call.args.next()?).ok_or(Fail::NO_KEY)?;
    let value = entry.value();
    let now_ms = call.db.clock_ms();
    let idle_s = entry.access().idle_seconds(now_ms);
    let mut text = format!(
        "Value at:{entry:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{idle_s}",
        value.encoding(),
        match value {
            // What stands with its key takes nothing beside.
            ValueRef::Text(text) => text.len(),
            value => value.heap_bytes(),
        },
        (now_ms / 1000).saturating_sub(idle_s) & 0xff_ffff,
    );
    if let ValueRef::List(list) = value {
        let nodes = list.nodes().count().max(1);
        text.push_str(&format!(
            " ql_nodes:{nodes} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:0 ql_uncompressed_size:{}",
            list.len() as f64 / nodes as f64,
            call.server.config.list_max_listpack_size.get(),
            value.heap_bytes(),
        ));
    }
    call.out.simple(&text);
    Ok(Flow::Done)
}

pub fn listpack(call: &mut WriteCall<'_>) -> Done {
    let value = call.db.peek(call.args.next()?).ok_or(Fail::NO_KEY)?;
    if value.encoding() != "listpack" {
        return Err(Fail::Says("Not a listpack encoded object."));
    }
    tracing::info!("DEBUG LISTPACK: {value:?}");
    call.out.simple("Listpack structure printed on stdout");
    Ok(Flow::Done)
}

pub fn htstats(call: &mut WriteCall<'_>) -> Done {
    let index = call.args.int()?;
    if !(0..call.server.config.databases.get()).contains(&index) {
        return Err(Fail::Says("Out of range database"));
    }
    let databases = census(call).databases;
    let contents = databases.get(index as usize).copied().unwrap_or_default();
    let text = format!(
        "[Dictionary HT]\n{}[Expires HT]\n{}",
        table("main hash table", contents.keys, contents.table_bytes),
        table("main hash table", contents.volatile, 0)
    );
    call.out.verbatim("txt", text.as_bytes());
    Ok(Flow::Done)
}

/// A table in HTSTATS' words. There are no chains: entries stand one after another.
fn table(name: &str, len: usize, bytes: usize) -> String {
    if len == 0 {
        return format!(
            "Hash table 0 stats ({name}):\nNo stats available for empty dictionaries\n"
        );
    }
    format!(
        "Hash table 0 stats ({name}):\n number of elements: {len}\n max chain length: 1\n bytes: {bytes}\n"
    )
}

pub fn htstats_key(call: &mut WriteCall<'_>) -> Done {
    let value = call.db.peek(call.args.next()?).ok_or(Fail::NO_KEY)?;
    let len = match value {
        ValueRef::Hash(hash) => hash.len(),
        ValueRef::Set(set) => set.len(),
        ValueRef::ZSet(zset) => zset.len(),
        _ => 0,
    };
    if !matches!(value.encoding(), "hashtable" | "skiplist") {
        return Err(Fail::Says(
            "The value stored at the specified key is not represented using an hash table",
        ));
    }
    let text = table("main hash table", len, value.heap_bytes());
    call.out.verbatim("txt", text.as_bytes());
    Ok(Flow::Done)
}

pub fn populate(call: &mut WriteCall<'_>) -> Done {
    let count = call.args.int_in(0..=i64::MAX, Fail::NEGATIVE)?;
    let prefix = if call.args.is_empty() {
        b"key"
    } else {
        call.args.next()?
    };
    let size = if call.args.is_empty() {
        None
    } else {
        Some(call.args.int_in(0..=i64::MAX, Fail::NEGATIVE)? as u64)
    };
    let size_max = call.server.config.proto_max_bulk_len.get();
    if size.is_some_and(|size| size > size_max) {
        return Err(Fail::NEGATIVE);
    }
    for n in 0..count {
        let key = [prefix, b":", itoa::Buffer::new().format(n).as_bytes()].concat();
        if call.db.exists(&key) {
            continue;
        }
        let mut value = format!("value:{n}").into_bytes();
        if let Some(size) = size.filter(|size| *size > 0) {
            value.resize(size as usize, 0);
        }
        call.db
            .set(&key, Text::from_bytes(&value).wrap(), Deadline::Clear);
    }
    // As in Redis, replicas don't hear of it: tests make servers differ by it.
    let from = call.db.effects().log.len();
    call.db.log(call.args.all());
    for record in call.db.effects().log.records_mut(from) {
        record.reach.replicas = false;
    }
    call.out.ok();
    Ok(Flow::Done)
}
