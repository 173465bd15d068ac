//! Every published hole of Redis, Valkey and their Lua, from 2015 to November 2026, as an input to this server.
//!
//! A test is named after the number. What it sends was written for it; what it expects is what the mended servers answer,
//! and that the process, its other clients and its data are as before. The numbers that have no test, and why:
//!
//! - CVE-2018-12326, CVE-2021-32762's first half: redis-cli reads its own arguments and replies; there is no such program here.
//! - CVE-2020-7105, CVE-2021-32765, CVE-2023-28858, CVE-2023-28859: they are in client libraries.
//! - CVE-2025-27151: redis-check-aof copies a long path; the server checks its own logs, and there is no such program here.
//! - CVE-2020-21468: nobody could repeat it, and its reporter gave no input.
//! - CVE-2021-3470: an allocator's size is misread where Redis is built without jemalloc; there is one allocator here.
//! - CVE-2022-3647: the report of a crash crashes; it reads registers by hand, which nothing here does.
//! - CVE-2022-3734: libraries are searched for on Windows.
//! - CVE-2017-15047, CVE-2026-21863: they are in a cluster's file of nodes and in its bus, which this server has not.
//! - CVE-2026-56684, CVE-2026-81934: they are in TLS, which this server has not.
//! - CVE-2020-35668, CVE-2023-31654, CVE-2026-21864 and others of modules: no module is loaded. What a module would
//!   have read from a payload is in `restore`.

mod acl;
mod clients;
mod lua;
mod lua_libraries;
mod numbers;
mod patterns;
mod protocol;
mod restore;
mod streams;

use crate::common::{Client, Server, encode};

/// What one command is answered, byte for byte.
fn raw<A: AsRef<[u8]>>(client: &mut Client, args: &[A]) -> String {
    let reply = client.try_ask(args).unwrap_or_else(|error| {
        panic!("{}: {error}", String::from_utf8_lossy(&encode(args)));
    });
    String::from_utf8_lossy(&reply.raw).into_owned()
}

/// The words of a line as one command, and its reply.
fn say(client: &mut Client, line: &str) -> String {
    raw(client, &line.split(' ').collect::<Vec<_>>())
}

fn eval(client: &mut Client, script: &str) -> String {
    raw(client, &["EVAL", script, "0"])
}

/// The server still serves, and no part of it has failed.
fn is_well(server: &Server) {
    assert_eq!(say(&mut server.client(), "ECHO alive"), "$5\r\nalive\r\n");
    let log = server.log();
    assert!(
        !log.contains("panicked") && !log.contains("BUG REPORT"),
        "{log}"
    );
}
