//! Long replies: made and written a part at a time, so that no other client waits for all of it.

use std::collections::VecDeque;

use super::Worker;
use super::aside::Aside;
use crate::command::session::Session;
use crate::command::{CommandEntry, KeyNames, Rest};
use crate::engine::{Garbage, NameWalk, Walked};
use crate::journal::Answer;
use crate::resp::Reply;
use crate::types::Bstr;
use crate::util::clock::Reading;
use crate::util::glob;

/// Elements of a part: less than a quarter of a millisecond.
const PART: usize = 4096;
/// A walk over names is left after this long, whatever the pattern costs.
const TURN_NANOS: u64 = 250_000;
/// Bytes of names that are written in one go.
const PIECE_BYTES: usize = 64 * 1024;

/// What stands around a name in the reply.
const HEAD_BYTES: usize = 32;

/// A reply that isn't whole yet.
pub struct Long {
    entry: &'static CommandEntry,
    work: Work,
    /// Time that the command has taken so far.
    pub(super) nanos: u64,
    /// Bytes of the reply so far.
    pub(super) written: usize,
}

enum Work {
    /// A frozen copy is written, from this element on.
    Rest(Box<Rest>, usize),
    Walk(Box<NameSearch>),
    /// The names have been found, and are written.
    Found(VecDeque<Vec<u8>>),
    /// A search goes on.
    Aside(Box<Aside>),
}

/// Names are looked for. How many there are must be known before the first is written.
struct NameSearch {
    walk: NameWalk,
    pattern: Bstr,
    found: FoundNames,
}

/// Names as the reply has them, in pieces that are given back one by one.
#[derive(Default)]
struct FoundNames {
    pieces: VecDeque<Vec<u8>>,
    last: Reply,
    count: usize,
    /// In all pieces but the last.
    bytes: usize,
}

impl FoundNames {
    fn add(&mut self, name: &[u8]) {
        if self.last.len() + name.len() + HEAD_BYTES > PIECE_BYTES {
            self.end_piece();
        }
        self.last.bulk(name);
        self.count += 1;
    }

    fn end_piece(&mut self) {
        self.bytes += self.last.len();
        self.pieces
            .push_back(std::mem::take(&mut self.last).into_bytes());
    }
}

impl Long {
    pub(super) fn rest(entry: &'static CommandEntry, rest: Box<Rest>) -> Self {
        Self::new(entry, Work::Rest(rest, 0))
    }

    pub(super) fn names(entry: &'static CommandEntry, names: KeyNames) -> Self {
        let KeyNames { walk, pattern } = names;
        let found = FoundNames::default();
        let search = NameSearch {
            walk,
            pattern,
            found,
        };
        Self::new(entry, Work::Walk(Box::new(search)))
    }

    pub(super) fn aside(entry: &'static CommandEntry, aside: Box<Aside>) -> Self {
        Self::new(entry, Work::Aside(aside))
    }

    fn new(entry: &'static CommandEntry, work: Work) -> Self {
        Long {
            entry,
            work,
            nanos: 0,
            written: 0,
        }
    }

    /// Whether its next part is made under locks.
    pub fn is_walk(&self) -> bool {
        matches!(self.work, Work::Walk(_) | Work::Aside(_))
    }

    /// Bytes of the reply that are kept to be written.
    pub fn bytes(&self) -> usize {
        match &self.work {
            Work::Rest(..) | Work::Aside(_) => 0,
            Work::Walk(search) => search.found.bytes + search.found.last.len(),
            Work::Found(pieces) => pieces.iter().map(Vec::len).sum(),
        }
    }

    /// Makes or writes the next part of a reply. Gives it back unless it is whole now, or nobody will take it.
    pub fn write_on(
        self: Box<Self>,
        worker: &Worker,
        session: &Session,
        argv: &[&[u8]],
        out: &mut Answer,
        started: &mut Reading,
    ) -> Option<Box<Self>> {
        let mut long = self;
        long.work = match long.work {
            Work::Aside(aside) => work_aside(worker, long.entry, aside, out),
            work => work,
        };
        let out = out.reply();
        let from = out.len();
        let mut whole = false;
        match &mut long.work {
            Work::Aside(_) => {}
            Work::Rest(rest, at) => {
                let end = rest.len.min(*at + PART);
                let before = out.len();
                (rest.write)(rest.value.as_ref(), *at..end, out);
                if before > PIECE_BYTES {
                    // The other parts are likely as long as this one.
                    let part_bytes = out.len() - before;
                    make_room(out, part_bytes * (rest.len - end).div_ceil(PART));
                }
                whole = end == rest.len;
                *at = end;
            }
            Work::Walk(search) => {
                if search.go_on(worker, *started, out) {
                    let pieces = std::mem::take(&mut search.found.pieces);
                    long.work = Work::Found(pieces);
                }
            }
            Work::Found(pieces) => {
                if let Some(piece) = pieces.pop_front() {
                    if out.len() > PIECE_BYTES {
                        let rest: usize = pieces.iter().map(Vec::len).sum();
                        make_room(out, piece.len() + rest);
                    }
                    if out.is_empty() {
                        *out.buf_mut() = piece;
                    } else {
                        out.raw(&piece);
                    }
                }
                whole = pieces.is_empty();
            }
        }
        long.written += out.len() - from;
        long.nanos += worker.present.lap(started);
        if !whole && !out.is_full() {
            return Some(long);
        }
        long.end(worker, session, argv);
        None
    }

    /// A reply is whole, or nobody is left to take the rest of it.
    pub fn end(self, worker: &Worker, session: &Session, argv: &[&[u8]]) {
        worker.account.count(session, self.entry, argv, self.nanos);
        worker
            .account
            .note_sizes(session, self.entry, argv, (self.nanos, self.written));
        match self.work {
            // Its parts may be no one else's any more: that many are not dropped here.
            Work::Rest(rest, _) => worker.discard(Garbage::Value(rest.value)),
            Work::Walk(mut search) => leave_walk(worker, &mut search.walk),
            Work::Found(_) | Work::Aside(_) => {}
        }
    }
}

impl NameSearch {
    /// Looks for more names. Whether that is over, and the head of the reply written.
    fn go_on(&mut self, worker: &Worker, started: Reading, out: &mut Reply) -> bool {
        let NameSearch {
            walk,
            pattern,
            found,
        } = self;
        let every = &**pattern == b"*";
        let scripts = &worker.shared.scripts;
        let mut visit = |name: &[u8]| {
            if every || glob::matches(pattern, name, false) {
                found.add(name);
            }
        };
        let walked = loop {
            let walked = walk.go_on(&worker.engine, &|| scripts.is_busy(), &mut visit);
            let nanos = worker.present.nanos(started, worker.present.read_watch());
            if walked != Walked::On || nanos > TURN_NANOS {
                break walked;
            }
        };
        for garbage in walk.garbage.drain(..) {
            worker.discard(garbage);
        }
        let in_vain = out.overflows(found.bytes);
        if walked != Walked::Through && !in_vain {
            return false;
        }
        found.end_piece();
        out.array(found.count);
        if in_vain {
            leave_walk(worker, walk);
            // The connection will be closed, as `out` will be found to be full.
            found.pieces.drain(..).for_each(|piece| out.raw(&piece));
        }
        true
    }
}

/// Goes on with a search. What it found is to be written then, if that isn't little.
fn work_aside(worker: &Worker, entry: &CommandEntry, aside: Box<Aside>, out: &mut Answer) -> Work {
    let silent = aside.silent;
    let ended = match aside.go_on(worker, out.depends()) {
        Ok(ended) => ended,
        Err(aside) => return Work::Aside(aside),
    };
    let mut reply = ended.reply;
    if let Err(fail) = ended.done {
        reply = Reply::new(out.reply().resp3());
        worker.answer_error(entry, &fail, &mut reply);
    }
    let pieces = (!silent).then(|| reply.into_bytes());
    Work::Found(pieces.into_iter().collect())
}

/// Nothing is kept for a walk any more.
fn leave_walk(worker: &Worker, walk: &mut NameWalk) {
    let scripts = &worker.shared.scripts;
    walk.leave(&worker.engine, &|| scripts.is_busy());
    for garbage in walk.garbage.drain(..) {
        worker.discard(garbage);
    }
}

/// Room for all that is left, where the client is slow: a buffer that grew step by step would be copied at each of
/// them. It takes no memory before it is written to.
fn make_room(out: &mut Reply, bytes: usize) {
    let buf = out.buf_mut();
    if buf.capacity() - buf.len() < bytes {
        // Later parts may be a little longer than was thought.
        buf.reserve_exact(bytes + bytes / 8);
    }
}
