//! What searches find after a kill: every edit that was answered, and no half of a step.

use super::killed::{Check, asked, number};
use crate::common::{Client, Value};

/// How many a search finds.
fn count(client: &mut Client, words: &[&str]) -> u64 {
    let reply = client.ask_args(&[&["FT.SEARCH"], words, &["LIMIT", "0", "0"]].concat());
    assert!(!reply.is_error(), "{words:?}: {reply:?}");
    number(&reply.items()[0])
}

/// In each step two documents get the next number, of a hash and of JSON, and another pair of keys each time, or one that was there.
pub fn searches_for_what_it_wrote(mut client: Client) -> Check {
    const KEYS: u64 = 40;
    let mut told = 0;
    let schemas: [&[&str]; 2] = [
        &[
            "FT.CREATE",
            "hashes",
            "PREFIX",
            "1",
            "found:",
            "SCHEMA",
            "n",
            "NUMERIC",
            "SORTABLE",
            "w",
            "TEXT",
        ],
        &[
            "FT.CREATE",
            "trees",
            "ON",
            "JSON",
            "PREFIX",
            "1",
            "tree:",
            "SCHEMA",
            "$.n",
            "AS",
            "n",
            "NUMERIC",
            "$.w",
            "AS",
            "w",
            "TAG",
        ],
    ];
    let is_made = asked(&mut client, &schemas).is_some();
    loop {
        let next = (told + 1).to_string();
        let (hash, tree) = (
            format!("found:{}", told % KEYS),
            format!("tree:{}", told % KEYS),
        );
        let value = format!(r#"{{"n":{next},"w":"w{next}"}}"#);
        let word = format!("w{next}");
        let commands: [&[&str]; 4] = [
            &["MULTI"],
            &["HSET", &hash, "n", &next, "w", &word],
            &["JSON.SET", &tree, "$", &value],
            &["EXEC"],
        ];
        if !is_made || asked(&mut client, &commands).is_none() {
            break;
        }
        told += 1;
    }
    Box::new(move |client| {
        if told == 0 {
            // Nobody knows whether the indexes were made.
            return;
        }
        let last = |client: &mut Client, index: &str| {
            let reply = client.ask(&format!(
                "FT.SEARCH {index} * SORTBY n DESC LIMIT 0 1 RETURN 1 n"
            ));
            number(&reply.items()[2].items()[1])
        };
        let (there, other) = (last(client, "hashes"), last(client, "trees"));
        assert!(
            there == told || there == told + 1,
            "{told} was answered, {there} is found"
        );
        assert_eq!(there, other, "half a step");
        for n in there.saturating_sub(KEYS)..there {
            let word = format!("w{}", n + 1);
            assert_eq!(count(client, &["hashes", &word]), 1, "{word} of {there}");
            assert_eq!(
                count(client, &["trees", &format!("@w:{{{word}}}")]),
                1,
                "{word} of {there}"
            );
        }
        let all = there.min(KEYS);
        assert_eq!(count(client, &["hashes", "*"]), all);
        assert_eq!(count(client, &["trees", "*"]), all);
    })
}

/// Widens an index, moves an alias, makes and drops others, one after another.
pub fn changes_indexes(mut client: Client) -> Check {
    let mut told = 0;
    let made = [
        "FT.CREATE",
        "wide",
        "PREFIX",
        "1",
        "wide:",
        "SCHEMA",
        "f0",
        "NUMERIC",
    ];
    let first = asked(&mut client, &[&["HSET", "wide:1", "f0", "1"], &made]);
    while first.is_some() {
        let (field, index) = (format!("f{}", told + 1), format!("own{}", told + 1));
        let before = format!("own{told}");
        let commands: [&[&str]; 4] = [
            &["FT.ALTER", "wide", "SCHEMA", "ADD", &field, "NUMERIC"],
            &[
                "FT.CREATE",
                &index,
                "PREFIX",
                "1",
                "wide:",
                "SCHEMA",
                "f0",
                "NUMERIC",
            ],
            &["FT.ALIASUPDATE", "newest", &index],
            &["FT.DROPINDEX", &before],
        ];
        if asked(&mut client, &commands).is_none() {
            break;
        }
        told += 1;
        // The first one doesn't drop any.
        if told == 200 {
            break;
        }
    }
    Box::new(move |client| {
        if told == 0 {
            return;
        }
        let leaves = client.ask("FT.INFO wide").leaves();
        let texts: Vec<String> = leaves.iter().map(Value::text).collect();
        let last = format!("f{told}");
        assert!(texts.contains(&last), "{last} was added: {texts:?}");
        assert_eq!(count(client, &["wide", "@f0:[1 1]"]), 1);
        assert_eq!(count(client, &["newest", "@f0:[1 1]"]), 1);
        let names: Vec<String> = client
            .ask("FT._LIST")
            .items()
            .iter()
            .map(Value::text)
            .collect();
        let own = names.iter().filter(|name| name.starts_with("own")).count();
        // The next one may have been made, and the one before it not dropped yet.
        assert!((1..=2).contains(&own), "{told}: {names:?}");
        let newest = format!("own{told}");
        assert!(names.contains(&newest) || names.contains(&format!("own{}", told + 1)));
    })
}
