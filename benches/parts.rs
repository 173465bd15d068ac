//! The hot parts of a command, each alone: `cargo bench --bench parts [WORD]`.
//!
//! What is near stands in the processor's cache; what is far doesn't, and a command that looks at it waits for memory.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use vermilion::command::Registry;
use vermilion::commands;
use vermilion::resp::{Codec, ProtoLimits, Reply, Request, encode};
use vermilion::types::{Bstr, Dense, Far, Keyed, Limits, List, Listpack, Set, ZSet};
use vermilion::util::keyhash;

const NEAR: usize = 1000;
const FAR: usize = 1_000_000;
/// Requests of one read, as redis-benchmark -P 16 sends them.
const BATCH: usize = 16;

struct Item(Bstr);

impl Keyed for Item {
    fn key(&self) -> &[u8] {
        &self.0
    }
}

fn name(n: usize) -> Vec<u8> {
    format!("key:{n:012}").into_bytes()
}

fn requests(c: &mut Criterion) {
    let limits = ProtoLimits {
        bulk_max: 1 << 29,
        authenticated: true,
    };
    let mut bytes = Vec::new();
    for n in 0..BATCH {
        encode(&[b"GET".to_vec(), name(n)], &mut bytes);
    }
    let mut group = c.benchmark_group("requests");
    group.throughput(Throughput::Elements(BATCH as u64));
    let (mut codec, mut request) = (Codec::default(), Request::default());
    group.bench_function("read 16 GETs", |b| {
        b.iter(|| {
            let mut at = 0;
            while codec.next(&bytes[at..], &limits, &mut request) == Ok(true) {
                at += request.len();
            }
            assert_eq!(at, bytes.len());
        });
    });
    group.finish();

    let registry = Registry::new(commands::FAMILIES);
    c.bench_function("requests/find a command by name", |b| {
        b.iter(|| registry.get(black_box(b"zrangebyscore")));
    });
    let mut reply = Reply::new(false);
    c.bench_function("requests/reply with 32 bytes", |b| {
        b.iter(|| {
            reply.bulk(black_box([b'x'; 32]));
            if reply.len() > 16 * 1024 {
                reply.buf_mut().clear();
            }
        });
    });
}

fn index(c: &mut Criterion) {
    c.bench_function("index/hash of 16 bytes", |b| {
        b.iter(|| keyhash::hash(black_box(b"key:000000000001")));
    });
    for (place, count) in [("near", NEAR), ("far", FAR)] {
        let mut dense: Dense<Item> = Dense::new();
        for n in 0..count {
            dense.push(keyhash::hash(&name(n)), Item(Bstr::new(&name(n))));
        }
        let mut random = fastrand::Rng::with_seed(1);
        let mut draw = || {
            let key = name(random.usize(..count));
            (keyhash::hash(&key), key)
        };
        c.bench_function(&format!("index/find one, {place}"), |b| {
            b.iter_batched(
                &mut draw,
                |(hash, key)| dense.find(hash, &key),
                BatchSize::SmallInput,
            );
        });
        let mut group = c.benchmark_group("index");
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function(
            format!("find 16 that were looked at together, {place}"),
            |b| {
                b.iter_batched(
                    || (0..BATCH).map(|_| draw()).collect::<Vec<_>>(),
                    |drawn| {
                        black_box(
                            drawn
                                .iter()
                                .fold(0, |sum, (hash, _)| sum ^ dense.touch(*hash)),
                        );
                        let places = drawn.iter().filter_map(|(hash, _)| dense.likely(*hash));
                        black_box(places.fold(0, |sum, pos| sum ^ dense.warm(pos)));
                        drawn
                            .iter()
                            .filter(|(hash, key)| dense.find(*hash, key).is_some())
                            .count()
                    },
                    BatchSize::SmallInput,
                );
            },
        );
        group.finish();
    }
    let mut dense: Dense<Item> = Dense::new();
    c.bench_function("index/add one, up to a million", |b| {
        b.iter(|| {
            let key = name(dense.len());
            dense.push(keyhash::hash(&key), Item(Bstr::new(&key)));
            if dense.len() == FAR {
                dense = Dense::new();
            }
        });
    });
}

fn collections(c: &mut Criterion) {
    let limits = Limits::default();
    let mut list = List::new();
    c.bench_function("collections/push to a list and pop from it", |b| {
        b.iter(|| {
            list.push_front(black_box(b"xxx"), &limits);
            list.push_front(black_box(b"xxx"), &limits);
            list.pop_back()
        });
    });
    let mut set = Set::new();
    let mut zset = ZSet::new();
    for n in 0..FAR {
        set.insert(&name(n), &limits);
        zset.insert(&name(n), n as f64, &limits);
    }
    let mut random = fastrand::Rng::with_seed(2);
    c.bench_function("collections/look up a member of a large set", |b| {
        b.iter_batched(
            || name(random.usize(..2 * FAR)),
            |member| set.contains(&member),
            BatchSize::SmallInput,
        );
    });
    c.bench_function("collections/change a score in a large sorted set", |b| {
        b.iter_batched(
            || (name(random.usize(..FAR)), random.f64()),
            |(member, score)| zset.insert(&member, score, &limits),
            BatchSize::SmallInput,
        );
    });
    c.bench_function("collections/rank in a large sorted set", |b| {
        b.iter_batched(
            || name(random.usize(..FAR)),
            |member| zset.rank(&member),
            BatchSize::SmallInput,
        );
    });
    c.bench_function("collections/a listpack of ten fields", |b| {
        b.iter(|| {
            let mut pack = Listpack::new();
            for n in 0..10 {
                pack.push_back(&[b'f', b'0' + n]);
                pack.push_back(b"some value");
            }
            pack
        });
    });
}

criterion_group!(parts, requests, index, collections);
criterion_main!(parts);
