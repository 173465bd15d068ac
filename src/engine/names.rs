//! Walks over the names of a database, as they were at one moment, while edits go on.
//!
//! At that moment each table notes how many entries it has: those are to be visited, from the last one down. New
//! keys stand behind them. A removal hands the name over, if it was still to be visited, and fills its place so that what
//! is still to be visited stays in front and all else behind. So it takes no mark on an entry, and
//! there may be several walks at a time. Writers pay for it only in a table that is being walked over.
//!
//! # What it costs, and why it is no snapshot
//!
//! A snapshot marks each entry by one bit, so there can be one at a time, and each key that is edited meanwhile is copied out
//! with its value. KEYS would then wait for the BGSAVE or the full sync under way, and they for it, and two clients' KEYS for
//! each other. A walk needs the names alone, and any number of walks go on beside a snapshot. What it takes instead:
//!
//! - memory: nothing for a key; 24 bytes for a table, and some 64 more while a walk is under way in it;
//! - instructions: two in each SET, removal and change of a deadline, which compare and jump where no walk is;
//! - locks, counted by callgrind over a million keys, with a pattern that matches none: all shards are held together for
//!   100,000 instructions as it begins, however many keys there are, and then one shard at a time for 95,000, which are
//!   [`STEP`] names. The longest pause of other clients stands in `benches/README.md`.

use std::sync::Arc;

use hashbrown::HashSet;
use smallvec::SmallVec;

use super::Engine;
use super::course::{Course, Ground};
use super::effects::Garbage;
use super::place::SHARDS;
use super::shard::Shard;
use super::shard_set::ShardSet;
use super::table::Table;
use crate::types::{Bstr, Keyed};
use crate::util::ranked::Mutex;

/// Entries visited under one lock, in some 50 microseconds.
const STEP: usize = if cfg!(test) { 5 } else { 512 };
/// Entries whose keys are called into the cache at the same time.
const WARM: usize = 16;

impl Table {
    /// Whether a walk needs the table though it be flushed.
    pub(super) fn is_walked(&self) -> bool {
        self.courses.iter().any(Course::is_wanted)
    }

    fn forget_courses(&mut self, keep: impl Fn(&Course) -> bool) {
        self.courses.retain(keep);
        if self.courses.is_empty() {
            self.courses = Vec::new();
        }
    }

    /// The entry at `pos` is about to go: its name is handed to all walks that were still to visit it. Returns the
    /// positions that [`crate::types::Dense::remove_through`] shall stop at.
    pub(super) fn pass_by(&mut self, pos: usize) -> SmallVec<[usize; 4]> {
        self.forget_courses(Course::is_wanted);
        let mut courses = std::mem::take(&mut self.courses);
        courses.sort_unstable_by_key(|course| course.below);
        let mut stops = SmallVec::new();
        for course in &mut courses {
            if pos >= course.below {
                continue;
            }
            course.below -= 1;
            let stop = course.below;
            if stop > pos && stops.last() != Some(&stop) {
                stops.push(stop);
            }
            let name = self.at(pos).key_name();
            if !course.settled.remove(name)
                && let Some(ground) = course.ground.upgrade()
                && self.is_live(pos, ground.at_ms)
            {
                ground.handed.lock().push(Bstr::new(name));
            }
        }
        self.courses = courses;
        stops
    }

    /// The deadline of the entry at `pos` is about to change. If that would tell another tale of the moment when a walk
    /// began, as on a replica, which hides dead keys only, then what is true of it is put on record first.
    #[cold]
    pub(super) fn settle(&mut self, pos: usize, deadline_ms: Option<u64>) {
        let mut courses = std::mem::take(&mut self.courses);
        for course in courses.iter_mut().filter(|course| pos < course.below) {
            let Some(ground) = course.ground.upgrade() else {
                continue;
            };
            let was_live = self.is_live(pos, ground.at_ms);
            let is_live = deadline_ms.is_none_or(|deadline_ms| deadline_ms > ground.at_ms);
            let name = self.at(pos).key_name();
            if was_live != is_live && course.settled.insert(Bstr::new(name)) && was_live {
                ground.handed.lock().push(Bstr::new(name));
            }
        }
        self.courses = courses;
    }

    /// Visits the next few names, downwards; whether those were all.
    fn go_on(&mut self, ground: &Arc<Ground>, visit: &mut dyn FnMut(&[u8])) -> bool {
        let at = self.courses.iter().position(|course| course.is_of(ground));
        let at = at.expect("the walk has a course here");
        let Course { below, settled, .. } = &self.courses[at];
        let mut top = *below;
        let end = top.saturating_sub(STEP);
        while top > end {
            let from = end.max(top.saturating_sub(WARM));
            let warm = (from..top).fold(0, |sum, pos| sum ^ self.at(pos).warm());
            std::hint::black_box(warm);
            for pos in (from..top).rev() {
                let name = self.at(pos).key_name();
                let is_settled = !settled.is_empty() && settled.contains(name);
                if !is_settled && self.is_live(pos, ground.at_ms) {
                    visit(name);
                }
            }
            top = from;
        }
        self.courses[at].below = end;
        if end == 0 {
            self.forget_courses(|course| !course.is_of(ground));
        }
        end == 0
    }
}

impl Shard {
    /// Goes on with a walk; whether it is through here.
    fn walk_names(
        &mut self,
        ground: &Arc<Ground>,
        visit: &mut dyn FnMut(&[u8]),
        garbage: &mut Vec<Garbage>,
    ) -> bool {
        // It may have been flushed, or swapped with another. One that isn't there had nothing more to visit.
        let mut tables = self.every_table_mut();
        let walked = tables.find(|table| table.courses.iter().any(|course| course.is_of(ground)));
        let Some(table) = walked else {
            return true;
        };
        let is_through = table.go_on(ground, visit);
        drop(tables);
        if is_through {
            self.let_parted_go(garbage);
        }
        is_through
    }

    fn forget_walk(&mut self, ground: &Arc<Ground>, garbage: &mut Vec<Garbage>) {
        for table in self.every_table_mut() {
            table.forget_courses(|course| !course.is_of(ground));
        }
        self.let_parted_go(garbage);
    }

    /// Gives up the flushed tables that no walk needs any more.
    fn let_parted_go(&mut self, garbage: &mut Vec<Garbage>) {
        let gone = self.parted.extract_if(.., |table| !table.is_walked());
        garbage.extend(gone.map(Garbage::Table));
        if self.parted.is_empty() {
            self.parted = Vec::new();
        }
    }
}

/// How far a walk has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walked {
    /// There is more.
    On,
    /// A shard is held by others for longer than one may wait.
    Held,
    /// All names were visited.
    Through,
}

/// A walk over the names that were there when it began, each of which it visits once.
pub struct NameWalk {
    ground: Arc<Ground>,
    /// Shards below this one are done.
    shard: usize,
    /// Names that were handed over and are still to be visited.
    handed: Vec<Bstr>,
    /// To be dropped once nothing is locked.
    pub garbage: Vec<Garbage>,
}

impl NameWalk {
    pub(super) fn new(at_ms: u64) -> Self {
        let handed = Mutex::default();
        NameWalk {
            ground: Arc::new(Ground { at_ms, handed }),
            shard: 0,
            handed: Vec::new(),
            garbage: Vec::new(),
        }
    }

    /// Takes part of one database, in the moment when all are locked.
    pub(super) fn join(&mut self, shard: &mut Shard, db: usize) {
        if !shard.parted.is_empty() {
            shard.let_parted_go(&mut self.garbage);
        }
        if shard.table(db).is_none_or(Table::is_empty) {
            return;
        }
        let table = shard.table_mut(db);
        table.forget_courses(Course::is_wanted);
        table.courses.reserve_exact(1);
        table.courses.push(Course {
            ground: Arc::downgrade(&self.ground),
            below: table.len(),
            settled: HashSet::new(),
        });
    }

    /// Visits the next few names, under one short lock.
    pub fn go_on(
        &mut self,
        engine: &Engine,
        give_up: &dyn Fn() -> bool,
        visit: &mut dyn FnMut(&[u8]),
    ) -> Walked {
        if self.handed.is_empty() {
            std::mem::swap(&mut self.handed, &mut self.ground.handed.lock());
        }
        if !self.handed.is_empty() {
            let rest = self.handed.len().saturating_sub(STEP);
            self.handed.drain(rest..).for_each(|name| visit(&name));
            return Walked::On;
        }
        if self.shard == SHARDS {
            // No table has a course of it any more, so nothing will be handed over.
            return Walked::Through;
        }
        let Some(mut locked) = engine.lock_unless(ShardSet::one(self.shard), give_up) else {
            return Walked::Held;
        };
        let Self {
            ground, garbage, ..
        } = self;
        let mut is_through = false;
        locked.each(|shard| is_through = shard.walk_names(ground, visit, garbage));
        self.shard += usize::from(is_through);
        Walked::On
    }

    /// Gives the walk up: nothing is kept for it any more. What others hold for too long is met later.
    pub fn leave(&mut self, engine: &Engine, give_up: &dyn Fn() -> bool) {
        for shard in self.shard..SHARDS {
            let Some(mut locked) = engine.lock_unless(ShardSet::one(shard), give_up) else {
                break;
            };
            locked.each(|shard| shard.forget_walk(&self.ground, &mut self.garbage));
        }
        self.shard = SHARDS;
        self.ground.handed.lock().clear();
        self.handed.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeSet;

    use fastrand::Rng;

    use super::*;
    use crate::engine::{Db, Deadline, Effects, Locked, New, Now, Patience, Rules, Snapshot};
    use crate::types::{Piece, Text};

    /// Two databases, and a clock that goes on.
    #[derive(Default)]
    struct World {
        engine: Engine,
        now_ms: Cell<u64>,
        rules: Rules,
    }

    /// A walk, what it has found, and what it shall.
    struct Watched {
        walk: NameWalk,
        found: Vec<Bstr>,
        expected: BTreeSet<Bstr>,
    }

    fn key(rng: &mut Rng) -> Vec<u8> {
        format!("key:{}", rng.u32(0..6000)).into_bytes()
    }

    fn names(db: &Db<'_>) -> BTreeSet<Bstr> {
        let mut names = BTreeSet::new();
        db.visit(|entry, _| assert!(names.insert(Bstr::new(entry.key_name()))));
        names
    }

    impl World {
        /// Under all locks. As a master's stream is followed, or a log replayed, dead keys are not removed.
        fn with<T>(&self, index: usize, obeys: bool, act: impl FnOnce(&mut Db<'_>) -> T) -> T {
            let mut locked: Locked<'_> =
                self.engine.lock(ShardSet::ALL, Patience::of_this_thread());
            let mut effects = Effects::default();
            let now = match obeys {
                true => Now::Replaying(self.now_ms.get()),
                false => Now::Live(self.now_ms.get()),
            };
            let rules = &self.rules;
            act(&mut Db::new(
                &mut locked,
                index,
                now,
                &mut effects,
                rules,
                false,
                None,
            ))
        }

        fn edit(&self, rng: &mut Rng) {
            let now_ms = self.now_ms.get() + u64::from(rng.u8(..) == 0);
            self.now_ms.set(now_ms);
            let (index, obeys) = (rng.usize(0..2), rng.bool());
            let (one, other) = (key(rng), key(rng));
            let deadline = match rng.u8(0..4) {
                0 => Deadline::Keep,
                1 => Deadline::Clear,
                _ => Deadline::At((now_ms + rng.u64(0..20)).saturating_sub(5)),
            };
            let at_ms = match deadline {
                Deadline::At(at_ms) => Some(at_ms),
                _ => None,
            };
            match rng.u16(0..2000) {
                0 => drop(self.with(index, obeys, |db| db.flush())),
                1 | 2 => self.with(index, obeys, |db| db.swap(0, 1)),
                3..10 => {
                    let mut locked = self.engine.lock(ShardSet::ALL, Patience::of_this_thread());
                    let (mut effects, mut late) = (Effects::default(), Vec::new());
                    locked.each(|shard| shard.sweep(now_ms, 1000, &mut effects, &mut late));
                }
                10..700 => self.with(index, obeys, |db| {
                    db.set(&one, New::text(b"1"), deadline);
                }),
                700..1100 => drop(self.with(index, obeys, |db| db.delete(&one))),
                1100..1500 => drop(self.with(index, obeys, |db| db.set_deadline(&one, at_ms))),
                1500..1600 => self.with(index, obeys, |db| {
                    if let Ok(Some(mut edit)) = db.edit::<Text>(&one) {
                        edit.set(Piece::Bytes(&[b'x'; 100]));
                        edit.announce("set");
                    }
                }),
                _ => self.with(index, obeys, |db| {
                    let to = rng.usize(0..2);
                    if let Some(taken) = db.take(&one) {
                        let deadline = taken.deadline_ms.map_or(Deadline::Clear, Deadline::At);
                        db.other(to)
                            .put(&other, taken.value.into(), deadline, taken.access);
                    }
                }),
            }
        }

        fn begin(&self, index: usize) -> Watched {
            self.with(index, false, |db| Watched {
                walk: db.walk_names(),
                found: Vec::new(),
                expected: names(db),
            })
        }

        fn parted(&self) -> usize {
            let mut parted = 0;
            self.engine
                .lock(ShardSet::ALL, Patience::of_this_thread())
                .each(|shard| {
                    parted += shard.parted.len();
                    assert!(shard.every_table_mut().all(|table| !table.is_walked()));
                });
            parted
        }
    }

    #[test]
    fn a_walk_finds_the_names_of_its_moment_whatever_happens_meanwhile() {
        let mut left = 0;
        for seed in 0..9 {
            let mut rng = Rng::with_seed(seed);
            let world = World {
                now_ms: Cell::new(1000),
                ..World::default()
            };
            let edits = if seed % 3 == 0 { 40 } else { 3 };
            (0..9000).for_each(|_| world.edit(&mut rng));
            let (mut walks, mut finished): (Vec<Watched>, _) = (Vec::new(), 0);
            while finished < 15 {
                if walks.len() < 4 && rng.u8(..) < 2 {
                    walks.push(world.begin(rng.usize(0..2)));
                }
                for _ in 0..rng.u32(0..edits) {
                    world.edit(&mut rng);
                }
                if walks.is_empty() {
                    continue;
                }
                let at = rng.usize(0..walks.len());
                let Watched { walk, found, .. } = &mut walks[at];
                let mut visit = |name: &[u8]| found.push(Bstr::new(name));
                let walked = walk.go_on(&world.engine, &|| false, &mut visit);
                if walked == Walked::Through {
                    let Watched {
                        found, expected, ..
                    } = walks.swap_remove(at);
                    let names: BTreeSet<Bstr> = found.iter().cloned().collect();
                    assert_eq!(names.len(), found.len(), "seed {seed}: named twice");
                    assert!(
                        names == expected,
                        "seed {seed}: {:?}",
                        names.symmetric_difference(&expected)
                    );
                    finished += 1;
                } else if rng.u16(0..1500) == 0 {
                    let mut given_up = walks.swap_remove(at);
                    if rng.bool() {
                        given_up.walk.leave(&world.engine, &|| false);
                    }
                    left += 1;
                }
            }
            for mut rest in walks {
                rest.walk.leave(&world.engine, &|| false);
            }
            // What was just dropped goes when the next one begins.
            drop(world.begin(0));
            assert_eq!(world.parted(), 0);
            for index in [0, 1] {
                world.with(index, false, |db| {
                    let names = names(db);
                    assert!(names.iter().all(|name| db.exists(name)));
                });
            }
        }
        assert!(left > 0, "none was given up");
    }

    #[test]
    fn a_snapshot_and_a_walk_do_not_disturb_each_other() {
        for seed in 0..6 {
            let mut rng = Rng::with_seed(seed);
            let world = World {
                now_ms: Cell::new(1000),
                ..World::default()
            };
            (0..9000).for_each(|_| world.edit(&mut rng));
            let mut walk = world.begin(0);
            let expected = [0, 1].map(|index| world.with(index, true, |db| names(db)));
            let mut snapshot =
                Snapshot::begin(&world.engine, &|| false, || {}).expect("nobody holds a shard");
            let mut saved = [BTreeSet::new(), BTreeSet::new()];
            let mut walked = Walked::On;
            loop {
                (0..rng.u32(0..30)).for_each(|_| world.edit(&mut rng));
                if rng.bool() && walked != Walked::Through {
                    let mut visit = |name: &[u8]| walk.found.push(Bstr::new(name));
                    walked = walk.walk.go_on(&world.engine, &|| false, &mut visit);
                    continue;
                }
                match snapshot.next(20) {
                    Some(keys) => keys.into_iter().for_each(|saved_key| {
                        let is_new = saved[saved_key.db].insert(saved_key.key);
                        assert!(is_new, "seed {seed}: saved twice");
                    }),
                    None if walked == Walked::Through => break,
                    None => {}
                }
            }
            assert!(saved == expected, "seed {seed}");
            let found: BTreeSet<Bstr> = walk.found.iter().cloned().collect();
            assert_eq!(found.len(), walk.found.len(), "seed {seed}: named twice");
            assert!(found == walk.expected, "seed {seed}");
            assert_eq!(world.parted(), 0);
        }
    }
}
