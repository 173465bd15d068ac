//! Commands of RediSearch's first years, which clients still have; and forms that find things done already, which RediSearch
//! writes into its logs.

use super::definition::{ALTER, CREATE, alter, create, deletes_if_told, dropped};
use super::load::{DocumentPlace, ReadFate, read};
use super::names::{ALIAS_ADD, ALIAS_DELETE, alias_add, alias_delete};
use super::{EDITS, LOOKS, rights, wrong_arity};
use crate::command::Flag::ReadOnly;
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};

const OF_DOCUMENTS: &[Arg] = &[
    Arg::text("index"),
    Arg::key("key", KeyUse::READ).optional().many(),
];

pub const GET: Command = Command {
    name: "ft.get",
    summary: "Returns a document of an index",
    args: OF_DOCUMENTS,
    flags: &[ReadOnly],
    run: Run::Read(get),
    ..LOOKS
};

fn get(call: &mut ReadCall<'_>) -> Done {
    let [name, key] = call.args.rest() else {
        return Err(wrong_arity("FT.GET"));
    };
    rights::check(call.server, call.user, name)?;
    document(call, name, key)?;
    Ok(Flow::Done)
}

pub const GET_MANY: Command = Command {
    name: "ft.mget",
    summary: "Returns several documents of an index",
    cost: "O(N) for N documents",
    args: OF_DOCUMENTS,
    flags: &[ReadOnly],
    run: Run::Read(get_many),
    ..LOOKS
};

fn get_many(call: &mut ReadCall<'_>) -> Done {
    let [name, keys @ ..] = call.args.rest() else {
        return Err(wrong_arity("FT.MGET"));
    };
    if keys.is_empty() {
        return Err(wrong_arity("FT.MGET"));
    }
    rights::check(call.server, call.user, name)?;
    call.out.array(keys.len());
    for key in keys {
        document(call, name, key)?;
    }
    Ok(Flow::Done)
}

/// Replies with a document, or nothing if it is not in the index.
fn document(call: &mut ReadCall<'_>, name: &[u8], key: &[u8]) -> Result<(), Fail> {
    let (kind, doc, edits) = {
        let catalog = call.server.search.catalog.read();
        let index = catalog.get(name).ok_or(Fail::code("Unknown Index name"))?;
        (index.definition.source, index.doc_of(key), index.edits)
    };
    let mut pairs: Option<Vec<(Vec<u8>, Vec<u8>)>> = None;
    if let Some(doc) = doc {
        let at = DocumentPlace {
            index: name,
            kind,
            key,
            doc,
            edits,
        };
        let fate = read(call, at, &mut |document| {
            let all = document.all(false).into_iter();
            let owned = all.map(|(name, value)| (name.into_owned(), value.into_owned()));
            pairs = Some(owned.collect());
        })?;
        pairs = pairs.filter(|_| fate == ReadFate::Read);
    }
    match pairs {
        None => call.out.null(),
        Some(pairs) => {
            // In RESP3, too.
            call.out.array(2 * pairs.len());
            for (name, value) in pairs {
                call.out.bulk(name);
                call.out.bulk(value);
            }
        }
    }
    Ok(())
}

pub const DELETE: Command = Command {
    name: "ft.del",
    summary: "Deletes a document of an index",
    args: &[
        Arg::text("index"),
        Arg::key("key", KeyUse::DELETE),
        Arg::text("dd").optional(),
    ],
    run: Run::Write(delete),
    ..EDITS
};

fn delete(call: &mut WriteCall<'_>) -> Done {
    let [name, key, rest @ ..] = call.args.rest() else {
        return Err(wrong_arity("FT.DEL"));
    };
    if rest.len() > 1 {
        return Err(wrong_arity("FT.DEL"));
    }
    rights::check(call.server, call.user, name)?;
    if call.server.search.catalog.read().get(name).is_none() {
        return Err(Fail::code("Unknown Index name"));
    }
    let deleted = call.db.other(0).delete(key);
    call.out.int(i64::from(deleted));
    Ok(Flow::Done)
}

pub const DROP: Command = Command {
    name: "ft.drop",
    summary: "Deletes an index, with its documents unless KEEPDOCS is given",
    cost: "O(N) for N documents",
    run: Run::Write(|call| dropped(call, "FT.DROP", deletes_unless_told, false)),
    ..EDITS
};

pub const DROP_IF: Command = Command {
    name: "ft._dropifx",
    summary: "Deletes an index, if there is one of this name",
    run: Run::Write(|call| dropped(call, "FT._DROPIFX", deletes_unless_told, true)),
    ..DROP
};

pub const DROP_INDEX_IF: Command = Command {
    name: "ft._dropindexifx",
    summary: "Deletes an index, if there is one of this name",
    run: Run::Write(|call| dropped(call, "FT._DROPINDEXIFX", deletes_if_told, true)),
    ..DROP
};

/// Documents go unless KEEPDOCS is given.
fn deletes_unless_told(option: &[u8]) -> bool {
    !option.eq_ignore_ascii_case(b"KEEPDOCS")
}

pub const CREATE_IF: Command = Command {
    name: "ft._createifnx",
    summary: "Creates an index, unless there is one of this name",
    run: Run::Write(|call| {
        let names = call.args;
        let exists = |name: &&[u8]| {
            let catalog = call.server.search.catalog.read();
            catalog.indexes.contains_key(*name)
        };
        match names.len() >= 4 && names.peek().as_ref().is_some_and(exists) {
            true => done_already(call),
            false => create(call, "FT._CREATEIFNX"),
        }
    }),
    ..CREATE
};

pub const ALTER_IF: Command = Command {
    name: "ft._alterifnx",
    summary: "Adds fields to an index, unless it has the first of them",
    run: Run::Write(|call| {
        let args = { call.args }.rest();
        let added = args
            .windows(2)
            .position(|pair| pair[0].eq_ignore_ascii_case(b"ADD"));
        let has = added.is_some_and(|at| {
            let catalog = call.server.search.catalog.read();
            let index = catalog.get(args[0]);
            index.is_some_and(|index| index.definition.field(args[at + 1]).is_some())
        });
        match has {
            true => done_already(call),
            false => alter(call, "FT._ALTERIFNX"),
        }
    }),
    ..ALTER
};

pub const ALIAS_ADD_IF: Command = Command {
    name: "ft._aliasaddifnx",
    summary: "Adds an alias to the index, unless it has it",
    run: Run::Write(|call| {
        let args = { call.args }.rest();
        let has = match args {
            [alias, index] => {
                let catalog = call.server.search.catalog.read();
                catalog
                    .aliases
                    .get(*alias)
                    .is_some_and(|held| **held == **index)
            }
            _ => false,
        };
        match has {
            true => done_already(call),
            false => alias_add(call, "FT._ALIASADDIFNX", false),
        }
    }),
    ..ALIAS_ADD
};

pub const ALIAS_DELETE_IF: Command = Command {
    name: "ft._aliasdelifx",
    summary: "Deletes an alias, if there is one of this name",
    run: Run::Write(|call| {
        let alias = call.args.peek();
        let is_missing = |alias: &[u8]| {
            let catalog = call.server.search.catalog.read();
            catalog.aliases.get(alias).is_none()
        };
        match call.args.len() == 1 && alias.is_some_and(is_missing) {
            true => done_already(call),
            false => alias_delete(call, "FT._ALIASDELIFX"),
        }
    }),
    ..ALIAS_DELETE
};

fn done_already(call: &mut WriteCall<'_>) -> Done {
    call.out.ok();
    Ok(Flow::Done)
}
