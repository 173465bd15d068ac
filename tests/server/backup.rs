//! BACKUP, `backupdirname`, `backup-sealed-ttl` and `preload-file` of Redis 8.10. No such server was asked: states, replies, names of files and what
//! the files hold are from Redis's documentation of the commands and of persistence, error texts from those who have seen them.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::common::{Client, Server, Value, eventually, our_server, real_redis, redis_is_missing};

fn status(client: &mut Client, field: &str) -> String {
    let pairs = client.ask("BACKUP STATUS").items();
    let at = pairs.iter().position(|name| name.text() == field);
    pairs[at.expect("the field is there") + 1].text()
}

fn reaches(client: &mut Client, state: &str) {
    eventually(&format!("the backup is {state}"), || {
        let state_now = status(client, "state");
        assert!(
            state == "failed" || state_now != "failed",
            "{}",
            status(client, "error")
        );
        state_now == state
    });
}

fn begun(client: &mut Client) {
    assert_eq!(client.ask("BACKUP START").text(), "OK");
    reaches(client, "incrementing");
}

fn files(client: &mut Client) -> Vec<PathBuf> {
    let files = client.ask("BACKUP LIST").items();
    files
        .iter()
        .map(|file| PathBuf::from(file.text()))
        .collect()
}

fn names(client: &mut Client) -> Vec<String> {
    let name = |file: &PathBuf| file.file_name().unwrap().to_string_lossy().into_owned();
    files(client).iter().map(name).collect()
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).expect("it is there").next().is_none()
}

/// A copy of the files, as people carry them elsewhere; returns the manifest.
fn carried(client: &mut Client) -> (TempDir, PathBuf) {
    let to = TempDir::new().unwrap();
    let mut last = PathBuf::new();
    for file in files(client) {
        last = to.path().join(file.file_name().unwrap());
        fs::copy(&file, &last).unwrap();
    }
    (to, last)
}

#[test]
fn a_backup_holds_what_was_there_when_it_was_sealed_with_a_log_and_without() {
    for appendonly in ["no", "yes"] {
        let server = Server::start(&["--appendonly", appendonly]);
        let (mut client, folder) = (server.client(), server.dir().join("backupdir"));
        assert_eq!(status(&mut client, "state"), "idle");
        assert_eq!(client.ask("BACKUP LIST").items().len(), 0);
        client.ask("SET before 1");
        begun(&mut client);
        assert_eq!(client.info("backup_in_progress"), "1");
        assert_eq!(
            client.info("aof_enabled"),
            u8::from(appendonly == "yes").to_string()
        );
        let base = names(&mut client);
        assert!(
            base.len() == 1 && base[0].ends_with(".base.rdb"),
            "{base:?}"
        );
        assert!(files(&mut client)[0].starts_with(&folder));
        client.ask("SET during 2");
        client.ask("DEL before");
        client.ask("RPUSH list a b");
        assert_eq!(client.ask("BACKUP SEAL").text(), "OK");
        assert_eq!(client.info("backup_in_progress"), "0");
        let (began, ended) = (
            status(&mut client, "start_time"),
            status(&mut client, "end_time"),
        );
        assert!(ended.parse::<u64>().unwrap() >= began.parse().unwrap() && began != "0");
        let sealed = names(&mut client);
        assert_eq!(sealed.len(), 3, "{sealed:?}");
        assert!(sealed[1].ends_with(".incr.aof") && sealed[2] == "appendonly.aof.manifest");
        let increment = files(&mut client)[1].clone();
        let len = fs::metadata(&increment).unwrap().len();
        client.ask("SET after 3");
        assert_eq!(client.ask("WAITAOF 0 0 0").items().len(), 2);
        assert_eq!(fs::metadata(&increment).unwrap().len(), len);
        let log_folder = server.dir().join("appendonlydir");
        assert_eq!(
            log_folder.exists(),
            appendonly == "yes",
            "a log of the backup's own goes"
        );
        let (_kept, manifest) = carried(&mut client);
        assert_eq!(client.ask("BACKUP CLEANUP").text(), "OK");
        assert_eq!(status(&mut client, "state"), "idle");
        assert!(is_empty(&folder));
        // The server itself goes on with what it had.
        if appendonly == "no" {
            client.ask("SAVE");
        }
        let dir = server.stop();
        let server = Server::start_on(&our_server(), dir, &["--appendonly", appendonly]);
        assert_eq!(server.client().ask("GET after").text(), "3");
        drop(server);
        restored(&manifest);
    }
}

/// A server that starts with a backup, with a log and without, in a folder with other data.
fn restored(manifest: &Path) {
    let preload = format!("aof:{}", manifest.display());
    for appendonly in ["no", "yes"] {
        let other = Server::start(&["--appendonly", appendonly]);
        other.client().ask("SET other 1");
        other.client().ask("SAVE");
        let options = ["--appendonly", appendonly, "--preload-file", &preload];
        let server = Server::start_on(&our_server(), other.stop(), &options);
        let mut client = server.client();
        assert_eq!(client.ask("DBSIZE").int(), 2);
        assert_eq!(client.ask("GET during").text(), "2");
        assert_eq!(client.ask("LRANGE list 0 -1").items().len(), 2);
        client.ask("SET new 4");
        if appendonly == "no" {
            client.ask("SAVE");
        }
        // From then on it is its own.
        let server = Server::start_on(&our_server(), server.stop(), &["--appendonly", appendonly]);
        let mut client = server.client();
        assert_eq!(
            client.ask("MGET during new other").items()[2],
            Value::NullBulk
        );
        assert_eq!(client.ask("DBSIZE").int(), 3);
    }
}

#[test]
fn stock_servers_open_a_backup_as_their_log() {
    if redis_is_missing() {
        return;
    }
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask("SET before 1");
    begun(&mut client);
    client.ask("SET during 2");
    client.ask("BACKUP SEAL");
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("appendonlydir")).unwrap();
    for file in files(&mut client) {
        let name = file.file_name().unwrap();
        fs::copy(&file, dir.path().join("appendonlydir").join(name)).unwrap();
    }
    let stock = Server::start_on(&real_redis(), dir, &["--appendonly", "yes"]);
    let both = stock.client().ask("MGET before during").items();
    assert_eq!(both.iter().map(Value::text).collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn states_follow_each_other_and_nothing_else() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let folder = server.dir().join("backupdir");
    let refused = |client: &mut Client, order: &str| client.ask(order).text();
    assert_eq!(
        refused(&mut client, "BACKUP ABORT"),
        "ERR No backup in progress"
    );
    let not_ready = "ERR No backup ready to seal (must be in the incrementing state)";
    assert_eq!(refused(&mut client, "BACKUP SEAL"), not_ready);
    assert_eq!(client.ask("BACKUP CLEANUP").text(), "OK");
    assert!(refused(&mut client, "BACKUP").starts_with("ERR wrong number of arguments"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("of somebody"), "x").unwrap();
    assert!(refused(&mut client, "BACKUP START").contains("not empty"));
    assert_eq!(status(&mut client, "state"), "idle");
    fs::remove_file(folder.join("of somebody")).unwrap();
    begun(&mut client);
    let already = "ERR A backup is already in progress, ABORT it first";
    assert_eq!(refused(&mut client, "BACKUP START"), already);
    assert_eq!(
        refused(&mut client, "BACKUP CLEANUP"),
        "ERR Backup is in progress"
    );
    assert_eq!(client.ask("BACKUP ABORT").text(), "OK");
    assert_eq!(status(&mut client, "state"), "failed");
    assert_eq!(status(&mut client, "error"), "aborted by user");
    assert!(is_empty(&folder) && !server.dir().join("appendonlydir").exists());
    begun(&mut client);
    assert_eq!(client.ask("BACKUP SEAL").text(), "OK");
    let sealed = "ERR A sealed backup exists, CLEANUP it first";
    assert_eq!(refused(&mut client, "BACKUP START"), sealed);
    assert_eq!(
        refused(&mut client, "BACKUP ABORT"),
        "ERR No backup in progress"
    );
    // It goes by itself after its time.
    client.ask("CONFIG SET backup-sealed-ttl 1");
    reaches(&mut client, "idle");
    assert!(is_empty(&folder));
    let scripted = client.ask_args(&["EVAL", "return redis.call('BACKUP', 'START')", "0"]);
    assert!(scripted.is_error());
}

#[test]
fn a_transaction_is_in_the_base_as_a_whole() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for order in ["MULTI", "SET before 1", "BACKUP START", "SET behind 2"] {
        client.ask(order);
    }
    assert_eq!(client.ask("EXEC").items().len(), 3);
    reaches(&mut client, "incrementing");
    let base = format!("rdb:{}", files(&mut client)[0].display());
    let other = Server::start(&["--preload-file", &base]);
    assert_eq!(
        other.client().ask("MGET before behind").items()[1].text(),
        "2"
    );
    for order in ["MULTI", "SET last 3", "BACKUP SEAL"] {
        client.ask(order);
    }
    assert_eq!(client.ask("EXEC").items()[1].text(), "OK");
    let (_kept, manifest) = carried(&mut client);
    let preload = format!("aof:{}", manifest.display());
    let other = Server::start(&["--preload-file", &preload]);
    // The transaction in which it is sealed comes behind it, as a whole.
    let both = other.client().ask("MGET behind last").items();
    assert_eq!((both[0].text().as_str(), &both[1]), ("2", &Value::NullBulk));
}

#[test]
fn a_backup_waits_for_a_save_and_takes_a_rewrite_that_is_under_way() {
    let server = Server::start(&["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"]);
    let mut client = server.client();
    for n in 0..3 {
        client.ask(&format!("SET key:{n} {n}"));
    }
    client.ask("CONFIG SET rdb-key-save-delay 2000000");
    client.ask("BGSAVE");
    assert_eq!(client.ask("BACKUP START").text(), "OK");
    assert_eq!(status(&mut client, "state"), "pending");
    assert_eq!(client.ask("BACKUP LIST").items().len(), 0);
    assert_eq!(
        client.ask("BGSAVE CANCEL").text(),
        "Background saving cancelled"
    );
    eventually("its own rewrite has begun", || {
        status(&mut client, "state") == "snapshotting"
    });
    assert_eq!(client.ask("BACKUP ABORT").text(), "OK");
    // The rewrite goes on, and the next backup takes it.
    assert_eq!(client.ask("BACKUP START").text(), "OK");
    assert_eq!(status(&mut client, "state"), "snapshotting");
    assert_eq!(client.ask("DEBUG FAIL-JOB").text(), "OK");
    client.ask("CONFIG SET rdb-key-save-delay 0");
    reaches(&mut client, "failed");
    assert!(status(&mut client, "error").starts_with("AOF rewrite failed"));
    begun(&mut client);
    // No rewrite takes the increment away.
    let scheduled = client.ask("BGREWRITEAOF").text();
    assert!(scheduled.contains("scheduled"), "{scheduled}");
    let before = client.info("aof_rewrites");
    assert_eq!(client.info("aof_rewrite_scheduled"), "1");
    assert_eq!(client.ask("BACKUP SEAL").text(), "OK");
    eventually("it follows", || client.info("aof_rewrites") != before);
}

#[test]
fn a_log_that_is_turned_off_ends_a_backup_and_one_that_is_turned_on_outlives_it() {
    let server = Server::start(&["--appendonly", "yes"]);
    let mut client = server.client();
    begun(&mut client);
    assert_eq!(client.ask("CONFIG SET appendonly no").text(), "OK");
    assert_eq!(status(&mut client, "state"), "failed");
    assert_eq!(status(&mut client, "error"), "appendonly is stopped");
    assert!(is_empty(&server.dir().join("backupdir")));
    client.ask("SET k 1");
    begun(&mut client);
    // What has nothing to do with it leaves it alone.
    assert_eq!(
        client
            .ask("CONFIG SET appendfsync always maxmemory 0")
            .text(),
        "OK"
    );
    assert_eq!(status(&mut client, "state"), "incrementing");
    assert_eq!(client.ask("CONFIG SET appendonly yes").text(), "OK");
    client.ask("SET k 2");
    assert_eq!(client.ask("BACKUP SEAL").text(), "OK");
    assert_eq!(client.ask("BACKUP CLEANUP").text(), "OK");
    client.ask("SET k 3");
    let server = Server::start_on(&our_server(), server.kill(), &["--appendonly", "yes"]);
    assert_eq!(server.client().ask("GET k").text(), "3");
}

/// A server that is asked to end while it begins the log that it was configured to have refuses, as Redis does; a backup's log
/// is none of those.
#[test]
fn a_backup_that_has_begun_does_not_keep_the_server_from_ending() {
    let options = ["--save", "3600 1"];
    let server = Server::start(&options);
    let mut client = server.client();
    assert_eq!(client.ask("DEBUG POPULATE 3000").text(), "OK");
    client.ask("CONFIG SET rdb-key-save-delay 10000");
    assert_eq!(client.ask("BACKUP START").text(), "OK");
    reaches(&mut client, "snapshotting");
    client.ask("CONFIG SET rdb-key-save-delay 0");
    let server = Server::start_on(&our_server(), server.stop(), &options);
    let mut client = server.client();
    assert_eq!(client.ask("DBSIZE").int(), 3000);
    assert_eq!(status(&mut client, "state"), "idle");
    assert!(is_empty(&server.dir().join("backupdir")));
    assert!(!server.dir().join("appendonlydir").exists());
    begun(&mut client);
}

#[test]
fn a_log_of_before_stays_when_a_backup_writes_one_of_its_own() {
    let server = Server::start(&[]);
    let folder = server.dir().join("appendonlydir");
    fs::create_dir(&folder).unwrap();
    let mut client = server.client();
    client.ask("SET k 1");
    begun(&mut client);
    client.ask("BACKUP SEAL");
    client.ask("BACKUP CLEANUP");
    assert!(!is_empty(&folder), "the folder was not made for the backup");
}

#[test]
fn a_file_that_cannot_be_preloaded_stops_the_start() {
    for (name, why) in [
        ("aof:/tmp/foo", "preload-file must end with an extension"),
        ("rdb:/tmp/foo", "preload-file must end with an extension"),
        (
            "rdb:/tmp/../foo.rdb",
            "preload-file path must be a normalized absolute file path",
        ),
        (
            "x:/tmp/foo.rdb",
            "argument must be in the format '[aof|rdb]:[filename]'",
        ),
        ("rdb:/nonexistent/foo.rdb", "can't open the preload file"),
        (
            "aof:/nonexistent/foo.manifest",
            "can't open the AOF manifest file",
        ),
    ] {
        let dir = TempDir::new().unwrap();
        let started = Server::try_start_on(&our_server(), dir, &["--preload-file", name]);
        let told = started.err().expect("it does not start");
        assert!(told.contains(why), "{told}");
    }
    let dir = TempDir::new().unwrap();
    let started = Server::try_start_on(&our_server(), dir, &["--backupdirname", "a/b"]);
    let told = started.err().expect("it does not start");
    assert!(told.contains("backupdirname can't be a path"), "{told}");
}
