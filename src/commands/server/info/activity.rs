//! INFO's sections on what was done: statistics of the server, of commands and of errors.

use std::sync::atomic::Ordering::Relaxed;

use super::{Page, Report};
use crate::pubsub::Channels;
use crate::state::stats::Totals;

/// Each worker, which is what Redis calls a thread, with its connections.
pub fn threads(report: &Report<'_>, page: &mut Page<'_>) {
    let mut clients_of = vec![0; report.server.stats.workers()];
    for client in report.server.clients.all() {
        clients_of[client.worker] += 1;
    }
    for (id, clients) in clients_of.into_iter().enumerate() {
        let counters = &report.server.stats.worker(id).counters;
        let (reads, writes) = (counters.reads.get(), counters.writes.get());
        page.line(
            format!("io_thread_{id}"),
            format_args!("clients={clients},reads={reads},writes={writes}"),
        );
    }
}

pub fn stats(report: &Report<'_>, page: &mut Page<'_>) {
    let (shared, totals) = (report.server, &report.totals);
    let rates = *shared.rates.lock();
    let kilobytes = |bytes: f64| format!("{:.2}", bytes / 1024.0);
    page.line("total_connections_received", totals.connections);
    page.line("total_commands_processed", totals.commands);
    page.line("instantaneous_ops_per_sec", rates.commands_per_second);
    page.line("total_net_input_bytes", totals.input_bytes);
    page.line("total_net_output_bytes", totals.output_bytes);
    let counts = &shared.replication.counts;
    page.line(
        "total_net_repl_input_bytes",
        counts.input_bytes.load(Relaxed),
    );
    page.line(
        "total_net_repl_output_bytes",
        counts.output_bytes.load(Relaxed),
    );
    page.line(
        "instantaneous_input_kbps",
        kilobytes(rates.input_bytes_per_second),
    );
    page.line(
        "instantaneous_output_kbps",
        kilobytes(rates.output_bytes_per_second),
    );
    page.same(
        "0.00",
        &[
            "instantaneous_input_repl_kbps",
            "instantaneous_output_repl_kbps",
        ],
    );
    page.line("rejected_connections", totals.rejected_connections);
    page.line("sync_full", counts.sync_full.load(Relaxed));
    page.line("sync_partial_ok", counts.sync_partial_ok.load(Relaxed));
    page.line("sync_partial_err", counts.sync_partial_err.load(Relaxed));
    page.line("expired_subkeys", totals.expired_fields);
    page.line("expired_keys", totals.expired_keys);
    page.line("expired_stale_perc", "0.00");
    page.same(
        "0",
        &[
            "expired_time_cap_reached_count",
            "expire_cycle_cpu_milliseconds",
        ],
    );
    page.line("evicted_keys", totals.evicted_keys);
    page.line("evicted_clients", totals.evicted_clients);
    let scripts = &report.server.scripts;
    page.line("evicted_scripts", scripts.evicted.load(Relaxed));
    page.same(
        "0",
        &[
            "total_eviction_exceeded_time",
            "current_eviction_exceeded_time",
        ],
    );
    page.line("keyspace_hits", totals.keyspace_hits);
    page.line("keyspace_misses", totals.keyspace_misses);
    page.line("pubsub_channels", shared.broker.len(Channels::Plain));
    page.line("pubsub_patterns", shared.broker.len(Channels::Pattern));
    page.line("pubsubshard_channels", shared.broker.len(Channels::Shard));
    page.line("latest_fork_usec", 0);
    // What Redis forks for, a thread does here.
    page.line("total_forks", shared.store.saves.lock().jobs);
    page.line("migrate_cached_sockets", shared.links.len());
    page.same(
        "0",
        &[
            "slave_expires_tracked_keys",
            "active_defrag_hits",
            "active_defrag_misses",
        ],
    );
    page.same("0", &["active_defrag_key_hits", "active_defrag_key_misses"]);
    page.same(
        "0",
        &["total_active_defrag_time", "current_active_defrag_time"],
    );
    let (_, keys, items, prefixes) = shared.tracking.counts();
    page.line("tracking_total_keys", keys);
    page.line("tracking_total_items", items);
    page.line("tracking_total_prefixes", prefixes);
    page.line(
        "unexpected_error_replies",
        counts.unexpected_errors.load(Relaxed),
    );
    page.line("total_error_replies", totals.error_replies);
    page.line("dump_payload_sanitizations", 0);
    page.line("total_reads_processed", totals.reads);
    page.line("total_writes_processed", totals.writes);
    page.same(
        "0",
        &[
            "io_threaded_reads_processed",
            "io_threaded_writes_processed",
            "io_threaded_total_prefetch_batches",
            "io_threaded_total_prefetch_entries",
        ],
    );
    let (query, output) = (
        totals.query_buffer_limit_disconnections,
        totals.output_buffer_limit_disconnections,
    );
    page.line("client_query_buffer_limit_disconnections", query);
    page.line("client_output_buffer_limit_disconnections", output);
    page.same(
        "0",
        &[
            "reply_buffer_shrinks",
            "reply_buffer_expands",
            "eventloop_cycles",
        ],
    );
    page.same(
        "0",
        &["eventloop_duration_sum", "eventloop_duration_cmd_sum"],
    );
    page.line("instantaneous_eventloop_cycles_per_sec", 0);
    page.line("instantaneous_eventloop_duration_usec", 0);
    denials(totals, page);
    expiry(report, page);
}

/// What ACL LOG notes, by its reason.
fn denials(totals: &Totals, page: &mut Page<'_>) {
    page.line("acl_access_denied_auth", totals.acl_denied_auth);
    page.line("acl_access_denied_cmd", totals.acl_denied_command);
    page.line("acl_access_denied_key", totals.acl_denied_key);
    page.line("acl_access_denied_channel", totals.acl_denied_channel);
    page.line("acl_access_denied_tls_cert", totals.acl_denied_certificate);
    page.line("acl_access_denied_db", totals.acl_denied_database);
}

/// How exact expiry is: by how much keys outlived their deadlines, and how many do so now.
fn expiry(report: &Report<'_>, page: &mut Page<'_>) {
    let lag = report.server.stats.expiry_spread();
    let percentiles = [("p50", 50.0), ("p99", 99.0), ("max", 100.0)];
    for (name, percent) in percentiles {
        page.line(
            format_args!("expiry_lag_{name}_us"),
            lag.percentile(percent) / 1000,
        );
    }
    page.line("expiry_due_keys", report.census.due);
}

pub fn commandstats(report: &Report<'_>, page: &mut Page<'_>) {
    let shared = report.server;
    for (id, name) in shared.stats.names.iter().enumerate() {
        let totals = shared.stats.command(id);
        if totals.calls + totals.rejected + totals.failed == 0 {
            continue;
        }
        let mean = totals.micros as f64 / totals.calls.max(1) as f64;
        page.line(
            format_args!("cmdstat_{name}"),
            format_args!(
                "calls={},usec={},usec_per_call={mean:.2},rejected_calls={},failed_calls={}",
                totals.calls, totals.micros, totals.rejected, totals.failed
            ),
        );
    }
}

pub fn errorstats(report: &Report<'_>, page: &mut Page<'_>) {
    for (code, count) in report.server.stats.errors() {
        // A name ends at the colon, and a comment begins with the other one.
        let code = code.replace([':', '#'], "_");
        page.line(
            format_args!("errorstat_{code}"),
            format_args!("count={count}"),
        );
    }
}

pub fn latencystats(report: &Report<'_>, page: &mut Page<'_>) {
    let shared = report.server;
    let percentiles = shared.config.latency_tracking_info_percentiles.get();
    for (id, name) in shared.stats.names.iter().enumerate() {
        let spread = shared.stats.command(id).spread;
        if spread.total() == 0 {
            continue;
        }
        let one = |percent: &f64| {
            format!(
                "p{percent}={:.3}",
                spread.percentile(*percent) as f64 / 1000.0
            )
        };
        let values: Vec<String> = percentiles.0.iter().map(one).collect();
        page.line(
            format_args!("latency_percentiles_usec_{name}"),
            values.join(","),
        );
    }
}
