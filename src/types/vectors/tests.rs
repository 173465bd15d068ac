//! What a vector set holds while elements come and go, and what it finds.

use super::*;
use crate::types::graph;

fn form(quantization: Quantization, dimension: usize) -> VectorForm {
    VectorForm {
        quantization,
        dimension,
    }
}

fn vector(random: &mut fastrand::Rng, dimension: usize) -> Vec<f32> {
    (0..dimension).map(|_| random.f32() * 2.0 - 1.0).collect()
}

fn names(found: &[VectorMatch<'_>]) -> Vec<String> {
    let text = |one: &VectorMatch<'_>| String::from_utf8_lossy(one.name).into_owned();
    found.iter().map(text).collect()
}

const PLAIN: Query<'static> = Query {
    count: 10,
    exploration: 100,
    filter: None,
    effort: usize::MAX,
    exact: false,
};

#[test]
fn it_agrees_with_a_map_while_elements_come_and_go() {
    use std::collections::BTreeMap;
    let mut random = fastrand::Rng::with_seed(5);
    let mut set = VectorSet::new(form(Quantization::Byte, 8), None, 8);
    let mut model: BTreeMap<String, (Vec<f32>, Option<String>)> = BTreeMap::new();
    for _ in 0..2000 {
        let name = format!("element number {}", random.u32(0..300));
        match random.u8(0..10) {
            0..=5 => {
                let vector = vector(&mut random, 8);
                let text = random
                    .bool()
                    .then(|| format!("{{\"n\":{}}}", random.u8(..)));
                let level = graph::level(graph::LEVEL_SHARE, || random.f64());
                let bytes = text.as_ref().map(String::as_bytes);
                let fresh = set.insert(name.as_bytes(), vector.clone(), bytes, (level, 50));
                assert_eq!(fresh, !model.contains_key(&name));
                let held = model.get(&name).and_then(|(_, held)| held.clone());
                model.insert(name, (vector, text.or(held)));
            }
            6..=8 => assert_eq!(set.remove(name.as_bytes()), model.remove(&name).is_some()),
            _ => {
                if let Some(at) = set.find(name.as_bytes()) {
                    set.set_attributes(at, b"");
                    model.get_mut(&name).unwrap().1 = None;
                }
            }
        }
    }
    assert_eq!(set.len(), model.len());
    let with_text = model.values().filter(|(_, text)| text.is_some()).count();
    assert_eq!(set.with_attributes(), with_text);
    let bytes: usize = set.elements.iter().map(NamedVector::bytes).sum();
    assert_eq!(set.bytes, bytes);
    for (name, (vector, text)) in &model {
        let at = set.find(name.as_bytes()).expect("it was added");
        assert_eq!(set.row(at), set.form().keep(vector.clone()));
        assert_eq!(set.attributes(at), text.as_ref().map(String::as_bytes));
    }
    for name in model.keys() {
        assert!(set.remove(name.as_bytes()));
    }
    assert!(set.holds_nothing());
}

#[test]
fn filters_leave_out_whom_they_do_not_accept() {
    let mut random = fastrand::Rng::with_seed(6);
    let mut set = VectorSet::new(form(Quantization::Byte, 4), None, 16);
    for n in 0..500 {
        let text = format!("{{\"n\":{n}}}");
        let level = graph::level(graph::LEVEL_SHARE, || random.f64());
        let vector = vector(&mut random, 4);
        set.insert(
            format!("e{n}").as_bytes(),
            vector,
            Some(text.as_bytes()),
            (level, 100),
        );
    }
    let filter = AttributeFilter::compile(b".n % 100 == 7").unwrap();
    let query = Query {
        filter: Some(&filter),
        ..PLAIN
    };
    let mut found = names(&set.search(vec![1.0, 0.0, 0.0, 0.0], query));
    found.sort();
    assert_eq!(found, ["e107", "e207", "e307", "e407", "e7"]);
    let lazy = Query { effort: 3, ..query };
    assert!(set.search(vec![1.0, 0.0, 0.0, 0.0], lazy).len() < 5);
}

#[test]
fn every_quantization_finds_about_the_same() {
    for (quantization, least) in [
        (Quantization::None, 0.95),
        (Quantization::Byte, 0.95),
        (Quantization::Bit, 0.7),
    ] {
        let mut random = fastrand::Rng::with_seed(8);
        let mut set = VectorSet::new(form(quantization, 32), None, 16);
        for n in 0..1000 {
            let level = graph::level(graph::LEVEL_SHARE, || random.f64());
            let vector = vector(&mut random, 32);
            set.insert(format!("e{n}").as_bytes(), vector, None, (level, 100));
        }
        let (mut hits, mut exact_hits) = (0, 0);
        for _ in 0..50 {
            let to = vector(&mut random, 32);
            let exact = Query {
                exact: true,
                ..PLAIN
            };
            let truth = set.search(to.clone(), exact);
            let worst = truth.last().unwrap().distance;
            let found = set.search(to, PLAIN);
            hits += found.iter().filter(|one| one.distance <= worst).count();
            exact_hits += truth.len();
        }
        let recall = hits as f64 / exact_hits as f64;
        assert!(recall > least, "{quantization:?}: {recall}");
    }
}

#[test]
fn a_frozen_copy_stays_as_it_was() {
    let mut random = fastrand::Rng::with_seed(9);
    let mut set = VectorSet::new(form(Quantization::Byte, 4), None, 4);
    for n in 0..200 {
        let vector = vector(&mut random, 4);
        set.insert(format!("e{n}").as_bytes(), vector, None, (0, 20));
    }
    let copy = (&set).frozen();
    let held: Vec<(Vec<u8>, Vec<u8>)> = (0..200)
        .map(|at| (set.name(at).to_vec(), set.row(at).to_vec()))
        .collect();
    for n in 0..100 {
        set.remove(format!("e{n}").as_bytes());
    }
    for (at, (name, row)) in held.iter().enumerate() {
        assert_eq!((copy.name(at), copy.row(at)), (&name[..], &row[..]));
    }
}

#[test]
fn what_was_read_without_links_is_found() {
    let mut random = fastrand::Rng::with_seed(10);
    let form = form(Quantization::Byte, 4);
    let stored = (0..300).map(|n| Stored {
        name: format!("e{n}").into_bytes(),
        attributes: None,
        row: form.keep(vector(&mut random, 4)),
        links: vec![Vec::new(); 1 + n % 2],
    });
    let stored = stored.collect();
    let set = VectorSet::new(form, None, 16).from_stored(stored);
    let set = set.expect("these elements are sound");
    let to = vector(&mut random, 4);
    let found = set.search(to.clone(), PLAIN);
    let exact = Query {
        exact: true,
        ..PLAIN
    };
    assert_eq!(names(&found), names(&set.search(to, exact)));
}

#[test]
fn every_set_has_an_id_of_its_own() {
    let set = VectorSet::new(form(Quantization::Byte, 4), None, 16);
    let other = VectorSet::new(form(Quantization::Byte, 4), None, 16);
    let copy = (&set).detached();
    assert!(set.id() != other.id() && set.id() != copy.id() && copy.id() != other.id());
    assert_eq!((&set).frozen().id(), set.id());
}
