//! Keys with deadlines that clients wrote into a writable replica: no master will ever remove them, so it does so itself.

use super::Worker;
use super::find::find;
use super::sweep::Sweep;
use super::unit::Unit;
use crate::engine::{Db, Effects, Place, ShardKey, ShardSet, Shards};
use crate::resp::{Codec, ProtoLimits, Request};
use crate::types::Bstr;

impl Worker {
    /// Remembers the keys of a client's records. This is a replica.
    #[cold]
    pub(super) fn note_own_keys(&self, effects: &Effects) {
        let mut own = self.shared.replication.own_keys.lock();
        let limits = ProtoLimits {
            bulk_max: u64::MAX,
            authenticated: true,
        };
        for (record, bytes) in effects.log.whole().iter() {
            let mut request = Request::default();
            if !matches!(
                Codec::default().next(bytes, &limits, &mut request),
                Ok(true)
            ) {
                continue;
            }
            let argv: Vec<&[u8]> = request.args(bytes).collect();
            if let Ok(entry) = find(self.registry, &argv) {
                entry.each_key(&argv, |at| {
                    own.insert((record.db, Bstr::new(argv[at])));
                });
            }
        }
    }
}

impl Sweep<'_> {
    /// Removes those whose time has come, and forgets those that will not die.
    pub(super) fn own_keys(&self) {
        let replication = &self.0.shared.replication;
        let keys: Vec<Place> = replication.own_keys.lock().iter().cloned().collect();
        for place in keys {
            let (db, key) = &place;
            let at = ShardKey::of(key);
            let mut unit = self.0.begin_write_patiently(ShardSet::of(at));
            let shard = unit.locked.shard_mut(at.shard());
            shard.expire_now(*db, key, self.0.now_ms(), &mut unit.effects);
            let lives = {
                let (rules, now) = (self.0.present.rules(), self.0.present.now());
                let Unit { locked, effects } = &mut unit;
                let view = Db::new(locked, *db, now, effects, &rules, false, None);
                view.deadline(key).flatten().is_some()
            };
            if !lives {
                replication.own_keys.lock().remove(&place);
            }
            self.0.commit_alone(unit);
        }
    }
}
