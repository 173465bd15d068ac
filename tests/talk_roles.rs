//! Talk with a server about roles: rights that several users hold. Taken from documents and from Valkey's published test of
//! them (<https://valkey.io/commands/acl-setrole/>, `tests/unit/acl-role.tcl`): no server with roles was there to compare with.

use vermilion::testing::{TestServer, show, talk};

#[test]
fn whoever_holds_a_role_may_do_what_it_allows() {
    talk(
        "> ACL ROLES
         []
         > ACL SETROLE reader ~app:* +@read (+info)
         +OK
         > ACL SETUSER alice on >pass role=reader
         +OK
         a> AUTH alice pass
         +OK
         a> GET app:1
         nil
         a> GET other
         -NOPERM No permissions to access a key
         a> SET app:1 x
         -NOPERM User alice has no permissions to run the 'set' command
         > ACL SETUSER alice +set ~app:*
         +OK
         a> SET app:1 x
         +OK
         > ACL SETROLE reader resetkeys ~lib:*
         +OK
         a> GET app:1
         -NOPERM No permissions to access a key
         a> GET lib:1
         nil
         > ACL SETUSER alice resetroles
         +OK
         a> GET lib:1
         -NOPERM *",
    );
}

#[test]
fn a_role_is_shown_with_its_rules_and_its_holders() {
    talk(
        "> ACL SETROLE reader ~app:* +@read (+info)
         +OK
         > ACL SETUSER alice on nopass resetchannels role=reader
         +OK
         > ACL GETROLE reader
         [\"commands\" \"-@all +@read\" \"keys\" \"~app:*\" \"channels\" \"\" \"databases\" \"alldbs\" \"selectors\" [[\"commands\" \"-@all +info\" \"keys\" \"\" \"channels\" \"\" \"databases\" \"alldbs\"]] \"users\" [\"alice\"]]
         > ACL GETROLE nobody
         nil
         > ACL GETROLE default
         nil
         > ACL GETUSER reader
         nil
         > ACL GETUSER alice
         [\"flags\" [\"on\" \"nopass\"] \"passwords\" [] \"commands\" \"-@all\" \"keys\" \"\" \"channels\" \"\" \"selectors\" [] \"roles\" [\"reader\"]]
         > ACL LIST
         [\"role reader ~app:* resetchannels -@all +@read (resetchannels -@all +info)\" \"user alice on nopass role=reader resetchannels -@all\" \"user default *
         > ACL ROLES
         [\"reader\"]
         > ACL USERS
         [\"alice\" \"default\"]
         > AUTH reader x
         -WRONGPASS *",
    );
}

#[test]
fn roles_add_to_each_other_and_to_what_is_a_users_own() {
    talk(
        "> ACL SETROLE a +get ~a:*
         +OK
         > ACL SETROLE b +set ~b:* (+del ~c:*)
         +OK
         > ACL SETUSER multi on >p role=a,b,a +lpush ~d:*
         +OK
         > ACL DRYRUN multi GET a:1
         +OK
         > ACL DRYRUN multi SET b:1 x
         +OK
         > ACL DRYRUN multi DEL c:1
         +OK
         > ACL DRYRUN multi LPUSH d:1 x
         +OK
         > ACL DRYRUN multi GET b:1
         \"User multi has no permissions to access the \\'b:1\\' key\"
         > ACL DRYRUN multi DEL a:1
         \"User multi has no permissions to access the \\'a:1\\' key\"
         > ACL SETROLE all +@all ~* &*
         +OK
         > ACL SETUSER multi role=all -@admin
         +OK
         > ACL DRYRUN multi FLUSHALL
         +OK
         > ACL SETUSER multi reset
         +OK
         > ACL GETROLE all
         [\"commands\" \"+@all\" \"keys\" \"~*\" \"channels\" \"&*\" \"databases\" \"alldbs\" \"selectors\" [] \"users\" []]",
    );
}

#[test]
fn a_role_that_somebody_holds_is_not_deleted() {
    talk(
        "> ACL SETROLE a +get
         +OK
         > ACL SETROLE b +get
         +OK
         > ACL SETUSER ann role=a
         +OK
         > ACL DELROLE b a
         -ERR Role 'a' is assigned to one or more users. Remove it from them first.
         > ACL ROLES
         [\"a\" \"b\"]
         > ACL SETUSER ann resetroles
         +OK
         > ACL DELROLE b nobody a
         :2
         > ACL SETROLE a +get
         +OK
         > ACL SETUSER default role=a
         +OK
         > ACL DELROLE a
         -ERR Role 'a' is assigned to *
         > ACL DELUSER ann
         :1",
    );
}

#[test]
fn what_a_role_cannot_be_is_refused_and_changes_nothing() {
    talk(
        "> ACL SETROLE r +get ~a
         +OK
         > ACL SETROLE r +set on
         -ERR Error in ACL SETROLE modifier 'on': Syntax error
         > ACL SETROLE r +set >secret
         -ERR Error in ACL SETROLE modifier '>secret': Syntax error
         > ACL SETROLE r +set role=r
         -ERR Error in ACL SETROLE modifier 'role=r': Syntax error
         > ACL SETROLE r +set resetroles
         -ERR Error in ACL SETROLE modifier 'resetroles': Syntax error
         > ACL SETROLE r +set reset
         -ERR Error in ACL SETROLE modifier 'reset': Syntax error
         > ACL SETROLE r (+set
         -ERR Unmatched parenthesis in acl selector starting at '(+set'.
         > ACL GETROLE r
         [\"commands\" \"-@all +get\" *
         > ACL SETROLE a,b +get
         -ERR Role names can't contain commas
         > ACL SETROLE 'a b' +get
         -ERR Role names can only contain printable ASCII characters
         > ACL SETROLE \"a\\\"b\" +get
         -ERR Role names can't contain quotes or backslashes
         > ACL SETROLE '' +get
         -ERR Role names can't be empty
         > ACL SETUSER ann role=nobody
         -ERR Error in ACL SETUSER modifier 'role=nobody': The role does not exist
         > ACL SETUSER ann role=r
         +OK
         > ACL SETUSER ann role=r,
         -ERR Error in ACL SETUSER modifier 'role=r,': Syntax error
         > ACL SETUSER ann role=
         -ERR Error in ACL SETUSER modifier 'role=': Syntax error
         > ACL GETROLE r
         [\"commands\" \"-@all +get\" \"keys\" \"~a\" \"channels\" \"\" \"databases\" \"alldbs\" \"selectors\" [] \"users\" [\"ann\"]]",
    );
}

#[test]
fn listeners_to_what_a_role_no_longer_lets_them_hear_are_closed() {
    let server = TestServer::start("");
    let mut admin = server.connect();
    let mut client = server.connect();
    let mut ask = |line: &str| {
        admin.say(line);
        assert_eq!(show(&admin.hear()), "+OK", "{line}");
    };
    ask("ACL SETROLE news resetchannels &news:* +subscribe");
    ask("ACL SETUSER ann on >p resetchannels role=news");
    client.say("AUTH ann p");
    assert_eq!(show(&client.hear()), "+OK");
    client.say("SUBSCRIBE news:1");
    assert_eq!(show(&client.hear()), "[\"subscribe\" \"news:1\" :1]");
    ask("ACL SETROLE news +ping");
    client.say("PING");
    assert_eq!(show(&client.hear()), "[\"pong\" \"\"]");
    ask("ACL SETROLE news resetchannels &other:*");
    assert!(client.is_closed());
}
