//! The node on the other side of a move of whole slots, as the node that gets them talks to it; and a replica of the node that
//! has them.

use std::io;
use std::time::Duration;

use crate::cluster::{GivenLeave, NodeId, SlotSet};
use crate::state::links::{Links, OtherServer};
use crate::state::moves::{PIECE_BYTES, PIECE_KEYS, SentKey};
use crate::state::shared::Shared;
use crate::types::Bstr;

/// How long the other end may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries while a long script is in the way there.
const REST: Duration = Duration::from_millis(5);
/// Bytes of one value, at most.
const BULK_MAX: usize = 4 << 30;
const OTHERWISE: &str = "the other node speaks otherwise";
/// What of an error is passed on, at most.
const TOLD: usize = 256;

/// What another node has sent.
pub struct SentKeys {
    pub keys: Vec<SentKey>,
    /// Some of the keys that it had when the move began have yet to come.
    pub copies: bool,
    /// There is no more, as whatever could change a key is held back.
    pub is_last: bool,
    /// So many keys are left.
    pub left: usize,
}

pub struct MovePeer {
    link: OtherServer,
}

fn lost(error: io::Error) -> String {
    format!("the other node was lost: {error}")
}

/// Whether an error says that a node knows nothing of such moves, or that its own are of another kind, as Valkey 9's are.
fn is_strange(why: &str) -> bool {
    why.contains("unknown subcommand") || why == "ERR syntax error"
}

/// The numbers of the first and the last slots of ranges.
fn numbers(slots: &SlotSet) -> Vec<String> {
    let ranges = slots.ranges().into_iter();
    ranges
        .flat_map(|(first, last)| [first.to_string(), last.to_string()])
        .collect()
}

impl MovePeer {
    pub fn connect(shared: &Shared, id: &NodeId) -> Result<MovePeer, String> {
        MovePeer::connect_within(shared, id, PATIENCE)
    }

    /// Connects to a node that is given so long, and so long for each answer.
    pub fn connect_within(
        shared: &Shared,
        id: &NodeId,
        patience: Duration,
    ) -> Result<MovePeer, String> {
        let clustering = shared.clustering.as_ref();
        let view = clustering.ok_or("there is no cluster")?.view();
        let node = view.find(id.as_bytes());
        let place = &node.ok_or("the other node is not known")?.place;
        let failed = |error: io::Error| format!("the other node can't be reached: {error}");
        let config = &shared.config;
        let source = String::from_utf8_lossy(&config.bind_source_addr.get()).into_owned();
        let on = config.tls_cluster.get() || config.tls_replication.get();
        let tls = shared.tls.client(on).map_err(failed)?;
        let port = if on { place.tls_port } else { place.tcp_port };
        let link = Links::open(&place.ip, port, &source, tls, patience);
        let mut peer = MovePeer {
            link: link.map_err(failed)?,
        };
        let (user, password) = (config.masteruser.get(), config.masterauth.get());
        if !password.is_empty() {
            let mut words = vec![&b"AUTH"[..]];
            words.extend((!user.is_empty()).then_some(&user[..]));
            words.push(&password);
            peer.ask(&words)?;
        }
        Ok(peer)
    }

    fn send(&mut self, words: &[&[u8]]) -> Result<(), String> {
        let mut out = Vec::new();
        crate::resp::encode(words, &mut out);
        self.link.send(&out).map_err(lost)
    }

    fn line(&mut self) -> Result<Vec<u8>, String> {
        let line = self.link.line().map_err(lost)?;
        match line.strip_prefix(b"-") {
            Some(error) => Err(String::from_utf8_lossy(&error[..error.len().min(TOLD)]).into()),
            None => Ok(line),
        }
    }

    /// Asks for something that is answered by one line.
    fn ask(&mut self, words: &[&[u8]]) -> Result<(), String> {
        self.send(words)?;
        self.line().map(drop)
    }

    /// Says a word of a move, with what belongs to it.
    pub fn say(&mut self, word: &str, id: &str, more: &[&str]) -> Result<(), String> {
        let mut words: Vec<&[u8]> = vec![b"CLUSTER", b"SYNCSLOTS"];
        words.extend([word.as_bytes(), id.as_bytes()]);
        words.extend(more.iter().map(|text| text.as_bytes()));
        self.ask(&words)
    }

    /// Says a word of a move of slots.
    pub fn say_slots(
        &mut self,
        word: &str,
        id: &str,
        to: Option<&NodeId>,
        slots: &SlotSet,
    ) -> Result<(), String> {
        let numbers = numbers(slots);
        let more = to.map(|to| to.as_str()).into_iter();
        let more: Vec<&str> = more.chain(numbers.iter().map(String::as_str)).collect();
        let said = self.say(word, id, &more);
        said.map_err(|why| match is_strange(&why) {
            true => format!("the other node can't move slots whole: {why}"),
            false => why,
        })
    }

    /// Says which leave this node, a master, has given, and no other; false to a node of another make.
    pub fn say_leaves(&mut self, me: &NodeId, leaves: &[GivenLeave]) -> Result<bool, String> {
        let words: Vec<String> = leaves.iter().map(GivenLeave::to_string).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match self.say("LEAVES", me.as_str(), &words) {
            Err(why) if is_strange(&why) => Ok(false),
            said => said.map(|()| true),
        }
    }

    fn number(&mut self, kind: u8) -> Result<usize, String> {
        let line = self.line()?;
        let text = line
            .strip_prefix(&[kind])
            .and_then(|text| str::from_utf8(text).ok());
        let number = text.and_then(|text| text.parse().ok());
        number.ok_or_else(|| OTHERWISE.to_owned())
    }

    fn bulk(&mut self) -> Result<Vec<u8>, String> {
        let len = self.number(b'$')?;
        if len > BULK_MAX {
            return Err(OTHERWISE.to_owned());
        }
        let mut bytes = self.link.bytes(len + 2).map_err(lost)?;
        bytes.truncate(len);
        Ok(bytes)
    }

    fn sent_key(&mut self) -> Result<SentKey, String> {
        Ok(SentKey {
            name: Bstr::new(&self.bulk()?),
            deadline_ms: Some(self.number(b':')? as u64).filter(|at| *at > 0),
            blessed: self.number(b':')? == 1,
            payload: self.bulk()?,
        })
    }

    /// Asks for the next keys, and again while a long script is in the way.
    pub fn next(&mut self, id: &str) -> Result<SentKeys, String> {
        loop {
            self.send(&[b"CLUSTER", b"SYNCSLOTS", b"NEXT", id.as_bytes()])?;
            let len = match self.number(b'*') {
                Err(why) if why.starts_with("BUSY ") => {
                    std::thread::sleep(REST);
                    continue;
                }
                len => len?,
            };
            if len > 2 + 4 * PIECE_KEYS {
                return Err(OTHERWISE.to_owned());
            }
            let (phase, left) = (self.number(b':')?, self.number(b':')?);
            let (mut keys, mut bytes) = (Vec::new(), 0);
            for _ in 0..len.saturating_sub(2) / 4 {
                if bytes > PIECE_BYTES {
                    return Err(OTHERWISE.to_owned());
                }
                let key = self.sent_key()?;
                bytes += key.name.len() + key.payload.len();
                keys.push(key);
            }
            return Ok(SentKeys {
                keys,
                copies: phase == 0,
                is_last: phase == 2,
                left,
            });
        }
    }
}
