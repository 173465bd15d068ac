//! The graph's promises: links are mutual, what is nearest is found, and nothing is cut off when nodes go.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::*;

/// Points on a sphere, near when their directions are.
struct Points(Vec<Vec<f32>>);

impl Space for Points {
    fn measure(&self, from: u32, nodes: &[u32], near: &mut Vec<Near>) {
        (to(&self.0[from as usize], self))(nodes, near);
    }
}

/// Measures from a point.
fn to<'p>(point: &'p [f32], points: &'p Points) -> impl Fn(&[u32], &mut Vec<Near>) + 'p {
    move |nodes, near| {
        near.extend(nodes.iter().map(|node| Near {
            distance: distance(point, &points.0[*node as usize]),
            node: *node,
        }));
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
        let level = level(LEVEL_SHARE, || random.f64());
        graph.insert(level, 100, points);
    }
}

fn sound(graph: &Graph) {
    for node in 0..graph.len() as u32 {
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
    assert_eq!(graph.entry.is_some(), graph.len() > 0);
}

fn search(graph: &Graph, points: &Points, from: &[f32], count: usize) -> Vec<u32> {
    let mut search = Walker {
        measure: to(from, points),
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
        let from = point(random, 16);
        let mut exact = Walker {
            measure: to(&from, points),
        };
        let truth = exact.run_over_all(graph, 10, |_| true);
        let found = search(graph, points, &from, 100);
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

/// Points on a circle, as so many degrees.
fn on_circle(degrees: impl IntoIterator<Item = f32>) -> Points {
    let degrees = degrees.into_iter().map(f32::to_radians);
    Points(degrees.map(|at| vec![at.cos(), at.sin()]).collect())
}

/// Each node's links on level 0, from a list of pairs.
fn of_pairs(len: usize, pairs: &[(u32, u32)]) -> Vec<Vec<Vec<u32>>> {
    let mut nodes = vec![vec![Vec::new()]; len];
    for (one, other) in pairs {
        nodes[*one as usize][0].push(*other);
        nodes[*other as usize][0].push(*one);
    }
    nodes
}

#[test]
fn a_node_that_loses_its_last_link_is_found_also_where_searches_begin() {
    // The entry, 3, has no link but that with 0, whose other neighbours have as many as they may.
    let mut pairs = vec![(0, 1), (0, 2), (0, 3)];
    pairs.extend((4..11).map(|leaf| (1, leaf)));
    pairs.extend((11..18).map(|leaf| (2, leaf)));
    let mut nodes = of_pairs(18, &pairs);
    nodes[3].push(Vec::new());
    let points = on_circle(
        [0.0, 1.0, 2.0, 10.0]
            .into_iter()
            .chain((4..18).map(|n| n as f32 * 3.0)),
    );
    let mut graph = Graph::from_links(4, nodes).unwrap();
    assert_eq!(graph.entry, Some(3));
    graph.unlink(0, &points);
    assert_eq!(reached(&graph), 17);
    sound(&graph);

    // The entry is an island with 0, and nobody else lost a link.
    let pairs: Vec<(u32, u32)> = (2..9)
        .map(|node| (node, node + 1))
        .chain([(0, 1)])
        .collect();
    let mut nodes = of_pairs(10, &pairs);
    nodes[1].push(Vec::new());
    let points = on_circle((0..10).map(|n| n as f32));
    let mut graph = Graph::from_links(4, nodes).unwrap();
    assert_eq!(graph.entry, Some(1));
    graph.unlink(0, &points);
    assert_eq!(reached(&graph), 9);
    sound(&graph);
}

#[test]
fn all_around_a_node_that_goes_hang_together_though_they_are_full() {
    // Around 0 stand 1 to 8, each with seven of its own.
    let mut pairs: Vec<(u32, u32)> = (1..9).map(|node| (0, node)).collect();
    for node in 1..9 {
        pairs.extend((0..7).map(|own| (node, 2 + 7 * node + own)));
    }
    let points = on_circle((0..65).map(|n| n as f32));
    let mut graph = Graph::from_links(4, of_pairs(65, &pairs)).unwrap();
    graph.unlink(0, &points);
    graph.entry = Some(1);
    assert_eq!(reached(&graph), 64);
    sound(&graph);
}

#[test]
fn no_island_is_left_by_many_that_come_and_go() {
    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut graph, mut points) = (Graph::new(4), Points(Vec::new()));
        let centers: Vec<Vec<f32>> = (0..12).map(|_| point(&mut random, 3)).collect();
        for round in 0..2400 {
            // The set grows and shrinks by turns; half of the sets have a few dense parts.
            let grows = random.u32(0..10) < if round / 600 % 2 == 0 { 9 } else { 1 };
            if grows || graph.len() < 3 {
                let mut fresh = point(&mut random, 3);
                if seed % 2 == 0 {
                    let center = &centers[random.usize(0..centers.len())];
                    for (at, part) in fresh.iter_mut().enumerate() {
                        *part = center[at] + *part / 1000.0;
                    }
                }
                points.0.push(fresh);
                graph.insert(level(LEVEL_SHARE, || random.f64()), 4, &points);
            } else {
                let node = random.u32(0..graph.len() as u32);
                graph.unlink(node, &points);
                graph.swap_remove(node);
                points.0.swap_remove(node as usize);
            }
            if round % 10 == 0 {
                assert_eq!(reached(&graph), graph.len(), "seed {seed}, round {round}");
            }
        }
        sound(&graph);
    }
}

#[test]
fn what_no_links_lead_to_is_joined() {
    let mut random = fastrand::Rng::with_seed(4);
    let mut join = |nodes: Vec<Vec<Vec<u32>>>| {
        let points = Points(nodes.iter().map(|_| point(&mut random, 8)).collect());
        let mut graph = Graph::from_links(4, nodes).unwrap();
        graph.join_islands(&points);
        assert_eq!(reached(&graph), graph.len());
        sound(&graph);
        graph
    };
    let graph = join(of_pairs(300, &[]));
    let links: usize = (0..300).map(|node| graph.links(node, 0).len()).sum();
    assert!(links > 900, "{links}");
    // Islands of nine nodes that have as many links as they may.
    let mut pairs = Vec::new();
    for island in (0..270).step_by(9) {
        for one in island..island + 9 {
            pairs.extend((one + 1..island + 9).map(|other| (one, other)));
        }
    }
    join(of_pairs(270, &pairs));
}

/// Counts how often it is asked.
struct Counted<'a> {
    points: &'a Points,
    asked: Cell<usize>,
}

impl Space for Counted<'_> {
    fn measure(&self, from: u32, nodes: &[u32], near: &mut Vec<Near>) {
        self.asked.set(self.asked.get() + nodes.len());
        self.points.measure(from, nodes, near);
    }
}

#[test]
fn many_links_do_not_make_for_many_times_as_many_distances() {
    let mut random = fastrand::Rng::with_seed(21);
    let points = Points((0..1026).map(|_| point(&mut random, 4)).collect());
    // Each is linked with each, so that all have as many links as they may.
    let nodes = (0..1025).map(|node| vec![(0..1025).filter(|other| *other != node).collect()]);
    let mut graph = Graph::from_links(512, nodes.collect()).unwrap();
    let counted = Counted {
        points: &points,
        asked: Cell::new(0),
    };
    graph.insert(0, 200, &counted);
    let asked = counted.asked.take();
    assert!(asked < 60_000, "{asked} distances to add one");
    assert_eq!(reached(&graph), 1026);
    graph.unlink(7, &counted);
    let asked = counted.asked.take();
    assert!(asked < 140_000, "{asked} distances to remove one");
    assert_eq!(reached(&graph), 1025);
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
