//! INFO: the server's state in sections of `name:value` lines.
//!
//! Names and their order are Redis 7.4's, so that whatever reads INFO there reads it here. Fields
//! of our own stand at the end of their section.

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

use super::figures::{Figures, human};
use crate::command::Flag::{Loading, Neither, Stale};
use crate::command::shared::Shared;
use crate::command::stats::Totals;
use crate::command::{Arg, Command, Done, Flow, Plan, ReadCall, Run};
use crate::config::REDIS_VERSION;
use crate::engine::Census;
use crate::pubsub::Channels;
use crate::util::clock;

pub const INFO: Command = Command {
    name: "info",
    summary: "Returns the server's state, or some sections of it",
    cost: "O(N) for N connections",
    flags: &[Loading, Stale, Neither],
    args: &[Arg::text("section").optional().many()],
    run: Run::Read(info),
    plan: Plan::All,
    categories: &["dangerous"],
    tips: &[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ],
    ..Command::PLAIN
};

fn info(call: &mut ReadCall<'_>) -> Done {
    let wanted = call.args.rest();
    let report = Report {
        server: call.server,
        now_ms: call.db.now_ms(),
        census: call.db.census(),
        totals: call.server.stats.totals(),
    };
    let mut text = String::new();
    for section in SECTIONS.iter().filter(|section| section.is_wanted(wanted)) {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        text.push_str("# ");
        text.push_str(section.title);
        text.push_str("\r\n");
        (section.write)(&report, &mut Page(&mut text));
    }
    call.out.verbatim("txt", text.as_bytes());
    Ok(Flow::Done)
}

struct Section {
    title: &'static str,
    /// Shown when no section is named.
    usual: bool,
    write: fn(&Report<'_>, &mut Page<'_>),
}

const SECTIONS: &[Section] = &[
    Section {
        title: "Server",
        usual: true,
        write: server,
    },
    Section {
        title: "Clients",
        usual: true,
        write: clients,
    },
    Section {
        title: "Memory",
        usual: true,
        write: memory,
    },
    Section {
        title: "Persistence",
        usual: true,
        write: persistence,
    },
    Section {
        title: "Stats",
        usual: true,
        write: stats,
    },
    Section {
        title: "Replication",
        usual: true,
        write: replication,
    },
    Section {
        title: "CPU",
        usual: true,
        write: cpu,
    },
    // A title and nothing under it: there are no modules.
    Section {
        title: "Modules",
        usual: true,
        write: |_, _| {},
    },
    Section {
        title: "Commandstats",
        usual: false,
        write: commandstats,
    },
    Section {
        title: "Errorstats",
        usual: true,
        write: errorstats,
    },
    Section {
        title: "Latencystats",
        usual: false,
        write: latencystats,
    },
    Section {
        title: "Cluster",
        usual: true,
        write: |_, page| page.line("cluster_enabled", 0),
    },
    Section {
        title: "Keyspace",
        usual: true,
        write: keyspace,
    },
];

impl Section {
    fn is_wanted(&self, words: &[&[u8]]) -> bool {
        words.is_empty() && self.usual
            || words
                .iter()
                .any(|word| match word.to_ascii_lowercase().as_slice() {
                    b"default" => self.usual,
                    b"all" | b"everything" => true,
                    b"module_list" => self.title == "Modules",
                    word => word.eq_ignore_ascii_case(self.title.as_bytes()),
                })
    }
}

/// Where sections get their facts.
struct Report<'s> {
    server: &'s Shared,
    now_ms: u64,
    census: Census,
    totals: Totals,
}

/// The text that sections append to.
struct Page<'t>(&'t mut String);

impl Page<'_> {
    fn line(&mut self, name: impl std::fmt::Display, value: impl std::fmt::Display) {
        // Writing to a string can't fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    /// Bytes, and once more as people read them.
    fn bytes(&mut self, name: &str, bytes: u64) {
        self.line(name, bytes);
        self.line(format_args!("{name}_human"), human(bytes));
    }

    /// Names that all have the same value.
    fn same(&mut self, value: &str, names: &[&str]) {
        names.iter().for_each(|name| self.line(name, value));
    }
}

fn server(report: &Report<'_>, page: &mut Page<'_>) {
    let shared = report.server;
    let (about, config) = (&shared.about, &shared.config);
    let now_us = clock::now_us();
    let uptime_s = (now_us / 1000).saturating_sub(about.started_ms) / 1000;
    let system = rustix::system::uname();
    let word = |word: &std::ffi::CStr| word.to_string_lossy().into_owned();
    page.line("redis_version", REDIS_VERSION);
    page.line("redis_git_sha1", "00000000");
    page.line("redis_git_dirty", 0);
    page.line("redis_build_id", "0");
    page.line("redis_mode", "standalone");
    let os = [system.sysname(), system.release(), system.machine()]
        .map(word)
        .join(" ");
    page.line("os", os);
    page.line("arch_bits", usize::BITS);
    page.line("monotonic_clock", "POSIX clock_gettime");
    page.line("multiplexing_api", "epoll");
    page.line("atomicvar_api", "c11-builtin");
    page.line("gcc_version", "0.0.0");
    page.line("process_id", std::process::id());
    page.line("process_supervised", "no");
    page.line("run_id", &about.run_id);
    page.line("tcp_port", about.port);
    page.line("server_time_usec", now_us);
    page.line("uptime_in_seconds", uptime_s);
    page.line("uptime_in_days", uptime_s / 86_400);
    page.line("hz", config.hz.get());
    page.line("configured_hz", config.hz.get());
    page.line("lru_clock", (now_us / 1_000_000) & 0xff_ffff);
    page.line("executable", &about.executable);
    page.line("config_file", &about.config_file);
    page.line("io_threads_active", u8::from(about.workers > 1));
    listeners(report, page);
    page.line("vermilion_version", env!("CARGO_PKG_VERSION"));
    page.line("vermilion_workers", about.workers);
}

fn listeners(report: &Report<'_>, page: &mut Page<'_>) {
    let shared = report.server;
    let mut listeners = Vec::new();
    if shared.about.port != 0 {
        let bind = shared.config.bind.get();
        let bind: String = bind.0.iter().map(|name| format!("bind={name},")).collect();
        listeners.push(format!("name=tcp,{bind}port={}", shared.about.port));
    }
    let socket = shared.config.unixsocket.get();
    if !socket.is_empty() {
        listeners.push(format!(
            "name=unix,bind={}",
            String::from_utf8_lossy(&socket)
        ));
    }
    for (at, listener) in listeners.iter().enumerate() {
        page.line(format_args!("listener{at}"), listener);
    }
}

fn clients(report: &Report<'_>, page: &mut Page<'_>) {
    let shared = report.server;
    let all = shared.clients.all();
    let most = |of: fn(&crate::command::client::Client) -> usize| {
        all.iter().map(|client| of(client)).max().unwrap_or(0)
    };
    page.line("connected_clients", all.len());
    page.line("cluster_connections", 0);
    page.line("maxclients", shared.config.maxclients.get());
    page.line(
        "client_recent_max_input_buffer",
        most(|one| one.query_capacity.load(Relaxed)),
    );
    page.line(
        "client_recent_max_output_buffer",
        most(|one| one.mailbox.bytes()),
    );
    page.line("blocked_clients", shared.clients.blocked());
    page.line("tracking_clients", shared.tracking.counts().0);
    page.line(
        "pubsub_clients",
        all.iter().filter(|client| client.is_subscriber()).count(),
    );
    let watching = all
        .iter()
        .filter(|client| client.profile.lock().watched > 0)
        .count();
    page.line("watching_clients", watching);
    page.line("clients_in_timeout_table", 0);
    page.line("total_watched_keys", report.census.watched_keys);
    page.line("total_blocking_keys", report.census.awaited_keys);
    page.line("total_blocking_keys_on_nokey", 0);
}

fn memory(report: &Report<'_>, page: &mut Page<'_>) {
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

fn persistence(report: &Report<'_>, page: &mut Page<'_>) {
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

fn stats(report: &Report<'_>, page: &mut Page<'_>) {
    let (shared, totals) = (report.server, &report.totals);
    let rates = *shared.rates.lock();
    let kilobytes = |bytes: f64| format!("{:.2}", bytes / 1024.0);
    page.line("total_connections_received", totals.connections);
    page.line("total_commands_processed", totals.commands);
    page.line("instantaneous_ops_per_sec", rates.commands_per_second);
    page.line("total_net_input_bytes", totals.input_bytes);
    page.line("total_net_output_bytes", totals.output_bytes);
    page.same(
        "0",
        &["total_net_repl_input_bytes", "total_net_repl_output_bytes"],
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
    page.same("0", &["sync_full", "sync_partial_ok", "sync_partial_err"]);
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
    page.line("evicted_scripts", 0);
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
    page.same(
        "0",
        &["latest_fork_usec", "total_forks", "migrate_cached_sockets"],
    );
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
    page.line("unexpected_error_replies", 0);
    page.line("total_error_replies", totals.error_replies);
    page.line("dump_payload_sanitizations", 0);
    page.line("total_reads_processed", totals.reads);
    page.line("total_writes_processed", totals.writes);
    page.same(
        "0",
        &[
            "io_threaded_reads_processed",
            "io_threaded_writes_processed",
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
    page.line("acl_access_denied_auth", totals.acl_auth_failures);
    page.same(
        "0",
        &[
            "acl_access_denied_cmd",
            "acl_access_denied_key",
            "acl_access_denied_channel",
        ],
    );
    expiry(report, page);
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

fn replication(report: &Report<'_>, page: &mut Page<'_>) {
    let shared = report.server;
    page.line("role", "master");
    page.line("connected_slaves", 0);
    page.line("master_failover_state", "no-failover");
    page.line("master_replid", shared.replication_id.lock());
    page.line("master_replid2", "0".repeat(40));
    page.line("master_repl_offset", 0);
    page.line("second_repl_offset", -1);
    page.line("repl_backlog_active", 0);
    page.line("repl_backlog_size", shared.config.repl_backlog_size.get());
    page.same(
        "0",
        &["repl_backlog_first_byte_offset", "repl_backlog_histlen"],
    );
}

fn cpu(_: &Report<'_>, page: &mut Page<'_>) {
    let own = CpuTime::read("/proc/self/stat");
    let main = CpuTime::read(&format!("/proc/self/task/{}/stat", std::process::id()));
    for (name, seconds) in [
        ("used_cpu_sys", own.system_s),
        ("used_cpu_user", own.user_s),
        ("used_cpu_sys_children", 0.0),
        ("used_cpu_user_children", 0.0),
        ("used_cpu_sys_main_thread", main.system_s),
        ("used_cpu_user_main_thread", main.user_s),
    ] {
        page.line(name, format_args!("{seconds:.6}"));
    }
}

/// Processor time of the process or one of its threads, in the kernel's ticks of 10 ms.
#[derive(Default)]
struct CpuTime {
    user_s: f64,
    system_s: f64,
}

impl CpuTime {
    fn read(path: &str) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // The second field is a name in brackets, and may hold anything.
        let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let seconds = |at: usize| {
            let ticks: f64 = fields.split_whitespace().nth(at)?.parse().ok()?;
            Some(ticks / rustix::param::clock_ticks_per_second() as f64)
        };
        CpuTime {
            user_s: seconds(11).unwrap_or_default(),
            system_s: seconds(12).unwrap_or_default(),
        }
    }
}

fn commandstats(report: &Report<'_>, page: &mut Page<'_>) {
    let shared = report.server;
    for entry in shared.registry.entries() {
        let totals = shared.stats.command(entry.id);
        if totals.calls + totals.rejected + totals.failed == 0 {
            continue;
        }
        let mean = totals.micros as f64 / totals.calls.max(1) as f64;
        page.line(
            format_args!("cmdstat_{}", entry.full_name),
            format_args!(
                "calls={},usec={},usec_per_call={mean:.2},rejected_calls={},failed_calls={}",
                totals.calls, totals.micros, totals.rejected, totals.failed
            ),
        );
    }
}

fn errorstats(report: &Report<'_>, page: &mut Page<'_>) {
    for (code, count) in report.server.stats.errors() {
        page.line(
            format_args!("errorstat_{code}"),
            format_args!("count={count}"),
        );
    }
}

fn latencystats(report: &Report<'_>, page: &mut Page<'_>) {
    let shared = report.server;
    let percentiles = shared.config.latency_tracking_info_percentiles.get();
    for entry in shared.registry.entries() {
        let spread = shared.stats.command(entry.id).spread;
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
            format_args!("latency_percentiles_usec_{}", entry.full_name),
            values.join(","),
        );
    }
}

fn keyspace(report: &Report<'_>, page: &mut Page<'_>) {
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
