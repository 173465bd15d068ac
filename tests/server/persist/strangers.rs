//! What modules leave in files: records of theirs are passed over, and keys of kinds that this server does not have are
//! counted, and left out only where the operator says so.
//!
//! The files were written by Redis 8.2.3 with RedisJSON 2.8.3, RediSearch 2.10.5 and RedisBloom 2.8.2 loaded.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::exchange::parts;
use crate::common::{Client, Server, Value, eventually, oracles, our_server};

/// One string, and two auxiliary records of RediSearch.
const PLAIN: &[u8] = include_bytes!("files/stack-plain-keys.rdb");
/// The same with an index among the records.
const WITH_INDEX: &[u8] = include_bytes!("files/stack-with-index.rdb");
/// A JSON document, a vector set and a Bloom filter.
const STRANGERS: &[u8] = include_bytes!("files/stack-json-vset-bloom.rdb");

const COUNTED: &str = "1 key of kinds that this server does not have: 1 of kind 'Bloom filter (MBbloom--)' in database 0";

fn volume(bytes: &[u8]) -> TempDir {
    let dir = TempDir::new().expect("a temporary directory");
    fs::write(dir.path().join("dump.rdb"), bytes).unwrap();
    dir
}

fn refused(dir: TempDir, options: &[&str]) -> String {
    Server::try_start_on(&our_server(), dir, options)
        .err()
        .expect("it must not start")
}

/// The file with one more key in front of its end, and without a checksum.
fn with_key(bytes: &[u8]) -> Vec<u8> {
    let body = &bytes[..bytes.len() - 9];
    [body, b"\xfe\x02\x00\x05plain\x04text\xff", &[0; 8]].concat()
}

/// An auxiliary record of a module, with a number and nothing else in it.
fn auxiliary(module: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = |letter: u8| LETTERS.iter().position(|known| *known == letter);
    let places = module
        .bytes()
        .map(|letter| place(letter).expect("a letter of modules' names"));
    let id = places.fold(0, |id: u64, place| id << 6 | place as u64) << 10 | 1;
    [&[0xf7, 0x81][..], &id.to_be_bytes(), &[2, 2, 2, 7, 0]].concat()
}

#[test]
fn auxiliary_records_of_modules_are_passed_over_and_named_once() {
    let (one, other) = (auxiliary("stranger1"), auxiliary("stranger2"));
    let records = [&one[..], &other, &one].concat();
    for bytes in [PLAIN, WITH_INDEX] {
        let body = &bytes[..bytes.len() - 9];
        let bytes = [body, &records, b"\xff", &[0; 8]].concat();
        let server = Server::start_on(&our_server(), volume(&bytes), &[]);
        let mut client = server.client();
        assert_eq!(client.ask("GET a").text(), "b");
        assert_eq!(client.ask("DBSIZE").to_string(), ":1");
        let log = server.log();
        for module in ["stranger1", "stranger2"] {
            let line = format!("Skipping auxiliary data of module type '{module}'");
            assert_eq!(log.matches(&line).count(), 1, "{log}");
        }
        // What is known of RediSearch's own is taken over.
        assert!(!log.contains("ft_index0"), "{log}");
        let indexes = client.ask("FT._LIST").items().len();
        assert_eq!(
            indexes,
            usize::from(bytes.starts_with(&WITH_INDEX[..WITH_INDEX.len() - 9]))
        );
        assert_eq!(client.ask("SAVE").to_string(), "+OK");
        let server = Server::start_on(&our_server(), server.kill(), &[]);
        let mut client = server.client();
        assert_eq!(client.ask("GET a").text(), "b");
        assert_eq!(client.ask("FT._LIST").items().len(), indexes);
    }
}

#[test]
fn a_file_with_keys_of_unknown_kinds_is_refused_with_their_numbers() {
    let log = refused(volume(STRANGERS), &[]);
    assert!(log.contains(COUNTED), "{log}");
    assert!(log.contains("rdb-skip-unknown yes"), "{log}");
}

#[test]
fn it_is_loaded_without_them_where_that_is_wished_and_the_file_is_kept() {
    let bytes = with_key(STRANGERS);
    let options = ["--rdb-skip-unknown", "yes"];
    let kept = |dir: &Path, number: u32| fs::read(dir.join(format!("dump.rdb.unknown-{number}")));
    let mut server = Server::start_on(&our_server(), volume(&bytes), &options);
    for round in 0..2 {
        let mut client = server.client();
        assert_eq!(client.ask("SELECT 2").to_string(), "+OK");
        assert_eq!(client.ask("GET plain").text(), "text", "round {round}");
        assert_eq!(client.ask("DBSIZE").to_string(), ":1");
        assert!(server.log().contains(COUNTED), "{}", server.log());
        assert_eq!(kept(server.dir(), 1).unwrap(), bytes);
        // The next start finds the file as it was, and it has a second name already.
        server = Server::start_on(&our_server(), server.kill(), &options);
    }
    assert!(kept(server.dir(), 2).is_err(), "one copy is enough");
    assert_eq!(server.client().ask("SAVE").to_string(), "+OK");
    let dir = server.kill();
    assert_eq!(
        kept(dir.path(), 1).unwrap(),
        bytes,
        "a save leaves it alone"
    );
    // Another file of the same kind gets a name of its own.
    fs::write(dir.path().join("dump.rdb"), STRANGERS).unwrap();
    let server = Server::start_on(&our_server(), dir, &options);
    assert_eq!(kept(server.dir(), 1).unwrap(), bytes);
    assert_eq!(kept(server.dir(), 2).unwrap(), STRANGERS);
    // What was saved holds nothing unknown.
    server.client().ask("SAVE");
    let server = Server::start_on(&our_server(), server.kill(), &[]);
    assert!(!server.log().contains("does not have"), "{}", server.log());
}

#[test]
fn so_is_the_base_of_a_log() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("appendonlydir");
    fs::create_dir(&folder).unwrap();
    let manifest = "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
    fs::write(folder.join("appendonly.aof.manifest"), manifest).unwrap();
    fs::write(
        folder.join("appendonly.aof.1.base.rdb"),
        with_key(STRANGERS),
    )
    .unwrap();
    fs::write(folder.join("appendonly.aof.1.incr.aof"), "").unwrap();
    let log = ["--appendonly", "yes"];
    let server = Server::try_start_on(
        &our_server(),
        dir,
        &[&log[..], &["--rdb-skip-unknown", "yes"]].concat(),
    );
    let server = server.expect("it starts");
    let mut client = server.client();
    client.ask("SELECT 2");
    assert_eq!(client.ask("GET plain").text(), "text");
    client.ask("SET more text");
    client.ask("BGREWRITEAOF");
    super::exchange::wait_for(&mut client, "aof_rewrite_in_progress:0");
    let kept = server
        .dir()
        .join("appendonlydir/appendonly.aof.1.base.rdb.unknown-1");
    assert_eq!(fs::read(&kept).unwrap(), with_key(STRANGERS));
    let dir = server.stop();
    assert!(parts(dir.path()).iter().all(|part| *part != kept));
    // The new base can be read by whoever leaves nothing out.
    let server = Server::start_on(&our_server(), dir, &log);
    let mut client = server.client();
    client.ask("SELECT 2");
    assert_eq!(client.ask("DBSIZE").to_string(), ":2");
}

#[test]
fn a_file_that_is_kept_stays_whole_and_private() {
    use std::os::unix::fs::PermissionsExt;
    let skip = ["--rdb-skip-unknown", "yes", "--appendonly", "yes"];
    let torn = [&with_key(STRANGERS)[..], b"*3\r\n$3\r\nSET\r\n$1\r\n"].concat();
    for base in ["appendonly.aof.1.base.rdb", "appendonly.aof.1.base.aof"] {
        let dir = TempDir::new().unwrap();
        let folder = dir.path().join("appendonlydir");
        fs::create_dir(&folder).unwrap();
        let manifest = format!("file {base} seq 1 type b\n");
        fs::write(folder.join("appendonly.aof.manifest"), manifest).unwrap();
        let (path, second) = (folder.join(base), folder.join("backup"));
        fs::write(&path, &torn).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        // As a backup by way of a second name has it.
        fs::hard_link(&path, &second).unwrap();
        let server = Server::try_start_on(&our_server(), dir, &skip).expect("it starts");
        assert!(
            server.log().contains("Truncating the AOF"),
            "{}",
            server.log()
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let kept = folder.join(format!("{base}.unknown-1"));
        assert!(
            fs::read(&kept).unwrap() == torn,
            "{base}: what is kept is whole"
        );
        assert!(
            fs::read(&second).unwrap() == torn,
            "{base}: so is the backup"
        );
        assert_eq!((mode(&kept), mode(&path)), (0o600, 0o600), "{base}");
        assert!(
            fs::read(&path).unwrap() == with_key(STRANGERS),
            "{base} is cut"
        );
        for entry in fs::read_dir(&folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.contains(".cut-") {
                assert_eq!(mode(&folder.join(&name)), 0o600, "{name}");
            }
        }
        let mut client = server.client();
        client.ask("SELECT 2");
        assert_eq!(client.ask("SET more text").to_string(), "+OK");
        let server = Server::start_on(&our_server(), server.stop(), &skip);
        let mut client = server.client();
        client.ask("SELECT 2");
        assert_eq!(
            client.ask("MGET plain more").to_string(),
            r#"*["text" "text"]"#
        );
    }
}

#[test]
fn a_payload_of_an_unknown_kind_is_no_good_format() {
    let server = Server::start(&[]);
    // The JSON document of the file as DUMP answers it, without a checksum, for which it claims a later version.
    let start = STRANGERS
        .windows(2)
        .position(|pair| pair == b"j\x81")
        .unwrap()
        + 1;
    let document = &STRANGERS[start..start + 9 + 1 + 32 + 1];
    let mut client = server.client();
    let mut restore = |document: &[u8]| {
        let payload = [&[7][..], document, &[16, 0], &[0; 8]].concat();
        let reply = client.ask_args(&[b"RESTORE", &b"j"[..], b"0", &payload]);
        reply.to_string()
    };
    // The name of another module.
    let mut renamed = document.to_vec();
    renamed[2] ^= 1;
    assert_eq!(restore(&renamed), "-ERR Bad data format");
    assert_eq!(restore(document), "+OK");
}

/// A program with JSON, if it is here.
fn stack() -> Option<Server> {
    let stack = oracles()
        .into_iter()
        .find(|one| one.name == "redis-stack")?;
    Some(Server::start_program(
        &stack.program,
        &["--repl-diskless-sync-delay", "0"],
    ))
}

fn link(client: &mut Client) -> String {
    let text = client.ask("INFO replication").text();
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix("master_link_status:"));
    found.unwrap_or_default().to_owned()
}

#[test]
fn a_full_sync_with_unknown_kinds_is_refused_unless_they_may_be_left_out() {
    let Some(master) = stack() else {
        return;
    };
    let mut main = master.client();
    main.ask("BF.ADD filter text");
    main.ask("SET plain text");
    for load in ["disabled", "swapdb"] {
        let replica = Server::start(&["--repl-diskless-load", load]);
        let mut copy = replica.client();
        copy.ask("SET before text");
        copy.ask(&format!("REPLICAOF 127.0.0.1 {}", master.port));
        let told = "1 key of kinds that this server does not have: 1 of kind 'Bloom filter (MBbloom--)' in database 0";
        eventually("the log says why", || replica.log().contains(told));
        assert_eq!(link(&mut copy), "down");
        copy.ask("CONFIG SET rdb-skip-unknown yes");
        eventually("the link is up", || link(&mut copy) == "up");
        assert_eq!(copy.ask("GET plain").text(), "text");
        assert_eq!(copy.ask("EXISTS filter").to_string(), ":0");
        assert!(matches!(copy.ask("GET before"), Value::NullBulk));
        main.ask("SET later text");
        eventually("the stream follows", || {
            copy.ask("GET later").text() == "text"
        });
        main.ask("DEL later");
    }
}
