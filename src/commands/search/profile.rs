//! FT.PROFILE.

use super::measured::SearchProfile;
use super::{SEARCHES, aggregate, find, wrong_arity};
use crate::command::Flag::ReadOnly;
use crate::command::{Command, Done, Fail, ReadCall, Run};

pub const PROFILE: Command = Command {
    name: "ft.profile",
    summary: "Performs a FT.SEARCH or FT.AGGREGATE command and collects performance information",
    cost: "O(N)",
    since: "2.2.0",
    flags: &[ReadOnly],
    run: Run::Read(profile),
    ..SEARCHES
};

fn profile(call: &mut ReadCall<'_>) -> Done {
    let args = call.args.rest();
    let [name, kind, rest @ ..] = args else {
        return Err(wrong_arity("FT.PROFILE"));
    };
    let (limited, rest) = match rest {
        [word, rest @ ..] if word.eq_ignore_ascii_case(b"LIMITED") => (true, rest),
        rest => (false, rest),
    };
    let [word, query @ ..] = rest else {
        return Err(wrong_arity("FT.PROFILE"));
    };
    if query.is_empty() {
        return Err(wrong_arity("FT.PROFILE"));
    }
    let aggregates = kind.eq_ignore_ascii_case(b"AGGREGATE");
    if !aggregates && !kind.eq_ignore_ascii_case(b"SEARCH") {
        return Err(Fail::code("No `SEARCH` or `AGGREGATE` provided"));
    }
    if !word.eq_ignore_ascii_case(b"QUERY") {
        return Err(Fail::code("The QUERY keyword is expected"));
    }
    let profile = Some(SearchProfile::begin(limited));
    match aggregates {
        true => aggregate::run(call, name, query, profile),
        false => find::run(call, name, query, profile),
    }
}
