//! What becomes of what a handler asks for where it is one of several commands: in a transaction, and in a script.

use super::unit::Unit;
use crate::command::session::Session;
use crate::command::{Fail, Flow};
use crate::resp::Reply;
use crate::state::shared::Shared;

/// Answers for what would wait, were it not one of several commands: nothing blocks, and not finding anything is the reply.
/// Returns what else was asked for.
fn settle_waits(shared: &Shared, flow: Flow, out: &mut Reply) -> Flow {
    match flow {
        Flow::Park(park) => park.on_timeout.write_denied(out),
        Flow::Acks(wish) => {
            let count = wish.acks.count(&shared.replication, &shared.journal);
            out.raw(&wish.acks.reply(count));
        }
        // The job goes on beside.
        Flow::Wait(_) => out.ok(),
        Flow::Stall(time) => std::thread::sleep(time),
        other => return other,
    }
    Flow::Done
}

/// What becomes of what a handler asked for: in a transaction nothing blocks, and not finding anything is the reply.
pub(super) fn settle_in_exec(
    shared: &Shared,
    session: &mut Session,
    argv: &[&[u8]],
    flow: Flow,
    unit: &mut Unit<'_>,
    out: &mut Reply,
) -> Result<(), Fail> {
    match settle_waits(shared, flow, out) {
        Flow::LogAlone => unit.effects.record(session.db, argv),
        Flow::TellReplicas => unit.effects.tell_replicas(session.db, argv),
        // It would lock what the transaction holds.
        Flow::Reload(_) => {
            return Err(Fail::Says("Reloading is not allowed in transactions"));
        }
        Flow::Close => session.leaves = true,
        Flow::Done => {}
        // What waits was answered for, and scripts have run; of the others, none is queued, or nothing more comes of it here.
        Flow::Park(_)
        | Flow::Acks(_)
        | Flow::Wait(_)
        | Flow::Stall(_)
        | Flow::Script(_)
        | Flow::Exec
        | Flow::Discard
        | Flow::Watch
        | Flow::Unwatch
        | Flow::Reset
        | Flow::Shutdown(_)
        | Flow::Replica(_)
        | Flow::Rest(_)
        | Flow::Transfer(_)
        | Flow::Names(_)
        | Flow::Prepare(_)
        | Flow::Whole => {}
    }
    Ok(())
}

/// What becomes of what a handler asked for: in a script nothing blocks, and not finding anything is the reply.
pub(super) fn settle_for_script(shared: &Shared, flow: Flow, out: &mut Reply) -> Result<(), Fail> {
    match settle_waits(shared, flow, out) {
        // What replicas are to hear was recorded.
        Flow::Done | Flow::LogAlone | Flow::TellReplicas => {}
        // What waits was answered for. The others come only where scripts may call what they may not (DEBUG
        // set-disable-deny-scripts): nothing more comes of them.
        Flow::Park(_)
        | Flow::Acks(_)
        | Flow::Wait(_)
        | Flow::Stall(_)
        | Flow::Exec
        | Flow::Discard
        | Flow::Watch
        | Flow::Unwatch
        | Flow::Reset
        | Flow::Close
        | Flow::Shutdown(_)
        | Flow::Reload(_)
        | Flow::Script(_)
        | Flow::Replica(_)
        | Flow::Rest(_)
        | Flow::Transfer(_)
        | Flow::Names(_)
        | Flow::Prepare(_)
        | Flow::Whole => {}
    }
    Ok(())
}
