//! MONITOR: every command that runs, as it runs.

use crate::command::Flag::{Admin, Loading, NoScript, Stale};
use crate::command::{Command, Done, Flow, Run, SessionCall};

pub const MONITOR: Command = Command {
    name: "monitor",
    summary: "Shows all commands to this connection from now on",
    flags: &[Admin, NoScript, Loading, Stale],
    run: Run::Session(monitor),
    ..Command::PLAIN
};

fn monitor(call: &mut SessionCall<'_>) -> Done {
    let session = &mut *call.session;
    // A second MONITOR is not even answered, as in Redis.
    if !session.monitor {
        session.monitor = true;
        session.publish_profile();
        call.server
            .monitors
            .add(session.client.id, session.client.mailbox.clone());
        call.out.ok();
    }
    Ok(Flow::Done)
}
