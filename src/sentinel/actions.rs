//! What is to be done outside of the state.

use super::instance::InstanceId;
use super::link::WireId;
use super::script_queue::JobId;

/// How much an event matters. Those that matter least are not published, and those that matter most have a script run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventLevel {
    Debug,
    Verbose,
    Notice,
    Warning,
}

/// What was put off until names of hosts were looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    Hello(Vec<u8>),
    Info {
        from: InstanceId,
        number: u64,
        text: Vec<u8>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentinelAction {
    /// Open a connection to a host, which may be a name; what the name means is to be told by [`super::Sentinel::learn`].
    Connect {
        wire: WireId,
        host: String,
        port: u16,
    },
    Send {
        wire: WireId,
        words: Vec<Vec<u8>>,
    },
    Close {
        wire: WireId,
    },
    /// Log it, and publish it unless it is for debugging.
    Event {
        level: EventLevel,
        channel: &'static str,
        text: String,
    },
    Log(String),
    /// Log that no failover is begun before a time.
    LogDelay(i64),
    /// Look names up, and then tell the answers by [`super::Sentinel::looked_up`].
    LookUp {
        names: Vec<String>,
        again: Again,
    },
    RunScript {
        job: JobId,
        argv: Vec<Vec<u8>>,
    },
    KillScript {
        job: JobId,
    },
    /// A script has ended: what is kept of its process may go.
    ForgetScript {
        job: JobId,
    },
    /// End the process: somebody has asked for this failure.
    Crash,
}

/// What follows from something that happened.
#[derive(Debug, Default)]
pub struct SentinelActions {
    /// The file is to be written, and to have reached the disk, before anything else is done.
    pub save: bool,
    pub list: Vec<SentinelAction>,
}
