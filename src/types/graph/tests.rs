//! The graph's promises: links are mutual, what is nearest is found, and nothing is cut off when nodes go.

use std::collections::BTreeSet;

use super::*;

/// Points on a sphere, near when their directions are.
struct Points(Vec<Vec<f32>>);

impl Space for Points {
    fn between(&self, one: u32, other: u32) -> f32 {
        distance(&self.0[one as usize], &self.0[other as usize])
    }
}

fn distance(one: &[f32], other: &[f32]) -> f32 {
    1.0 - one.iter().zip(other).map(|(a, b)| a * b).sum::<f32>()
}

fn point(random: &mut fastrand::Rng, dimension: usize) -> Vec<f32> {
    let raw: Vec<f32> = (0..dimension).map(|_| random.f32() * 2.0 - 1.0).collect();
    let length = raw.iter().map(|x| x * x).sum::<f32>().sqrt();
    raw.into_iter().map(|x| x / length).collect()
}

fn grow(graph: &mut Graph, points: &mut Points, random: &mut fastrand::Rng, count: usize) {
    for _ in 0..count {
        points.0.push(point(random, 16));
        let level = level(|| random.f64());
        graph.insert(level, 100, points);
    }
}

fn sound(graph: &Graph) {
    let mut bytes = 0;
    for node in 0..graph.len() as u32 {
        bytes += graph.node_bytes(&graph.nodes.at(node as usize)[0]);
        for level in 0..=graph.level(node) {
            let links: BTreeSet<u32> = graph.links(node, level).iter().copied().collect();
            assert_eq!(links.len(), graph.links(node, level).len());
            assert!(links.len() <= graph.links_max(level));
            assert!(!links.contains(&node));
            for link in links {
                assert!(graph.links(link, level).contains(&node));
            }
        }
    }
    assert_eq!(bytes, graph.bytes);
    assert_eq!(graph.entry.is_some(), graph.len() > 0);
}

fn search(graph: &Graph, points: &Points, to: &[f32], count: usize) -> Vec<u32> {
    let mut search = Walker {
        distance: |node: u32| distance(to, &points.0[node as usize]),
    };
    let wish = WalkWish {
        count,
        effort: usize::MAX,
    };
    let found = search.run(graph, wish, |_| true);
    found.iter().map(|near| near.node).collect()
}

/// Of the ten nearest, how many are found, over many searches.
fn recall(graph: &Graph, points: &Points, random: &mut fastrand::Rng) -> f64 {
    let mut hits = 0;
    for _ in 0..100 {
        let to = point(random, 16);
        let mut exact = Walker {
            distance: |node: u32| distance(&to, &points.0[node as usize]),
        };
        let truth = exact.run_over_all(graph, 10, |_| true);
        let found = search(graph, points, &to, 100);
        hits += truth
            .iter()
            .filter(|near| found[..10].contains(&near.node))
            .count();
    }
    hits as f64 / 1000.0
}

/// How many nodes are reached from where searches begin.
fn reached(graph: &Graph) -> usize {
    let mut open: Vec<u32> = graph.entry.into_iter().collect();
    let mut seen: BTreeSet<u32> = open.iter().copied().collect();
    while let Some(node) = open.pop() {
        for link in graph.links(node, 0) {
            if seen.insert(*link) {
                open.push(*link);
            }
        }
    }
    seen.len()
}

#[test]
fn the_nearest_are_found_also_after_many_have_gone() {
    let mut random = fastrand::Rng::with_seed(12);
    let (mut graph, mut points) = (Graph::new(12), Points(Vec::new()));
    grow(&mut graph, &mut points, &mut random, 1500);
    sound(&graph);
    assert_eq!(reached(&graph), graph.len());
    assert!(recall(&graph, &points, &mut random) > 0.97);
    // Where searches begin goes, too.
    for _ in 0..1000 {
        let node = match random.u8(0..8) {
            0 => graph.entry.unwrap(),
            _ => random.u32(0..graph.len() as u32),
        };
        graph.unlink(node, &points);
        graph.swap_remove(node);
        points.0.swap_remove(node as usize);
    }
    sound(&graph);
    assert_eq!(reached(&graph), graph.len());
    assert!(recall(&graph, &points, &mut random) > 0.97);
    grow(&mut graph, &mut points, &mut random, 500);
    sound(&graph);
    assert!(recall(&graph, &points, &mut random) > 0.97);
    for _ in 0..graph.len() {
        graph.unlink(0, &points);
        graph.swap_remove(0);
        points.0.swap_remove(0);
    }
    sound(&graph);
}

#[test]
fn equal_points_are_linked_as_well() {
    let (mut graph, mut points) = (Graph::new(4), Points(Vec::new()));
    for _ in 0..300 {
        points.0.push(vec![1.0, 0.0]);
        graph.insert(0, 20, &points);
    }
    sound(&graph);
    assert_eq!(reached(&graph), 300);
}

#[test]
fn copies_stay_as_they_were() {
    let mut random = fastrand::Rng::with_seed(3);
    let (mut graph, mut points) = (Graph::new(4), Points(Vec::new()));
    grow(&mut graph, &mut points, &mut random, 300);
    let copy = graph.clone();
    let links = |graph: &Graph| -> Vec<Vec<u32>> {
        let nodes = 0..graph.len() as u32;
        nodes.map(|node| graph.links(node, 0).to_vec()).collect()
    };
    let held = links(&copy);
    grow(&mut graph, &mut points, &mut random, 100);
    assert_eq!(links(&copy), held);
}

#[test]
fn links_that_are_no_graph_are_refused() {
    let node = |links: &[u32]| vec![links.to_vec()];
    let of = |nodes: Vec<Vec<Vec<u32>>>| Graph::from_links(4, nodes).is_ok();
    assert!(of(vec![node(&[1]), node(&[0])]));
    assert!(of(vec![]));
    assert!(!of(vec![node(&[1]), node(&[])]), "one way");
    assert!(!of(vec![node(&[1, 1]), node(&[0])]), "twice");
    assert!(!of(vec![node(&[0])]), "to itself");
    assert!(!of(vec![node(&[7])]), "to nowhere");
    assert!(!of(vec![vec![]]), "on no level");
    assert!(!of(vec![vec![vec![]; 18]]), "too high");
    let low = vec![vec![vec![1], vec![1]], node(&[0])];
    assert!(!of(low), "to a level where the other one doesn't stand");
}
