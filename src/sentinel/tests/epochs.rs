//! Epochs that strangers name, and ports at which nobody is.

use super::super::sim::{MASTER, SentinelWorld, id_of};
use super::lone;

/// The highest one that is believed of anybody.
const EPOCH_MAX: u64 = u32::MAX as u64;

fn hello(id: usize, epoch: u64, master_epoch: u64) -> Vec<u8> {
    let id = id_of(id);
    format!("10.0.0.5,26000,{id},{epoch},{MASTER},10.0.0.1,6000,{master_epoch}").into_bytes()
}

#[test]
fn no_stranger_ends_failovers_by_an_epoch_that_can_not_grow() {
    let highest = i64::MAX as u64;
    for (epoch, master_epoch) in [
        (highest, 0),
        (0, highest),
        (highest, highest),
        (EPOCH_MAX + 70_000, 0),
        (EPOCH_MAX, 0),
        (0, EPOCH_MAX),
        (EPOCH_MAX, EPOCH_MAX),
    ] {
        let mut world = SentinelWorld::new(3, 3, 2, 5);
        world.until("all know all", |world| world.all_know(2));
        world.run(11_000);
        for at in 0..3 {
            world.with(at, |sentinel| {
                // One that is known says it, so that nobody is voted for who isn't there.
                sentinel.take_hello(&hello((at + 1) % 3 + 1, epoch, master_epoch));
                sentinel.is_master_down("10.0.0.1", 6000, epoch, &id_of(9))
            });
        }
        world.servers[0].up = false;
        world.until("all agree on another master", |world| {
            world.master_of(0) != 0 && (1..3).all(|at| world.master_of(at) == world.master_of(0))
        });
        let epochs: Vec<String> = (0..3).map(|at| world.field(at, "config-epoch")).collect();
        assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
    }
}

#[test]
fn who_asks_for_a_vote_in_an_epoch_that_is_not_believed_gets_none() {
    let mut sentinel = lone();
    let mut ask = |epoch| sentinel.is_master_down("127.0.0.1", 6379, epoch, &id_of(1));
    assert_eq!(ask(i64::MAX as u64), (false, None, 0));
    assert_eq!(ask(EPOCH_MAX + 70_000), (false, None, 0));
    assert_eq!(ask(EPOCH_MAX), (false, Some(id_of(1)), EPOCH_MAX));
    // From there on it goes in steps.
    let next = EPOCH_MAX + 60_000;
    assert_eq!(ask(next), (false, Some(id_of(1)), next));
}

#[test]
fn nobody_is_at_port_zero() {
    let mut sentinel = lone();
    let id = id_of(1);
    for hello in [
        format!("127.0.0.1,0,{id},0,m,127.0.0.1,6379,0"),
        format!("127.0.0.1,x,{id},0,m,127.0.0.1,6379,0"),
        format!("127.0.0.1,65536,{id},0,m,127.0.0.1,6379,0"),
        format!("127.0.0.1,1,{id},9,m,127.0.0.1,0,9"),
        format!("127.0.0.1,1,{id},9,m,127.0.0.1,-1,9"),
    ] {
        sentinel.take_hello(hello.as_bytes());
        assert_eq!(sentinel.finish().list, [], "{hello}");
    }
    assert_eq!(
        sentinel.sentinels("m").unwrap(),
        [] as [super::super::Fields; 0]
    );
}
