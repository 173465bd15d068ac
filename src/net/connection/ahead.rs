//! Requests read ahead of the one that runs.
//!
//! Those that came together are looked up together, so that what they will look at comes into the processor's cache
//! at the same time. Whoever stops before all of them ran forgets the rest, which is read again.

use smallvec::SmallVec;

use crate::command::session::Session;
use crate::exec::{Look, Worker};
use crate::resp::{Codec, ProtoLimits, ProtocolError, Request};

/// How many are read ahead: enough to hide what one of them would wait for.
const AHEAD: usize = 16;

/// The arguments of a request.
pub(super) type Argv<'a> = SmallVec<[&'a [u8]; 8]>;

/// A request, and what is known of it.
#[derive(Default)]
pub(super) struct Asked {
    request: Request,
    pub look: Option<Look>,
    /// Where in the input it begins.
    at: usize,
}

impl Asked {
    /// Its arguments; whoever runs it puts them together where they are to stand.
    #[inline(always)]
    pub fn args<'a>(&'a self, input: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.request.args(&input[self.at..])
    }
}

/// Lent to a connection for as long as a batch lasts.
#[derive(Default)]
pub(super) struct Ahead {
    slots: Vec<Asked>,
    /// Slots from `next` to `filled` hold requests.
    next: usize,
    filled: usize,
}

/// What the session's requests may be at most.
fn limits(worker: &Worker, session: &Session) -> ProtoLimits {
    ProtoLimits {
        bulk_max: worker.shared.config.proto_max_bulk_len.get(),
        authenticated: is_known(worker, session),
    }
}

/// Whether the client has logged in, or need not.
pub(super) fn is_known(worker: &Worker, session: &Session) -> bool {
    session.authenticated || worker.shared.users.default().is_open()
}

impl Ahead {
    /// The next request. If none is there, `input` is read on from `at`. An error is told once all before it ran.
    #[inline]
    pub fn next(
        &mut self,
        codec: &mut Codec,
        input: &[u8],
        at: usize,
        worker: &Worker,
        session: &Session,
    ) -> Result<Option<&Asked>, ProtocolError> {
        if self.next == self.filled {
            self.read(codec, input, at, worker, session)?;
        }
        Ok(self.slots[..self.filled].get(self.next))
    }

    /// Apart from whoever runs them: it is called once for many.
    #[inline(never)]
    fn read(
        &mut self,
        codec: &mut Codec,
        input: &[u8],
        mut at: usize,
        worker: &Worker,
        session: &Session,
    ) -> Result<(), ProtocolError> {
        let limits = limits(worker, session);
        (self.next, self.filled) = (0, 0);
        while self.filled < AHEAD {
            if self.slots.len() == self.filled {
                self.slots.push(Asked::default());
            }
            let slot = &mut self.slots[self.filled];
            match codec.next(&input[at..], &limits, &mut slot.request) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if self.filled == 0 => return Err(error),
                Err(_) => {
                    // It is met again once those before it have run.
                    codec.rewind();
                    break;
                }
            }
            slot.at = at;
            at += slot.request.len();
            let (request, bytes) = (&slot.request, &input[slot.at..]);
            slot.look = worker.look(|at| request.arg(bytes, at));
            self.filled += 1;
            if !limits.authenticated {
                // What may come next depends on this one.
                break;
            }
        }
        if self.filled > 1 {
            let looks = self.slots[..self.filled].iter().filter_map(|slot| {
                let bytes = &input[slot.at..];
                let arg = move |at| slot.request.arg(bytes, at);
                slot.look.map(|look| (look, arg))
            });
            worker.warm(session, looks);
        }
        Ok(())
    }

    /// The arguments of the request that [`Ahead::next`] gave.
    pub fn argv<'a>(&'a self, input: &'a [u8]) -> Argv<'a> {
        self.slots[self.next].args(input).collect()
    }

    /// The request that [`Ahead::next`] gave has run. Returns where the one after it begins.
    #[inline]
    pub fn ran(&mut self) -> usize {
        let slot = &mut self.slots[self.next];
        self.next += 1;
        let end = slot.at + slot.request.len();
        slot.request.shrink();
        end
    }

    /// Nothing more runs now: what has not will be read again.
    pub fn end(&mut self, codec: &mut Codec) {
        if self.next < self.filled {
            codec.rewind();
        }
        for slot in &mut self.slots[self.next..self.filled] {
            slot.request.shrink();
        }
        (self.next, self.filled) = (0, 0);
    }
}
