//! Scripts of whoever runs this Sentinel: few at a time, for a limited time, and again later if they wish it.

use std::collections::VecDeque;

use super::actions::{EventLevel, SentinelAction};
use super::address::InstanceAddress;
use super::group::MasterGroup;
use super::state::Sentinel;

/// Scripts that wait or run; the oldest of those that wait go first.
const QUEUE_MAX: usize = 256;
const RUNNING_MAX: usize = 16;
const TRIES_MAX: u32 = 10;
/// What a script ends with that wants to be run again.
const AGAIN: i32 = 1;
/// What is told in the place of a signal where no process could be started.
const NOT_STARTED: i32 = 99;

/// A script that is to be run, or runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobId(u64);

#[derive(Debug)]
pub struct ScriptJob {
    id: JobId,
    argv: Vec<Vec<u8>>,
    running: bool,
    tries: u32,
    pid: u32,
    /// When it began; or before when it is not to be run again, 0 for at once.
    start_ms: i64,
}

#[derive(Debug, Default)]
pub struct ScriptQueue {
    jobs: VecDeque<ScriptJob>,
}

/// A script as SENTINEL PENDING-SCRIPTS shows it.
pub struct PendingScript {
    pub argv: Vec<Vec<u8>>,
    pub running: bool,
    pub pid: u32,
    /// For how long it has run, or for how long it is still to wait.
    pub time_ms: i64,
    pub tries: u32,
}

impl ScriptQueue {
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    pub fn running(&self) -> usize {
        self.jobs.iter().filter(|job| job.running).count()
    }
}

impl Sentinel {
    pub(super) fn schedule_script(&mut self, argv: Vec<Vec<u8>>) {
        let id = JobId(self.next_number());
        let jobs = &mut self.scripts.jobs;
        jobs.push_back(ScriptJob {
            id,
            argv,
            running: false,
            tries: 0,
            pid: 0,
            start_ms: 0,
        });
        if jobs.len() > QUEUE_MAX
            && let Some(oldest) = jobs.iter().position(|job| !job.running)
        {
            jobs.remove(oldest);
        }
    }

    /// Has clients told of a new master by a script.
    pub(super) fn schedule_reconfig(
        &mut self,
        group: &str,
        leads: bool,
        from: &InstanceAddress,
        to: &InstanceAddress,
    ) {
        let MasterGroup {
            name,
            client_reconfig_script: Some(script),
            ..
        } = &self.groups[group]
        else {
            return;
        };
        let role = if leads { "leader" } else { "observer" };
        let (from_port, to_port) = (from.port.to_string(), to.port.to_string());
        let (from, to) = (self.shown(from), self.shown(to));
        let words = [&**name, role, "start", from, &from_port, to, &to_port];
        let mut argv = vec![script.clone()];
        argv.extend(words.map(|word| word.as_bytes().to_vec()));
        self.schedule_script(argv);
    }

    /// Starts what is due.
    pub(super) fn run_scripts(&mut self) {
        let mut running = self.scripts.running();
        let now_ms = self.now_ms;
        for job in &mut self.scripts.jobs {
            if running >= RUNNING_MAX {
                break;
            }
            if job.running || job.start_ms > now_ms {
                continue;
            }
            job.running = true;
            job.start_ms = now_ms;
            job.tries += 1;
            job.pid = 0;
            running += 1;
            self.actions.push(SentinelAction::RunScript {
                job: job.id,
                argv: job.argv.clone(),
            });
        }
    }

    /// Ends those that take too long.
    pub(super) fn kill_late_scripts(&mut self) {
        let (now_ms, runtime) = (self.now_ms, self.periods.script_runtime);
        let late =
            |job: &&ScriptJob| job.running && job.pid != 0 && now_ms - job.start_ms > runtime;
        let late = self.scripts.jobs.iter().filter(late);
        let late: Vec<_> = late
            .map(|job| (job.id, format!("{} {}", path_of(job), job.pid)))
            .collect();
        for (job, text) in late {
            self.tell(EventLevel::Warning, "-script-timeout", None, text);
            self.actions.push(SentinelAction::KillScript { job });
        }
    }

    /// A script runs as a process.
    pub fn script_began(&mut self, job: JobId, pid: u32) {
        if let Some(job) = self.scripts.jobs.iter_mut().find(|one| one.id == job) {
            job.pid = pid;
            self.tell(EventLevel::Debug, "+script-child", None, pid.to_string());
        }
    }

    /// No process could be started for a script: it is tried again.
    pub fn script_not_started(&mut self, job: JobId) {
        if let Some(job) = self.scripts.jobs.iter_mut().find(|one| one.id == job) {
            job.running = false;
            let text = format!("{} {NOT_STARTED} 0", path_of(job));
            self.tell(EventLevel::Warning, "-script-error", None, text);
        }
    }

    /// A script has ended, by itself or by a signal (0 for none).
    pub fn script_ended(&mut self, job: JobId, code: i32, signal: i32) {
        let Some(at) = self.scripts.jobs.iter().position(|one| one.id == job) else {
            return;
        };
        let (now_ms, delay) = (self.now_ms, self.periods.script_retry);
        self.actions.push(SentinelAction::ForgetScript { job });
        let job = &mut self.scripts.jobs[at];
        let child = format!("{} {code} {signal}", job.pid);
        let mut error = None;
        if (signal != 0 || code == AGAIN) && job.tries < TRIES_MAX {
            job.running = false;
            job.pid = 0;
            job.start_ms = now_ms + retry_delay(delay, job.tries);
        } else {
            if signal != 0 || code != 0 {
                error = Some(format!("{} {signal} {code}", path_of(job)));
            }
            self.scripts.jobs.remove(at);
        }
        self.tell(EventLevel::Debug, "-script-child", None, child);
        if let Some(text) = error {
            self.tell(EventLevel::Warning, "-script-error", None, text);
        }
    }

    pub fn pending_scripts(&self) -> Vec<PendingScript> {
        let shown = |job: &ScriptJob| PendingScript {
            argv: job.argv.clone(),
            running: job.running,
            pid: job.pid,
            time_ms: match job.running {
                true => self.now_ms - job.start_ms,
                false => (job.start_ms - self.now_ms).max(0),
            },
            tries: job.tries,
        };
        self.scripts.jobs.iter().map(shown).collect()
    }
}

fn path_of(job: &ScriptJob) -> String {
    String::from_utf8_lossy(&job.argv[0]).into_owned()
}

/// Twice as long each time.
fn retry_delay(first_ms: i64, tries: u32) -> i64 {
    first_ms.saturating_mul(1 << tries.saturating_sub(1).min(TRIES_MAX))
}
