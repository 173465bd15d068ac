//! Scripts of whoever runs this Sentinel: when they are started, ended, and told of.

use super::actions::{EventLevel, SentinelAction};
use super::address::InstanceAddress;
use super::group::MasterGroup;
use super::script_queue::{JobId, PendingScript};
use super::state::Sentinel;

/// What is told in the place of a signal where no process could be started.
const NOT_STARTED: i32 = 99;

impl Sentinel {
    pub(super) fn schedule_script(&mut self, argv: Vec<Vec<u8>>) {
        let id = JobId(self.next_number());
        self.scripts.push(id, argv);
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
        let actions = &mut self.actions;
        self.scripts.start_due(self.now_ms, |job| {
            actions.push(SentinelAction::RunScript {
                job: job.id,
                argv: job.argv.clone(),
            });
        });
    }

    /// Ends those that take too long.
    pub(super) fn kill_late_scripts(&mut self) {
        let (now_ms, runtime) = (self.now_ms, self.periods.script_runtime);
        let late = self.scripts.late(now_ms, runtime);
        let late: Vec<_> = late
            .map(|job| (job.id, format!("{} {}", job.path(), job.pid)))
            .collect();
        for (job, text) in late {
            self.tell(EventLevel::Warning, "-script-timeout", None, text);
            self.actions.push(SentinelAction::KillScript { job });
        }
    }

    /// A script runs as a process.
    pub fn script_began(&mut self, job: JobId, pid: u32) {
        if self.scripts.began(job, pid) {
            self.tell(EventLevel::Debug, "+script-child", None, pid.to_string());
        }
    }

    /// No process could be started for a script: it is tried again.
    pub fn script_not_started(&mut self, job: JobId) {
        if let Some(path) = self.scripts.not_started(job) {
            let text = format!("{path} {NOT_STARTED} 0");
            self.tell(EventLevel::Warning, "-script-error", None, text);
        }
    }

    /// A script has ended, by itself or by a signal (0 for none).
    pub fn script_ended(&mut self, job: JobId, code: i32, signal: i32) {
        let (now_ms, delay) = (self.now_ms, self.periods.script_retry);
        let Some(ended) = self.scripts.ended(job, code, signal, now_ms, delay) else {
            return;
        };
        self.actions.push(SentinelAction::ForgetScript { job });
        let child = format!("{} {code} {signal}", ended.pid);
        self.tell(EventLevel::Debug, "-script-child", None, child);
        if let Some(path) = ended.failed {
            let text = format!("{path} {signal} {code}");
            self.tell(EventLevel::Warning, "-script-error", None, text);
        }
    }

    pub fn pending_scripts(&self) -> Vec<PendingScript> {
        self.scripts.pending(self.now_ms)
    }
}
