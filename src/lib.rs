//! Vermilion: a Redis-compatible in-memory server.
#![forbid(unsafe_code)]
