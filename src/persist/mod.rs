//! Values as bytes that outlive the process: what DUMP gives and RESTORE takes.

pub mod rdb;
