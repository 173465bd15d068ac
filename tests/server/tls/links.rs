//! Links over TLS to other servers: a master and its replica, and MIGRATE.

use std::path::Path;
use std::process::Command;

use super::certs::Certs;
use super::{connect, open, start};
use crate::common::{
    Server, Value, eventually, free_port, our_server, real_redis, redis_is_missing,
};

/// A replica gets what its master has and what comes, all of it over TLS.
fn follow(master: &Path, replica: &Path) {
    let certs = Certs::get();
    let master = start(master, certs, &["--tls-replication", "yes"]);
    let mut writer = master.client();
    let port = open(&mut writer);
    let large = "x".repeat(1 << 20);
    for n in 0..20 {
        assert_eq!(writer.ask(&format!("SET before:{n} {large}")).text(), "OK");
    }
    let replica = start(replica, certs, &["--tls-replication", "yes"]);
    let mut reader = replica.client();
    reader.ask(&format!("REPLICAOF 127.0.0.1 {port}"));
    eventually("the replica is linked", || {
        reader
            .ask("INFO replication")
            .text()
            .contains("master_link_status:up")
    });
    assert_eq!(reader.ask("DBSIZE"), Value::Int(20));
    for n in 0..200 {
        writer.ask(&format!("SET after:{n} {n}"));
    }
    assert_eq!(writer.ask("WAIT 1 20000"), Value::Int(1));
    assert_eq!(reader.ask("GET after:199").text(), "199");
    assert_eq!(reader.ask("GET before:19").text().len(), large.len());
}

#[test]
fn a_replica_follows_its_master_over_tls() {
    follow(&our_server(), &our_server());
}

#[test]
fn a_replica_of_the_real_server_follows_over_tls() {
    if redis_is_missing() {
        return;
    }
    follow(&real_redis(), &our_server());
}

#[test]
fn the_real_server_follows_ours_over_tls() {
    if redis_is_missing() {
        return;
    }
    follow(&our_server(), &real_redis());
}

/// In clear nobody is followed who wants TLS, and the log says what went wrong.
#[test]
fn a_master_that_speaks_tls_is_not_followed_in_clear() {
    let certs = Certs::get();
    let master = start(&our_server(), certs, &[]);
    let port = open(&mut master.client());
    let replica = Server::start(&[]);
    replica.client().ask(&format!("REPLICAOF 127.0.0.1 {port}"));
    eventually("the master tells", || {
        master.log().contains("Error accepting a client connection")
    });
    let info = replica.client().ask("INFO replication");
    assert!(info.text().contains("master_link_status:down"));
}

#[test]
fn keys_migrate_over_tls() {
    let certs = Certs::get();
    let from = start(&our_server(), certs, &["--tls-cluster", "yes"]);
    let to = start(&our_server(), certs, &[]);
    let (mut from, mut there) = (from.client(), to.client());
    let port = open(&mut there);
    from.ask("SET key value");
    let moved = from.ask(&format!("MIGRATE 127.0.0.1 {port} key 0 5000"));
    assert_eq!(moved.text(), "OK");
    assert_eq!(from.ask("EXISTS key"), Value::Int(0));
    assert_eq!(there.ask("GET key").text(), "value");
    from.ask("SET key value");
    from.ask("CONFIG SET tls-cluster no");
    let refused = from.ask(&format!("MIGRATE 127.0.0.1 {port} key 0 2000 REPLACE"));
    assert!(refused.text().starts_with("IOERR"), "{refused:?}");
    assert_eq!(from.ask("EXISTS key"), Value::Int(1));
}

/// The real Sentinel, over TLS alone, finds a master's replica and makes it the master when the master is gone.
#[test]
fn the_real_sentinel_watches_two_of_ours_over_tls() {
    if redis_is_missing() {
        return;
    }
    let certs = Certs::get();
    let master = start(&our_server(), certs, &["--tls-replication", "yes"]);
    let replica = start(&our_server(), certs, &["--tls-replication", "yes"]);
    let port = open(&mut master.client());
    let mut survivor = replica.client();
    open(&mut survivor);
    survivor.ask(&format!("REPLICAOF 127.0.0.1 {port}"));
    let dir = tempfile::TempDir::new().expect("a temporary directory");
    let own = free_port();
    let file = dir.path().join("sentinel.conf");
    let text = format!(
        "port 0\ntls-port {own}\ntls-replication yes\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n\
         bind 127.0.0.1\nsentinel monitor watched 127.0.0.1 {port} 1\nsentinel down-after-milliseconds watched 500\n\
         sentinel failover-timeout watched 5000\n",
        certs.text("redis.crt"),
        certs.text("redis.key"),
        certs.text("ca.crt"),
    );
    std::fs::write(&file, text).expect("written");
    let log = std::fs::File::create(dir.path().join("log")).expect("a file");
    let mut sentinel = Command::new("redis-sentinel")
        .arg(&file)
        .current_dir(dir.path())
        .stdout(log)
        .spawn()
        .expect("redis-sentinel");
    let told = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    let went = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        eventually("Sentinel finds the replica", || {
            told().contains("+slave slave")
        });
        let mut asked = connect(own, certs, Some("client")).expect("Sentinel speaks TLS");
        let found = asked.ask("SENTINEL get-master-addr-by-name watched");
        assert_eq!(found.items()[1].text(), port.to_string());
        drop(master.kill());
        eventually("the replica is the master", || {
            // Sentinel closes the clients of whom it promotes.
            let role = replica.client().try_ask(&["ROLE"]);
            role.is_ok_and(|role| role.value.items()[0].text() == "master")
        });
    }));
    // It may have ended by itself.
    let _ = sentinel.kill();
    let _ = sentinel.wait();
    assert!(went.is_ok(), "{}", told());
}
