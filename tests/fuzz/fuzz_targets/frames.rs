//! Frames of a cluster's bus, from a stranger and from a node that is known: they are refused or taken, and what the node
//! then knows can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vermilion::cluster::{Action, Cluster, ClusterSettings, Frame, Moment};
use vermilion::util::chance::Rng;

fn at(now_ms: u64) -> Moment {
    Moment {
        now_ms,
        ..Moment::default()
    }
}

/// A node that owns some slots and knows another one, which the seeds' frames come from.
fn node(settings: &ClusterSettings) -> Cluster {
    let file = "\
a000000000000000000000000000000000000000 127.0.0.1:7000@17000,,tls-port=0,shard-id=c000000000000000000000000000000000000000 myself,master - 0 0 1 connected 0-99
b000000000000000000000000000000000000000 127.0.0.1:7001@17001,,tls-port=0,shard-id=d000000000000000000000000000000000000000 master - 0 0 2 connected 100-199
vars currentEpoch 2 lastVoteEpoch 0
";
    Cluster::read(file, settings.clone(), Rng::with_seed(1), 1).expect("a file of nodes")
}

fuzz_target!(|data: &[u8]| {
    let settings = ClusterSettings {
        node_timeout_ms: 1000,
        tcp_port: 7000,
        bus_port: 17000,
        ..ClusterSettings::default()
    };
    let mut cluster = node(&settings);
    let ip = || "127.0.0.1".to_owned();
    let inbound = cluster.accepted(ip(), ip(), at(10));
    // The first tick connects to the node that is known.
    cluster.tick(at(10));
    let connects = |action: &Action| match action {
        Action::Connect { link, .. } => Some(*link),
        _ => None,
    };
    let outbound = cluster.finish(at(10)).list.iter().find_map(connects);
    let outbound = outbound.expect("it connects to the other node");
    cluster.connected(outbound, ip(), ip(), at(10));
    let (of_peer, data) = data.split_last().map_or((0, data), |(last, rest)| (*last, rest));
    let mut rest = data;
    let mut now_ms = 10;
    for turn in 0.. {
        // Each frame comes by the connection that a stranger made, or by this node's own.
        let link = if of_peer >> (turn % 8) & 1 == 1 { outbound } else { inbound };
        let Ok(Some(len)) = Frame::length(rest, cluster.knows(link)) else {
            break;
        };
        assert!(len > 0, "a frame has bytes");
        let Some((bytes, behind)) = rest.split_at_checked(len) else {
            break;
        };
        rest = behind;
        if let Ok(frame) = Frame::read(&bytes.to_vec().into()) {
            cluster.receive(link, frame, at(now_ms));
            cluster.finish(at(now_ms));
        }
        now_ms += 300;
        cluster.tick(at(now_ms));
        cluster.finish(at(now_ms));
    }
    let view = cluster.view();
    assert!(usize::from(view.myself) < view.nodes.len());
    // The epoch that a file tells is read as the highest of those of its nodes at least, as by Redis; when a node was last
    // heard, and whether it is connected, is of this process; all else stays.
    let nodes = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with("vars"));
        let lasting = |line: &str| {
            let words = line.split(' ').enumerate();
            let words = words.filter(|(at, _)| ![4, 5, 7].contains(at));
            words.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
        };
        lines.map(lasting).collect()
    };
    let text = cluster.file_text();
    let again = Cluster::read(&text, settings, Rng::with_seed(1), 1).map(|read| read.file_text());
    assert_eq!(again.map(|again| nodes(&again)), Ok(nodes(&text)));
});
