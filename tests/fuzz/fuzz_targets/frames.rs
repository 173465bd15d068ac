//! Frames of a cluster's bus, from a stranger and from a node that is known: they are refused or taken, and what the node
//! then knows can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vermilion::cluster::{Cluster, ClusterSettings, Frame, Moment, NodeId};
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
    let link = cluster.accepted(ip(), ip(), at(10));
    let mut rest = data;
    let mut now_ms = 10;
    while let Ok(Some(len)) = Frame::length(rest, now_ms > 10) {
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
    // The epoch that a file tells is read as the highest of those of its nodes at least, as by Redis; all else stays.
    let nodes = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with("vars"));
        lines.map(str::to_owned).collect()
    };
    let text = cluster.file_text();
    let again = Cluster::read(&text, settings, Rng::with_seed(1), 1).map(|read| read.file_text());
    assert_eq!(again.map(|again| nodes(&again)), Ok(nodes(&text)));
    assert!(NodeId::parse(b"x").is_none());
});
