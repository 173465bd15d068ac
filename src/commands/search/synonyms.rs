//! FT.SYNUPDATE and FT.SYNDUMP: words that mean the same.

use super::definition::redefine;
use super::{EDITS, LOOKS, rights, wrong_arity};
use crate::command::Flag::{DenyOom, ReadOnly};
use crate::command::{Command, Done, Fail, Flow, ReadCall, Run, WriteCall};
use crate::search::folded;

pub const UPDATE: Command = Command {
    name: "ft.synupdate",
    summary: "Creates or updates a synonym group with additional terms",
    cost: "O(1)",
    since: "1.2.0",
    flags: &[DenyOom],
    run: Run::Write(update),
    ..EDITS
};

fn update(call: &mut WriteCall<'_>) -> Done {
    let args = call.args.rest();
    let [name, group, words @ ..] = args else {
        return Err(wrong_arity("FT.SYNUPDATE"));
    };
    let [first, rest @ ..] = words else {
        return Err(wrong_arity("FT.SYNUPDATE"));
    };
    let skips = first.eq_ignore_ascii_case(b"SKIPINITIALSCAN");
    let words = if skips { rest } else { words };
    // Documents that were there before are found by the words from then on, too.
    redefine(call, name, skips, |made| {
        for word in words {
            made.synonyms.add(folded(word), group);
        }
        Ok(())
    })
}

pub const DUMP: Command = Command {
    name: "ft.syndump",
    summary: "Dumps the contents of a synonym group",
    cost: "O(1)",
    since: "1.2.0",
    flags: &[ReadOnly],
    run: Run::Read(dump),
    ..LOOKS
};

fn dump(call: &mut ReadCall<'_>) -> Done {
    let [name] = call.args.rest() else {
        return Err(wrong_arity("FT.SYNDUMP"));
    };
    rights::check(call.server, call.user, name)?;
    let index = call.server.search.frozen(name, !call.parts);
    let index = index.ok_or(Fail::code("Unknown index name"))?;
    let synonyms = &index.definition.synonyms;
    call.out.map(synonyms.words_len());
    for word in synonyms.words() {
        let groups: Vec<&[u8]> = synonyms.of(word).collect();
        call.out.bulk(word);
        call.out.array(groups.len());
        groups.iter().for_each(|group| call.out.bulk(group));
    }
    Ok(Flow::Done)
}
