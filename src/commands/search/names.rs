//! FT.ALIAS*, FT.TAGVALS, FT.DICT*: other names of indexes, and words.

use super::{EDITS, LOOKS, SEARCHES, rights, wrong_arity};
use crate::command::{Arg, Command, Done, Fail, Flow, ReadCall, Run, WriteCall};
use crate::search::{Column, FieldKind};
use crate::types::OrdSet;

const OF_ALIAS: &[Arg] = &[
    Arg::text("alias"),
    Arg::text("index"),
    Arg::text("arg").optional().many(),
];

pub const ALIAS_ADD: Command = Command {
    name: "ft.aliasadd",
    summary: "Adds an alias to the index",
    args: OF_ALIAS,
    run: Run::Write(|call| alias_add(call, "FT.ALIASADD", false)),
    ..EDITS
};

pub const ALIAS_UPDATE: Command = Command {
    name: "ft.aliasupdate",
    summary: "Adds or updates an alias to the index",
    args: OF_ALIAS,
    run: Run::Write(|call| alias_add(call, "FT.ALIASUPDATE", true)),
    ..EDITS
};

/// Whoever may not name an index may not name it otherwise either.
pub fn alias_add(call: &mut WriteCall<'_>, command: &str, replaces: bool) -> Done {
    let [alias, index] = call.args.rest() else {
        return Err(wrong_arity(command));
    };
    rights::check(call.server, call.user, index)?;
    let mut catalog = call.server.search.catalog.write();
    let index = catalog.indexes.get(*index);
    let no_such = Fail::code("Unknown index name (or name is an alias itself)");
    let name = index.ok_or(no_such)?.definition.name.clone();
    if !replaces && catalog.aliases.contains_key(*alias) {
        return Err(Fail::code("Alias already exists"));
    }
    catalog.aliases.insert((*alias).into(), name);
    call.db.effects().dirty += 1;
    call.out.ok();
    Ok(Flow::Done)
}

pub const ALIAS_DELETE: Command = Command {
    name: "ft.aliasdel",
    summary: "Deletes an alias from the index",
    run: Run::Write(|call| alias_delete(call, "FT.ALIASDEL")),
    ..EDITS
};

pub fn alias_delete(call: &mut WriteCall<'_>, command: &str) -> Done {
    let [alias] = call.args.rest() else {
        return Err(wrong_arity(command));
    };
    let mut catalog = call.server.search.catalog.write();
    if catalog.aliases.remove(*alias).is_none() {
        return Err(Fail::code("Alias does not exist"));
    }
    call.db.effects().dirty += 1;
    call.out.ok();
    Ok(Flow::Done)
}

/// Redis 8.10's.
pub const ALIAS_LIST: Command = Command {
    name: "ft.aliaslist",
    summary: "Lists all aliases for the given index",
    cost: "O(N) where N is the number of aliases",
    since: "8.10.0",
    args: &[Arg::text("index")],
    run: Run::Read(alias_list),
    ..LOOKS
};

fn alias_list(call: &mut ReadCall<'_>) -> Done {
    let [name] = call.args.rest() else {
        return Err(wrong_arity("FT.ALIASLIST"));
    };
    rights::check(call.server, call.user, name)?;
    let catalog = call.server.search.catalog.read();
    let name = catalog.resolved(name);
    if !catalog.indexes.contains_key(name) {
        return Err(Fail::code("Unknown Index name"));
    }
    let aliases = catalog.aliases.iter();
    let own = aliases.filter(|(_, index)| &index[..] == name);
    let own: Vec<&[u8]> = own.map(|(alias, _)| &alias[..]).collect();
    call.out.array(own.len());
    own.into_iter().for_each(|alias| call.out.bulk(alias));
    Ok(Flow::Done)
}

pub const TAG_VALUES: Command = Command {
    name: "ft.tagvals",
    summary: "Returns the distinct tags indexed in a Tag field",
    cost: "O(N)",
    run: Run::Read(tag_values),
    ..SEARCHES
};

fn tag_values(call: &mut ReadCall<'_>) -> Done {
    let [name, field] = call.args.rest() else {
        return Err(wrong_arity("FT.TAGVALS"));
    };
    rights::check(call.server, call.user, name)?;
    let index = {
        // Nobody waits for the index while it is looked through: a copy is.
        let catalog = call.server.search.catalog.read();
        let index = catalog.get(name).ok_or(Fail::code("Unknown Index name"))?;
        index.copied()
    };
    let at = index.definition.field(field);
    let at = at.ok_or(Fail::code("No such field"))?;
    let FieldKind::Tag { .. } = index.definition.fields[at].kind else {
        return Err(Fail::code("Not a tag field"));
    };
    let Column::Tags(lists) = &index.columns[at] else {
        unreachable!("a tag field has a column of tags");
    };
    let held = lists.iter().filter(|(_, list)| {
        let mut docs = list.iter().map(|entry| entry.doc);
        docs.any(|doc| {
            call.turns.tick(1);
            index.is_alive(doc)
        })
    });
    let tags: Vec<&[u8]> = held.map(|(tag, _)| &tag[..]).collect();
    call.out.set(tags.len());
    tags.into_iter().for_each(|tag| call.out.bulk(tag));
    Ok(Flow::Done)
}

/// A dictionary is no key.
const DICTIONARY: &[Arg] = &[Arg::text("dict"), Arg::text("term").optional().many()];

pub const DICTIONARY_ADD: Command = Command {
    name: "ft.dictadd",
    summary: "Adds terms to a dictionary",
    args: DICTIONARY,
    run: Run::Write(dictionary_add),
    ..EDITS
};

fn dictionary_add(call: &mut WriteCall<'_>) -> Done {
    let args = call.args.rest();
    let [name, words @ ..] = args else {
        return Err(wrong_arity("FT.DICTADD"));
    };
    if words.is_empty() {
        return Err(wrong_arity("FT.DICTADD"));
    }
    let mut catalog = call.server.search.catalog.write();
    let dictionaries = &mut catalog.dictionaries;
    let held = dictionaries.get_or_insert_with((*name).into(), OrdSet::new);
    let is_new = |word: &&&[u8]| held.insert((**word).into(), ()).is_none();
    let added = words.iter().filter(is_new).count();
    call.db.effects().dirty += added as u64;
    call.out.count(added);
    Ok(Flow::Done)
}

pub const DICTIONARY_DELETE: Command = Command {
    name: "ft.dictdel",
    summary: "Deletes terms from a dictionary",
    args: DICTIONARY,
    run: Run::Write(dictionary_delete),
    ..EDITS
};

fn dictionary_delete(call: &mut WriteCall<'_>) -> Done {
    let args = call.args.rest();
    let [name, words @ ..] = args else {
        return Err(wrong_arity("FT.DICTDEL"));
    };
    if words.is_empty() {
        return Err(wrong_arity("FT.DICTDEL"));
    }
    let mut catalog = call.server.search.catalog.write();
    let mut removed = 0;
    if let Some(held) = catalog.dictionaries.get_mut(*name) {
        let was_there = |word: &&&[u8]| held.remove(**word).is_some();
        removed = words.iter().filter(was_there).count();
        if held.is_empty() {
            catalog.dictionaries.remove(*name);
        }
    }
    call.db.effects().dirty += removed as u64;
    call.out.count(removed);
    Ok(Flow::Done)
}

pub const DICTIONARY_DUMP: Command = Command {
    name: "ft.dictdump",
    summary: "Dumps all terms in the given dictionary",
    cost: "O(N), where N is the size of the dictionary",
    args: DICTIONARY,
    run: Run::Read(dictionary_dump),
    ..LOOKS
};

fn dictionary_dump(call: &mut ReadCall<'_>) -> Done {
    let [name] = call.args.rest() else {
        return Err(wrong_arity("FT.DICTDUMP"));
    };
    let held = {
        let catalog = call.server.search.catalog.read();
        catalog.dictionaries.get(*name).cloned()
    };
    let held = held.ok_or(Fail::code("could not open dict key"))?;
    call.out.set(held.len());
    held.keys().for_each(|word| call.out.bulk(word));
    Ok(Flow::Done)
}
