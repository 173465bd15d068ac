//! Logs of the last commands that took long, had a large request or a large reply.

use crate::util::ranked::{Mutex, rank};
use std::collections::VecDeque;

/// One command. Long argument lists and long arguments are cut as Redis cuts them.
#[derive(Clone, Debug)]
pub struct SlowEntry {
    pub id: u64,
    pub time_s: u64,
    /// Microseconds, or bytes.
    pub measure: u64,
    pub args: Vec<Vec<u8>>,
    pub address: String,
    pub client_name: String,
}

/// What is kept of a command's arguments.
#[derive(Clone, Copy)]
pub struct SlowlogRoom {
    pub args_max: usize,
    pub arg_bytes_max: usize,
    pub entries_max: usize,
}

#[derive(Default)]
struct SlowlogState {
    next_id: u64,
    /// Newest first.
    entries: VecDeque<SlowEntry>,
}

#[derive(Default)]
pub struct Slowlog {
    state: Mutex<SlowlogState, { rank("slow log") }>,
}

impl Slowlog {
    pub fn push(
        &self,
        time_s: u64,
        measure: u64,
        argv: &[&[u8]],
        (address, client_name): (&str, &str),
        room: SlowlogRoom,
    ) {
        let mut state = self.state.lock();
        let entry = SlowEntry {
            id: state.next_id,
            time_s,
            measure,
            args: shorten(argv, room),
            address: address.into(),
            client_name: client_name.into(),
        };
        state.next_id += 1;
        state.entries.push_front(entry);
        state.entries.truncate(room.entries_max);
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

fn shorten(argv: &[&[u8]], room: SlowlogRoom) -> Vec<Vec<u8>> {
    let kept = if argv.len() > room.args_max {
        room.args_max - 1
    } else {
        argv.len()
    };
    let mut args: Vec<Vec<u8>> = argv[..kept]
        .iter()
        .map(|arg| shorten_one(arg, room.arg_bytes_max))
        .collect();
    if kept < argv.len() {
        args.push(format!("... ({} more arguments)", argv.len() - kept).into_bytes());
    }
    args
}

fn shorten_one(arg: &[u8], bytes_max: usize) -> Vec<u8> {
    if arg.len() <= bytes_max {
        return arg.to_vec();
    }
    let mut cut = arg[..bytes_max].to_vec();
    cut.extend_from_slice(format!("... ({} more bytes)", arg.len() - bytes_max).as_bytes());
    cut
}
