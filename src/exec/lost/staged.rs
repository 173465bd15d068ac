//! Keys of slots that come from another node whole: they stand in a database that no client reaches until the slots are this
//! node's, and then move to where clients find them.
//!
//! Log, snapshots and replicas have that database like any other, so that whoever has to go on from what they say knows
//! which keys have come and whose they are not yet. No event tells of what is done here, and nothing of it is evicted.

use crate::cluster::SlotSet;
use crate::engine::{Access, Db, Deadline, Now, ShardKey, ShardSet};
use crate::exec::Worker;
use crate::exec::limit::is_over;
use crate::exec::unit::Unit;
use crate::persist::rdb;
use crate::state::moves::{SentKey, StagedFate};

/// Keys made, moved or deleted under one lock.
const KEYS_AT_A_TIME: usize = 64;
/// So often some keys are evicted to make room for others, before it is given up.
const ROOM_ROUNDS: usize = 256;

/// What a worker does to staged keys.
pub struct Staging<'w>(pub &'w Worker);

impl Staging<'_> {
    /// Stages keys as another node has sent them, and tells log and replicas of it.
    pub fn stage(&self, keys: &[SentKey]) -> Result<(), String> {
        let db = self.staged_db()?;
        self.0.begin_batch();
        if self.0.shared.replication.has_strangers() {
            return Err("a replica has come that is no node of a cluster of this make".to_owned());
        }
        let mut by_shard: Vec<(usize, &SentKey)> = keys
            .iter()
            .map(|key| (ShardKey::of(&key.name).shard(), key))
            .collect();
        by_shard.sort_by_key(|(id, _)| *id);
        let mut staged = Ok(());
        for some in by_shard.chunk_by(|one, other| one.0 == other.0) {
            for few in some.chunks(KEYS_AT_A_TIME) {
                self.make_room()?;
                let mut unit = self.begin_silently(ShardSet::one(few[0].0));
                for (_, key) in few {
                    staged = staged.and_then(|()| self.stage_one(&mut unit, db, key));
                }
                self.commit(unit);
            }
        }
        self.0.end_batch();
        staged
    }

    /// Makes room for a few keys, at the cost of keys that may be evicted: those that are staged may not.
    fn make_room(&self) -> Result<(), String> {
        let (shared, eviction) = (&self.0.shared, &self.0.eviction);
        for _ in 0..ROOM_ROUNDS {
            if !is_over(shared) {
                return Ok(());
            }
            if !matches!(eviction.make_room(self.0), Ok(true)) {
                break;
            }
        }
        Err("there is no memory for the keys".to_owned())
    }

    fn staged_db(&self) -> Result<usize, String> {
        let db = self.0.shared.store.staged_db();
        db.ok_or_else(|| "this node knows no other".to_owned())
    }

    /// Nobody hears of what this unit does, but log and replicas.
    fn begin_silently(&self, set: ShardSet) -> Unit<'_> {
        let mut unit = self.0.begin_write_patiently(set);
        unit.effects.wanted.events = 0;
        unit
    }

    /// Ends such a unit.
    fn commit(&self, unit: Unit<'_>) {
        self.0.commit_alone(unit);
        self.0.shared.note_staged();
    }

    fn stage_one(&self, unit: &mut Unit<'_>, db: usize, key: &SentKey) -> Result<(), String> {
        let bad = || {
            let name = String::from_utf8_lossy(&key.name).into_owned();
            format!("the value of a key is damaged: {name}")
        };
        let (rules, now_ms) = (self.0.present.rules(), self.0.present.now().clock_ms());
        let Unit { locked, effects } = unit;
        let now = Now::Replaying(now_ms);
        let mut db = Db::new(locked, db, now, effects, &rules, false, None);
        if key.payload.is_empty() || key.deadline_ms.is_some_and(|at| at <= now_ms) {
            if db.drop_quietly(&key.name).is_some() {
                db.log(&[b"DEL", &key.name]);
            }
            return Ok(());
        }
        let dumped = rdb::check_dump(&key.payload, false).ok_or_else(bad)?;
        let value = dumped.value(&rules.limits).map_err(|_| bad())?;
        let dialect = self.0.shared.config.rdb_dialect.get().into();
        let rewritten = dumped.for_older(value.as_ref(), dialect);
        let deadline = key.deadline_ms.map_or(Deadline::Clear, Deadline::At);
        let access = Access::fresh(&rules.access, now_ms);
        db.put(&key.name, value.into(), deadline, access);
        let at = key.deadline_ms.unwrap_or(0).to_string();
        let payload = rewritten.as_deref().unwrap_or(&key.payload);
        let words: [&[u8]; 6] = [
            b"RESTORE",
            &key.name,
            at.as_bytes(),
            payload,
            b"REPLACE",
            b"ABSTTL",
        ];
        db.log(&words);
        // RESTORE leaves it as it was.
        if db.bless(&key.name, key.blessed) == Some(true) {
            let word: &[u8] = if key.blessed { b"SET" } else { b"CLEAR" };
            db.log(&[b"BLESS", word, &key.name, b"NO-EVICT"]);
        }
        Ok(())
    }

    /// The slots that keys are staged of.
    pub fn staged_slots(&self) -> SlotSet {
        let Ok(db) = self.staged_db() else {
            return SlotSet::default();
        };
        self.0.begin_batch();
        let all = SlotSet::all();
        let slots = all.iter().filter(|slot| {
            let mut unit = self.begin_silently(shard_of(*slot));
            let (rules, now) = (self.0.present.rules(), self.0.present.now());
            let Unit { locked, effects } = &mut unit;
            let db = Db::new(locked, db, now, effects, &rules, false, None);
            let count = db.count_in_slot(*slot, &|| false);
            self.0.let_go_of(unit);
            count.is_ok_and(|count| count > 0)
        });
        let slots = slots.collect();
        self.0.end_batch();
        slots
    }

    /// Moves staged keys of these slots to where clients find them, or drops them, or leaves them. Returns how many have come.
    pub fn settle_staged(&self, slots: &SlotSet, fate: impl Fn(u16) -> StagedFate) -> usize {
        let Ok(db) = self.staged_db() else {
            return 0;
        };
        let mut landed = 0;
        self.0.begin_batch();
        for slot in slots.iter() {
            let mut fate_now = fate(slot);
            while fate_now != StagedFate::Keep {
                let mut unit = self.begin_silently(shard_of(slot));
                fate_now = fate(slot);
                let some = self.settle_some(&mut unit, db, slot, fate_now);
                self.commit(unit);
                if some == 0 {
                    break;
                }
                landed += some * usize::from(fate_now == StagedFate::Land);
            }
        }
        self.0.end_batch();
        landed
    }

    fn settle_some(&self, unit: &mut Unit<'_>, db: usize, slot: u16, fate: StagedFate) -> usize {
        let (rules, now_ms) = (self.0.present.rules(), self.0.present.now().clock_ms());
        let Unit { locked, effects } = unit;
        // What is due goes once it stands where clients find it.
        let now = Now::Replaying(now_ms);
        let mut db = Db::new(locked, db, now, effects, &rules, false, None);
        let names = db.names_in_slot(slot, KEYS_AT_A_TIME, &|| false);
        let names = names.unwrap_or_default();
        for name in &names {
            match fate {
                StagedFate::Keep => return 0,
                StagedFate::Drop => {
                    db.drop_quietly(name);
                    db.log(&[b"DEL", name]);
                }
                StagedFate::Land => {
                    let Some(taken) = db.take(name) else { continue };
                    let deadline = taken.deadline_ms.map_or(Deadline::Clear, Deadline::At);
                    let mut own = db.other(0);
                    own.put(name, taken.value.into(), deadline, taken.access);
                    own.bless(name, taken.blessed);
                    db.log(&[b"MOVE", name, b"0"]);
                }
            }
        }
        names.len()
    }
}

fn shard_of(slot: u16) -> ShardSet {
    ShardSet::one(ShardKey::shard_of_slot(slot))
}
