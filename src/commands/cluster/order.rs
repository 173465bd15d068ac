//! CLUSTER's orders: each is checked and carried out by the cluster's state, which knows why it is refused.

use super::clustering;
use crate::cluster::{Cluster, FailoverWay, Moment, OrderRefused, SLOTS};
use crate::command::clustering::BUS_PORT_ABOVE;
use crate::command::shared::Shared;
use crate::command::{Args, Done, Fail, Flow, SessionCall};
use crate::engine::{ShardKey, ShardSet};
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

fn slot(text: &[u8]) -> Result<u16, Fail> {
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
        let (first, last) = (slot(call.args.next()?)?, slot(call.args.next()?)?);
        if first > last {
            return Err(Fail::said(format!(
                "start slot number {first} is greater than end slot number {last}"
            )));
        }
        ranges.push((first, last));
    }
    Ok(ranges)
}

pub fn add_slots(call: &mut SessionCall<'_>) -> Done {
    let slots = some_slots(call)?;
    ordered(call, |cluster, _| cluster.add_slots(&slots))
}

pub fn add_ranges(call: &mut SessionCall<'_>) -> Done {
    let ranges = some_ranges(call)?;
    ordered(call, |cluster, _| cluster.add_slots(&ranges))
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
    no_more(call)?;
    ordered(call, |cluster, moment| cluster.failover(way, moment))
}

/// An argument too many, as Redis says it of these.
fn no_more(call: &SessionCall<'_>) -> Result<(), Fail> {
    match call.args.is_empty() {
        true => Ok(()),
        false => Err(bad_count(&call.args)),
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
    let id = call.args.next()?;
    let has_keys = call.server.has_keys();
    ordered(call, |cluster, _| cluster.replicate(id, has_keys))
}

pub fn reset(call: &mut SessionCall<'_>) -> Done {
    clustering(call.server)?;
    let hard = call.args.word("HARD");
    if !hard && !call.args.is_empty() && !call.args.word("SOFT") {
        return Err(Fail::SYNTAX);
    }
    no_more(call)?;
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

pub fn set_slot(call: &mut SessionCall<'_>) -> Done {
    let server = call.server;
    order(server, |cluster, _| cluster.check_setslot())?;
    if call.session.began_us != 0 {
        // Whose transaction it is may hold the slot's keys already.
        return Err(Fail::Says(
            "CLUSTER SETSLOT is not allowed in transactions and scripts",
        ));
    }
    let slot = slot(call.args.next()?)?;
    if call.args.word("STABLE") && call.args.is_empty() {
        order(server, |cluster, _| cluster.set_stable(slot))?;
    } else if call.args.len() != 2 {
        return Err(BAD_SETSLOT);
    } else if call.args.word("MIGRATING") {
        let to = call.args.next()?;
        order(server, |cluster, _| cluster.set_migrating(slot, to))?;
    } else if call.args.word("IMPORTING") {
        let from = call.args.next()?;
        order(server, |cluster, _| cluster.set_importing(slot, from))?;
    } else if call.args.word("NODE") {
        let to = call.args.next()?;
        // Held until the slot is the other's, so that no key comes in between.
        let shard = ShardSet::one(ShardKey::shard_of_slot(slot));
        let engine = &server.store.engine;
        let locked = engine.lock_unless(shard, &|| server.scripts.is_busy());
        let locked = locked.ok_or_else(|| server.busy_fail())?;
        let keys = locked.keys_in_slot(slot) as u64;
        let mut locked = Some(locked);
        let give = |cluster: &mut Cluster, _| cluster.set_slot_node(slot, to, keys);
        order_with(server, give, Some(&mut || drop(locked.take())))?;
    } else {
        return Err(BAD_SETSLOT);
    }
    call.out.ok();
    Ok(Flow::Done)
}
