//! What a handler is given, and what it gives back.

use std::cell::RefCell;
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::vec::IntoIter;

use smallvec::SmallVec;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use super::session::Session;
use super::{Args, CommandEntry, Fail, Registry};
use crate::acl::User;
use crate::engine::{Db, NameWalk};
use crate::persist::JobOutcome;
use crate::resp::Reply;
use crate::state::away::Away;
use crate::state::replication::{Acks, Replica, SendOrder};
use crate::state::shared::Shared;
use crate::types::{Bstr, Type, Value, ValueRef};
use crate::util::turns::Turns;

pub type Done = Result<Flow, Fail>;

/// What `exec` is to do once the handler has returned.
pub enum Flow {
    Done,
    /// Nothing is there yet: block until one of the keys changes.
    Park(Box<Park>),
    /// Run what MULTI has queued.
    Exec,
    /// Forget what MULTI has queued, and all watches.
    Discard,
    /// Watch the keys that are the command's arguments.
    Watch,
    Unwatch,
    /// Bring the session back to its first state.
    Reset,
    /// Close the connection once the reply is written.
    Close,
    /// Stop the server. `None` aborts a stop under way.
    Shutdown(Option<Shutdown>),
    /// Answer when a job on another thread has ended.
    Wait(AwaitedJob),
    /// Empty the keyspace, and read it back from its files.
    Reload(Reload),
    /// Run a script, or load one.
    Script(Box<ScriptWish>),
    /// Log the command as it was given: it changed something that is no key.
    LogAlone,
    /// Let replicas hear the command as it was given, and the log not: it changed nothing.
    TellReplicas,
    /// The connection is a replica's from here on.
    Replica(Box<Feed>),
    /// Block until replicas have acknowledged what there is.
    Acks(Box<AckWish>),
    /// Write the rest of a long reply in parts, when nothing is locked any more.
    Rest(Box<Rest>),
    /// Answer with the names that a walk finds, in parts, when nothing is locked any more.
    Names(Box<KeyNames>),
    /// Carry keys to another server, when nothing is locked any more.
    Transfer(Box<KeyTransfer>),
    /// Make values of the arguments while nothing is locked, and call the handler again with them: it has touched nothing yet.
    Prepare(Prepare),
    /// Run it once more while everything is locked, under [`Plan::Aside`](super::Plan::Aside): others change all the time what
    /// it reads.
    Whole,
    /// Keep this worker busy for a while, as DEBUG SLEEP does.
    Stall(std::time::Duration),
}

/// Makes values of a whole command's long arguments.
pub type Prepare = fn(&[&[u8]]) -> Prepared;

/// Values of long arguments, in their order, or what is wrong with them, which the handler says in its turn.
pub type Prepared = Vec<Result<Value, Fail>>;

/// Where the values of a handler's long arguments come from.
#[derive(Clone, Copy)]
pub enum Preparation<'a> {
    /// It makes them itself, under the locks that it has: others hold them longer anyway.
    None,
    /// It may ask for them by [`Flow::Prepare`].
    Offered,
    /// They are here.
    Made(&'a RefCell<IntoIter<Result<Value, Fail>>>),
}

/// What is left to be written of a reply: the elements of a copy of a collection.
pub struct Rest {
    /// A frozen copy.
    pub value: Value,
    /// Elements to be written, from the first one on.
    pub len: usize,
    pub write: Write,
}

/// Writes elements of a collection, by their positions.
pub type Write = Box<dyn Fn(ValueRef<'_>, Range<usize>, &mut Reply)>;

impl Rest {
    /// From so many elements on, a reply is written in parts: fewer take less than half a millisecond.
    pub const MIN: usize = 8192;
}

/// Names of keys, as they were at one moment.
pub struct KeyNames {
    pub walk: NameWalk,
    pub pattern: Bstr,
}

/// What a replica's connection is to send: what its orders say, and then the stream.
pub struct Feed {
    pub replica: Arc<Replica>,
    pub orders: Receiver<SendOrder>,
}

/// WAIT and WAITAOF.
pub struct AckWish {
    pub acks: Acks,
    pub deadline_ms: Option<u64>,
}

/// How SHUTDOWN wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shutdown {
    pub save: Option<bool>,
    pub now: bool,
    pub force: bool,
}

/// What a script command wants of the Lua state.
pub enum ScriptWish {
    Call(ScriptCall),
    /// Compile the last argument and keep it.
    Load,
    Function(FunctionLoad),
}

/// A call of a script, whose text, SHA1 or name is the first argument.
pub struct ScriptCall {
    pub is_function: bool,
    pub by_sha: bool,
    pub read_only: bool,
    /// How many of the arguments after the third are keys.
    pub keys: usize,
}

/// Libraries to be loaded, all or none.
pub struct FunctionLoad {
    pub codes: Vec<Vec<u8>>,
    pub replace: bool,
    /// Forget all others.
    pub flush: bool,
    /// It is a RESTORE, which names no library.
    pub restore: bool,
}

/// A job on another thread: `OK` if it goes well, and BUSY if a long script is in its way.
pub struct AwaitedJob {
    pub done: oneshot::Receiver<JobOutcome>,
    /// The error if it doesn't; without one it is `OK` in any case.
    pub failed: Option<&'static str>,
}

/// Keys that are to be carried to another server.
pub struct KeyTransfer {
    pub keys: Vec<Bstr>,
    /// They are to be gone from here once they have arrived; until then, commands that name them are held back.
    pub leaves: bool,
    /// Carries them, on a thread that may wait.
    pub carry: Box<dyn FnOnce(&Shared) -> Carried + Send>,
    /// Holds those commands back.
    pub away: Option<Away>,
}

impl KeyTransfer {
    /// Work that may wait and carries no keys: it goes on beside everything else, and its client alone waits for the answer.
    pub fn of_none(work: impl FnOnce(&Shared) -> Result<(), Fail> + Send + 'static) -> Flow {
        Flow::Transfer(Box::new(KeyTransfer {
            keys: Vec::new(),
            leaves: false,
            carry: Box::new(move |server| Carried {
                moved: Vec::new(),
                done: work(server),
            }),
            away: None,
        }))
    }
}

/// What came of carrying keys.
pub struct Carried {
    /// Which of the keys have arrived.
    pub moved: Vec<usize>,
    pub done: Result<(), Fail>,
}

/// How DEBUG wants the keyspace read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// From the log rather than from a snapshot.
    pub from_log: bool,
    /// Save a snapshot first.
    pub save: bool,
    /// Empty the keyspace before it is read.
    pub flush: bool,
    /// What is read takes the place of what is there under the same name, rather than being refused.
    pub merge: bool,
}

/// How the client is to be blocked.
pub struct Park {
    /// Positions of the keys to wait for, in the whole command.
    pub keys: SmallVec<[usize; 4]>,
    /// Absolute; `None` waits for ever.
    pub deadline_ms: Option<u64>,
    /// When to look again, though no key has changed: what there is may depend on the time.
    pub look_ms: Option<u64>,
    pub on_timeout: OnTimeout,
    /// Arguments that meant something at this moment, by position: what they meant.
    pub resolved: Vec<(usize, Bstr)>,
}

/// What a blocked client is told when its time is up, and what a command that may not block answers at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTimeout {
    Null,
    NullArray,
    /// A null array when time is up, a null where it may not block: BLMOVE.
    NullArrayOrNull,
    Int(i64),
}

impl OnTimeout {
    pub fn write(self, out: &mut Reply) {
        match self {
            OnTimeout::Null => out.null(),
            OnTimeout::NullArray | OnTimeout::NullArrayOrNull => out.null_array(),
            OnTimeout::Int(n) => out.int(n),
        }
    }

    /// The reply inside a transaction, where nothing blocks.
    pub fn write_denied(self, out: &mut Reply) {
        match self {
            OnTimeout::NullArrayOrNull => out.null(),
            other => other.write(out),
        }
    }
}

/// A database that can only be read.
pub struct ReadDb<'a>(Db<'a>);

impl<'a> ReadDb<'a> {
    pub fn new(db: Db<'a>) -> Self {
        ReadDb(db)
    }

    /// Begins a walk over the names that are there now.
    pub fn walk_names(&mut self) -> NameWalk {
        self.0.walk_names()
    }
}

impl<'a> Deref for ReadDb<'a> {
    type Target = Db<'a>;
    #[inline]
    fn deref(&self) -> &Db<'a> {
        &self.0
    }
}

/// For handlers that read keys.
pub struct ReadCall<'a> {
    /// A script called it.
    pub scripted: bool,
    /// Whether a long reply may be written in parts.
    pub parts: bool,
    pub args: Args<'a>,
    pub db: ReadDb<'a>,
    pub out: &'a mut Reply,
    pub entry: &'static CommandEntry,
    pub server: &'a Shared,
    /// Whose command it is; nobody's for what a master or the log says.
    pub user: Option<&'a User>,
    /// Lets others have theirs, under [`Plan::Aside`](super::Plan::Aside).
    pub turns: &'a Turns<'a>,
}

/// For handlers that change keys.
pub struct WriteCall<'a> {
    /// The key that woke the command, if its client was blocked.
    pub woken: Option<&'a [u8]>,
    /// A script called it.
    pub scripted: bool,
    pub preparation: Preparation<'a>,
    pub args: Args<'a>,
    pub db: Db<'a>,
    pub out: &'a mut Reply,
    pub entry: &'static CommandEntry,
    pub server: &'a Shared,
    pub user: Option<&'a User>,
}

impl WriteCall<'_> {
    /// Whether the key that woke the command is gone or holds something else, which is no reason to get up.
    pub fn woken_in_vain<T: Type>(&self) -> bool {
        self.woken
            .is_some_and(|key| self.db.peek(key).and_then(T::of).is_none())
    }
}

/// For handlers that work on the session or the server.
pub struct SessionCall<'a> {
    pub args: Args<'a>,
    pub out: &'a mut Reply,
    pub entry: &'static CommandEntry,
    pub session: &'a mut Session,
    pub server: &'a Shared,
    /// Every command by name.
    pub registry: &'static Registry,
    pub now_ms: u64,
}
