//! How the cluster is, as this node sees it: CLUSTER INFO, NODES, SLOTS, SHARDS, LINKS and their like.
//!
//! Clients ask for its map all at once when a node has failed, thousands of them. The reply is made once for each picture
//! and kept; what is in it beside the picture, times and offsets, may be a moment old.

use std::fmt::Write;
use std::net::SocketAddr;

use bytes::Bytes;

use super::clustering;
use crate::cluster::{NONE, NodeView, NodesReader, View, flag};
use crate::command::session::Session;
use crate::command::{Done, Fail, Flow, SessionCall};
use crate::config::choices::EndpointType;
use crate::resp::Reply;
use crate::state::clustering::{Clustering, KeptFor, KeptReply};
use crate::state::shared::Shared;

pub fn my_id(call: &mut SessionCall<'_>) -> Done {
    let view = clustering(call.server)?.view();
    call.out.bulk(view.me().id.as_bytes());
    Ok(Flow::Done)
}

pub fn my_shard(call: &mut SessionCall<'_>) -> Done {
    let view = clustering(call.server)?.view();
    call.out.bulk(view.me().shard.as_bytes());
    Ok(Flow::Done)
}

pub fn count_failure_reports(call: &mut SessionCall<'_>) -> Done {
    let clustering = clustering(call.server)?;
    let id = call.args.next()?;
    let count = clustering.look(|cluster| cluster.count_failure_reports(id));
    let count = count.map_err(|refused| Fail::said(refused.0))?;
    call.out.count(count);
    Ok(Flow::Done)
}

pub fn info(call: &mut SessionCall<'_>) -> Done {
    let figures = clustering(call.server)?.look(|cluster| cluster.figures());
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let _ = write!(text, "{name}:{value}\r\n");
    };
    line("cluster_state", &if figures.is_ok { "ok" } else { "fail" });
    line("cluster_slots_assigned", &figures.slots_assigned);
    line("cluster_slots_ok", &figures.slots_ok);
    line("cluster_slots_pfail", &figures.slots_pfail);
    line("cluster_slots_fail", &figures.slots_fail);
    line("cluster_known_nodes", &figures.known_nodes);
    line("cluster_size", &figures.size);
    line("cluster_current_epoch", &figures.current_epoch);
    line("cluster_my_epoch", &figures.my_epoch);
    for (counts, way) in [(&figures.sent, "sent"), (&figures.received, "received")] {
        for (word, count) in counts {
            line(&format!("cluster_stats_messages_{word}_{way}"), count);
        }
        let sum: u64 = counts.iter().map(|(_, count)| count).sum();
        line(&format!("cluster_stats_messages_{way}"), &sum);
    }
    line(
        "total_cluster_links_buffer_limit_exceeded",
        &figures.overflowed_links,
    );
    call.out.verbatim("txt", text.as_bytes());
    Ok(Flow::Done)
}

pub fn replicas(call: &mut SessionCall<'_>) -> Done {
    let clustering = clustering(call.server)?;
    let id = call.args.next()?;
    let reader = NodesReader::Client {
        tls: call.session.tls,
    };
    let lines = clustering.look(|cluster| {
        let unknown = || Fail::said(format!("Unknown node {}", String::from_utf8_lossy(id)));
        let at = cluster.find(id).ok_or_else(unknown)?;
        if cluster.nodes()[at].is_replica() {
            return Err(Fail::Says("The specified node is not a master"));
        }
        let replicas = cluster.nodes().replicas(at);
        Ok(replicas
            .map(|(at, _)| cluster.describe(at, reader))
            .collect::<Vec<_>>())
    })?;
    call.out.array(lines.len());
    lines.iter().for_each(|line| call.out.bulk(line));
    Ok(Flow::Done)
}

pub fn links(call: &mut SessionCall<'_>) -> Done {
    let clustering = clustering(call.server)?;
    let links = clustering.look(|cluster| cluster.link_figures());
    call.out.array(links.len());
    for link in links {
        call.out.map(6);
        call.out.bulk("direction");
        call.out.bulk(if link.inbound { "from" } else { "to" });
        call.out.bulk("node");
        call.out.bulk(link.node.as_bytes());
        call.out.bulk("create-time");
        call.out.int(link.created_ms as i64);
        call.out.bulk("events");
        call.out.bulk(if link.waiting > 0 { "rw" } else { "r" });
        call.out.bulk("send-buffer-allocated");
        call.out.count(link.waiting);
        call.out.bulk("send-buffer-used");
        call.out.count(link.waiting);
    }
    Ok(Flow::Done)
}

pub fn nodes(call: &mut SessionCall<'_>) -> Done {
    kept(call, KeptFor::Nodes, |_, clustering, view, tls, out| {
        let reader = NodesReader::Client { tls };
        let text = clustering.look(|cluster| cluster.describe_nodes(reader, 0));
        // A node that doesn't know its own address may still know by which one it was reached.
        let me = view.me();
        let (unnamed, named) = (
            format!("{} :", me.id),
            format!("{} {}:", me.id, me.place.ip),
        );
        out.verbatim("txt", text.replacen(&unnamed, &named, 1).as_bytes());
    })
}

pub fn slots(call: &mut SessionCall<'_>) -> Done {
    kept(call, KeptFor::Slots, |server, _, view, tls, out| {
        let ranges = owned_ranges(view);
        out.array(ranges.len());
        for (first, last, owner) in ranges {
            let master = &view.nodes[usize::from(owner)];
            let replicas = view.replicas(owner).filter(|node| has_data(server, node));
            let mut nodes: Vec<&NodeView> = std::iter::once(master).chain(replicas).collect();
            // Whoever asks several nodes is told the same, however these have come to know each other.
            nodes[1..].sort_by_key(|node| node.id);
            out.array(2 + nodes.len());
            out.int(first);
            out.int(last);
            nodes
                .iter()
                .for_each(|node| tell_node(server, node, tls, out));
        }
    })
}

/// Runs of slots with one owner: the first, the last and the owner.
fn owned_ranges(view: &View) -> Vec<(u16, u16, u16)> {
    let mut ranges: Vec<(u16, u16, u16)> = Vec::new();
    for (slot, owner) in view.owners.iter().enumerate() {
        let slot = slot as u16;
        match ranges.last_mut() {
            _ if *owner == NONE => {}
            Some((_, last, held)) if *held == *owner && *last + 1 == slot => *last = slot,
            _ => ranges.push((slot, slot, *owner)),
        }
    }
    ranges
}

/// How far a node has come in the stream of edits.
fn offset(server: &Shared, node: &NodeView) -> u64 {
    match node.is(flag::MYSELF) {
        true => server.journal.backlog.end(),
        false => node.repl_offset,
    }
}

/// Whether a replica is one to read from: it is not held for dead, and has had its first full sync.
fn has_data(server: &Shared, node: &NodeView) -> bool {
    !node.is(flag::FAIL) && offset(server, node) != 0
}

/// What clients are to call a node; nothing where they are to go on with the name by which they reached this one.
fn endpoint<'n>(server: &Shared, node: &'n NodeView) -> Option<&'n str> {
    match server.config.cluster_preferred_endpoint_type.get() {
        EndpointType::Ip => Some(&node.place.ip),
        EndpointType::Hostname if node.hostname.is_empty() => Some("?"),
        EndpointType::Hostname => Some(&node.hostname),
        EndpointType::UnknownEndpoint => None,
    }
}

/// A node in CLUSTER SLOTS.
fn tell_node(server: &Shared, node: &NodeView, tls: bool, out: &mut Reply) {
    out.array(4);
    out.bulk_or_null(endpoint(server, node).map(str::as_bytes));
    out.int(if tls {
        node.place.tls_port
    } else {
        node.place.tcp_port
    });
    out.bulk(node.id.as_bytes());
    let kind = server.config.cluster_preferred_endpoint_type.get();
    let mut more = Vec::new();
    if kind != EndpointType::Ip {
        more.push(("ip", &node.place.ip));
    }
    if kind != EndpointType::Hostname && !node.hostname.is_empty() {
        more.push(("hostname", &node.hostname));
    }
    out.map(more.len());
    for (name, value) in more {
        out.bulk(name);
        out.bulk(value);
    }
}

pub fn shards(call: &mut SessionCall<'_>) -> Done {
    kept(call, KeptFor::Shards, |server, _, view, _, out| {
        let known = |node: &&NodeView| !node.is(flag::HANDSHAKE);
        let mut shards: Vec<Vec<&NodeView>> = Vec::new();
        for node in view.nodes.iter().filter(known) {
            let held = shards.iter_mut().find(|held| held[0].shard == node.shard);
            match held {
                Some(held) => held.push(node),
                None => shards.push(vec![node]),
            }
        }
        out.array(shards.len());
        for nodes in shards {
            let first = nodes[0];
            let master = first
                .master
                .map_or(first, |at| &view.nodes[usize::from(at)]);
            let ranges = master.slots.ranges();
            out.map(2);
            out.bulk("slots");
            out.array(2 * ranges.len());
            for (first, last) in ranges {
                out.int(first);
                out.int(last);
            }
            out.bulk("nodes");
            out.array(nodes.len());
            nodes.iter().for_each(|node| tell_member(server, node, out));
        }
    })
}

/// A node in CLUSTER SHARDS.
fn tell_member(server: &Shared, node: &NodeView, out: &mut Reply) {
    let ports = [
        ("port", node.place.tcp_port),
        ("tls-port", node.place.tls_port),
    ];
    let ports = ports.iter().filter(|(_, port)| *port != 0);
    let named = !node.hostname.is_empty();
    out.map(6 + ports.clone().count() + usize::from(named));
    out.bulk("id");
    out.bulk(node.id.as_bytes());
    for (name, port) in ports {
        out.bulk(name);
        out.int(*port);
    }
    out.bulk("ip");
    out.bulk(&node.place.ip);
    out.bulk("endpoint");
    out.bulk(endpoint(server, node).unwrap_or_default());
    if named {
        out.bulk("hostname");
        out.bulk(&node.hostname);
    }
    let offset = offset(server, node);
    out.bulk("role");
    out.bulk(if node.is_replica() {
        "replica"
    } else {
        "master"
    });
    out.bulk("replication-offset");
    out.int(offset as i64);
    out.bulk("health");
    out.bulk(if node.is(flag::FAIL) {
        "fail"
    } else if node.is_replica() && offset == 0 {
        "loading"
    } else {
        "online"
    });
}

/// The picture of a node that is alone, with the address by which this client has reached it, unless another one is
/// announced: nobody else tells it one, and some clients take no empty one.
fn reached(session: &Session, view: &View) -> View {
    let mut view = view.clone();
    let local: Result<SocketAddr, _> = session.client.local_address.parse();
    let me = &mut view.nodes[usize::from(view.myself)];
    if let Ok(local) = local
        && me.place.ip.is_empty()
    {
        me.place.ip = local.ip().to_string();
    }
    view
}

/// Answers with the reply that was kept, or makes another one.
fn kept(
    call: &mut SessionCall<'_>,
    kind: KeptFor,
    make: impl FnOnce(&Shared, &Clustering, &View, bool, &mut Reply),
) -> Done {
    let (server, clustering) = (call.server, clustering(call.server)?);
    let (resp3, tls) = (call.session.resp3, call.session.tls);
    let view = clustering.view();
    if server.redirecting().is_none() {
        make(
            server,
            clustering,
            &reached(call.session, &view),
            tls,
            call.out,
        );
        return Ok(Flow::Done);
    }
    let place = clustering.kept_at(kind, resp3, tls);
    let held = place.load();
    if let Some(held) = &**held
        && held.picture == view.number
        && call.now_ms.saturating_sub(held.made_ms) < KeptReply::FRESH_MS
    {
        call.out.raw(&held.bytes);
        return Ok(Flow::Done);
    }
    let mut out = Reply::new(resp3);
    make(server, clustering, &view, tls, &mut out);
    let bytes = Bytes::from(out.into_bytes());
    call.out.raw(&bytes);
    place.store(std::sync::Arc::new(Some(KeptReply {
        picture: view.number,
        made_ms: call.now_ms,
        bytes,
    })));
    Ok(Flow::Done)
}
