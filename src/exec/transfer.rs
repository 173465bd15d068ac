//! Keys carried to another server: without locks, or under those of a transaction or a script.

use super::Worker;
use super::role::READONLY;
use super::unit::Unit;
use crate::command::session::Session;
use crate::command::{Carried, CommandEntry, Fail, KeyTransfer};
use crate::engine::{Db, ShardKey, ShardSet};
use crate::journal::Answer;
use crate::resp::Reply;
use crate::state::away::Away;
use crate::types::Bstr;

/// Keys that are to be carried without locks.
pub struct Journey {
    entry: &'static CommandEntry,
    transfer: Box<KeyTransfer>,
}

/// Keys that were carried: what is left to be done here.
pub struct Landing {
    entry: &'static CommandEntry,
    db: usize,
    /// Those that are to be gone.
    keys: Vec<Bstr>,
    done: Option<Result<(), Fail>>,
    _away: Option<Away>,
}

impl Journey {
    pub(super) fn new(entry: &'static CommandEntry, transfer: Box<KeyTransfer>) -> Self {
        Journey { entry, transfer }
    }

    /// Carries the keys, on a thread that may wait.
    pub fn carry(self, db: usize, shared: &crate::state::shared::Shared) -> Landing {
        let Journey { entry, transfer } = self;
        let KeyTransfer {
            mut keys,
            leaves,
            carry,
            away,
        } = *transfer;
        let Carried { moved, done } = carry(shared);
        keep(&mut keys, leaves, &moved);
        Landing {
            entry,
            db,
            keys,
            done: Some(done),
            _away: away,
        }
    }
}

/// Leaves those that have arrived, if they are to be gone from here.
fn keep(keys: &mut Vec<Bstr>, leaves: bool, moved: &[usize]) {
    let mut at = 0;
    keys.retain(|_| {
        at += 1;
        leaves && moved.binary_search(&(at - 1)).is_ok()
    });
}

impl Landing {
    /// Removes keys that have arrived elsewhere, and answers; false if that is still to be done, as a long script holds
    /// them.
    pub fn arrive(&mut self, worker: &Worker, session: &mut Session, out: &mut Answer) -> bool {
        if !self.keys.is_empty() {
            let mut set = ShardSet::EMPTY;
            let keys = self.keys.iter().map(|key| ShardKey::of(key));
            keys.for_each(|key| set.add(key));
            let Ok(mut unit) = worker.begin_write(set) else {
                return false;
            };
            // Its keys are its master's now, which still has what has arrived elsewhere.
            match worker.shared.replication.is_replica() {
                true => {
                    let refused = Err(Fail::code(READONLY));
                    self.done = self.done.take().map(|done| done.and(refused));
                }
                false => see_off(worker, &mut unit, self.db, &self.keys),
            }
            worker.commit(unit, Some(session.client.id), out.depends());
        }
        let out = out.reply();
        let mark = out.mark();
        match self.done.take() {
            Some(Err(fail)) => worker.answer_error(self.entry, &fail, out),
            _ => out.ok(),
        }
        worker.finish_reply(session, mark, out);
        true
    }
}

/// Carries keys at once: the unit that holds them is one step.
pub(super) fn transfer_held(
    worker: &Worker,
    unit: &mut Unit<'_>,
    db: usize,
    transfer: KeyTransfer,
    out: &mut Reply,
) -> Result<(), Fail> {
    let KeyTransfer {
        mut keys,
        leaves,
        carry,
        ..
    } = transfer;
    let Carried { moved, done } = carry(&worker.shared);
    keep(&mut keys, leaves, &moved);
    see_off(worker, unit, db, &keys);
    done.map(|()| out.ok())
}

fn see_off(worker: &Worker, unit: &mut Unit<'_>, db: usize, keys: &[Bstr]) {
    if keys.is_empty() {
        return;
    }
    let rules = worker.present.rules();
    let Unit { locked, effects } = unit;
    let mut db = Db::new(
        locked,
        db,
        worker.present.now(),
        effects,
        &rules,
        false,
        None,
    );
    let mut record = vec![&b"DEL"[..]];
    for key in keys {
        if db.delete(key) {
            record.push(key);
        }
    }
    if record.len() > 1 {
        db.log(&record);
    }
}
