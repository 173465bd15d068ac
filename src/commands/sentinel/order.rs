//! What a Sentinel is told to do.

use super::look::{NO_MASTER, name_of};
use super::{refused, watching};
use crate::command::{Done, Fail, Flow, KeyTransfer, SessionCall};
use crate::sentinel::{LOG_LEVEL, Sentinel, settings_of};
use crate::state::sentinel::is_program;
use crate::state::shared::Shared;
use crate::util::dial::look_up;

/// Gives an order; fails as well where the file has to be written and can't be.
fn give<T>(
    server: &Shared,
    order: impl FnOnce(&mut Sentinel) -> Result<T, Fail>,
) -> Result<T, Fail> {
    let (given, saved) = server.in_sentinel(watching(server), order);
    let given = given?;
    match saved {
        true => Ok(given),
        false => Err(Fail::Says("Failed to save config file. Check server logs.")),
    }
}

/// Gives an order, and answers.
fn ordered(
    call: &mut SessionCall<'_>,
    order: impl FnOnce(&mut Sentinel) -> Result<(), Fail>,
) -> Done {
    give(call.server, order)?;
    call.out.ok();
    Ok(Flow::Done)
}

pub fn monitor(call: &mut SessionCall<'_>) -> Done {
    let name = name_of(call)?;
    let host = name_of(call)?;
    let port = call.args.next()?;
    let quorum = call.args.int_or(Fail::Says("Invalid quorum"))?;
    let port = crate::util::number::parse_i64(port).ok_or(Fail::Says("Invalid port"))?;
    let is_unknown = |sentinel: &Sentinel| sentinel.is_unknown_host(&host);
    if !watching(call.server).look(is_unknown) {
        return ordered(call, |sentinel| {
            let watched = sentinel.monitor(&name, &host, port, quorum);
            watched.map_err(refused)
        });
    }
    // A name server may take its time.
    Ok(KeyTransfer::of_none(move |server| {
        let ip = look_up(&host);
        give(server, |sentinel| {
            sentinel.learn(&host, ip);
            let watched = sentinel.monitor(&name, &host, port, quorum);
            watched.map_err(refused)
        })
    }))
}

pub fn remove(call: &mut SessionCall<'_>) -> Done {
    let name = name_of(call)?;
    ordered(call, |sentinel| match sentinel.unmonitor(&name) {
        true => Ok(()),
        false => Err(NO_MASTER),
    })
}

pub fn reset(call: &mut SessionCall<'_>) -> Done {
    let pattern = call.args.next()?;
    let reset = |sentinel: &mut Sentinel| sentinel.reset(pattern);
    let (count, _) = call.server.in_sentinel(watching(call.server), reset);
    call.out.count(count);
    Ok(Flow::Done)
}

pub fn failover(call: &mut SessionCall<'_>) -> Done {
    let name = name_of(call)?;
    ordered(call, |sentinel| {
        let begun = sentinel.force_failover(&name).ok_or(NO_MASTER)?;
        begun.map_err(refused)
    })
}

pub fn flushconfig(call: &mut SessionCall<'_>) -> Done {
    ordered(call, |sentinel| {
        sentinel.flush();
        Ok(())
    })
}

pub fn set(call: &mut SessionCall<'_>) -> Done {
    let name = name_of(call)?;
    let words = call.args.rest();
    let config = &call.server.config;
    ordered(call, |sentinel| {
        let set = sentinel.set(&name, words, &|path| is_program(config, path));
        set.ok_or(NO_MASTER)?.map_err(refused)
    })
}

pub fn is_master_down(call: &mut SessionCall<'_>) -> Done {
    let host = name_of(call)?;
    let (port, epoch) = (call.args.int()?, call.args.int()?);
    let candidate = name_of(call)?;
    // Below zero there is none.
    let epoch = epoch.max(0) as u64;
    let ask = |sentinel: &mut Sentinel| sentinel.is_master_down(&host, port, epoch, &candidate);
    let ((is_down, leader, leader_epoch), _) = call.server.in_sentinel(watching(call.server), ask);
    call.out.array(3);
    call.out.int(i64::from(is_down));
    call.out.bulk(leader.as_deref().unwrap_or("*"));
    call.out.int(leader_epoch as i64);
    Ok(Flow::Done)
}

pub fn config(call: &mut SessionCall<'_>) -> Done {
    let config = &call.server.config;
    match call.args.rest() {
        [set, words @ ..] if set.eq_ignore_ascii_case(b"set") => {
            let pairs = settings_of(words).map_err(refused)?;
            let is_level = |option: &[u8]| option.eq_ignore_ascii_case(LOG_LEVEL.as_bytes());
            let level = pairs.iter().find(|(option, _)| is_level(option));
            ordered(call, |sentinel| {
                sentinel.set_settings(&pairs).map_err(refused)?;
                if let Some((_, level)) = level {
                    let set = config.set_many(&[(LOG_LEVEL.as_bytes(), level)], true);
                    set.map_err(|why| Fail::said(why.to_string()))?;
                }
                Ok(())
            })
        }
        [get, patterns @ ..] if get.eq_ignore_ascii_case(b"get") => {
            let level = config.get_text(LOG_LEVEL.as_bytes()).unwrap_or_default();
            let show = |sentinel: &Sentinel| sentinel.settings(patterns, &level);
            let settings = watching(call.server).look(show);
            call.out.map(settings.len());
            for (name, value) in settings {
                call.out.bulk(name);
                call.out.bulk(value);
            }
            Ok(Flow::Done)
        }
        _ => Err(Fail::Says(
            "Only SENTINEL CONFIG GET <param> [<param> <param> ...] / SET <param> <value> [<param> <value> ...] are supported.",
        )),
    }
}

pub fn debug(call: &mut SessionCall<'_>) -> Done {
    let words = call.args.rest();
    if !words.is_empty() {
        return ordered(call, |sentinel| {
            sentinel.set_periods(words).map_err(refused)
        });
    }
    let show = |sentinel: &mut Sentinel| sentinel.periods();
    let (periods, _) = call.server.in_sentinel(watching(call.server), show);
    call.out.map(periods.len());
    for (name, period_ms) in periods {
        call.out.bulk(name);
        call.out.bulk_int(period_ms);
    }
    Ok(Flow::Done)
}

pub fn simulate(call: &mut SessionCall<'_>) -> Done {
    let (mut after_election, mut after_promotion) = (false, false);
    let mut help = false;
    let mut unknown = false;
    for word in call.args.rest() {
        match word.to_ascii_lowercase().as_slice() {
            b"crash-after-election" => after_election = true,
            b"crash-after-promotion" => after_promotion = true,
            b"help" => help = true,
            _ => unknown = true,
        }
        if help || unknown {
            break;
        }
    }
    let simulate = |sentinel: &mut Sentinel| sentinel.simulate(after_election, after_promotion);
    call.server.in_sentinel(watching(call.server), simulate);
    if unknown {
        return Err(Fail::Says("Unknown failure simulation specified"));
    }
    if !help {
        call.out.ok();
        return Ok(Flow::Done);
    }
    call.out.array(2);
    call.out.bulk("crash-after-election");
    call.out.bulk("crash-after-promotion");
    Ok(Flow::Done)
}
