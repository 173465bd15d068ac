//! Kinds: how a value is stored, as the byte before it says.

pub const STRING: u8 = 0;
pub const LIST: u8 = 1;
pub const SET: u8 = 2;
pub const ZSET: u8 = 3;
pub const HASH: u8 = 4;
pub const ZSET_2: u8 = 5;
pub const MODULE: u8 = 6;
pub const MODULE_2: u8 = 7;
pub const HASH_ZIPMAP: u8 = 9;
pub const LIST_ZIPLIST: u8 = 10;
pub const SET_INTSET: u8 = 11;
pub const ZSET_ZIPLIST: u8 = 12;
pub const HASH_ZIPLIST: u8 = 13;
pub const LIST_QUICKLIST: u8 = 14;
pub const STREAM: u8 = 15;
pub const HASH_LISTPACK: u8 = 16;
pub const ZSET_LISTPACK: u8 = 17;
pub const LIST_QUICKLIST_2: u8 = 18;
pub const STREAM_2: u8 = 19;
pub const SET_LISTPACK: u8 = 20;
pub const STREAM_3: u8 = 21;
/// What release candidates of 7.4 wrote for the two that follow.
pub const HASH_METADATA_DRAFT: u8 = 22;
pub const HASH_LISTPACK_EX_DRAFT: u8 = 23;
pub const HASH_METADATA: u8 = 24;
pub const HASH_LISTPACK_EX: u8 = 25;
/// Redis 8.6's: what producers sent that are never to be heard twice.
pub const STREAM_4: u8 = 26;
/// Redis 8.8's: pending entries without a consumer.
pub const STREAM_5: u8 = 27;
pub const ARRAY: u8 = 28;
/// Redis 8.10's hashes of templates: values in a listpack or one by one; the names with them, or in a record of their own.
pub const HASH_TEMPLATE_PACK: u8 = 29;
pub const HASH_TEMPLATE_PACK_REF: u8 = 30;
pub const HASH_TEMPLATE: u8 = 31;
pub const HASH_TEMPLATE_REF: u8 = 32;
pub const BITMAP: u8 = 33;
/// The last one that is known of Redis's own.
pub const REDIS_MAX: u8 = BITMAP;
/// This one stands in no file: there it has the number that follows.
pub const HASH_VALKEY: u8 = 222;
pub const HASH_VALKEY_NUMBER: u8 = 22;

/// What the log calls a value of this kind.
pub fn kind_name(kind: u8) -> &'static str {
    match kind {
        HASH_ZIPMAP => "Zipmap",
        LIST_ZIPLIST => "List ziplist",
        SET_INTSET => "Intset",
        ZSET_ZIPLIST => "Zset ziplist",
        HASH_ZIPLIST => "Hash ziplist",
        LIST_QUICKLIST => "Ziplist",
        HASH_LISTPACK => "Hash listpack",
        ZSET_LISTPACK => "Zset listpack",
        LIST_QUICKLIST_2 => "Listpack",
        SET_LISTPACK => "Set listpack",
        STREAM | STREAM_2 | STREAM_3 | STREAM_4 | STREAM_5 => "Stream listpack",
        _ => "Value",
    }
}
