//! A node that is all of its cluster: cluster clients find what they ask for, and nothing that a cluster forbids is
//! forbidden.

use crate::common::{Server, Value, eventually, our_server};
use crate::node::{cli, node, node_on, words};

fn lone() -> Server {
    node(&our_server(), &["--cluster-lone-node", "yes"])
}

#[test]
fn it_has_all_slots_from_its_first_start_and_serves_at_once() {
    let server = lone();
    let mut client = server.client();
    let info = client.ask("CLUSTER INFO").text();
    assert!(
        info.starts_with("cluster_state:ok\r\ncluster_slots_assigned:16384\r\n"),
        "{info}"
    );
    // The address is the one by which the client reached it: some clients take no empty one.
    let (port, id) = (server.port, client.ask("CLUSTER MYID").text());
    let slots = format!("0 16383 127.0.0.1 {port} {id}");
    assert_eq!(words(&client.ask("CLUSTER SLOTS")), slots);
    let shards = words(&client.ask("CLUSTER SHARDS"));
    assert!(
        shards.starts_with(&format!(
            "slots 0 16383 nodes id {id} port {port} ip 127.0.0.1 endpoint 127.0.0.1 role master"
        )),
        "{shards}"
    );
    let nodes = client.ask("CLUSTER NODES").text();
    assert!(
        nodes.starts_with(&format!("{id} 127.0.0.1:{port}@")),
        "{nodes}"
    );
    assert!(
        nodes.ends_with(" myself,master - 0 0 0 connected 0-16383\n"),
        "{nodes}"
    );
    assert!(
        client
            .ask("INFO cluster")
            .text()
            .contains("cluster_enabled:1")
    );
    assert!(
        client
            .ask("INFO server")
            .text()
            .contains("redis_mode:cluster")
    );
    assert_eq!(client.ask("READONLY").text(), "OK");
    assert_eq!(client.ask("ASKING").text(), "OK");
    let text = cli(&["--cluster", "check", &format!("127.0.0.1:{port}")]);
    assert!(text.contains("All 16384 slots covered"), "{text}");
    // The same node after a restart.
    let again = node_on(
        &our_server(),
        server.stop(),
        &["--cluster-lone-node", "yes"],
    );
    assert_eq!(again.client().ask("CLUSTER MYID").text(), id);
    assert_eq!(again.client().ask("SET a 1").text(), "OK");
}

#[test]
fn keys_of_different_slots_go_together() {
    let server = lone();
    let mut client = server.client();
    assert_eq!(client.ask("MSET a 1 b 2 c 3").text(), "OK");
    assert_eq!(words(&client.ask("MGET a b c")), "1 2 3");
    assert_eq!(client.ask("RENAME a d").text(), "OK");
    assert_eq!(client.ask("MULTI").text(), "OK");
    client.ask("SET a 1");
    client.ask("INCRBY b 5");
    assert_eq!(words(&client.ask("EXEC")), "OK 7");
    let script = "return redis.call('mget',KEYS[1],KEYS[2],'c')";
    let read = client.ask_args(&["EVAL", script, "2", "a", "b"]);
    assert_eq!(words(&read), "1 7 3");
    assert_eq!(client.ask("SSUBSCRIBE one").items()[2].int(), 1);
    let mut client = server.client();
    assert_eq!(client.ask("SPUBLISH one x").int(), 1);
    assert_eq!(client.ask("SELECT 3").text(), "OK");
    assert_eq!(client.ask("SELECT 0").text(), "OK");
    assert_eq!(client.ask("MOVE c 1").int(), 1);
    assert_eq!(client.ask("SWAPDB 0 1").text(), "OK");
    client.ask("RPUSH l 2 1");
    client.ask("MSET w1 2 w2 1");
    assert_eq!(words(&client.ask("SORT l BY w* GET w*")), "1 2");
}

#[test]
fn nobody_comes_in_and_nothing_goes() {
    let server = lone();
    let mut client = server.client();
    for order in [
        "MEET 127.0.0.1 7000",
        "DELSLOTS 1",
        "FLUSHSLOTS",
        "SETSLOT 1 STABLE",
        "RESET HARD",
        "BUMPEPOCH",
        "REPLICATE 0123456789012345678901234567890123456789",
        "FAILOVER",
    ] {
        let reply = client.ask(&format!("CLUSTER {order}"));
        let refused =
            matches!(&reply, Value::Error(_)) && reply.text().contains("cluster-lone-node");
        assert!(refused, "{order}: {reply}");
    }
    assert_eq!(client.ask("CLUSTER SAVECONFIG").text(), "OK");
    assert!(!server.log().contains("cluster-bus"), "{}", server.log());
}

#[test]
fn its_replicas_hear_what_is_published_and_it_is_none_itself() {
    let server = lone();
    let port = server.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    let mut listener = replica.client();
    eventually("the replica follows", || {
        let info = listener.ask("INFO replication").text();
        info.contains("master_link_status:up")
    });
    let told = words(&listener.ask("HELLO 2"));
    assert!(told.contains("role replica"), "{told}");
    assert_eq!(listener.ask("SUBSCRIBE news").items()[2].int(), 1);
    assert_eq!(listener.ask("SSUBSCRIBE shard").items()[2].int(), 1);
    let mut client = server.client();
    assert!(words(&client.ask("HELLO 2")).contains("role master"));
    for order in ["PUBLISH news one", "SPUBLISH shard two"] {
        assert_eq!(client.ask(order).int(), 0);
        let message = words(&listener.receive().expect("a message").value);
        let word = order.rsplit_once(' ').expect("three words").1;
        assert!(message.ends_with(word), "{message}");
    }
    for order in [
        format!("REPLICAOF 127.0.0.1 {}", replica.port),
        "REPLICAOF NO ONE".to_owned(),
    ] {
        assert_eq!(
            client.ask(&order).text(),
            "ERR REPLICAOF not allowed in cluster mode."
        );
    }
    assert_eq!(client.ask("SET a 1").text(), "OK");
}
