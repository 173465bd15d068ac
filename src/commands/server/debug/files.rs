//! DEBUG of files: data that is read back, and jobs that are made to fail.

use super::ok;
use crate::command::{Done, Fail, Flow, Reload, WriteCall};

pub fn reload(call: &mut WriteCall<'_>) -> Done {
    let mut wish = Reload {
        from_log: false,
        save: true,
        flush: true,
        merge: false,
    };
    while !call.args.is_empty() {
        if call.args.word("NOSAVE") {
            wish.save = false;
        } else if call.args.word("NOFLUSH") {
            wish.flush = false;
        } else if call.args.word("MERGE") {
            wish.merge = true;
        } else {
            return Err(Fail::Says(
                "DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
            ));
        }
    }
    Ok(Flow::Reload(wish))
}

pub fn aof_flush_sleep(call: &mut WriteCall<'_>) -> Done {
    let time_us = call.args.positive()?;
    let log = &call.server.store.log;
    log.set_flush_sleep(time_us as u64);
    ok(call)
}

pub fn fail_job(call: &mut WriteCall<'_>) -> Done {
    if !call.server.store.fail_job() {
        return Err(Fail::Says("no snapshot or rewrite is under way"));
    }
    ok(call)
}

pub fn loadaof(_: &mut WriteCall<'_>) -> Done {
    Ok(Flow::Reload(Reload {
        from_log: true,
        save: false,
        flush: true,
        merge: false,
    }))
}
