//! What FT.CREATE says of which documents an index takes, how their words sound and how long it lives; older commands; rights
//! on indexes; INFO; what steps of an aggregation ask for; names of several lines. Held against Redis Stack 7.4.1 (RediSearch
//! 2.10.5), where `tests/oracles` has brought it.
//!
//! Rights are those of Redis 8, which asks for the keys behind an index where Stack takes its name for a key: RediSearch's
//! tests/pytests/test_acl.py, and what https://github.com/redis/redis-vl-python measured on 8.4.

use vermilion::util::words;

use crate::common::{Client, Server, Value, eventually, our_server, redis_stack};

/// Sends a command whose words may stand in quotes.
fn ask(client: &mut Client, line: &str) -> Value {
    let args = words::split(line.as_bytes());
    client.ask_args(&args.unwrap_or_else(|| panic!("quotes of {line}")))
}

/// Gives both servers the same commands, of which they must answer the same.
fn alike(commands: &[&str]) {
    let Some(program) = redis_stack() else {
        return;
    };
    let (real, ours) = (Server::start_program(&program, &[]), Server::start(&[]));
    let (mut real, mut ours) = (real.client(), ours.client());
    for words in commands {
        let (wanted, got) = (ask(&mut real, words), ask(&mut ours, words));
        assert_eq!(got, wanted, "{words}");
    }
}

/// What a document has beside its fields counts only where LOAD names it, and behind GROUPBY there is what that makes.
#[test]
fn a_step_of_an_aggregation_asks_for_what_its_rows_may_have() {
    let steps = [
        "SORTBY 1 @zz",
        "SORTBY 1 @__key",
        "SORTBY 2 @n @zz",
        "LOAD 1 @zz SORTBY 1 @zz",
        "LOAD * SORTBY 1 @zz",
        "LOAD * APPLY @zz AS y",
        "LOAD * FILTER @zz==5",
        "LOAD * FILTER @n==1 GROUPBY 1 @n",
        "LOAD 3 @n AS q APPLY @n AS z",
        "GROUPBY 1 @zz",
        "GROUPBY 0 REDUCE SUM 1 @zz",
        "GROUPBY 0 REDUCE FIRST_VALUE 4 @n BY @zz DESC",
        "LOAD * GROUPBY 0 REDUCE SUM 1 @zz",
        "GROUPBY 1 @t APPLY @n AS y",
        "GROUPBY 1 @t FILTER @n>0",
        "GROUPBY 1 @t GROUPBY 1 @n",
        "GROUPBY 1 @t SORTBY 1 @s",
        "LOAD 1 @n GROUPBY 1 @t SORTBY 1 @n",
        "ADDSCORES GROUPBY 1 @t SORTBY 1 @__score",
        "GROUPBY 1 @t LOAD *",
        "GROUPBY 1 @t LIMIT 0 1 SORTBY 1 @t FILTER @zz",
        "GROUPBY 1 @t REDUCE COUNT 0 SORTBY 1 @__generated_aliascount",
        "GROUPBY 1 @t REDUCE COUNT 0 AS c GROUPBY 1 @c REDUCE MAX 1 @c AS m APPLY @m*2 AS k SORTBY 1 @k",
        "GROUPBY 1 @t REDUCE COUNT 0 AS c GROUPBY 1 @c REDUCE MAX 1 @t AS m",
        "APPLY upper(@s) AS u GROUPBY 1 @u SORTBY 1 @s",
    ];
    let mut commands = vec![
        "FT.CREATE i SCHEMA t TEXT n NUMERIC s TAG SORTABLE".to_owned(),
        "HSET h t a n 1 s x zz 5".to_owned(),
    ];
    commands.extend(steps.map(|steps| format!("FT.AGGREGATE i * {steps}")));
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    alike(&commands);
}

/// A reply's line is one line.
#[test]
fn line_ends_in_names_are_told_as_letters() {
    let commands = [
        "FT.CREATE \"i\\nj\" PREFIX 2 \"p\\nq:\" p FILTER \"1\\n\" LANGUAGE_FIELD \"l\\n\" SCORE_FIELD \"s\\r\" SCHEMA \"f\\nf\" AS \"g\\rg\" TEXT n NUMERIC",
        "FT._LIST",
        "HSET p1 n \"x\\ny\" \"f\\nf\" word",
        "FT.SEARCH \"i\\nj\" word",
        "FT.SEARCH \"i\\nk\" word",
        "FT.SEARCH \"i\\nj\" word SORTBY \"x\\ny\"",
        "FT.SEARCH \"i\\nj\" * RETURN 1 \"g\\rg\"",
        "FT.AGGREGATE \"i\\nj\" * GROUPBY 0 REDUCE \"a\\nb\" 0",
        "FT.AGGREGATE \"i\\nj\" * SORTBY 1 \"@a\\nb\"",
        "FT.SUGADD \"s\\n\" \"a\\nb\" 1",
        "FT.SUGGET \"s\\n\" a",
        "FT.EXPLAINCLI \"i\\nj\" \"a\\nb\"",
    ];
    alike(&commands);
    let Some(program) = redis_stack() else {
        return;
    };
    let told = [program, our_server()].map(|program| {
        let server = Server::start_program(&program, &[]);
        let mut client = server.client();
        ask(&mut client, commands[0]);
        let info = ask(&mut client, "FT.INFO \"i\\nj\"").items();
        // Its name, what it takes, and its fields.
        [1, 5, 7].map(|at| info[at].to_string())
    });
    assert_eq!(told[1], told[0]);
}

#[test]
fn an_index_takes_the_documents_for_which_its_filter_is_true() {
    alike(&[
        "FT.CREATE i PREFIX 2 a: b: FILTER '@n>16 && startswith(@__key, \"a:\")' SCHEMA t TEXT n NUMERIC",
        "HSET a:1 n 17 t one",
        "HSET a:2 n 15 t two",
        "HSET b:3 n 20 t three",
        "HSET a:4 t four",
        "FT.SEARCH i * NOCONTENT",
        "HSET a:2 n 30",
        "HSET a:1 n 3",
        "FT.SEARCH i * NOCONTENT",
        "FT.SEARCH i one NOCONTENT",
        "HSET a:1 n 99",
        "FT.SEARCH i one NOCONTENT",
        "FT.CREATE bad FILTER '@n>' SCHEMA t TEXT",
        "FT.CREATE bad FILTER 'foo(@x)' SCHEMA t TEXT",
        "FT.CREATE bad FILTER",
        "FT.CREATE all SKIPINITIALSCAN FILTER 1 SCHEMA t TEXT",
        "FT.CREATE none SKIPINITIALSCAN FILTER 0 SCHEMA t TEXT",
        "FT.CREATE f1 SKIPINITIALSCAN FILTER '@other==\"x\"' SCHEMA t TEXT",
        "FT.CREATE f2 SKIPINITIALSCAN FILTER '@n==30' SCHEMA n NUMERIC",
        "FT.CREATE f3 SKIPINITIALSCAN FILTER '!exists(@zz)' SCHEMA n NUMERIC",
        "FT.CREATE f4 SKIPINITIALSCAN FILTER '@n/0' SCHEMA n NUMERIC",
        "FT.CREATE f5 SKIPINITIALSCAN FILTER 'upper(@other)' SCHEMA n NUMERIC",
        "FT.CREATE f6 SKIPINITIALSCAN FILTER '@n==\"30\"' SCHEMA n NUMERIC",
        "FT.CREATE f7 SKIPINITIALSCAN FILTER '@n>\"3\"' SCHEMA n TEXT",
        "HSET c:1 other x n 30",
        "FT.SEARCH none * NOCONTENT",
        "FT.SEARCH f1 * NOCONTENT",
        "FT.SEARCH f2 @n:[30 30] NOCONTENT LIMIT 0 0",
        "FT.SEARCH f3 c1|@n:[30 30] NOCONTENT LIMIT 0 0",
        "FT.SEARCH f4 @n:[30 30] NOCONTENT LIMIT 0 0",
        "FT.SEARCH f5 * NOCONTENT",
        "FT.SEARCH f6 * NOCONTENT LIMIT 0 0",
        "FT.SEARCH f7 * NOCONTENT LIMIT 0 0",
        "FT.DROPINDEX i DD",
        "EXISTS a:1 a:2 b:3 a:4",
    ]);
}

#[test]
fn filters_ask_the_attributes_of_json_documents() {
    let json = r#"JSON.SET j:1 . '{"a":"x","n":3,"l":["p","q"],"b":true,"z":null}'"#;
    let filters = [
        "@n==3",
        "@n>2",
        "@l==\"p\"",
        "@b==1",
        "!exists(@z)",
        "exists(@q)",
        "@a==\"x\"",
        "@a2==\"x\"",
    ];
    let mut commands = vec![json.to_owned()];
    for (at, filter) in filters.iter().enumerate() {
        commands.push(format!(
            "FT.CREATE f{at} ON JSON SKIPINITIALSCAN FILTER '{filter}' SCHEMA $.n AS n NUMERIC $.l AS l TAG $.b AS b TAG $.a AS a2 TEXT"
        ));
    }
    commands.push(json.to_owned());
    commands.extend((0..filters.len()).map(|at| format!("FT.SEARCH f{at} * NOCONTENT")));
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    alike(&commands);
}

#[test]
fn words_are_found_by_how_they_sound() {
    let mut commands: Vec<String> = [
        "FT.CREATE i SCHEMA plain TEXT name TEXT PHONETIC dm:en",
        "FT.CREATE none SCHEMA name TEXT",
        "HSET d:1 name John",
        "HSET d:2 name Jon plain smyth",
        "HSET d:3 name Jonathan",
        "HSET d:4 name 'Smith of Smythe' plain jon",
        "FT.SEARCH i jon NOCONTENT WITHSCORES SCORER TFIDF",
        "FT.SEARCH i @name:smit NOCONTENT",
        "FT.SEARCH i @plain:smith NOCONTENT",
        "FT.SEARCH i @name:jon=>{$phonetic:false} NOCONTENT DIALECT 2",
        "FT.SEARCH i jon VERBATIM NOCONTENT",
        "FT.SEARCH none @name:jon=>{$phonetic:true} NOCONTENT DIALECT 2",
        "FT.EXPLAIN i jon EXPANDER PHONETIC",
        "FT.EXPLAIN i jon EXPANDER SBSTEM",
        "FT.EXPLAIN i @plain:jon",
        "FT.EXPLAIN i @name:(jon|bay)=>{$phonetic:false}",
        "FT.EXPLAIN i 'go 12 123 caf\u{e9}'",
    ]
    .map(str::to_owned)
    .to_vec();
    let foreign = "\u{e7}a \u{f1}andu ni\u{f1}o ma\u{f1}o stra\u{df}e ca\u{e9}f k\u{e9}na g\u{e9} x\u{b2}y ch\u{e9} \u{e9}t\u{e9} sch\u{f6}n \
        m\u{fc}ller dvo\u{159}\u{e1}k \u{17c}\u{f3}\u{142}w \u{43c}\u{438}\u{440} \u{65e5}\u{672c}";
    let names = "alexander bartholomew christopher dumbbell edge schmidt wright knight psychology xavier michael \
        thumb thomas church chorus architect laugh caught through island carlisle wachtler mcclellan bellocchio accident \
        czerny focaccia gnome aggie ghost hugh tichner cabrillo gallegos raoul rogier sugar snider zhao pizza cagney \
        jose yankelovich womo filipowicz breaux arnoff thames judge school quick exam ghiradelli tagliaro biaggi jumped";
    commands.extend(
        names
            .split_whitespace()
            .chain(foreign.split_whitespace())
            .map(|name| format!("FT.EXPLAIN i {name} EXPANDER PHONETIC")),
    );
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    alike(&commands);
}

#[test]
fn payloads_are_shown_and_compared() {
    alike(&[
        "FT.CREATE none PREFIX 1 d: SCHEMA t TEXT",
        "FT.CREATE i PREFIX 1 d: PAYLOAD_FIELD p SCHEMA t TEXT",
        "FT.CREATE j ON JSON PREFIX 1 j: PAYLOAD_FIELD $.p SCHEMA $.t AS t TEXT",
        "HSET d:1 t x p aaaa",
        "HSET d:2 t x p bbbb",
        "HSET d:3 t x p ccc",
        "HSET d:4 t x",
        "HSET d:5 t x p ''",
        "JSON.SET j:1 . '{\"t\":\"x\",\"p\":\"abc\"}'",
        "FT.SEARCH none x WITHPAYLOADS NOCONTENT",
        "FT.SEARCH i x WITHPAYLOADS NOCONTENT",
        "FT.SEARCH j x WITHPAYLOADS NOCONTENT",
        "FT.SEARCH i x PAYLOAD aaab SCORER HAMMING WITHSCORES EXPLAINSCORE WITHPAYLOADS NOCONTENT",
        "FT.SEARCH i x PAYLOAD bbbb SCORER HAMMING NOCONTENT",
        "FT.AGGREGATE i x PAYLOAD aaab SCORER HAMMING ADDSCORES",
    ]);
}

#[test]
fn older_commands_and_those_of_logs_do_what_they_did() {
    alike(&[
        "FT.CREATE i PREFIX 1 d: SCHEMA t TEXT n NUMERIC",
        "HSET d:1 t x n 1",
        "HSET q:1 t y",
        "SET s 1",
        "FT.GET i d:1",
        "FT.GET i nope",
        "FT.GET i q:1",
        "FT.GET no d:1",
        "FT.GET i",
        "FT.MGET i d:1 nope q:1 s",
        "FT.MGET no d:1",
        "FT.MGET i",
        "FT.DEL i d:1",
        "EXISTS d:1",
        "FT.DEL i d:1",
        "FT.DEL i q:1",
        "EXISTS q:1",
        "FT.DEL no q:1",
        "HSET d:1 t x",
        "FT.DEL i d:1 DD",
        "FT._CREATEIFNX i SCHEMA t TEXT",
        "FT._CREATEIFNX i2 SCHEMA t TEXT",
        "FT._CREATEIFNX i",
        "FT._CREATEIFNX j SCHEMA",
        "FT._ALTERIFNX i SCHEMA",
        "FT._ALIASADDIFNX al",
        "FT._ALIASDELIFX",
        "FT._ALIASDELIFX al b",
        "FT._ALTERIFNX i SCHEMA ADD t TEXT",
        "FT._ALTERIFNX i SCHEMA ADD z TEXT",
        "FT._ALTERIFNX i SCHEMA ADD z TEXT y TEXT",
        "FT._ALIASADDIFNX al i",
        "FT._ALIASADDIFNX al i",
        "FT._ALIASADDIFNX al i2",
        "FT._ALIASADDIFNX b nope",
        "FT._ALIASDELIFX al",
        "FT._ALIASDELIFX al",
        "FT._DROPINDEXIFX nope",
        "FT._DROPINDEXIFX i2",
        "FT._DROPIFX nope",
        "HSET d:1 t x",
        "FT.SEARCH i x NOCONTENT",
        "FT._DROPIFX i",
        "EXISTS d:1",
        "HSET d:1 t x",
        "FT.CREATE i SCHEMA t TEXT",
        "FT.DROP i KEEPDOCS",
        "EXISTS d:1",
        "FT.DROP i",
        "FT.DROP",
    ]);
}

#[test]
fn an_index_goes_with_its_documents_when_nobody_has_used_it_for_so_long() {
    // The wait for more replicas would not end while the clock stands.
    let options = ["--appendonly", "yes", "--repl-diskless-sync-delay", "0"];
    let master = Server::start(&options);
    let mut client = master.client();
    client.ask("DEBUG CLOCK FREEZE");
    let make = "FT.CREATE i TEMPORARY 100 PREFIX 1 d: SCHEMA t TEXT";
    assert_eq!(client.ask(make).text(), "OK");
    client.ask("FT.CREATE forever TEMPORARY -1 PREFIX 1 d: SCHEMA t TEXT");
    let refused = client.ask("FT.CREATE other TEMPORARY 1.5 SCHEMA t TEXT");
    let wanted = "Bad arguments for TEMPORARY: Could not convert argument to expected type";
    assert_eq!(refused.text(), wanted);
    client.ask("HSET d:1 t one");
    client.ask("HSET e:1 t one");
    let replica = Server::start(&[]);
    let mut copy = replica.client();
    copy.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    eventually("the replica has the indexes", || {
        copy.ask("FT._LIST").items().len() == 2
    });
    let names = |client: &mut Client| {
        let names = client.ask("FT._LIST").leaves();
        names.iter().map(|name| name.text()).collect::<Vec<_>>()
    };
    for used in ["FT.SEARCH i one", "HSET d:2 t two"] {
        client.ask("DEBUG CLOCK ADVANCE 99000");
        client.ask(used);
    }
    client.ask("DEBUG CLOCK ADVANCE 99000");
    assert_eq!(names(&mut client), ["forever", "i"]);
    client.ask("DEBUG CLOCK ADVANCE 1000");
    for client in [&mut client, &mut copy] {
        eventually("the index is gone", || names(client) == ["forever"]);
        eventually("so are its documents", || {
            client.ask("EXISTS d:1 d:2 e:1").int() == 1
        });
    }
    let again = Server::start_on(
        &crate::common::our_server(),
        master.kill(),
        &["--appendonly", "yes"],
    );
    let mut client = again.client();
    assert_eq!(names(&mut client), ["forever"]);
    assert_eq!(client.ask("DBSIZE").int(), 1);
}

#[test]
fn who_may_read_all_that_an_index_covers_may_use_it() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for words in [
        "FT.CREATE one PREFIX 1 doc: SCHEMA t TEXT g TAG",
        "FT.CREATE two PREFIX 2 doc: item: SCHEMA t TEXT",
        "FT.CREATE all SCHEMA t TEXT",
        "FT.ALIASADD other one",
        "HSET doc:1 t word",
    ] {
        assert!(!client.ask(words).is_error(), "{words}");
    }
    let denied = "NOPERM User does not have the required permissions to query the index";
    // Keys that a user may reach, and which of the three indexes it may use.
    for (keys, allowed) in [
        ("~doc:*", [true, false, false]),
        ("%R~doc:*", [true, false, false]),
        ("%W~doc:*", [false, false, false]),
        ("~doc:1", [false, false, false]),
        ("~other:*", [false, false, false]),
        ("~d*", [true, false, false]),
        ("~do?:*", [true, false, false]),
        ("~doc:\\*", [false, false, false]),
        ("~doc:* ~item:*", [true, true, false]),
        ("~doc:* (+@all %R~item:*)", [true, true, false]),
        ("~one ~two ~all", [false, false, false]),
        ("~*", [true, true, true]),
    ] {
        client.ask(&format!("ACL SETUSER some reset on nopass +@all {keys}"));
        let mut some = server.client();
        some.ask("AUTH some x");
        for (index, allowed) in ["one", "two", "all"].into_iter().zip(allowed) {
            let reply = some.ask(&format!("FT.SEARCH {index} word NOCONTENT"));
            let wanted = if allowed { "doc:1" } else { denied };
            let shown = reply.leaves();
            assert_eq!(shown.last().unwrap().text(), wanted, "{index} with {keys}");
        }
    }
    client.ask("ACL SETUSER some reset on nopass +@all ~else:*");
    let mut some = server.client();
    some.ask("AUTH some x");
    for words in [
        "FT.SEARCH other word",
        "FT.AGGREGATE one *",
        "FT.PROFILE one SEARCH QUERY *",
        "FT.HYBRID one SEARCH word VSIM @v $b",
        "FT.CURSOR READ one 5",
        "FT.CURSOR DEL one 5",
        "FT.SPELLCHECK one word",
        "FT.ALIASADD mine one",
        "FT.ALIASUPDATE mine one",
        "FT.ALTER one SCHEMA ADD n NUMERIC",
        "FT.SYNUPDATE one g word",
        "FT.SYNDUMP one",
        "FT.TAGVALS one g",
        "FT.EXPLAIN one word",
        "FT.EXPLAINCLI one word",
        "FT.INFO one",
        "FT.DROPINDEX one",
        "FT.DROP one",
        "FT.GET one doc:1",
        "FT.MGET one doc:1",
    ] {
        let reply = some.ask(words);
        let is_denied = reply.text() == denied || reply.text().starts_with("NOPERM No permissions");
        assert!(is_denied, "{words}: {reply:?}");
    }
    for words in [
        "FT.CREATE mine SCHEMA t TEXT",
        "FT.DICTADD words one",
        "FT.CONFIG GET TIMEOUT",
        "FT.ALIASDEL other",
        "FT._LIST",
        "FT.SUGADD else:typed hello 1",
    ] {
        let reply = some.ask(words);
        assert!(!reply.is_error(), "{words}: {reply:?}");
    }
    client.ask("ACL SETUSER some reset on nopass ~* +@search -@admin");
    assert!(some.ask("FT._LIST").text().starts_with("NOPERM"));
    assert!(!some.ask("FT.INFO one").is_error());
    client.ask("ACL SETUSER some reset on nopass ~* +@all -@search");
    assert!(some.ask("FT.SEARCH one word").text().starts_with("NOPERM"));
}

/// The names of the sections and fields of INFO.
fn names(text: &str) -> Vec<String> {
    let names = text.lines().map(|line| line.split(':').next().unwrap());
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn info_tells_of_searches_as_redis_stack_does() {
    let commands = [
        "FT.CREATE i SCHEMA t TEXT SORTABLE n NUMERIC SORTABLE g TAG CASESENSITIVE p GEO v VECTOR FLAT 6 TYPE FLOAT32 DIM 2 \
         DISTANCE_METRIC L2 h VECTOR HNSW 6 TYPE FLOAT32 DIM 2 DISTANCE_METRIC L2 z TEXT NOINDEX",
        "FT.CREATE j SCHEMA t TEXT n NUMERIC",
        "HSET a t hello n 1",
        "FT.SEARCH i hello DIALECT 2 NOCONTENT",
        "FT.AGGREGATE i * WITHCURSOR COUNT 1 DIALECT 3",
        "HSET b t hello n 2",
        "FT.AGGREGATE i * WITHCURSOR COUNT 1 DIALECT 3",
    ];
    let ours = Server::start(&[]);
    let mut client = ours.client();
    commands.iter().for_each(|words| drop(client.ask(words)));
    let text = client.ask("INFO search").text();
    let has = |line: &str| text.lines().any(|held| held.trim_end() == line);
    for line in [
        "search_version:2.10.5",
        "search_number_of_indexes:2",
        "search_fields_text:Text=3,Sortable=1,NoIndex=1",
        "search_fields_numeric:Numeric=2,Sortable=1",
        "search_fields_tag:Tag=1,CaseSensitive=1",
        "search_fields_geo:Geo=1",
        "search_fields_vector:Vector=2,Flat=1,HNSW=1",
        "search_global_total:1",
        "search_dialect_2:1",
        "search_dialect_3:1",
        "search_dialect_4:0",
    ] {
        assert!(has(line), "{line}: {text}");
    }
    let memory = text
        .lines()
        .find_map(|line| line.strip_prefix("search_used_memory_indexes:"));
    assert!(memory.unwrap().parse::<u64>().unwrap() > 100, "{text}");
    assert!(!client.ask("INFO").text().contains("search_index"));
    assert!(!client.ask("INFO all").text().contains("search_index"));
    assert!(
        client
            .ask("INFO everything")
            .text()
            .contains("# search_index")
    );
    assert!(client.ask("INFO modules").text().contains("# search_index"));
    let Some(program) = redis_stack() else {
        return;
    };
    let real = Server::start_program(&program, &[]);
    let mut real = real.client();
    commands.iter().for_each(|words| drop(real.ask(words)));
    // What RediSearch sets and we have not is no fact of ours.
    let of_real = [
        "search_cursor_",
        "search_max_doc_table_size",
        "search_gc_scan_size",
        "search_min_phonetic",
    ];
    let mut wanted = names(&real.ask("INFO search").text());
    wanted.retain(|name| !of_real.iter().any(|own| name.starts_with(own)));
    assert_eq!(names(&text), wanted);
}
