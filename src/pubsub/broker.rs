//! The broker: who listens on which channel, and the delivery of messages.
//!
//! A message is encoded once for each protocol version and shared by all mailboxes.

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::{HashMap, HashSet};

use super::mailbox::Mailbox;
use crate::resp::Reply;
use crate::util::glob;
use crate::util::ranked::{RwLock, rank};

/// Which kind of subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    Plain,
    Pattern,
    Shard,
}

type Listeners = HashMap<u64, Arc<Mailbox>>;
type Book = RwLock<HashMap<Bytes, Listeners>, { rank("broker") }>;

#[derive(Default)]
pub struct Broker {
    plain: Book,
    patterns: Book,
    shard: Book,
}

impl Broker {
    fn book(&self, kind: Channels) -> &Book {
        match kind {
            Channels::Plain => &self.plain,
            Channels::Pattern => &self.patterns,
            Channels::Shard => &self.shard,
        }
    }

    pub fn subscribe(&self, kind: Channels, channel: &Bytes, client: u64, mailbox: &Arc<Mailbox>) {
        let mut book = self.book(kind).write();
        book.entry(channel.clone())
            .or_default()
            .insert(client, mailbox.clone());
    }

    pub fn unsubscribe(&self, kind: Channels, channel: &Bytes, client: u64) {
        let mut book = self.book(kind).write();
        if let Some(listeners) = book.get_mut(channel) {
            listeners.remove(&client);
            if listeners.is_empty() {
                book.remove(channel);
            }
        }
    }

    /// Sends a message to everyone subscribed; returns how many deliveries that were.
    pub fn publish(&self, channel: &[u8], message: &[u8]) -> usize {
        let mut sent = deliver(&self.plain, b"message", channel, message);
        let patterns = self.patterns.read();
        if patterns.is_empty() {
            return sent;
        }
        for (pattern, listeners) in patterns.iter() {
            if glob::matches(pattern, channel, false) {
                sent += send(listeners, &[b"pmessage", pattern, channel, message]);
            }
        }
        sent
    }

    /// Publishes to a sharded channel; those have no patterns.
    pub fn publish_shard(&self, channel: &[u8], message: &[u8]) -> usize {
        deliver(&self.shard, b"smessage", channel, message)
    }

    /// Channels with listeners, those that match if a pattern is given.
    pub fn channels(&self, kind: Channels, pattern: Option<&[u8]>) -> Vec<Bytes> {
        let book = self.book(kind).read();
        let fits = |(name, listeners): &(&Bytes, &Listeners)| {
            pattern.is_none_or(|pattern| glob::matches(pattern, name, false)) && live(listeners) > 0
        };
        let found = book.iter().filter(fits);
        found.map(|(name, _)| name.clone()).collect()
    }

    /// How many clients listen on a channel.
    pub fn listeners(&self, kind: Channels, channel: &[u8]) -> usize {
        self.book(kind).read().get(channel).map_or(0, live)
    }

    /// How many channels or patterns have listeners.
    pub fn len(&self, kind: Channels) -> usize {
        let book = self.book(kind).read();
        book.values()
            .filter(|listeners| live(listeners) > 0)
            .count()
    }

    /// The clients that listen to such channels, each once for every one of them.
    pub fn clients_on(&self, kind: Channels, such: impl Fn(&[u8]) -> bool) -> Vec<u64> {
        let book = self.book(kind).read();
        book.iter()
            .filter(|(channel, _)| such(channel))
            .flat_map(|(_, listeners)| listeners.keys().copied())
            .collect()
    }

    /// How many clients have any subscription of this kind.
    pub fn clients(&self, kind: Channels) -> usize {
        let book = self.book(kind).read();
        let open = book.values().flatten().filter(|(_, held)| hears(held));
        open.map(|(client, _)| client).collect::<HashSet<_>>().len()
    }
}

/// Whether a client hears anything: who is about to be closed does not, though its own connection has yet to say so.
fn hears(mailbox: &Mailbox) -> bool {
    !mailbox.is_closing()
}

/// How many of these hear.
fn live(listeners: &Listeners) -> usize {
    listeners.values().filter(|mailbox| hears(mailbox)).count()
}

fn deliver(book: &Book, word: &[u8], channel: &[u8], message: &[u8]) -> usize {
    match book.read().get(channel) {
        Some(listeners) => send(listeners, &[word, channel, message]),
        None => 0,
    }
}

/// More than a message's length line, or that of one of its parts, takes with its line ends, but for parts of a megabyte.
const HEAD_BYTES: usize = 12;

fn send(listeners: &Listeners, parts: &[&[u8]]) -> usize {
    let encode = |resp3| {
        let mut out = Reply::new(resp3);
        let bytes: usize = parts.iter().map(|part| part.len() + HEAD_BYTES).sum();
        out.buf_mut().reserve_exact(HEAD_BYTES + bytes);
        out.push(parts.len());
        parts.iter().for_each(|part| out.bulk(part));
        Bytes::from(out.into_bytes())
    };
    let (mut resp2, mut resp3) = (None, None);
    let mut sent = 0;
    for mailbox in listeners.values().filter(|mailbox| hears(mailbox)) {
        sent += 1;
        let message = if mailbox.resp3() {
            resp3.get_or_insert_with(|| encode(true))
        } else {
            resp2.get_or_insert_with(|| encode(false))
        };
        mailbox.push(message.clone());
    }
    sent
}
