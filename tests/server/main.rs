//! The server as its clients see it: one binary started, bytes in, bytes out.
#![forbid(unsafe_code)]

mod accounts;
mod acl;
mod bad_input;
mod client_memory;
mod clock;
mod common;
mod concurrency;
mod cves;
mod daemon;
mod differential;
mod ending;
mod expiry;
mod fields;
mod held_locks;
mod hidden_keys;
mod keyspace;
mod kinds;
mod late_replies;
mod later_rules;
mod links;
mod lua;
mod odd_numbers;
mod operating;
mod others;
mod panics;
mod persist;
mod replication;
mod restore;
mod scripts;
mod storm;
mod streams;
mod table;
mod tls;
mod unknown_clients;
mod verbatim;
