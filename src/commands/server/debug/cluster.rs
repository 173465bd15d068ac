//! DEBUG of a cluster's bus: frames that are not heard, and connections that break.

use std::sync::atomic::Ordering;

use super::ok;
use crate::cluster::LinkEnd;
use crate::command::{Done, Fail, WriteCall};
use crate::state::clustering::Clustering;

fn clustering<'c>(call: &WriteCall<'c>) -> Result<&'c Clustering, Fail> {
    call.server.clustering.as_ref().ok_or(Fail::Says(
        "Debug option only available for cluster mode enabled setup!",
    ))
}

pub fn drop_frames(call: &mut WriteCall<'_>) -> Done {
    let kind = call.args.int()?;
    if let Some(clustering) = &call.server.clustering {
        let server = call.server;
        server.in_cluster(clustering, |cluster, _| cluster.leave_unheard(kind));
    }
    ok(call)
}

pub fn kill_links(call: &mut WriteCall<'_>) -> Done {
    if !call.args.word("KILL") {
        return Err(Fail::SYNTAX);
    }
    let on = clustering(call)?;
    let (direction, id) = (call.args.next()?, call.args.next()?);
    let said =
        |what: &str, text: &[u8]| Fail::said(format!("{what} {}", String::from_utf8_lossy(text)));
    let ends: &[LinkEnd] = match direction.to_ascii_lowercase().as_slice() {
        b"from" => &[LinkEnd::Inbound],
        b"to" => &[LinkEnd::Own],
        b"all" => &[LinkEnd::Own, LinkEnd::Inbound],
        _ => return Err(said("Unknown direction", direction)),
    };
    let known = call.server.in_cluster(on, |cluster, _| {
        let found = cluster.find(id);
        found.map(|at| cluster.break_links(at, ends))
    });
    match known {
        Some(()) => ok(call),
        None => Err(said("Unknown node", id)),
    }
}

/// Valkey's tests have the word, too.
pub fn stay(call: &mut WriteCall<'_>) -> Done {
    if !call.args.word("PREVENT-PAUSE") {
        return Err(Fail::SYNTAX);
    }
    let on = call.args.int()? != 0;
    let moves = &call.server.slot_moves;
    moves.stays.store(on, Ordering::Relaxed);
    ok(call)
}
