//! INFO's sections on the process: server, clients, CPU.

use std::sync::OnceLock;

use super::{Page, Report};
use crate::config::{Choice, REDIS_VERSION};
use crate::state::surroundings::supervisor;
use crate::tls::Watched;
use crate::util::clock;
use crate::util::cpu::CpuTime;

pub fn server(report: &Report<'_>, page: &mut Page<'_>) {
    let shared = report.server;
    let (about, config) = (&shared.about, &shared.config);
    let now_us = clock::now_us();
    let uptime_s = (now_us / 1000).saturating_sub(about.started_ms) / 1000;
    page.line("redis_version", REDIS_VERSION);
    page.line("redis_git_sha1", "00000000");
    page.line("redis_git_dirty", 0);
    page.line("redis_build_id", "0");
    page.line("redis_mode", shared.mode());
    page.line("os", system());
    page.line("arch_bits", usize::BITS);
    page.line("monotonic_clock", "POSIX clock_gettime");
    page.line("multiplexing_api", "epoll");
    page.line("atomicvar_api", "c11-builtin");
    page.line("gcc_version", "0.0.0");
    page.line("process_id", std::process::id());
    page.line("process_supervised", supervisor(config).as_str());
    page.line("run_id", &about.run_id);
    let port = Some(config.port.get()).filter(|port| *port != 0);
    page.line("tcp_port", port.unwrap_or(config.tls_port.get()));
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
    page.line(
        "availability_zone",
        String::from_utf8_lossy(&config.availability_zone.get()),
    );
    page.line("vermilion_version", env!("CARGO_PKG_VERSION"));
    page.line("vermilion_workers", about.workers);
    certificates(report, page);
}

/// The system's name, release and machine.
fn system() -> &'static str {
    static SYSTEM: OnceLock<String> = OnceLock::new();
    SYSTEM.get_or_init(|| {
        let system = rustix::system::uname();
        let word = |word: &std::ffi::CStr| word.to_string_lossy().into_owned();
        [system.sysname(), system.release(), system.machine()]
            .map(word)
            .join(" ")
    })
}

/// Until when the certificates hold that are used, by Valkey's names.
fn certificates(report: &Report<'_>, page: &mut Page<'_>) {
    let Some(setup) = report.server.tls.setup() else {
        return;
    };
    let now_s = (report.now_ms / 1000) as i64;
    let Watched {
        server, client, ca, ..
    } = &setup.watched;
    for (whose, dates) in [("server", server), ("client", client), ("ca", ca)] {
        if let Some(dates) = dates {
            let left_s = (dates.ends_s - now_s).max(0);
            page.line(format_args!("tls_{whose}_cert_serial"), &dates.serial);
            page.line(format_args!("tls_{whose}_cert_expires_in_seconds"), left_s);
        }
    }
}

fn listeners(report: &Report<'_>, page: &mut Page<'_>) {
    let shared = report.server;
    let mut listeners = Vec::new();
    let bind = shared.config.bind.get();
    let bind: String = bind.0.iter().map(|name| format!("bind={name},")).collect();
    let port = shared.config.port.get();
    if port != 0 {
        listeners.push(format!("name=tcp,{bind}port={port}"));
    }
    let socket = shared.config.unixsocket.get();
    if !socket.is_empty() {
        listeners.push(format!(
            "name=unix,bind={}",
            String::from_utf8_lossy(&socket)
        ));
    }
    let port = shared.config.tls_port.get();
    if port != 0 {
        listeners.push(format!("name=tls,{bind}port={port}"));
    }
    for (at, listener) in listeners.iter().enumerate() {
        page.line(format_args!("listener{at}"), listener);
    }
}

pub fn clients(report: &Report<'_>, page: &mut Page<'_>) {
    let shared = report.server;
    let tally = report.clients();
    page.line("connected_clients", tally.count);
    page.line("cluster_connections", shared.cluster_connections());
    page.line("maxclients", shared.config.maxclients.get());
    page.line("client_recent_max_input_buffer", tally.input_bytes_max);
    page.line("client_recent_max_output_buffer", tally.output_bytes_max);
    page.line("blocked_clients", shared.clients.blocked());
    page.line("tracking_clients", shared.tracking.counts().0);
    page.line("pubsub_clients", tally.subscribers);
    page.line("watching_clients", tally.watching);
    page.line("clients_in_timeout_table", 0);
    page.line("total_watched_keys", report.census.watched_keys);
    page.line("total_blocking_keys", report.census.awaited_keys);
    page.line("total_blocking_keys_on_nokey", 0);
}

pub fn cpu(report: &Report<'_>, page: &mut Page<'_>) {
    let own = CpuTime::of_process();
    let main = *report.server.first_worker_cpu.lock();
    for (name, time) in [
        ("used_cpu_sys", own.system_us),
        ("used_cpu_user", own.user_us),
        ("used_cpu_sys_children", 0),
        ("used_cpu_user_children", 0),
        ("used_cpu_sys_main_thread", main.system_us),
        ("used_cpu_user_main_thread", main.user_us),
    ] {
        let (seconds, rest) = (time / 1_000_000, time % 1_000_000);
        page.line(name, format_args!("{seconds}.{rest:06}"));
    }
}
