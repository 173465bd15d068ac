//! Streams and their groups: types that were not asked for, and counts that were believed.

use crate::common::{Client, Server};

use super::{is_well, raw, say};

#[test]
fn cve_2018_12453_groups_are_of_streams_alone() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (key, maker) in [
        ("s", "SET s v"),
        ("l", "RPUSH l v"),
        ("h", "HSET h f v"),
        ("z", "ZADD z 1 v"),
        ("m", "SADD m v"),
    ] {
        say(&mut client, maker);
        for line in [
            format!("XGROUP CREATE {key} g $"),
            format!("XGROUP CREATE {key} g $ MKSTREAM"),
            format!("XGROUP SETID {key} g 0"),
            format!("XGROUP DESTROY {key} g"),
            format!("XGROUP CREATECONSUMER {key} g c"),
            format!("XGROUP DELCONSUMER {key} g c"),
            format!("XREADGROUP GROUP g c STREAMS {key} >"),
            format!("XAUTOCLAIM {key} g c 0 0"),
            format!("XSETID {key} 1-1"),
            format!("XINFO STREAM {key}"),
        ] {
            let answer = say(&mut client, &line);
            assert!(
                answer.starts_with("-WRONGTYPE") || answer.starts_with("-NOGROUP"),
                "{line}: {answer}"
            );
        }
    }
    is_well(&server);
}

#[test]
fn cve_2022_31144_and_cve_2022_35951_claiming_what_was_deleted_takes_the_room_that_is_there() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let ids: Vec<String> = (1..=500).map(|n| format!("{n}-1")).collect();
    for id in &ids {
        say(&mut client, &format!("XADD x {id} f v"));
    }
    say(&mut client, "XGROUP CREATE x g 0");
    say(&mut client, "XREADGROUP GROUP g ann COUNT 500 STREAMS x >");
    let gone: Vec<&String> = ids.iter().step_by(2).collect();
    let mut delete = vec!["XDEL".to_string(), "x".into()];
    delete.extend(gone.iter().map(|id| id.to_string()));
    assert_eq!(raw(&mut client, &delete), ":250\r\n");
    for count in [
        "0",
        "-1",
        "9223372036854775807",
        "1152921504606846976",
        "922337203685477580",
    ] {
        let answer = say(
            &mut client,
            &format!("XAUTOCLAIM x g bob 0 - COUNT {count}"),
        );
        assert!(
            answer.starts_with("-ERR COUNT must be > 0"),
            "{count}: {answer}"
        );
    }
    let reply = client.ask("XAUTOCLAIM x g bob 0 - COUNT 300").items();
    assert_eq!((reply[1].items().len(), reply[2].items().len()), (150, 150));
    let reply = client.ask("XAUTOCLAIM x g bob 0 - COUNT 100000").items();
    assert_eq!((reply[1].items().len(), reply[2].items().len()), (250, 100));
    assert_eq!(client.ask("XPENDING x g").items()[0].int(), 250);
    is_well(&server);
}

#[test]
fn cve_2022_33105_looking_for_a_streams_ends_leaks_nothing() {
    let server = Server::start(&["--io-threads", "1"]);
    let mut client = server.client();
    let round = |client: &mut Client, rounds: usize| {
        for n in 0..rounds {
            say(client, &format!("XADD x {}-1 f {}", n + 1, "v".repeat(100)));
            say(client, &format!("XDEL x {}-1", n + 1));
            say(client, "XINFO STREAM x");
            say(client, "XTRIM x MAXLEN 0");
            say(client, "XREVRANGE x + -");
        }
        say(client, "DEL x");
    };
    round(&mut client, 300);
    let before = client.info_number("used_memory");
    round(&mut client, 3000);
    let grown = client.info_number("used_memory") - before;
    assert!(grown < 200_000, "{grown} bytes");
    is_well(&server);
}

/// Ids by the thousand, for which Redis has room on its stack up to eight.
#[test]
fn cve_2025_62507_ids_are_as_many_as_were_sent() {
    let server = Server::start(&[]);
    let mut client = server.client();
    say(&mut client, "XADD x 1-1 f v");
    say(&mut client, "XGROUP CREATE x g 0");
    for head in [
        &["XDEL", "x"][..],
        &["XACK", "x", "g"],
        &["XCLAIM", "x", "g", "c", "0"],
        &["XACKDEL", "x", "g", "KEEPREF", "IDS", "5000"],
        &["XDELEX", "x", "IDS", "5000"],
    ] {
        let ids: Vec<String> = (0..5000).map(|n| format!("{}-{n}", n + 2)).collect();
        let command: Vec<&str> = head
            .iter()
            .copied()
            .chain(ids.iter().map(String::as_str))
            .collect();
        assert!(!raw(&mut client, &command).is_empty());
        is_well(&server);
    }
    assert_eq!(say(&mut client, "XLEN x"), ":1\r\n");
}
