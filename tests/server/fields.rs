//! Fields, members and keys past their deadline that a command comes upon before the sweep does: replicas and the log hear
//! of them before they hear of the command, so that all of them hold what memory holds.

use std::collections::BTreeMap;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::common::{Client, Server, Value, encode, eventually, setting};

/// What is done to `H`, a hash with a due and a live field; to `O`, whose only field is due; to `M` and `Q`, which are sets of
/// such members; to `K`, a dead string; `D` is a name to store at, `N` the number in all these names. Every command on
/// hashes and on sets is here.
const CASES: &[&str] = &[
    "HSET H due 1|HSET O due 1",
    "HSET H live 1 due 2 new 3",
    "HMSET H due 1|HMSET O due 1 other 2",
    "HSETNX H due 1|HSETNX O due 1|HSETNX H live 1",
    "HINCRBY H due 1|HINCRBY O due 1",
    "HINCRBYFLOAT H due 0.5|HINCRBYFLOAT O due 0.5",
    "HDEL H due|HDEL O due",
    "HDEL H due live|HDEL O nothing due",
    "HDEL H live|HSET H live 2",
    "HGET H due|HGET O due",
    "HMGET H due live|HMGET O due",
    "HGETALL H|HGETALL O",
    "HKEYS H|HKEYS O",
    "HVALS H|HVALS O",
    "HLEN H|HLEN O",
    "HSTRLEN H due|HSTRLEN O due",
    "HEXISTS H due|HEXISTS O due",
    "HRANDFIELD H 5|HRANDFIELD O",
    "HSCAN H 0|HSCAN O 0",
    "HEXPIRE H 1000 FIELDS 2 due live|HEXPIRE O 1000 FIELDS 1 due",
    "HPEXPIRE H 1000000 NX FIELDS 2 due live|HPEXPIRE O 1000000 XX FIELDS 1 due",
    "HEXPIREAT H 4000000000 FIELDS 2 due live|HEXPIREAT O 4000000000 GT FIELDS 1 due",
    "HPEXPIREAT H 4000000000000 FIELDS 2 due live|HPEXPIREAT O 4000000000000 FIELDS 1 due",
    "HPEXPIREAT H 1 FIELDS 2 due live|HPEXPIREAT O 1 FIELDS 1 due",
    "HPERSIST H FIELDS 2 due live|HPERSIST O FIELDS 1 due",
    "HPEXPIREAT H 4000000000000 FIELDS 1 live|HPERSIST H FIELDS 2 due live",
    "HGETEX H FIELDS 2 due live|HGETEX O FIELDS 1 due",
    "HGETEX H PXAT 4000000000000 FIELDS 2 due live|HGETEX O EX 1000000 FIELDS 1 due",
    "HGETEX H EXAT 1 FIELDS 2 due live|HGETEX O PX 0 FIELDS 1 due",
    "HPEXPIREAT H 4000000000000 FIELDS 1 live|HGETEX H PERSIST FIELDS 2 due live|HGETEX O PERSIST FIELDS 1 due",
    "HGETDEL H FIELDS 2 due live|HGETDEL O FIELDS 1 due|HGETDEL H FIELDS 1 live",
    "HSETEX H FNX FIELDS 2 due 1 new 2|HSETEX O NX FIELDS 1 due 1|HSETEX O FNX EX 1000000 FIELDS 1 due 1",
    "HSETEX H FXX FIELDS 2 due 1 live 2|HSETEX O FXX KEEPTTL FIELDS 1 due 1",
    "HSETEX H KEEPTTL FIELDS 3 due 1 live 2 new 3|HSETEX O XX KEEPTTL FIELDS 1 due 1",
    "HPEXPIREAT H 4000000000000 FIELDS 1 live|HSETEX H KEEPTTL FIELDS 2 live 2 new 3|HSETEX D PXAT 4000000000000 FIELDS 1 a 1",
    "HSETEX H PXAT 1 FIELDS 2 due 1 live 2|HSETEX O EX 0 FIELDS 1 due 1|HSETEX D EX 0 FIELDS 1 a 1",
    "HTTL H FIELDS 2 due live|HTTL O FIELDS 1 due",
    "HPTTL H FIELDS 2 due live|HPTTL O FIELDS 1 due",
    "HEXPIRETIME H FIELDS 2 due live|HEXPIRETIME O FIELDS 1 due",
    "HPEXPIRETIME H FIELDS 2 due live|HPEXPIRETIME O FIELDS 1 due",
    "COPY H D",
    "COPY O D",
    "SET D text|COPY O D REPLACE",
    "SET D text|COPY K D REPLACE",
    "HSET D a b|COPY H D REPLACE",
    "COPY H D DB 3|COPY O D DB 4",
    "RENAME H D",
    "RENAME O D|HSET O due 1",
    "RENAME H K|RENAME O T",
    "MOVE H 3|SELECT 3|PEXPIREAT H 1|SELECT 0",
    "RENAMENX O D|HSET D due 2",
    "MOVE H 3|MOVE O 3",
    "DUMP H|DUMP O",
    "RESTORE-COPY H D|RESTORE-COPY O D",
    "SORT L BY h*->due GET h*->due GET # STORE D",
    "SORT L BY h*->live GET o*->due STORE D",
    "SORT L BY nosort GET o*->due GET k* STORE D",
    "SORT L BY nosort GET h*->due STORE H",
    "SORT M ALPHA STORE M|ZUNIONSTORE Q 2 Q M|SINTERSTORE Q Q",
    "SORT L BY k* GET h*->due",
    "OBJECT ENCODING H|OBJECT ENCODING O",
    "TYPE H|TYPE O|EXISTS O|TTL O",
    "DEL H|DEL O|HSET H due 3",
    "UNLINK H|UNLINK O",
    "GETDEL O|SET H text",
    "EXPIRE H 100000|PERSIST O|EXPIRE O 100000",
    "EXPIREAT O 1|TOUCH H O",
    "RPUSH O x|LPUSH H x",
    "MULTI|HINCRBY H due 1|HDEL O due|HSETNX O due 2|EXEC",
    "MULTI|HGET H due|HSET H other 1|COPY H D|HPERSIST H FIELDS 1 due|EXEC",
    "SCRIPT return{redis.call('hincrby',KEYS[1],'due',1),redis.call('hdel',KEYS[2],'due'),redis.call('hset',KEYS[2],'a',1)}",
    "SCRIPT return{redis.call('hget',KEYS[1],'due'),redis.call('hsetnx',KEYS[2],'due','x')}",
    "SCRIPT return{redis.call('hpersist',KEYS[1],'FIELDS',1,'due'),redis.call('hexists',KEYS[2],'due')}",
    // Sets.
    "SADD M due|SADD Q due|SADD M live new",
    "SADDEX M MEMBERS 2 due live|SADDEX Q EX 1000000 MEMBERS 2 due new|SADDEX D PXAT 4000000000000 MEMBERS 1 a",
    "SADDEX M MNX MEMBERS 1 due|SADDEX Q MXX MEMBERS 1 due|SADDEX M KEEPTTL MEMBERS 2 due new",
    "SPEXPIREAT M 4000000000000 MEMBERS 1 live|SADDEX M MEMBERS 2 live other|SADDEX M PXAT 1 MEMBERS 2 live none",
    "SREM M due|SREM Q due|SREM M live",
    "SMOVE M D due|SMOVE M D live|SMOVE Q D due",
    "SADD D due live|SMOVE D M due|SMOVE D Q live",
    "SPEXPIREAT M 4000000000000 MEMBERS 1 live|SMOVE M Q live|SADD M live|SMOVE M Q live",
    "SCARD M|SCARD Q|SISMEMBER M due|SISMEMBER Q due|SMISMEMBER M due live",
    "SMEMBERS M|SMEMBERS Q|SSCAN M 0|SSCAN Q 0",
    "SPOP M 5|SPOP Q",
    "SPOP Q 3|SPOP M",
    "SRANDMEMBER M|SRANDMEMBER Q|SRANDMEMBER M 5|SRANDMEMBER Q -5",
    "SINTER M Q|SUNION M Q|SDIFF M Q|SINTERCARD 2 M Q|SUNIONCARD 2 M Q|SDIFFCARD 2 M Q",
    "SINTERSTORE D M M|SUNIONSTORE D M Q|SDIFFSTORE D Q M",
    "SADD D due|SUNIONSTORE M M D|SINTERSTORE Q Q D",
    "SUNIONSTORE Q Q S|SDIFFSTORE M M S",
    "SADD D due live|SDIFFSTORE D D M|SPEXPIREAT M 4000000000000 MEMBERS 1 live|SUNIONSTORE D D M",
    "SEXPIRE M 1000000 MEMBERS 2 due live|SEXPIRE Q 1000000 MEMBERS 1 due",
    "SPEXPIRE M 1000000000 NX MEMBERS 2 due live|SEXPIREAT Q 4000000000 XX MEMBERS 1 due",
    "SPEXPIREAT M 1 MEMBERS 2 due live|SPEXPIREAT Q 1 LT MEMBERS 1 due",
    "SPERSIST M MEMBERS 2 due live|SPERSIST Q MEMBERS 1 due",
    "STTL M MEMBERS 2 due live|SPTTL Q MEMBERS 1 due|SEXPIRETIME M MEMBERS 1 due|SPEXPIRETIME Q MEMBERS 1 due",
    "ZUNIONSTORE D 2 M Q|ZINTERSTORE D 2 M M|ZDIFFSTORE D 2 M Q",
    "SORT M ALPHA STORE D|SORT Q ALPHA STORE D|SORT_RO M ALPHA",
    "COPY M D|COPY Q D|RENAME M D|MOVE Q 3",
    "COPY M D DB 3|COPY Q D DB 4|RENAME Q K|RENAMENX M T",
    "RESTORE-COPY M D|RESTORE-COPY Q D",
    "MULTI|SPOP M|SADD Q due|SPERSIST M MEMBERS 1 due|EXEC",
    "BLESS SET M NO-EVICT|BLESS SET Q NO-EVICT|BLESS CLEAR M NO-EVICT",
    // Dead keys that a command reads and stores something of.
    "SADD D x|SUNIONSTORE D D K",
    "SUNIONSTORE D K T",
    "SADD D x|SMOVE T D a",
    "SDIFFSTORE D S T",
    "SINTERSTORE D S T",
    "ZUNIONSTORE D 2 Z T",
    "ZADD D 1 m|ZINTERSTORE D 2 Z T",
    "ZDIFFSTORE D 2 Z T",
    "ZRANGESTORE D U 0 -1",
    "BITOP OR D K B",
    "PFADD D x|PFMERGE D P",
    "GEOSEARCHSTORE D U FROMLONLAT 1 1 BYRADIUS 10 km",
    "LMOVE K D LEFT RIGHT|COPY B K|APPEND K x",
    "MULTI|GET K|SUNIONSTORE D S T|EXEC",
    "RENAMENX B K",
    "MSETNX K 1 B2 2",
];

fn words(line: &str, n: usize) -> Vec<String> {
    let named = |word: &str| match word {
        "H" | "O" | "M" | "Q" | "K" | "D" | "L" | "S" | "T" | "Z" | "U" | "B" | "P" | "B2" => {
            format!("{}{n}", word.to_lowercase())
        }
        other => other.to_owned(),
    };
    line.split(' ').map(named).collect()
}

/// What stands before each case, some of it due in `ms` milliseconds.
fn prepare(client: &mut Client, n: usize, ms: u32) {
    let lines = [
        "HSET H due 5 live 6".to_owned(),
        format!("HPEXPIRE H {ms} FIELDS 1 due"),
        "HSET O due 5".to_owned(),
        format!("HPEXPIRE O {ms} FIELDS 1 due"),
        "SADD M due live".to_owned(),
        format!("SPEXPIRE M {ms} MEMBERS 1 due"),
        "SADD Q due".to_owned(),
        format!("SPEXPIRE Q {ms} MEMBERS 1 due"),
        format!("SET K abc PX {ms}"),
        format!("RPUSH L {n} none"),
        "SADD S a b".to_owned(),
        "SADD T a c".to_owned(),
        format!("PEXPIRE T {ms}"),
        "ZADD Z 1 a 2 b".to_owned(),
        "GEOADD U 1 1 here".to_owned(),
        format!("PEXPIRE U {ms}"),
        "SET B xyz".to_owned(),
        "PFADD P a b c".to_owned(),
        format!("PEXPIRE P {ms}"),
    ];
    // What is known of a key beside its value goes with it.
    let keeps = |key| {
        [
            format!("BLESS SET {key} NO-EVICT"),
            format!("PEXPIREAT {key} 5000000000000"),
        ]
    };
    let kept = ["H", "O", "M", "Q"].into_iter().flat_map(keeps);
    for line in lines.into_iter().chain(kept) {
        let reply = client.ask_args(&words(&line, n));
        assert!(!reply.is_error(), "{line}: {reply}");
    }
}

fn act(client: &mut Client, n: usize, line: &str) {
    let mut args = words(line, n);
    if let Some(code) = line.strip_prefix("SCRIPT ") {
        args = ["EVAL", code, "2", &format!("h{n}"), &format!("o{n}")]
            .map(str::to_owned)
            .to_vec();
    }
    if args[0] == "RESTORE-COPY" {
        let Value::Bulk(payload) = client.ask_args(&["DUMP", &args[1]]) else {
            return;
        };
        let args: [&[u8]; 4] = [b"RESTORE", args[2].as_bytes(), b"0", &payload];
        client.ask_args(&args);
        return;
    }
    client.send(&encode(&args)).expect("the server reads");
    client.receive().expect("an answer");
}

/// All that a server holds: what stands in a hash or a set though it is due is counted by HLEN and SCARD, and dead keys by DBSIZE.
fn held(client: &mut Client) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for db in [0, 3, 4] {
        client.ask(&format!("SELECT {db}"));
        all.insert(format!("{db} keys"), client.ask("DBSIZE").text());
        for key in client.ask("KEYS *").items() {
            let key = key.text();
            let kind = client.ask(&format!("TYPE {key}")).text();
            let mut told = vec![kind.clone(), client.ask(&format!("DUMP {key}")).to_string()];
            if kind == "hash" {
                told = vec![kind.clone(), client.ask(&format!("HLEN {key}")).text()];
                let flat = client.ask(&format!("HGETALL {key}")).items();
                let mut pairs: Vec<_> = flat.chunks(2).collect();
                pairs.sort();
                for pair in pairs {
                    let field = pair[0].text();
                    let asked = format!("HPEXPIRETIME {key} FIELDS 1 {field}");
                    told.push(format!("{field}={} {}", pair[1], client.ask(&asked)));
                }
            }
            if kind == "set" {
                told = vec![kind, client.ask(&format!("SCARD {key}")).text()];
                let members = client.ask(&format!("SMEMBERS {key}")).items();
                let mut members: Vec<_> = members.iter().map(Value::text).collect();
                members.sort();
                for member in members {
                    let asked = format!("SPEXPIRETIME {key} MEMBERS 1 {member}");
                    told.push(format!("{member} {}", client.ask(&asked)));
                }
            }
            for asked in ["BLESS GET", "PEXPIRETIME"] {
                told.push(client.ask(&format!("{asked} {key}")).to_string());
            }
            all.insert(format!("{db} {key}"), told.join(" "));
        }
    }
    client.ask("SELECT 0");
    all
}

fn same(what: &str, left: &BTreeMap<String, String>, right: &BTreeMap<String, String>) {
    let differs = |key: &&String| left.get(*key) != right.get(*key);
    let keys = left.keys().chain(right.keys()).filter(differs);
    let shown: Vec<_> = keys
        .map(|key| {
            let digits: String = key.chars().skip(2).filter(char::is_ascii_digit).collect();
            let case = digits.parse().ok().and_then(|n: usize| CASES.get(n));
            format!(
                "{key} ({case:?}): {:?}, {:?}",
                left.get(key),
                right.get(key)
            )
        })
        .collect();
    assert!(shown.is_empty(), "{what}:\n{}", shown.join("\n"));
}

fn caught_up(master: &mut Client, replica: &mut Client) {
    let offset = |client: &mut Client, name: &str| {
        let text = client.ask("INFO replication").text();
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, at)| at.trim().to_owned())
    };
    eventually("the replica has everything", || {
        offset(master, "master_repl_offset:") == offset(replica, "slave_repl_offset:")
    });
}

/// A server with a log, and its replica.
fn pair() -> (Server, Server) {
    let options = ["--appendonly", "yes", "--repl-diskless-sync-delay", "0"];
    let server = Server::start(&[&options[..], &["--io-threads", "2"]].concat());
    let copy = Server::start(&[]);
    let mut replica = copy.client();
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", server.port));
    eventually("the link is up", || {
        let text = replica.ask("INFO replication").text();
        text.contains("master_link_status:up")
    });
    (server, copy)
}

#[test]
fn replica_and_log_hear_of_what_is_due_before_the_command_that_comes_upon_it() {
    let (server, copy) = pair();
    let (mut client, mut replica) = (server.client(), copy.client());
    for category in ["hash", "set"] {
        let asked = format!("COMMAND LIST FILTERBY ACLCAT {category}");
        let commands = client.ask(&asked).items();
        assert!(commands.len() > 20);
        for name in commands {
            let name = format!("{} ", name.text().to_uppercase());
            assert!(
                CASES.iter().any(|case| case.contains(&name)),
                "{name}has no case"
            );
        }
    }
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0");
    (0..CASES.len()).for_each(|n| prepare(&mut client, n, 1));
    // Until the last deadline has passed.
    sleep(Duration::from_millis(3));
    for (n, case) in CASES.iter().enumerate() {
        case.split('|').for_each(|line| act(&mut client, n, line));
    }
    client.ask("DEBUG SET-ACTIVE-EXPIRE 1");
    all_same(&mut client, &mut replica);
}

/// Memory, replica and log hold the same once all that is due has gone.
fn all_same(client: &mut Client, replica: &mut Client) {
    eventually("what is due is gone", || swept(client));
    let memory = held(client);
    caught_up(client, replica);
    same("memory and replica", &memory, &held(replica));
    assert_eq!(client.ask("DEBUG LOADAOF").text(), "OK");
    same("memory and log", &memory, &held(client));
}

/// Whether every hash and every set holds what its readers see, and no dead key stands.
fn swept(client: &mut Client) -> bool {
    let mut whole = true;
    for db in [0, 3, 4] {
        client.ask(&format!("SELECT {db}"));
        let keys = client.ask("KEYS *").items();
        whole &= keys.len() as i64 == client.ask("DBSIZE").int();
        for key in keys {
            let key = key.text();
            if client.ask(&format!("TYPE {key}")).text() == "hash" {
                let fields = client.ask(&format!("HKEYS {key}")).items().len();
                whole &= fields as i64 == client.ask(&format!("HLEN {key}")).int();
            }
            if client.ask(&format!("TYPE {key}")).text() == "set" {
                let members = client.ask(&format!("SMEMBERS {key}")).items().len();
                whole &= members as i64 == client.ask(&format!("SCARD {key}")).int();
            }
        }
    }
    client.ask("SELECT 0");
    whole
}

/// Whether no key, no field and no member has a deadline any more.
fn is_lasting(client: &mut Client) -> bool {
    let mut lasting = true;
    for key in client.ask("KEYS *").items() {
        let key = key.text();
        lasting &= client.ask(&format!("PTTL {key}")).int() == -1;
        if client.ask(&format!("TYPE {key}")).text() == "hash" {
            for field in client.ask(&format!("HKEYS {key}")).items() {
                let asked = format!("HPTTL {key} FIELDS 1 {}", field.text());
                lasting &= client.ask(&asked).to_string() == "*[:-1]";
            }
        }
        if client.ask(&format!("TYPE {key}")).text() == "set" {
            for member in client.ask(&format!("SMEMBERS {key}")).items() {
                let asked = format!("SPTTL {key} MEMBERS 1 {}", member.text());
                lasting &= client.ask(&asked).to_string() == "*[:-1]";
            }
        }
    }
    lasting
}

/// One of many commands on few sets, whose members live for a moment.
fn random_command_of_sets(random: &mut fastrand::Rng) -> Vec<String> {
    let key = format!("s{}", random.u32(0..20));
    let other = format!("s{}", random.u32(0..20));
    let member = format!("m{}", random.u32(0..6));
    let more = format!("m{}", random.u32(0..6));
    let ms = random.u32(1..30);
    let line = match random.u32(0..16) {
        0 | 1 => format!("SADD {key} {member} {more}"),
        2 => format!("SADDEX {key} PX {ms} MEMBERS 2 {member} {more}"),
        3 => format!("SADDEX {key} MXX KEEPTTL MEMBERS 1 {member}"),
        4 => format!("SREM {key} {member} {more}"),
        5..=8 => format!("SPEXPIRE {key} {ms} MEMBERS 2 {member} {more}"),
        9 => format!("SPERSIST {key} MEMBERS 2 {member} {more}"),
        10 => format!("SMOVE {key} {other} {member}"),
        11 => format!("SPOP {key}"),
        12 => format!("SUNIONSTORE {other} {key} {other}"),
        13 => format!("SINTERSTORE {other} {key} {other}"),
        14 => format!("COPY {key} {other} REPLACE"),
        _ => format!("SDIFFSTORE {other} {other} {key}"),
    };
    line.split(' ').map(str::to_owned).collect()
}

/// One of many commands on few hashes and sets, whose parts live for a moment.
fn random_command(random: &mut fastrand::Rng) -> Vec<String> {
    if random.bool() {
        return random_command_of_sets(random);
    }
    let key = format!("h{}", random.u32(0..20));
    let other = format!("h{}", random.u32(0..20));
    let field = format!("f{}", random.u32(0..6));
    let more = format!("f{}", random.u32(0..6));
    let (n, ms) = (random.u32(0..100), random.u32(1..30));
    let line = match random.u32(0..24) {
        20 => format!("HGETEX {key} PX {ms} FIELDS 2 {field} {more}"),
        21 => format!("HSETEX {key} FXX KEEPTTL FIELDS 1 {field} {n}"),
        22 => format!("HSETEX {key} PX {ms} FIELDS 2 {field} {n} {more} {n}"),
        23 => format!("HGETDEL {key} FIELDS 2 {field} {more}"),
        0 | 1 => format!("HSET {key} {field} {n} {more} {n}"),
        2 => format!("HSETNX {key} {field} {n}"),
        3 => format!("HINCRBY {key} {field} {n}"),
        4 => format!("HINCRBYFLOAT {key} {field} {n}.5"),
        5 => format!("HDEL {key} {field} {more}"),
        6..=10 => format!("HPEXPIRE {key} {ms} FIELDS 2 {field} {more}"),
        11 => format!("HPEXPIRE {key} {ms} GT FIELDS 1 {field}"),
        12 => format!("HPERSIST {key} FIELDS 2 {field} {more}"),
        13 => format!("COPY {key} {other} REPLACE"),
        14 => format!("RENAME {key} {other}"),
        15 => format!("HGET {key} {field}"),
        16 => format!("SORT list BY h*->{field} GET h*->{more} STORE sorted{n}"),
        17 => format!("PEXPIRE {key} {ms}"),
        18 => format!("DEL {key}"),
        _ => {
            let code = "redis.call('hincrby',KEYS[1],ARGV[1],1) redis.call('hdel',KEYS[1],ARGV[2]) return redis.call('hpersist',KEYS[1],'FIELDS',1,ARGV[1])";
            return ["EVAL", code, "1", &key, &field, &more]
                .map(str::to_owned)
                .to_vec();
        }
    };
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn under_a_storm_of_short_lives_replica_and_log_hold_what_memory_holds() {
    let (server, copy) = pair();
    let (mut client, mut replica) = (server.client(), copy.client());
    client.ask("RPUSH list 1 2 3 4 5 6 7 8 9");
    let end = Instant::now() + Duration::from_millis(setting("FIELDS_STORM_MS", 2000));
    let seed = setting("FIELDS_STORM_SEED", 1);
    scope(|scope| {
        for n in 0..6 {
            let mut client = server.client();
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed + n);
                while Instant::now() < end {
                    let in_multi = random.u32(0..10) == 0;
                    let commands = (0..4).map(|_| encode(&random_command(&mut random)));
                    let mut bytes: Vec<Vec<u8>> = commands.collect();
                    if in_multi {
                        bytes.insert(0, encode(&["MULTI"]));
                        bytes.push(encode(&["EXEC"]));
                    }
                    client.send(&bytes.concat()).expect("the server reads");
                    for _ in 0..bytes.len() {
                        client.receive().expect("an answer");
                    }
                }
            });
        }
    });
    eventually("all that was to live for a moment is gone", || {
        is_lasting(&mut client)
    });
    all_same(&mut client, &mut replica);
}
