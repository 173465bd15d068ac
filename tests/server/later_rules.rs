//! What Redis 7.2 to 8.2 do otherwise than the 7.0 that most tests compare with.

use crate::common::{Client, Server, Value};

fn each(client: &mut Client, lines: &[(&str, &str)]) {
    for (command, answer) in lines {
        assert_eq!(shown(&client.ask(command)), *answer, "{command}");
    }
}

fn eval(client: &mut Client, script: &str) -> String {
    shown(&client.ask_args(&["EVAL", script, "0"]))
}

fn shown(value: &Value) -> String {
    value.to_string().replace("\\'", "'")
}

#[test]
fn time_stands_still_in_a_script_and_in_a_transaction() {
    let server = Server::start(&[]);
    let mut client = server.client();
    const SPAN: &str = "local a = redis.call('time') for i = 1, 2000000 do end local b = redis.call('time') \
        return a[1] == b[1] and a[2] == b[2]";
    assert_eq!(eval(&mut client, SPAN), ":1");
    client.ask("MULTI");
    client.ask("TIME");
    client.ask("DEBUG SLEEP 0.01");
    client.ask_args(&["EVAL", "return redis.call('time')", "0"]);
    client.ask("TIME");
    let told = client.ask("EXEC").items();
    assert_eq!(told[0], told[2]);
    assert_eq!(told[0], told[3]);
    let (first, second) = (client.ask("TIME"), client.ask("TIME"));
    assert_ne!(first, told[0], "it goes on behind the transaction");
    client.ask("DEBUG SLEEP 0.01");
    assert_ne!(client.ask("TIME"), second);
}

#[test]
fn commands_that_block_do_not_wait_in_a_script() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("XGROUP CREATE stream g $ MKSTREAM");
    for (call, answer) in [
        ("'blpop', 'none', 0", "$-1"),
        ("'brpop', 'none', 0", "$-1"),
        ("'blmove', 'none', 'other', 'left', 'left', 0", "$-1"),
        ("'brpoplpush', 'none', 'other', 0", "$-1"),
        ("'blmpop', 0, 1, 'none', 'left'", "$-1"),
        ("'bzpopmin', 'none', 0", "$-1"),
        ("'bzpopmax', 'none', 0", "$-1"),
        ("'bzmpop', 0, 1, 'none', 'min'", "$-1"),
        ("'xread', 'block', 0, 'streams', 'stream', '$'", "$-1"),
        (
            "'xreadgroup', 'group', 'g', 'c', 'block', 0, 'streams', 'stream', '>'",
            "$-1",
        ),
        ("'wait', 1, 0", ":0"),
        ("'waitaof', 0, 1, 0", "*[:0 :0]"),
    ] {
        assert_eq!(
            eval(&mut client, &format!("return redis.call({call})")),
            answer,
            "{call}"
        );
    }
    client.ask("RPUSH list a b");
    client.ask("ZADD zset 1 m");
    let taken = eval(
        &mut client,
        "return {redis.call('blpop', 'list', 0), redis.call('blmove', 'list', 'other', 'left', 'left', 0)}",
    );
    assert_eq!(taken, r#"*[*["list" "a"] "b"]"#);
    let taken = eval(&mut client, "return redis.call('bzpopmin', 'zset', 0)");
    assert_eq!(taken, r#"*["zset" "m" "1"]"#);
    assert_eq!(client.ask("LRANGE other 0 -1").to_string(), r#"*["b"]"#);
}

#[test]
fn rules_about_commands_are_shown_as_they_were_given() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (rules, shown) in [
        ("+@hash -@geo", "-@all +@hash -@geo"),
        ("+@all -@geo +geoadd", "+@all -@geo +geoadd"),
        ("+get +set -get", "-@all +set -get"),
        ("+@all -config +config|get", "+@all -config +config|get"),
        ("-@all +@read -@hash", "-@all +@read -@hash"),
        ("+@read +@read", "-@all +@read"),
        ("+@read -@read", "-@all -@read"),
        ("+client|id -client", "-@all -client"),
        (
            "+config|get +config|set -config|get",
            "-@all +config|set -config|get",
        ),
        ("+@all -@all +get", "-@all +get"),
        ("+@string -get +get", "-@all +@string +get"),
        ("-@geo", "-@all -@geo"),
        ("+get|x", "-@all +get|x"),
        ("+SELECT +select", "-@all +select"),
        ("+@all -select +@connection", "+@all -select +@connection"),
        ("allcommands -@ADMIN", "+@all -@admin"),
        ("+getrange +get", "-@all +getrange +get"),
        ("nocommands", "-@all"),
    ] {
        client.ask("ACL DELUSER ann");
        assert_eq!(
            client
                .ask(&format!("ACL SETUSER ann on nopass {rules}"))
                .text(),
            "OK",
            "{rules}"
        );
        let told = client.ask("ACL GETUSER ann").items();
        assert_eq!(told[5].text(), shown, "{rules}");
        let line = format!("user ann on nopass resetchannels {shown}");
        let lines = client.ask("ACL LIST").items();
        assert!(
            lines.iter().any(|held| held.text() == line),
            "{rules}: {lines:?}"
        );
    }
    // What is shown makes the same user.
    client.ask(
        "ACL SETUSER bob on nopass ~* +@read -@hash +hget -config +config|get (+@write -del ~x)",
    );
    let told = client.ask("ACL LIST").items();
    let line = told
        .iter()
        .map(|line| line.text())
        .find(|line| line.starts_with("user bob "))
        .expect("listed");
    client.ask("ACL DELUSER bob");
    client.ask(&line.replacen("user bob", "ACL SETUSER bob", 1));
    assert!(
        client
            .ask("ACL LIST")
            .items()
            .iter()
            .any(|held| held.text() == line),
        "{line}"
    );
}

#[test]
fn refusals_name_the_user() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("ACL SETUSER ann on nopass ~a +@all -config -get resetchannels");
    let mut ann = server.client();
    ann.ask("AUTH ann x");
    each(
        &mut ann,
        &[
            (
                "GET a",
                "-NOPERM User ann has no permissions to run the 'get' command",
            ),
            (
                "CONFIG GET x",
                "-NOPERM User ann has no permissions to run the 'config|get' command",
            ),
            ("SET b 1", "-NOPERM No permissions to access a key"),
            ("PUBLISH c 1", "-NOPERM No permissions to access a channel"),
            (
                "ACL DRYRUN ann GET a",
                "\"User ann has no permissions to run the 'get' command\"",
            ),
            (
                "ACL DRYRUN ann SET b 1",
                "\"User ann has no permissions to access the 'b' key\"",
            ),
            (
                "ACL DRYRUN ann PUBLISH c 1",
                "\"User ann has no permissions to access the 'c' channel\"",
            ),
        ],
    );
    let told = eval(&mut ann, "return redis.pcall('get', 'a')");
    assert_eq!(
        told,
        "-ERR ACL failure in script: User ann has no permissions to run the 'get' command"
    );
    let told = eval(&mut ann, "return redis.pcall('set', 'b', 1)");
    assert_eq!(
        told,
        "-ERR ACL failure in script: No permissions to access a key"
    );
}

#[test]
fn too_many_codes_of_errors_are_no_longer_counted() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let made_up = |client: &mut Client, number: usize| {
        let error = format!("E{number} made up");
        client.ask_args(&["EVAL", "return redis.error_reply(ARGV[1])", "0", &error]);
    };
    (0..128).for_each(|number| made_up(&mut client, number));
    let lines = |client: &mut Client| client.ask("INFO errorstats").text().lines().count();
    assert_eq!(lines(&mut client), 1 + 128);
    made_up(&mut client, 0);
    assert!(
        client
            .ask("INFO errorstats")
            .text()
            .contains("errorstat_E0:count=2")
    );
    client.ask("NOSUCH");
    let told = client.ask("INFO errorstats").text();
    assert_eq!(
        told,
        "# Errorstats\r\nerrorstat_ERRORSTATS_DISABLED:count=1\r\n"
    );
    assert!(
        server
            .log()
            .contains("Errorstats stopped adding new errors")
    );
    client.ask("CONFIG RESETSTAT");
    client.ask("NOSUCH");
    let told = client.ask("INFO errorstats").text();
    assert_eq!(told, "# Errorstats\r\nerrorstat_ERR:count=1\r\n");
}
