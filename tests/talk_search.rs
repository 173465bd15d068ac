//! Talk with a server about indexes over hashes. What Redis Stack 7.4.1 (RediSearch 2.10.5) answers is compared with it in
//! `server/searches.rs`; these are its answers, too.

use vermilion::testing::talk;

/// Three documents in an index with a field of each type but vectors.
const BOOKS: &str = "> FT.CREATE books ON HASH PREFIX 1 b: SCHEMA title TEXT SORTABLE kind TAG SORTABLE price NUMERIC place GEO
 +OK
 > HSET b:1 title 'Running dogs' kind 'Dog,Sport' price 10.50 place 1,2
 :4
 > HSET b:2 title 'The quick brown fox runs' kind Fox price 20
 :3
 > HSET b:3 title 'Lazy dog' kind dog price 5
 :3
 ";

fn books(rest: &str) {
    talk(&format!("{BOOKS}{rest}"));
}

#[test]
fn words_tags_numbers_and_places_find_hashes() {
    books(
        "> FT.SEARCH books run NOCONTENT
         [:2 \"b:1\" \"b:2\"]
         > FT.SEARCH books '@kind:{dog}' NOCONTENT
         [:2 \"b:1\" \"b:3\"]
         > FT.SEARCH books '@price:[(5 15]' NOCONTENT
         [:1 \"b:1\"]
         > FT.SEARCH books '@place:[1 2 3 km]' NOCONTENT
         [:1 \"b:1\"]
         > FT.SEARCH books '@title:(lazy|fox) -@price:[20 20]' NOCONTENT DIALECT 2
         [:1 \"b:3\"]
         > FT.SEARCH books '\"brown fox\"' NOCONTENT
         [:1 \"b:2\"]
         > FT.SEARCH books 'la* | %fix%' NOCONTENT DIALECT 2
         [:2 \"b:2\" \"b:3\"]
         > FT.SEARCH books * NOCONTENT LIMIT 0 0
         [:3]",
    );
}

/// As Redis's documentation of FT.ALIASLIST has it.
#[test]
fn the_aliases_of_an_index_are_listed() {
    books(
        "> FT.ALIASLIST books
         []
         > FT.ALIASADD reads books
         +OK
         > FT.ALIASADD more books
         +OK
         > FT.ALIASLIST books
         [\"more\" \"reads\"]
         > FT.ALIASLIST reads
         [\"more\" \"reads\"]
         > FT.ALIASLIST nothing
         -Unknown Index name",
    );
}

#[test]
fn fields_of_a_reply_are_chosen_renamed_and_sorted_by() {
    books(
        "> FT.SEARCH books * RETURN 3 price AS cost SORTBY price
         [:3 \"b:3\" [\"cost\" \"5\"] \"b:1\" [\"cost\" \"10.5\"] \"b:2\" [\"cost\" \"20\"]]
         > FT.SEARCH books lazy
         [:1 \"b:3\" [\"title\" \"Lazy dog\" \"kind\" \"dog\" \"price\" \"5\"]]
         > FT.SEARCH books * SORTBY kind DESC WITHSORTKEYS NOCONTENT LIMIT 0 2
         [:3 \"b:2\" \"$fox\" \"b:1\" \"$dog,sport\"]
         > HELLO 3
         {*
         > FT.SEARCH books lazy WITHSCORES RETURN 1 price
         {+attributes [], +total_results :1, +format +STRING, +results [{+id \"b:3\", +score ,4, +extra_attributes {\"price\" \"5\"}, +values []}], +warning []}",
    );
}

#[test]
fn an_index_follows_every_way_in_which_a_key_changes() {
    books(
        "> HSET b:1 kind Cat
         :0
         > FT.SEARCH books '@kind:{cat}' NOCONTENT
         [:1 \"b:1\"]
         > FT.SEARCH books '@kind:{sport}' NOCONTENT
         [:0]
         > RENAME b:2 c:2
         +OK
         > FT.SEARCH books fox NOCONTENT
         [:0]
         > COPY c:2 b:9
         :1
         > FT.SEARCH books fox NOCONTENT
         [:1 \"b:9\"]
         > HINCRBYFLOAT b:9 price 1.5
         \"21.5\"
         > FT.SEARCH books '@price:[21.5 21.5]' NOCONTENT
         [:1 \"b:9\"]
         > SET b:3 text
         +OK
         > DEL b:9
         :1
         > FT.SEARCH books * NOCONTENT
         [:1 \"b:1\"]
         > MULTI
         +OK
         > HSET b:4 kind cat
         +QUEUED
         > FT.SEARCH books '@kind:{cat}' NOCONTENT
         +QUEUED
         > EXEC
         [:1 [:2 \"b:4\" \"b:1\"]]
         > PEXPIREAT b:4 1
         :1
         > FT.SEARCH books * NOCONTENT
         [:1 \"b:1\"]
         > FLUSHALL
         +OK
         > FT._LIST
         []",
    );
}

#[test]
fn documents_of_a_transaction_come_in_the_order_of_their_last_edits() {
    talk(
        "> FT.CREATE i SCHEMA t TEXT
         +OK
         > MULTI
         +OK
         > HSET z t word
         +QUEUED
         > HSET c t word
         +QUEUED
         > HSET a t word
         +QUEUED
         > HSET z t word
         +QUEUED
         > EXEC
         [:1 :1 :1 :0]
         > FT.SEARCH i word NOCONTENT
         [:3 \"c\" \"a\" \"z\"]
         > FT.SEARCH i * NOCONTENT
         [:3 \"c\" \"a\" \"z\"]",
    );
}

#[test]
fn vectors_are_found_by_their_distance() {
    talk(
        "> FT.CREATE v SCHEMA e VECTOR FLAT 6 TYPE FLOAT32 DIM 1 DISTANCE_METRIC L2 t TAG
         +OK
         > HSET a e \"\\x00\\x00\\x80?\" t x
         :2
         > HSET b e \"\\x00\\x00\\x00@\" t y
         :2
         > HSET c e \"\\x00\\x00@@\" t y
         :2
         > FT.SEARCH v '*=>[KNN 2 @e $q AS d]' PARAMS 2 q \"\\x00\\x00@@\" SORTBY d RETURN 1 d DIALECT 2
         [:2 \"c\" [\"d\" \"0\"] \"b\" [\"d\" \"1\"]]
         > FT.SEARCH v '(@t:{x})=>[KNN 2 @e $q AS d]' PARAMS 2 q \"\\x00\\x00@@\" RETURN 1 d DIALECT 2
         [:1 \"a\" [\"d\" \"4\"]]
         > FT.SEARCH v '@e:[VECTOR_RANGE 1 $q]=>{$YIELD_DISTANCE_AS: d}' PARAMS 2 q \"\\x00\\x00@@\" SORTBY d RETURN 1 d DIALECT 2
         [:2 \"c\" [\"d\" \"0\"] \"b\" [\"d\" \"1\"]]
         > FT.SEARCH v '*=>[KNN 2 @e $q]' PARAMS 2 q xx DIALECT 2
         -Error parsing vector similarity query: query vector blob size (2) does not match index's expected size (4).",
    );
}

#[test]
fn rows_are_grouped_sorted_and_reckoned_with() {
    books(
        "> FT.AGGREGATE books * GROUPBY 1 @kind REDUCE COUNT 0 AS n REDUCE MAX 1 @price AS most SORTBY 2 @most DESC
         [:3 [\"kind\" \"fox\" \"n\" \"1\" \"most\" \"20\"] [\"kind\" \"dog,sport\" \"n\" \"1\" \"most\" \"10.5\"] [\"kind\" \"dog\" \"n\" \"1\" \"most\" \"5\"]]
         > FT.AGGREGATE books * LOAD 1 @price APPLY '@price * 2' AS twice FILTER '@twice > 15' SORTBY 1 @twice MAX 1
         [:3 [\"price\" \"10.5\" \"twice\" \"21\"]]
         > FT.AGGREGATE books * APPLY '@price + 1' AS more
         -Property `price` not loaded nor in pipeline",
    );
}

#[test]
fn definitions_are_checked_listed_and_dropped() {
    talk(
        "> FT.CREATE i SCHEMA a TEXT a TAG
         -Duplicate field in schema - a
         > FT.CREATE i SCHEMA a FOO
         -Invalid field type for field `a`
         > FT.CREATE i SCHEMA a TEXT
         +OK
         > FT.CREATE i SCHEMA a TEXT
         -Index already exists
         > FT.SEARCH j *
         -j: no such index
         > FT.ALIASADD j i
         +OK
         > HSET k a word b tag
         :2
         > FT.SEARCH j word NOCONTENT
         [:1 \"k\"]
         > FT.ALTER i SCHEMA ADD b TAG
         +OK
         > FT._LIST
         [+i]
         > FT.DROPINDEX i DD
         +OK
         > EXISTS k
         :0
         > FT.DROPINDEX i
         -Unknown Index name
         > FT.INFO i
         -Unknown index name",
    );
}

/// A document with values of all types, in an index over JSON.
const JSON: &str = r#"> FT.CREATE j ON JSON PREFIX 1 j: SCHEMA $.t AS t TEXT $.tags[*] AS tags TAG $.tag AS tag TAG SORTABLE $.n AS n NUMERIC SORTABLE $.ns[*] AS ns NUMERIC $.loc AS loc GEO $.v AS v VECTOR FLAT 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2 $..deep AS deep TAG $.b AS b TAG $.arr AS arr TAG
 +OK
 > JSON.SET j:1 $ '{"t":"hello world","tags":["Red","blue"],"tag":"A,b","n":1.5,"ns":[1,2,30],"loc":"1,2","v":[1,2],"q":[{"deep":"d1"},{"deep":"d2"}],"b":true,"arr":["p","q,r"]}'
 +OK
 "#;

#[test]
fn documents_are_found_by_what_their_paths_lead_to() {
    talk(&format!(
        r#"{JSON}> JSON.SET other $ '{{"t":"hello"}}'
         +OK
         > HSET j:2 t hello
         :1
         > FT.SEARCH j hello NOCONTENT
         [:1 "j:1"]
         > FT.SEARCH j '@tags:{{red}}' NOCONTENT
         [:1 "j:1"]
         > FT.SEARCH j '@tag:{{b}}' NOCONTENT
         [:0]
         > FT.SEARCH j '@arr:{{q\,r}}' NOCONTENT DIALECT 2
         [:1 "j:1"]
         > FT.SEARCH j '@ns:[30 30]' NOCONTENT
         [:1 "j:1"]
         > FT.SEARCH j '@loc:[1 2 1 km]' NOCONTENT
         [:1 "j:1"]
         > FT.SEARCH j '@deep:{{d2}}' NOCONTENT
         [:1 "j:1"]
         > FT.SEARCH j '@b:{{true}}' NOCONTENT
         [:1 "j:1"]
         > FT.SEARCH j '*=>[KNN 2 @v $q AS d]' PARAMS 2 q "\x00\x00\x80?\x00\x00\x00@" RETURN 1 d DIALECT 2
         [:1 "j:1" ["d" "0"]]
         > JSON.SET j:1 $.t '"changed"'
         +OK
         > FT.SEARCH j changed NOCONTENT
         [:1 "j:1"]
         > JSON.ARRAPPEND j:1 $.tags '"green"'
         [:3]
         > FT.SEARCH j '@tags:{{green}}' NOCONTENT
         [:1 "j:1"]
         > JSON.NUMINCRBY j:1 $.n 5
         "[6.5]"
         > FT.SEARCH j '@n:[6.5 6.5]' NOCONTENT
         [:1 "j:1"]
         > JSON.DEL j:1 $.q
         :1
         > FT.SEARCH j '@deep:{{d2}}' NOCONTENT
         [:0]
         > JSON.DEL j:1
         :1
         > FT.SEARCH j * NOCONTENT
         [:0]"#
    ));
}

#[test]
fn values_of_documents_are_shown_as_dialects_want_it() {
    talk(&format!(
        r#"{JSON}> FT.SEARCH j hello RETURN 7 t tags tag n ns v $.q[*].deep
         [:1 "j:1" ["t" "hello world" "tags" "Red" "tag" "A,b" "n" "1.5" "ns" "1" "v" "[1,2]" "$.q[*].deep" "d1"]]
         > FT.SEARCH j hello RETURN 7 t tags tag n ns v $.q[*].deep DIALECT 3
         [:1 "j:1" ["t" "[\"hello world\"]" "tags" "[\"Red\",\"blue\"]" "tag" "A,b" "n" "1.5" "ns" "[1,2,30]" "v" "[[1,2]]" "$.q[*].deep" "[\"d1\",\"d2\"]"]]
         > FT.SEARCH j hello RETURN 2 b arr
         [:1 "j:1" ["b" "1" "arr" "[\"p\",\"q,r\"]"]]
         > FT.AGGREGATE j hello LOAD 3 @t @tags @n
         [:1 ["t" "hello world" "tags" "Red" "n" "1.5"]]
         > JSON.SET j:1 $ '{{"n":7}}'
         +OK
         > FT.SEARCH j * SORTBY n
         [:1 "j:1" ["n" "7" "$" "{{\"n\":7}}"]]
         > FT.SEARCH j * DIALECT 3
         [:1 "j:1" ["$" "[{{\"n\":7}}]"]]"#
    ));
}

#[test]
fn documents_whose_values_do_not_fit_are_not_indexed() {
    talk(
        r#"> FT.CREATE i ON JSON SCHEMA $.a[ AS a TEXT
         -Invalid JSONPath '$.a[' in attribute 'a' in index 'i'
         > FT.CREATE i ON JSON SCHEMA $.t AS t TEXT $.g AS g TAG $.n AS n NUMERIC $.l AS l GEO $.v AS v VECTOR FLAT 6 TYPE FLOAT16 DIM 2 DISTANCE_METRIC L2 $.vs[*] AS vs VECTOR FLAT 6 TYPE FLOAT32 DIM 1 DISTANCE_METRIC L2
         +OK
         > JSON.MSET t1 $ '{"t":5}' t2 $ '{"t":true}' t3 $ '{"t":{"a":1}}' t4 $ '{"t":["a",1]}' g1 $ '{"g":["a",true]}' n1 $ '{"n":"7"}' n2 $ '{"n":[1,"a"]}' l1 $ '{"l":"x"}' v1 $ '{"v":[1,2,3]}' v2 $ '{"v":["a",1]}' v3 $ '{"v":[]}' vs1 $ '{"vs":[[1],[1,2]]}'
         +OK
         > FT.SEARCH i * NOCONTENT
         [:0]
         > JSON.MSET ok1 $ '{"t":null,"g":null,"n":null,"v":null}' ok2 $ '{"t":["a",null]}' ok3 $ '{"n":[1,null]}' ok4 $ '[1]' ok5 $ '{"v":[0.5,1]}' ok6 $ '{"vs":[[9],[4]]}' ok7 $ '{"vs":[[5],[20]]}'
         +OK
         > FT.SEARCH i * NOCONTENT LIMIT 0 0
         [:7]
         > FT.SEARCH i '*=>[KNN 2 @vs $q AS d]' PARAMS 2 q "\x00\x00\x80@" RETURN 1 d DIALECT 2
         [:2 "ok6" ["d" "0"] "ok7" ["d" "1"]]"#,
    );
}
