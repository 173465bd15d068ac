//! Many clients at once: what they saw must fit one order of their commands.
//!
//! `ROUNDS` says how many rounds of each kind.

mod checker;
mod finds;
mod model;
mod rounds;
mod totals;

use std::time::{Duration, Instant};

use crate::common::{Client, Server, setting};

use checker::{Seen, Verdict, check, show};
use model::{Act, Source};
use rounds::{KINDS, Kind, SEARCHES, play};

const CLIENTS: usize = 16;

fn crowd(workers: &str) -> (Server, Vec<Client>) {
    let server = Server::start(&["--io-threads", workers]);
    let clients = (0..CLIENTS).map(|_| server.client()).collect();
    (server, clients)
}

#[test]
fn every_round_of_sixteen_clients_fits_one_order() {
    let (_server, mut clients) = crowd("4");
    fit_one_order(KINDS, &mut clients);
}

#[test]
fn every_search_of_sixteen_clients_fits_one_order() {
    for workers in ["2", "4"] {
        let (_server, mut clients) = crowd(workers);
        finds::make_indexes(&mut clients[0]);
        fit_one_order(SEARCHES, &mut clients);
    }
}

fn fit_one_order(kinds: &[Kind], clients: &mut [Client]) {
    let rounds = setting("ROUNDS", 40);
    let start = Instant::now();
    let (mut commands, mut undecided) = (0, 0);
    let mut spent = vec![Duration::ZERO; kinds.len()];
    for round in 0..rounds {
        for (at, kind) in kinds.iter().enumerate() {
            let history = play(kind, clients, round * kinds.len() as u64 + at as u64);
            commands += history.len();
            let begun = Instant::now();
            let verdict = check(&history);
            spent[at] += begun.elapsed();
            match verdict {
                Verdict::Linearizable => {}
                Verdict::Undecided => undecided += 1,
                Verdict::Violated => {
                    panic!(
                        "{} round {round} fits no order:\n{}",
                        kind.name,
                        show(&history)
                    )
                }
            }
        }
    }
    let all = rounds * kinds.len() as u64;
    println!(
        "{commands} commands in {all} rounds, {undecided} undecided, {:?}",
        start.elapsed()
    );
    println!("checking took {spent:?}");
    assert!(
        undecided * 20 <= all,
        "{undecided} of {all} rounds had too many orders to try"
    );
}

/// A recorded round of this kind, and the same with one answer changed by hand: the first is
/// accepted, the second refused. Tries until a round has a place for the change.
fn plant(kind: &str, change: impl Fn(&mut Vec<Seen>) -> bool) {
    let kind: &Kind = KINDS
        .iter()
        .chain(SEARCHES)
        .find(|one| one.name == kind)
        .expect("a kind of round");
    let (_server, mut clients) = crowd("4");
    finds::make_indexes(&mut clients[0]);
    for round in 0..50 {
        let mut history = play(kind, &mut clients, 1_000_000 + round);
        if check(&history) != Verdict::Linearizable || !change(&mut history) {
            continue;
        }
        assert_eq!(
            check(&history),
            Verdict::Violated,
            "not noticed:\n{}",
            show(&history)
        );
        return;
    }
    panic!("no round of {} had a place for the change", kind.name);
}

#[test]
fn a_planted_torn_mset_is_caught() {
    // Each MSET writes one value to both keys, so no reader ever sees two.
    plant("whole", |history| {
        let written = history.iter().find_map(|seen| match seen.act {
            Act::MSet(ref pairs) => Some(pairs[0].1),
            _ => None,
        });
        let reader = history
            .iter_mut()
            .find(|seen| matches!(seen.act, Act::MGet(_)) && seen.told[0] != written);
        if let Some(reader) = reader {
            reader.told[1] = written;
        }
        history
            .iter()
            .any(|seen| matches!(seen.act, Act::MGet(_)) && seen.told[0] != seen.told[1])
    });
}

#[test]
fn a_planted_lost_increment_is_caught() {
    plant("count", |history| {
        let mut counts = history
            .iter_mut()
            .filter(|seen| matches!(seen.act, Act::Incr(0)));
        match (counts.next(), counts.next()) {
            (Some(first), Some(second)) => {
                second.told = first.told.clone();
                true
            }
            _ => false,
        }
    });
}

#[test]
fn a_planted_stale_read_is_caught() {
    plant("count", |history| {
        let Some(written) = history
            .iter()
            .filter(|seen| matches!(seen.act, Act::Incr(0)))
            .map(|seen| seen.ended)
            .min()
        else {
            return false;
        };
        let late = |seen: &&mut Seen| matches!(seen.act, Act::Get(0)) && seen.begun > written;
        history.iter_mut().find(late).is_some_and(|seen| {
            seen.told = vec![None];
            true
        })
    });
}

#[test]
fn a_planted_double_pop_is_caught() {
    plant("queue", |history| {
        let mut pops = history
            .iter_mut()
            .filter(|seen| matches!(seen.act, Act::BLPop(_)) && seen.told[0].is_some());
        match (pops.next(), pops.next()) {
            (Some(first), Some(second)) => {
                second.told = first.told.clone();
                true
            }
            _ => false,
        }
    });
}

#[test]
fn a_planted_half_transfer_is_caught() {
    plant("transfer", |history| {
        let mut readers = history
            .iter_mut()
            .filter(|seen| matches!(seen.act, Act::MGet(_)));
        readers
            .find_map(|seen| seen.told[0].as_mut())
            .is_some_and(|amount| {
                *amount += 1;
                true
            })
    });
}

#[test]
fn a_planted_duplicate_move_is_caught() {
    // Elements move one way only, so none moves twice.
    plant("move", |history| {
        let mut moves = history
            .iter_mut()
            .filter(|seen| matches!(seen.act, Act::LMove(..)) && seen.told[0].is_some());
        match (moves.next(), moves.next()) {
            (Some(first), Some(second)) => {
                second.told = first.told.clone();
                true
            }
            _ => false,
        }
    });
}

#[test]
fn a_planted_stale_search_is_caught() {
    plant("documents", |history| {
        // A key that nobody deletes nor moves away is found for good once it is there.
        let stays = |key: u8| {
            let gone = |seen: &Seen| match seen.act {
                Act::Del(gone) => gone == key,
                Act::Rename(from, to) => from == key || to == key,
                _ => false,
            };
            !history.iter().any(gone)
        };
        let first = |key: u8| {
            let puts = history
                .iter()
                .filter(|seen| matches!(seen.act, Act::Put(put, _) if put == key));
            puts.map(|seen| seen.ended).min()
        };
        let Some((key, there)) = (0..4)
            .filter(|key| stays(*key))
            .find_map(|key| Some((key, first(key)?)))
        else {
            return false;
        };
        let late = |seen: &&mut Seen| {
            let is_own =
                matches!(seen.act, Act::Find(_, source, 1, 64) if source == Source::of(key));
            is_own && seen.begun > there
        };
        history.iter_mut().find(late).is_some_and(|seen| {
            let at = (1..seen.told.len())
                .step_by(2)
                .find(|at| seen.told[*at] == Some(i64::from(key)));
            let at = at.expect("it was found");
            seen.told.drain(at..at + 2);
            seen.told[0] = Some((seen.told.len() as i64 - 1) / 2);
            true
        })
    });
}

#[test]
fn a_planted_half_step_is_caught() {
    // Documents are only made in twos, of one number.
    plant("steps", |history| {
        let readers = history
            .iter_mut()
            .filter(|seen| matches!(seen.act, Act::Find(..)));
        readers.into_iter().any(|seen| match &mut seen.told[..] {
            [Some(2), _, Some(first), _, second] if *second == Some(*first) => {
                *second = Some(*first + 1);
                true
            }
            _ => false,
        })
    });
}
