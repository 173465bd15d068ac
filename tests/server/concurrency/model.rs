//! The few commands of the concurrency rounds, as plain sequential code.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;

/// A command of a round. Keys are numbers; the round gives them names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    Get(u8),
    Set(u8, i64),
    Incr(u8),
    MGet(Vec<u8>),
    MSet(Vec<(u8, i64)>),
    Rename(u8, u8),
    /// MULTI, DECRBY of the first, INCRBY of the second, EXEC.
    Transfer(u8, u8, i64),
    RPush(u8, i64),
    /// From the left end of the first to the right end of the second.
    LMove(u8, u8),
    /// Null when nothing came in time.
    BLPop(u8),
    LRange(u8),
    SAdd(u8, i64),
    SRem(u8, i64),
    SMembers(u8),
    SInterStore(u8, u8, u8),
    /// A document of this number, in the place of what the key was.
    Put(u8, i64),
    Del(u8),
    /// A search for documents of one kind whose numbers are within these.
    Find(Way, Source, i64, i64),
    /// Two documents of one number in one step, and a search for that number behind each.
    PutTwo(Step, Source, i64),
}

/// What a document is: keys of even numbers are hashes, the others JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Hash,
    Json,
}

impl Source {
    pub fn of(key: u8) -> Source {
        match key.is_multiple_of(2) {
            true => Source::Hash,
            false => Source::Json,
        }
    }

    /// The keys of two documents of this kind.
    pub fn keys(self) -> [u8; 2] {
        match self {
            Source::Hash => [0, 2],
            Source::Json => [1, 3],
        }
    }
}

/// How a search asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a range of numbers.
    Number,
    /// By words, one for each number.
    Word,
    /// By tags, one for each number.
    Tag,
    /// For the nearest vectors, which are as far away as the numbers say.
    Nearest,
    /// By FT.AGGREGATE, which reads the numbers from the documents.
    Rows,
}

/// How several commands become one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Multi,
    Script,
}

impl Act {
    /// Whether a command with this answer left every key as it was, wherever in the order it
    /// stands. (SINTERSTORE with nothing to store is none of these: it removes its target.)
    pub fn only_looked(&self, told: &Told) -> bool {
        match self {
            Act::Get(_) | Act::MGet(_) | Act::LRange(_) | Act::SMembers(_) | Act::Find(..) => true,
            Act::SAdd(..) | Act::SRem(..) | Act::Del(_) => told[0] == Some(0),
            Act::LMove(..) | Act::BLPop(_) | Act::Rename(..) => told.as_slice() == [None],
            _ => false,
        }
    }
}

/// What a command answered: its numbers, in order; sets sorted. Null has no number. A search tells how many documents it has
/// found, and of each, in the order of their keys, its key and its number.
pub type Told = Vec<Option<i64>>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Held {
    Number(i64),
    List(VecDeque<i64>),
    Set(BTreeSet<i64>),
    Document(i64),
}

/// All keys of a round.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Model(BTreeMap<u8, Held>);

impl Model {
    /// Runs the command; the answer is what a server that does one thing at a time would tell.
    pub fn run(&mut self, act: &Act) -> Told {
        match act {
            Act::Get(key) => vec![self.number(*key)],
            Act::Set(key, value) => {
                self.0.insert(*key, Held::Number(*value));
                vec![]
            }
            Act::Incr(key) => vec![Some(self.add(*key, 1))],
            Act::MGet(keys) => keys.iter().map(|key| self.number(*key)).collect(),
            Act::MSet(pairs) => {
                for (key, value) in pairs {
                    self.0.insert(*key, Held::Number(*value));
                }
                vec![]
            }
            Act::Rename(from, to) => match self.0.remove(from) {
                Some(held) => {
                    self.0.insert(*to, held);
                    vec![]
                }
                None => vec![None],
            },
            Act::Transfer(from, to, amount) => {
                vec![Some(self.add(*from, -amount)), Some(self.add(*to, *amount))]
            }
            Act::RPush(key, value) => {
                let list = self.list(*key);
                list.push_back(*value);
                vec![Some(list.len() as i64)]
            }
            Act::LMove(from, to) => {
                let moved = self.pop(*from);
                if let Some(value) = moved {
                    self.list(*to).push_back(value);
                }
                vec![moved]
            }
            Act::BLPop(key) => vec![self.pop(*key)],
            Act::LRange(key) => match self.0.get(key) {
                Some(Held::List(list)) => list.iter().copied().map(Some).collect(),
                _ => vec![],
            },
            Act::SAdd(key, value) => {
                let set = self
                    .0
                    .entry(*key)
                    .or_insert_with(|| Held::Set(BTreeSet::new()));
                let Held::Set(set) = set else {
                    panic!("{key} is no set")
                };
                vec![Some(i64::from(set.insert(*value)))]
            }
            Act::SRem(key, value) => {
                let mut set = self.set(*key);
                let removed = set.remove(value);
                self.put_set(*key, set);
                vec![Some(i64::from(removed))]
            }
            Act::SMembers(key) => self.set(*key).into_iter().map(Some).collect(),
            Act::SInterStore(to, a, b) => {
                let both: BTreeSet<i64> = &self.set(*a) & &self.set(*b);
                let len = both.len() as i64;
                self.put_set(*to, both);
                vec![Some(len)]
            }
            Act::Put(key, number) => {
                self.0.insert(*key, Held::Document(*number));
                vec![]
            }
            Act::Del(key) => vec![Some(i64::from(self.0.remove(key).is_some()))],
            Act::Find(_, source, from, to) => self.found(*source, *from..=*to),
            Act::PutTwo(_, source, number) => {
                let mut told = Told::new();
                for key in source.keys() {
                    self.0.insert(key, Held::Document(*number));
                    told.extend(self.found(*source, *number..=*number));
                }
                told
            }
        }
    }

    fn found(&self, source: Source, range: RangeInclusive<i64>) -> Told {
        let documents = self.0.iter().filter_map(|(key, held)| match held {
            Held::Document(number) if Source::of(*key) == source && range.contains(number) => {
                Some([Some(i64::from(*key)), Some(*number)])
            }
            _ => None,
        });
        let pairs: Told = documents.flatten().collect();
        let count = pairs.len() as i64 / 2;
        [vec![Some(count)], pairs].concat()
    }

    fn number(&self, key: u8) -> Option<i64> {
        match self.0.get(&key) {
            Some(Held::Number(number)) => Some(*number),
            _ => None,
        }
    }

    fn add(&mut self, key: u8, amount: i64) -> i64 {
        let sum = self.number(key).unwrap_or(0) + amount;
        self.0.insert(key, Held::Number(sum));
        sum
    }

    fn list(&mut self, key: u8) -> &mut VecDeque<i64> {
        match self
            .0
            .entry(key)
            .or_insert_with(|| Held::List(VecDeque::new()))
        {
            Held::List(list) => list,
            other => panic!("{key} is no list: {other:?}"),
        }
    }

    fn pop(&mut self, key: u8) -> Option<i64> {
        let list = self.list(key);
        let first = list.pop_front();
        if list.is_empty() {
            self.0.remove(&key);
        }
        first
    }

    fn set(&self, key: u8) -> BTreeSet<i64> {
        match self.0.get(&key) {
            Some(Held::Set(set)) => set.clone(),
            _ => BTreeSet::new(),
        }
    }

    fn put_set(&mut self, key: u8, set: BTreeSet<i64>) {
        if set.is_empty() {
            self.0.remove(&key);
        } else {
            self.0.insert(key, Held::Set(set));
        }
    }
}
