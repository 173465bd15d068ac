//! HyperLogLogs: about how many different things were seen, in 12 KB at most.

use crate::command::Flag::{Admin, DenyOom, Fast, MayReplicate, Neither, ReadOnly};
use crate::command::{Arg, Command, Done, Fail, Family, Flow, KeyUse, Run, SessionCall, WriteCall};
use crate::engine::Db;
use crate::types::hyperloglog::{self as hll, HllError, Registers};
use crate::types::{Text, TextRef};

pub const FAMILY: Family = Family {
    group: "hyperloglog",
    category: "hyperloglog",
    commands: &[&PFADD, &PFCOUNT, &PFMERGE, &PFDEBUG, &PFSELFTEST],
};

const PFADD: Command = Command {
    name: "pfadd",
    summary: "Adds things to a HyperLogLog, which may be new",
    cost: "O(1) for each thing",
    since: "2.8.9",
    flags: &[DenyOom, Fast],
    args: &[
        Arg::key("key", KeyUse::INSERT),
        Arg::text("element").optional().many(),
    ],
    run: Run::Write(pfadd),
    ..Command::PLAIN
};

fn fail(error: HllError) -> Fail {
    Fail::code(error.text())
}

/// The bytes at a key, if they are a HyperLogLog; counted as a look at it.
fn read(db: &Db<'_>, key: &[u8]) -> Result<Option<Vec<u8>>, Fail> {
    checked(db.read::<Text>(key)?)
}

fn checked(text: Option<TextRef<'_>>) -> Result<Option<Vec<u8>>, Fail> {
    let Some(text) = text else {
        return Ok(None);
    };
    let bytes = text.as_bytes(&mut itoa::Buffer::new()).to_vec();
    hll::check(&bytes).map_err(fail)?;
    Ok(Some(bytes))
}

fn pfadd(call: &mut WriteCall<'_>) -> Done {
    let key = call.args.next()?;
    let sparse_max = call.server.config.hll_sparse_max_bytes.get() as usize;
    let held = checked(call.db.held::<Text>(key)?)?;
    let mut changed = held.is_none();
    let mut bytes = held.unwrap_or_else(hll::create);
    for element in call.args.rest() {
        changed |= hll::add(&mut bytes, element, sparse_max).map_err(fail)?;
    }
    if changed {
        hll::mark_stale(&mut bytes);
        let mut text = call.db.edit_or_create::<Text>(key)?;
        *text.raw_mut() = bytes;
        text.announce("pfadd");
    }
    call.out.int(changed);
    Ok(Flow::Done)
}

const PFCOUNT: Command = Command {
    name: "pfcount",
    summary: "Returns about how many different things were added",
    cost: "O(1) with a very small average constant, O(N) for N keys",
    since: "2.8.9",
    args: &[Arg::key("key", KeyUse::READ_WRITE).many()],
    // It keeps the count it made beside the registers, and is read-only to clients all the same.
    flags: &[ReadOnly, MayReplicate, Neither],
    run: Run::Write(pfcount),
    ..Command::PLAIN
};

fn pfcount(call: &mut WriteCall<'_>) -> Done {
    let keys = call.args.rest();
    let count = if let [key] = keys {
        call.db.counted(key);
        match checked(call.db.held::<Text>(key)?)? {
            None => 0,
            Some(bytes) => match hll::cached_count(&bytes) {
                Some(count) => {
                    call.db.mark(key);
                    count
                }
                None => {
                    let count = hll::count(&bytes).map_err(fail)?;
                    let mut bytes = bytes;
                    hll::cache_count(&mut bytes, count);
                    if let Some(mut text) = call.db.edit::<Text>(key)? {
                        *text.raw_mut() = bytes;
                        text.touch();
                    }
                    count
                }
            },
        }
    } else {
        let mut union = Registers::default();
        for key in keys {
            if let Some(bytes) = read(&call.db, key)? {
                union.merge(&bytes).map_err(fail)?;
            }
        }
        union.count()
    };
    call.out.int(count as i64);
    Ok(Flow::Done)
}

const PFMERGE: Command = Command {
    name: "pfmerge",
    summary: "Merges HyperLogLogs into one",
    cost: "O(N) for N keys",
    since: "2.8.9",
    flags: &[DenyOom],
    args: &[
        Arg::key("destkey", KeyUse::READ_INSERT),
        Arg::key("sourcekey", KeyUse::READ).many(),
    ],
    run: Run::Write(pfmerge),
    arity: Some(-2),
    ..Command::PLAIN
};

fn pfmerge(call: &mut WriteCall<'_>) -> Done {
    let sparse_max = call.server.config.hll_sparse_max_bytes.get() as usize;
    let target = call.args.next()?;
    let mut union = Registers::default();
    let mut dense = false;
    let mut held = None;
    for key in [target].iter().chain(call.args.rest()) {
        let Some(bytes) = read(&call.db, key)? else {
            continue;
        };
        dense |= hll::is_dense(&bytes);
        union.merge(&bytes).map_err(fail)?;
        if *key == target {
            held = Some(bytes);
        }
    }
    let mut bytes = held.unwrap_or_else(hll::create);
    if dense {
        hll::make_dense(&mut bytes).map_err(fail)?;
    }
    union.store(&mut bytes, sparse_max).map_err(fail)?;
    hll::mark_stale(&mut bytes);
    let mut text = call.db.edit_or_create::<Text>(target)?;
    *text.raw_mut() = bytes;
    // Redis's own word for it.
    text.announce("pfadd");
    call.out.ok();
    Ok(Flow::Done)
}

const PFDEBUG: Command = Command {
    name: "pfdebug",
    summary: "Shows the inside of a HyperLogLog",
    since: "2.8.9",
    flags: &[DenyOom, Admin],
    args: &[Arg::text("subcommand"), Arg::key("key", KeyUse::READ_WRITE)],
    run: Run::Write(pfdebug),
    ..Command::PLAIN
};

fn pfdebug(call: &mut WriteCall<'_>) -> Done {
    let (subcommand, key) = (call.args.next()?, call.args.next()?);
    let mut bytes = read(&call.db, key)?.ok_or(Fail::Says("The specified key does not exist"))?;
    let dense = hll::is_dense(&bytes);
    if subcommand.eq_ignore_ascii_case(b"getreg") {
        let mut registers = Registers::default();
        registers.merge(&bytes).map_err(fail)?;
        if hll::make_dense(&mut bytes).map_err(fail)? {
            replace(call, key, bytes)?;
        }
        call.out.array(registers.values().len());
        registers
            .values()
            .iter()
            .for_each(|value| call.out.int(*value));
    } else if subcommand.eq_ignore_ascii_case(b"decode") {
        if dense {
            return Err(Fail::Says("HLL encoding is not sparse"));
        }
        call.out.bulk(hll::describe_runs(&bytes));
    } else if subcommand.eq_ignore_ascii_case(b"encoding") {
        call.out.simple(if dense { "dense" } else { "sparse" });
    } else if subcommand.eq_ignore_ascii_case(b"todense") {
        let converted = hll::make_dense(&mut bytes).map_err(fail)?;
        if converted {
            replace(call, key, bytes)?;
        }
        call.out.int(converted);
    } else {
        let given = crate::command::quoted(subcommand);
        return Err(Fail::said(format!("Unknown PFDEBUG subcommand '{given}'")));
    }
    Ok(Flow::Done)
}

/// Puts the same HyperLogLog back in another form.
fn replace(call: &mut WriteCall<'_>, key: &[u8], bytes: Vec<u8>) -> Result<(), Fail> {
    if let Some(mut text) = call.db.edit::<Text>(key)? {
        *text.raw_mut() = bytes;
        text.touch();
    }
    Ok(())
}

const PFSELFTEST: Command = Command {
    name: "pfselftest",
    summary: "Checks that the sparse and the dense form agree and count right",
    cost: "O(N) for some thousand things",
    since: "2.8.9",
    flags: &[Admin],
    run: Run::Session(pfselftest),
    ..Command::PLAIN
};

fn pfselftest(call: &mut SessionCall<'_>) -> Done {
    let failed = |_| Fail::code("TESTFAILED a HyperLogLog refused an element");
    let (mut sparse, mut dense) = (hll::create(), hll::create());
    hll::make_dense(&mut dense).map_err(failed)?;
    for n in 1..=10_000u32 {
        let element = n.to_be_bytes();
        hll::add(&mut sparse, &element, 3000).map_err(failed)?;
        hll::add(&mut dense, &element, 3000).map_err(failed)?;
        if n % 1000 == 0 {
            let (count, other) = (
                hll::count(&sparse).map_err(failed)?,
                hll::count(&dense).map_err(failed)?,
            );
            // Four standard errors.
            if count != other || count.abs_diff(u64::from(n)) as f64 > f64::from(n) * 0.0325 {
                return Err(Fail::code("TESTFAILED counts are too far off"));
            }
        }
    }
    call.out.ok();
    Ok(Flow::Done)
}
