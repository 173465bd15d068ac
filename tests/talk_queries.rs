//! Talk with a server about what queries mean and what is replied beside results. All answers are Redis Stack 7.4.1's
//! (RediSearch 2.10.5).

use vermilion::testing::talk;

const TEXTS: &str = "> FT.CREATE i PREFIX 1 d: SCHEMA t TEXT u TEXT n NUMERIC g GEO k TAG
 +OK
 > HSET d:1 t 'hello world' u 'hello fox world' n 5 g 1.5,2.5 k a,b
 :5
 > HSET d:2 t 'other thing' u 'fox fox fox' g 10,20 k c
 :4
 ";

fn texts(rest: &str) {
    talk(&format!("{TEXTS}{rest}"));
}

/// An expression over the first document.
fn reckoned(expression: &str, wanted: &str) {
    let ask = format!("> FT.AGGREGATE i '@n:[5 5]' LOAD 1 @n APPLY \"{expression}\" AS r\n");
    texts(&format!("{ask} [:1 [\"n\" \"5\" \"r\" {wanted}]]"));
}

#[test]
fn a_long_sum_and_many_filters_are_no_deep_ones() {
    let sum = format!("1{}", "+1".repeat(100_000));
    reckoned(&sum, "\"100001\"");
    let filters = " FILTER n 1 9".repeat(20_000);
    texts(&format!(
        "> FT.SEARCH i hello NOCONTENT{filters}\n [:1 \"d:1\"]"
    ));
}

#[test]
fn expressions_have_redisearchs_values() {
    for (expression, wanted) in [
        ("1/0", "\"nan\""),
        ("substr('hello',1,-2)", "\"el\""),
        ("substr('hello',-10,2)", "\"\""),
        ("1||0&&0", "\"0\""),
        ("1000000*1000000", "\"1000000000000\""),
        ("upper(5)", "nil"),
        ("log('x')", "\"nan\""),
        ("'0x10'+1", "\"17\""),
        ("year(1700000000)", "\"2023\""),
        ("monthofyear(1700000000)", "\"10\""),
        ("dayofyear(1700000000)", "\"317\""),
        ("timefmt(1700000000)", "\"2023-11-14T22:13:20Z\""),
        ("parsetime('2023-11-14','%Y-%m-%d')", "\"1699920000\""),
        ("parsetime('x','%Y')", "nil"),
    ] {
        reckoned(expression, wanted);
    }
    texts(
        "> FT.AGGREGATE i * APPLY strlen(5) AS r
         -Invalid type (1) for argument 0 in function 'strlen'. VALIDATE_ARG__STRING(v, 0) was false.
         > FT.AGGREGATE i * GROUPBY 0 REDUCE MIN 1 @t AS a REDUCE MAX 1 @t AS b REDUCE SUM 1 @t AS c
         [:1 [\"a\" \"0\" \"b\" \"0\" \"c\" \"0\"]]
         > FT.AGGREGATE i * GROUPBY 1 @n REDUCE COUNT 0 AS c SORTBY 1 @n
         [:2 [\"n\" \"5\" \"c\" \"1\"] [\"n\" nil \"c\" \"1\"]]",
    );
}

#[test]
fn weights_count_where_redisearch_counts_them() {
    for (query, score) in [
        ("(hello zz|hello)=>{$weight:3}", "6"),
        ("(zz|hello)=>{$weight:3}", "2"),
        ("hel*=>{$weight:3}", "6"),
        ("@k:{a|b}=>{$weight:3}", "36"),
        ("@k:{a}=>{$weight:3}", "6"),
        ("@n:[5 5]=>{$weight:3}", "1"),
    ] {
        talk(&format!(
            "> FT.CREATE i PREFIX 1 d: SCHEMA t TEXT k TAG n NUMERIC
             +OK
             > HSET d:1 t 'hello world' k a,b n 5
             :3
             > HSET d:2 t 'other thing' k c
             :2
             > FT.SEARCH i '{query}' NOCONTENT WITHSCORES DIALECT 2
             [:1 \"d:1\" \"{score}\"]"
        ));
    }
}

#[test]
fn what_is_no_query_is_refused() {
    for query in [
        "*|*", "* hello", "hello *", "-*", "**", "@t:(*)", "(hello)*",
    ] {
        texts(&format!(
            "> FT.SEARCH i '{query}' DIALECT 2\n -Syntax error at offset *"
        ));
    }
    texts(
        "> FT.SEARCH i '@g:[0 45 -1 km]'
         -Invalid GeoFilter radius
         > FT.SEARCH i '@g:[200 45 1 km]'
         -Invalid GeoFilter lat/lon
         > FT.SEARCH i '@t:\"\"' DIALECT 2
         -Use `INDEXEMPTY` in field creation in order to index and query for empty strings
         > FT.SEARCH i '(*)' NOCONTENT LIMIT 0 0 DIALECT 2
         [:2]
         > FT.SEARCH i '-the' NOCONTENT
         [:0]
         > HSET d:3 n ' 5 '
         :1
         > FT.SEARCH i '@n:[5 5]' NOCONTENT
         [:1 \"d:1\"]",
    );
}

#[test]
fn the_first_dialect_binds_otherwise() {
    texts(
        "> FT.SEARCH i '@n:[5 5] thing | hello' NOCONTENT DIALECT 1
         [:1 \"d:1\"]
         > FT.SEARCH i '@n:[5 5] thing | other' NOCONTENT DIALECT 2
         [:1 \"d:2\"]
         > FT.EXPLAIN i '@t:run|zz' VERBATIM DIALECT 1
         \"@t:UNION {\\n  @t:run\\n  @t:zz\\n}\\n\"
         > FT.EXPLAIN i '@t:run|zz' VERBATIM DIALECT 2
         \"UNION {\\n  @t:run\\n  zz\\n}\\n\"
         > FT.EXPLAIN i '-run -zz'
         \"INTERSECT {\\n  NOT{\\n    run\\n  }\\n  NOT{\\n    zz\\n  }\\n}\\n\"
         > FT.EXPLAINCLI i '-run -zz'
         [+INTERSECT { +  NOT{ +    run +  }*",
    );
}

#[test]
fn found_words_are_highlighted_and_texts_summarized() {
    texts(
        "> FT.SEARCH i fox HIGHLIGHT RETURN 1 u
         [:2 \"d:2\" [\"u\" \"<b>fox</b> <b>fox</b> <b>fox</b>\"] \"d:1\" [\"u\" \"hello <b>fox</b> world\"]]
         > FT.SEARCH i '\"fox world\"' HIGHLIGHT FIELDS 1 u TAGS [ ] RETURN 1 u
         [:1 \"d:1\" [\"u\" \"hello [fox] [world]\"]]
         > FT.SEARCH i foxes SUMMARIZE RETURN 2 t u
         [:2 \"d:2\" [\"t\" \"other\" \"u\" \"fox fox fox... \"] \"d:1\" [\"t\" \"hello\" \"u\" \"fox ... \"]]
         > FT.SEARCH i fox HIGHLIGHT FIELDS 1
         -Bad arguments for HIGHLIGHT
         > FT.SEARCH i fox SUMMARIZE FRAGS a
         -Bad arguments for SUMMARIZE",
    );
}

#[test]
fn scores_are_explained() {
    texts(
        "> FT.SEARCH i hello NOCONTENT WITHSCORES EXPLAINSCORE VERBATIM
         [:1 \"d:1\" [\"2\" [+Final TFIDF : words TFIDF 4.00 * document score 1.00 / norm 2 / slop 1 [+(TFIDF 4.00 = Weight 1.00 * TF 2 * IDF 2.00)]]]]
         > FT.SEARCH i '@n:[5 5]' NOCONTENT WITHSCORES EXPLAINSCORE SCORER DISMAX
         [:1 \"d:1\" [\"1\" +DISMAX 1.00 = Weight 1.00 * Frequency 1]]
         > FT.SEARCH i hello EXPLAINSCORE
         -EXPLAINSCORE must be accompanied with WITHSCORES",
    );
}

#[test]
fn options_of_searches_are_checked_and_heard() {
    texts(
        "> FT.SEARCH i fox GEOFILTER g 1 2 200 km NOCONTENT
         [:1 \"d:1\"]
         > FT.SEARCH i fox GEOFILTER g 1 2 200 xx NOCONTENT
         -Unknown distance unit xx
         > FT.SEARCH i fox GEOFILTER g 1 2 NOCONTENT
         -GEOFILTER requires 5 arguments
         > FT.SEARCH i fox GEOFILTER zz 1 2 3 km NOCONTENT
         [:0]
         > FT.SEARCH i fox TIMEOUT -1
         -TIMEOUT requires a non negative integer
         > FT.SEARCH i fox LANGUAGE xx
         -No such language
         > FT.EXPLAIN i aktuelles LANGUAGE german
         \"UNION {\\n  aktuelles\\n  +aktuell(expanded)\\n  aktuell(expanded)\\n}\\n\"
         > FT.EXPLAIN i knygos LANGUAGE lithuanian
         \"UNION {\\n  knygos\\n  +knyg(expanded)\\n  knyg(expanded)\\n}\\n\"
         > FT.SEARCH i fox INKEYS 1 d:1 NOCONTENT
         [:1 \"d:1\"]
         > FT.SEARCH i hello INFIELDS 1 zz NOCONTENT
         [:0]",
    );
}

#[test]
fn synonyms_stand_for_each_other() {
    texts(
        "> FT.SYNUPDATE i g1 hello hallo Hi
         +OK
         > FT.SYNUPDATE i g2 SKIPINITIALSCAN hello child
         +OK
         > FT.SYNDUMP i
         [\"child\" [\"g2\"] \"hallo\" [\"g1\"] \"hello\" [\"g1\" \"g2\"] \"hi\" [\"g1\"]]
         > FT.EXPLAIN i hallo
         \"UNION {\\n  hallo\\n  ~g1(expanded)\\n  +hallo(expanded)\\n}\\n\"
         > HSET d:3 t 'hi there'
         :1
         > FT.SEARCH i hallo NOCONTENT INKEYS 1 d:3
         [:1 \"d:3\"]
         > FT.SEARCH i hallo NOCONTENT INKEYS 1 d:3 VERBATIM
         [:0]
         > FT.SYNUPDATE nope g a
         -Unknown index name
         > FT.SYNUPDATE i g
         -ERR wrong number of arguments for 'FT.SYNUPDATE' command",
    );
}

#[test]
fn words_that_are_not_there_are_corrected() {
    texts(
        "> FT.SPELLCHECK i 'helo wrld'
         [[+TERM \"helo\" [[\"0.5\" \"hello\"]]] [+TERM \"wrld\" [[\"0.5\" \"world\"]]]]
         > FT.SPELLCHECK i 'hello zzzzzz'
         [[+TERM \"zzzzzz\" []]]
         > FT.DICTADD dict helio
         :1
         > FT.SPELLCHECK i helo TERMS INCLUDE dict
         [[+TERM \"helo\" [[\"0.5\" \"hello\"] [\"0\" \"helio\"]]]]
         > FT.SPELLCHECK i helio TERMS EXCLUDE dict
         []
         > FT.SPELLCHECK i helo DISTANCE 5
         -bad distance given, distance must be a natural number between 1 to 4
         > FT.SPELLCHECK i helo TERMS INCLUDE nodict
         -Dict does not exist: nodict",
    );
}

#[test]
fn suggestions_complete_what_is_typed() {
    talk(
        "> FT.SUGADD sg 'hello world' 1
         :1
         > FT.SUGADD sg 'hello there' 3
         :2
         > FT.SUGADD sg 'Help me' 2 PAYLOAD pay
         :3
         > FT.SUGADD sg 'hello world' 5 INCR
         :3
         > FT.SUGGET sg hel WITHSCORES WITHPAYLOADS
         [\"hello world\" \"2\" nil \"hello there\" \"1\" nil \"Help me\" \"0.8944271802902222\" \"pay\"]
         > FT.SUGGET sg HELLO MAX 1
         [\"hello world\"]
         > FT.SUGGET sg hxl
         []
         > FT.SUGGET sg hxl FUZZY
         [\"hello world\" \"hello there\" \"Help me\"]
         > FT.SUGDEL sg hello
         :0
         > FT.SUGDEL sg 'hello there'
         :1
         > FT.SUGLEN sg
         :2
         > TYPE sg
         +trietype0
         > FT.SUGGET nope a
         nil
         > SET s x
         +OK
         > FT.SUGADD s x 1
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > FT.SUGADD sg x a
         -ERR invalid score
         > FT.SUGGET sg x MAX 0
         -MAX: Value is outside acceptable bounds",
    );
}

#[test]
fn a_profile_stands_behind_results() {
    texts(
        "> HELLO 3
         {*
         > FT.PROFILE i SEARCH QUERY 'hello @n:[1 9]' NOCONTENT DIALECT 2
         {*
         > FT.PROFILE i FOO QUERY x
         -No `SEARCH` or `AGGREGATE` provided
         > FT.PROFILE nope SEARCH QUERY x
         -nope: no such index",
    );
}

#[test]
fn the_beginning_of_a_word_stands_for_so_many() {
    let mut said = String::from("> FT.CREATE i SCHEMA t TEXT\n +OK\n ");
    for n in 0..300 {
        said.push_str(&format!("> HSET d:{n} t word{n:03}\n :1\n "));
    }
    said.push_str(
        "> FT.SEARCH i word* LIMIT 0 0
         [:200]
         > FT.SEARCH i 'word1*' LIMIT 0 0
         [:100]
         > FT.SEARCH i '%%word000%%' LIMIT 0 0 DIALECT 2
         [:138]
         > FT.CONFIG SET MAXEXPANSIONS 5
         +OK
         > FT.CONFIG GET MAXPREFIXEXPANSIONS
         [[+MAXPREFIXEXPANSIONS \"5\"]]
         > FT.SEARCH i word* LIMIT 0 0
         [:5]
         > FT.CONFIG SET TIMEOUT x
         -Could not convert argument to expected type
         > FT.CONFIG SET ON_TIMEOUT fail
         +OK",
    );
    talk(&said);
}

#[test]
fn rows_are_grouped_by_each_value_of_a_list() {
    talk(
        "> FT.CREATE i SCHEMA t TAG n NUMERIC
         +OK
         > HSET a t x,y n 1
         :2
         > HSET b t y,z n 2
         :2
         > HSET c t '' n 3
         :2
         > FT.AGGREGATE i '@n:[1 2]' LOAD 2 t n APPLY split(@t) AS s GROUPBY 1 @s REDUCE COUNT 0 AS c REDUCE SUM 1 @n AS k SORTBY 1 @s
         [:3 [\"s\" \"x\" \"c\" \"1\" \"k\" \"1\"] [\"s\" \"y\" \"c\" \"2\" \"k\" \"3\"] [\"s\" \"z\" \"c\" \"1\" \"k\" \"2\"]]
         > FT.AGGREGATE i '@n:[1 1]' LOAD 2 t n APPLY split(@t) AS s APPLY split(@t) AS r GROUPBY 2 @s @r REDUCE COUNT 0 AS c SORTBY 2 @s @r
         [:4 [\"s\" \"x\" \"r\" \"x\" \"c\" \"1\"] [\"s\" \"x\" \"r\" \"y\" \"c\" \"1\"] [\"s\" \"y\" \"r\" \"x\" \"c\" \"1\"] [\"s\" \"y\" \"r\" \"y\" \"c\" \"1\"]]
         > FT.AGGREGATE i '@n:[3 3]' LOAD 1 t APPLY split(@t) AS s GROUPBY 1 @s REDUCE COUNT 0 AS c
         [:1 [\"s\" nil \"c\" \"1\"]]
         > FT.AGGREGATE i '@n:[1 1]' LOAD 1 t APPLY split(@t) AS s FILTER \"@s == 'x'\"
         [:1]",
    );
}

#[test]
fn numbers_are_not_compared_with_texts_that_are_none() {
    texts(
        "> FT.AGGREGATE i '@n:[5 5]' LOAD 2 u n APPLY '@u > 5' AS r
         -Error converting string 'hello fox world' to number
         > FT.AGGREGATE i '@n:[5 5]' LOAD 2 u n FILTER '5 <= @u'
         -Error converting string 'hello fox world' to number
         > FT.AGGREGATE i '@n:[5 5]' LOAD 2 u n FILTER \"@n > 'a'\"
         -Error converting string 'a' to number
         > FT.AGGREGATE i '@n:[5 5]' LOAD 1 n APPLY \"@n == 'a'\" AS r APPLY \"@n != 'a'\" AS s APPLY \"@n > '4'\" AS u
         [:1 [\"n\" \"5\" \"r\" \"0\" \"s\" \"1\" \"u\" \"1\"]]",
    );
}

#[test]
fn limits_without_rows_tell_how_many_there_are() {
    talk(
        "> FT.CREATE i SCHEMA t TEXT n NUMERIC SORTABLE
         +OK
         > HSET d t aa n 1
         :2
         > HSET e t bb n 2
         :2
         > HSET f t bb n 3
         :2
         > FT.AGGREGATE i * LIMIT 0 0
         [:3]
         > FT.AGGREGATE i * LIMIT 1 0
         [:3]
         > FT.AGGREGATE i * FILTER '@n > 1' LIMIT 0 0
         [:3]
         > FT.AGGREGATE i * GROUPBY 1 @t LIMIT 0 0
         [:2]
         > FT.AGGREGATE i * FILTER '@n > 1' SORTBY 2 @n DESC
         [:3 [\"n\" \"3\"] [\"n\" \"2\"]]
         > FT.AGGREGATE i * LIMIT 5 1
         [:3]",
    );
}

#[test]
fn distances_have_names_that_nothing_else_has() {
    talk(
        "> FT.CREATE i SCHEMA v VECTOR FLAT 6 TYPE FLOAT32 DIM 1 DISTANCE_METRIC L2 x AS y NUMERIC
         +OK
         > FT.SEARCH i '*=>[KNN 1 @v $q AS v]' PARAMS 2 q 1234 DIALECT 2
         -Property `v` already exists in schema
         > FT.SEARCH i '*=>[KNN 1 @v $q AS y]' PARAMS 2 q 1234 DIALECT 2
         -Property `y` already exists in schema
         > FT.SEARCH i '*=>[KNN 1 @v $q AS x]' PARAMS 2 q 1234 DIALECT 2
         [:0]
         > FT.AGGREGATE i '@v:[VECTOR_RANGE 3 $q]=>{$yield_distance_as: y}' PARAMS 2 q 1234 DIALECT 2
         -Property `y` already exists in schema
         > FT.SEARCH i '@v:[VECTOR_RANGE 3 $q]=>{$yield_distance_as: z} @v:[VECTOR_RANGE 2 $q]=>{$yield_distance_as: z}' PARAMS 2 q 1234 DIALECT 2
         -Property `z` specified more than once",
    );
}

#[test]
fn marks_before_a_tag_mean_nothing_from_the_second_dialect_on() {
    for mark in [
        ",", ".", "/", "?", "!", "&", "^", "+", "#", "<", ">", "`", "=",
    ] {
        talk(&format!(
            "> FT.CREATE i SCHEMA t TAG
             +OK
             > HSET k t a
             :1
             > FT.SEARCH i '@t:{{{mark}a}}' NOCONTENT DIALECT 2
             [:1 \"k\"]
             > FT.SEARCH i '@t:{{b|{mark}a}}' NOCONTENT DIALECT 2
             [:1 \"k\"]"
        ));
    }
}

#[test]
fn words_in_a_row_are_one_tag_in_the_first_dialect_too() {
    talk(
        "> FT.CREATE i SCHEMA g TAG t TEXT
         +OK
         > HSET a g 'abc def' t x
         :2
         > HSET b g abc
         :1
         > FT.SEARCH i '@g:{abc def}' NOCONTENT
         [:1 \"a\"]
         > FT.SEARCH i 'x @g:{y | abc def}' NOCONTENT
         [:1 \"a\"]
         > FT.SEARCH i '@g:{abc,def}' NOCONTENT
         [:1 \"a\"]
         > FT.SEARCH i '-@g:{abc def}' NOCONTENT
         [:1 \"b\"]
         > FT.SEARCH i '@t:{abc def}' NOCONTENT
         [:0]
         > FT.SEARCH i '@g:{a b c}' NOCONTENT
         -Syntax error at offset 9 near c",
    );
}

#[test]
fn rows_before_one_that_fails_are_replied() {
    talk(
        "> FT.CREATE i SCHEMA n NUMERIC SORTABLE f TEXT
         +OK
         > HSET a n 1 f 10
         :2
         > HSET b n 2 f 4
         :2
         > HSET c f x
         :1
         > HSET d n 4 f 11
         :2
         > FT.AGGREGATE i * APPLY '@n+1' AS m
         [:1 [\"n\" \"1\" \"m\" \"2\"] [\"n\" \"2\" \"m\" \"3\"]]
         > FT.AGGREGATE i * LOAD 1 f FILTER '@f>5'
         [:1 [\"f\" \"10\"]]
         > FT.AGGREGATE i * LOAD 1 f FILTER '@f>5' LIMIT 0 1
         [:1 [\"f\" \"10\"]]
         > FT.AGGREGATE i * LOAD 1 f FILTER '@f>5' SORTBY 1 @f
         -Error converting string 'x' to number
         > FT.AGGREGATE i * APPLY '@n+1' AS m LIMIT 2 1
         -n: has no value, consider using EXISTS if applicable
         > FT.AGGREGATE i * APPLY '@n+1' AS m FILTER '@m > 5'
         -n: has no value, consider using EXISTS if applicable
         > FT.AGGREGATE i * LOAD 1 f FILTER '@f>5' LIMIT 0 0
         -Error converting string 'x' to number",
    );
}
