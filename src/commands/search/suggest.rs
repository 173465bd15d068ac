//! FT.SUGADD, FT.SUGGET, FT.SUGDEL, FT.SUGLEN: texts that complete what is typed, in a key of their own.

use super::wrong_arity;
use crate::command::Flag::{DenyOom, ReadOnly};
use crate::command::{Arg, Command, Done, Fail, Flow, KeyUse, ReadCall, Run, WriteCall};
use crate::search::Words;
use crate::types::suggestions::{SuggestionWish, Suggestions};
use crate::util::number;

/// What the four have in common.
const OF_KEY: Command = Command {
    since: "1.0.0",
    args: &[
        Arg::key("key", KeyUse::READ_UPDATE),
        Arg::text("arg").optional().many(),
    ],
    arity: Some(-1),
    run: Run::Container,
    ..Command::PLAIN
};

/// Suggestions unless MAX says otherwise.
const COUNT_USUAL: usize = 5;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub const ADD: Command = Command {
    name: "ft.sugadd",
    summary: "Adds a suggestion string to an auto-complete suggestion dictionary",
    cost: "O(1)",
    flags: &[DenyOom],
    run: Run::Write(add),
    ..OF_KEY
};

fn add(call: &mut WriteCall<'_>) -> Done {
    let args = call.args.rest();
    let [key, suggestion, score, rest @ ..] = args else {
        return Err(wrong_arity("FT.SUGADD"));
    };
    let score = number::parse_double(score).ok_or(Fail::code("ERR invalid score"))?;
    let (mut more, mut payload) = (false, None);
    let mut words = Words::new(rest);
    while let Some(word) = words.peek() {
        if words.word("INCR") {
            more = true;
        } else if words.word("PAYLOAD") {
            let none = "Invalid payload: Expected an argument, but none provided";
            payload = Some(words.maybe().ok_or(Fail::code(none))?);
        } else {
            return Err(Fail::code(format!("Unknown argument `{}`", text(word))));
        }
    }
    let mut held = call.db.edit_or_create::<Suggestions>(key)?;
    if held.add(&text(suggestion), score as f32, more, payload) {
        // RediSearch tells of it by no event but that of a new key.
        held.touch_new();
    }
    let count = held.len();
    drop(held);
    call.out.count(count);
    Ok(Flow::Done)
}

pub const GET: Command = Command {
    name: "ft.sugget",
    summary: "Gets completion suggestions for a prefix",
    cost: "O(N)",
    flags: &[ReadOnly],
    run: Run::Read(get),
    ..OF_KEY
};

struct SuggestionReply {
    wish: SuggestionWish,
    with_scores: bool,
    with_payloads: bool,
}

fn options(words: &mut Words<'_>) -> Result<SuggestionReply, Fail> {
    let mut asked = SuggestionReply {
        wish: SuggestionWish {
            edits: 0,
            count: COUNT_USUAL,
            trim: false,
        },
        with_scores: false,
        with_payloads: false,
    };
    while let Some(word) = words.peek() {
        if words.word("FUZZY") {
            asked.wish.edits = 1;
        } else if words.word("WITHSCORES") {
            asked.with_scores = true;
        } else if words.word("WITHPAYLOADS") {
            asked.with_payloads = true;
        } else if words.word("TRIM") {
            asked.wish.trim = true;
        } else if words.word("MAX") {
            let none = Fail::code("MAX: Expected an argument, but none provided");
            let read = number::parse_i64(words.maybe().ok_or(none)?);
            let unread = Fail::code("MAX: Could not convert argument to expected type");
            let within = usize::try_from(read.ok_or(unread)?).ok().filter(|n| *n > 0);
            let outside = Fail::code("MAX: Value is outside acceptable bounds");
            asked.wish.count = within.ok_or(outside)?;
        } else {
            return Err(Fail::code(format!("Unrecognized argument: {}", text(word))));
        }
    }
    Ok(asked)
}

fn get(call: &mut ReadCall<'_>) -> Done {
    let args = call.args.rest();
    let [key, beginning, rest @ ..] = args else {
        return Err(wrong_arity("FT.SUGGET"));
    };
    let asked = options(&mut Words::new(rest))?;
    let Some(held) = call.db.read::<Suggestions>(key)? else {
        call.out.null();
        return Ok(Flow::Done);
    };
    let beginning = text(beginning);
    let found = held.find(&beginning, asked.wish);
    let each = 1 + usize::from(asked.with_scores) + usize::from(asked.with_payloads);
    call.out.array(found.len() * each);
    for (text, score, payload) in found {
        call.out.bulk(text);
        if asked.with_scores {
            call.out.double(f64::from(score));
        }
        if asked.with_payloads {
            match payload {
                Some(payload) => call.out.bulk(payload),
                None => call.out.null(),
            }
        }
    }
    Ok(Flow::Done)
}

pub const DELETE: Command = Command {
    name: "ft.sugdel",
    summary: "Deletes a string from a suggestion index",
    cost: "O(1)",
    run: Run::Write(delete),
    ..OF_KEY
};

fn delete(call: &mut WriteCall<'_>) -> Done {
    let [key, suggestion] = call.args.rest() else {
        return Err(wrong_arity("FT.SUGDEL"));
    };
    let mut gone = false;
    if let Some(mut held) = call.db.edit::<Suggestions>(key)? {
        gone = held.remove(&text(suggestion));
        if gone {
            held.touch();
        }
    }
    call.out.int(i64::from(gone));
    Ok(Flow::Done)
}

pub const LEN: Command = Command {
    name: "ft.suglen",
    summary: "Gets the size of an auto-complete suggestion dictionary",
    cost: "O(1)",
    flags: &[ReadOnly],
    run: Run::Read(len),
    ..OF_KEY
};

fn len(call: &mut ReadCall<'_>) -> Done {
    let [key] = call.args.rest() else {
        return Err(wrong_arity("FT.SUGLEN"));
    };
    let held = call.db.read::<Suggestions>(key)?;
    call.out.count(held.map_or(0, Suggestions::len));
    Ok(Flow::Done)
}
