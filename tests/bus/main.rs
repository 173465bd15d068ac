//! The cluster's bus between processes on 127.0.0.1: ours, redis-server 7.0, and those that `tests/oracles` brings.
#![forbid(unsafe_code)]

#[expect(dead_code, reason = "the larger target uses the rest")]
#[path = "../server/tls/certs.rs"]
mod certs;
#[expect(dead_code, unused_imports, reason = "the larger target uses the rest")]
#[path = "../server/common/mod.rs"]
mod common;
mod files;
mod member;
mod messages;
mod mixed;
mod strangers;
mod tls;
