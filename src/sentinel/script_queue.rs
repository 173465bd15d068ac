//! Scripts that wait or run: few at a time, for a limited time, and again later if they wish it.

use std::collections::VecDeque;

/// Scripts that wait or run; the oldest of those that wait go first.
const QUEUE_MAX: usize = 256;
const RUNNING_MAX: usize = 16;
const TRIES_MAX: u32 = 10;
/// What a script ends with that wants to be run again.
const AGAIN: i32 = 1;

/// A script that is to be run, or runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobId(pub(super) u64);

#[derive(Debug)]
pub struct ScriptJob {
    pub id: JobId,
    pub argv: Vec<Vec<u8>>,
    running: bool,
    tries: u32,
    pub pid: u32,
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

/// A script that has ended.
pub struct EndedScript {
    /// Its process.
    pub pid: u32,
    /// Its path, if it failed and is not run again.
    pub failed: Option<String>,
}

impl ScriptJob {
    pub fn path(&self) -> String {
        String::from_utf8_lossy(&self.argv[0]).into_owned()
    }
}

impl ScriptQueue {
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    pub fn running(&self) -> usize {
        self.jobs.iter().filter(|job| job.running).count()
    }

    /// Has a script run before long.
    pub fn push(&mut self, id: JobId, argv: Vec<Vec<u8>>) {
        let jobs = &mut self.jobs;
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

    /// Takes what is due for running, as far as there is room, and shows each of them.
    pub fn start_due(&mut self, now_ms: i64, mut start: impl FnMut(&ScriptJob)) {
        let mut running = self.running();
        for job in &mut self.jobs {
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
            start(job);
        }
    }

    /// Those that have run for longer than this.
    pub fn late(&self, now_ms: i64, runtime_ms: i64) -> impl Iterator<Item = &ScriptJob> {
        self.jobs
            .iter()
            .filter(move |job| job.running && job.pid != 0 && now_ms - job.start_ms > runtime_ms)
    }

    /// A script runs as a process; whether it is known.
    pub fn began(&mut self, id: JobId, pid: u32) -> bool {
        let job = self.jobs.iter_mut().find(|one| one.id == id);
        job.map(|job| job.pid = pid).is_some()
    }

    /// No process could be started for a script: it is tried again. Its path, if it is known.
    pub fn not_started(&mut self, id: JobId) -> Option<String> {
        let job = self.jobs.iter_mut().find(|one| one.id == id)?;
        job.running = false;
        Some(job.path())
    }

    /// A script has ended, by itself or by a signal (0 for none): what it was, and whether it failed for good. `None` if
    /// it is not known.
    pub fn ended(
        &mut self,
        id: JobId,
        code: i32,
        signal: i32,
        now_ms: i64,
        retry_ms: i64,
    ) -> Option<EndedScript> {
        let at = self.jobs.iter().position(|one| one.id == id)?;
        let job = &mut self.jobs[at];
        let mut ended = EndedScript {
            pid: job.pid,
            failed: None,
        };
        if (signal != 0 || code == AGAIN) && job.tries < TRIES_MAX {
            job.running = false;
            job.pid = 0;
            job.start_ms = now_ms + retry_delay(retry_ms, job.tries);
        } else {
            if signal != 0 || code != 0 {
                ended.failed = Some(job.path());
            }
            self.jobs.remove(at);
        }
        Some(ended)
    }

    /// All of them, as they are at a moment.
    pub fn pending(&self, now_ms: i64) -> Vec<PendingScript> {
        let shown = |job: &ScriptJob| PendingScript {
            argv: job.argv.clone(),
            running: job.running,
            pid: job.pid,
            time_ms: match job.running {
                true => now_ms - job.start_ms,
                false => (job.start_ms - now_ms).max(0),
            },
            tries: job.tries,
        };
        self.jobs.iter().map(shown).collect()
    }
}

/// Twice as long each time.
fn retry_delay(first_ms: i64, tries: u32) -> i64 {
    first_ms.saturating_mul(1 << tries.saturating_sub(1).min(TRIES_MAX))
}
