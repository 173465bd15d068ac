//! A node of a stream: a run of entries in one listpack, in the format of Redis's own nodes.
//!
//! ```text
//! live dead n name_1 .. name_n 0                          the node's own names, those of its first entry
//! flags ms seq value_1 .. value_n count                   an entry with the same names
//! flags ms seq n name_1 value_1 .. name_n value_n count   an entry with other ones
//! ```
//! `ms` and `seq` are differences to the node's id, `count` says how many elements to step back over.
//! A deleted entry stays and is marked; bytes from outside are checked whole before they become a node.

use super::id::Id;
use super::shelf::Placed;
use crate::types::Piece;
use crate::types::listpack::{Append, Listpack};

const DEAD: i64 = 1;
const SAME_NAMES: i64 = 2;
/// Elements of every entry beside names and values: flags, ms, seq, count.
const FRAME: usize = 4;

#[derive(Clone, Debug)]
pub struct StreamNode {
    first: Id,
    pack: Listpack,
}

impl Placed for StreamNode {
    /// Few, for their packs are copied with them when a snapshot shares the block that is edited.
    const BLOCK_MAX: usize = 32;

    fn id(&self) -> Id {
        self.first
    }
}

/// What stands before a node's entries.
#[derive(Clone, Copy, Debug)]
struct Head {
    live: usize,
    /// How many names, and where they stand.
    names: usize,
    names_at: usize,
    entries_at: usize,
}

/// One entry, dead or alive.
#[derive(Clone, Copy, Debug)]
pub struct StreamEntry<'a> {
    pub id: Id,
    pub is_dead: bool,
    pack: &'a Listpack,
    at: usize,
    pairs: usize,
    /// Where the node's names stand, for an entry that has the same.
    names_at: Option<usize>,
    body_at: usize,
}

impl<'a> StreamEntry<'a> {
    /// How many pairs of a name and a value it has.
    pub fn len(&self) -> usize {
        self.pairs
    }

    pub fn is_empty(&self) -> bool {
        self.pairs == 0
    }

    /// Visits names and values in their order.
    #[inline]
    pub fn each(&self, mut visit: impl FnMut(Piece<'a>, Piece<'a>)) {
        let (mut names, mut at) = (self.names_at.unwrap_or_default(), self.body_at);
        for _ in 0..self.pairs {
            let name = if self.names_at.is_some() {
                let (name, next) = self.pack.read(names);
                names = next;
                name
            } else {
                let (name, next) = self.pack.read(at);
                at = next;
                name
            };
            let (value, next) = self.pack.read(at);
            at = next;
            visit(name, value);
        }
    }

    /// The offset behind it.
    fn end(&self) -> usize {
        let elements = if self.names_at.is_some() {
            self.pairs
        } else {
            2 * self.pairs
        };
        (0..=elements).fold(self.body_at, |at, _| self.pack.skip(at))
    }
}

fn int(pack: &Listpack, at: usize) -> (i64, usize) {
    match pack.read(at) {
        (Piece::Int(n), next) => (n, next),
        (Piece::Bytes(_), _) => unreachable!("a node's numbers were checked or written by us"),
    }
}

impl StreamNode {
    /// A node that begins with this entry. `pairs` are names and values in turn.
    pub fn new(id: Id, pairs: &[&[u8]]) -> Self {
        let mut pack = Listpack::new();
        let mut out = pack.append();
        [1, 0, (pairs.len() / 2) as i64]
            .into_iter()
            .for_each(|n| out.int(n));
        pairs.iter().step_by(2).for_each(|name| out.push(name));
        out.int(0);
        write_entry(&mut out, (0, 0), true, pairs);
        drop(out);
        StreamNode { first: id, pack }
    }

    /// Takes a node from outside, if every element is where it should be.
    pub fn checked(first: Id, pack: Listpack) -> Option<Self> {
        let mut check = Check { pack: &pack, at: 0 };
        check.at = pack.first()?;
        let (live, dead, names) = (check.count()?, check.count()?, check.count()?);
        check.skip(names)?;
        (check.int()? == 0).then_some(())?;
        let (mut found_live, mut found_dead) = (0, 0);
        let mut before = None;
        while check.at < pack.end() {
            let flags = check.int()?;
            let id = shifted(first, (check.int()?, check.int()?));
            let elements = match flags {
                2 | 3 => {
                    check.skip(names)?;
                    names
                }
                0 | 1 => {
                    let pairs = check.count()?;
                    check.skip(pairs.checked_mul(2)?)?;
                    1 + 2 * pairs
                }
                _ => return None,
            };
            (check.count()? == elements + FRAME - 1).then_some(())?;
            (before < Some(id) && id >= first).then_some(())?;
            before = Some(id);
            found_dead += usize::from(flags & DEAD != 0);
            found_live += usize::from(flags & DEAD == 0);
        }
        (found_live == live && found_dead == dead && before.is_some())
            .then_some(StreamNode { first, pack })
    }

    pub fn pack(&self) -> &Listpack {
        &self.pack
    }

    /// Bytes of its entries, deleted ones included.
    pub fn bytes(&self) -> usize {
        self.pack.as_bytes().len()
    }

    /// Gives back room that was kept for growth: the node is full.
    pub fn close(&mut self) {
        self.pack.shrink();
    }

    /// Entries that aren't deleted, and those that are.
    pub fn counts(&self) -> (usize, usize) {
        let first = self.pack.first().expect("a node has a head");
        let (live, at) = int(&self.pack, first);
        (live as usize, int(&self.pack, at).0 as usize)
    }

    pub fn live(&self) -> usize {
        self.counts().0
    }

    fn head(&self) -> Head {
        let first = self.pack.first().expect("a node has a head");
        let (live, at) = int(&self.pack, first);
        let at = self.pack.skip(at);
        let (names, names_at) = int(&self.pack, at);
        let end = (0..names).fold(names_at, |at, _| self.pack.skip(at));
        Head {
            live: live as usize,
            names: names as usize,
            names_at,
            // Behind the zero that ends the head.
            entries_at: self.pack.skip(end),
        }
    }

    /// Adds an entry at the end.
    pub fn append(&mut self, id: Id, pairs: &[&[u8]]) {
        let head = self.head();
        let same = head.names == pairs.len() / 2 && self.has_names(&head, pairs);
        let shift = (
            id.ms.wrapping_sub(self.first.ms) as i64,
            id.seq.wrapping_sub(self.first.seq) as i64,
        );
        let pack = &mut self.pack;
        write_entry(&mut pack.append(), shift, same, pairs);
        let first = pack.first().expect("a node has a head");
        pack.set_int(first, head.live as i64 + 1);
    }

    fn has_names(&self, head: &Head, pairs: &[&[u8]]) -> bool {
        let mut at = head.names_at;
        pairs.iter().step_by(2).all(|name| {
            let (held, next) = self.pack.read(at);
            at = next;
            held.is(name)
        })
    }

    fn entry(&self, head: &Head, at: usize) -> StreamEntry<'_> {
        let pack = &self.pack;
        let (flags, next) = int(pack, at);
        let (ms, next) = int(pack, next);
        let (seq, next) = int(pack, next);
        let same = flags & SAME_NAMES != 0;
        let (pairs, body_at) = if same {
            (head.names, next)
        } else {
            let (pairs, next) = int(pack, next);
            (pairs as usize, next)
        };
        StreamEntry {
            id: shifted(self.first, (ms, seq)),
            is_dead: flags & DEAD != 0,
            pack,
            at,
            pairs,
            names_at: same.then_some(head.names_at),
            body_at,
        }
    }

    /// Its entries, dead ones as well.
    pub fn walk(&self) -> impl Iterator<Item = StreamEntry<'_>> {
        let head = self.head();
        let mut last: Option<StreamEntry<'_>> = None;
        std::iter::from_fn(move || {
            let at = last.as_ref().map_or(head.entries_at, StreamEntry::end);
            last = (at < self.pack.end()).then(|| self.entry(&head, at));
            last
        })
    }

    /// The entries from the last to the first.
    pub fn walk_back(&self) -> impl Iterator<Item = StreamEntry<'_>> {
        let head = self.head();
        let mut end = self.pack.end();
        std::iter::from_fn(move || {
            if end <= head.entries_at {
                return None;
            }
            let mut at = self.pack.prev(end)?;
            for _ in 0..int(&self.pack, at).0 {
                at = self.pack.prev(at)?;
            }
            end = at;
            Some(self.entry(&head, at))
        })
    }

    /// The id of its last entry, dead or alive.
    pub fn last_id(&self) -> Id {
        self.walk_back().next().map_or(self.first, |entry| entry.id)
    }

    /// Where the entry with this id stands, if it is alive.
    pub fn find(&self, id: Id) -> Option<usize> {
        self.walk()
            .take_while(|entry| entry.id <= id)
            .find(|entry| entry.id == id && !entry.is_dead)
            .map(|entry| entry.at)
    }

    /// Marks the entries at these offsets, which are alive, as deleted.
    pub fn kill(&mut self, offsets: &[usize]) {
        let (live, dead) = self.counts();
        let pack = &mut self.pack;
        for at in offsets {
            let flags = int(pack, *at).0;
            debug_assert!(flags & DEAD == 0, "an entry dies once");
            pack.set_int(*at, flags | DEAD);
        }
        // After the flags: a count may need more room, and move all that is behind it.
        let first = pack.first().expect("a node has a head");
        pack.set_int(first, (live - offsets.len()) as i64);
        let second = pack.skip(first);
        pack.set_int(second, (dead + offsets.len()) as i64);
    }

    /// Takes out the entries above an id, all of which are dead.
    pub fn cut_dead_above(&mut self, id: Id) {
        let beyond: Vec<usize> = self
            .walk()
            .skip_while(|entry| entry.id <= id)
            .map(|entry| entry.at)
            .collect();
        let (_, dead) = self.counts();
        let pack = &mut self.pack;
        if let Some(at) = beyond.first() {
            pack.remove_many(*at, usize::MAX);
            let second = pack.skip(pack.first().expect("a node has a head"));
            pack.set_int(second, (dead - beyond.len()) as i64);
        }
    }

    /// Deletes living entries from the first on, as long as `condemn` says so of the next; how many.
    pub fn kill_first(&mut self, mut condemn: impl FnMut(Id) -> bool) -> usize {
        let condemned = self.condemn(|id| condemn(id).then_some(true));
        self.kill(&condemned);
        condemned.len()
    }

    /// Where the living entries stand that are to go: `judge` says of one after another whether it is, until it says nothing.
    pub fn condemn(&self, mut judge: impl FnMut(Id) -> Option<bool>) -> Vec<usize> {
        self.walk()
            .filter(|entry| !entry.is_dead)
            .map_while(|entry| Some((entry.at, judge(entry.id)?)))
            .filter_map(|(at, dies)| dies.then_some(at))
            .collect()
    }
}

/// Writes an entry at this distance from its node's id.
fn write_entry(out: &mut Append<'_>, (ms, seq): (i64, i64), same: bool, pairs: &[&[u8]]) {
    out.int(if same { SAME_NAMES } else { 0 });
    out.int(ms);
    out.int(seq);
    let elements = if same {
        pairs
            .iter()
            .skip(1)
            .step_by(2)
            .for_each(|value| out.push(value));
        pairs.len() / 2
    } else {
        out.int((pairs.len() / 2) as i64);
        pairs.iter().for_each(|element| out.push(element));
        1 + pairs.len()
    };
    out.int((elements + FRAME - 1) as i64);
}

/// A walk over elements that may be anything.
struct Check<'a> {
    pack: &'a Listpack,
    at: usize,
}

impl<'a> Check<'a> {
    fn next(&mut self) -> Option<Piece<'a>> {
        if self.at >= self.pack.end() {
            return None;
        }
        let (piece, next) = self.pack.read(self.at);
        self.at = next;
        Some(piece)
    }

    fn int(&mut self) -> Option<i64> {
        match self.next()? {
            Piece::Int(n) => Some(n),
            Piece::Bytes(_) => None,
        }
    }

    fn count(&mut self) -> Option<usize> {
        self.int().and_then(|n| usize::try_from(n).ok())
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        (0..count).try_for_each(|_| self.next().map(drop))
    }
}

fn shifted(first: Id, (ms, seq): (i64, i64)) -> Id {
    Id {
        ms: first.ms.wrapping_add_signed(ms),
        seq: first.seq.wrapping_add_signed(seq),
    }
}
