//! INFO's sections on the process: server, clients, CPU.

use std::sync::atomic::Ordering::Relaxed;

use super::{Page, Report};
use crate::command::client::{Client, Part};
use crate::command::surroundings::supervisor;
use crate::config::{Choice, REDIS_VERSION};
use crate::util::clock;

pub fn server(report: &Report<'_>, page: &mut Page<'_>) {
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
    page.line("process_supervised", supervisor(config).as_str());
    page.line("run_id", &about.run_id);
    page.line("tcp_port", config.port.get());
    page.line("server_time_usec", now_us);
    page.line("uptime_in_seconds", uptime_s);
    page.line("uptime_in_days", uptime_s / 86_400);
    page.line("hz", config.hz.get());
    page.line("configured_hz", config.hz.get());
    page.line("lru_clock", (now_us / 1_000_000) & 0xff_ffff);
    if let Some(stopping) = &*shared.stopping.lock() {
        page.line(
            "shutdown_in_milliseconds",
            stopping.until_ms.saturating_sub(report.now_ms),
        );
    }
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
    let port = shared.config.port.get();
    if port != 0 {
        let bind = shared.config.bind.get();
        let bind: String = bind.0.iter().map(|name| format!("bind={name},")).collect();
        listeners.push(format!("name=tcp,{bind}port={port}"));
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

pub fn clients(report: &Report<'_>, page: &mut Page<'_>) {
    let shared = report.server;
    let mut all = shared.clients.all();
    all.retain(|client| client.part() == Part::None);
    let most = |of: fn(&Client) -> usize| all.iter().map(|client| of(client)).max().unwrap_or(0);
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

pub fn cpu(_: &Report<'_>, page: &mut Page<'_>) {
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
