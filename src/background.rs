//! Work beside the workers: freeing, signals, and what is looked at ten times a second.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use anyhow::Result;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

use crate::command::Shutdown;
use crate::config::{Config, REDIS_VERSION};
use crate::engine::Garbage;
use crate::exec::{self, Alarm, StopSource};
use crate::repl;
use crate::state::client::ReplicationPart;
use crate::state::shared::{Rates, Shared};
use crate::tls::Setup;
use crate::util::cpu::CpuTime;
use crate::util::system::OWN_DESCRIPTORS;
use crate::util::{clock, crash, memory, thread};

/// Raises the limit of open files to what `maxclients` needs, or lowers `maxclients` to what there is.
pub fn raise_file_limit(config: &Config) {
    let wanted = config.maxclients.get() as u64 + OWN_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let raised = limit.maximum.map_or(wanted, |maximum| maximum.max(wanted));
    let tries = [
        (Some(wanted), Some(raised)),
        (Some(wanted), limit.maximum),
        (limit.maximum, limit.maximum),
    ];
    for (current, maximum) in tries {
        if setrlimit(Resource::Nofile, Rlimit { current, maximum }).is_ok() {
            break;
        }
    }
    let got = getrlimit(Resource::Nofile).current.unwrap_or(wanted);
    if got < wanted {
        let clients = got.saturating_sub(OWN_DESCRIPTORS).max(1);
        tracing::warn!(
            "You requested maxclients of {} requiring at least {wanted} max file descriptors. Current maximum open \
             files is {got}. maxclients has been reduced to {clients} to compensate for low ulimit. If you need \
             higher maxclients increase 'ulimit -n'.",
            config.maxclients.get()
        );
        config.maxclients.put(clients as i64);
    }
}

/// A thread that drops what is too large to be dropped on a client's time.
pub fn start_freeing(shared: &Arc<Shared>) -> Result<Sender<Garbage>> {
    let shared = shared.clone();
    let (sender, garbage) = channel::<Garbage>();
    thread::start("freeing", move || {
        thread::stand_back();
        for one in garbage {
            let values = one.values();
            drop(one);
            memory::publish();
            let freeing = &shared.stats.freeing;
            freeing.freed.fetch_add(values, Ordering::Relaxed);
            freeing.pending.fetch_sub(values, Ordering::Relaxed);
        }
    })?;
    Ok(sender)
}

/// Starts the tasks that belong to no connection, on the first worker's runtime.
pub fn start(shared: &Arc<Shared>, alarm: &Arc<Alarm>) {
    // Whoever ends the server from here on ends it in order.
    let signals = signal(SignalKind::terminate()).and_then(|term| {
        let int = signal(SignalKind::interrupt())?;
        Ok((term, int))
    });
    match signals {
        Ok((term, int)) => {
            let (shared, alarm) = (shared.clone(), alarm.clone());
            tokio::task::spawn_local(stop_on_signals(term, int, shared, alarm));
        }
        Err(error) => {
            tracing::warn!("Can't listen for signals: the server will stop without a word. {error}")
        }
    }
    tokio::task::spawn_local(follow_clock(alarm.clone()));
    tokio::task::spawn_local(cron(shared.clone()));
    tokio::task::spawn_local(repl::watch(shared.clone()));
    tokio::task::spawn_local(watch_certificates(shared.clone()));
}

/// Takes certificates and keys whose files have changed, and warns of those that are about to expire.
async fn watch_certificates(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut looked_s = clock::now_ms() as i64 / 1000;
    let mut warned: Option<(Arc<Setup>, i64)> = None;
    loop {
        tick.tick().await;
        let Some(setup) = shared.tls.setup() else {
            continue;
        };
        let now_s = clock::now_ms() as i64 / 1000;
        // Of those that are due when they are taken the log tells as well.
        let last_s = match &warned {
            Some((same, last_s)) if Arc::ptr_eq(same, &setup) => *last_s,
            _ => i64::MIN / 2,
        };
        setup.watched.warn(last_s, now_s);
        warned = Some((setup.clone(), now_s));
        let every_s = shared.config.tls_auto_reload_interval.get();
        if every_s == 0 || now_s - looked_s < every_s {
            continue;
        }
        looked_s = now_s;
        let shared = shared.clone();
        let reload = move || {
            if !setup.watched.has_changed(&shared.config) {
                return;
            }
            match shared.tls.configure(&shared.config) {
                Ok(()) => tracing::info!("The TLS files have changed, and were read anew."),
                Err(why) => tracing::warn!(
                    "The TLS files have changed, and can't be taken; those of before stay in use. {why}"
                ),
            }
        };
        // Disks may be slow.
        let _ = thread::start_aside(reload).await;
    }
}

/// A thread that hears SIGABRT, by which a supervisor ends a server that hangs: so it is none of the workers. It passes
/// over SIGHUP, which the terminal sends when it is closed.
pub fn report_aborts(config: &Arc<Config>) -> Result<()> {
    let config = config.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let abort = Signal::ABORT;
    // From here on, and not only once that thread has its turn.
    let listening = runtime.enter();
    let (aborts, hangups) = (
        signal(SignalKind::from_raw(abort.as_raw())),
        signal(SignalKind::hangup()),
    );
    drop(listening);
    let heard = async move {
        let _hangups = hangups;
        let Ok(mut aborts) = aborts else {
            return;
        };
        if aborts.recv().await.is_some() {
            if config.crash_log_enabled.get() {
                crash::report(&crash::by_signal(REDIS_VERSION, abort));
            }
            std::process::abort();
        }
    };
    thread::start("aborts", move || runtime.block_on(heard))?;
    Ok(())
}

async fn stop_on_signals(
    mut term: SignalStream,
    mut int: SignalStream,
    shared: Arc<Shared>,
    alarm: Arc<Alarm>,
) {
    let mut interrupted = false;
    loop {
        let (name, how) = tokio::select! {
            _ = term.recv() => ("SIGTERM", shared.config.shutdown_on_sigterm.get()),
            _ = int.recv() => ("SIGINT", shared.config.shutdown_on_sigint.get()),
        };
        if std::mem::replace(&mut interrupted, name == "SIGINT") && name == "SIGINT" {
            tracing::warn!("You insist... exiting now.");
            shared.store.remove_own_draft();
            std::process::exit(1);
        }
        tracing::warn!("Received {name} scheduling shutdown...");
        let wish = Shutdown {
            save: how.save().then_some(true).or(how.nosave().then_some(false)),
            now: how.now(),
            force: how.force(),
        };
        let (shared, alarm) = (shared.clone(), alarm.clone());
        // The next signal is heard while this one is carried out.
        thread::start_aside(move || {
            if !exec::wait_for_cron(&shared) {
                return;
            }
            if exec::stop(
                &shared,
                exec::ask_to_stop(&shared, wish, StopSource::Signal),
            ) {
                alarm.ring();
            } else {
                tracing::warn!(
                    "{name} received but errors trying to shut down the server, check the logs for more information"
                );
            }
        });
    }
}

/// Wakes the sweep when somebody has moved the clock.
async fn follow_clock(alarm: Arc<Alarm>) {
    let mut moved = clock::moved();
    loop {
        moved.await;
        moved = clock::moved();
        alarm.ring();
    }
}

/// Ten times a second: rates, idle clients, output limits of clients that nobody wrote to.
async fn cron(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut last = (clock::now_ms(), shared.stats.totals());
    loop {
        tick.tick().await;
        if shared.cron_paused.load(Ordering::Relaxed) {
            continue;
        }
        let now_ms = clock::now_ms();
        *shared.first_worker_cpu.lock() = CpuTime::of_thread();
        memory::publish();
        // Reading it keeps the peak.
        memory::used();
        close_idle_and_overflown(&shared, now_ms);
        if shared.clients.weights.limit() > 0 {
            shared.clients.weigh_all();
            shared.evict_clients();
        }
        shared.links.close_idle(now_ms);
        shared.search.drop_idle_cursors(now_ms);
        shared.store.tick(shared.stats.totals().dirty, now_ms);
        if now_ms >= last.0 + 1000 {
            let totals = shared.stats.totals();
            let seconds = (now_ms - last.0) as f64 / 1000.0;
            let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            *shared.rates.lock() = Rates {
                commands_per_second: rate(totals.commands, last.1.commands) as u64,
                input_bytes_per_second: rate(totals.input_bytes, last.1.input_bytes),
                output_bytes_per_second: rate(totals.output_bytes, last.1.output_bytes),
            };
            last = (now_ms, totals);
        }
    }
}

fn close_idle_and_overflown(shared: &Shared, now_ms: u64) {
    let timeout_ms = shared.config.timeout.get() as u64 * 1000;
    let limits = shared.config.client_output_buffer_limit.get();
    // The cron runs on the first worker, who alone writes these.
    let counters = &shared.stats.worker(0).counters;
    for client in shared.clients.all() {
        if client.part() != ReplicationPart::None {
            // Replication looks after its own.
            continue;
        }
        let subscribed = client.is_subscriber();
        let limit = if subscribed {
            limits.pubsub
        } else {
            limits.normal
        };
        let idle_ms = now_ms.saturating_sub(client.active_ms.load(Ordering::Relaxed));
        let blocked = client.blocked.load(Ordering::Relaxed);
        if timeout_ms > 0 && idle_ms > timeout_ms && !subscribed && !blocked {
            tracing::debug!("Closing idle client {client}");
            client.mailbox.close();
        } else if client.mailbox.bytes() > 0 {
            client.overflows(limit, now_ms, counters);
        }
    }
}
