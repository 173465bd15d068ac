//! The commands, a folder or file for each family. This list is the only one.

mod bitmap;
mod client;
mod cluster;
mod connection;
mod geo;
mod hash;
mod hyperloglog;
mod json;
mod key;
mod list;
mod pubsub;
mod script;
pub mod search;
mod sentinel;
mod server;
mod set;
mod stream;
mod string;
mod transaction;
mod vectors;
mod zset;

/// A client's line of CLIENT LIST.
pub use client::line as client_line;
pub use pubsub::tell_left;

use crate::command::Family;

/// What this server understands, or a Sentinel.
pub fn families(sentinel: bool) -> &'static [&'static Family] {
    if sentinel { OF_A_SENTINEL } else { FAMILIES }
}

const OF_A_SENTINEL: &[&Family] = &[
    &connection::OF_A_SENTINEL,
    &pubsub::OF_A_SENTINEL,
    &client::OF_A_SENTINEL,
    &sentinel::FAMILY,
    &server::OF_A_SENTINEL,
];

pub const FAMILIES: &[&Family] = &[
    &string::FAMILY,
    &key::FAMILY,
    &key::BETWEEN_SERVERS,
    &list::FAMILY,
    &set::FAMILY,
    &hash::FAMILY,
    &zset::FAMILY,
    &stream::FAMILY,
    &bitmap::FAMILY,
    &hyperloglog::FAMILY,
    &geo::FAMILY,
    &vectors::FAMILY,
    &json::FAMILY,
    &connection::FAMILY,
    &transaction::FAMILY,
    &pubsub::FAMILY,
    &script::FAMILY,
    &search::FAMILY,
    &client::FAMILY,
    &cluster::FAMILY,
    &server::FAMILY,
    &server::GENERIC,
];
