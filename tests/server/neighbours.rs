//! Vectors that are found by a walk through a graph, beside those of an index that looks at all of them: through edits, deletions,
//! renames, flushes, filters and restarts. And beside Redis Stack's graph, where there is one.
//!
//! Error texts and options are those of Redis Stack 7.4.1.

use std::collections::BTreeSet;

use crate::common::{Client, Server, eventually, our_server, redis_stack};

const DIM: usize = 16;

/// Vectors around forty centres, as their bytes.
fn vectors(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut spread =
        |width: f32| -> Vec<f32> { (0..DIM).map(|_| (random.f32() - 0.5) * width).collect() };
    let centres: Vec<Vec<f32>> = (0..40).map(|_| spread(4.0)).collect();
    (0..count)
        .map(|at| {
            let near = spread(1.0);
            let point = near.iter().zip(&centres[at % 40]).map(|(a, b)| a + b);
            point.flat_map(f32::to_le_bytes).collect()
        })
        .collect()
}

/// Two indexes over the same keys: `graph`, and `flat`.
fn create(client: &mut Client, metric: &str) {
    for (index, algorithm) in [("graph", "HNSW"), ("flat", "FLAT")] {
        let words = format!(
            "FT.CREATE {index} PREFIX 1 k: SCHEMA g TAG n NUMERIC v VECTOR {algorithm} 6 TYPE FLOAT32 DIM {DIM} DISTANCE_METRIC {metric}"
        );
        assert_eq!(client.ask(&words).text(), "OK");
    }
}

fn set(client: &mut Client, at: usize, vector: &[u8]) {
    let (key, n) = (format!("k:{at}"), at.to_string());
    let (tag, rare) = (format!("t{}", at % 4), format!("r{}", at % 200));
    let tags = format!("{tag},{rare}");
    let words: [&[u8]; 8] = [
        b"HSET",
        key.as_bytes(),
        b"g",
        tags.as_bytes(),
        b"n",
        n.as_bytes(),
        b"v",
        vector,
    ];
    assert!(!client.ask_args(&words).is_error());
}

fn found(client: &mut Client, index: &str, query: &str, vector: &[u8]) -> Vec<String> {
    let words: [&[u8]; 14] = [
        b"FT.SEARCH",
        index.as_bytes(),
        query.as_bytes(),
        b"PARAMS",
        b"2",
        b"q",
        vector,
        b"NOCONTENT",
        b"LIMIT",
        b"0",
        b"1000",
        b"SORTBY",
        b"d",
        b"DIALECT",
    ];
    let reply = client.ask_args(&[&words[..], &[b"2"]].concat());
    assert!(!reply.is_error(), "{query}: {reply:?}");
    let keys = &reply.items()[1..];
    keys.iter().map(|key| key.text()).collect()
}

/// A query for the flat index: RediSearch takes EF_RUNTIME where there is a graph alone.
fn without_sight(query: &str) -> String {
    match query.split_once(" EF_RUNTIME ") {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
            format!("{before}{rest}")
        }
        None => query.to_owned(),
    }
}

/// Of what the flat index finds, which part the graph finds.
fn recall(client: &mut Client, query: &str, targets: &[Vec<u8>]) -> f64 {
    let (mut hits, mut all) = (0, 0);
    let plain = without_sight(query);
    for target in targets {
        let exact: BTreeSet<String> = found(client, "flat", &plain, target).into_iter().collect();
        let seen = found(client, "graph", query, target);
        assert!(seen.len() <= exact.len());
        hits += seen.iter().filter(|key| exact.contains(*key)).count();
        all += exact.len();
    }
    hits as f64 / all as f64
}

const TEN: &str = "*=>[KNN 10 @v $q EF_RUNTIME 60 AS d]";

#[test]
fn a_graph_finds_what_is_near_whatever_becomes_of_the_keys() {
    let options = ["--appendonly", "yes"];
    let server = Server::start(&options);
    let mut client = server.client();
    create(&mut client, "L2");
    let all = vectors(7, 4030);
    let targets = &all[4000..];
    for (at, vector) in all[..3000].iter().enumerate() {
        set(&mut client, at, vector);
    }
    assert!(recall(&mut client, TEN, targets) > 0.97);
    // Some get other vectors, some another number alone, some go, some are renamed.
    for at in 0..1000 {
        match at % 4 {
            0 => set(&mut client, at, &all[3000 + at]),
            1 => drop(client.ask(&format!("HSET k:{at} n 5"))),
            2 => drop(client.ask(&format!("DEL k:{at}"))),
            _ => drop(client.ask(&format!("RENAME k:{at} k:other{at}"))),
        }
    }
    assert!(recall(&mut client, TEN, targets) > 0.97);
    // A range is found as a whole, or nearly so.
    let range = "@v:[VECTOR_RANGE 2.5 $q]=>{$YIELD_DISTANCE_AS: d}";
    assert!(found(&mut client, "flat", range, &targets[0]).len() > 5);
    assert!(recall(&mut client, range, targets) > 0.97);
    // After a restart as before.
    let again = Server::start_on(&our_server(), server.kill(), &options);
    let mut client = again.client();
    eventually("the index is there again", || {
        client.ask("FT._LIST").items().len() == 2
    });
    assert_eq!(found(&mut client, "graph", TEN, &targets[0]).len(), 10);
    assert!(recall(&mut client, TEN, targets) > 0.97);
    assert_eq!(client.ask("FLUSHALL").text(), "OK");
    create(&mut client, "COSINE");
    assert!(found(&mut client, "graph", TEN, &targets[0]).is_empty());
    set(&mut client, 1, &all[1]);
    assert_eq!(found(&mut client, "graph", TEN, &targets[0]), ["k:1"]);
}

#[test]
fn a_narrow_filter_is_exact_and_a_wide_one_finds_as_many_as_were_asked_for() {
    let server = Server::start(&[]);
    let mut client = server.client();
    create(&mut client, "COSINE");
    let all = vectors(9, 3020);
    for (at, vector) in all[..3000].iter().enumerate() {
        set(&mut client, at, vector);
    }
    let targets = &all[3000..];
    for rest in ["", " HYBRID_POLICY ADHOC_BF"] {
        let narrow = format!("(@g:{{r17}})=>[KNN 10 @v $q AS d{rest}]");
        assert_eq!(recall(&mut client, &narrow, targets), 1.0);
    }
    for wide in [
        "(@g:{t1})=>[KNN 10 @v $q AS d]",
        "(@g:{t1})=>[KNN 10 @v $q HYBRID_POLICY BATCHES BATCH_SIZE 50 EF_RUNTIME 100 AS d]",
        "(@g:{r17})=>[KNN 10 @v $q HYBRID_POLICY BATCHES EF_RUNTIME 100 AS d]",
        "(@n:[0 2900])=>[KNN 20 @v $q EF_RUNTIME 80 AS d]",
    ] {
        assert!(recall(&mut client, wide, targets) > 0.95, "{wide}");
        for target in targets {
            let least = if wide.contains("KNN 20") { 20 } else { 10 };
            assert_eq!(
                found(&mut client, "graph", wide, target).len(),
                least,
                "{wide}"
            );
        }
    }
    // As many as there are: all are looked at.
    let every = "*=>[KNN 1000 @v $q AS d]";
    assert_eq!(recall(&mut client, every, targets), 1.0);
}

#[test]
fn a_document_with_several_vectors_is_found_once() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for (index, algorithm) in [("graph", "HNSW"), ("flat", "FLAT")] {
        let words = format!(
            "FT.CREATE {index} ON JSON PREFIX 1 k: SCHEMA $.vs[*] AS v VECTOR {algorithm} 6 TYPE FLOAT64 DIM 2 DISTANCE_METRIC L2"
        );
        assert_eq!(client.ask(&words).text(), "OK");
    }
    for at in 0..600 {
        let vectors = (0..8).map(|n| format!("[{at},{}]", n as f64 / 100.0));
        let document = format!("{{\"vs\":[{}]}}", vectors.collect::<Vec<_>>().join(","));
        client.ask_args(&["JSON.SET", &format!("k:{at}"), "$", &document]);
    }
    let targets: Vec<Vec<u8>> = (0..20)
        .map(|at| [f64::from(at * 29) + 0.3, 0.02])
        .map(|pair| pair.iter().flat_map(|n| n.to_le_bytes()).collect())
        .collect();
    let ten = "*=>[KNN 10 @v $q EF_RUNTIME 20 AS d]";
    assert!(recall(&mut client, ten, &targets) > 0.97);
    for target in &targets {
        let seen = found(&mut client, "graph", ten, target);
        let each: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), each.len()), (10, 10));
    }
}

#[test]
fn a_graph_finds_as_much_as_that_of_redis_stack() {
    let Some(stack) = redis_stack() else { return };
    let servers = [Server::start(&[]), Server::start_program(&stack, &[])];
    let all = vectors(21, 3100);
    for metric in ["L2", "COSINE"] {
        let each = servers.iter().map(|server| {
            let mut client = server.client();
            client.ask("FLUSHALL");
            create(&mut client, metric);
            for (at, vector) in all[..3000].iter().enumerate() {
                set(&mut client, at, vector);
            }
            let near = "*=>[KNN 10 @v $q AS d]";
            let far = "*=>[KNN 10 @v $q EF_RUNTIME 40 AS d]";
            [near, far].map(|query| recall(&mut client, query, &all[3000..]))
        });
        let each: Vec<[f64; 2]> = each.collect();
        for (ours, theirs) in each[0].iter().zip(each[1]) {
            // Levels are drawn: a hundredth up or down is chance.
            assert!(*ours >= theirs - 0.01, "{metric}: {each:?}");
        }
    }
}
