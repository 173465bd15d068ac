//! What holds of indexes beside what queries find: who may name them, what a search may take and whom it holds up, and what
//! becomes of indexes in logs, transactions and scripts.
//!
//! Error texts are those of Redis Stack 7.4.1, where it has them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{Client, Server, Value, eventually, our_server};

fn index(client: &mut Client, words: &str) {
    assert_eq!(client.ask(words).text(), "OK", "{words}");
}

/// A number that FT.INFO shows.
fn info(client: &mut Client, index: &str, name: &str) -> i64 {
    let leaves = client.ask(&format!("FT.INFO {index}")).leaves();
    let at = leaves.iter().position(|value| value.text() == name);
    leaves[at.unwrap_or_else(|| panic!("FT.INFO shows {name}")) + 1].int()
}

fn count(client: &mut Client, query: &[&str]) -> i64 {
    let reply =
        client.ask_args(&[&["FT.SEARCH"], query, &["NOCONTENT", "LIMIT", "0", "0"]].concat());
    assert!(!reply.is_error(), "{query:?}: {reply:?}");
    reply.items()[0].int()
}

#[test]
fn an_index_is_not_reached_by_other_names_nor_by_its_cursors() {
    let server = Server::start(&[]);
    let mut client = server.client();
    index(&mut client, "FT.CREATE secret PREFIX 1 s: SCHEMA t TEXT");
    client.ask("HSET s:1 t one");
    client.ask("HSET s:2 t two");
    index(&mut client, "FT.CREATE mine PREFIX 1 m: SCHEMA t TEXT");
    let cursor = client.ask("FT.AGGREGATE secret * WITHCURSOR COUNT 1");
    let cursor = cursor.items()[1].int();
    client.ask("ACL SETUSER some on nopass ~m:* +@all");
    client.ask("ACL SETUSER reader on nopass ~* +@read");
    let mut some = server.client();
    some.ask("AUTH some x");
    for words in [
        "FT.SEARCH secret *",
        "FT.ALIASADD other secret",
        "FT.ALIASUPDATE other secret",
        &format!("FT.CURSOR READ secret {cursor}"),
    ] {
        let reply = some.ask(words);
        assert!(reply.text().starts_with("NOPERM"), "{words}: {reply:?}");
    }
    let reply = some.ask(&format!("FT.CURSOR READ mine {cursor}"));
    assert_eq!(reply.text(), "Cursor not found");
    let reply = some.ask(&format!("FT.CURSOR DEL mine {cursor}"));
    assert_eq!(reply.text(), "Cursor does not exist");
    let mut reader = server.client();
    reader.ask("AUTH reader x");
    let reply = reader.ask("FT.CONFIG SET DEFAULT_DIALECT 2");
    assert!(reply.text().starts_with("NOPERM"), "{reply:?}");
    // By an alias the cursor is its index's.
    index(&mut client, "FT.ALIASADD other secret");
    let reply = client.ask(&format!("FT.CURSOR READ other {cursor}"));
    assert_eq!(reply.items()[0].items().len(), 2, "{reply:?}");
}

#[test]
fn a_log_with_flushes_brings_back_the_indexes_that_were_there() {
    let options = ["--appendonly", "yes"];
    let server = Server::start(&options);
    let mut client = server.client();
    index(&mut client, "FT.CREATE one SCHEMA t TEXT");
    client.ask("FLUSHALL");
    index(&mut client, "FT.CREATE two SCHEMA t TEXT");
    client.ask("FLUSHALL");
    index(&mut client, "FT.CREATE two SCHEMA x NUMERIC");
    client.ask("HSET q x 5");
    assert_eq!(count(&mut client, &["two", "@x:[5 5]"]), 1);
    let again = Server::start_on(&our_server(), server.kill(), &options);
    let mut client = again.client();
    eventually("the index is there again", || {
        client.ask("FT._LIST").items().len() == 1
    });
    assert_eq!(client.ask("FT._LIST").items()[0].text(), "two");
    eventually("the index is built", || {
        count(&mut client, &["two", "@x:[5 5]"]) == 1
    });
}

#[test]
fn transactions_empty_databases_and_make_indexes_on_the_way() {
    let server = Server::start(&[]);
    let mut client = server.client();
    index(&mut client, "FT.CREATE one PREFIX 1 d: SCHEMA t TEXT");
    client.ask("HSET d:1 t old");
    for words in [
        "MULTI",
        "HSET d:8 t lost",
        "FLUSHALL",
        "FT.CREATE one PREFIX 1 d: SCHEMA t TEXT",
        "HSET d:2 t new",
    ] {
        client.ask(words);
    }
    let done = client.ask("EXEC");
    assert!(
        done.items().iter().all(|reply| !reply.is_error()),
        "{done:?}"
    );
    assert_eq!(count(&mut client, &["one", "*"]), 1);
    assert_eq!(count(&mut client, &["one", "new"]), 1);
    client.ask("FLUSHALL");
    for words in [
        "MULTI",
        "FT.CREATE two PREFIX 1 d: SCHEMA t TEXT",
        "FT.CREATE three PREFIX 1 d: SKIPINITIALSCAN SCHEMA t TEXT",
        "HSET d:3 t found",
    ] {
        client.ask(words);
    }
    client.ask("EXEC");
    assert_eq!(count(&mut client, &["three", "found"]), 1);
    eventually("the other is built", || {
        count(&mut client, &["two", "found"]) == 1
    });
    let script = "redis.call('FLUSHALL') redis.call('FT.CREATE', 'four', 'SCHEMA', 't', 'TEXT') \
        redis.call('HSET', 'x', 't', 'word') return redis.call('FT.SEARCH', 'four', 'word', 'NOCONTENT')";
    let found = client.ask_args(&["EVAL", script, "0"]);
    assert_eq!(found.items()[0].int(), 1, "{found:?}");
    assert_eq!(client.ask("FT._LIST").items().len(), 1);
}

#[test]
fn what_a_transaction_has_found_already_others_find_when_it_has_ended() {
    let server = Server::start(&["--io-threads", "2", "--enable-debug-command", "yes"]);
    let mut client = server.client();
    index(&mut client, "FT.CREATE i PREFIX 1 d: SCHEMA t TEXT");
    let port = server.port;
    let writer = std::thread::spawn(move || {
        let mut client = Client::connect(port).unwrap();
        for words in [
            "MULTI",
            "HSET d:1 t word",
            "FT.SEARCH i word NOCONTENT",
            "DEBUG SLEEP 0.3",
            "HSET d:2 t word",
            "FT.SEARCH i word NOCONTENT",
        ] {
            client.ask(words);
        }
        client.ask("EXEC")
    });
    // Some of these connections are of the other worker.
    let mut others: Vec<Client> = (0..4).map(|_| server.client()).collect();
    while !writer.is_finished() {
        for other in &mut others {
            let found = count(other, &["i", "word"]);
            assert!(found == 0 || found == 2, "a part of a transaction: {found}");
        }
    }
    let done = writer.join().unwrap();
    assert_eq!(done.items()[1].items()[0].int(), 1, "{done:?}");
    assert_eq!(done.items()[4].items()[0].int(), 2, "{done:?}");
    assert_eq!(count(&mut client, &["i", "word"]), 2);
}

#[test]
fn a_widened_index_finds_what_it_found_and_more_when_it_is_built() {
    let server = Server::start(&[]);
    let mut client = server.client();
    index(&mut client, "FT.CREATE i PREFIX 1 d: SCHEMA t TEXT");
    for at in 0..2000 {
        client.ask(&format!("HSET d:{at} t word n {at}"));
    }
    index(&mut client, "FT.ALTER i SCHEMA ADD n NUMERIC SORTABLE");
    for _ in 0..20 {
        assert_eq!(count(&mut client, &["i", "word"]), 2000);
        let sorted = client.ask("FT.SEARCH i * SORTBY n NOCONTENT LIMIT 0 1");
        assert_eq!(sorted.items()[0].int(), 2000);
    }
    eventually("the attribute is there", || {
        count(&mut client, &["i", "@n:[0 +inf]"]) == 2000
    });
    assert_eq!(count(&mut client, &["i", "*"]), 2000);
    index(&mut client, "FT.ALTER i SKIPINITIALSCAN SCHEMA ADD k TAG");
    client.ask("HSET d:1 k x");
    assert_eq!(count(&mut client, &["i", "@k:{x}"]), 1);
    assert_eq!(count(&mut client, &["i", "*"]), 2000);
}

#[test]
fn what_has_died_leaves_the_lists_also_where_texts_are_empty() {
    let server = Server::start(&[]);
    let mut client = server.client();
    index(
        &mut client,
        "FT.CREATE i SCHEMA g TAG INDEXEMPTY t TEXT INDEXEMPTY w TEXT",
    );
    for at in 0..10 {
        client.ask_args(&["HSET", &format!("empty{at}"), "g", "", "t", ""]);
    }
    for round in 0..4000 {
        let key = format!("d{}", round % 50);
        client.ask(&format!(
            "HSET {key} g tag{} w word{}",
            round % 7,
            round % 11
        ));
    }
    let records = info(&mut client, "i", "num_records");
    assert!(records < 1000, "{records} records of 60 documents");
    assert_eq!(client.ask("FT.TAGVALS i g").items().len(), 8);
    assert_eq!(count(&mut client, &["i", "*"]), 60);
}

#[test]
fn cursors_are_few_and_go_with_their_index() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let make = "FT.CREATE i PREFIX 1 d: SCHEMA t TEXT";
    index(&mut client, make);
    client.ask("HSET d:1 t word");
    client.ask("HSET d:2 t word");
    let open = |client: &mut Client| client.ask("FT.AGGREGATE i * WITHCURSOR COUNT 1");
    let first = open(&mut client).items()[1].int();
    for _ in 1..128 {
        assert!(!open(&mut client).is_error());
    }
    let refused = open(&mut client);
    assert_eq!(refused.text(), "Too many cursors allocated for index");
    for end in ["FT.DROPINDEX i", "FLUSHALL"] {
        client.ask(end);
        index(&mut client, make);
        client.ask("HSET d:1 t word");
        client.ask("HSET d:2 t word");
        let reply = client.ask(&format!("FT.CURSOR READ i {first}"));
        assert_eq!(reply.text(), "Cursor not found");
        assert!(!open(&mut client).is_error(), "{end} has dropped them all");
    }
    for (option, value) in [("COUNT", "0"), ("MAXIDLE", "0"), ("MAXIDLE", "4294967296")] {
        let reply = client.ask(&format!("FT.AGGREGATE i * WITHCURSOR {option} {value}"));
        let wanted = format!("Bad arguments for {option}: Value is outside acceptable bounds");
        assert_eq!(reply.text(), wanted);
    }
    // The cron drops those that nobody reads: no client asks for any here.
    client.ask("FT.AGGREGATE i * WITHCURSOR COUNT 1 MAXIDLE 1");
    eventually("the idle cursor is gone", || {
        let leaves = client.ask("FT.INFO i").leaves();
        let at = leaves
            .iter()
            .position(|value| value.text() == "index_total");
        leaves[at.unwrap() + 1].int() <= 1
    });
}

/// Documents that all have the same words.
fn alike(client: &mut Client, documents: usize, words: usize) {
    index(client, "FT.CREATE i PREFIX 1 d: SCHEMA t TEXT k TAG");
    let words: Vec<String> = (0..words).map(|at| format!("word{at}")).collect();
    let words = words.join(" ");
    for at in 0..documents {
        client.ask_args(&["HSET", &format!("d:{at}"), "t", &words, "k", "x"]);
    }
}

#[test]
fn a_query_that_would_hold_too_much_is_refused() {
    let server = Server::start(&["--maxmemory", "40mb"]);
    let mut client = server.client();
    alike(&mut client, 2000, 60);
    let words: Vec<String> = (0..60).map(|at| format!("word{at}")).collect();
    assert_eq!(count(&mut client, &["i", &words[..20].join("|")]), 2000);
    client.ask("CONFIG SET maxmemory 2mb");
    let query = words.join("|");
    let reply = client.ask_args(&["FT.SEARCH", "i", &query]);
    let wanted = "Query takes too much memory: too many of its parts find too many documents";
    assert_eq!(reply.text(), wanted);
    assert_eq!(count(&mut client, &["i", "*"]), 2000);
}

#[test]
fn few_results_are_the_first_of_many() {
    let server = Server::start(&[]);
    let mut client = server.client();
    index(&mut client, "FT.CREATE i PREFIX 1 d: SCHEMA t TEXT");
    let mut random = fastrand::Rng::with_seed(6);
    for at in 0..1500 {
        let words: Vec<&str> = (0..random.usize(2..9))
            .map(|_| ["one", "two", "other"][random.usize(0..3)])
            .collect();
        client.ask_args(&["HSET", &format!("d:{at}"), "t", &words.join(" ")]);
    }
    for scorer in ["TFIDF", "TFIDF.DOCNORM", "BM25", "BM25STD", "DISMAX"] {
        for query in ["one two", "one|two", "one ~two", "-one"] {
            let mut asked = |count: usize| {
                let count = count.to_string();
                let args = [
                    "FT.SEARCH",
                    "i",
                    query,
                    "NOCONTENT",
                    "WITHSCORES",
                    "SCORER",
                    scorer,
                    "LIMIT",
                    "0",
                    &count,
                ];
                client.ask_args(&args).items()
            };
            let (few, many) = (asked(7), asked(1500));
            assert!(many.len() > 200, "{query} finds {}", many.len());
            assert_eq!(few[..], many[..few.len()], "{scorer} {query}");
            assert_eq!(few.len(), 15, "{scorer} {query}");
        }
    }
}

/// A query that keeps even a fast machine busy for a while, if many results are wanted: every document is scored by many parts.
fn long_query() -> String {
    vec!["word0"; 16_000].join("|")
}

#[test]
fn writers_and_other_clients_are_served_while_a_search_runs() {
    let server = Server::start(&["--io-threads", "1"]);
    let mut client = server.client();
    alike(&mut client, 2000, 1);
    let mut searcher = server.client();
    let query = long_query();
    let search = ["FT.SEARCH", "i", &query, "NOCONTENT", "LIMIT", "0", "2000"];
    searcher.set_patience(Duration::from_secs(120));
    searcher.send(&crate::common::encode(&search)).unwrap();
    // The search has begun when its client has asked.
    eventually("the search has begun", || {
        let list = client.ask("CLIENT LIST").text();
        list.lines().any(|line| line.contains("cmd=ft.search"))
    });
    for at in 0..50 {
        let added = client.ask(&format!("HSET d:new{at} t word0 k x"));
        assert_eq!(added.int(), 2);
        assert_eq!(client.ask(&format!("HGET d:new{at} k")).text(), "x");
        assert_eq!(count(&mut client, &["i", "*"]), 2001 + at);
        client.ask(&format!("DEL d:{at}"));
        client.ask(&format!("HSET d:{at} t word0 k x"));
    }
    let commands = client.ask("INFO commandstats").text();
    assert!(
        !commands
            .lines()
            .any(|line| line.starts_with("cmdstat_ft.search:calls=51,")),
        "the long search is still under way: {commands}"
    );
    // It finds what there was when it began.
    let reply = searcher.receive().unwrap().value;
    assert_eq!(reply.items()[0].int(), 2000);
    // One whose client goes is left where it stands, and the server goes on.
    searcher.send(&crate::common::encode(&search)).unwrap();
    drop(searcher);
    eventually("the searcher is gone", || {
        let list = client.ask("CLIENT LIST").text();
        list.lines().count() == 1
    });
    assert_eq!(count(&mut client, &["i", "*"]), 2050);
}

#[test]
fn documents_that_change_all_the_time_are_found_all_the_same() {
    let server = Server::start(&["--io-threads", "2"]);
    let mut client = server.client();
    index(&mut client, "FT.CREATE i PREFIX 1 d: SCHEMA n NUMERIC");
    let edits = |n: usize| -> Vec<u8> {
        let edit = |at: usize| {
            let (key, n) = (format!("d:{at}"), n.to_string());
            crate::common::encode(&["HSET", &key, "n", &n])
        };
        (0..40).flat_map(edit).collect()
    };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut writer = server.client();
            let (edits, done) = (&edits, &done);
            scope.spawn(move || {
                for n in 0.. {
                    writer.send(&edits(n)).unwrap();
                    (0..40).for_each(|_| drop(writer.receive().unwrap()));
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        eventually("all are there", || count(&mut client, &["i", "*"]) == 40);
        let lines = [
            "FT.SEARCH i * RETURN 1 n LIMIT 0 100",
            "FT.SEARCH i * NOCONTENT LIMIT 0 100",
            "FT.SEARCH i @n:[-1,inf] SORTBY n LIMIT 0 100",
            "FT.AGGREGATE i * LOAD 1 @n LIMIT 0 100",
        ];
        for line in lines.iter().cycle().take(150) {
            let words: Vec<String> = line.split(' ').map(|word| word.replace(',', " ")).collect();
            let found = client.ask_args(&words).items().len() - 1;
            let is_plain = line.contains("AGGREGATE") || line.contains("NOCONTENT");
            let wanted = if is_plain { 40 } else { 80 };
            if found != wanted {
                done.store(true, Ordering::Relaxed);
            }
            assert_eq!(found, wanted, "{line}");
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn weights_of_any_size_are_counted() {
    let server = Server::start(&[]);
    let mut client = server.client();
    index(&mut client, "FT.CREATE i SCHEMA t TEXT WEIGHT 3000000000");
    client.ask_args(&["HSET", "a", "t", "hello hello hello"]);
    assert_eq!(count(&mut client, &["i", "hello"]), 1);
}

#[test]
fn groups_of_synonyms_stand_in_the_order_in_which_they_came() {
    let server = Server::start(&["--appendonly", "yes"]);
    let mut client = server.client();
    index(&mut client, "FT.CREATE i SCHEMA t TEXT");
    let update = ["FT.SYNUPDATE", "i", "all", "SKIPINITIALSCAN"];
    let words: Vec<String> = (0..5000).map(|n| format!("w{n}")).collect();
    let many: Vec<&str> = update
        .into_iter()
        .chain(words.iter().map(String::as_str))
        .collect();
    client.ask_args(&many);
    for group in ["c", "a", "b", "a"] {
        client.ask(&format!("FT.SYNUPDATE i {group} SKIPINITIALSCAN w7 W8"));
    }
    let groups = |client: &mut Client, word: &str| {
        let dump = client.ask("FT.SYNDUMP i").items();
        assert_eq!(dump.len(), 10_000);
        let at = dump.iter().position(|held| held.text() == word).unwrap();
        let groups: Vec<String> = dump[at + 1].items().iter().map(Value::text).collect();
        groups.join(" ")
    };
    assert_eq!(groups(&mut client, "w7"), "all c a b");
    assert_eq!(groups(&mut client, "w8"), "all c a b");
    assert_eq!(groups(&mut client, "w9"), "all");
    let again = Server::start_on(&our_server(), server.kill(), &["--appendonly", "yes"]);
    assert_eq!(groups(&mut again.client(), "w7"), "all c a b");
}

#[test]
fn documents_of_many_indexes_that_were_made_one_after_another_are_found() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for n in 0..2000 {
        let words = format!("FT.CREATE i{n} PREFIX 1 d{n}: SCHEMA t TEXT");
        assert_eq!(client.ask(&words).text(), "OK");
    }
    for n in [0, 1000, 1999] {
        client.ask(&format!("HSET d{n}:1 t word"));
        let found = client.ask(&format!("FT.SEARCH i{n} word NOCONTENT"));
        assert_eq!(found.items().len(), 2);
        client.ask(&format!("FT.DROPINDEX i{n} DD"));
        assert_eq!(client.ask(&format!("EXISTS d{n}:1")).int(), 0);
    }
}

#[test]
fn rows_take_no_more_memory_than_a_part_of_what_there_is() {
    let server = Server::start(&["--maxmemory", "100mb"]);
    let mut client = server.client();
    index(&mut client, "FT.CREATE i SCHEMA t TEXT NOINDEX SORTABLE");
    let text = "x".repeat(10_000);
    for n in 0..100 {
        client.ask_args(&["HSET", &format!("d:{n}"), "t", &text]);
    }
    let many = format!("format('{}'{})", "%s".repeat(100), ",@t".repeat(100));
    let words = [
        "FT.AGGREGATE",
        "i",
        "*",
        "APPLY",
        &many,
        "AS",
        "x",
        "GROUPBY",
        "0",
    ];
    let refused = "Query takes too much memory: its rows hold too much";
    assert_eq!(client.ask_args(&words).text(), refused);
    client.ask("CONFIG SET maxmemory 0");
    assert!(!client.ask_args(&words).is_error());
}

#[test]
fn documents_of_many_fields_are_shown_as_quickly_as_they_are_read() {
    let server = Server::start(&[]);
    let mut client = server.client();
    index(&mut client, "FT.CREATE i SCHEMA f0 TEXT SORTABLE f7 TAG");
    let count = 200_000;
    let names: Vec<String> = (0..count).map(|n| format!("f{n}")).collect();
    let mut words = vec!["HSET", "d"];
    words.extend(names.iter().flat_map(|name| [&name[..], "x"]));
    assert_eq!(client.ask_args(&words).int(), count);
    // To seek each of its names among those before it would take minutes.
    let shown = "return #redis.call('FT.SEARCH', 'i', '*', 'SORTBY', 'f0')[3]";
    assert_eq!(client.ask_args(&["EVAL", shown, "0"]).int(), 2 * count);
    let loaded = client.ask("FT.AGGREGATE i * LOAD * GROUPBY 1 @f7 REDUCE COUNT 0 AS n");
    let loaded: Vec<String> = loaded.leaves().iter().map(Value::text).collect();
    assert_eq!(loaded, ["1", "f7", "x", "n", "1"]);
    let number = names.len().to_string();
    let mut words = vec!["FT.SEARCH", "i", "*", "RETURN", &number];
    let missing: Vec<String> = (0..count).map(|n| format!("g{n}")).collect();
    words.extend(missing.iter().map(String::as_str));
    assert_eq!(client.ask_args(&words).items()[2].items().len(), 0);
}
