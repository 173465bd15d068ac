//! Slots that change hands whole, with their keys.

use std::borrow::Cow;

use super::leave::GivenLeave;
use super::node::NodeId;
use super::orders::OrderRefused;
use super::slots::SlotSet;
use super::state::Cluster;

fn refused(why: &'static str) -> OrderRefused {
    OrderRefused(Cow::Borrowed(why))
}

/// Takes slots, whose keys are here, from their owner under an epoch above all others.
pub fn take_over(
    cluster: &mut Cluster,
    slots: &SlotSet,
    from: &NodeId,
) -> Result<(), OrderRefused> {
    if !cluster.me().is_master() {
        return Err(refused("this node is a replica by now"));
    }
    let from = cluster.nodes.find(from);
    let from = from.ok_or(refused("the slots' owner is not known any more"))?;
    if slots.iter().any(|slot| cluster.owner(slot) != Some(from)) {
        return Err(refused("the slots have another owner by now"));
    }
    if slots
        .iter()
        .any(|slot| cluster.importing.contains_key(&slot))
    {
        return Err(refused("a slot has another state by now"));
    }
    let epoch = cluster
        .raise_epoch()
        .ok_or(refused("there is no epoch above the present one"))?;
    cluster.me_mut().config_epoch = epoch;
    for slot in slots.iter() {
        cluster.free_slot(slot);
        cluster.give_slot(slot, cluster.myself);
    }
    tracing::info!("Slots {slots} are this node's under the epoch {epoch}.");
    // The others learn of it as soon as may be.
    cluster.pending.tell_all = true;
    cluster.changed();
    Ok(())
}

/// Other nodes have leave to take slots of this one: the file says so before any of them hears of it. What it says of earlier
/// leave stays until that is seen to.
pub fn give_leave(cluster: &mut Cluster, leaves: Vec<GivenLeave>) {
    for leave in leaves {
        if !cluster.leaves.contains(&leave) {
            cluster.leaves.push(leave);
        }
    }
    cluster.pending.sync = true;
}

/// It is known what came of any other leave than this.
pub fn keep_leaves(cluster: &mut Cluster, leaves: Vec<GivenLeave>) {
    cluster.leaves = leaves;
    cluster.noted();
}

/// This node's master has given this leave, and no other that matters: if this node takes its place, it is in the same doubt.
pub fn hear_leaves(
    cluster: &mut Cluster,
    master: &NodeId,
    leaves: Vec<GivenLeave>,
) -> Result<(), OrderRefused> {
    let me = cluster.me();
    let own = me.master.filter(|_| me.is_replica());
    if own.is_none_or(|at| cluster.nodes[at].id != *master) {
        return Err(refused("this node is no replica of that one"));
    }
    if cluster.leaves != leaves {
        cluster.leaves = leaves;
        cluster.pending.sync = true;
    }
    Ok(())
}

/// Leave of which it isn't known what came of it.
pub fn leaves_given(cluster: &Cluster) -> &[GivenLeave] {
    &cluster.leaves
}

/// Claims this node's slots under an epoch that is above the one that another node may have taken and told nobody.
pub fn claim_anew(cluster: &mut Cluster) {
    if !cluster.me().is_master() {
        return;
    }
    for _ in 0..2 {
        if let Some(epoch) = cluster.raise_epoch() {
            cluster.me_mut().config_epoch = epoch;
        }
    }
    cluster.pending.tell_all = true;
    cluster.changed();
}
