//! What a client is told, together with what has to be safe before it hears it.
//!
//! Replies and what they depend on stand in one value: whoever runs a command for a client hands over its answer, the commit
//! notes in it what was seen and what was written, and the bytes come out to be sent only where the gate was asked, and let them
//! through. So no path can send them without asking, and none can leave what they depend on behind.

use super::gate::{Depends, Gate, Pass};
use crate::resp::Reply;

/// The replies to a client that have not been sent.
#[derive(Debug, Default)]
pub struct Answer {
    reply: Reply,
    depends: Depends,
}

impl Answer {
    pub fn new(resp3: bool) -> Self {
        Answer {
            reply: Reply::new(resp3),
            depends: Depends::default(),
        }
    }

    /// Where the next reply is written.
    #[inline]
    pub fn reply(&mut self) -> &mut Reply {
        &mut self.reply
    }

    /// Where what the next reply depends on is noted.
    #[inline]
    pub fn depends(&mut self) -> &mut Depends {
        &mut self.depends
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.reply.len()
    }

    pub fn is_empty(&self) -> bool {
        self.reply.is_empty()
    }

    /// Whether there is more than the client may let wait: then nothing of it is sent.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.reply.is_full()
    }

    /// Asks the gate whether all of it may be sent. What was let through depends on nothing any more.
    pub fn pass(&mut self, gate: &Gate) -> Pass {
        let pass = gate.pass(self.depends);
        if pass == Pass::Open {
            self.depends = Depends::default();
        }
        pass
    }

    /// As [`Answer::pass`], for who goes to sleep if the answer is to wait, and asks again when woken.
    pub fn pass_or_wake(&self, gate: &Gate) -> Pass {
        gate.pass_or_wake(self.depends)
    }

    /// What there is to be sent behind the first `sent` bytes, at most so much of it: nothing as long as the gate has not let
    /// it through.
    pub fn unsent(&self, sent: usize, bytes_max: usize) -> &[u8] {
        if self.depends != Depends::default() {
            return &[];
        }
        let end = self.len().min(sent.saturating_add(bytes_max));
        &self.reply.bytes()[sent..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Seq;

    #[test]
    fn what_is_not_safe_is_not_to_be_had() {
        let gate = Gate::default();
        gate.open_to(Seq(5));
        let mut answer = Answer::new(false);
        answer.reply().ok();
        assert_eq!(answer.unsent(0, 3), b"+OK");
        answer.depends().wrote(Seq(6));
        assert_eq!(answer.pass(&gate), Pass::Wait);
        assert_eq!(answer.unsent(0, 100), b"");
        gate.open_to(Seq(6));
        // It is open, but nobody has asked.
        assert_eq!(answer.unsent(0, 100), b"");
        assert_eq!(answer.pass(&gate), Pass::Open);
        assert_eq!(answer.unsent(1, 100), b"OK\r\n");
    }
}
