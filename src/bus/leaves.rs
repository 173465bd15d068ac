//! Leave to take slots whole: it is noted in the file of nodes, and told to this node's replicas, before it is given.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::peer::MovePeer;
use crate::cluster::{Cluster, flag, give_leave, hear_leaves};
use crate::persist::JobOutcome;
use crate::state::clustering::Clustering;
use crate::state::moves::{LeaveOrder, MoveSide, MoveState};
use crate::state::shared::Shared;
use crate::util::clock::{self, Timer};

/// Replicas have noted it within this time, or no leave is given: the other node takes the slots soon or not at all.
const TELLING: Duration = Duration::from_secs(2);

/// Does what there is to do whenever it is woken.
pub fn see_to_leaves(shared: &Shared, clustering: &Clustering, woken: Receiver<()>) {
    for () in woken {
        let outcome = |done: Result<(), String>| match done {
            Ok(()) => JobOutcome::Done,
            Err(_) => JobOutcome::Failed,
        };
        match shared.slot_moves.next_leave_order() {
            Some(LeaveOrder::Give { id, told }) => {
                let given = give(shared, clustering, &id);
                let _ = told.send(outcome(given));
            }
            Some(LeaveOrder::Tell) => {
                if let Err(why) = tell_replicas(shared, clustering, || TELLING) {
                    tracing::warn!("A replica may hold slots in doubt that are not: {why}");
                }
            }
            Some(LeaveOrder::Hear {
                master,
                leaves,
                told,
            }) => {
                let hear = |cluster: &mut Cluster, _| hear_leaves(cluster, &master, leaves);
                let heard = shared.in_cluster(clustering, hear);
                let heard = heard.map_err(|refused| refused.0.into_owned());
                let _ = told.send(outcome(heard.and_then(|()| is_kept(shared))));
            }
            None => {}
        }
    }
}

fn give(shared: &Shared, clustering: &Clustering, id: &str) -> Result<(), String> {
    let moves = &shared.slot_moves;
    let note = |cluster: &mut Cluster, _| give_leave(cluster, moves.leaves());
    shared.in_cluster(clustering, note);
    is_kept(shared)?;
    let begun = Timer::start();
    let left = || TELLING.saturating_sub(begun.elapsed());
    let told = tell_replicas(shared, clustering, left);
    if let Err(why) = &told {
        // Nobody has leave yet.
        let now_ms = clock::now_ms();
        moves.end(id, MoveSide::Export, MoveState::Failed, why, now_ms);
        shared.settle_moves(clustering);
    }
    let found = moves.find(id, MoveSide::Export);
    let is_on = found.is_some_and(|one| one.is_unsure());
    told.and_then(|()| {
        is_on
            .then_some(())
            .ok_or_else(|| "the move was ended".into())
    })
}

/// Where the file of nodes can't be written, this server stops.
fn is_kept(shared: &Shared) -> Result<(), String> {
    match shared.stop.is_cancelled() {
        true => Err("the server stops".into()),
        false => Ok(()),
    }
}

/// Tells each replica which leave this node has given, and what went wrong first. Those that are out of reach, as others see
/// them, will not take its place.
fn tell_replicas(
    shared: &Shared,
    clustering: &Clustering,
    patience: impl Fn() -> Duration,
) -> Result<(), String> {
    let view = clustering.view().clone();
    let me = view.me();
    if !me.is_master() {
        return Ok(());
    }
    let lost = flag::FAIL | flag::PFAIL | flag::NO_ADDRESS | flag::HANDSHAKE;
    let leaves = shared.slot_moves.leaves();
    let mut all = Ok(());
    for replica in view.replicas(view.myself).filter(|node| !node.is(lost)) {
        let id = &replica.id;
        let told = MovePeer::connect_within(shared, id, patience())
            .and_then(|mut peer| peer.say_leaves(&me.id, &leaves));
        match told {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!("The replica {id} doesn't know what leave to take slots is.")
            }
            Err(why) => {
                all = all.and(Err(format!("the replica {id} could not be told: {why}")));
            }
        }
    }
    all
}
