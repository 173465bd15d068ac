//! Messages to channels go to every node's subscribers, and those to sharded channels to the shard's.

use std::path::Path;

use crate::common::{Value, eventually, our_server, real_redis};
use crate::member::{Member, agree, meet};

fn pair(one: &Path, other: &Path) -> (Member, Member) {
    let (one, other) = (Member::start(one, &[]), Member::start(other, &[]));
    one.order("CLUSTER ADDSLOTSRANGE 0 16383");
    one.order("CLUSTER SET-CONFIG-EPOCH 1");
    meet(&one, &other);
    other.order(&format!("CLUSTER REPLICATE {}", one.id));
    agree(&[&one, &other]);
    // Messages go where a connection stands.
    eventually("they are linked", || {
        let linked = |from: &Member, to: &Member| {
            let line = from.line(&to.id);
            line.is_some_and(|words| words[7] == "connected")
        };
        linked(&one, &other) && linked(&other, &one)
    });
    (one, other)
}

#[test]
fn what_one_node_is_given_subscribers_of_another_hear() {
    let (ours, theirs) = (our_server(), real_redis());
    for (one, other) in [(&ours, &ours), (&ours, &theirs), (&theirs, &ours)] {
        let (one, other) = pair(one, other);
        let mut listener = other.server.client();
        listener.ask("SUBSCRIBE news");
        let mut in_shard = other.server.client();
        in_shard.ask("READONLY");
        assert!(!matches!(in_shard.ask("SSUBSCRIBE news"), Value::Error(_)));
        one.ask("PUBLISH news hello");
        one.ask("SPUBLISH news there");
        let heard = |client: &mut crate::common::Client| {
            let message = client.receive().expect("a message").value;
            let words: Vec<String> = message.items().iter().map(Value::text).collect();
            words.join(" ")
        };
        assert_eq!(heard(&mut listener), "message news hello");
        assert_eq!(heard(&mut in_shard), "smessage news there");
    }
}
