//! The commands of streams and their groups. Ids are given, because those of the clock differ.

use super::check::Check;

use Check::{Exact, Kind, StreamInfo};

pub const SHAPES: &[(&str, Check)] = &[
    ("XADD stream newid ( field value )+", Exact),
    ("XADD stream newid ( field value )+", Exact),
    (
        "XADD stream [ NOMKSTREAM ] [ ( MAXLEN [ = | ~ ] small | MINID [ = | ~ ] oldid ) [ LIMIT count ] ] newid field value",
        Exact,
    ),
    ("XADD stream newid F value G value", Exact),
    ("XLEN stream", Exact),
    ("XRANGE stream edge edge [ COUNT count ]", Exact),
    ("XREVRANGE stream edge edge [ COUNT count ]", Exact),
    ("XDEL stream oldid+", Exact),
    (
        "XTRIM stream ( MAXLEN | MINID ) [ = | ~ ] ( small | oldid ) [ LIMIT count ]",
        Exact,
    ),
    ("XSETID stream newid", Exact),
    (
        "XSETID stream oldid < [ ENTRIESADDED int ] [ MAXDELETEDID oldid ] >",
        Exact,
    ),
    (
        "XREAD < [ COUNT count ] [ BLOCK positive ] > STREAMS streamids",
        Exact,
    ),
    ("XREAD BLOCK 3 STREAMS stream $", Exact),
    (
        "XGROUP CREATE stream group ( $ | 0 | oldid ) [ MKSTREAM ]",
        Exact,
    ),
    ("XGROUP CREATE stream group 0 MKSTREAM", Exact),
    (
        "XGROUP CREATE stream group ( $ | oldid ) < [ MKSTREAM ] [ ENTRIESREAD int ] >",
        Exact,
    ),
    (
        "XGROUP SETID stream group ( $ | 0 | oldid ) [ ENTRIESREAD int ]",
        Exact,
    ),
    ("XGROUP CREATECONSUMER stream group consumer", Kind),
    ("XGROUP CREATECONSUMER stream group1 consumer", Kind),
    // Often, for without a group most of the others have nothing to do.
    ("XGROUP CREATE stream group1 0 MKSTREAM", Exact),
    ("XGROUP CREATE stream group1 0 MKSTREAM", Exact),
    ("XGROUP CREATE stream group1 0 MKSTREAM", Exact),
    ("XGROUP CREATE stream group1 0 MKSTREAM", Exact),
    ("XGROUP DELCONSUMER stream group consumer", Exact),
    ("XGROUP DELCONSUMER stream group1 consumer", Exact),
    ("XGROUP DESTROY stream group", Exact),
    (
        "XREADGROUP GROUP group consumer < [ COUNT count ] [ BLOCK positive ] [ NOACK ] > STREAMS streamnew",
        Exact,
    ),
    (
        "XREADGROUP GROUP group consumer COUNT 2 STREAMS stream onlynew",
        Exact,
    ),
    (
        "XREADGROUP GROUP group consumer COUNT 2 STREAMS stream 0",
        Exact,
    ),
    ("XACK stream group oldid+", Exact),
    ("XPENDING stream group", Exact),
    (
        "XPENDING stream group [ IDLE idle ] edge edge count [ consumer ]",
        StreamInfo,
    ),
    (
        "XCLAIM stream group consumer idle oldid+ < [ IDLE int | TIME int ] [ RETRYCOUNT int ] [ FORCE ] [ JUSTID ] [ LASTID oldid ] >",
        Exact,
    ),
    ("XCLAIM stream group consumer 0 oldid+ FORCE", Exact),
    (
        "XAUTOCLAIM stream group consumer idle edge < [ COUNT count ] [ JUSTID ] >",
        Exact,
    ),
    ("XINFO STREAM stream [ FULL [ COUNT count ] ]", StreamInfo),
    ("XINFO GROUPS stream", StreamInfo),
    ("XINFO GROUPS stream", StreamInfo),
    ("XINFO CONSUMERS stream group", StreamInfo),
];
