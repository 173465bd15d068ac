//! Talk with a server about connections, logs and its end, as Redis 8 and Valkey 9 know them: filters of CLIENT LIST and
//! KILL, CLIENT CAPA, SCRIPT SHOW, COMMANDLOG, BGSAVE CANCEL and SHUTDOWN SAFE answer as Valkey 9.1.2 was heard to, but for
//! numbers of clients that cannot be, of which Redis 8.2 speaks otherwise and ours with it.

use vermilion::testing::{TestServer, show, talk};

#[test]
fn connections_are_chosen_by_what_they_are() {
    talk(
        "b> CLIENT SETNAME bob
         +OK
         b> SELECT 3
         +OK
         b> CLIENT SETINFO LIB-NAME lib
         +OK
         b> SUBSCRIBE ch
         [\"subscribe\" \"ch\" :1]
         > CLIENT LIST NAME bob DB 4
         \"\"
         > CLIENT LIST NAME bob DB 3 LIB-NAME lib FLAGS P USER default
         \"id=*
         > CLIENT LIST NOT-NAME bob NOT-TYPE normal
         \"\"
         > CLIENT LIST NAME ann NAME bob
         \"id=*
         > CLIENT LIST SKIPME yes NOT-FLAGS P
         \"\"
         > CLIENT LIST ID 0 TYPE normal
         -ERR client-id should be greater than 0
         > CLIENT LIST ID 99999 88888 TYPE normal
         \"\"
         > CLIENT LIST ID x
         -ERR Invalid client ID
         > CLIENT LIST ID 1 foo
         -ERR Invalid client ID
         > CLIENT LIST ID 0
         \"\"
         > CLIENT LIST IDLE x
         -ERR idle is not an integer or out of range
         > CLIENT LIST IDLE 0
         -ERR idle should be greater than 0
         > CLIENT LIST MAXAGE 1000000
         \"\"
         > CLIENT LIST FLAGS NX
         -ERR Unknown flags found in the provided filter: NX
         > CLIENT LIST CAPA z
         -ERR Unknown capa found in the provided filter: z
         > CLIENT LIST DB x
         -ERR DB is not an integer or out of range
         > CLIENT LIST DB 16
         -ERR DB number should be between 0 and 15
         > CLIENT LIST USER nobody
         -ERR No such user 'nobody'
         > CLIENT LIST NOT-IDLE 5
         -ERR syntax error
         > CLIENT LIST NAME
         -ERR syntax error
         > CLIENT LIST IP 127.0.0.2
         \"\"
         > CLIENT KILL NAME ann
         :0
         > CLIENT KILL ID 77777 88888
         :0
         > CLIENT KILL ID x
         -ERR client-id should be greater than 0
         > CLIENT KILL IP 127.0.0.1 NAME bob
         :1
         > CLIENT LIST NAME bob
         \"\"",
    );
}

#[test]
fn a_client_tells_what_it_can_do_and_how_much_it_has_done() {
    talk(
        "> CLIENT CAPA
         -ERR wrong number of arguments for 'client|capa' command
         > CLIENT LIST CAPA r
         \"\"
         > CLIENT CAPA foo redirect
         +OK
         > CLIENT LIST CAPA r
         \"id=*
         > RESET
         +RESET
         > CLIENT LIST CAPA r
         \"\"
         > READONLY
         -ERR This instance has cluster support disabled",
    );
    let server = TestServer::start("");
    let mut client = server.connect();
    for _ in 0..3 {
        client.say("PING");
        client.hear();
    }
    client.say("CLIENT INFO");
    let line = show(&client.hear());
    assert!(line.contains(" tot-cmds=3 "), "{line}");
    assert!(line.contains(" tot-net-in=68 "), "{line}");
}

#[test]
fn a_replica_sends_clients_that_follow_to_its_master() {
    let server = TestServer::start("");
    server.talk(
        "> CLIENT CAPA redirect
         +OK
         > SET k 1
         +OK
         > REPLICAOF 127.0.0.1 1
         +OK
         > GET k
         -REDIRECT 127.0.0.1:1
         > SET k 2
         -REDIRECT 127.0.0.1:1
         > PING
         +PONG
         > READONLY
         +OK
         > GET k
         \"1\"
         > SET k 2
         -REDIRECT 127.0.0.1:1
         > READWRITE
         +OK
         > GET k
         -REDIRECT 127.0.0.1:1
         b> GET k
         \"1\"
         b> SET k 2
         -READONLY You can't write against a read only replica.
         > REPLICAOF NO ONE
         +OK
         > GET k
         \"1\"",
    );
}

#[test]
fn of_scripts_and_transactions_those_are_sent_to_the_master_that_say_they_write_or_read() {
    let server = TestServer::start("replicaof 127.0.0.1 1");
    server.talk(
        "> CLIENT CAPA redirect
         +OK
         > EVAL \"return 1\" 0
         :1
         > EVAL \"return redis.call('get', KEYS[1])\" 1 k
         nil
         > EVAL_RO \"return redis.call('get', KEYS[1])\" 1 k
         -REDIRECT 127.0.0.1:1
         > EVAL \"#!lua flags=no-writes\\nreturn redis.call('get', KEYS[1])\" 1 k
         nil
         > EVAL \"#!lua\\nreturn 1\" 0
         -REDIRECT 127.0.0.1:1
         > EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
         :1
         > FCALL none 1 k
         -ERR Function not found
         > PUBLISH a b
         :0
         > MULTI
         +OK
         > GET k
         -REDIRECT 127.0.0.1:1
         > PING
         +QUEUED
         > EXEC
         -EXECABORT Transaction discarded because of previous errors.
         > MULTI
         +OK
         > PING
         +QUEUED
         > EVAL \"return 1\" 0
         +QUEUED
         > EXEC
         [+PONG :1]
         > READONLY
         +OK
         > EVAL_RO \"return redis.call('get', KEYS[1])\" 1 k
         nil
         > MULTI
         +OK
         > GET k
         +QUEUED
         > EXEC
         [nil]
         > MULTI
         +OK
         > SET k 1
         -REDIRECT 127.0.0.1:1
         > EXEC
         -EXECABORT Transaction discarded because of previous errors.",
    );
}

#[test]
fn a_script_is_shown() {
    talk(
        "> SCRIPT LOAD \"return 1\"
         \"e0e1f9fabfc9d4800c877a703b823ac0578ff8db\"
         > SCRIPT SHOW E0E1F9FABFC9D4800C877A703B823AC0578FF8DB
         \"return 1\"
         > SCRIPT SHOW x
         -NOSCRIPT No matching script.",
    );
}

#[test]
fn large_requests_and_replies_are_logged() {
    let server = TestServer::start(
        "commandlog-request-larger-than 100\ncommandlog-reply-larger-than 50\ncommandlog-large-reply-max-len 2",
    );
    let mut client = server.connect();
    let value = "x".repeat(80);
    for command in [format!("SET key {value}"), "GET key".into(), "PING".into()] {
        client.say(&command);
        client.hear();
    }
    server.talk(&format!(
        "> COMMANDLOG LEN large-request
         :1
         > COMMANDLOG LEN large-reply
         :1
         > COMMANDLOG GET -1 large-request
         [[:0 *
         > COMMANDLOG GET -2 slow
         -ERR count should be greater than or equal to -1
         > COMMANDLOG GET 1 foo
         -ERR type should be one of the following: slow, large-request, large-reply
         > COMMANDLOG GET 1
         -ERR wrong number of arguments for 'commandlog|get' command
         > MULTI
         +OK
         > GET key
         +QUEUED
         > EXEC
         [\"{value}\"]
         > COMMANDLOG LEN large-reply
         :2
         > COMMANDLOG RESET large-reply
         +OK
         > COMMANDLOG LEN large-reply
         :0
         > CONFIG GET commandlog-*
         [\"commandlog-*"
    ));
    client.say("COMMANDLOG GET 1 large-request");
    let entry = show(&client.hear());
    // *3, $3, $3 and $80 in lines of their own, and three parts with line ends.
    assert!(entry.contains(" :109 [\"SET\" \"key\" \"xxx"), "{entry}");
}

#[test]
fn the_logs_keep_as_much_of_a_command_as_they_are_told() {
    let server = TestServer::start(
        "slowlog-log-slower-than 0\nslowlog-entry-max-argc 3\nslowlog-entry-max-string-len 4",
    );
    let mut client = server.connect();
    client.say("RPUSH list 123456 2 3");
    client.hear();
    client.say("SLOWLOG GET 1");
    let entries = show(&client.hear());
    let kept = "[\"RPUS... (1 more bytes)\" \"list\" \"... (3 more arguments)\"]";
    assert!(entries.contains(kept), "{entries}");
}

#[test]
fn a_save_is_called_off_and_an_end_is_refused() {
    talk(
        "> BGSAVE CANCEL
         -ERR Background saving is currently not in progress or scheduled
         > BGSAVE SCHEDULE CANCEL
         -ERR syntax error
         > SHUTDOWN FAILOVER
         -ERR SHUTDOWN FAILOVER is only supported in cluster mode.
         > SHUTDOWN SAFE ABORT
         -ERR syntax error
         > SHUTDOWN ABORT
         -ERR No shutdown in progress.",
    );
}

#[test]
fn under_lrm_only_edits_make_a_key_young() {
    let server = TestServer::start("maxmemory-policy allkeys-lrm");
    let mut client = server.connect();
    for command in ["SET read 1", "SET edited 1", "SET timed 1", "SADD set a"] {
        client.say(command);
        client.hear();
    }
    let idle = |client: &mut vermilion::testing::Talker, key: &str| -> String {
        client.say(&format!("OBJECT IDLETIME {key}"));
        show(&client.hear())
    };
    // Until all have been idle for a second, as the mark has whole seconds.
    while ["read", "edited", "timed", "set"]
        .iter()
        .any(|key| idle(&mut client, key) == ":0")
    {
        std::thread::yield_now();
    }
    for command in [
        "GET read",
        "STRLEN read",
        "PERSIST read",
        "APPEND edited 2",
        "EXPIRE timed 1000",
    ] {
        client.say(command);
        client.hear();
    }
    // And what would edit, but changes nothing.
    for command in ["SETRANGE read 0 \"\"", "SREM set none", "SADD set a"] {
        client.say(command);
        client.hear();
    }
    assert_ne!(idle(&mut client, "read"), ":0");
    assert_ne!(idle(&mut client, "set"), ":0");
    assert_eq!(idle(&mut client, "edited"), ":0");
    assert_eq!(idle(&mut client, "timed"), ":0");
}

#[test]
fn commands_that_had_to_wait_are_logged_if_their_requests_or_replies_are_large() {
    let server = TestServer::start(
        "commandlog-execution-slower-than -1\ncommandlog-reply-larger-than 100\ncommandlog-request-larger-than 150",
    );
    let long = "x".repeat(200);
    server.talk(&format!(
        "b> BLPOP l 0
         zzz
         > RPUSH l {long}
         :1
         b< [\"l\" \"{long}\"]
         > COMMANDLOG RESET large-request
         +OK
         b> BLPOP {long} 0
         zzz
         > COMMANDLOG LEN large-request
         :0
         > LPUSH {long} 1
         :1
         b< [\"{long}\" \"1\"]"
    ));
    let mut client = server.connect();
    let mut logged = |which: &str| {
        client.say(&format!("COMMANDLOG GET -1 {which}"));
        show(&client.hear())
    };
    let replies = logged("large-reply");
    assert!(
        replies.contains(" :219 [\"BLPOP\" \"l\" \"0\"] "),
        "{replies}"
    );
    let logged = logged("large-request");
    for command in ["BLPOP", "LPUSH"] {
        let entry = format!(" :230 [\"{command}\" \"xxx");
        assert!(logged.contains(&entry), "{logged}");
    }
}

#[test]
fn a_save_that_a_client_waits_for_is_not_called_off() {
    let server = TestServer::start("rdb-key-save-delay 10000");
    let (mut waits, mut other) = (server.connect(), server.connect());
    let mut ask = |line: &str| {
        other.say(line);
        show(&other.hear())
    };
    for n in 0..100 {
        ask(&format!("SET key:{n} 1"));
    }
    waits.say("SAVE");
    let begun = std::time::Instant::now();
    while ask("INFO persistence").contains("current_save_keys_total:0\\r") {
        assert!(begun.elapsed().as_secs() < 30, "the save begins");
    }
    assert_eq!(
        ask("BGSAVE CANCEL"),
        "-ERR Background saving is currently not in progress or scheduled"
    );
    assert_eq!(show(&waits.hear()), "+OK");
}

#[test]
fn monitors_see_no_secrets_of_what_scripts_call() {
    let server = TestServer::start("");
    let (mut monitor, mut client) = (server.connect(), server.connect());
    monitor.say("MONITOR");
    assert_eq!(show(&monitor.hear()), "+OK");
    client.say("EVAL \"return redis.pcall('migrate', '127.0.0.1', '1', 'k', '0', '10', 'auth', ARGV[1])\" 0 hidden");
    assert_eq!(show(&client.hear()), "+NOKEY");
    assert!(show(&monitor.hear()).contains("\"EVAL\""));
    let called = show(&monitor.hear());
    assert!(called.ends_with("\"auth\" \"(redacted)\""), "{called}");
}
