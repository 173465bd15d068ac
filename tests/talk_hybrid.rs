//! Talk with a server about FT.HYBRID of Redis 8.4, which is known from its documentation and from what redis-py 8.1's tests
//! expect of it: https://redis.io/docs/latest/commands/ft.hybrid/ and tests/test_search.py, class TestHybridSearch. That vectors are
//! parameters alone, and which numbers are refused, is known from RediSearch: https://github.com/RediSearch/RediSearch/pull/7823,
//! https://github.com/RediSearch/RediSearch/pull/7090, and src/hybrid/parse/hybrid_combine.c.

use vermilion::testing::talk;

/// Four documents: words, a tag, a number, and a vector of one dimension: 1, 2, 3, 4.
const SHOP: &str = "> FT.CREATE shop SCHEMA t TEXT c TAG n NUMERIC e VECTOR FLAT 6 TYPE FLOAT32 DIM 1 DISTANCE_METRIC L2 s-v VECTOR FLAT 6 TYPE FLOAT32 DIM 1 DISTANCE_METRIC COSINE
 +OK
 > HSET a t 'red shoes' c red n 15 e \"\\x00\\x00\\x80?\" s-v \"\\x00\\x00\\x80?\"
 :5
 > HSET b t 'green shoes' c green n 16 e \"\\x00\\x00\\x00@\" s-v \"\\x00\\x00\\x80?\"
 :5
 > HSET c t 'red dress' c red n 17 e \"\\x00\\x00@@\" s-v \"\\x00\\x00\\x80?\"
 :5
 > HSET d t coat c black n 18 e \"\\x00\\x00\\x80@\"
 :4
 ";

fn shop(rest: &str) {
    talk(&format!("{SHOP}{rest}"));
}

#[test]
fn ranks_of_both_queries_are_joined() {
    shop(
        "> FT.HYBRID shop SEARCH '@c:{red}' VSIM @e $q COMBINE RRF 4 WINDOW 2 CONSTANT 0.5 PARAMS 2 q \"\\x00\\x00@@\"
         [+total_results :3 +results [[\"__score\" \"1.06666666667\" \"__key\" \"c\"] [\"__score\" \"0.666666666667\" \"__key\" \"a\"] [\"__score\" \"0.4\" \"__key\" \"b\"]] +warnings [] +execution_time *
         > FT.HYBRID shop SEARCH '@c:{none}' VSIM @e $q KNN 2 K 2 PARAMS 2 q \"\\x00\\x00@@\"
         [+total_results :2 +results [[\"__score\" \"0.016393442623\" \"__key\" \"c\"] [\"__score\" \"0.0161290322581\" \"__key\" \"b\"]] +warnings [] +execution_time *
         > FT.HYBRID shop SEARCH none VSIM @e $q RANGE 2 RADIUS 1 PARAMS 2 q \"\\x00\\x00\\x80@\" LIMIT 1 1
         [+total_results :2 +results [[\"__score\" \"0.0161290322581\" \"__key\" \"c\"]] +warnings [] +execution_time *
         > FT.HYBRID shop SEARCH none VSIM @e $q FILTER '@n:[15 16]' PARAMS 2 q \"\\x00\\x00\\x80@\"
         [+total_results :2 +results [[\"__score\" \"0.016393442623\" \"__key\" \"b\"] [\"__score\" \"0.0161290322581\" \"__key\" \"a\"]] +warnings [] +execution_time *",
    );
}

#[test]
fn scores_are_weighed_and_shown_under_names() {
    shop(
        "> FT.HYBRID shop SEARCH shoes SCORER DOCSCORE YIELD_SCORE_AS words VSIM @e $q KNN 2 K 1 YIELD_SCORE_AS near COMBINE LINEAR 4 ALPHA 0.5 BETA 0.5 YIELD_SCORE_AS whole PARAMS 2 q \"\\x00\\x00\\x80@\"
         [+total_results :3 +results [[\"words\" \"1\" \"whole\" \"0.5\" \"__key\" \"a\"] [\"words\" \"1\" \"whole\" \"0.5\" \"__key\" \"b\"] [\"near\" \"1\" \"whole\" \"0.5\" \"__key\" \"d\"]] +warnings [] +execution_time *
         > FT.HYBRID shop SEARCH none VSIM @e $q KNN 2 K 1 COMBINE LINEAR 6 ALPHA 0.5 BETA 0.5 YIELD_SCORE_AS whole PARAMS 2 q \"\\x00\\x00\\xa0@\"
         [+total_results :1 +results [[\"whole\" \"0.25\" \"__key\" \"d\"]] +warnings [] +execution_time *
         > FT.HYBRID shop SEARCH none VSIM @s-v $q KNN 2 K 1 COMBINE LINEAR 4 ALPHA 0 BETA 1 PARAMS 2 q \"\\x00\\x00\\x80\\xbf\"
         [+total_results :1 +results [[\"__score\" \"0\" \"__key\" \"a\"]] +warnings [] +execution_time *",
    );
}

#[test]
fn results_are_loaded_reckoned_with_grouped_and_sorted() {
    shop(
        "> FT.HYBRID shop SEARCH '@c:{red|green}' VSIM @e $q LOAD 2 @c @n APPLY '@n - (@n * 0.1)' AS less SORTBY 4 @less DESC @c ASC LIMIT 0 2 PARAMS 2 q \"\\x00\\x00@@\"
         [+total_results :4 +results [[\"c\" \"black\" \"n\" \"18\" \"less\" \"16.2\"] [\"c\" \"red\" \"n\" \"17\" \"less\" \"15.3\"]] +warnings [] +execution_time *
         > FT.HYBRID shop SEARCH '@c:{$c}' VSIM @e $q LOAD 4 @__key AS id @__score FILTER '@id==\"c\"' PARAMS 4 q \"\\x00\\x00@@\" c red
         [+total_results :1 +results [[\"__score\" \"0.032522474881\" \"id\" \"c\"]] +warnings [] +execution_time *
         > FT.HYBRID shop SEARCH * VSIM @e $q LOAD 1 @c GROUPBY 1 @c REDUCE COUNT 0 AS n SORTBY 2 @c ASC PARAMS 2 q \"\\x00\\x00@@\"
         [+total_results :3 +results [[\"c\" \"black\" \"n\" \"1\"] [\"c\" \"green\" \"n\" \"1\"] [\"c\" \"red\" \"n\" \"2\"]] +warnings [] +execution_time *
         > HELLO 3
         {*
         > FT.HYBRID shop SEARCH none VSIM @e $q KNN 2 K 1 PARAMS 2 q \"\\x00\\x00@@\"
         {+total_results :1, +results [{\"__score\" \"0.016393442623\", \"__key\" \"c\"}], +warnings [], +execution_time *",
    );
}

#[test]
fn what_is_wrong_is_said() {
    shop(
        "> FT.HYBRID nope SEARCH x VSIM @e $q PARAMS 2 q \"\\x00\\x00@@\"
         -nope: no such index
         > FT.HYBRID shop VSIM @e $q
         -SEARCH argument is required
         > FT.HYBRID shop SEARCH x
         -VSIM argument is required
         > FT.HYBRID shop SEARCH x VSIM @e \"\\x00\\x00\\x80?\"
         -Invalid vector argument, expected a parameter name starting with $
         > FT.HYBRID shop SEARCH x VSIM @e $q KNN 2 K 0 PARAMS 2 q xxxx
         -Invalid K value
         > FT.HYBRID shop SEARCH x VSIM @e $q KNN 4 K 1 EF_RUNTIME -1 PARAMS 2 q xxxx
         -Invalid EF_RUNTIME value
         > FT.HYBRID shop SEARCH x VSIM @e $q RANGE 2 RADIUS -1 PARAMS 2 q xxxx
         -Invalid RADIUS value
         > FT.HYBRID shop SEARCH x VSIM @e $q RANGE 4 RADIUS 1 EPSILON 0 PARAMS 2 q xxxx
         -Invalid EPSILON value
         > FT.HYBRID shop SEARCH x VSIM @e $q RANGE 4 RADIUS 1 EPSILON x PARAMS 2 q xxxx
         -Invalid EPSILON value
         > FT.HYBRID shop SEARCH x VSIM @e $q COMBINE RRF 2 CONSTANT -1 PARAMS 2 q xxxx
         -CONSTANT: Value below minimum
         > FT.HYBRID shop SEARCH x VSIM @e $q COMBINE RRF 2 CONSTANT 100000.5 PARAMS 2 q xxxx
         -CONSTANT: Value above maximum
         > FT.HYBRID shop SEARCH none VSIM @e $q KNN 2 K 1 COMBINE RRF 2 CONSTANT 0 PARAMS 2 q \"\\x00\\x00@@\"
         [+total_results :1 +results [[\"__score\" \"1\" \"__key\" \"c\"]] +warnings [] +execution_time *
         > FT.HYBRID shop SEARCH x VSIM e $q
         -Missing @ prefix for vector field name
         > FT.HYBRID shop SEARCH x VSIM @e $q
         -No such parameter `q`
         > FT.HYBRID shop SEARCH x VSIM @t $q PARAMS 2 q xxxx
         -Expected a VECTOR field, but `t` is none
         > FT.HYBRID shop SEARCH x VSIM @z $q PARAMS 2 q xxxx
         -Unknown field `z`
         > FT.HYBRID shop SEARCH x VSIM @e $q KNN 2 EF_RUNTIME 5 PARAMS 2 q xxxx
         -Missing required argument K
         > FT.HYBRID shop SEARCH x VSIM @e $q COMBINE FOO PARAMS 2 q xxxx
         -Unknown argument `FOO`*
         > FT.HYBRID shop SEARCH x VSIM @e $q PARAMS 2 q xx
         -Error parsing vector similarity query: query vector blob size (2) does not match index's expected size (4).",
    );
}
