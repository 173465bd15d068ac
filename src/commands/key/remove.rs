//! DEL and UNLINK, which are one here: no value is freed on a client's time.

use crate::command::Flag::Fast;
use crate::command::{Arg, Command, Done, Flow, KeyUse, Run, WriteCall};

pub const DEL: Command = Command {
    name: "del",
    summary: "Removes keys",
    cost: "O(N) for N keys",
    args: &[Arg::key("key", KeyUse::REMOVE).many()],
    run: Run::Write(del),
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    ..Command::PLAIN
};

pub const UNLINK: Command = Command {
    name: "unlink",
    summary: "Removes keys; their memory is freed in the background",
    cost: "O(N) for N keys",
    since: "4.0.0",
    flags: &[Fast],
    args: &[Arg::key("key", KeyUse::REMOVE).many()],
    run: Run::Write(del),
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    ..Command::PLAIN
};

fn del(call: &mut WriteCall<'_>) -> Done {
    let mut removed = 0;
    for key in call.args.rest() {
        removed += usize::from(call.db.delete(key));
    }
    call.out.count(removed);
    Ok(Flow::Done)
}
