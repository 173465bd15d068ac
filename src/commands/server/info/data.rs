//! INFO's sections on the data: memory, persistence, keyspace.

use std::sync::atomic::Ordering;

use super::super::figures::Figures;
use super::{Page, Report};
use crate::persist::JobKind;

pub fn memory(report: &Report<'_>, page: &mut Page<'_>) {
    let config = &report.server.config;
    let clients = report.clients();
    let figures = Figures::take(report.server, &report.census, clients, report.used);
    page.bytes("used_memory", figures.used);
    page.bytes("used_memory_rss", figures.resident);
    page.bytes("used_memory_peak", figures.peak);
    page.line(
        "used_memory_peak_time",
        crate::util::memory::peak_at_ms() / 1000,
    );
    page.line(
        "used_memory_peak_perc",
        format_args!("{:.2}%", figures.peak_percent()),
    );
    page.line("used_memory_overhead", figures.overhead());
    page.line("used_memory_startup", figures.startup);
    page.line("used_memory_dataset", figures.dataset());
    page.line(
        "used_memory_dataset_perc",
        format_args!("{:.2}%", figures.dataset_percent()),
    );
    page.line("allocator_allocated", figures.allocated);
    page.line("allocator_active", figures.active);
    page.line("allocator_resident", figures.held);
    page.line("allocator_muzzy", 0);
    page.bytes("total_system_memory", crate::util::memory::of_system());
    let scripts = &report.server.scripts;
    let lua = crate::util::memory::apart();
    let functions = scripts.functions.load();
    let code = functions.bytes();
    // One state of each worker serves scripts and functions alike.
    page.bytes("used_memory_lua", lua);
    page.line("used_memory_vm_eval", lua);
    page.line("used_memory_scripts_eval", scripts.bytes());
    page.line("number_of_cached_scripts", scripts.count());
    page.line("number_of_functions", functions.count());
    page.line("number_of_libraries", functions.libraries.len());
    page.line("used_memory_vm_functions", 0);
    page.bytes("used_memory_vm_total", lua);
    page.line("used_memory_functions", code);
    page.bytes("used_memory_scripts", (scripts.bytes() + code) as u64);
    page.bytes("maxmemory", config.maxmemory.get());
    let policy = config.get_text(b"maxmemory-policy").unwrap_or_default();
    page.line("maxmemory_policy", String::from_utf8_lossy(&policy));
    let names = [
        "allocator_frag",
        "allocator_rss",
        "rss_overhead",
        "mem_fragmentation",
    ];
    for (name, loss) in names.iter().zip(figures.losses()) {
        page.line(
            format_args!("{name}_ratio"),
            format_args!("{:.2}", loss.ratio),
        );
        page.line(format_args!("{name}_bytes"), loss.bytes);
    }
    let extent = report.server.journal.backlog.extent();
    let kept = extent.end - extent.first;
    page.line("mem_not_counted_for_evict", figures.replicas);
    page.line("mem_replication_backlog", kept - extent.held);
    page.line("mem_total_replication_buffers", kept);
    // What comes during a full sync waits with the master.
    page.line("mem_replica_full_sync_buffer", 0);
    page.line("mem_clients_slaves", figures.replicas);
    page.line("mem_clients_normal", figures.clients);
    page.same("0", &["mem_cluster_links", "mem_aof_buffer"]);
    page.line("mem_allocator", "jemalloc-5.3.0");
    page.same(
        "0",
        &[
            "mem_overhead_db_hashtable_rehashing",
            "active_defrag_running",
        ],
    );
    let freeing = &report.server.stats.freeing;
    let (pending, freed) = (&freeing.pending, &freeing.freed);
    page.line("lazyfree_pending_objects", pending.load(Ordering::Relaxed));
    page.line("lazyfreed_objects", freed.load(Ordering::Relaxed));
    // Not in `used_memory`: allocated, but there for new keys to take.
    page.line("vermilion_table_room", crate::util::memory::vacant());
}

pub fn persistence(report: &Report<'_>, page: &mut Page<'_>) {
    let store = &report.server.store;
    let saves = store.saves.lock().clone();
    let (loading, log) = (&store.loading, &store.log);
    let running = store.running();
    let since = |kind| {
        running
            .filter(|running| running.kind == kind)
            .map(|running| (report.now_ms.saturating_sub(running.since_ms) / 1000) as i64)
    };
    let status = |ok: bool| if ok { "ok" } else { "err" };
    let [done, total] = [&store.progress.done, &store.progress.total]
        .map(|count| running.map_or(0, |_| count.load(Ordering::Relaxed)));
    page.line("loading", u8::from(loading.is_on()));
    page.line(
        "async_loading",
        u8::from(report.server.replication.loads_aside()),
    );
    page.same("0", &["current_cow_peak", "current_cow_size"]);
    page.line("current_cow_size_age", 0);
    let percent = if total > 0 {
        done as f64 * 100.0 / total as f64
    } else {
        0.0
    };
    page.line("current_fork_perc", format_args!("{percent:.2}"));
    page.line("current_save_keys_processed", done);
    page.line("current_save_keys_total", total);
    let changes = report.totals.dirty.saturating_sub(saves.dirty_then);
    page.line("rdb_changes_since_last_save", changes);
    page.line(
        "rdb_bgsave_in_progress",
        u8::from(since(JobKind::Save).or(since(JobKind::Sync)).is_some()),
    );
    page.line("rdb_last_save_time", saves.last_save_s);
    page.line("rdb_last_bgsave_status", status(saves.last_ok));
    page.line("rdb_last_bgsave_time_sec", saves.last_took_s);
    page.line(
        "rdb_current_bgsave_time_sec",
        since(JobKind::Save).or(since(JobKind::Sync)).unwrap_or(-1),
    );
    page.line("rdb_saves", saves.count);
    page.line("rdb_last_cow_size", 0);
    page.line("rdb_last_load_keys_expired", saves.keys_expired);
    page.line("rdb_last_load_keys_loaded", saves.keys_loaded);
    page.line(
        "aof_enabled",
        u8::from(report.server.config.appendonly.get()),
    );
    page.line(
        "aof_rewrite_in_progress",
        u8::from(since(JobKind::Rewrite).is_some()),
    );
    page.line(
        "aof_rewrite_scheduled",
        u8::from(store.is_waiting(JobKind::Rewrite)),
    );
    page.line("aof_last_rewrite_time_sec", saves.rewrite_took_s);
    page.line(
        "aof_current_rewrite_time_sec",
        since(JobKind::Rewrite).unwrap_or(-1),
    );
    page.line("aof_last_bgrewrite_status", status(saves.rewrite_ok));
    page.line("aof_rewrites", saves.rewrites);
    page.line(
        "aof_rewrites_consecutive_failures",
        saves.rewrites_failed_in_row,
    );
    page.line("aof_last_write_status", status(log.error().is_none()));
    page.line("aof_last_cow_size", 0);
    page.same(
        "0",
        &["module_fork_in_progress", "module_fork_last_cow_size"],
    );
    page.line(
        "backup_in_progress",
        u8::from(store.backup.phase().is_under_way()),
    );
    if log.is_running() {
        page.line("aof_current_size", log.current_bytes());
        page.line("aof_base_size", log.base_bytes());
        page.line("aof_pending_rewrite", 0);
        page.line("aof_buffer_length", report.server.journal.backlog_bytes());
        page.line("aof_pending_bio_fsync", 0);
        page.line("aof_delayed_fsync", log.delayed.load(Ordering::Relaxed));
    }
    if loading.is_on() {
        show_loading(report, page);
    }
}

/// How far the server has come with reading its data.
fn show_loading(report: &Report<'_>, page: &mut Page<'_>) {
    let loading = &report.server.store.loading;
    let (percent, eta) = loading.outlook(report.now_ms);
    page.line(
        "loading_start_time",
        loading.started_ms.load(Ordering::Relaxed) / 1000,
    );
    page.line(
        "loading_total_bytes",
        loading.total_bytes.load(Ordering::Relaxed),
    );
    page.line("loading_rdb_used_mem", 0);
    page.line(
        "loading_loaded_bytes",
        loading.loaded_bytes.load(Ordering::Relaxed),
    );
    page.line("loading_loaded_perc", format_args!("{percent:.2}"));
    page.line("loading_eta_seconds", eta);
}

pub fn keyspace(report: &Report<'_>, page: &mut Page<'_>) {
    let now_ms = report.now_ms;
    for (index, contents) in report.census.databases.iter().enumerate() {
        if contents.keys == 0 {
            continue;
        }
        page.line(
            format_args!("db{index}"),
            format_args!(
                "keys={},expires={},avg_ttl={},subexpiry={}",
                contents.keys,
                contents.volatile,
                contents.mean_ttl_ms(now_ms),
                contents.volatile_hashes + contents.volatile_sets
            ),
        );
    }
}
