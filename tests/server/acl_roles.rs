//! Roles in files: the configuration, the file of users, and what is wrong with either.

use std::fs;

use tempfile::TempDir;

use crate::common::{Client, Server, Value, our_server};

fn names(client: &mut Client, order: &str) -> String {
    let names = client.ask(order).items();
    let names: Vec<String> = names.iter().map(Value::text).collect();
    names.join(" ")
}

fn may(client: &mut Client, what: &str) -> bool {
    client.ask(&format!("ACL DRYRUN {what}")).text() == "OK"
}

#[test]
fn a_configuration_file_keeps_roles() {
    let dir = TempDir::new().expect("a directory");
    let conf = dir.path().join("redis.conf");
    let path = conf.display().to_string();
    let text = "user ann on >p role=inline\nrole inline ~* +@read\n";
    fs::write(&conf, text).expect("written");
    let server = Server::start_program(&our_server(), &[&path]);
    let mut client = server.client();
    assert_eq!(names(&mut client, "ACL ROLES"), "inline");
    assert!(may(&mut client, "ann GET k") && !may(&mut client, "ann SET k v"));
    for order in [
        "ACL SETROLE app.read-only ~rw:* +get (+del ~d:*)",
        "ACL SETROLE short +get",
        "ACL SETUSER bob on >p role=app.read-only,inline",
        "CONFIG REWRITE",
    ] {
        assert_eq!(client.ask(order).text(), "OK", "{order}");
    }
    // All but the default user, which a file makes anew.
    let lines = |client: &mut Client| client.ask("ACL LIST").items()[..5].to_vec();
    let listed = lines(&mut client);
    assert_eq!(client.ask("ACL DELROLE short").int(), 1);
    assert_eq!(client.ask("CONFIG REWRITE").text(), "OK");
    // The file names the server's own folder.
    let own = server.stop();
    let written = fs::read_to_string(&conf).expect("read");
    assert!(!written.contains("role short"), "{written}");

    let server = Server::start_on(&our_server(), own, &[&path]);
    let mut client = server.client();
    assert_eq!(names(&mut client, "ACL ROLES"), "app.read-only inline");
    assert!(may(&mut client, "bob DEL d:1") && !may(&mut client, "bob DEL rw:1"));
    assert!(client.ask("ACL DELROLE app.read-only").is_error());
    assert_eq!(client.ask("ACL SETROLE short +get").text(), "OK");
    assert_eq!(lines(&mut client), listed);
}

#[test]
fn a_file_of_users_keeps_roles() {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("users.acl");
    let path = file.display().to_string();
    let text = "user ann on >p role=reader\n\nrole reader ~* +@read\nuser default on nopass ~* &* +@all role=reader\n";
    fs::write(&file, text).expect("written");
    let server = Server::start_program(&our_server(), &["--aclfile", &path]);
    let mut client = server.client();
    assert!(may(&mut client, "ann GET k") && !may(&mut client, "ann SET k v"));
    assert_eq!(client.ask("ACL SETROLE writer ~w:* +set").text(), "OK");
    let changed = client.ask("ACL SETUSER ann role=writer,reader");
    assert_eq!(changed.text(), "OK");
    assert_eq!(client.ask("ACL SAVE").text(), "OK");
    let listed = names(&mut client, "ACL LIST");
    assert_eq!(client.ask("ACL SETUSER ann resetroles").text(), "OK");
    assert_eq!(client.ask("ACL DELROLE writer").int(), 1);
    for _ in 0..2 {
        assert_eq!(client.ask("ACL LOAD").text(), "OK");
        assert_eq!(names(&mut client, "ACL LIST"), listed);
        assert!(may(&mut client, "ann SET w:1 v"));
        assert!(client.ask("ACL DELROLE reader").is_error());
    }
    let wrong = [
        ("role", "requires a role name"),
        ("role a >secret", "Error in role declaration: Syntax error"),
        ("role a (+get", "Unmatched parenthesis"),
        (
            "role a +get\nrole a +set",
            "Duplicate role 'a' found on line 2",
        ),
        (
            "role a,b +get",
            "invalid role name 'a,b': Role names can't contain commas",
        ),
        ("user x role=nobody", "The role does not exist"),
    ];
    for (text, why) in wrong {
        fs::write(&file, text).expect("written");
        let refused = client.ask("ACL LOAD").text();
        assert!(
            refused.contains(why) && !refused.contains("secret"),
            "{refused}"
        );
        assert_eq!(names(&mut client, "ACL LIST"), listed);
    }
}

#[test]
fn a_configuration_with_a_wrong_role_does_not_start() {
    let wrong: [(&[&str], &str); 5] = [
        (&["--role", "dup", "--role", "dup"], "Duplicate role found"),
        (&["--role", "", "+get"], "Role names can't be empty"),
        (&["--role", "bad", ">p"], "Error in role declaration"),
        (&["--user", "a", "role=nobody"], "The role does not exist"),
        (&["--role", "bad", "(+get"], "Unmatched parenthesis"),
    ];
    for (options, why) in wrong {
        let dir = TempDir::new().expect("a directory");
        let started = Server::try_start_on(&our_server(), dir, options);
        let log = started.err().expect("it is refused");
        assert!(log.contains(why), "{options:?}: {log}");
    }
}
