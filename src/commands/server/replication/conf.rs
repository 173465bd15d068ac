//! REPLCONF: what a replica tells of itself, and what it has received.

use crate::command::Flag::{Admin, AllowBusy, Loading, NoScript, Stale};
use crate::command::{Command, Done, Fail, Flow, Run, SessionCall, quoted};
use crate::persist::rdb::SnapshotForm;
use crate::state::replication::{HEARS_STAGED, SnapshotFilter};
use crate::util::number;

pub const REPLCONF: Command = Command {
    name: "replconf",
    summary: "Tells a master about a replica, and a replica that it shall answer",
    since: "3.0.0",
    flags: &[Admin, NoScript, Loading, Stale, AllowBusy],
    run: Run::Session(replconf),
    arity: Some(-1),
    ..Command::PLAIN
};

/// The longest name or address that is taken.
const HOST_MAX: usize = 255;

fn replconf(call: &mut SessionCall<'_>) -> Done {
    if !call.args.len().is_multiple_of(2) {
        return Err(Fail::SYNTAX);
    }
    while let Some(option) = call.args.peek() {
        let option = option.to_ascii_lowercase();
        call.args.next()?;
        let value = call.args.next()?;
        match option.as_slice() {
            b"ack" => return acknowledge(call, value),
            // A master's question comes on its own link; here nobody is to be answered.
            b"getack" => return Ok(Flow::Done),
            _ => note(call, &option, value)?,
        }
    }
    call.out.ok();
    Ok(Flow::Done)
}

fn note(call: &mut SessionCall<'_>, option: &[u8], value: &[u8]) -> Result<(), Fail> {
    let conf = call.session.replica_conf.get_or_insert_default();
    let int = || number::parse_i64(value).ok_or(Fail::NOT_INTEGER);
    match option {
        b"listening-port" => conf.port = int()? as u16,
        b"ip-address" => {
            if value.len() > HOST_MAX {
                return Err(Fail::said(format!(
                    "REPLCONF ip-address provided by replica instance is too long: {} bytes",
                    value.len()
                )));
            }
            let ip = String::from_utf8_lossy(value).into_owned();
            conf.ip = Some(ip).filter(|ip| !ip.is_empty());
        }
        b"capa" => {
            conf.eof |= value.eq_ignore_ascii_case(b"eof");
            conf.psync2 |= value.eq_ignore_ascii_case(b"psync2");
            conf.reads = SnapshotForm::of_capability(value).or(conf.reads);
            conf.hears_staged |= value == HEARS_STAGED;
        }
        b"rdb-only" => conf.rdb_only = int()? == 1,
        b"rdb-filter-only" => {
            let mut filter = SnapshotFilter {
                no_data: true,
                no_functions: true,
            };
            let words = value.split(|byte| *byte == b' ');
            for word in words.filter(|word| !word.is_empty()) {
                if !word.eq_ignore_ascii_case(b"functions") {
                    return Err(Fail::said(format!(
                        "Unsupported rdb-filter-only option: {}",
                        quoted(word)
                    )));
                }
                filter.no_functions = false;
            }
            conf.filter = filter;
        }
        // Valkey's replicas say it, and others for Valkey's sake.
        b"version" => conf.reads = conf.reads.or_else(|| SnapshotForm::of_valkey(value)),
        option => {
            return Err(Fail::said(format!(
                "Unrecognized REPLCONF option: {}",
                quoted(option)
            )));
        }
    }
    Ok(())
}

fn acknowledge(call: &mut SessionCall<'_>, offset: &[u8]) -> Done {
    let Some(replica) = call.session.replica.clone() else {
        return Ok(Flow::Done);
    };
    let count = |text: &[u8]| {
        number::parse_i64(text)
            .and_then(|offset| u64::try_from(offset).ok())
            .ok_or(Fail::NOT_INTEGER)
    };
    let offset = count(offset)?;
    let mut logged = None;
    if call.args.word_with("FACK", 1) {
        logged = Some(count(call.args.next()?)?);
    }
    replica.acknowledge(offset, logged, call.now_ms);
    let server = call.server;
    server.replication.serve_waiters(&server.journal);
    Ok(Flow::Done)
}
