//! WATCH of keys that have died and still stand, on a replica: it waits for its master to remove them. Held against Redis,
//! where there is one.

use crate::common::{Client, Server, eventually, our_server, real_redis, redis_is_missing};

/// Whether a transaction runs, as nothing has changed that its client watches.
fn executes(client: &mut Client) -> bool {
    client.ask("MULTI");
    client.ask("PING");
    client.ask("EXEC").to_string() == "*[+PONG]"
}

/// Waits until the key is dead on a replica that still has it.
fn dies(replica: &mut Client) {
    eventually("it is dead, and stands", || {
        // In this order: it may have come only between the two.
        replica.ask("DBSIZE").int() == 1 && replica.ask("EXISTS k").int() == 0
    });
}

#[test]
fn a_replica_that_watches_a_dead_key_keeps_it_and_does_not_mind_that_it_goes() {
    let mut programs = vec![our_server()];
    if !redis_is_missing() {
        programs.push(real_redis());
    }
    for program in programs {
        let server = Server::start_program(&program, &["--repl-diskless-sync-delay", "0"]);
        let copy = Server::start_program(&program, &[]);
        let (mut master, mut replica) = (server.client(), copy.client());
        let mut other = copy.client();
        replica.ask(&format!("REPLICAOF 127.0.0.1 {}", server.port));
        eventually("the link is up", || {
            let text = replica.ask("INFO replication").text();
            text.contains("master_link_status:up")
        });
        let place = format!("{program:?}");
        assert_eq!(master.ask("DEBUG SET-ACTIVE-EXPIRE 0").text(), "OK");
        master.ask("SET k v PX 1");
        dies(&mut other);
        assert_eq!(replica.ask("WATCH k").text(), "OK");
        assert_eq!(other.ask("DBSIZE").int(), 1, "{place} keeps it");
        assert!(executes(&mut replica), "{place}: it was dead before");

        replica.ask("WATCH k");
        assert_eq!(master.ask("GET k").to_string(), "$-1");
        eventually("it is gone", || other.ask("DBSIZE").int() == 0);
        assert!(executes(&mut replica), "{place}: it was dead before");

        master.ask("SET k v PX 1");
        dies(&mut other);
        replica.ask("WATCH k");
        master.ask("SET k new");
        eventually("it is back", || other.ask("EXISTS k").int() == 1);
        assert!(!executes(&mut replica), "{place}: it has come back");

        master.ask("SET k v PX 700");
        eventually("it is there", || other.ask("PTTL k").int() > 0);
        replica.ask("WATCH k");
        dies(&mut other);
        assert!(!executes(&mut replica), "{place}: it has died since");
    }
}
