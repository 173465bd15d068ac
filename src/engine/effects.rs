//! What a unit of work did, beside changing data: filled by edits, read by the one commit.

use super::entry::Entry;
use super::log::UnitLog;
use super::table::Table;
use crate::config::EventClasses;
use crate::search::LiveIndex;
use crate::types::{Bstr, Kind, Value};
use crate::util::crash;

/// Classes of keyspace events, as bits of [`EventClasses`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Class {
    Generic = EventClasses::GENERIC.bits(),
    String = EventClasses::STRING.bits(),
    List = EventClasses::LIST.bits(),
    Set = EventClasses::SET.bits(),
    Hash = EventClasses::HASH.bits(),
    ZSet = EventClasses::ZSET.bits(),
    Stream = EventClasses::STREAM.bits(),
    Module = EventClasses::MODULE.bits(),
    Expired = EventClasses::EXPIRED.bits(),
    Evicted = EventClasses::EVICTED.bits(),
    Miss = EventClasses::KEY_MISS.bits(),
    New = EventClasses::NEW.bits(),
    Overwritten = EventClasses::OVERWRITTEN.bits(),
    TypeChanged = EventClasses::TYPE_CHANGED.bits(),
}

impl Class {
    /// What happens to values of a type.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text => Class::String,
            Kind::List => Class::List,
            Kind::Hash => Class::Hash,
            Kind::Set => Class::Set,
            Kind::ZSet => Class::ZSet,
            Kind::Stream => Class::Stream,
            Kind::VectorSet | Kind::Json | Kind::Suggestions => Class::Module,
        }
    }
}

/// A keyspace event, to be published once the unit is committed.
#[derive(Debug)]
pub struct KeyspaceEvent {
    pub name: &'static str,
    pub db: usize,
    pub key: Bstr,
    /// Of a hash, or members of a set whose deadlines are concerned, if anyone hears of them.
    pub fields: Vec<Bstr>,
}

/// What readers of effects want to know; nothing else is recorded.
#[derive(Clone, Copy, Debug, Default)]
pub struct EffectsWanted {
    /// Classes of events that someone may hear.
    pub events: u32,
    /// Whether the journal has readers.
    pub log: bool,
    /// Whether a client tracks keys, or slots are on their way to another node.
    pub changed: bool,
    /// Whether there are indexes over documents.
    pub indexed: bool,
}

/// What is dropped once no lock is held, on another thread when it is large.
pub enum Garbage {
    Entry(Entry),
    /// A part of a collection.
    Value(Value),
    Table(Table),
    Indexes(Vec<LiveIndex>),
}

impl Garbage {
    /// How many values it is.
    pub fn values(&self) -> u64 {
        match self {
            Garbage::Entry(_) | Garbage::Value(_) => 1,
            Garbage::Table(table) => table.len() as u64,
            Garbage::Indexes(_) => 0,
        }
    }

    /// How many pieces dropping it frees.
    pub fn effort(&self) -> usize {
        match self {
            Garbage::Entry(entry) => entry.value().free_effort(),
            Garbage::Value(value) => value.free_effort(),
            Garbage::Table(table) => table.len(),
            Garbage::Indexes(indexes) => indexes.iter().map(|index| index.docs.len()).sum(),
        }
    }
}

#[derive(Default)]
pub struct Effects {
    pub wanted: EffectsWanted,
    /// A key was taken hold of to be changed, so that memory may differ from the log until this is committed.
    pub touched: bool,
    /// Edits made; what decides whether a command is logged.
    pub dirty: u64,
    /// The command under way may be logged as it was given, so that all that it finds dead must be known.
    pub writes: bool,
    pub events: Vec<KeyspaceEvent>,
    /// Records that replace the command's own arguments in the log.
    pub log: UnitLog,
    /// The handler said what to log: its arguments don't stand for the effect.
    pub rewritten: bool,
    /// Keys changed, for clients that track them.
    pub changed: Vec<Bstr>,
    /// How many of them those have heard of already who had read them.
    pub told: usize,
    /// Keys changed of which clients that track them don't hear.
    pub noted: Vec<Bstr>,
    /// Every key of some database changed.
    pub flushed: bool,
    /// Keys of the first database changed, for indexes over documents.
    pub indexed: Vec<Bstr>,
    /// Any key of that database may have changed, for those.
    pub reindex: bool,
    /// Indexes hold some of what was done here already, of which others are to know nothing yet.
    pub held_back: bool,
    /// An index was made or widened, which is to be built when nothing is locked any more.
    pub build: bool,
    /// Keys with blocked clients that may find something now.
    pub ready: Vec<(usize, Bstr)>,
    /// Values to be dropped once no lock is held.
    pub garbage: Vec<Garbage>,
    /// Deadlines were set, the earliest of them at this time.
    pub earliest_deadline_ms: Option<u64>,
    pub expired: u64,
    pub expired_fields: u64,
    pub evicted: u64,
    /// Read by `hits` and `misses` through a shared borrow.
    pub hits: std::cell::Cell<u64>,
    pub misses: std::cell::Cell<u64>,
    /// Events of keys that readers missed, each with the number of other events that come before it.
    pub missed: std::cell::RefCell<Vec<(usize, KeyspaceEvent)>>,
    /// Dead keys that a command came upon: to be removed by a unit of their own, or before a command is logged that would
    /// find them alive where the log is read.
    pub dead: std::cell::RefCell<Vec<(usize, Bstr)>>,
    /// Hashes and sets of which a command that writes elsewhere wanted parts that are due: these go before it is logged, too.
    pub faded: std::cell::RefCell<Vec<(usize, Bstr)>>,
}

impl Effects {
    #[inline]
    pub fn wants(&self, class: Class) -> bool {
        self.wanted.events & class as u32 != 0
    }

    #[inline]
    pub fn announce(&mut self, class: Class, name: &'static str, db: usize, key: &[u8]) {
        self.announce_fields(class, name, db, key, &[]);
    }

    #[inline]
    pub fn announce_fields(
        &mut self,
        class: Class,
        name: &'static str,
        db: usize,
        key: &[u8],
        fields: &[Bstr],
    ) {
        if self.wants(class) {
            self.events.push(KeyspaceEvent {
                name,
                db,
                key: Bstr::new(key),
                fields: fields.to_vec(),
            });
        }
    }

    /// Whether someone may hear which parts of values change: fields of hashes, members of sets.
    #[inline]
    pub fn wants_parts(&self, class: Class) -> bool {
        self.wants(class) && self.wanted.events & EventClasses::FIELDS.bits() != 0
    }

    /// Announces that another value stands at a key than before.
    pub fn announce_overwritten(&mut self, db: usize, key: &[u8], (before, now): (Kind, Kind)) {
        self.announce(Class::Overwritten, "overwritten", db, key);
        if before != now {
            self.announce(Class::TypeChanged, "type_changed", db, key);
        }
    }

    /// Announces that a reader missed a key, through a shared borrow.
    #[cold]
    pub fn announce_miss(&self, db: usize, key: &[u8]) {
        let event = KeyspaceEvent {
            name: "keymiss",
            db,
            key: Bstr::new(key),
            fields: Vec::new(),
        };
        self.missed.borrow_mut().push((self.events.len(), event));
    }

    /// Whether anything was announced.
    pub fn has_events(&mut self) -> bool {
        !self.events.is_empty() || !self.missed.get_mut().is_empty()
    }

    /// Takes all events, in the order in which they were announced.
    pub fn take_events(&mut self) -> impl Iterator<Item = KeyspaceEvent> {
        let mut missed = self.missed.get_mut().drain(..).peekable();
        let mut others = self.events.drain(..);
        let mut passed = 0;
        std::iter::from_fn(move || {
            if let Some((_, event)) = missed.next_if(|(before, _)| *before <= passed) {
                return Some(event);
            }
            passed += 1;
            others.next()
        })
    }

    /// Drops an entry now if that is quick, else once no lock is held.
    #[inline]
    pub(super) fn discard(&mut self, entry: Entry) {
        if !entry.value().is_one_piece() {
            self.garbage.push(Garbage::Entry(entry));
        }
    }

    /// Logs a command as it was given, if anyone reads the log.
    pub fn record(&mut self, db: usize, argv: &[&[u8]]) {
        if self.wanted.log {
            self.log.push(db, argv);
        }
    }

    /// Lets replicas hear a command that changes no data, if there are any.
    pub fn tell_replicas(&mut self, db: usize, argv: &[&[u8]]) {
        let from = self.log.len();
        self.record(db, argv);
        for record in self.log.records_mut(from) {
            record.reach.log = false;
        }
    }

    pub fn deadline_set(&mut self, deadline_ms: u64) {
        let earliest = self
            .earliest_deadline_ms
            .map_or(deadline_ms, |held| held.min(deadline_ms));
        self.earliest_deadline_ms = Some(earliest);
    }

    /// Nothing happened that anyone else must learn of.
    #[inline]
    pub fn is_quiet(&mut self) -> bool {
        self.dirty == 0
            && !self.flushed
            && self.expired == 0
            && self.expired_fields == 0
            && self.evicted == 0
            && self.garbage.is_empty()
            && self.log.is_empty()
            && !self.has_events()
    }

    /// Empties it for the next unit, keeping its buffers.
    pub fn clear(&mut self) {
        self.touched = false;
        self.dirty = 0;
        self.writes = false;
        self.events.clear();
        self.log.clear();
        self.rewritten = false;
        self.changed.clear();
        self.told = 0;
        self.noted.clear();
        self.flushed = false;
        self.indexed.clear();
        self.reindex = false;
        self.held_back = false;
        self.build = false;
        self.ready.clear();
        self.garbage.clear();
        self.earliest_deadline_ms = None;
        self.expired = 0;
        self.expired_fields = 0;
        self.evicted = 0;
        self.hits.set(0);
        self.misses.set(0);
        self.missed.get_mut().clear();
        self.dead.get_mut().clear();
        self.faded.get_mut().clear();
    }
}

impl Drop for Effects {
    /// Effects that are lost in a panic would leave memory with edits, or a part of a transaction, that neither the log
    /// nor any replica has.
    fn drop(&mut self) {
        if self.touched && std::thread::panicking() {
            crash::end(
                "What panicked had begun to change data: the server ends, so that its memory and its log do not differ.",
            );
        }
    }
}
