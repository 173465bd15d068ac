//! Talk with a server about users: who may do what, and what happens to those who may not any more.

use vermilion::testing::{TestServer, show, talk};

/// What a command answers, on a connection of its own.
fn answer(server: &TestServer, line: &str) -> String {
    let mut client = server.connect();
    client.say(line);
    show(&client.hear())
}

#[test]
fn a_user_does_what_rules_allow() {
    talk(
        "> ACL SETUSER ann on >secret ~a:* +@string +config|get
         +OK
         b> AUTH ann wrong
         -WRONGPASS invalid username-password pair or user is disabled.
         b> AUTH ann secret
         +OK
         b> ACL WHOAMI
         -NOPERM User ann has no permissions to run the 'acl|whoami' command
         b> SET a:1 x
         +OK
         b> GET b:1
         -NOPERM No permissions to access a key
         b> DEL a:1
         -NOPERM User ann has no permissions to run the 'del' command
         b> CONFIG GET port
         [\"port\" *
         b> CONFIG SET port 1
         -NOPERM User ann has no permissions to run the 'config|set' command
         > ACL SETUSER ann +del
         +OK
         b> DEL a:1
         :1
         > ACL GETUSER ann
         [\"flags\" [\"on\"] \"passwords\" [\"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"] \"commands\" \"-@all +@string +config|get +del\" \"keys\" \"~a:*\" \"channels\" \"\" \"selectors\" []]",
    );
}

#[test]
fn selectors_dont_add_up() {
    talk(
        "> ACL SETUSER ann on nopass (+@all %R~r*) (+@all %W~w*)
         +OK
         b> AUTH ann any
         +OK
         b> GET r1
         nil
         b> LPUSH w1 x
         :1
         b> COPY r1 w1
         -NOPERM No permissions to access a key
         > ACL SETUSER ann (+copy %R~r* %W~w*)
         +OK
         b> COPY r1 w2
         :0
         > ACL SETUSER ann clearselectors
         +OK
         b> GET r1
         -NOPERM User ann has no permissions to run the 'get' command",
    );
}

#[test]
fn keys_are_checked_whatever_else_is_missing() {
    talk(
        "> ACL SETUSER ann on nopass +@all ~a
         +OK
         b> AUTH ann x
         +OK
         b> PFMERGE b
         -NOPERM No permissions to access a key
         b> ZUNIONSTORE b 5 a
         -NOPERM No permissions to access a key
         b> EVAL \"return 1\" 3 a
         -ERR Number of keys can't be greater than number of args
         b> MIGRATE 127.0.0.1 1 \"\" 0 1 AUTH a KEYS a b
         -NOPERM No permissions to access a key
         b> MIGRATE 127.0.0.1 1 \"\" 0 1 AUTH KEYS KEYS a
         +NOKEY",
    );
}

#[test]
fn a_wrong_rule_changes_nothing() {
    talk(
        "> ACL SETUSER ann on +get
         +OK
         > ACL SETUSER ann off +set nonsense
         -ERR Error in ACL SETUSER modifier 'nonsense': Syntax error
         > ACL LIST
         [\"user ann on resetchannels -@all +get\" \"user default on nopass ~* &* +@all\"]
         > ACL SETUSER bob +nosuch
         -ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL
         > ACL USERS
         [\"ann\" \"default\"]",
    );
}

#[test]
fn exec_asks_again() {
    talk(
        "> ACL SETUSER ann on nopass +@all ~a
         +OK
         b> AUTH ann x
         +OK
         b> MULTI
         +OK
         b> SET a 1
         +QUEUED
         b> GET a
         +QUEUED
         > ACL SETUSER ann -set
         +OK
         b> EXEC
         [-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: no permission to execute the command or subcommand nil]
         b> MULTI
         +OK
         b> SET a 1
         -NOPERM User ann has no permissions to run the 'set' command
         b> EXEC
         -EXECABORT Transaction discarded because of previous errors.
         > ACL LOG 1
         [[\"count\" :2 \"reason\" \"command\" \"context\" \"multi\" \"object\" \"set\" \"username\" \"ann\" *",
    );
}

#[test]
fn a_script_does_what_its_user_may() {
    talk(
        "> ACL SETUSER ann on nopass +eval +get ~a
         +OK
         b> AUTH ann x
         +OK
         b> EVAL \"return redis.call('get', 'a')\" 0
         nil
         b> EVAL \"return redis.call('get', 'b')\" 0
         -ERR ACL failure in script: No permissions to access a key *
         b> EVAL \"return redis.pcall('set', 'a', 1)['err']\" 0
         \"ERR ACL failure in script: User ann has no permissions*
         b> EVAL \"return redis.acl_check_cmd('set', 'a', '1')\" 0
         nil
         b> EVAL \"return redis.acl_check_cmd('get', 'a')\" 0
         :1
         b> EVAL \"return 1\" 1 b
         -NOPERM No permissions to access a key",
    );
}

#[test]
fn a_blocked_client_is_asked_again_when_it_is_served() {
    talk(
        "> ACL SETUSER ann on nopass +@all ~q
         +OK
         b> AUTH ann x
         +OK
         b> BLPOP q 0
         zzz
         > ACL SETUSER ann resetkeys
         +OK
         > RPUSH q x
         :1
         b< -NOPERM No permissions to access a key
         > LLEN q
         :1",
    );
}

#[test]
fn deleted_users_leave() {
    let server = TestServer::start("");
    server.talk("> ACL SETUSER ann on nopass +@all ~*\n +OK");
    let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.say("AUTH ann x");
        assert_eq!(show(&client.hear()), "+OK");
    }
    // Its own answer comes before it goes.
    clients[0].say("ACL DELUSER ann nosuch");
    assert_eq!(show(&clients[0].hear()), ":1");
    for client in &mut clients {
        assert!(client.is_closed(), "its user is gone");
    }
    let list = answer(&server, "CLIENT LIST");
    assert!(!list.contains("user=ann"), "{list}");
    assert!(list.contains("user=default"), "{list}");
}

#[test]
fn clients_are_closed_by_their_user() {
    let server = TestServer::start("");
    let mut ann = server.connect();
    server.talk(
        "> ACL SETUSER ann on nopass +@all
         +OK
         > CLIENT KILL USER nosuch
         -ERR No such user 'nosuch'
         > CLIENT KILL USER ann
         :0",
    );
    ann.say("HELLO 3 AUTH ann x");
    assert!(show(&ann.hear()).contains("\"proto\" :3"));
    server.talk("> CLIENT KILL USER ann\n :1\n > PING\n +PONG");
    assert!(ann.is_closed());
}

#[test]
fn listeners_leave_whose_channels_are_taken_away() {
    let server = TestServer::start("");
    server.talk("> ACL SETUSER ann on nopass +@all &a &b* &s\n +OK");
    let listen = |line: &str| {
        let mut client = server.connect();
        client.say("AUTH ann x");
        client.hear();
        client.say(line);
        let heard = show(&client.hear());
        assert!(heard.ends_with(":1]"), "{heard}");
        client
    };
    let mut plain = listen("SUBSCRIBE a");
    let mut pattern = listen("PSUBSCRIBE b*");
    let mut sharded = listen("SSUBSCRIBE s");
    server.talk(
        "> ACL SETUSER ann resetchannels &a &s &b1
         +OK
         > PUBLISH a hi
         :1
         > SPUBLISH s hi
         :1",
    );
    assert!(
        pattern.is_closed(),
        "a pattern must be allowed as it stands"
    );
    assert_eq!(show(&plain.hear()), "[\"message\" \"a\" \"hi\"]");
    assert_eq!(show(&sharded.hear()), "[\"smessage\" \"s\" \"hi\"]");
    server.talk("> ACL SETUSER ann resetchannels\n +OK");
    assert!(plain.is_closed() && sharded.is_closed());
}

#[test]
fn channels_are_told_apart_from_patterns() {
    talk(
        "> ACL SETUSER ann on nopass +@all &news.* &exact
         +OK
         b> AUTH ann x
         +OK
         b> PUBLISH news.today hi
         :0
         b> PUBLISH other hi
         -NOPERM No permissions to access a channel
         b> PSUBSCRIBE news.to*
         -NOPERM No permissions to access a channel
         b> SUBSCRIBE exact other
         -NOPERM No permissions to access a channel
         b> PSUBSCRIBE news.*
         [\"psubscribe\" \"news.*\" :1]",
    );
}

#[test]
fn requirepass_is_the_default_users_password() {
    let server = TestServer::start("requirepass old");
    server.talk(
        "> PING
         -NOAUTH Authentication required.
         > AUTH old
         +OK
         > CONFIG SET requirepass new
         +OK
         > PING
         +PONG
         b> AUTH old
         -WRONGPASS invalid username-password pair or user is disabled.
         b> AUTH default new
         +OK
         b> ACL SETUSER default >more
         +OK
         c> AUTH more
         +OK
         c> CONFIG SET requirepass \"\"
         +OK
         d> PING
         +PONG
         d> AUTH any
         -ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?
         c> ACL SETUSER default off
         +OK
         e> PING
         -NOAUTH Authentication required.
         e> HELLO 3 AUTH default any
         -WRONGPASS invalid username-password pair or user is disabled.
         d> RESET
         +RESET
         d> PING
         -NOAUTH Authentication required.",
    );
}

#[test]
fn users_of_the_configuration_are_there_from_the_start() {
    let server = TestServer::start(
        "user default on nopass ~* &* +@all -flushall\nuser ann on >pw (+get ~a) ( +set\t~b )",
    );
    server.talk(
        "> FLUSHALL
         -NOPERM User default has no permissions to run the 'flushall' command
         b> AUTH ann pw
         +OK
         b> GET a
         nil
         b> GET b
         -NOPERM No permissions to access a key",
    );
}

#[test]
fn what_was_denied_is_logged_and_counted() {
    let server = TestServer::start("acllog-max-len 3");
    server.talk(
        "> ACL SETUSER ann on nopass +get +publish ~a
         +OK
         b> AUTH nosuch x
         -WRONGPASS *
         b> AUTH ann x
         +OK
         b> GET b
         -NOPERM *
         b> GET b
         -NOPERM *
         b> PUBLISH c hi
         -NOPERM *
         b> SET a 1
         -NOPERM *
         > ACL LOG 2
         [[\"count\" :1 \"reason\" \"command\" \"context\" \"toplevel\" \"object\" \"set\" \"username\" \"ann\" *
         > ACL LOG RESET
         +OK
         > ACL LOG
         []
         b> GET b
         -NOPERM *
         b> GET b
         -NOPERM *",
    );
    let log = answer(&server, "ACL LOG");
    for part in [
        "[[\"count\" :2 \"reason\" \"key\" \"context\" \"toplevel\" \"object\" \"b\" \"username\" \"ann\" \"age-seconds\" ",
        " cmd=get user=ann ",
        "\"entry-id\" :4 ",
    ] {
        assert!(log.contains(part), "{part} in {log}");
    }
    let stats = answer(&server, "INFO stats");
    for part in [
        "acl_access_denied_auth:1",
        "acl_access_denied_cmd:1",
        "acl_access_denied_key:4",
        "acl_access_denied_channel:1",
    ] {
        assert!(stats.contains(part), "{part} in {stats}");
    }
    let errors = answer(&server, "INFO everything");
    for part in ["errorstat_NOPERM:count=6", "errorstat_WRONGPASS:count=1"] {
        assert!(errors.contains(part), "{part} in {errors}");
    }
    assert!(errors.contains("cmdstat_set:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1"));
}

#[test]
fn the_log_forgets_what_is_too_much() {
    let server = TestServer::start("acllog-max-len 3");
    let mut client = server.connect();
    client.say("ACL SETUSER default resetkeys");
    client.hear();
    for key in 0..5 {
        client.say(&format!("GET k{key}"));
        client.hear();
    }
    client.say("ACL LOG");
    let log = show(&client.hear());
    assert_eq!(log.matches("\"count\"").count(), 3);
    assert!(log.contains("\"k4\"") && !log.contains("\"k1\""), "{log}");
}

#[test]
fn sort_follows_patterns_only_for_who_may_read_all() {
    talk(
        "> RPUSH l 2 1
         :2
         > ACL SETUSER ann on nopass +@all ~l
         +OK
         b> AUTH ann x
         +OK
         b> SORT l
         [\"1\" \"2\"]
         b> SORT l BY w*
         -ERR BY option of SORT denied due to insufficient ACL permissions.
         b> SORT_RO l GET #
         -ERR GET option of SORT denied due to insufficient ACL permissions.
         > ACL SETUSER ann %R~*
         +OK
         b> SORT l BY w* GET #
         [\"1\" \"2\"]
         b> SORT l STORE d
         -NOPERM No permissions to access a key",
    );
}

#[test]
fn passwords_are_shown_to_nobody() {
    let server = TestServer::start("slowlog-log-slower-than 0");
    server.talk("> ACL SETUSER ann on >secret ~*\n +OK");
    let slow = answer(&server, "SLOWLOG GET");
    let hidden =
        "[\"acl\" \"setuser\" \"(redacted)\" \"(redacted)\" \"(redacted)\" \"(redacted)\"]";
    assert!(slow.to_lowercase().contains(hidden), "{slow}");
    let pass = answer(&server, "ACL GENPASS 33");
    assert_eq!(pass.len(), "\"\"".len() + 9);
    assert_ne!(pass, answer(&server, "ACL GENPASS 33"));
}

#[test]
fn a_file_of_users_is_read_and_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users.acl");
    std::fs::write(&file, "user ann on nopass ~* +@all\n\n").unwrap();
    let disk = std::sync::Arc::new(vermilion::persist::disk::OsDisk);
    let server = TestServer::start_on("aclfile users.acl", dir.path(), disk);
    server.talk(
        "> ACL USERS
         [\"ann\" \"default\"]
         > ACL SETUSER bob on nopass +ping
         +OK
         > ACL SAVE
         +OK
         > ACL SETUSER carl
         +OK
         > ACL LOAD
         +OK
         > ACL USERS
         [\"ann\" \"bob\" \"default\"]",
    );
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        text,
        "user ann on nopass ~* resetchannels +@all\nuser bob on nopass resetchannels -@all +ping\nuser default on nopass ~* &* +@all\n"
    );
    std::fs::write(
        &file,
        "user ann on\nuser ann off\nuser +x\nuser bob +nosuch bad\n",
    )
    .unwrap();
    server.talk(
        "> ACL LOAD
         -ERR WARNING: Duplicate user 'ann' found on line 2. users.acl:4: Error in applying operation '+nosuch': Unknown command or category name in ACL. users.acl:4: Syntax error. WARNING: ACL errors detected, no change to the previously active ACL rules was performed
         > ACL USERS
         [\"ann\" \"bob\" \"default\"]",
    );
}
