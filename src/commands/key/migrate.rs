//! MIGRATE: keys moved to another server, or copied there.
//!
//! As in Redis, nobody reads or changes the keys until the other server has answered: commands that name them are held
//! back. Nothing is locked meanwhile, and neither this worker's other clients nor those of other keys wait. Inside a
//! transaction or a script, which is one step itself, it is done under that one's locks.

use std::io;
use std::time::Duration;

use crate::command::{
    Arg, Begin, Carried, Command, Done, Fail, Find, Flow, KeySpec, KeyTransfer, KeyUse, Run,
    WriteCall, hide_after,
};
use crate::persist::rdb;
use crate::resp::encode;
use crate::state::links::OtherServer;
use crate::state::shared::Shared;
use crate::types::{Bstr, Value};
use crate::util::{clock, number};

const USE: KeyUse = KeyUse::READ_DELETE;

pub const MIGRATE: Command = Command {
    name: "migrate",
    summary: "Moves keys to another server, each in one step",
    cost: "O(N) for N bytes of values, which travel to the other server",
    since: "2.6.0",
    flags: &[
        crate::command::Flag::MovableKeys,
        crate::command::Flag::NeverLogged,
    ],
    args: &[
        Arg::text("host"),
        Arg::int("port"),
        Arg::one_of(
            "key_or_empty_string",
            &[Arg::key("key", USE), Arg::word("empty_string", "")],
        ),
        Arg::int("destination-db"),
        Arg::int("timeout"),
        Arg::word("copy", "COPY").optional().since("3.0.0"),
        Arg::word("replace", "REPLACE").optional().since("3.0.0"),
        Arg::one_of(
            "authentication",
            &[
                Arg::text("password")
                    .token("AUTH")
                    .optional()
                    .since("4.0.7"),
                Arg::block(
                    "username_password",
                    &[Arg::text("username"), Arg::text("password")],
                )
                .token("AUTH2")
                .optional()
                .since("6.0.0"),
            ],
        )
        .optional(),
        Arg::key("key", USE)
            .token("KEYS")
            .optional()
            .many()
            .since("3.0.6"),
    ],
    run: Run::Write(migrate),
    secrets: Some(|argv, hide| {
        hide_after(argv, "AUTH", 1, 6, hide);
        hide_after(argv, "AUTH2", 2, 6, hide);
    }),
    categories: &["keyspace", "dangerous"],
    arity: Some(-6),
    keys: Some(&[
        KeySpec {
            used: USE,
            begin: Begin::Index(3),
            find: Find::Range {
                last: 0,
                step: 1,
                limit: 0,
            },
        },
        KeySpec {
            used: KeyUse(&["RW", "access", "delete", "incomplete"]),
            begin: Begin::Keyword("KEYS", -2),
            find: Find::Range {
                last: -1,
                step: 1,
                limit: 0,
            },
        },
    ]),
    more_keys: Some(moved),
    tips: &["nondeterministic_output"],
    ..Command::PLAIN
};

/// The one key, or those behind KEYS, which may be a password's text as well.
fn moved(argv: &[&[u8]], visit: &mut dyn FnMut(usize)) {
    let mut at = 6;
    while at < argv.len() {
        let word = argv[at].to_ascii_uppercase();
        at += match &word[..] {
            b"KEYS" if argv[3].is_empty() => return (at + 1..argv.len()).for_each(visit),
            // Refused, so there are none.
            b"KEYS" => return,
            b"AUTH" => 2,
            b"AUTH2" => 3,
            _ => 1,
        };
    }
    if argv.len() > 3 {
        visit(3);
    }
}

/// What was asked for.
struct MigrateOptions {
    host: String,
    port: u16,
    db: i64,
    timeout: Duration,
    copy: bool,
    replace: bool,
    login: Vec<Vec<u8>>,
}

/// A key with what the other server needs to make it.
struct Cargo {
    key: Bstr,
    /// A frozen copy.
    value: Value,
    deadline_ms: Option<u64>,
}

fn parse<'a>(call: &mut WriteCall<'a>) -> Result<(MigrateOptions, Vec<&'a [u8]>), Fail> {
    let (host, port) = (call.args.next()?, call.args.next()?);
    let key = call.args.next()?;
    let (db, timeout) = (call.args.next()?, call.args.next()?);
    let (mut copy, mut replace) = (false, false);
    let (mut login, mut keys) = (Vec::new(), vec![key]);
    while !call.args.is_empty() {
        if call.args.word("COPY") {
            copy = true;
        } else if call.args.word("REPLACE") {
            replace = true;
        } else if call.args.word_with("AUTH", 1) {
            login = vec![&b"AUTH"[..], call.args.next()?];
        } else if call.args.word_with("AUTH2", 2) {
            login = vec![&b"AUTH"[..], call.args.next()?, call.args.next()?];
        } else if call.args.word("KEYS") {
            if !key.is_empty() {
                return Err(Fail::Says(
                    "When using MIGRATE KEYS option, the key argument must be set to the empty string",
                ));
            }
            keys = call.args.rest().to_vec();
        } else {
            return Err(Fail::SYNTAX);
        }
    }
    let timeout = number::parse_i64(timeout).ok_or(Fail::NOT_INTEGER)?;
    let timeout = if timeout <= 0 { 1000 } else { timeout };
    let options = MigrateOptions {
        host: String::from_utf8_lossy(host).into_owned(),
        port: number::parse_i64(port)
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(0),
        db: number::parse_i64(db).ok_or(Fail::NOT_INTEGER)?,
        timeout: Duration::from_millis(timeout as u64),
        copy,
        replace,
        login: login.into_iter().map(<[u8]>::to_vec).collect(),
    };
    Ok((options, keys))
}

fn migrate(call: &mut WriteCall<'_>) -> Done {
    let (options, keys) = parse(call)?;
    let mut pieces = Vec::new();
    for key in keys {
        if let Some(value) = call.db.value(key) {
            pieces.push(Cargo {
                key: Bstr::new(key),
                value: value.frozen(),
                deadline_ms: call.db.deadline(key).flatten(),
            });
        }
    }
    if pieces.is_empty() {
        call.out.simple("NOKEY");
        return Ok(Flow::Done);
    }
    Ok(Flow::Transfer(Box::new(KeyTransfer {
        keys: pieces.iter().map(|piece| piece.key.clone()).collect(),
        leaves: !options.copy,
        carry: Box::new(move |server| carry(server, &options, &pieces)),
        away: None,
    })))
}

fn carry(server: &Shared, options: &MigrateOptions, pieces: &[Cargo]) -> Carried {
    let mut moved = Vec::new();
    let mut done = travel(server, options, pieces, &mut moved);
    if let Err(MigrateError::Lost { fresh: false }) = done
        && moved.is_empty()
    {
        // A connection that was open for long may have been closed at the other end.
        done = travel(server, options, pieces, &mut moved);
    }
    let done = done.map_err(|trouble| match trouble {
        MigrateError::Connect => Fail::code("IOERR error or timeout connecting to the client"),
        MigrateError::Write => Fail::code("IOERR error or timeout writing to target instance"),
        MigrateError::Lost { .. } => {
            Fail::code("IOERR error or timeout reading from target instance")
        }
        MigrateError::Said(text) => {
            let text = String::from_utf8_lossy(&text).into_owned();
            Fail::said(format!("Target instance replied with error: {text}"))
        }
    });
    Carried { moved, done }
}

/// Adds the command that makes the key over there.
fn restore(server: &Shared, options: &MigrateOptions, piece: &Cargo, out: &mut Vec<u8>) {
    let dialect = server.config.rdb_dialect.get().into();
    let payload = rdb::dump(piece.value.as_ref(), dialect);
    let now_ms = clock::now_ms();
    let left = |at: u64| at.saturating_sub(now_ms).max(1);
    let ttl = piece.deadline_ms.map_or(0, left).to_string();
    let name = match server.clustering {
        Some(_) => &b"RESTORE-ASKING"[..],
        None => b"RESTORE",
    };
    let mut words = vec![name, &piece.key, ttl.as_bytes(), &payload];
    if options.replace {
        words.push(b"REPLACE");
    }
    encode(&words, out);
}

enum MigrateError {
    Connect,
    Write,
    Lost {
        /// The connection was new.
        fresh: bool,
    },
    /// The other server refused something.
    Said(Vec<u8>),
}

/// Sends all, and hears of each key whether it has arrived.
fn travel(
    server: &Shared,
    options: &MigrateOptions,
    pieces: &[Cargo],
    moved: &mut Vec<usize>,
) -> Result<(), MigrateError> {
    let source = String::from_utf8_lossy(&server.config.bind_source_addr.get()).into_owned();
    let tls = server.tls.client(server.config.tls_cluster.get());
    let tls = tls.map_err(|_| MigrateError::Connect)?;
    let (links, now_ms) = (&server.links, clock::now_ms());
    let in_clear = tls.is_none();
    let link = links.take(
        &options.host,
        options.port,
        &source,
        tls,
        options.timeout,
        now_ms,
    );
    let mut link = link.map_err(|error| match error.kind() {
        // Redis notices when it writes that nobody has let it in.
        io::ErrorKind::ConnectionRefused if in_clear => MigrateError::Write,
        _ => MigrateError::Connect,
    })?;
    let mut out = Vec::new();
    if !options.login.is_empty() {
        encode(&options.login, &mut out);
    }
    let selects = link.db != Some(options.db);
    if selects {
        let db = options.db.to_string();
        encode(&[&b"SELECT"[..], db.as_bytes()], &mut out);
    }
    for piece in pieces {
        restore(server, options, piece, &mut out);
    }
    let fresh = !link.reused;
    let lost = |error: io::Error, else_: MigrateError| match error.kind() {
        // Who is only slow is not asked twice.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => else_,
        _ => MigrateError::Lost { fresh },
    };
    link.send(&out)
        .map_err(|error| lost(error, MigrateError::Write))?;
    let answers = usize::from(!options.login.is_empty()) + usize::from(selects);
    let refused = hear(&mut link, answers, pieces.len(), moved);
    let refused = refused.map_err(|error| lost(error, MigrateError::Lost { fresh: true }))?;
    match refused {
        None => {
            link.db = Some(options.db);
            links.keep(&options.host, options.port, link);
            Ok(())
        }
        Some(text) => {
            // Whatever it has selected now.
            link.db = None;
            links.keep(&options.host, options.port, link);
            Err(MigrateError::Said(text))
        }
    }
}

/// Reads what is answered before the keys and of each key; gives the first error among the answers.
fn hear(
    link: &mut OtherServer,
    before: usize,
    keys: usize,
    moved: &mut Vec<usize>,
) -> io::Result<Option<Vec<u8>>> {
    let mut error = None;
    for _ in 0..before {
        let line = link.line()?;
        if line.first() == Some(&b'-') {
            error.get_or_insert(line[1..].to_vec());
        }
    }
    let admitted = error.is_none();
    for key in 0..keys {
        let line = link.line()?;
        if line.first() == Some(&b'-') {
            error.get_or_insert(line[1..].to_vec());
        } else if admitted {
            moved.push(key);
        }
    }
    Ok(error)
}
