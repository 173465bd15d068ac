//! What a Sentinel shows of its state.

use super::{refused, watching};
use crate::command::{Done, Fail, Flow, SessionCall};
use crate::resp::Reply;
use crate::sentinel::{Fields, PendingScript, Sentinel};

pub const NO_MASTER: Fail = Fail::Says("No such master with that name");

/// The name of a master among the arguments.
pub fn name_of(call: &mut SessionCall<'_>) -> Result<String, Fail> {
    let name = call.args.next()?;
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// Asks the state, as of now.
fn ask<T>(call: &SessionCall<'_>, ask: impl FnOnce(&mut Sentinel) -> T) -> T {
    call.server.in_sentinel(watching(call.server), ask).0
}

fn show(fields: &Fields, out: &mut Reply) {
    out.map(fields.len());
    for (name, value) in fields {
        out.bulk(name);
        out.bulk(value);
    }
}

fn show_all(all: &[Fields], out: &mut Reply) {
    out.array(all.len());
    all.iter().for_each(|fields| show(fields, out));
}

pub fn masters(call: &mut SessionCall<'_>) -> Done {
    let all = ask(call, |sentinel| sentinel.masters());
    show_all(&all, call.out);
    Ok(Flow::Done)
}

pub fn master(call: &mut SessionCall<'_>) -> Done {
    let name = name_of(call)?;
    let fields = ask(call, |sentinel| sentinel.master(&name));
    show(&fields.ok_or(NO_MASTER)?, call.out);
    Ok(Flow::Done)
}

pub fn replicas(call: &mut SessionCall<'_>) -> Done {
    let name = name_of(call)?;
    let all = ask(call, |sentinel| sentinel.replicas(&name));
    show_all(&all.ok_or(NO_MASTER)?, call.out);
    Ok(Flow::Done)
}

pub fn sentinels(call: &mut SessionCall<'_>) -> Done {
    let name = name_of(call)?;
    let all = ask(call, |sentinel| sentinel.sentinels(&name));
    show_all(&all.ok_or(NO_MASTER)?, call.out);
    Ok(Flow::Done)
}

pub fn address(call: &mut SessionCall<'_>) -> Done {
    let name = name_of(call)?;
    match ask(call, |sentinel| sentinel.master_address(&name)) {
        None => call.out.null_array(),
        Some((host, port)) => {
            call.out.array(2);
            call.out.bulk(host);
            call.out.bulk_int(i64::from(port));
        }
    }
    Ok(Flow::Done)
}

pub fn myid(call: &mut SessionCall<'_>) -> Done {
    let id = ask(call, |sentinel| sentinel.id().to_owned());
    call.out.bulk(id);
    Ok(Flow::Done)
}

pub fn ckquorum(call: &mut SessionCall<'_>) -> Done {
    let name = name_of(call)?;
    let checked = ask(call, |sentinel| sentinel.check_quorum(&name));
    let usable = checked.ok_or(NO_MASTER)?.map_err(refused)?;
    call.out.simple(&format!(
        "OK {usable} usable Sentinels. Quorum and failover authorization can be reached"
    ));
    Ok(Flow::Done)
}

pub fn info_cache(call: &mut SessionCall<'_>) -> Done {
    let mut names: Vec<String> = Vec::new();
    for name in call.args.rest() {
        let name = String::from_utf8_lossy(name).into_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let server = call.server;
    let out = &mut *call.out;
    let write = |sentinel: &mut Sentinel| {
        let known = names
            .iter()
            .filter_map(|name| Some((name, sentinel.info_cache(name)?)));
        let known: Vec<_> = known.collect();
        out.array(known.len() * 2);
        for (name, texts) in known {
            out.bulk(name);
            out.array(texts.len());
            for (age_ms, text) in texts {
                out.array(2);
                out.int(age_ms);
                out.bulk_or_null(text);
            }
        }
    };
    server.in_sentinel(watching(server), write);
    Ok(Flow::Done)
}

pub fn pending_scripts(call: &mut SessionCall<'_>) -> Done {
    let scripts = ask(call, |sentinel| sentinel.pending_scripts());
    call.out.array(scripts.len());
    for script in &scripts {
        show_script(script, call.out);
    }
    Ok(Flow::Done)
}

fn show_script(script: &PendingScript, out: &mut Reply) {
    let (state, time) = match script.running {
        true => ("running", "run-time"),
        false => ("scheduled", "run-delay"),
    };
    out.map(5);
    out.bulk("argv");
    out.array(script.argv.len());
    script.argv.iter().for_each(|word| out.bulk(word));
    out.bulk("flags");
    out.bulk(state);
    out.bulk("pid");
    out.bulk_int(i64::from(script.pid));
    out.bulk(time);
    out.bulk_int(script.time_ms);
    out.bulk("retry-num");
    out.bulk_int(i64::from(script.tries));
}
