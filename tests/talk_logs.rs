//! What the log says of commands that it has in other words.

use vermilion::testing::{TestServer, show};

/// A server that logs commands, and what its log says of each.
struct Logged {
    server: TestServer,
    /// Where its log is.
    folder: std::path::PathBuf,
}

impl Logged {
    fn start(config: &str) -> Self {
        let server = TestServer::start(&format!(
            "appendonly yes\naof-use-rdb-preamble no\n{config}"
        ));
        let mut client = server.connect();
        let mut ask = |line: &str| {
            client.say(line);
            let said = show(&client.hear());
            let value = said.split('"').nth(3).map(str::to_owned);
            value.expect("a name and a value")
        };
        let dir = std::path::PathBuf::from(ask("CONFIG GET dir"));
        let folder = dir.join(ask("CONFIG GET appenddirname"));
        Logged { server, folder }
    }

    fn records(&self) -> Vec<String> {
        let files = std::fs::read_dir(&self.folder).expect("a log");
        let paths = files.map(|file| file.expect("a file of the log").path());
        let mut increments = paths.filter(|path| path.to_string_lossy().ends_with(".incr.aof"));
        let log = increments.next().expect("what was logged since the start");
        assert_eq!(increments.next(), None, "the log was not rewritten");
        let log = std::fs::read_to_string(log).expect("the log is text");
        let records = log
            .split_inclusive('*')
            .map(|record| record.trim_end_matches('*'));
        let words = |record: &str| {
            let lines = record.split("\r\n").skip(2).step_by(2);
            lines.collect::<Vec<_>>().join(" ")
        };
        let records = records.map(words).filter(|record| !record.is_empty());
        records.collect()
    }

    /// What a command adds to the log, but for what says that records belong together.
    fn says(&self, line: &str) -> Vec<String> {
        let before = self.records().len();
        let mut client = self.server.connect();
        client.say(line);
        let reply = show(&client.hear());
        assert!(!reply.starts_with('-'), "{line}: {reply}");
        let is_edit = |record: &String| !["SELECT 0", "MULTI", "EXEC"].contains(&&record[..]);
        self.records()
            .split_off(before)
            .into_iter()
            .filter(is_edit)
            .collect()
    }

    /// Reads the log, and holds what it makes against what was there.
    fn replays(&self) {
        let mut client = self.server.connect();
        let mut ask = |line: &str| {
            client.say(line);
            show(&client.hear())
        };
        let before = ask("DEBUG DIGEST");
        assert_eq!(ask("DEBUG LOADAOF"), "+OK");
        assert_eq!(ask("DEBUG DIGEST"), before);
    }
}

#[test]
fn elements_that_turn_within_a_list_are_logged_as_added_and_taken() {
    let logged = Logged::start("");
    logged.says("RPUSH a 1 2 3 4");
    logged.says("PEXPIRE a 1000000");
    for (how, records) in [
        ("LEFT LEFT COUNT 9 BULK", &["LMOVE a a LEFT LEFT"][..]),
        ("RIGHT RIGHT COUNT 1 OBO", &["LMOVE a a RIGHT RIGHT"]),
        ("LEFT LEFT COUNT 2 OBO", &["LPOP a 2", "LPUSH a 1 2"]),
        ("RIGHT RIGHT COUNT 2 OBO", &["RPOP a 2", "RPUSH a 4 3"]),
        ("LEFT LEFT COUNT 9 OBO", &["LPUSH a 2 1 4 3", "RPOP a 4"]),
        ("RIGHT RIGHT COUNT 9 OBO", &["RPUSH a 2 1 4 3", "LPOP a 4"]),
        ("LEFT RIGHT COUNT 3 OBO", &["RPUSH a 2 1 4", "LPOP a 3"]),
    ] {
        assert_eq!(logged.says(&format!("LMOVEM a a {how}")), records, "{how}");
    }
    logged.server.talk(
        "> LRANGE a 0 -1
         [\"3\" \"2\" \"1\" \"4\"]
         > TTL a
         :1000",
    );
    logged.replays();
}

#[test]
fn what_a_stream_remembers_of_producers_is_logged_as_it_was_configured() {
    let logged = Logged::start("stream-idmp-duration 200\nstream-idmp-maxsize 20");
    let setup = |key: &str, duration_s: u32, ids_max: u32| {
        format!("XCFGSET {key} IDMP-DURATION {duration_s} IDMP-MAXSIZE {ids_max}")
    };
    let said = logged.says("XADD s IDMP ann 1 * a 1");
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(said[1], setup("s", 200, 20));
    assert!(said[2].starts_with("XIDMPRECORD s ann 1 "), "{said:?}");
    let said = logged.says("XADD s IDMP ann 2 * a 1");
    assert_eq!(said.len(), 2, "{said:?}");
    logged.says("XADD t 1-0 a 1");
    let said = logged.says("XIDMPRECORD t ann 1 1-0");
    assert_eq!(
        said,
        [setup("t", 200, 20), "XIDMPRECORD t ann 1 1-0".into()]
    );
    logged.says("XADD u 1-0 a 1");
    let said = logged.says("XCFGSET u IDMP-DURATION 200");
    assert_eq!(said, [setup("u", 200, 20)]);
    assert_eq!(logged.says("XCFGSET u IDMP-MAXSIZE 20"), [""; 0]);
    let said = logged.says("XCFGSET u IDMP-MAXSIZE 30");
    assert_eq!(said, [setup("u", 200, 30)]);
    logged.server.talk(
        "> CONFIG SET stream-idmp-duration 300 stream-idmp-maxsize 50
         +OK",
    );
    logged.replays();
    logged.server.talk(
        "> DEL s t
         :2
         > XADD u IDMP ann 1 * a 1
         \"*",
    );
    logged.replays();
}
