//! Talk with a server about vector sets, as Redis 8.2.3 answers. VRANGE is 8.4's, known from its documentation alone:
//! https://redis.io/docs/latest/commands/vrange/. So are `!!` and that a reduction never adds numbers.

use vermilion::testing::talk;

#[test]
fn vadd_takes_vectors_as_text_and_as_bytes_and_says_what_is_wrong_with_others() {
    talk(
        "> VADD k VALUES 3 1 2 3 a
         :1
         > VADD k VALUES 3 1 2 4 a
         :0
         > VADD k FP32 \"\\x00\\x00\\x80\\x3f\\x00\\x00\\x80\\x3f\\x00\\x00\\x80\\x3f\" b
         :1
         > VCARD k
         :2
         > VDIM k
         :3
         > VEMB k b RAW
         [+int8 \"\\x7f\\x7f\\x7f\" \"1.7320507764816284\" \"0.5773502588272095\"]
         > vadd
         -ERR wrong number of arguments for 'VADD' command
         > VADD k VALUES 2 1
         -ERR invalid vector specification
         > VADD k VALUES 2 1 2
         -ERR wrong number of arguments for 'VADD' command
         > VADD k VALUES 2 1 x e
         -ERR invalid vector specification
         > VADD k VALUES 0 a b
         -ERR invalid vector specification
         > VADD k FP32 abc e
         -ERR invalid vector specification
         > VADD k FOO 1 e
         -ERR invalid vector specification
         > VADD k VALUES 3 1 2 3 a FOO
         -ERR invalid option after element
         > VADD k VALUES 3 1 2 3 a EF 0
         -ERR invalid EF
         > VADD k VALUES 3 1 2 3 a EF
         -ERR invalid option after element
         > VADD k VALUES 3 1 2 3 a M 3
         -ERR invalid M
         > VADD k VALUES 3 1 2 3 a M 4097
         -ERR invalid M
         > VADD k VALUES 2 1 2 a
         -ERR Vector dimension mismatch - got 2 but set has 3
         > VADD k VALUES 3 1 2 3 a NOQUANT
         -ERR asked quantization mismatch with existing vector set
         > VADD k VALUES 3 1 2 3 a M 20
         -ERR asked M value mismatch with existing vector set
         > VADD k REDUCE 3 VALUES 3 1 2 3 a
         -ERR cannot add projection to existing set without projection
         > VADD k REDUCE 2 VALUES 3 1 2 3 a
         -ERR cannot add projection to existing set without projection
         > SET s text
         +OK
         > VADD s VALUES 1 1 a
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > VADD s VALUES 1 x a
         -ERR invalid vector specification",
    );
}

#[test]
fn vectors_are_reduced_when_the_first_one_is() {
    talk(
        "> VADD k REDUCE 2 VALUES 4 1 2 3 4 a NOQUANT
         :1
         > VEMB k a
         [\"5\" \"-1\"]
         > VADD k VALUES 4 1 2 3 4 a NOQUANT
         -ERR Vector dimension mismatch - got 4 but set has 2
         > VADD k REDUCE 2 VALUES 4 1 2 3 5 b NOQUANT
         :1
         > VADD k REDUCE 2 VALUES 5 1 2 3 5 6 b NOQUANT
         -ERR Input dimension mismatch for projection - got 5 but projection expects 4
         > VADD k REDUCE 3 VALUES 4 1 2 3 5 b NOQUANT
         -ERR Vector dimension mismatch - got 4 but set has 2
         > VSIM k VALUES 4 1 2 3 4 WITHSCORES
         [\"a\" \"1\" \"b\" \"0.9988151788711548\"]
         > VSIM k VALUES 2 1 2 WITHSCORES
         [\"a\" \"0.6315587162971497\" \"b\" \"0.5980580747127533\"]
         > VSIM k VALUES 3 1 2 3
         -ERR Input dimension mismatch for projection - got 3 but projection expects 4
         > VADD new REDUCE 0 VALUES 3 1 2 3 a
         -ERR invalid vector specification
         > VADD new REDUCE 4 VALUES 3 1 2 3 a
         -ERR invalid vector specification
         > VADD new REDUCE 65536 VALUES 3 1 2 3 a
         -ERR invalid vector specification
         > EXISTS new
         :0",
    );
}

#[test]
fn vsim_answers_with_the_nearest_first() {
    talk(
        "> VADD k VALUES 2 1 0 right NOQUANT SETATTR '{\"year\":1980}'
         :1
         > VADD k VALUES 2 1 1 between NOQUANT
         :1
         > VADD k VALUES 2 -1 0 left NOQUANT SETATTR '{\"year\":1990}'
         :1
         > VSIM k VALUES 2 2 0.5
         [\"right\" \"between\" \"left\"]
         > VSIM k ELE right WITHSCORES
         [\"right\" \"1\" \"between\" \"0.8535533845424652\" \"left\" \"0\"]
         > VSIM k ELE right WITHATTRIBS COUNT 2
         [\"right\" \"{\\\"year\\\":1980}\" \"between\" nil]
         > VSIM k ELE right WITHATTRIBS WITHSCORES COUNT 1
         [\"right\" \"1\" \"{\\\"year\\\":1980}\"]
         > VSIM k ELE right EPSILON 0.2
         [\"right\" \"between\"]
         > VSIM k ELE right FILTER '.year > 1985'
         [\"left\"]
         > VSIM k ELE right FILTER '.year > 1985' TRUTH NOTHREAD EF 10 FILTER-EF 5
         [\"left\"]
         > VSIM k ELE right FILTER '!!.year' FILTER '.year'
         [\"right\" \"left\"]
         > VSIM k ELE right FILTER '.year =='
         -ERR syntax error in FILTER expression near: .year ==
         > VSIM k ELE right FILTER '.year = 1'
         -ERR syntax error in FILTER expression near:  1
         > VSIM k ELE nosuch
         -ERR element not found in set
         > VSIM k VALUES 3 1 2 3
         -ERR Vector dimension mismatch - got 3 but set has 2
         > VSIM k FOO 1
         -ERR invalid vector specification
         > VSIM k ELE right COUNT 0
         -ERR invalid COUNT
         > VSIM k ELE right EPSILON 0
         -ERR invalid EPSILON
         > VSIM k ELE right EF 1000001 COUNT 1
         [\"right\"]
         > VADD k VALUES 2 1 0 right NOQUANT EF 1000001
         -ERR invalid EF
         > VSIM k ELE right EF 0
         -ERR invalid EF
         > VSIM k ELE right FILTER-EF 0
         -ERR invalid FILTER-EF
         > VSIM k ELE right COUNT
         -ERR syntax error in VSIM command
         > VSIM none FOO 1
         []
         > VSIM none
         -ERR wrong number of arguments for 'VSIM' command",
    );
}

#[test]
fn a_distance_that_is_no_number_is_beyond_no_epsilon() {
    talk(
        "> VADD k VALUES 2 1 1 near NOQUANT
         :1
         > VADD k FP32 \"\\x00\\x00\\xc0\\x7f\\x00\\x00\\x80\\x3f\" none NOQUANT
         :1
         > VSIM k VALUES 2 1 1 EPSILON 0.1
         [\"near\" \"none\"]",
    );
}

#[test]
fn numbers_that_are_too_small_for_bytes_are_kept_as_zeros() {
    talk(
        "> VADD k VALUES 2 1e-44 0 a
         :1
         > VEMB k a RAW
         [+int8 \"\\x00\\x00\" \"1\" \"9.80908925027372e-45\"]
         > VEMB k a
         [\"0\" \"0\"]",
    );
}

#[test]
fn resp3_has_maps_doubles_and_booleans() {
    talk(
        "> HELLO 3
         {*
         > VADD k VALUES 2 1 0 right NOQUANT SETATTR {}
         #t
         > VADD k VALUES 2 -1 0 left NOQUANT
         #t
         > VSIM k ELE right
         [\"right\" \"left\"]
         > VSIM k ELE right WITHSCORES
         {\"right\" ,1, \"left\" ,0}
         > VSIM k ELE right WITHSCORES WITHATTRIBS
         {\"right\" [,1 \"{}\"], \"left\" [,0 nil]}
         > VEMB k right
         [,1 ,0]
         > VISMEMBER k left
         #t
         > VSETATTR k nosuch {}
         #f
         > VREM k left
         #t
         > VINFO none
         nil",
    );
}

#[test]
fn attributes_are_set_told_and_taken() {
    talk(
        "> VADD k VALUES 2 1 0 a SETATTR '{\"n\":1}'
         :1
         > VADD k VALUES 2 1 1 a
         :0
         > VGETATTR k a
         \"{\\\"n\\\":1}\"
         > VADD k VALUES 2 1 1 a SETATTR {}
         :0
         > VGETATTR k a
         \"{}\"
         > VSETATTR k a text
         :1
         > VGETATTR k a
         \"text\"
         > VSETATTR k a \"\"
         :1
         > VGETATTR k a
         nil
         > VSETATTR k nosuch {}
         :0
         > VSETATTR none a {}
         :0
         > VGETATTR k nosuch
         nil
         > VGETATTR none a
         nil
         > VSETATTR k a
         -ERR wrong number of arguments for 'VSETATTR' command",
    );
}

#[test]
fn elements_are_looked_at_and_removed() {
    talk(
        "> VADD k VALUES 1 1 a BIN
         :1
         > VEMB k a
         [\"1\"]
         > VEMB k a RAW
         [+bin \"\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\" \"1\"]
         > VEMB k a FOO
         -ERR invalid option
         > VEMB k nosuch
         nil
         > VLINKS k nosuch
         nil
         > VLINKS k a FOO
         -ERR wrong number of arguments for 'VLINKS' command
         > VISMEMBER k a
         :1
         > VISMEMBER k b
         :0
         > VISMEMBER none b
         :0
         > VRANDMEMBER k
         \"a\"
         > VRANDMEMBER k 5
         [\"a\"]
         > VRANDMEMBER k -3
         [\"a\" \"a\" \"a\"]
         > VRANDMEMBER k 0
         []
         > VRANDMEMBER k x
         -ERR COUNT value is not an integer
         > VRANDMEMBER k -9223372036854775808
         -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
         > VRANDMEMBER none -9223372036854775808
         []
         > VRANDMEMBER none
         nil
         > VRANDMEMBER none 2
         []
         > VDIM none
         -ERR key does not exist
         > VCARD none
         :0
         > TYPE k
         +vectorset
         > OBJECT ENCODING k
         \"raw\"
         > VREM k b
         :0
         > VREM k a
         :1
         > EXISTS k
         :0
         > VREM k a
         :0",
    );
}

#[test]
fn vinfo_tells_how_a_set_is_kept() {
    talk(
        "> VADD k REDUCE 2 VALUES 4 1 2 3 4 a M 20 SETATTR {}
         :1
         > VINFO k
         [+quant-type +int8 +hnsw-m :20 +vector-dim :2 +projection-input-dim :4 +size :1 +max-level *
         > VINFO none
         nil",
    );
}

#[test]
fn vrange_answers_in_the_order_of_names() {
    talk(
        "> VADD k VALUES 1 1 cat
         :1
         > VADD k VALUES 1 2 ant
         :1
         > VADD k VALUES 1 3 bee
         :1
         > VADD k VALUES 1 4 bees
         :1
         > VRANGE k - +
         [\"ant\" \"bee\" \"bees\" \"cat\"]
         > VRANGE k - + 2
         [\"ant\" \"bee\"]
         > VRANGE k (bee + 1
         [\"bees\"]
         > VRANGE k [bee (cat -1
         [\"bee\" \"bees\"]
         > VRANGE k [x [b
         []
         > VRANGE k - + 0
         []
         > VRANGE none - +
         []
         > VRANGE k + -
         -ERR '-' can only be used as first argument, '+' only as second
         > VRANGE k a +
         -ERR invalid start range format
         > VRANGE k - [
         -ERR invalid end range format
         > VRANGE k - + x
         -ERR invalid COUNT value",
    );
}

#[test]
fn a_key_is_announced_when_it_is_made_and_never_else() {
    talk(
        "> CONFIG SET notify-keyspace-events EAn
         +OK
         b> PSUBSCRIBE __key*
         [\"psubscribe\" \"__key*\" :1]
         > VADD k VALUES 1 1 a
         :1
         b< [\"pmessage\" \"__key*\" \"__keyevent@0__:new\" \"k\"]
         > VSETATTR k a {}
         :1
         > VREM k a
         :1
         > VADD k VALUES 1 1 a
         :1
         b< [\"pmessage\" \"__key*\" \"__keyevent@0__:new\" \"k\"]
         > DEL k
         :1
         b< [\"pmessage\" \"__key*\" \"__keyevent@0__:del\" \"k\"]",
    );
}

#[test]
fn watch_sees_changes_and_scripts_and_transactions_search() {
    talk(
        "> VADD k VALUES 1 1 a
         :1
         > WATCH k
         +OK
         b> VSETATTR k a {}
         :1
         > MULTI
         +OK
         > VCARD k
         +QUEUED
         > EXEC
         nil
         > MULTI
         +OK
         > VADD k VALUES 1 -1 b
         +QUEUED
         > VSIM k ELE a WITHSCORES
         +QUEUED
         > VADD
         +QUEUED
         > EXEC
         [:1 [\"a\" \"1\" \"b\" \"0\"] -ERR wrong number of arguments for 'VADD' command]
         > EVAL \"return redis.call('VSIM', KEYS[1], 'ELE', 'a')\" 1 k
         [\"a\" \"b\"]
         > COPY k copy
         :1
         > VREM copy a
         :1
         > VCARD k
         :2
         > SCAN 0 TYPE vectorset COUNT 100
         [\"0\" [*",
    );
}

#[test]
fn users_need_the_command_itself_and_every_right_to_the_key() {
    talk(
        "> ACL SETUSER ann on nopass +@read +@write ~*
         +OK
         > ACL SETUSER bob on nopass +@all %R~*
         +OK
         > ACL SETUSER cid on nopass +vcard ~*
         +OK
         b> AUTH ann x
         +OK
         b> VCARD k
         -NOPERM User ann has no permissions to run the 'vcard' command
         c> AUTH bob x
         +OK
         c> VCARD k
         -NOPERM No permissions to access a key
         d> AUTH cid x
         +OK
         d> VCARD k
         :0",
    );
}

#[test]
fn what_is_a_module_elsewhere_is_listed_as_one() {
    talk(
        "> MODULE LIST
         [[\"name\" \"vectorset\" \"ver\" :1 \"path\" \"\" \"args\" []]*
         > COMMAND LIST FILTERBY MODULE nosuch
         []
         > COMMAND INFO vcard
         [[\"vcard\" :-1 [+readonly +fast +module] :1 :1 :1 [] [] *",
    );
}
