//! Sums that must hold at every moment of a long load, and elements that must come out once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};
use std::thread;

use fastrand::Rng;

use crate::common::{Client, Server, Value, encode};

const ACCOUNTS: usize = 8;
const OPENING: i64 = 1000;
const MOVERS: u64 = 6;
const READERS: usize = 4;
const TRANSFERS_EACH: usize = 400;
const PUSHERS: i64 = 4;
const POPPERS: usize = 8;
const PUSHES_EACH: i64 = 300;

#[test]
fn money_moved_in_transactions_always_sums_up_the_same() {
    let server = Server::start(&["--io-threads", "4"]);
    let accounts: Vec<String> = (0..ACCOUNTS).map(|n| format!("account{n}")).collect();
    let mut client = server.client();
    for account in &accounts {
        client.ask(&format!("SET {account} {OPENING}"));
    }
    let moving = AtomicI64::new(MOVERS as i64);
    thread::scope(|scope| {
        for mover in 0..MOVERS {
            let (server, accounts, moving) = (&server, &accounts, &moving);
            scope.spawn(move || {
                let (mut client, mut rng) = (server.client(), Rng::with_seed(mover));
                for _ in 0..TRANSFERS_EACH {
                    let from = &accounts[rng.usize(..ACCOUNTS)];
                    let to = &accounts[rng.usize(..ACCOUNTS)];
                    let amount = rng.u8(1..50).to_string();
                    let mut bytes = encode(&["MULTI"]);
                    bytes.extend(encode(&["DECRBY", from, &amount]));
                    bytes.extend(encode(&["INCRBY", to, &amount]));
                    bytes.extend(encode(&["EXEC"]));
                    client.send(&bytes).expect("sent");
                    for _ in 0..4 {
                        client.receive().expect("a reply");
                    }
                }
                moving.fetch_sub(1, SeqCst);
            });
        }
        for reader in 0..READERS {
            let (server, accounts, moving) = (&server, &accounts, &moving);
            scope.spawn(move || {
                let mut client = server.client();
                while moving.load(SeqCst) > 0 {
                    let total = if reader % 2 == 0 {
                        total_by_mget(&mut client, accounts)
                    } else {
                        total_by_multi(&mut client, accounts)
                    };
                    assert_eq!(
                        total,
                        OPENING * ACCOUNTS as i64,
                        "a reader saw half a transfer"
                    );
                }
            });
        }
    });
    assert_eq!(
        total_by_mget(&mut client, &accounts),
        OPENING * ACCOUNTS as i64
    );
}

fn total_by_mget(client: &mut Client, accounts: &[String]) -> i64 {
    client
        .ask(&format!("MGET {}", accounts.join(" ")))
        .items()
        .iter()
        .map(Value::int)
        .sum()
}

fn total_by_multi(client: &mut Client, accounts: &[String]) -> i64 {
    client.ask("MULTI");
    for account in accounts {
        client.ask(&format!("GET {account}"));
    }
    client.ask("EXEC").items().iter().map(Value::int).sum()
}

/// Poppers wait with timeouts and now and then hang up while they wait. An element handed to a
/// connection that is gone is lost with it, as in Redis: so those elements may be missing, at
/// most one for each hang-up, but nothing comes out twice and nothing stays behind.
#[test]
fn every_pushed_element_is_popped_once() {
    let server = Server::start(&["--io-threads", "4"]);
    let pushing = AtomicI64::new(PUSHERS);
    let hung_up = AtomicI64::new(0);
    let over = AtomicBool::new(false);
    let popped: Vec<i64> = thread::scope(|scope| {
        for pusher in 0..PUSHERS {
            let (server, pushing) = (&server, &pushing);
            scope.spawn(move || {
                let mut client = server.client();
                for at in 0..PUSHES_EACH {
                    let line = format!("RPUSH jobs{} {}", at % 2, pusher * PUSHES_EACH + at);
                    client.ask(&line);
                }
                pushing.fetch_sub(1, SeqCst);
            });
        }
        let poppers: Vec<_> = (0..POPPERS)
            .map(|popper| {
                let (server, pushing, hung_up, over) = (&server, &pushing, &hung_up, &over);
                scope.spawn(move || {
                    let (mut client, mut rng) = (server.client(), Rng::with_seed(popper as u64));
                    let mut mine = Vec::new();
                    while !over.load(SeqCst) {
                        if rng.u8(..40) == 0 && pushing.load(SeqCst) > 0 {
                            client
                                .send(&encode(&["BLPOP", "jobs0", "jobs1", "1"]))
                                .expect("sent");
                            hung_up.fetch_add(1, SeqCst);
                            client = server.client();
                        }
                        match client.ask("BLPOP jobs0 jobs1 0.05") {
                            Value::Array(pair) => mine.push(pair[1].int()),
                            _ if pushing.load(SeqCst) == 0 => over.store(true, SeqCst),
                            _ => {}
                        }
                    }
                    mine
                })
            })
            .collect();
        poppers
            .into_iter()
            .flat_map(|popper| popper.join().expect("a popper"))
            .collect()
    });
    let mut times: BTreeMap<i64, usize> = BTreeMap::new();
    for element in popped {
        *times.entry(element).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "popped more than once: {twice:?}");
    let lost = PUSHERS * PUSHES_EACH - times.len() as i64;
    let hung_up = hung_up.load(SeqCst);
    assert!(
        lost <= hung_up,
        "{lost} elements lost, but only {hung_up} clients hung up"
    );
    assert_eq!(
        server.client().ask("EXISTS jobs0 jobs1").int(),
        0,
        "elements stay behind"
    );
}
