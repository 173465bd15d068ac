//! FT.CREATE, FT.ALTER, FT.DROPINDEX, FT._LIST: which indexes there are.

use super::{EDITS, LOOKS, in_line, refused, rights, wrong_arity};
use crate::command::Flag::DenyOom;
use crate::command::{Command, Done, Fail, Flow, ReadCall, Run, WriteCall};
use crate::engine::{Db, Garbage, document_of};
use crate::search::{Definition, LiveIndex, Words, definition, fields};
use crate::state::shared::Shared;
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
    if made.idle_ms_max.is_some() {
        rights::check_deletes(call.user, &made)?;
    }
    catalog.create(made, total);
    call.server.search.settle(&catalog);
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

/// Changes the definition of an index, by which its documents are read again, unless that is to be skipped.
pub fn redefine(
    call: &mut WriteCall<'_>,
    name: &[u8],
    skips: bool,
    change: impl FnOnce(&mut Definition) -> Result<(), Fail>,
) -> Done {
    rights::check(call.server, call.user, name)?;
    let total = call.db.len() as u64;
    let mut catalog = call.server.search.catalog.write();
    let changed = catalog.redefine(name, (!skips).then_some(total), change);
    changed.ok_or(Fail::code("Unknown index name"))??;
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
    run: Run::Write(|call| dropped(call, "FT.DROPINDEX", deletes_if_told, false)),
    ..EDITS
};

/// Documents go if DD is given.
pub fn deletes_if_told(option: &[u8]) -> bool {
    option.eq_ignore_ascii_case(b"DD")
}

/// By which RediSearch's logs say that documents stay: those that went stand before it, one by one.
const KEEPS: &[u8] = b"_FORCEKEEPDOCS";

/// Drops an index. By its option, or an empty one, the documents stay or go; those of a temporary index always go.
pub fn dropped(
    call: &mut WriteCall<'_>,
    command: &str,
    deletes: fn(&[u8]) -> bool,
    maybe: bool,
) -> Done {
    let (name, option) = match call.args.rest() {
        [name] => (name, &b""[..]),
        [name, option] => (name, *option),
        _ => return Err(wrong_arity(command)),
    };
    rights::check(call.server, call.user, name)?;
    let definition = {
        let catalog = call.server.search.catalog.read();
        catalog.get(name).map(|index| index.definition.clone())
    };
    let Some(definition) = definition else {
        if !maybe {
            return Err(Fail::code("Unknown Index name"));
        }
        call.out.ok();
        return Ok(Flow::Done);
    };
    // Logs of before say of a temporary index that it was dropped, and mean the index alone.
    let temporary = definition.idle_ms_max.is_some() && call.db.now().is_live();
    let deletes = (deletes(option) || temporary) && !option.eq_ignore_ascii_case(KEEPS);
    if deletes {
        rights::check_deletes(call.user, &definition)?;
    }
    drop_named(call.server, &mut call.db.other(0), name, deletes);
    call.out.ok();
    Ok(Flow::Done)
}

/// Drops an index, with its documents if that is so. Which they are is told to the log one by one: an index over the same keys
/// elsewhere may hold others by then.
pub fn drop_named(server: &Shared, db: &mut Db<'_>, name: &[u8], deletes: bool) {
    let dropped = {
        let mut catalog = server.search.catalog.write();
        let Some(dropped) = catalog.drop_index(name) else {
            return;
        };
        server.search.settle(&catalog);
        let own_name = &dropped.definition.name;
        server.search.drop_cursors(Some(own_name));
        dropped
    };
    if deletes {
        for key in documents(&dropped, db) {
            if db.delete(&key) {
                db.log(&[b"DEL", &key]);
            }
        }
    }
    db.log(&[b"FT._DROPINDEXIFX", &dropped.definition.name, KEEPS]);
    let effects = db.effects();
    effects.dirty += 1;
    effects.garbage.push(Garbage::Indexes(vec![dropped]));
}

/// The keys of an index's documents.
fn documents(index: &LiveIndex, db: &Db<'_>) -> Vec<Bstr> {
    let known = index.docs.values();
    let mut keys: Vec<Bstr> = known.map(|row| Bstr::new(&row.key)).collect();
    if index.building.is_none() {
        return keys;
    }
    // Not all of its documents are known yet.
    let (kind, now_ms) = (index.definition.source, db.now_ms());
    db.visit(|entry, _| {
        let key = entry.key_name();
        if index.definition.covers(key) {
            document_of(entry.value(), kind, now_ms, &mut |document| {
                if index.definition.takes(key, document) {
                    keys.push(Bstr::new(key));
                }
            });
        }
    });
    keys
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
        call.out.simple(&in_line(name));
    }
    Ok(Flow::Done)
}
