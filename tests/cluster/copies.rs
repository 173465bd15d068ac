//! Replicas as a quiet cluster's clients are told of them.

use crate::common::{eventually, our_server};
use crate::node::{id, node, whole, words};

/// Nothing happens in the cluster but that a replica gets its data.
#[test]
fn a_replica_is_shown_once_it_has_data_though_nothing_else_happens() {
    let master = whole(&[]);
    let replica = node(&our_server(), &["--repl-diskless-sync-delay", "0"]);
    let (mut asks, mut client) = (master.client(), replica.client());
    assert_eq!(asks.ask("SET k v").text(), "OK");
    let bus = asks.ask("CONFIG GET cluster-port").items()[1].text();
    let meet = format!("CLUSTER MEET 127.0.0.1 {} {bus}", master.port);
    assert_eq!(client.ask(&meet).text(), "OK");
    let order = format!("CLUSTER REPLICATE {}", id(&master));
    eventually("they have met", || client.ask(&order).text() == "OK");
    let name = id(&replica);
    eventually("the master shows its replica", || {
        words(&asks.ask("CLUSTER SLOTS")).contains(&name)
    });
    eventually("and says that it is well, and how far it has come", || {
        let shards = words(&asks.ask("CLUSTER SHARDS"));
        let told = shards.split_once(&name).map_or("", |(_, told)| told);
        let after = |word: &str| told.split_once(word).map_or("", |(_, rest)| rest.trim());
        after("health").starts_with("online") && !after("replication-offset").starts_with('0')
    });
}
