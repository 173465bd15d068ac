//! Talk with a server about replication: roles, what a replica refuses, who waits for whom.

use vermilion::testing::{Talker, TestServer, show, talk};

#[test]
fn a_master_without_replicas_waits_for_none() {
    talk(
        "> ROLE
         [\"master\" :0 []]
         > WAIT 0 0
         :0
         > SET k v
         +OK
         > WAIT 1 20
         :0
         > WAIT -1 20
         :0
         > WAIT 1 -1
         -ERR timeout is negative
         > WAIT x 1
         -ERR value is not an integer or out of range
         > WAITAOF 0 1 20
         [:0 :0]
         > WAITAOF 1 0 0
         -ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.
         > WAITAOF 2 0 0
         -ERR value is out of range, must be between 0 and 1
         > MULTI
         +OK
         > WAIT 3 0
         +QUEUED
         > EXEC
         [:0]",
    );
}

#[test]
fn a_log_is_waited_for() {
    let server = TestServer::start("appendonly yes");
    server.talk(
        "> SET k v
         +OK
         > WAITAOF 1 0 0
         [:1 :0]
         > WAITAOF 1 1 50
         [:1 :0]",
    );
}

#[test]
fn a_replica_whose_master_is_away_serves_what_it_has() {
    // Nobody listens on port 1.
    talk(
        "> SET k v
         +OK
         > REPLICAOF localhost port
         -ERR Invalid master port
         > REPLICAOF localhost 70000
         -ERR Invalid master port
         > REPLICAOF no one
         +OK
         > REPLICAOF 127.0.0.1 1
         +OK
         > REPLICAOF 127.0.0.1 1
         +OK Already connected to specified master
         > ROLE
         [\"slave\" \"127.0.0.1\" :1 *
         > CONFIG GET replicaof
         [\"replicaof\" \"127.0.0.1 1\"]
         > GET k
         \"v\"
         > SET k w
         -READONLY You can't write against a read only replica.
         > EVAL \"return redis.call('set', KEYS[1], 'w')\" 1 k
         -READONLY You can't write against a read only replica. *
         > WAIT 1 0
         -ERR WAIT cannot be used with replica instances.*
         > FAILOVER
         -ERR FAILOVER is not valid when server is a replica.
         > CONFIG SET replica-serve-stale-data no
         +OK
         > GET k
         -MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.
         > PING
         -MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.
         > CONFIG SET replica-read-only no
         +OK
         > CONFIG SET replica-serve-stale-data yes
         +OK
         > SET k w
         +OK
         > REPLICAOF NO ONE
         +OK
         > ROLE
         [\"master\" :0 []]
         > GET k
         \"w\"",
    );
}

#[test]
fn a_blocked_client_is_woken_when_its_server_becomes_a_replica() {
    let server = TestServer::start("");
    let (mut blocked, mut other) = (server.connect(), server.connect());
    blocked.say("BLPOP q 0");
    loop {
        other.say("INFO clients");
        if show(&other.hear()).contains("blocked_clients:1") {
            break;
        }
    }
    other.say("REPLICAOF 127.0.0.1 1");
    assert_eq!(show(&other.hear()), "+OK");
    assert_eq!(
        show(&blocked.hear()),
        "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
    );
}

#[test]
fn a_master_that_wants_replicas_refuses_writes_without_them() {
    talk(
        "> CONFIG SET min-replicas-to-write 1
         +OK
         > SET k v
         -NOREPLICAS Not enough good replicas to write.
         > MULTI
         +OK
         > SET k v
         -NOREPLICAS Not enough good replicas to write.
         > EXEC
         -EXECABORT Transaction discarded because of previous errors.
         > GET k
         nil
         > CONFIG SET min-replicas-max-lag 0
         +OK
         > SET k v
         +OK",
    );
}

#[test]
fn failover_wants_a_replica() {
    talk(
        "> FAILOVER
         -ERR FAILOVER requires connected replicas.
         > FAILOVER ABORT
         -ERR No failover in progress.
         > FAILOVER TIMEOUT 0
         -ERR FAILOVER timeout must be greater than 0
         > FAILOVER TO host
         -ERR syntax error
         > FAILOVER ABORT ABORT
         -ERR syntax error",
    );
}

#[test]
fn replconf_takes_what_it_knows() {
    talk(
        "> REPLCONF listening-port 7000 capa eof capa psync2
         +OK
         > REPLCONF rdb-filter-only nonsense
         -ERR Unsupported rdb-filter-only option: nonsense
         > REPLCONF color red
         -ERR Unrecognized REPLCONF option: color
         > REPLCONF capa
         -ERR syntax error",
    );
}

#[test]
fn a_replica_gets_what_its_master_has_and_what_it_gets() {
    let master = TestServer::start("repl-diskless-sync-delay 0");
    let mut first = master.connect();
    let port = master.port();
    let replica = TestServer::start(&format!("replicaof 127.0.0.1 {port}"));
    let mut second = replica.connect();
    let ask = |client: &mut Talker, line: &str| {
        client.say(line);
        show(&client.hear())
    };
    assert_eq!(ask(&mut first, "SET before 1"), "+OK");
    for _ in 0..500 {
        if ask(&mut second, "ROLE").contains("\"connected\"") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(ask(&mut first, "SPOP nothing"), "nil");
    assert_eq!(ask(&mut first, "SET after 2 PX 100000"), "+OK");
    assert_eq!(ask(&mut first, "WAIT 1 5000"), ":1");
    assert_eq!(ask(&mut second, "MGET before after"), "[\"1\" \"2\"]");
    assert_eq!(ask(&mut first, "FUNCTION FLUSH"), "+OK");
    assert!(ask(&mut first, "ROLE").contains("\"127.0.0.1\""));
    assert!(ask(&mut second, "DEL before").starts_with("-READONLY"));
}
