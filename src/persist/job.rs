//! A job of the thread that writes snapshots and rewrites the log: what it is, who waits for it, and which is under way.

use tokio::sync::oneshot;

/// What can be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    Save,
    Rewrite,
    /// A snapshot for replicas.
    Sync,
}

/// A job's own body, given its number; whether it went well.
pub type Work = Box<dyn FnOnce(u64) -> bool + Send>;

/// What came of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    Done,
    Failed,
    /// It was given up before it began, as others held the shards for too long.
    Held,
}

/// Who waits for a job.
pub struct Told {
    pub outcome: oneshot::Sender<JobOutcome>,
    /// Whether the shards are held for longer than he waits.
    pub held: Box<dyn Fn() -> bool + Send>,
}

impl Told {
    pub(super) fn waits(&self) -> bool {
        !self.outcome.is_closed()
    }
}

pub(super) enum Job {
    Do {
        running: RunningJob,
        dirty: u64,
        told: Option<Told>,
        work: Option<Work>,
    },
    End(std::sync::mpsc::Sender<()>),
}

/// A job under way.
#[derive(Clone, Copy, Debug)]
pub struct RunningJob {
    pub kind: JobKind,
    pub since_ms: u64,
    pub(super) job: u64,
    /// Somebody waits until it has been done.
    pub(super) is_awaited: bool,
}

/// The number of what is written on another thread than that of the jobs, and is never given up.
pub(super) const NO_JOB: u64 = u64::MAX;

/// What is under way, and what comes next.
#[derive(Default)]
pub(super) struct BusyJobs {
    pub running: Option<RunningJob>,
    pub waiting: Option<JobKind>,
    /// Jobs begun so far.
    pub begun: u64,
}

impl BusyJobs {
    /// A job has ended; the next one may have been begun after this one was given up.
    pub fn ended(&mut self, job: u64) {
        self.running.take_if(|running| running.job == job);
    }
}
