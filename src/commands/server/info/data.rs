//! INFO's sections on the data: memory, persistence, keyspace.

use super::super::figures::Figures;
use super::{Page, Report};

pub fn memory(report: &Report<'_>, page: &mut Page<'_>) {
    let config = &report.server.config;
    let figures = Figures::take(report.server, &report.census);
    page.bytes("used_memory", figures.used);
    page.bytes("used_memory_rss", figures.resident);
    page.bytes("used_memory_peak", figures.peak);
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
    let system = rustix::system::sysinfo();
    page.bytes(
        "total_system_memory",
        system.totalram * u64::from(system.mem_unit),
    );
    page.same("0", &["used_memory_lua", "used_memory_vm_eval"]);
    page.line("used_memory_lua_human", "0B");
    page.same(
        "0",
        &[
            "used_memory_scripts_eval",
            "number_of_cached_scripts",
            "number_of_functions",
            "number_of_libraries",
            "used_memory_vm_functions",
        ],
    );
    page.bytes("used_memory_vm_total", 0);
    page.line("used_memory_functions", 0);
    page.bytes("used_memory_scripts", 0);
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
    page.same(
        "0",
        &[
            "mem_not_counted_for_evict",
            "mem_replication_backlog",
            "mem_total_replication_buffers",
            "mem_clients_slaves",
        ],
    );
    page.line("mem_clients_normal", figures.clients);
    page.same("0", &["mem_cluster_links", "mem_aof_buffer"]);
    page.line("mem_allocator", "jemalloc-5.3.0");
    page.same(
        "0",
        &[
            "mem_overhead_db_hashtable_rehashing",
            "active_defrag_running",
            "lazyfree_pending_objects",
            "lazyfreed_objects",
        ],
    );
}

pub fn persistence(report: &Report<'_>, page: &mut Page<'_>) {
    page.same(
        "0",
        &[
            "loading",
            "async_loading",
            "current_cow_peak",
            "current_cow_size",
        ],
    );
    page.line("current_cow_size_age", 0);
    page.line("current_fork_perc", "0.00");
    page.same(
        "0",
        &["current_save_keys_processed", "current_save_keys_total"],
    );
    page.line("rdb_changes_since_last_save", report.totals.dirty);
    page.line("rdb_bgsave_in_progress", 0);
    page.line("rdb_last_save_time", report.server.about.started_ms / 1000);
    page.line("rdb_last_bgsave_status", "ok");
    page.same(
        "-1",
        &["rdb_last_bgsave_time_sec", "rdb_current_bgsave_time_sec"],
    );
    page.same(
        "0",
        &[
            "rdb_saves",
            "rdb_last_cow_size",
            "rdb_last_load_keys_expired",
        ],
    );
    page.same(
        "0",
        &[
            "rdb_last_load_keys_loaded",
            "aof_enabled",
            "aof_rewrite_in_progress",
        ],
    );
    page.line("aof_rewrite_scheduled", 0);
    page.same(
        "-1",
        &["aof_last_rewrite_time_sec", "aof_current_rewrite_time_sec"],
    );
    page.line("aof_last_bgrewrite_status", "ok");
    page.same("0", &["aof_rewrites", "aof_rewrites_consecutive_failures"]);
    page.line("aof_last_write_status", "ok");
    page.line("aof_last_cow_size", 0);
    page.same(
        "0",
        &["module_fork_in_progress", "module_fork_last_cow_size"],
    );
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
                contents.volatile_hashes
            ),
        );
    }
}
