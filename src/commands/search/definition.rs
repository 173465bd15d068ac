//! FT.CREATE, FT.ALTER, FT.DROPINDEX, FT._LIST: which indexes there are.

use super::{EDITS, LOOKS, refused, rights, shown, wrong_arity};
use crate::command::Flag::DenyOom;
use crate::command::shared::Shared;
use crate::command::{Command, Done, Fail, Flow, ReadCall, Run, WriteCall};
use crate::engine::{Db, Garbage, document_of};
use crate::search::{Definition, Document, Words, definition, fields};
use crate::types::Bstr;

pub const CREATE: Command = Command {
    name: "ft.create",
    summary: "Creates an index with the given spec",
    cost: "O(K) at creation where K is the number of fields, O(N) if scanning the keyspace is triggered, where N is the number of keys in the keyspace",
    flags: &[DenyOom],
    run: Run::Write(|call| create(call, "FT.CREATE")),
    ..EDITS
};

pub fn create(call: &mut WriteCall<'_>, command: &str) -> Done {
    let args = call.args.rest();
    if args.len() < 4 {
        return Err(wrong_arity(command));
    }
    if call.db.index() != 0 {
        return Err(Fail::code("Cannot create index on db != 0"));
    }
    let total = call.db.len() as u64;
    let mut catalog = call.server.search.catalog.write();
    if catalog.indexes.contains_key(args[0]) {
        return Err(Fail::code("Index already exists"));
    }
    let made = definition(args).map_err(refused)?;
    catalog.create(made, total);
    call.server.publish_indexes(&catalog);
    let effects = call.db.effects();
    // A transaction may go on to make documents.
    effects.wanted.indexed |= !call.server.store.loading.is_on();
    effects.dirty += 1;
    effects.build = true;
    call.out.ok();
    Ok(Flow::Done)
}

pub const ALTER: Command = Command {
    name: "ft.alter",
    summary: "Adds a new field to the index",
    cost: "O(N) where N is the number of keys in the keyspace",
    run: Run::Write(|call| alter(call, "FT.ALTER")),
    ..EDITS
};

pub fn alter(call: &mut WriteCall<'_>, command: &str) -> Done {
    let args = call.args.rest();
    if args.len() < 5 {
        return Err(wrong_arity(command));
    }
    let mut words = Words::new(&args[1..]);
    let skips = words.word("SKIPINITIALSCAN");
    redefine(call, args[0], skips, |made| {
        if !words.word("SCHEMA") {
            return Err(Fail::code("ALTER must be followed by SCHEMA"));
        }
        if !words.word("ADD") {
            return Err(Fail::code("Unknown action passed to ALTER SCHEMA"));
        }
        let from = args.len() - words.len();
        fields(&mut words, made).map_err(refused)?;
        let added = args[from..].iter().map(|word| word.to_vec());
        made.words.extend(added);
        Ok(())
    })
}

/// Gives an index another definition, by which its documents are read again, unless that is to be skipped.
pub fn redefine(
    call: &mut WriteCall<'_>,
    name: &[u8],
    skips: bool,
    change: impl FnOnce(&mut Definition) -> Result<(), Fail>,
) -> Done {
    rights::check(call.server, call.user, name)?;
    let total = call.db.len() as u64;
    let mut catalog = call.server.search.catalog.write();
    let held = catalog.get(name);
    let held = held.ok_or(Fail::code("Unknown index name"))?;
    let mut made = (*held.definition).clone();
    change(&mut made)?;
    catalog.widen(made, (!skips).then_some(total));
    call.server.publish_indexes(&catalog);
    let effects = call.db.effects();
    effects.dirty += 1;
    effects.build |= !skips;
    call.out.ok();
    Ok(Flow::Done)
}

pub const DROP_INDEX: Command = Command {
    name: "ft.dropindex",
    summary: "Deletes the index",
    cost: "O(1) or O(N) if documents are deleted, where N is the number of keys in the keyspace",
    run: Run::Write(drop_index),
    ..EDITS
};

fn drop_index(call: &mut WriteCall<'_>) -> Done {
    let name = call.args.next().map_err(|_| wrong_arity("FT.DROPINDEX"))?;
    let deletes = call.args.word("DD");
    if let Some(other) = call.args.peek() {
        return Err(Fail::code(format!("Unknown argument `{}`", shown(other))));
    }
    rights::check(call.server, call.user, name)?;
    if !drop_named(call.server, &mut call.db.other(0), name, deletes) {
        return Err(Fail::code("Unknown Index name"));
    }
    call.out.ok();
    Ok(Flow::Done)
}

/// Drops an index, with its documents if that is so; false if there is none of this name.
pub fn drop_named(server: &Shared, db: &mut Db<'_>, name: &[u8], deletes: bool) -> bool {
    let dropped = {
        let mut catalog = server.search.catalog.write();
        let Some(dropped) = catalog.drop_index(name) else {
            return false;
        };
        server.publish_indexes(&catalog);
        let own_name = &dropped.definition.name;
        server.search.drop_cursors(Some(own_name));
        dropped
    };
    if deletes {
        let mut keys: Vec<Bstr> = dropped
            .docs
            .values()
            .map(|row| Bstr::new(&row.key))
            .collect();
        if dropped.building.is_some() {
            // Not all of its documents are known yet.
            let kind = dropped.definition.source;
            let now_ms = db.now_ms();
            db.visit(|entry, _| {
                if dropped.definition.covers(entry.key_name()) {
                    let key = entry.key_name();
                    let mut note = |document: &dyn Document| {
                        if dropped.definition.takes(key, document) {
                            keys.push(Bstr::new(key));
                        }
                    };
                    document_of(entry.value(), kind, now_ms, &mut note);
                }
            });
        }
        for key in keys {
            db.delete(&key);
        }
    }
    let effects = db.effects();
    effects.dirty += 1;
    effects.garbage.push(Garbage::Indexes(vec![dropped]));
    true
}

pub const LIST: Command = Command {
    name: "ft._list",
    summary: "Returns a list of all existing indexes",
    cost: "O(1)",
    args: &[],
    arity: Some(-1),
    // As in Redis 8, though anybody may know of one index by FT.INFO.
    categories: &["search", "admin"],
    run: Run::Read(list),
    ..LOOKS
};

fn list(call: &mut ReadCall<'_>) -> Done {
    let catalog = call.server.search.catalog.read();
    call.out.set(catalog.indexes.len());
    for name in catalog.indexes.keys() {
        call.out.simple(&shown(name));
    }
    Ok(Flow::Done)
}
