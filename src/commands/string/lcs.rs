//! LCS: the longest common subsequence of two strings.

use std::ops::Range;

use crate::command::{Arg, Begin, Command, Done, Fail, Find, Flow, KeySpec, KeyUse, ReadCall, Run};
use crate::types::Text;

pub const LCS: Command = Command {
    name: "lcs",
    summary: "Finds the longest common subsequence of two strings",
    cost: "O(N*M) for strings of N and M bytes",
    since: "7.0.0",
    args: &[
        Arg::key("key1", KeyUse::READ),
        Arg::key("key2", KeyUse::READ),
        Arg::word("len", "LEN").optional(),
        Arg::word("idx", "IDX").optional(),
        Arg::int("min-match-len").token("MINMATCHLEN").optional(),
        Arg::word("withmatchlen", "WITHMATCHLEN").optional(),
    ],
    run: Run::Read(lcs),
    keys: Some(&[KeySpec {
        used: KeyUse::READ,
        begin: Begin::Index(1),
        find: Find::Range {
            last: 1,
            step: 1,
            limit: 0,
        },
    }]),
    ..Command::PLAIN
};

fn lcs(call: &mut ReadCall<'_>) -> Done {
    let (key_a, key_b) = (call.args.next()?, call.args.next()?);
    let not_strings = |_| Fail::Says("The specified keys must contain string values");
    let (mut digits_a, mut digits_b) = (itoa::Buffer::new(), itoa::Buffer::new());
    let a = call.db.read::<Text>(key_a).map_err(not_strings)?;
    let b = call.db.read::<Text>(key_b).map_err(not_strings)?;
    let a = a.map_or(&b""[..], |text| text.as_bytes(&mut digits_a));
    let b = b.map_or(&b""[..], |text| text.as_bytes(&mut digits_b));
    let (mut len, mut idx, mut with_len, mut min_len) = (false, false, false, 0);
    while !call.args.is_empty() {
        if call.args.word("IDX") {
            idx = true;
        } else if call.args.word("LEN") {
            len = true;
        } else if call.args.word("WITHMATCHLEN") {
            with_len = true;
        } else if call.args.word_with("MINMATCHLEN", 1) {
            min_len = call.args.int()?.max(0) as usize;
        } else {
            return Err(Fail::SYNTAX);
        }
    }
    if idx && len {
        return Err(Fail::Says(
            "If you want both the length and indexes, please just use IDX.",
        ));
    }
    let cells = (a.len() as u64 + 1) * (b.len() as u64 + 1);
    if cells * 4 > call.server.config.proto_max_bulk_len.get()
        || a.len().max(b.len()) >= u32::MAX as usize
    {
        return Err(Fail::Says(
            "Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    let common = Common::of(a, b);
    if len {
        call.out.count(common.len);
    } else if idx {
        reply_matches(call, &common, min_len, with_len);
    } else {
        let mut text = Vec::with_capacity(common.len);
        common
            .runs
            .iter()
            .rev()
            .for_each(|(in_a, _)| text.extend_from_slice(&a[in_a.clone()]));
        call.out.bulk(&text);
    }
    Ok(Flow::Done)
}

fn reply_matches(call: &mut ReadCall<'_>, common: &Common, min_len: usize, with_len: bool) {
    let shown: Vec<_> = common
        .runs
        .iter()
        .filter(|(in_a, _)| in_a.len() >= min_len)
        .collect();
    let out = &mut *call.out;
    out.map(2);
    out.bulk("matches");
    out.array(shown.len());
    for (in_a, in_b) in shown {
        out.array(if with_len { 3 } else { 2 });
        for range in [in_a, in_b] {
            out.array(2);
            out.count(range.start);
            out.count(range.end - 1);
        }
        if with_len {
            out.count(in_a.len());
        }
    }
    out.bulk("len");
    out.count(common.len);
}

/// A longest common subsequence, as runs of bytes that are adjacent in both strings, last first.
struct Common {
    len: usize,
    runs: Vec<(Range<usize>, Range<usize>)>,
}

impl Common {
    fn of(a: &[u8], b: &[u8]) -> Self {
        let width = b.len() + 1;
        let mut table = vec![0u32; (a.len() + 1) * width];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i * width + j] = if a[i - 1] == b[j - 1] {
                    table[(i - 1) * width + j - 1] + 1
                } else {
                    table[(i - 1) * width + j].max(table[i * width + j - 1])
                };
            }
        }
        let mut runs: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        let (mut i, mut j) = (a.len(), b.len());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                match runs.last_mut() {
                    Some((in_a, in_b)) if in_a.start == i + 1 && in_b.start == j + 1 => {
                        in_a.start = i;
                        in_b.start = j;
                    }
                    _ => runs.push((i..i + 1, j..j + 1)),
                }
            } else if table[(i - 1) * width + j] > table[i * width + j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        Common {
            len: table[a.len() * width + b.len()] as usize,
            runs,
        }
    }
}
