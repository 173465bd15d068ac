//! INFO's section on replication: the role, the link to a master, the replicas.

use std::sync::atomic::Ordering::Relaxed;

use super::{Page, Report};
use crate::state::replication::{Link, ReplicaStage};

pub fn replication(report: &Report<'_>, page: &mut Page<'_>) {
    let shared = report.server;
    let replication = &shared.replication;
    let extent = shared.journal.backlog.extent();
    if replication.is_replica() {
        link(report, page, extent.end);
    } else {
        page.line("role", "master");
    }
    let replicas = replication.replicas();
    page.line("connected_slaves", replicas.len());
    let config = &shared.config;
    if config.min_replicas_to_write.get() > 0 && config.min_replicas_max_lag.get() > 0 {
        page.line("min_slaves_good_slaves", replication.good_replicas());
    }
    for (at, replica) in replicas.iter().enumerate() {
        let lag_s = match replica.stage() {
            ReplicaStage::Online => replica.lag_s(report.now_ms),
            _ => 0,
        };
        page.line(
            format_args!("slave{at}"),
            format_args!(
                "ip={},port={},state={},offset={},lag={lag_s}",
                replica.ip(),
                replica.conf.port,
                replica.stage().word(),
                replica.acked(),
            ),
        );
    }
    let state = replication.state();
    page.line("master_failover_state", state.failover.word());
    page.line("master_replid", &state.id);
    page.line("master_replid2", &state.id2);
    page.line("master_repl_offset", extent.end);
    page.line(
        "second_repl_offset",
        state.second_offset.map_or(-1, |offset| offset as i64),
    );
    page.line("repl_backlog_active", u8::from(extent.active));
    page.line("repl_backlog_size", config.repl_backlog_size.get());
    let first = if extent.active { extent.first + 1 } else { 0 };
    page.line("repl_backlog_first_byte_offset", first);
    let kept = if extent.active {
        extent.end - extent.first
    } else {
        0
    };
    page.line("repl_backlog_histlen", kept);
}

/// What a replica tells of itself and its master.
fn link(report: &Report<'_>, page: &mut Page<'_>, end: u64) {
    let shared = report.server;
    let (replication, config) = (&shared.replication, &shared.config);
    let state = replication.state();
    let seconds = |since_ms: u64| report.now_ms.saturating_sub(since_ms) / 1000;
    page.line("role", "slave");
    if let Some(master) = &state.master {
        page.line("master_host", &master.host);
        page.line("master_port", master.port);
    }
    let linked = state.link == Link::Connected;
    page.line("master_link_status", if linked { "up" } else { "down" });
    let heard_s = if linked {
        seconds(replication.last_io_ms.load(Relaxed)) as i64
    } else {
        -1
    };
    page.line("master_last_io_seconds_ago", heard_s);
    let syncing = state.link == Link::Transfer;
    page.line("master_sync_in_progress", u8::from(syncing));
    page.line(
        "slave_read_repl_offset",
        replication.read_offset.load(Relaxed).max(end),
    );
    page.line("slave_repl_offset", end);
    if syncing {
        let transfer = &replication.transfer;
        let (total, read) = (transfer.total.load(Relaxed), transfer.read.load(Relaxed));
        let percent = if total > 0 {
            read as f64 * 100.0 / total as f64
        } else {
            0.0
        };
        page.line("master_sync_total_bytes", total);
        page.line("master_sync_read_bytes", read);
        page.line("master_sync_left_bytes", total as i64 - read as i64);
        page.line("master_sync_perc", format_args!("{percent:.2}"));
        page.line(
            "master_sync_last_io_seconds_ago",
            seconds(transfer.last_io_ms.load(Relaxed)),
        );
    }
    if !linked {
        let down_s = match state.down_since_ms {
            0 => -1,
            since_ms => seconds(since_ms) as i64,
        };
        page.line("master_link_down_since_seconds", down_s);
    }
    page.line("slave_priority", config.replica_priority.get());
    page.line("slave_read_only", u8::from(config.replica_read_only.get()));
    page.line(
        "replica_announced",
        u8::from(config.replica_announced.get()),
    );
}
