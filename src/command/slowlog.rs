//! The slow log: the last commands that took longer than `slowlog-log-slower-than`.

use crate::util::ranked::{Mutex, rank};
use std::collections::VecDeque;

/// One slow command. Long argument lists and long arguments are cut as Redis cuts them.
#[derive(Clone, Debug)]
pub struct SlowEntry {
    pub id: u64,
    pub time_s: u64,
    pub micros: u64,
    pub args: Vec<Vec<u8>>,
    pub address: String,
    pub client_name: String,
}

const ARGS_MAX: usize = 32;
const ARG_BYTES_MAX: usize = 128;

#[derive(Default)]
struct State {
    next_id: u64,
    /// Newest first.
    entries: VecDeque<SlowEntry>,
}

#[derive(Default)]
pub struct Slowlog {
    state: Mutex<State, { rank("slow log") }>,
}

impl Slowlog {
    pub fn push(
        &self,
        time_s: u64,
        micros: u64,
        argv: &[&[u8]],
        address: &str,
        client_name: &str,
        len_max: usize,
    ) {
        let mut state = self.state.lock();
        let entry = SlowEntry {
            id: state.next_id,
            time_s,
            micros,
            args: shorten(argv),
            address: address.into(),
            client_name: client_name.into(),
        };
        state.next_id += 1;
        state.entries.push_front(entry);
        state.entries.truncate(len_max);
    }

    /// The newest entries, all of them without a limit.
    pub fn newest(&self, count: Option<usize>) -> Vec<SlowEntry> {
        let state = self.state.lock();
        state
            .entries
            .iter()
            .take(count.unwrap_or(usize::MAX))
            .cloned()
            .collect()
    }

    pub fn len(&self) -> usize {
        self.state.lock().entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn reset(&self) {
        self.state.lock().entries.clear();
    }
}

fn shorten(argv: &[&[u8]]) -> Vec<Vec<u8>> {
    let kept = if argv.len() > ARGS_MAX {
        ARGS_MAX - 1
    } else {
        argv.len()
    };
    let mut args: Vec<Vec<u8>> = argv[..kept].iter().map(|arg| shorten_one(arg)).collect();
    if kept < argv.len() {
        args.push(format!("... ({} more arguments)", argv.len() - kept).into_bytes());
    }
    args
}

fn shorten_one(arg: &[u8]) -> Vec<u8> {
    if arg.len() <= ARG_BYTES_MAX {
        return arg.to_vec();
    }
    let mut cut = arg[..ARG_BYTES_MAX].to_vec();
    cut.extend_from_slice(format!("... ({} more bytes)", arg.len() - ARG_BYTES_MAX).as_bytes());
    cut
}
