//! WAIT and WAITAOF: clients that are blocked until replicas have acknowledged enough.

use std::sync::atomic::Ordering;

use super::{ReplicaStage, Replication};
use crate::journal::Journal;

/// What must have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acks {
    /// The end of the stream when it was asked.
    pub offset: u64,
    pub replicas: u64,
    /// For WAITAOF: the end of the log when it was asked, and whether this server's own counts.
    pub log: Option<(u64, bool)>,
}

/// A blocked client. Gets the reply; `false` if it has gone.
pub struct AckWaiter {
    pub acks: Acks,
    pub tell: Box<dyn Fn(Option<Vec<u8>>) -> bool + Send>,
}

impl Acks {
    /// Replicas that have it, and whether the own log has it on the disk.
    pub fn count(&self, replication: &Replication, journal: &Journal) -> (u64, u64) {
        let replicas = replication.replicas.read();
        let acked = replicas.iter().filter(|one| {
            let acked = match self.log {
                None => one.acked(),
                Some(_) => one.acked_log(),
            };
            one.stage() == ReplicaStage::Online && one.has_acknowledged() && acked >= self.offset
        });
        let local = self.log.is_some_and(|(end, _)| journal.is_durable_to(end));
        (u64::from(local), acked.count() as u64)
    }

    pub fn are_enough(&self, (local, replicas): (u64, u64)) -> bool {
        let own = self.log.is_none_or(|(_, own)| !own || local == 1);
        own && replicas >= self.replicas
    }

    pub fn reply(&self, (local, replicas): (u64, u64)) -> Vec<u8> {
        match self.log {
            None => format!(":{replicas}\r\n").into(),
            Some(_) => format!("*2\r\n:{local}\r\n:{replicas}\r\n").into(),
        }
    }
}

impl Replication {
    /// Whether a replica can't follow what becomes of keys that no client reaches.
    pub fn has_strangers(&self) -> bool {
        let replicas = self.replicas();
        replicas.iter().any(|one| one.conf.is_stranger())
    }

    /// The master's stream is about to tell of such keys: replicas of this one that can't follow have to go.
    pub fn drop_strangers(&self) {
        for replica in self.replicas().iter().filter(|one| one.conf.is_stranger()) {
            tracing::warn!(
                "Replica {} is disconnected: keys of slots that move whole are on their way, and it is no node of a cluster of this make.",
                replica.name()
            );
            replica.client.mailbox.close();
        }
    }

    /// Has replicas say how far they have come.
    pub fn ask_for_acks(&self) {
        self.wants_acks.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    pub fn add_waiter(&self, waiter: AckWaiter) {
        let mut waiters = self.waiters.lock();
        // Those whose time was up don't say so.
        waiters.retain(|waiter| (waiter.tell)(None));
        waiters.push(waiter);
        drop(waiters);
        self.ask_for_acks();
    }

    /// Wakes whose wish has come true; whether any are blocked still.
    pub fn serve_waiters(&self, journal: &Journal) -> bool {
        let mut waiters = self.waiters.lock();
        waiters.retain(|waiter| {
            let count = waiter.acks.count(self, journal);
            if waiter.acks.are_enough(count) {
                (waiter.tell)(Some(waiter.acks.reply(count)));
                return false;
            }
            (waiter.tell)(None)
        });
        !waiters.is_empty()
    }
}
