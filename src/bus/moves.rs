//! Slots that come here whole: a thread of its own asks for their keys, and the one for keys stages them.
//!
//! `state::slot_moves` says why nothing is lost and nothing has two owners, whatever fails.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::orders::{KeyChore, KeysOfMove};
use super::peer::MovePeer;
use crate::cluster::{SlotSet, slot_of, take_over};
use crate::engine::{Patience, ShardKey, ShardSet};
use crate::exec::{Staging, Worker};
use crate::journal::{Depends, Pass};
use crate::state::clustering::Clustering;
use crate::state::moves::{MoveSide, MoveState, SlotMove, StagedFate};
use crate::state::replication::{Acks, ReplicaStage};
use crate::state::shared::Shared;
use crate::util::clock::Timer;
use crate::util::{clock, crash, memory};

/// What is left once commands are held back comes within this time, or the move fails.
const REST_COMES: Duration = Duration::from_secs(8);
/// The slots are taken within this time after leave was asked for, or not at all.
const TAKE: Duration = Duration::from_secs(3);
const REST: Duration = Duration::from_millis(5);
/// Commands are held back once so few keys are left, or after so many rounds in which clients were faster.
const FEW_KEYS: usize = 256;
const ROUNDS: usize = 64;
/// Replicas are waited for so long.
const REPLICAS: Duration = Duration::from_secs(1);

/// Slots whose clients are let go together once all of their keys have come.
const SLOTS_AT_A_TIME: usize = 16;

const ENDED: &str = "it was ended";

/// Does what a move needs. Who asked may have gone with the server.
pub fn work_on_move(worker: &Worker, keys: KeysOfMove) {
    let moves = &worker.shared.slot_moves;
    match keys {
        KeysOfMove::Clear(id, slots, done) => {
            // The move may have been given up meanwhile, and the slot may have come by other ways.
            let goes_on = || {
                let found = moves.find(&id, MoveSide::Import);
                found.is_some_and(|one| !one.state.has_ended())
            };
            let view = || worker.shared.clustering.as_ref().map(Clustering::view);
            let is_theirs = |slot| {
                view().is_some_and(|view| {
                    view.me().is_master() && !view.owns(slot) && view.importing_from(slot).is_none()
                })
            };
            let clears = |slot| goes_on() && is_theirs(slot);
            worker.drop_slots(&slots, true, clears);
            Staging(worker).settle_staged(&slots, |slot| match clears(slot) {
                true => StagedFate::Drop,
                false => StagedFate::Keep,
            });
            let _ = done.send(Ok(()));
        }
        KeysOfMove::Stage(id, keys, done) => {
            let found = moves.find(&id, MoveSide::Import);
            let staged = match found.filter(|one| !one.state.has_ended()) {
                Some(one) if keys.iter().all(|key| one.slots.has(slot_of(&key.name))) => {
                    Staging(worker).stage(&keys)
                }
                Some(_) => Err("the other node gives keys of other slots".to_owned()),
                None => Err(ENDED.to_owned()),
            };
            let _ = done.send(staged);
        }
        KeysOfMove::Settle(done) => drop(done.send(settle(worker))),
        KeysOfMove::Land(id, slots, done) => {
            land(worker, &id, &slots);
            let _ = done.send(Ok(()));
        }
        KeysOfMove::Drop(slots) => {
            // Another move of them may have begun.
            let keeps = |slot| moves.moving(MoveSide::Import).has(slot);
            Staging(worker).settle_staged(&slots, |slot| match keeps(slot) {
                true => StagedFate::Keep,
                false => StagedFate::Drop,
            });
        }
    }
}

/// Puts keys where clients find them, and lets the clients of some slots go on once that is done for these.
fn land(worker: &Worker, id: &str, slots: &SlotSet) {
    let shared = &worker.shared;
    let all: Vec<u16> = slots.iter().collect();
    let mut count = 0;
    for some in all.chunks(SLOTS_AT_A_TIME) {
        let some = some.iter().copied().collect();
        count += Staging(worker).settle_staged(&some, |_| StagedFate::Land);
        shared.slot_moves.landed(id, &some);
        if let Some(clustering) = &shared.clustering {
            shared.settle_moves(clustering);
        }
        crash::point("slots-landing");
    }
    tracing::info!("{count} keys have come with the slots {slots}.");
}

fn settle(worker: &Worker) -> Result<(), String> {
    let begun = Timer::start();
    let mut depends = Depends::default();
    depends.wrote(worker.shared.journal.end());
    loop {
        match worker.shared.journal.gate.pass(depends) {
            Pass::Open => break,
            Pass::Wait if begun.elapsed() < REST_COMES => std::thread::sleep(REST),
            Pass::Wait => return Err("the log is too slow".to_owned()),
            Pass::Broken => return Err("the log can't be written".to_owned()),
        }
    }
    wait_for_replicas(&worker.shared);
    Ok(())
}

/// Gives replicas the time to have it, too.
fn wait_for_replicas(shared: &Shared) {
    let begun = Timer::start();
    let replication = &shared.replication;
    let acks = Acks {
        offset: shared.journal.backlog.end(),
        replicas: u64::MAX,
        log: None,
    };
    let are_behind = || {
        let replicas = replication.replicas();
        let online = replicas
            .iter()
            .filter(|one| one.stage() == ReplicaStage::Online);
        acks.count(replication, &shared.journal).1 < online.count() as u64
    };
    while are_behind() && begun.elapsed() < REPLICAS {
        replication.ask_for_acks();
        std::thread::sleep(REST);
    }
}

/// The node that takes slots.
struct Import<'s> {
    shared: &'s Shared,
    clustering: &'s Clustering,
    chores: &'s Sender<KeyChore>,
    one: SlotMove,
}

/// Takes slots, on a thread of its own.
pub fn import(shared: &Shared, chores: &Sender<KeyChore>, id: &str) {
    let found = shared.slot_moves.find(id, MoveSide::Import);
    let Some((one, clustering)) = found.zip(shared.clustering.as_ref()) else {
        return;
    };
    let slots = one.slots.clone();
    let import = Import {
        shared,
        clustering,
        chores,
        one,
    };
    let (state, why) = match import.run() {
        Ok(()) => (MoveState::Done, String::new()),
        Err(why) => (MoveState::Failed, why),
    };
    let (moves, now_ms) = (&shared.slot_moves, clock::now_ms());
    moves.end(id, MoveSide::Import, state, &why, now_ms);
    shared.settle_moves(clustering);
    if state != MoveState::Done {
        // What no other move needs that has begun since.
        drop(chores.send(KeyChore::OfMove(KeysOfMove::Drop(slots))));
    }
}

impl Import<'_> {
    fn run(&self) -> Result<(), String> {
        let taken = MovePeer::connect(self.shared, &self.one.source).and_then(|mut peer| {
            let taken = self.take(&mut peer);
            // It is certain that the slots are not taken: the owner need not wait.
            if taken.is_err() && peer.say("CANCEL", &self.one.id, &[]).is_err() {
                let again = MovePeer::connect(self.shared, &self.one.source);
                let _ = again.and_then(|mut peer| peer.say("CANCEL", &self.one.id, &[]));
            }
            taken
        });
        taken?;
        crash::point("slots-taken");
        let (id, slots) = (self.one.id.clone(), self.one.slots.clone());
        self.have_done(|done| KeysOfMove::Land(id, slots, done))
            .map_err(|_| "the server stops".to_owned())
    }

    fn have_done(
        &self,
        chore: impl FnOnce(Sender<Result<(), String>>) -> KeysOfMove,
    ) -> Result<(), String> {
        let stops = || "the server stops".to_owned();
        let (done, told) = channel();
        let sent = self.chores.send(KeyChore::OfMove(chore(done)));
        sent.map_err(|_| stops())?;
        told.recv().map_err(|_| stops())?
    }

    /// Whether the move still goes on, and how far it is.
    fn goes_on(&self, state: MoveState) -> Result<(), String> {
        let (moves, id) = (&self.shared.slot_moves, &self.one.id);
        let goes_on = !self.shared.stop.is_cancelled()
            && moves.note(id, MoveSide::Import, state, clock::now_ms());
        match goes_on {
            true => Ok(()),
            false => Err(ENDED.to_owned()),
        }
    }

    fn take(&self, peer: &mut MovePeer) -> Result<(), String> {
        let (id, slots) = (self.one.id.as_str(), &self.one.slots);
        self.goes_on(MoveState::Begun)?;
        self.have_done(|done| KeysOfMove::Clear(id.to_owned(), slots.clone(), done))?;
        peer.say_slots("BEGIN", id, Some(&self.one.dest), slots)?;
        self.copy(peer)?;
        self.have_done(KeysOfMove::Settle)?;
        crash::point("slots-brought");
        self.goes_on(MoveState::HeldBack)?;
        let begun = Timer::start();
        peer.say("HOLD", id, &[])?;
        while !self.bring(peer, MoveState::HeldBack)?.0 {
            if begun.elapsed() > REST_COMES {
                return Err("what is left did not come in time".to_owned());
            }
        }
        self.have_done(KeysOfMove::Settle)?;
        crash::point("slots-whole");
        self.take_over(peer)
    }

    /// Brings keys until few are left.
    fn copy(&self, peer: &mut MovePeer) -> Result<(), String> {
        let mut state = MoveState::Copying;
        let mut rounds = 0;
        loop {
            let (_, copies, left) = self.bring(peer, state)?;
            if copies {
                continue;
            }
            state = MoveState::CatchingUp;
            rounds += 1;
            if left <= FEW_KEYS || rounds > ROUNDS {
                return Ok(());
            }
        }
    }

    /// Brings a piece; whether it was the last one, whether some keys have yet to be copied, and how many are left.
    fn bring(&self, peer: &mut MovePeer, state: MoveState) -> Result<(bool, bool, usize), String> {
        self.goes_on(state)?;
        let piece = peer.next(&self.one.id)?;
        // Another thread takes the keys, and frees what they came in.
        memory::publish();
        let (is_last, copies, left) = (piece.is_last, piece.copies, piece.left);
        if !piece.keys.is_empty() {
            let id = self.one.id.clone();
            self.have_done(|done| KeysOfMove::Stage(id, piece.keys, done))?;
        } else if !is_last {
            std::thread::sleep(REST);
        }
        Ok((is_last, copies, left))
    }

    /// Takes the slots, with whose keys nobody's command gets between.
    fn take_over(&self, peer: &mut MovePeer) -> Result<(), String> {
        self.goes_on(MoveState::TakingOver)?;
        self.shared.settle_moves(self.clustering);
        // Whoever was let in before has committed.
        let mut set = ShardSet::EMPTY;
        let slots = &self.one.slots;
        slots
            .iter()
            .for_each(|slot| set.union(ShardSet::one(ShardKey::shard_of_slot(slot))));
        let engine = &self.shared.store.engine;
        drop(engine.lock(set, Patience::of_this_thread()));
        self.goes_on(MoveState::TakingOver)?;
        // Counted from before the owner is asked.
        let begun = Timer::start();
        peer.say("GRANT", &self.one.id, &[])?;
        crash::point("slots-granted");
        self.shared.in_cluster(self.clustering, |cluster, _| {
            if begun.elapsed() > TAKE {
                return Err("leave to take the slots came too late".to_owned());
            }
            let taken = take_over(cluster, slots, &self.one.source);
            taken.map_err(|refused| refused.0.into_owned())
        })
    }
}

/// Asks other nodes to take slots of this one, one move after another, until the server stops.
pub fn offer_all(shared: &Shared, offered: Receiver<String>) {
    for id in offered {
        offer(shared, &id);
        let goes_on = || {
            let one = shared.slot_moves.find(&id, MoveSide::Export);
            one.is_some_and(|one| !one.state.has_ended()) && !shared.stop.is_cancelled()
        };
        while goes_on() {
            std::thread::sleep(REST);
        }
    }
}

fn offer(shared: &Shared, id: &str) {
    let moves = &shared.slot_moves;
    let Some(one) = moves.find(id, MoveSide::Export) else {
        return;
    };
    if one.state.has_ended() {
        return;
    }
    let offered = MovePeer::connect(shared, &one.dest)
        .and_then(|mut peer| peer.say_slots("TAKE", id, None, &one.slots));
    let now_ms = clock::now_ms();
    if let Err(why) = offered {
        moves.end(id, MoveSide::Export, MoveState::Failed, &why, now_ms);
    } else if let Some(one) = moves.find(id, MoveSide::Export)
        && one.state == MoveState::Begun
    {
        moves.note(id, MoveSide::Export, MoveState::Copying, now_ms);
    }
}
