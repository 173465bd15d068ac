//! What sets a client apart: its type, and the letters of its flags.

use std::sync::atomic::Ordering::Relaxed;

use crate::command::Fail;
use crate::state::client::{Client, Profile, ReplicationPart};
use crate::state::shared::Shared;
use crate::util::ranked::MutexGuard;

/// What CLIENT LIST and KILL call a client's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientType {
    Normal,
    Master,
    Replica,
    PubSub,
}

impl ClientType {
    pub fn parse(word: &[u8]) -> Result<Self, Fail> {
        match word.to_ascii_lowercase().as_slice() {
            b"normal" => Ok(ClientType::Normal),
            b"master" => Ok(ClientType::Master),
            b"slave" | b"replica" => Ok(ClientType::Replica),
            b"pubsub" => Ok(ClientType::PubSub),
            _ => {
                let word = crate::command::quoted(word);
                Err(Fail::said(format!("Unknown client type '{word}'")))
            }
        }
    }

    pub fn covers(self, client: &Client) -> bool {
        match self {
            ClientType::Normal => client.part() == ReplicationPart::None && !client.is_subscriber(),
            ClientType::PubSub => client.part() == ReplicationPart::None && client.is_subscriber(),
            ClientType::Master => client.part() == ReplicationPart::Master,
            ClientType::Replica => client.part() == ReplicationPart::Replica,
        }
    }
}

/// A letter for each thing that sets a client apart; `N` for none.
pub fn flags(client: &Client, server: &Shared) -> String {
    flagged(client, server).1
}

/// A client's profile and its flags. Few clients redirect what they track; only theirs is let go of to look at others.
pub(super) fn flagged<'c>(
    client: &'c Client,
    server: &Shared,
) -> (MutexGuard<'c, Profile>, String) {
    let mut profile = client.profile.lock();
    let redirect = u64::try_from(profile.redirect).ok();
    let mut broken = false;
    if let Some(id) = redirect.filter(|id| *id > 0) {
        drop(profile);
        broken = server.clients.get(id).is_none();
        profile = client.profile.lock();
    }
    let flags = letters(client, &profile, broken);
    (profile, flags)
}

fn letters(client: &Client, profile: &Profile, broken: bool) -> String {
    let subscribed = profile.channels + profile.patterns + profile.shard_channels > 0;
    let watch_broken = profile.watch_broken.as_ref();
    let letters = [
        ('O', profile.monitor),
        ('S', profile.part == ReplicationPart::Replica),
        ('M', profile.part == ReplicationPart::Master),
        ('P', subscribed),
        ('x', profile.multi >= 0),
        ('b', client.blocked.load(Relaxed)),
        ('t', profile.tracking),
        ('R', profile.tracking && broken),
        ('B', profile.tracking_bcast),
        ('d', watch_broken.is_some_and(|broken| broken.load(Relaxed))),
        ('A', client.mailbox.is_closing()),
        ('U', client.unix),
        ('e', profile.no_evict),
        ('T', profile.no_touch),
        ('I', profile.imports),
    ];
    let raised: String = letters
        .iter()
        .filter(|(_, is)| *is)
        .map(|(letter, _)| letter)
        .collect();
    if raised.is_empty() {
        "N".to_owned()
    } else {
        raised
    }
}
