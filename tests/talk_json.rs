//! JSON documents, as Redis Stack 7.4.1 with RedisJSON 2.8.3 answers.

use vermilion::testing::{TestServer, show, talk};

#[test]
fn documents_are_set_and_got_whole_and_in_part() {
    talk(
        r##"> JSON.SET d $ "{\"a\":1,\"b\":{\"c\":[1,2.5,null]},\"s\":\"x\"}"
         +OK
         > JSON.GET d
         "{\"a\":1,\"b\":{\"c\":[1,2.5,null]},\"s\":\"x\"}"
         > JSON.GET d $
         "[{\"a\":1,\"b\":{\"c\":[1,2.5,null]},\"s\":\"x\"}]"
         > JSON.GET d $.b.c
         "[[1,2.5,null]]"
         > JSON.GET d .b.c
         "[1,2.5,null]"
         > JSON.GET d b.c[-1]
         "null"
         > JSON.GET d $.nope
         "[]"
         > JSON.GET d .nope
         -ERR Path '$.nope' does not exist
         > JSON.GET none $
         nil
         > JSON.GET d INDENT "  " NEWLINE "\n" SPACE " " .b
         "{\n  \"c\": [\n    1,\n    2.5,\n    null\n  ]\n}"
         > JSON.SET d $.b.new 5
         +OK
         > JSON.SET d $.b.new 6 NX
         nil
         > JSON.SET d $.b.new 6 XX
         +OK
         > JSON.SET d $.b.none 6 XX
         nil
         > JSON.SET d $.none.new 6
         nil
         > JSON.SET d $.b.c[0] "\"first\""
         +OK
         > JSON.SET d $.b.c[9] 1
         -ERR array index out of range
         > JSON.SET d $..c 1
         +OK
         > JSON.SET d $..none 1
         -Err wrong static path
         > JSON.GET d
         "{\"a\":1,\"b\":{\"c\":1,\"new\":6},\"s\":\"x\"}"
         > JSON.SET other $.a 1
         -ERR new objects must be created at the root
         > JSON.SET d $ 1 NX XX
         -ERR syntax error
         > JSON.SET d $ {bad
         -key must be a string at line 1 column 2
         > JSON.SET d $[ 1
         -Error occurred on position 2, "$[ <<<<----", expected one of the following: '<string>[,<string>,...]', '<number>', ['start:end:steps'], '*'.
         > JSON.SET d $ 7
         +OK
         > JSON.GET d
         "7""##,
    );
}

#[test]
fn wrong_keys_and_missing_ones_are_told_of_in_redisjson_s_words() {
    talk(
        r##"> SET s text
         +OK
         > JSON.GET s
         -Existing key has wrong Redis type
         > JSON.SET s $ 1
         -Existing key has wrong Redis type
         > JSON.DEL s
         -Existing key has wrong Redis type
         > JSON.MGET s .
         [nil]
         > JSON.TYPE s
         -Existing key has wrong Redis type
         > JSON.NUMINCRBY none $.a 1
         -ERR could not perform this operation on a key that doesn't exist
         > JSON.ARRLEN none $
         -ERR could not perform this operation on a key that doesn't exist
         > JSON.ARRLEN none
         nil
         > JSON.OBJLEN none $
         -ERR Path '$' does not exist or not an object
         > JSON.OBJKEYS none $
         -ERR could not perform this operation on a key that doesn't exist
         > JSON.ARRINDEX none $.a 1
         -ERR Path '$.a' does not exist
         > JSON.CLEAR none
         -ERR could not perform this operation on a key that doesn't exist
         > JSON.TYPE none $
         nil
         > JSON.DEBUG MEMORY none
         :0
         > JSON.DEBUG nope
         -ERR unknown subcommand - try `JSON.DEBUG HELP`
         > JSON.DEBUG HELP
         ["MEMORY <key> [path] - reports memory usage" "HELP                - this message"]"##,
    );
}

#[test]
fn several_documents_are_set_got_and_merged() {
    talk(
        r##"> JSON.MSET a $ "{\"x\":1}" b $ "{\"x\":[2]}"
         +OK
         > JSON.MGET a none b $.x
         ["[1]" nil "[[2]]"]
         > JSON.MGET a none b .x
         ["1" nil "[2]"]
         > JSON.MSET a $.y 3 new $.x 1
         -ERR new objects must be created at the root
         > JSON.MSET a $.y 3 b $.x[0] 4
         +OK
         > JSON.MGET a b $
         ["[{\"x\":1,\"y\":3}]" "[{\"x\":[4]}]"]
         > JSON.MSET a $ 1 b
         -ERR wrong number of arguments for 'json.mset' command
         > JSON.MERGE a $ "{\"x\":null,\"n\":{\"p\":1,\"q\":null}}"
         +OK
         > JSON.GET a
         "{\"y\":3,\"n\":{\"p\":1}}"
         > JSON.MERGE a $.n "{\"p\":null,\"r\":[1]}"
         +OK
         > JSON.MERGE a $.fresh "{\"q\":null}"
         +OK
         > JSON.GET a
         "{\"y\":3,\"n\":{\"r\":[1]},\"fresh\":{\"q\":null}}"
         > JSON.MERGE a $.n 5
         +OK
         > JSON.MERGE a $.no.way 5
         nil
         > JSON.GET a
         "{\"y\":3,\"n\":5,\"fresh\":{\"q\":null}}"
         > JSON.MERGE new $ "{\"q\":null}"
         +OK
         > JSON.GET new
         "{\"q\":null}""##,
    );
}

#[test]
fn values_are_removed_and_emptied() {
    talk(
        r##"> JSON.SET d $ "{\"a\":1,\"b\":2,\"c\":{\"a\":[1,2,3]},\"e\":[{\"a\":1},2]}"
         +OK
         > JSON.DEL d $.b
         :1
         > JSON.GET d
         "{\"a\":1,\"e\":[{\"a\":1},2],\"c\":{\"a\":[1,2,3]}}"
         > JSON.DEL d $..a
         :3
         > JSON.GET d
         "{\"c\":{},\"e\":[{},2]}"
         > JSON.DEL d $.e[*]
         :2
         > JSON.GET d
         "{\"c\":{},\"e\":[]}"
         > JSON.SET d $ "{\"n\":3,\"f\":1.5,\"t\":true,\"s\":\"x\",\"arr\":[1],\"obj\":{\"x\":1},\"e\":[]}"
         +OK
         > JSON.CLEAR d $.*
         :4
         > JSON.GET d
         "{\"n\":0,\"f\":0,\"t\":true,\"s\":\"x\",\"arr\":[],\"obj\":{},\"e\":[]}"
         > JSON.CLEAR d
         :1
         > JSON.FORGET d $.nope
         :0
         > JSON.DEL d
         :1
         > EXISTS d
         :0
         > JSON.DEL d
         :0"##,
    );
}

#[test]
fn numbers_texts_and_booleans_are_edited() {
    talk(
        r##"> JSON.SET d $ "{\"n\":1,\"o\":{\"n\":2.5},\"s\":\"ab\",\"t\":true,\"big\":9223372036854775807}"
         +OK
         > JSON.NUMINCRBY d $..n 2
         "[3,4.5]"
         > JSON.NUMINCRBY d .n 0.5
         "3.5"
         > JSON.NUMINCRBY d $.s 1
         "[null]"
         > JSON.NUMINCRBY d .s 1
         -ERR Path '$.s' does not exist or does not contains a number
         > JSON.NUMINCRBY d $.n x
         -ERR expected value at line 1 column 1
         > JSON.NUMINCRBY d $.n "\"1\""
         -bad input number
         > JSON.NUMINCRBY d $.big 1
         "[-9223372036854775808]"
         > JSON.NUMMULTBY d $.n 2
         "[7.0]"
         > JSON.NUMPOWBY d $.n 2
         "[49.0]"
         > JSON.NUMMULTBY d $.n 1e308
         -ERR result is not a number
         > JSON.STRAPPEND d $.s "\"cd\""
         [:4]
         > JSON.STRAPPEND d .s "\"e\""
         :5
         > JSON.STRAPPEND d .n "\"e\""
         -ERR Path '$.n' does not exist or not a string
         > JSON.STRAPPEND d $.s 1
         -WRONGTYPE wrong type of path value - expected string but found 1
         > JSON.STRLEN d $.*
         [nil nil :5 nil nil]
         > JSON.STRLEN d .s
         :5
         > JSON.STRLEN d .n
         -WRONGTYPE wrong type of path value - expected string but found number
         > JSON.TOGGLE d $.t
         [:0]
         > JSON.TOGGLE d .t
         "true"
         > JSON.TOGGLE d .n
         -ERR Path '$.n' does not exist or not a bool
         > JSON.TYPE d
         "object"
         > JSON.TYPE d $.*
         ["number" "object" "string" "boolean" "integer"]
         > JSON.TYPE d .nope
         nil"##,
    );
}

#[test]
fn arrays_are_looked_at_and_edited() {
    talk(
        r##"> JSON.SET d $ "{\"a\":[1,2,1],\"b\":{\"a\":[]},\"n\":1}"
         +OK
         > JSON.ARRAPPEND d $..a 3 "\"x\""
         [:5 :2]
         > JSON.ARRAPPEND d .n 3
         -ERR Path '.n' does not exist or not an array
         > JSON.ARRLEN d $..a
         [:5 :2]
         > JSON.ARRLEN d .n
         -ERR Path '.n' does not exist or not an array
         > JSON.ARRINDEX d $..a 1
         [:0 :-1]
         > JSON.ARRINDEX d .a 1 1
         :2
         > JSON.ARRINDEX d .a 1 1 -2
         :2
         > JSON.ARRINDEX d .n 1
         -WRONGTYPE wrong type of path value - expected array but found integer
         > JSON.ARRINSERT d .a 1 "\"new\"" null
         :7
         > JSON.ARRINSERT d .a 99 1
         -ERR index out of bounds
         > JSON.ARRPOP d .a
         "\"x\""
         > JSON.ARRPOP d $..a 0
         ["1" "3"]
         > JSON.ARRPOP d .n
         -ERR Path '$.n' does not exist or not an array
         > JSON.ARRTRIM d .a 1 2
         :2
         > JSON.GET d
         "{\"a\":[null,2],\"b\":{\"a\":[\"x\"]},\"n\":1}"
         > JSON.ARRTRIM d .a 5 1
         :0
         > JSON.ARRPOP d .a
         nil
         > JSON.OBJKEYS d
         ["a" "b" "n"]
         > JSON.OBJKEYS d $.*
         [nil ["a"] nil]
         > JSON.OBJKEYS d .n
         -ERR Path '$.n' does not exist or not an object
         > JSON.OBJLEN d $.b
         [:1]
         > JSON.OBJLEN d .n
         -WRONGTYPE wrong type of path value - expected object but found integer
         > JSON.RESP d
         [+{ "a" [+[] "b" [+{ "a" [+[ "x"]] "n" :1]"##,
    );
}

#[test]
fn resp3_has_shapes_of_its_own() {
    talk(
        r##"> HELLO 3
         {*
         > JSON.SET d $ "{\"n\":1,\"f\":1.5,\"t\":true,\"x\":null,\"a\":[1,\"y\"],\"o\":{\"p\":2}}"
         +OK
         > JSON.GET d $.n
         "[1]"
         > JSON.GET d FORMAT EXPAND $.a $.t
         [[[:1 "y"]] [#t]]
         > JSON.GET d FORMAT EXPAND $.o
         [[{"p" :2}]]
         > JSON.GET d FORMAT EXPAND1 $.*
         [[:1 ,1.5 #t nil "[1,\"y\"]" "{\"p\":2}"]]
         > JSON.GET d FORMAT STRINGS
         -ERR wrong reply format
         > JSON.TYPE d
         ["object"]
         > JSON.TYPE d $.*
         [["integer" "number" "boolean" "null" "array" "object"]]
         > JSON.TYPE none
         [nil]
         > JSON.NUMINCRBY d $.* 1
         [:2 ,2.5 nil nil nil nil]
         > JSON.NUMINCRBY d .f 0.5
         [,3]
         > JSON.TOGGLE d $.t
         [:0]
         > JSON.ARRPOP d $.*
         [nil nil nil nil "\"y\"" nil]
         > JSON.RESP d $.f
         [,3]"##,
    );
}

#[test]
fn documents_are_keys_like_others() {
    let server = TestServer::start("notify-keyspace-events \"KEAn\"");
    server.talk(
        r##"b> PSUBSCRIBE __keyevent*
         ["psubscribe" "__keyevent*" :1]
         > JSON.SET d $ "{\"a\":[1]}"
         +OK
         b< ["pmessage" "__keyevent*" "__keyevent@0__:new" "d"]
         b< ["pmessage" "__keyevent*" "__keyevent@0__:json.set" "d"]
         > JSON.SET d $.none.b 1
         nil
         > JSON.NUMINCRBY d $.a 1
         "[null]"
         > JSON.ARRAPPEND d $.a 2
         [:2]
         b< ["pmessage" "__keyevent*" "__keyevent@0__:json.arrappend" "d"]
         > EXPIRE d 100
         :1
         b< ["pmessage" "__keyevent*" "__keyevent@0__:expire" "d"]
         > JSON.SET d $ 5
         +OK
         b< ["pmessage" "__keyevent*" "__keyevent@0__:json.set" "d"]
         > TTL d
         :100
         > TYPE d
         +ReJSON-RL
         > OBJECT ENCODING d
         "raw"
         > SCAN 0 COUNT 1000 TYPE ReJSON-RL
         ["0" ["d"]]
         > APPEND d x
         -WRONGTYPE Operation against a key holding the wrong kind of value
         > COPY d e
         :1
         b< ["pmessage" "__keyevent*" "__keyevent@0__:new" "e"]
         b< ["pmessage" "__keyevent*" "__keyevent@0__:copy_to" "e"]
         > WATCH d
         +OK
         > JSON.TOGGLE d $
         [nil]
         > MULTI
         +OK
         > JSON.NUMINCRBY d $ 1
         +QUEUED
         > EXEC
         ["[6]"]
         b< ["pmessage" "__keyevent*" "__keyevent@0__:json.numincrby" "d"]
         > WATCH d
         +OK
         > JSON.SET d . 1
         +OK
         b< ["pmessage" "__keyevent*" "__keyevent@0__:json.set" "d"]
         > MULTI
         +OK
         > EXEC
         nil
         > JSON.DEL d
         :1
         b< ["pmessage" "__keyevent*" "__keyevent@0__:json.del" "d"]
         > JSON.GET e
         "5""##,
    );
}

#[test]
fn clients_find_json_where_they_look_for_a_module() {
    talk(
        r##"> MODULE LIST
         [["name" "vectorset" "ver" :1 "path" "" "args" []] ["name" "ReJSON" "ver" :20803 "path" "" "args" []] ["name" "search" "ver" :21005 "path" "" "args" []]]
         > COMMAND LIST FILTERBY MODULE none
         []
         > COMMAND GETKEYS JSON.MGET a b $.x
         ["a" "b"]
         > COMMAND GETKEYS JSON.MSET a $ 1 b $ 2
         ["a" "b"]
         > COMMAND GETKEYS JSON.DEBUG MEMORY a
         ["a"]
         > ACL SETUSER reader on nopass ~* +@read +@json -@write
         +OK
         > AUTH reader x
         +OK
         > JSON.GET none
         nil
         > JSON.SET none $ 1
         -NOPERM User reader has no permissions to run the 'json.set' command"##,
    );
}

#[test]
fn a_command_takes_so_many_steps_for_all_its_keys() {
    let server = TestServer::start("");
    let mut client = server.connect();
    let mut ask = |line: String| {
        client.say(&line);
        show(&client.hear())
    };
    let nested = "[".repeat(100) + &"]".repeat(100);
    assert_eq!(ask(format!("JSON.SET d $ {nested}")), "+OK");
    let scans = |count: usize| format!("${}.none", "..*".repeat(count));
    let keys = "d ".repeat(20);
    assert_eq!(ask(format!("JSON.MGET d {}", scans(3))), "[\"[]\"]");
    let told = "-ERR following the path takes too many steps";
    assert_eq!(ask(format!("JSON.MGET {keys}{}", scans(3))), told);
    assert_eq!(
        ask(format!("JSON.GET d{}", format!(" {}", scans(3)).repeat(20))),
        told
    );
    let long = format!("{{\\\"a\\\":[{}]}}", ["1"; 200_000].join(","));
    assert_eq!(ask(format!("JSON.SET long $ \"{long}\"")), "+OK");
    let often = ["'a'"; 15_000].join(",");
    assert_eq!(ask(format!("JSON.ARRTRIM long \"$[{often}]\" 0 -1")), told);
    for command in [
        "TYPE", "OBJKEYS", "OBJLEN", "STRLEN", "ARRLEN", "RESP", "DEL",
    ] {
        let legacy = "..*".repeat(6);
        assert_eq!(ask(format!("JSON.{command} d {legacy}")), told, "{command}");
    }
}

#[test]
fn no_reply_and_no_document_grows_far_beyond_what_clients_send() {
    let server = TestServer::start("proto-max-bulk-len 1mb");
    let mut client = server.connect();
    let mut ask = |line: String| {
        client.say(&line);
        show(&client.hear())
    };
    let told = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    let long = "a".repeat(100_000);
    let nested = format!(r#"{}\"{long}\"{}"#, "[".repeat(100), "]".repeat(100));
    let list = format!("[{}]", ["[]"; 20].join(","));
    let objects = format!("[{}]", ["{}"; 20].join(","));
    let set = |key: &str, text: &str| format!("JSON.SET {key} $ \"{text}\"");
    assert_eq!(ask(set("d", &nested)), "+OK");
    assert_eq!(ask(set("list", &list)), "+OK");
    assert_eq!(ask(set("objects", &objects)), "+OK");
    assert_eq!(ask(set("names", &format!(r#"[{{\"{long}\":1}}]"#))), "+OK");
    assert_eq!(ask(set("text", r#"{\"a\":\"\"}"#)), "+OK");
    for line in [
        "JSON.GET d $..*".to_owned(),
        "JSON.GET d $ $..*".to_owned(),
        "JSON.MGET list d $..*".to_owned(),
        "JSON.RESP d $..*".to_owned(),
        format!("JSON.GET list INDENT {long}"),
        format!("JSON.OBJKEYS names $[{}]", ["0"; 20].join(",")),
        format!(r#"JSON.SET list $[*] "\"{long}\"""#),
        format!(r#"JSON.MSET list $[*] "\"{long}\"""#),
        format!(r#"JSON.MERGE objects $[*] "{{\"a\":\"{long}\"}}""#),
        format!(r#"JSON.ARRAPPEND list $[*] "\"{long}\"""#),
        format!(r#"JSON.ARRINSERT list $[*] 0 "\"{long}\"""#),
        format!(
            r#"JSON.STRAPPEND text "$[{}]" "\"{long}\"""#,
            ["'a'"; 20].join(",")
        ),
    ] {
        assert_eq!(
            ask(line.clone()),
            told,
            "{}",
            line.get(..30).unwrap_or(&line)
        );
    }
    // Nothing was changed, and what goes to one place is as long as it is.
    assert_eq!(ask("JSON.GET list".to_owned()), format!("{list:?}"));
    assert_eq!(ask("JSON.GET objects".to_owned()), format!("{objects:?}"));
    assert_eq!(ask("JSON.STRLEN text $.a".to_owned()), "[:0]");
    assert_eq!(ask(format!(r#"JSON.SET list $[0] "\"{long}\"""#)), "+OK");
}

#[test]
fn places_that_are_named_twice_are_edited_in_order_and_all_or_none() {
    talk(
        r##"> JSON.SET n $ [1e200,2]
         +OK
         > JSON.NUMMULTBY n $[0,0] 1e100
         -ERR result is not a number
         > JSON.GET n
         "[1e200,2]"
         > JSON.NUMMULTBY n $[1,1] 3
         "[6,18]"
         > JSON.GET n
         "[1e200,18]"
         > JSON.SET s $ "{\"a\":\"x\",\"b\":1}"
         +OK
         > JSON.STRAPPEND s "$['a','b','a']" "\"yz\""
         [:3 nil :5]
         > JSON.GET s
         "{\"a\":\"xyzyz\",\"b\":1}""##,
    );
}

#[test]
fn names_that_are_the_same_number_are_different_names() {
    talk(
        r##"> JSON.SET w $ "{\"1\":[1,2,3,4],\"01\":[5,6,7]}"
         +OK
         > JSON.DEL w "$['01','1','01'][1]"
         :2
         > JSON.GET w
         "{\"1\":[1,3,4],\"01\":[5,7]}"
         > JSON.SET w $ "{\"1\":[1,2,3,4],\"01\":[5,6,7]}"
         +OK
         > JSON.DEL w "$['1','01','1'][1]"
         :2
         > JSON.GET w
         "{\"1\":[1,3,4],\"01\":[5,7]}"
         > JSON.SET w $ "{\"1\":{\"x\":1},\"01\":{\"y\":2}}"
         +OK
         > JSON.CLEAR w $..*
         :2
         > JSON.GET w
         "{\"1\":{},\"01\":{}}"
         > JSON.SET w $ "{\"1\":{\"x\":1},\"01\":{\"y\":2}}"
         +OK
         > JSON.DEL w $..*
         :2
         > JSON.GET w
         "{}""##,
    );
}

#[test]
fn a_double_is_the_same_after_a_reload() {
    let server = TestServer::start("");
    let mut client = server.connect();
    let mut ask = |line: &str| {
        client.say(line);
        show(&client.hear())
    };
    assert_eq!(ask("JSON.SET d $ [6.792475937705742e155]"), "+OK");
    let digest = ask("DEBUG DIGEST");
    assert_eq!(ask("DEBUG RELOAD"), "+OK");
    assert_eq!(ask("DEBUG DIGEST"), digest);
    assert_eq!(ask("JSON.GET d"), "\"[6.792475937705742e155]\"");
}

#[test]
fn a_document_is_no_deeper_than_its_text_may_be() {
    let server = TestServer::start("");
    let mut client = server.connect();
    let mut ask = |line: String| {
        client.say(&line);
        show(&client.hear())
    };
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let path = format!("${}", "[0]".repeat(99));
    assert_eq!(ask(format!("JSON.SET d $ {}", nested(100))), "+OK");
    let append = |depth| format!("JSON.ARRAPPEND d {path} {}", nested(depth));
    assert_eq!(ask(append(28)), "-ERR recursion limit exceeded");
    assert_eq!(ask(append(27)), "[:1]");
    assert_eq!(ask("DEBUG RELOAD".to_owned()), "+OK");
    assert_eq!(ask("JSON.ARRLEN d $".to_owned()), "[:1]");
}
