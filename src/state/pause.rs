//! What holds clients back: CLIENT PAUSE, a stop or a failover under way, and keys or slots on their way to another server.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hashbrown::HashSet;

use crate::cluster::{SlotSet, slot_of};
use crate::types::Bstr;
use crate::util::clock;
use crate::util::ranked::{Mutex, MutexGuard, rank};

/// What CLIENT PAUSE holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseMode {
    All,
    Write,
}

/// Who holds clients back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseFor {
    /// CLIENT PAUSE.
    Client,
    /// The server stops, once its replicas have everything.
    Stop,
    Failover,
}

/// CLIENT PAUSE, and what else holds clients back.
#[derive(Default)]
pub struct Pause {
    /// Until when anything may be held back: no command looks further once that is over.
    any_ms: AtomicU64,
    until_ms: AtomicU64,
    all: AtomicBool,
    by: Mutex<HeldBack, { rank("pause") }>,
    bell: tokio::sync::Notify,
}

/// Slots whose clients aren't served at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldSlots {
    /// Their clients wait, as it is known before long who serves them.
    pub waiting: SlotSet,
    /// Nobody knows whose they are, nor for how long: their clients are told so.
    pub doubtful: SlotSet,
}

#[derive(Default)]
struct HeldBack {
    /// Until when, and whether everything, for each of those who may want it.
    by: [(u64, bool); 3],
    /// Keys on their way to another server: what names them is held back until they have left.
    away: HashSet<Bstr>,
    /// Slots about to be another node's: what names a key of theirs is held back, too, or refused.
    slots: HeldSlots,
}

impl HeldBack {
    fn has_no_slots(&self) -> bool {
        self.slots.waiting.is_empty() && self.slots.doubtful.is_empty()
    }
}

/// What keys on their way do to a command; more goes before less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyWait {
    Nothing,
    /// It waits until they have arrived.
    Waits,
    /// It is refused, as nobody knows where they are.
    Doubtful,
}

impl Pause {
    /// Pauses until a time; a pause under way is only ever made longer and stricter.
    pub fn start(&self, by: PauseFor, until_ms: u64, mode: PauseMode, now_ms: u64) {
        let mut held = self.by.lock();
        let (until, all) = &mut held.by[by as usize];
        *all = mode == PauseMode::All || *until > now_ms && *all;
        *until = until_ms.max(*until);
        self.tell(&held, now_ms);
    }

    /// Whether these hold clients back.
    pub fn is_for(&self, by: PauseFor, now_ms: u64) -> bool {
        self.until_ms.load(Ordering::Acquire) > now_ms && self.by.lock().by[by as usize].0 > now_ms
    }

    pub fn stop(&self, by: PauseFor) {
        let mut held = self.by.lock();
        held.by[by as usize] = (0, false);
        self.tell(&held, 0);
        self.bell.notify_waiters();
    }

    /// Forgets what is over: a strict pause may end before a lenient one.
    pub fn settle(&self, now_ms: u64) {
        if self.until_ms.load(Ordering::Relaxed) > now_ms {
            let held = self.by.lock();
            let before = self.all.load(Ordering::Relaxed);
            self.tell(&held, now_ms);
            if before && !self.all.load(Ordering::Relaxed) {
                self.bell.notify_waiters();
            }
        }
    }

    fn tell(&self, held: &HeldBack, now_ms: u64) {
        let running = held.by.iter().filter(|(until_ms, _)| *until_ms > now_ms);
        let all = running.clone().any(|(_, all)| *all);
        let until_ms = running.map(|(until_ms, _)| *until_ms).max().unwrap_or(0);
        self.all.store(all, Ordering::Relaxed);
        self.until_ms.store(until_ms, Ordering::Release);
        let any_ms = match held.away.is_empty() && held.has_no_slots() {
            true => until_ms,
            false => u64::MAX,
        };
        self.any_ms.store(any_ms, Ordering::Release);
    }

    /// Whether any command may be held back.
    #[inline]
    pub fn is_any(&self, now_ms: u64) -> bool {
        self.any_ms.load(Ordering::Acquire) > now_ms
    }

    #[inline]
    pub fn active(&self, now_ms: u64) -> Option<PauseMode> {
        if self.until_ms.load(Ordering::Acquire) <= now_ms {
            return None;
        }
        Some(if self.all.load(Ordering::Relaxed) {
            PauseMode::All
        } else {
            PauseMode::Write
        })
    }

    /// Waits for the pause to end, or to be lifted, or for keys to have left.
    pub async fn over(&self) {
        let lifted = self.bell.notified();
        let until_ms = match self.until_ms.load(Ordering::Acquire) {
            // Keys alone hold anybody back, until the bell rings.
            over if over <= clock::now_ms() => self.any_ms.load(Ordering::Acquire),
            until_ms => until_ms,
        };
        tokio::select! {
            () = clock::until(until_ms) => {}
            () = lifted => {}
        }
    }

    /// Holds back, or has refused, what names keys of these slots, and of no others; whether that is a change.
    pub fn hold_slots(&self, slots: HeldSlots, now_ms: u64) -> bool {
        let mut held = self.by.lock();
        if held.slots == slots {
            return false;
        }
        held.slots = slots;
        self.tell(&held, now_ms);
        self.bell.notify_waiters();
        true
    }

    /// Whether slots are about to be another node's.
    pub fn holds_slots(&self) -> bool {
        !self.by.lock().has_no_slots()
    }

    /// Whether keys are on their way to another server.
    pub fn has_away(&self) -> bool {
        !self.by.lock().away.is_empty()
    }

    /// Keys leave for another server: what names them is held back.
    pub(super) fn hold_away(&self, keys: &[Bstr]) {
        let mut held = self.by.lock();
        held.away.extend(keys.iter().cloned());
        self.tell(&held, clock::now_ms());
    }

    /// Keys are on their way no longer.
    pub(super) fn let_away_go(&self, keys: &[Bstr]) {
        let mut held = self.by.lock();
        for key in keys {
            held.away.remove(key);
        }
        self.tell(&held, clock::now_ms());
        self.bell.notify_waiters();
    }

    /// What holds commands back by the keys that they name, if anything does. Nothing changes of it while this is held.
    pub fn held_keys(&self) -> Option<HeldKeys<'_>> {
        let held = self.by.lock();
        (!held.away.is_empty() || !held.has_no_slots()).then_some(HeldKeys(held))
    }
}

/// Keys that hold commands back, and slots whose keys do.
pub struct HeldKeys<'a>(MutexGuard<'a, HeldBack>);

impl HeldKeys<'_> {
    /// What the key itself does to a command that names it, or its slot does.
    pub fn of_key(&self, key: &[u8]) -> KeyWait {
        match self.0.away.contains(key) {
            true => KeyWait::Waits,
            false => self.of_slot(key),
        }
    }

    /// What any key of this one's slot does.
    pub fn of_keys_slot(&self, key: &[u8]) -> KeyWait {
        let slot = slot_of(key);
        match self.0.away.iter().any(|away| slot_of(away) == slot) {
            true => KeyWait::Waits,
            false => self.of_slot(key),
        }
    }

    /// What they do to a command that may touch any key.
    pub fn of_any(&self) -> KeyWait {
        match self.0.slots.doubtful.is_empty() {
            true => KeyWait::Waits,
            false => KeyWait::Doubtful,
        }
    }

    fn of_slot(&self, key: &[u8]) -> KeyWait {
        if self.0.has_no_slots() {
            return KeyWait::Nothing;
        }
        let (slot, slots) = (slot_of(key), &self.0.slots);
        if slots.doubtful.has(slot) {
            KeyWait::Doubtful
        } else if slots.waiting.has(slot) {
            KeyWait::Waits
        } else {
            KeyWait::Nothing
        }
    }
}
