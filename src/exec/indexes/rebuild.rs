//! Indexes are built from the keys that were read from files, before anybody is served: by several threads.
//!
//! Keys are looked at in rounds. While what one round brought is added to the columns of all indexes, each by one thread, the others
//! read the documents of the next round. So no more than two rounds are held beside the documents and the indexes.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Engine, Locked, Now, Patience, SHARDS, ShardSet, Shards, Table, document_of};
use crate::search::{AddTask, Covered, Definition, Drafted, Searches};
use crate::state::shared::Shared;
use crate::types::{Bstr, ValueRef};
use crate::util::clock::{self, Timer};
use crate::util::memory;
use crate::util::thread::share_out;

/// Documents of a round, at most, and bytes of them, unless one alone has more.
const ROUND_KEYS: usize = 1024;
const ROUND_BYTES: usize = 1 << 20;
/// A thread reads so many of them at once.
const PART_KEYS: usize = 32;
/// Between two lines in the log.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// How far a build has come.
struct BuildPace {
    begun: Timer,
    told: Duration,
    seen: u64,
    total: u64,
}

impl BuildPace {
    /// So many more keys were looked at; what is to be told of it now, if anything: percent.
    fn step(&mut self, keys: usize, now: Duration) -> Option<u64> {
        self.seen += keys as u64;
        let tells = now >= self.told + TELL_EVERY;
        tells.then(|| {
            self.told = now;
            self.seen * 100 / self.total.max(1)
        })
    }
}

/// What one round brings each of the indexes.
type Round = Vec<Vec<Drafted>>;

struct Rebuild<'r> {
    search: &'r Searches,
    definitions: Vec<Arc<Definition>>,
    covered: Arc<Covered>,
    threads: usize,
    now: Now,
    /// What was read and not added yet.
    round: Round,
    progress: BuildPace,
}

/// A key with its value.
type Pair<'t> = (&'t [u8], ValueRef<'t>);

/// A share of the work: to add to a column, or to read some documents.
enum WorkShare<'s> {
    Add(AddTask<'s>),
    Read(&'s [Pair<'s>]),
}

/// Builds all indexes that are to be built; leaves them as they are if the server stops.
pub fn rebuild(shared: &Shared, engine: &Engine) {
    let search = &shared.search;
    let (building, definitions) = {
        let catalog = search.catalog.read();
        (catalog.under_way(), catalog.drafters())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut keys = [0; SHARDS];
    for (id, keys) in keys.iter_mut().enumerate() {
        let shard = engine.lock_one(id, Patience::of_this_thread());
        *keys = shard.table(0).map_or(0, Table::len);
    }
    let mut rebuild = Rebuild {
        search,
        definitions,
        covered: search.covered(),
        threads: shared.about.workers.clamp(1, cores),
        now: Now::Replaying(clock::now_ms()),
        round: Round::new(),
        progress: BuildPace {
            begun: Timer::start(),
            told: Duration::ZERO,
            seen: 0,
            total: keys.iter().sum::<usize>() as u64,
        },
    };
    tracing::info!(
        "Indexes are built: {}, of {} keys, by {} threads.",
        building.len(),
        rebuild.progress.total,
        rebuild.threads
    );
    let stops = || shared.stop.is_cancelled() || shared.store.loading.is_halted();
    for shards in groups(&keys) {
        let mut locked = engine.lock(shards, Patience::of_this_thread());
        rebuild.share_fields(&mut locked);
        rebuild.shards(&locked, &stops);
        if stops() {
            return;
        }
    }
    rebuild.work(&[]);
    let took = rebuild.progress.begun.elapsed();
    let mut catalog = search.catalog.write();
    catalog.built(&building);
    for (name, index) in &mut catalog.indexes {
        index.indexing_ms += took.as_secs_f64() * 1000.0;
        tracing::info!(
            "Index '{}' built: {} documents.",
            String::from_utf8_lossy(name),
            index.docs.len()
        );
    }
    tracing::info!("Indexes were built in {:.3} seconds.", took.as_secs_f64());
}

/// Shards that are locked together, as each of them alone may have too few keys for a round.
fn groups(keys: &[usize; SHARDS]) -> Vec<ShardSet> {
    let mut groups: Vec<(ShardSet, usize)> = Vec::new();
    for (id, keys) in keys.iter().enumerate() {
        match groups.last_mut() {
            Some((group, held)) if *held + keys <= ROUND_KEYS => {
                group.union(ShardSet::one(id));
                *held += keys;
            }
            _ => groups.push((ShardSet::one(id), *keys)),
        }
    }
    groups.into_iter().map(|(group, _)| group).collect()
}

impl Rebuild<'_> {
    /// Has hashes share with their indexes what both hold.
    fn share_fields(&self, locked: &mut Locked<'_>) {
        let catalog = self.search.catalog.read();
        for id in locked.set().iter() {
            let shard = locked.shard_mut(id);
            if shard.table(0).is_none() {
                continue;
            }
            let table = shard.table_mut(0);
            for at in 0..table.len() {
                let key = Bstr::new(table.at(at).key_name());
                if self.covered.covers(&key) {
                    table.share_fields(at, catalog.shared(&key));
                }
            }
        }
    }

    /// Looks at all keys of some shards.
    fn shards(&mut self, locked: &Locked<'_>, stops: &dyn Fn() -> bool) {
        let (mut pairs, mut bytes, mut seen) = (Vec::new(), 0, 0);
        let shards = locked.set().iter().map(|id| locked.held(id));
        for table in shards.filter_map(|shard| shard.table(0)) {
            for at in 0..table.len() {
                let (key, value) = (table.at(at).key_name(), table.at(at).value());
                seen += 1;
                if self.covered.covers(key) {
                    bytes += value.heap_bytes();
                    pairs.push((key, value));
                }
                if pairs.len() == ROUND_KEYS || bytes >= ROUND_BYTES {
                    self.round(&pairs, std::mem::take(&mut seen));
                    if stops() {
                        return;
                    }
                    pairs.clear();
                    bytes = 0;
                }
            }
        }
        self.round(&pairs, seen);
    }

    /// Has a round of documents read, for which so many keys were looked at.
    fn round(&mut self, pairs: &[Pair<'_>], seen: usize) {
        self.work(pairs);
        let now = self.progress.begun.elapsed();
        if let Some(percent) = self.progress.step(seen, now) {
            tracing::info!("Indexes are built: {percent}% of the keys were looked at.");
        }
    }

    /// Reads the documents of a round, and adds those of the one before.
    fn work(&mut self, pairs: &[Pair<'_>]) {
        let round = std::mem::take(&mut self.round);
        let mut catalog = self.search.catalog.write();
        let tasks = catalog.add(round, self.threads);
        let adds = tasks.into_iter().map(WorkShare::Add);
        let reads = pairs.chunks(PART_KEYS).map(WorkShare::Read);
        let shares: Vec<WorkShare<'_>> = adds.chain(reads).collect();
        let done = share_out(self.threads, shares, 1, |share| match share {
            WorkShare::Add(add) => {
                add();
                Round::new()
            }
            WorkShare::Read(pairs) => self.read(pairs),
        });
        drop(catalog);
        self.round.resize_with(self.definitions.len(), Vec::new);
        for part in done {
            for (all, drafted) in self.round.iter_mut().zip(part) {
                all.extend(drafted);
            }
        }
        memory::publish();
    }

    fn read(&self, pairs: &[Pair<'_>]) -> Round {
        let mut round = Round::new();
        for definition in &self.definitions {
            let mut all = Vec::new();
            for (key, value) in pairs.iter().filter(|(key, _)| definition.covers(key)) {
                let (kind, now_ms) = (definition.source, self.now.due_ms());
                document_of(*value, kind, now_ms, &mut |document| {
                    all.extend(Drafted::new(definition, key, document));
                });
            }
            round.push(all);
        }
        round
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_of_few_keys_are_looked_at_together() {
        let mut keys = [10; SHARDS];
        keys[100] = 5000;
        let groups = groups(&keys);
        assert!(groups.len() <= 5, "{groups:?}");
        let all: Vec<usize> = groups.iter().flat_map(|group| group.iter()).collect();
        assert!(all.into_iter().eq(0..SHARDS));
        let large = ShardSet::one(100);
        assert!(groups.contains(&large), "{groups:?}");
    }

    #[test]
    fn progress_is_told_every_few_seconds() {
        let mut progress = BuildPace {
            begun: Timer::start(),
            told: Duration::ZERO,
            seen: 0,
            total: 1000,
        };
        let seconds = Duration::from_secs_f64;
        let told: Vec<Option<u64>> = [0.1, 4.9, 5.0, 5.1, 9.9, 10.2, 30.0]
            .map(|now| progress.step(100, seconds(now)))
            .into();
        let wanted = [None, None, Some(30), None, None, Some(60), Some(70)];
        assert_eq!(told, wanted);
    }
}
