//! A node's keys by slots: the counts are exact, and every key of a slot is listed, whatever is done to the keys.

use std::collections::BTreeMap;

use crate::common::{Client, our_server};
use crate::node::{node, words};

fn by_slot(client: &mut Client) -> BTreeMap<i64, Vec<String>> {
    let mut slots: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for key in client.ask("KEYS *").items() {
        let key = key.text();
        let slot = client.ask(&format!("CLUSTER KEYSLOT {key}")).int();
        slots.entry(slot).or_default().push(key);
    }
    slots
}

fn agrees(client: &mut Client) {
    let slots = by_slot(client);
    for (slot, keys) in &slots {
        let count = client.ask(&format!("CLUSTER COUNTKEYSINSLOT {slot}")).int();
        assert_eq!(count as usize, keys.len(), "slot {slot}");
        for max in [keys.len() + 5, 1] {
            let listed = client.ask(&format!("CLUSTER GETKEYSINSLOT {slot} {max}"));
            let listed: Vec<String> = listed.items().iter().map(|key| key.text()).collect();
            assert_eq!(listed.len(), max.min(keys.len()));
            assert!(listed.iter().all(|key| keys.contains(key)));
        }
    }
    let stats = client.ask("CLUSTER SLOT-STATS ORDERBY KEY-COUNT");
    let counted: i64 = stats
        .items()
        .iter()
        .map(|row| row.items()[1].items()[1].int())
        .sum();
    assert_eq!(counted, client.ask("DBSIZE").int());
    // It looks at every entry of every shard, and panics at what doesn't hold.
    assert_eq!(client.ask("DEBUG DIGEST").text().len(), 40);
}

#[test]
fn counts_follow_whatever_is_done() {
    let server = node(&our_server(), &["--cluster-lone-node", "yes"]);
    let mut client = server.client();
    for n in 0..400 {
        client.ask(&format!("SET key:{n} {n}"));
        client.ask(&format!("RPUSH {{tag:{}}}:{n} a b", n % 3));
    }
    agrees(&mut client);
    for n in (0..400).step_by(3) {
        client.ask(&format!("DEL key:{n}"));
        client.ask(&format!("RENAME {{tag:{}}}:{n} moved:{n}", n % 3));
        client.ask(&format!("LPOP moved:{n} 5"));
    }
    agrees(&mut client);
    client.ask("MSET x 1 y 2 z 3");
    client.ask("PEXPIRE x 1");
    crate::common::eventually("x has died", || client.ask("EXISTS x").int() == 0);
    client.ask("COPY y w");
    client.ask("MULTI");
    client.ask("SET q 1");
    client.ask("UNLINK z y");
    client.ask("EXEC");
    agrees(&mut client);
    assert_eq!(client.ask("SAVE").text(), "OK");
    assert_eq!(client.ask("DEBUG RELOAD").text(), "OK");
    agrees(&mut client);
    assert_eq!(client.ask("FLUSHALL").text(), "OK");
    agrees(&mut client);
    assert_eq!(words(&client.ask("CLUSTER COUNTKEYSINSLOT 0")), "0");
    client.ask("SET a 1");
    agrees(&mut client);
}

#[test]
fn a_slot_is_listed_and_emptied_bit_by_bit() {
    let server = node(&our_server(), &["--cluster-lone-node", "yes"]);
    let mut client = server.client();
    for n in 0..2000 {
        client.ask(&format!("SET {{b}}:{n} {n}"));
        client.ask(&format!("SET {{a}}:{n} {n}"));
    }
    let slot = client.ask("CLUSTER KEYSLOT a").int();
    let mut left = 2000;
    while left > 0 {
        let some = client
            .ask(&format!("CLUSTER GETKEYSINSLOT {slot} 30"))
            .items();
        assert_eq!(some.len(), left.min(30));
        for key in &some {
            assert_eq!(client.ask(&format!("DEL {}", key.text())).int(), 1);
        }
        left -= some.len();
    }
    assert_eq!(
        client.ask(&format!("CLUSTER COUNTKEYSINSLOT {slot}")).int(),
        0
    );
    assert_eq!(client.ask("DBSIZE").int(), 2000);
}
