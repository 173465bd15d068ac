//! Whether a history could come from a server that does one thing at a time (Wing and Gong, with
//! Lowe's memory of what was tried).
//!
//! A history is linearizable when its commands can be put in one order that keeps every "ended
//! before the other began" and in which the model gives the answers that were seen.

use std::collections::HashSet;

use super::model::{Act, Model, Told};

/// One command as its client saw it. Times count from the start of the round.
#[derive(Clone, Debug)]
pub struct Seen {
    pub client: usize,
    pub begun: u64,
    pub ended: u64,
    pub act: Act,
    pub told: Told,
}

/// Commands in a history at most: the done ones are bits of one word.
pub const HISTORY_MAX: usize = 64;

/// Steps of one search before it gives up, so that no round takes for ever.
const TRIES_MAX: usize = 600_000;

#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Linearizable,
    Violated,
    /// Too many orders to try.
    Undecided,
}

pub fn check(history: &[Seen]) -> Verdict {
    assert!(
        history.len() <= HISTORY_MAX,
        "a round has {HISTORY_MAX} commands at most"
    );
    let all = if history.len() == HISTORY_MAX {
        u64::MAX
    } else {
        (1 << history.len()) - 1
    };
    let mut history = history.to_vec();
    history.sort_by_key(|seen| seen.ended);
    let mut tried: HashSet<(u64, Model)> = HashSet::new();
    let mut open: Vec<(u64, Model)> = vec![(0, Model::default())];
    while let Some((done, model)) = open.pop() {
        if done == all {
            return Verdict::Linearizable;
        }
        if tried.len() > TRIES_MAX {
            return Verdict::Undecided;
        }
        let left = || (0..history.len()).filter(|at| done & (1 << at) == 0);
        // Next may be whatever began before the first of the rest ended.
        let first_end = left()
            .map(|at| history[at].ended)
            .min()
            .expect("not all are done");
        let mut ways = Vec::new();
        for at in left().filter(|at| history[*at].begun <= first_end) {
            let mut after = model.clone();
            if after.run(&history[at].act) != history[at].told {
                continue;
            }
            let state = (done | 1 << at, after);
            if history[at].act.only_looked(&history[at].told) {
                // It fits here and changes nothing anywhere, so any order that works with it
                // later works with it now: no need to try the others.
                ways = vec![state];
                break;
            }
            ways.push(state);
        }
        // What ended first is tried first: it is pushed last.
        open.extend(
            ways.into_iter()
                .rev()
                .filter(|state| tried.insert(state.clone())),
        );
    }
    Verdict::Violated
}

/// The history in the order in which the commands began, for people.
pub fn show(history: &[Seen]) -> String {
    let mut seen: Vec<&Seen> = history.iter().collect();
    seen.sort_by_key(|seen| seen.begun);
    seen.iter()
        .map(|s| {
            format!(
                "  {:>9}..{:<9} #{:<2} {:?} -> {:?}\n",
                s.begun, s.ended, s.client, s.act, s.told
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(client: usize, begun: u64, ended: u64, act: Act, told: &[Option<i64>]) -> Seen {
        Seen {
            client,
            begun,
            ended,
            act,
            told: told.to_vec(),
        }
    }

    #[test]
    fn commands_that_overlap_may_take_either_order() {
        for value in [None, Some(1)] {
            let history = [
                seen(0, 0, 10, Act::Set(0, 1), &[]),
                seen(1, 5, 6, Act::Get(0), &[value]),
            ];
            assert_eq!(check(&history), Verdict::Linearizable);
        }
    }

    #[test]
    fn a_command_that_ended_before_another_began_comes_first() {
        let history = [
            seen(0, 0, 10, Act::Set(0, 1), &[]),
            seen(1, 11, 12, Act::Get(0), &[None]),
        ];
        assert_eq!(check(&history), Verdict::Violated);
    }

    #[test]
    fn two_readers_must_agree_on_one_order_of_two_writers() {
        let history = |last: i64| {
            [
                seen(0, 0, 100, Act::Set(0, 1), &[]),
                seen(1, 0, 100, Act::Set(0, 2), &[]),
                seen(2, 10, 20, Act::Get(0), &[Some(1)]),
                seen(2, 30, 40, Act::Get(0), &[Some(2)]),
                seen(3, 50, 60, Act::Get(0), &[Some(last)]),
            ]
        };
        assert_eq!(check(&history(2)), Verdict::Linearizable);
        assert_eq!(check(&history(1)), Verdict::Violated);
    }
}
