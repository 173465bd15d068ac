//! CLUSTER's orders: each is checked and carried out by the cluster's state, which knows why it is refused.

use std::time::Duration;

use super::clustering;
use crate::cluster::{Cluster, FailoverWay, Moment, OrderRefused, SLOTS};
use crate::command::{Args, Done, Fail, Flow, KeyTransfer, SessionCall};
use crate::engine::{ShardKey, ShardSet};
use crate::state::clustering::BUS_PORT_ABOVE;
use crate::state::shared::Shared;
use crate::util::number;

const BAD_SLOT: Fail = Fail::Says("Invalid or out of range slot");

/// Gives an order.
fn order<T>(
    server: &Shared,
    give: impl FnOnce(&mut Cluster, Moment) -> Result<T, OrderRefused>,
) -> Result<T, Fail> {
    order_with(server, give, None)
}

/// Gives an order, and lets go what the caller holds once requests see that it was carried out.
fn order_with<T>(
    server: &Shared,
    give: impl FnOnce(&mut Cluster, Moment) -> Result<T, OrderRefused>,
    let_go: Option<&mut dyn FnMut()>,
) -> Result<T, Fail> {
    let clustering = clustering(server)?;
    if server.config.cluster_lone_node.get() {
        return Err(Fail::Says(
            "This node is all of its cluster (cluster-lone-node is yes), and takes no such order",
        ));
    }
    let given = server.in_cluster_with(clustering, give, let_go);
    given.map_err(|OrderRefused(why)| Fail::said(why))
}

/// Gives an order, and answers.
fn ordered(
    call: &mut SessionCall<'_>,
    give: impl FnOnce(&mut Cluster, Moment) -> Result<(), OrderRefused>,
) -> Done {
    order(call.server, give)?;
    call.out.ok();
    Ok(Flow::Done)
}

pub fn slot(text: &[u8]) -> Result<u16, Fail> {
    let number = number::parse_i64(text).and_then(|number| u16::try_from(number).ok());
    let slot = number.filter(|slot| usize::from(*slot) < SLOTS);
    slot.ok_or(BAD_SLOT)
}

fn some_slots(call: &mut SessionCall<'_>) -> Result<Vec<(u16, u16)>, Fail> {
    clustering(call.server)?;
    let one = |text: &&[u8]| slot(text).map(|slot| (slot, slot));
    call.args.rest().iter().map(one).collect()
}

fn some_ranges(call: &mut SessionCall<'_>) -> Result<Vec<(u16, u16)>, Fail> {
    clustering(call.server)?;
    if !call.args.len().is_multiple_of(2) {
        return Err(Fail::arity(&call.entry.full_name));
    }
    let mut ranges = Vec::new();
    while !call.args.is_empty() {
        ranges.push(range(call.args.next()?, call.args.next()?)?);
    }
    Ok(ranges)
}

pub fn range(first: &[u8], last: &[u8]) -> Result<(u16, u16), Fail> {
    let (first, last) = (slot(first)?, slot(last)?);
    if first > last {
        return Err(Fail::said(format!(
            "start slot number {first} is greater than end slot number {last}"
        )));
    }
    Ok((first, last))
}

/// Between two looks whether keys have gone.
const PATIENCE: Duration = Duration::from_millis(5);
const REMAINS: Fail = Fail::Says(
    "Keys that the slot had here before are still being deleted, which transactions and scripts can't wait for",
);

/// Gives an order that may bring slots here. Where something remains of a time when they were this node's before, which the
/// order tells by false, it waits until that has gone.
fn bring(
    call: &mut SessionCall<'_>,
    give: impl Fn(&Shared) -> Result<bool, Fail> + Send + 'static,
) -> Done {
    if give(call.server)? {
        call.out.ok();
        return Ok(Flow::Done);
    }
    if call.session.began_us != 0 {
        return Err(REMAINS);
    }
    let wait = move |server: &Shared| {
        while !give(server)? {
            if server.stop.is_cancelled() {
                return Err(REMAINS);
            }
            std::thread::sleep(PATIENCE);
        }
        Ok(())
    };
    Ok(KeyTransfer::of_none(wait))
}

/// An order that brings slots here, unless something remains there of a time when they were this node's before.
fn unless_remains<T>(
    slots: &[(u16, u16)],
    give: impl FnOnce(&mut Cluster) -> Result<T, OrderRefused>,
) -> impl FnOnce(&mut Cluster, Moment) -> Result<bool, OrderRefused> {
    |cluster, _| match cluster.has_remains(slots) {
        true => Ok(false),
        false => give(cluster).map(|_| true),
    }
}

fn add(call: &mut SessionCall<'_>, slots: Vec<(u16, u16)>) -> Done {
    bring(call, move |server| {
        let give = |cluster: &mut Cluster| cluster.add_slots(&slots);
        order(server, unless_remains(&slots, give))
    })
}

pub fn add_slots(call: &mut SessionCall<'_>) -> Done {
    let slots = some_slots(call)?;
    add(call, slots)
}

pub fn add_ranges(call: &mut SessionCall<'_>) -> Done {
    let ranges = some_ranges(call)?;
    add(call, ranges)
}

pub fn del_slots(call: &mut SessionCall<'_>) -> Done {
    let slots = some_slots(call)?;
    ordered(call, |cluster, _| cluster.del_slots(&slots))
}

pub fn del_ranges(call: &mut SessionCall<'_>) -> Done {
    let ranges = some_ranges(call)?;
    ordered(call, |cluster, _| cluster.del_slots(&ranges))
}

pub fn flush_slots(call: &mut SessionCall<'_>) -> Done {
    let has_keys = call.server.has_keys();
    ordered(call, |cluster, _| cluster.flush_slots(has_keys))
}

pub fn bump_epoch(call: &mut SessionCall<'_>) -> Done {
    let bumped = order(call.server, |cluster, _| Ok(cluster.bump_epoch()));
    let (bumped, epoch) = bumped?;
    let word = if bumped { "BUMPED" } else { "STILL" };
    call.out.simple(&format!("{word} {epoch}"));
    Ok(Flow::Done)
}

pub fn set_config_epoch(call: &mut SessionCall<'_>) -> Done {
    clustering(call.server)?;
    let epoch = call.args.int()?;
    ordered(call, |cluster, _| cluster.set_config_epoch(epoch))
}

pub fn failover(call: &mut SessionCall<'_>) -> Done {
    clustering(call.server)?;
    let way = if call.args.is_empty() {
        FailoverWay::Agreed
    } else if call.args.word("FORCE") {
        FailoverWay::Force
    } else if call.args.word("TAKEOVER") {
        FailoverWay::Takeover
    } else {
        return Err(Fail::SYNTAX);
    };
    no_more(&call.args)?;
    ordered(call, |cluster, moment| cluster.failover(way, moment))
}

/// An argument too many, as Redis says it of these.
pub fn no_more(args: &Args<'_>) -> Result<(), Fail> {
    match args.is_empty() {
        true => Ok(()),
        false => Err(bad_count(args)),
    }
}

/// What a subcommand says that counts its arguments itself.
pub fn bad_count(args: &Args<'_>) -> Fail {
    Fail::said(format!(
        "unknown subcommand or wrong number of arguments for '{}'. Try CLUSTER HELP.",
        String::from_utf8_lossy(args.all()[1])
    ))
}

pub fn forget(call: &mut SessionCall<'_>) -> Done {
    let id = call.args.next()?;
    ordered(call, |cluster, moment| cluster.forget(id, moment))
}

pub fn replicate(call: &mut SessionCall<'_>) -> Done {
    clustering(call.server)?;
    if call.args.len() == 2 {
        if !(call.args.word("NO") && call.args.word("ONE")) {
            return Err(bad_count(&call.args));
        }
        return ordered(call, |cluster, _| {
            cluster.leave_master();
            Ok(())
        });
    }
    let id = call.args.next()?;
    no_more(&call.args)?;
    let has_keys = call.server.has_keys();
    ordered(call, |cluster, _| cluster.replicate(id, has_keys))
}

pub fn reset(call: &mut SessionCall<'_>) -> Done {
    clustering(call.server)?;
    let hard = call.args.word("HARD");
    if !hard && !call.args.is_empty() && !call.args.word("SOFT") {
        return Err(Fail::SYNTAX);
    }
    no_more(&call.args)?;
    let has_keys = call.server.has_keys();
    ordered(call, |cluster, _| cluster.reset(hard, has_keys))
}

pub fn save(call: &mut SessionCall<'_>) -> Done {
    let (server, clustering) = (call.server, clustering(call.server)?);
    if let Err(error) = clustering.save(&server.store.disk) {
        return Err(Fail::said(format!(
            "error saving the cluster node config: {error}"
        )));
    }
    call.out.ok();
    Ok(Flow::Done)
}

pub fn meet(call: &mut SessionCall<'_>) -> Done {
    clustering(call.server)?;
    let (ip, base) = (call.args.next()?, call.args.next()?);
    let bad = |what: &str, text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        Fail::said(format!("Invalid {what} port specified: {text}"))
    };
    let port = number::parse_i64(base).ok_or_else(|| bad("base", base))?;
    let bus = match call.args.peek() {
        None => port.saturating_add(BUS_PORT_ABOVE),
        Some(text) => number::parse_i64(text).ok_or_else(|| bad("bus", text))?,
    };
    let ip = String::from_utf8_lossy(ip);
    let (Ok(port), Ok(bus)) = (u16::try_from(port), u16::try_from(bus)) else {
        let base = String::from_utf8_lossy(base);
        return Err(Fail::said(format!(
            "Invalid node address specified: {ip}:{base}"
        )));
    };
    ordered(call, |cluster, moment| cluster.meet(&ip, port, bus, moment))
}

const BAD_SETSLOT: Fail =
    Fail::Says("Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP");

/// What becomes of a slot.
enum SlotChange {
    Stable,
    Migrating(Vec<u8>),
    Importing(Vec<u8>),
    Node(Vec<u8>),
}

fn slot_order(args: &mut Args<'_>) -> Result<SlotChange, Fail> {
    if args.word("STABLE") && args.is_empty() {
        return Ok(SlotChange::Stable);
    }
    if args.len() != 2 {
        return Err(BAD_SETSLOT);
    }
    if args.word("MIGRATING") {
        Ok(SlotChange::Migrating(args.next()?.to_vec()))
    } else if args.word("IMPORTING") {
        Ok(SlotChange::Importing(args.next()?.to_vec()))
    } else if args.word("NODE") {
        Ok(SlotChange::Node(args.next()?.to_vec()))
    } else {
        Err(BAD_SETSLOT)
    }
}

pub fn set_slot(call: &mut SessionCall<'_>) -> Done {
    order(call.server, |cluster, _| cluster.check_setslot())?;
    if call.session.began_us != 0 {
        // Whose transaction it is may hold the slot's keys already.
        return Err(Fail::Says(
            "CLUSTER SETSLOT is not allowed in transactions and scripts",
        ));
    }
    let slot = slot(call.args.next()?)?;
    let order = slot_order(&mut call.args)?;
    bring(call, move |server| place(server, slot, &order))
}

/// Gives an order about a slot; false if something remains that must go first.
fn place(server: &Shared, slot: u16, what: &SlotChange) -> Result<bool, Fail> {
    match what {
        SlotChange::Stable => order(server, |cluster, _| cluster.set_stable(slot))?,
        SlotChange::Migrating(to) => order(server, |cluster, _| cluster.set_migrating(slot, to))?,
        SlotChange::Importing(from) => {
            let give = |cluster: &mut Cluster| cluster.set_importing(slot, from);
            return order(server, unless_remains(&[(slot, slot)], give));
        }
        SlotChange::Node(to) => return give_to_node(server, slot, to),
    }
    Ok(true)
}

fn give_to_node(server: &Shared, slot: u16, to: &[u8]) -> Result<bool, Fail> {
    // Held until the slot is the other's, so that no key comes in between.
    let shard = ShardSet::one(ShardKey::shard_of_slot(slot));
    let engine = &server.store.engine;
    let locked = engine.lock_unless(shard, &|| server.scripts.is_busy());
    let locked = locked.ok_or_else(|| server.busy_fail())?;
    let keys = locked.keys_in_slot(slot) as u64;
    let mut locked = Some(locked);
    let give = |cluster: &mut Cluster, _| {
        if cluster.find(to) == Some(cluster.my_place()) && cluster.has_remains(&[(slot, slot)]) {
            return Ok(false);
        }
        cluster.set_slot_node(slot, to, keys).map(|()| true)
    };
    order_with(server, give, Some(&mut || drop(locked.take())))
}
