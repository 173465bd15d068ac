//! MODULE: nothing is loaded. LIST names what is built in here and a module elsewhere, to those who ask at connect.

use crate::command::Flag::{Admin, NoScript};
use crate::command::{Command, Done, Flow, Run, SessionCall, help, modules};

pub const MODULE: Command = Command {
    name: "module",
    summary: "Tells which modules are loaded",
    cost: "Depends on subcommand.",
    since: "4.0.0",
    run: Run::Container,
    subcommands: &[&HELP, &LIST],
    ..Command::PLAIN
};

const HELP: Command = Command {
    since: "5.0.0",
    ..help::HELP
};

const LIST: Command = Command {
    name: "list",
    summary: "Returns the modules of other servers that are built in",
    cost: "O(N) where N is the number of loaded modules.",
    since: "4.0.0",
    flags: &[Admin, NoScript],
    run: Run::Session(list),
    tips: &["nondeterministic_output_order"],
    ..Command::PLAIN
};

fn list(call: &mut SessionCall<'_>) -> Done {
    modules::list(call.out);
    Ok(Flow::Done)
}
