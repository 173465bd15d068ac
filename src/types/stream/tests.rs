//! A stream against a map that does the same.

use std::collections::BTreeMap;

use super::*;

type Model = BTreeMap<Id, Vec<Vec<u8>>>;

fn pairs_of(entry: &StreamEntry<'_>) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    entry.each(|name, value| out.extend([name.to_vec(), value.to_vec()]));
    out
}

fn check(stream: &Stream, model: &Model) {
    assert_eq!(stream.len(), model.len());
    let all = stream.range(Id::MIN, Id::MAX);
    assert!(
        all.map(|entry| (entry.id, pairs_of(&entry)))
            .eq(model.clone())
    );
    let first = model.keys().next().copied();
    assert_eq!(stream.first_id(), first.unwrap_or_default());
    let last = model.keys().next_back().copied();
    assert_eq!(stream.last_entry_id(), last);
    let bytes: usize = stream.nodes().iter().map(StreamNode::bytes).sum();
    assert_eq!(stream.bytes, bytes);
}

fn random_pairs(random: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    let names: &[&[u8]] = match random.u8(0..4) {
        0 => &[b"temperature"],
        1 => &[b"a", b"7"],
        _ => &[b"name", b"value"],
    };
    let mut pairs = Vec::new();
    for name in names {
        let value = match random.u8(0..3) {
            0 => random.i32(..).to_string().into_bytes(),
            1 => vec![b'v'; random.usize(0..300)],
            _ => b"short".to_vec(),
        };
        pairs.extend([name.to_vec(), value]);
    }
    pairs
}

#[test]
fn it_agrees_with_a_map_under_random_edits() {
    let mut random = fastrand::Rng::with_seed(3);
    for (bytes, entries) in [(4096, 100), (200, 0), (0, 3), (0, 0)] {
        let limits = Limits {
            stream_node_bytes: bytes,
            stream_node_entries: entries,
            ..Limits::default()
        };
        let (mut stream, mut model) = (Stream::default(), Model::new());
        for _ in 0..3000 {
            match random.u8(0..20) {
                0 => {
                    let keep = random.u64(0..200);
                    let bound = TrimBound::Len(keep);
                    let is_rough = random.bool();
                    let trim = Trim {
                        bound,
                        is_rough,
                        limit: 0,
                        references: References::Keep,
                    };
                    for _ in 0..stream.trim(&trim).entries {
                        model.pop_first();
                    }
                    assert!(is_rough || stream.len() as u64 <= keep);
                }
                1 => {
                    let from = Id::new(stream.last_id().ms.saturating_sub(random.u64(0..50)), 2);
                    let trim = Trim {
                        bound: TrimBound::From(from),
                        is_rough: false,
                        limit: 0,
                        references: References::Keep,
                    };
                    let before = model.len();
                    model = model.split_off(&from);
                    assert_eq!(stream.trim(&trim).entries, before - model.len());
                }
                2..8 => {
                    let last = stream.last_id().ms;
                    let id = Id::new(random.u64(last.saturating_sub(60)..=last), random.u64(0..4));
                    assert_eq!(stream.delete(id), model.remove(&id).is_some());
                }
                _ => {
                    let id = stream
                        .next_id(stream.last_id().ms + random.u64(0..2))
                        .unwrap();
                    let pairs = random_pairs(&mut random);
                    let slices: Vec<&[u8]> = pairs.iter().map(|bytes| &bytes[..]).collect();
                    stream.append(id, &slices, &limits).unwrap();
                    model.insert(id, pairs);
                }
            }
            let from = Id::new(random.u64(0..=stream.last_id().ms), 1);
            let to = Id::new(random.u64(0..=stream.last_id().ms), 3);
            if from <= to {
                let ids = stream.range(from, to).map(|entry| entry.id);
                assert!(ids.eq(model.range(from..=to).map(|(id, _)| *id)));
                let back = stream.range_back(from, to).map(|entry| entry.id);
                assert!(back.eq(model.range(from..=to).rev().map(|(id, _)| *id)));
            }
        }
        check(&stream, &model);
        let mut copy = Stream::default();
        for node in stream.nodes().iter() {
            let pack = Listpack::from_bytes(node.pack().as_bytes().to_vec()).unwrap();
            assert!(copy.load_node(node.id(), pack));
        }
        assert!(
            copy.range(Id::MIN, Id::MAX)
                .map(|entry| entry.id)
                .eq(model.into_keys())
        );
        assert_eq!(copy.first_id(), stream.first_id());
    }
}

#[test]
fn nodes_that_are_none_are_refused_and_never_panic() {
    let mut node = StreamNode::new(Id::new(5, 1), &[b"name", b"value", b"n", b"1"]);
    node.append(Id::new(6, 0), &[b"name", b"value", b"n", b"2"]);
    node.append(Id::new(7, 0), &[b"other", b"3"]);
    node.kill(&[node.find(Id::new(6, 0)).unwrap()]);
    let good = node.pack().as_bytes().to_vec();
    assert!(
        StreamNode::checked(Id::new(5, 1), Listpack::from_bytes(good.clone()).unwrap()).is_some()
    );
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            let mut stream = Stream::default();
            let pack = Listpack::from_bytes(bad);
            if pack.is_some_and(|pack| stream.load_node(Id::new(5, 1), pack)) {
                // What is accepted must stand all that is done to a stream.
                stream
                    .range_back(Id::MIN, Id::MAX)
                    .for_each(|entry| entry.each(|_, _| {}));
                stream.delete(Id::new(5, 1));
                let bound = TrimBound::Len(0);
                stream.trim(&Trim {
                    bound,
                    is_rough: false,
                    limit: 0,
                    references: References::Keep,
                });
            }
        }
    }
}

#[test]
fn a_group_counts_what_is_pending_the_same_from_both_sides() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut group = Group::default();
    for _ in 0..20_000 {
        let id = Id::new(random.u64(0..500), 0);
        let name = [b'a' + random.u8(0..6)];
        match random.u8(0..30) {
            0 => drop(group.remove_consumer(&name)),
            1..15 => drop(group.acknowledge(id)),
            _ => {
                let (owner, _) = group.find_or_add_consumer(&name, 1);
                group.deliver(id, owner, 1);
            }
        }
        let sum: usize = group.consumers().map(|one| one.pending().len()).sum();
        assert_eq!(sum, group.pending().len());
    }
    for pending in group.pending().iter() {
        let owner = pending.owner().expect("nothing was given back");
        let owner = group.consumer(owner);
        assert!(owner.pending().get(pending.id).is_some());
    }
    let names: Vec<&[u8]> = group.consumers().map(Consumer::name).collect();
    assert!(names.is_sorted());
}
