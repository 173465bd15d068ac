//! Vectors that an index holds together with the hashes that they are of: each is found as it is in its hash, whatever was done
//! to that, and the index takes no room for it.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::common::{Client, Server, Value, eventually, our_server};

const DIM: usize = 256;
const KEYS: u8 = 40;

fn vector(random: &mut Rng) -> Vec<f32> {
    (0..DIM).map(|_| random.f32() - 0.5).collect()
}

fn blob(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn distance(one: &[f32], other: &[f32]) -> f32 {
    let pairs = one.iter().zip(other);
    pairs.map(|(a, b)| (a - b) * (a - b)).sum()
}

/// The keys of the nearest, and how far they are.
fn nearest(client: &mut Client, index: &str, target: &[f32], count: usize) -> Vec<(String, f32)> {
    let query = format!("*=>[KNN {count} @v $q AS d]");
    let target = blob(target);
    let reply = client.ask_args(&[
        b"FT.SEARCH",
        index.as_bytes(),
        query.as_bytes(),
        b"PARAMS",
        b"2",
        b"q",
        &target,
        b"SORTBY",
        b"d",
        b"LIMIT",
        b"0",
        b"100",
        b"RETURN",
        b"1",
        b"d",
        b"DIALECT",
        b"2",
    ]);
    let items = reply.items();
    let found = items[1..].chunks(2).map(|pair| {
        let distance = pair[1].clone().items()[1].text();
        (pair[0].text(), distance.parse().expect("a number"))
    });
    found.collect()
}

fn same(client: &mut Client, model: &BTreeMap<String, Vec<f32>>, random: &mut Rng) {
    let target = vector(random);
    for index in ["graph", "other", "flat"] {
        let found = nearest(client, index, &target, 100);
        assert_eq!(found.len(), model.len(), "{index}");
        for (key, shown) in found {
            let wanted = distance(&model[&key], &target);
            assert!(
                (shown - wanted).abs() < 1e-2,
                "{index} {key}: {shown}, {wanted}"
            );
        }
        // So few are all looked at where there is a graph, too.
        let mut all: Vec<f32> = model.values().map(|held| distance(held, &target)).collect();
        all.sort_unstable_by(f32::total_cmp);
        let few = nearest(client, index, &target, 3);
        assert_eq!(few.len(), all.len().min(3), "{index}");
        for ((key, shown), wanted) in few.into_iter().zip(all) {
            assert!(
                (shown - wanted).abs() < 1e-2,
                "{index} {key}: {shown}, {wanted}"
            );
        }
    }
    for (key, vector) in model {
        let held = client.ask_args(&["HGET", key, "v"]);
        assert_eq!(held, Value::Bulk(blob(vector)), "{key}");
    }
}

#[test]
fn a_vector_is_found_as_it_is_in_its_hash_whatever_was_done_to_that() {
    let options = ["--appendonly", "yes", "--io-threads", "2"];
    let server = Server::start(&options);
    let mut client = server.client();
    for (name, algorithm) in [("graph", "HNSW"), ("other", "HNSW"), ("flat", "FLAT")] {
        client.ask(&format!(
            "FT.CREATE {name} PREFIX 1 d: SCHEMA t TEXT v VECTOR {algorithm} 6 TYPE FLOAT32 DIM {DIM} DISTANCE_METRIC L2"
        ));
    }
    let mut random = Rng::with_seed(41);
    let mut model: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for step in 0..1500 {
        let key = format!("d:{}", random.u8(0..KEYS));
        let other = format!("d:{}", random.u8(0..KEYS));
        match random.u8(0..9) {
            0..3 => {
                let fresh = vector(&mut random);
                client.ask_args(&[b"HSET", key.as_bytes(), b"v", &blob(&fresh)]);
                model.insert(key, fresh);
            }
            // The very same bytes, and something else beside them.
            3 => {
                if let Some(held) = model.get(&key) {
                    client.ask_args(&[b"HSET", key.as_bytes(), b"t", b"word", b"v", &blob(held)]);
                }
            }
            4 => {
                client.ask_args(&["HDEL", &key, "v"]);
                model.remove(&key);
            }
            5 => {
                if model.contains_key(&key) && key != other {
                    client.ask_args(&["RENAME", &key, &other]);
                    let moved = model.remove(&key).expect("it is there");
                    model.insert(other, moved);
                }
            }
            6 => {
                if model.contains_key(&key) && key != other {
                    client.ask_args(&["COPY", &key, &other, "REPLACE"]);
                    model.insert(other, model[&key].clone());
                }
            }
            7 => {
                if model.contains_key(&key) {
                    let Value::Bulk(dump) = client.ask_args(&["DUMP", &key]) else {
                        panic!("DUMP gives bytes");
                    };
                    let restored = [b"RESTORE", other.as_bytes(), b"0", &dump, b"REPLACE"];
                    client.ask_args(&restored);
                    model.insert(other, model[&key].clone());
                }
            }
            _ => {
                // It is no vector of this index, and the document is in none.
                client.ask_args(&["HSET", &key, "v", "short"]);
                client.ask_args(&["HDEL", &key, "v"]);
                model.remove(&key);
            }
        }
        match step {
            300 | 900 => drop(client.ask("BGSAVE")),
            600 => drop(client.ask("BGREWRITEAOF")),
            _ => {}
        }
        if step % 50 == 0 {
            same(&mut client, &model, &mut random);
        }
    }
    same(&mut client, &model, &mut random);
    // Read from the log, the indexes are built over hashes that are there.
    let again = Server::start_on(&our_server(), server.kill(), &options);
    let mut client = again.client();
    eventually("the indexes are there again", || {
        client.ask("FT._LIST").items().len() == 3
    });
    same(&mut client, &model, &mut random);
    let vectors_mb = (model.len() * DIM * 4) as f64 / 1048576.0;
    for index in ["graph", "flat"] {
        let leaves = client.ask(&format!("FT.INFO {index}")).leaves();
        let at = leaves
            .iter()
            .position(|leaf| leaf.text() == "vector_index_sz_mb");
        let held_mb: f64 = leaves[at.expect("it is shown") + 1]
            .text()
            .parse()
            .expect("a number");
        assert!(
            held_mb < vectors_mb * 0.6,
            "{index}: {held_mb} of {vectors_mb}"
        );
    }
}
