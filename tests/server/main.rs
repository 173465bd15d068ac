//! The server as its clients see it: one binary started, bytes in, bytes out.
#![forbid(unsafe_code)]

mod common;
mod concurrency;
mod differential;
mod table;
