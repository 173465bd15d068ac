//! What is done ten times a second and more.

use super::actions::EventLevel;
use super::instance::{InstanceId, InstanceKind};
use super::state::Sentinel;

/// Ticks in a second are between this and twice as many.
const TICKS: u64 = 10;

impl Sentinel {
    /// Some time has passed. Gives how long to wait for the next tick: never as long as before, so that Sentinels that have
    /// begun at one time don't ask for votes at one time for ever.
    pub fn tick(&mut self) -> u64 {
        self.check_tilt();
        let names: Vec<_> = self.groups.keys().cloned().collect();
        for name in names {
            let group = &self.groups[&name];
            let replicas: Vec<InstanceId> = group.replicas.values().copied().collect();
            let sentinels: Vec<InstanceId> = group.sentinels.values().copied().collect();
            self.handle(group.master);
            replicas.into_iter().for_each(|id| self.handle(id));
            sentinels.into_iter().for_each(|id| self.handle(id));
        }
        self.end_failovers();
        self.run_scripts();
        self.kill_late_scripts();
        1000 / (TICKS + self.rng.u64(0..TICKS))
    }

    /// Where the clock jumps, or this process has slept, everybody would seem to be down: nothing is acted upon for a while.
    fn check_tilt(&mut self) {
        let passed_ms = self.now_ms - self.previous_ms;
        if passed_ms < 0 || passed_ms > self.periods.tilt_trigger {
            self.tilt_since_ms = Some(self.now_ms);
            self.tilts += 1;
            let text = "#tilt mode entered".to_owned();
            self.tell(EventLevel::Warning, "+tilt", None, text);
        }
        self.previous_ms = self.now_ms;
    }

    fn handle(&mut self, id: InstanceId) {
        self.reconnect(id);
        self.send_periodic(id);
        if let Some(since_ms) = self.tilt_since_ms {
            if self.now_ms - since_ms < self.periods.tilt {
                return;
            }
            self.tilt_since_ms = None;
            let text = "#tilt mode exited".to_owned();
            self.tell(EventLevel::Warning, "-tilt", None, text);
        }
        self.check_subjectively_down(id);
        if self.at(id).kind != InstanceKind::Master {
            return;
        }
        let name = self.at(id).group.clone();
        self.check_objectively_down(id);
        if self.start_failover_if_needed(&name) {
            self.ask_others(id, true);
        }
        self.go_on_failover(&name);
        self.ask_others(id, false);
    }
}
