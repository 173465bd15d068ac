//! Which databases a user may use: Valkey's rules `db=`, `alldbs` and `resetdbs`.
//!
//! The conversation in `acl_databases.txt` was had with Valkey 9.1.2, and is had with it again where it is here.

use std::collections::HashMap;
use std::path::Path;

use vermilion::testing::talk;
use vermilion::util::words;

use crate::common::{Client, Server, Value, encode, our_server, valkey_9};

const CONVERSATION: &str = include_str!("acl_databases.txt");

#[test]
fn a_user_is_kept_from_databases() {
    talk(CONVERSATION);
}

/// What is told of a denial in ACL LOG, but for its time and client.
fn settled(question: &str, answer: Value) -> String {
    if question != "ACL LOG 1" {
        return answer.to_string();
    }
    let words = answer.leaves().into_iter().take(10);
    words.map(|word| word.to_string()).collect()
}

fn answers(program: &Path) -> Vec<String> {
    let server = Server::start_program(program, &[]);
    let mut clients: HashMap<&str, Client> = HashMap::new();
    let questions = CONVERSATION
        .lines()
        .filter_map(|line| line.split_once("> "));
    let mut answers = Vec::new();
    for (name, question) in questions.filter(|(name, _)| name.len() < 2) {
        let client = clients.entry(name).or_insert_with(|| server.client());
        let said = words::split(question.as_bytes()).expect("quotes are balanced");
        client.send(&encode(&said)).expect("it is heard");
        let heard = client.receive().expect("it answers");
        let (value, _) = Value::parse(&heard.raw).expect("the server speaks RESP");
        answers.push(format!("{question}: {}", settled(question, value)));
    }
    answers
}

#[test]
fn a_user_is_kept_from_databases_as_valkey_does_it() {
    let Some(valkey) = valkey_9() else { return };
    let (theirs, ours) = (answers(&valkey), answers(&our_server()));
    assert!(theirs.len() > 150, "the conversation was read");
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert_eq!(ours, theirs);
    }
}

/// Every command that both have, with arguments that are no more than enough.
#[test]
fn every_command_touches_the_databases_that_it_touches_in_valkey() {
    let Some(valkey) = valkey_9() else { return };
    let (theirs, ours) = (
        Server::start_program(&valkey, &[]),
        Server::start_program(&our_server(), &[]),
    );
    let (mut theirs, mut ours) = (theirs.client(), ours.client());
    let mut questions = Vec::new();
    for command in theirs.ask("COMMAND").items() {
        let command = command.items();
        let own = std::iter::once(command.clone());
        let subcommands = command[9].items();
        for one in own.chain(subcommands.iter().map(Value::items)) {
            let mut words: Vec<String> = one[0].text().split('|').map(str::to_string).collect();
            let least = one[1].int().unsigned_abs() as usize;
            words.resize(least.max(words.len()), "1".to_string());
            questions.push(words.join(" "));
        }
    }
    let mut compared = 0;
    for rule in ["db=3", "resetdbs"] {
        for server in [&mut theirs, &mut ours] {
            let made = server.ask(&format!("ACL SETUSER ann on nopass ~* &* +@all {rule}"));
            assert_eq!(made.text(), "OK");
        }
        for question in &questions {
            let ask = format!("ACL DRYRUN ann {question}");
            let (their, own) = (theirs.ask(&ask), ours.ask(&ask));
            if !their.is_error() && !own.is_error() {
                assert_eq!(own.to_string(), their.to_string(), "{ask} under {rule}");
                compared += 1;
            }
        }
    }
    assert!(
        compared > 500,
        "{compared} commands are there on both sides"
    );
}

/// Rules last in files, and a file is told what is wrong with it.
#[test]
fn rules_about_databases_last_in_files() {
    let servers = valkey_9().into_iter().chain([our_server()]);
    for program in servers {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("users.acl");
        let rules = "user ann on nopass ~* resetchannels db=2,1 +@all (~x db=7 -@all +get)";
        let default = "user default on nopass ~* &* +@all";
        std::fs::write(&file, format!("{rules}\n{default}\n")).expect("written");
        let path = file.display().to_string();
        let server = Server::start_program(&program, &["--aclfile", &path]);
        let mut client = server.client();
        let told =
            "user ann on nopass ~* resetchannels db=1,2 +@all (~x resetchannels db=7 -@all +get)";
        let lines = |client: &mut Client| client.ask("ACL LIST").items()[0].text();
        assert_eq!(lines(&mut client), told, "{program:?}");
        assert_eq!(client.ask("ACL SETUSER ann resetdbs").text(), "OK");
        assert_eq!(client.ask("ACL SAVE").text(), "OK");
        let written = std::fs::read_to_string(&file).expect("read");
        let told = told.replace("db=1,2", "resetdbs");
        assert_eq!(written, format!("{told}\n{default}\n"), "{program:?}");
        assert_eq!(client.ask("ACL LOAD").text(), "OK");
        assert_eq!(lines(&mut client), told, "{program:?}");

        let wrong = "user a on db=1,x +@all\nuser b on db=-1 db=x\nuser c on (db=3) (db=-5)\n";
        std::fs::write(&file, wrong).expect("written");
        let fault = client.ask("ACL LOAD").text().replace(&path, "FILE");
        assert!(
            fault.contains("FILE:1: Syntax error. FILE:2: The provided database ID is out of range. FILE:3: The provided database ID is out of range. WARNING: ACL errors detected"),
            "{program:?}: {fault}"
        );
        drop(server);

        let conf = dir.path().join("redis.conf");
        std::fs::write(&conf, format!("{rules}\n{default}\n")).expect("written");
        let path = conf.display().to_string();
        let server = Server::start_program(&program, &[&path]);
        let mut client = server.client();
        assert_eq!(client.ask("ACL SETUSER ann db=5").text(), "OK");
        assert_eq!(client.ask("CONFIG REWRITE").text(), "OK");
        let written = std::fs::read_to_string(&conf).expect("read");
        let told = told.replace("resetdbs", "db=5");
        assert!(written.contains(&told), "{program:?}: {written}");
    }
}

/// A client that was blocked before the rule came is not served from a database that its user may no longer use.
#[test]
fn a_blocked_client_is_not_served_from_a_database_that_was_taken() {
    talk(
        "> ACL SETUSER ann on nopass ~* &* +@all db=1
         +OK
         b> AUTH ann x
         +OK
         b> SELECT 1
         +OK
         b> BLPOP q 0
         zzz
         > ACL SETUSER ann db=2
         +OK
         > SELECT 1
         +OK
         > RPUSH q x
         :1
         b< -NOPERM No permissions to access database",
    );
}

/// An index holds documents of database 0, from wherever it is asked.
#[test]
fn who_may_not_use_the_first_database_may_not_search_it() {
    talk(
        "> FT.CREATE idx SCHEMA t TEXT
         +OK
         > ACL SETUSER ann on nopass ~* &* +@all db=1
         +OK
         b> AUTH ann x
         +OK
         b> SELECT 1
         +OK
         b> FT.SEARCH idx *
         -NOPERM User does not have the required permissions to query the index
         b> FT.INFO idx
         -NOPERM User does not have the required permissions to query the index
         > ACL SETUSER ann db=0,1
         +OK
         b> SELECT 0
         +OK
         b> FT.SEARCH idx *
         [:0]",
    );
}
