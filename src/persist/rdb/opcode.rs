//! What stands in a file between keys.

/// From here on a byte is no kind. These two mean something else in Valkey's files: a command, and the state of a slot
/// migration.
pub const HASH_TEMPLATE: u8 = 242;
pub const UPDATE: u8 = 242;
pub const KEY_META: u8 = 243;
pub const SLOT_INFO: u8 = 244;
pub const FUNCTION: u8 = 245;
pub const FUNCTION_DRAFT: u8 = 246;
pub const MODULE_AUX: u8 = 247;
pub const IDLE: u8 = 248;
pub const FREQUENCY: u8 = 249;
pub const AUX: u8 = 250;
pub const RESIZE: u8 = 251;
pub const DEADLINE_MS: u8 = 252;
pub const DEADLINE_SECONDS: u8 = 253;
pub const SELECT: u8 = 254;
pub const END: u8 = 255;
