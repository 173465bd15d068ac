//! A node that begins with keys: whose their slots are then.

use std::fs;

use tempfile::TempDir;

use crate::common::{Server, eventually, our_server};
use crate::node::{cluster, id, node_on, ours, owner_of};

/// A directory with a file of these keys.
fn written(keys: &[&str]) -> TempDir {
    let server = Server::start(&[]);
    let mut client = server.client();
    for key in keys {
        assert_eq!(client.ask(&format!("SET {key} 1")).text(), "OK");
    }
    assert_eq!(client.ask("SAVE").text(), "OK");
    server.kill()
}

#[test]
fn slots_that_nobody_owns_are_taken_by_the_node_that_has_keys_of_them() {
    let node = node_on(&our_server(), written(&["foo", "bar"]), &[]);
    let mut client = node.client();
    assert_eq!(client.ask("DBSIZE").int(), 2);
    let line = client.ask("CLUSTER NODES").text();
    assert!(line.trim_end().ends_with(" connected 5061 12182"), "{line}");
    assert_eq!(client.ask("CLUSTER COUNTKEYSINSLOT 5061").int(), 1);
    let log = node.log();
    assert!(
        log.contains("I have keys for unassigned slot 5061. Taking responsibility for it."),
        "{log}"
    );
}

#[test]
fn slots_of_another_node_are_imported_by_the_node_that_has_keys_of_them() {
    let mut nodes = cluster(&ours(3), 0);
    let (owner, other, slot) = owner_of(&nodes, "foo");
    let (from, port) = (id(owner), other.port);
    let at = nodes.iter().position(|node| node.port == port);
    let dir = nodes.remove(at.expect("it is one of them")).kill();
    let file = written(&["foo"]);
    fs::copy(file.path().join("dump.rdb"), dir.path().join("dump.rdb")).expect("a copy");
    let again = node_on(&our_server(), dir, &[]);
    let mut client = again.client();
    let line = client.ask("CLUSTER NODES").text();
    assert!(line.contains(&format!("[{slot}-<-{from}]")), "{line}");
    // The key is there for whoever asks for it so, and others are sent to the owner.
    eventually("the cluster is whole for it", || {
        !client.ask("GET foo").text().starts_with("CLUSTERDOWN")
    });
    assert!(client.ask("GET foo").text().starts_with("MOVED "));
    assert_eq!(client.ask("ASKING").text(), "OK");
    assert_eq!(client.ask("GET foo").text(), "1");
}
