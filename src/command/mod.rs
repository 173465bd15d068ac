//! The words in which commands are written.
//!
//! A command is one `const` above its handler. How to add one: write the const and the handler in
//! the file of its siblings under `commands/`, name it in that family's list, and that is all: arity, key
//! positions, COMMAND's replies, ACL categories and locks follow from what the const says.

mod absent;
mod arg;
mod args;
mod call;
mod databases;
mod derive;
mod fail;
mod refusals;
mod registry;
mod rights;
mod secrets;

pub mod expiry;
pub mod help;
pub mod modules;
pub mod parts;
pub mod sample;
pub mod scan;
pub mod session;
pub mod timeout;

pub use arg::{Arg, ArgKind, KeyUse};
pub use args::{Args, small_int};
pub use call::{
    AckWish, AwaitedJob, Carried, Done, Feed, Flow, FunctionLoad, KeyNames, KeyTransfer, OnTimeout,
    Park, Preparation, Prepared, ReadCall, ReadDb, Reload, Rest, ScriptCall, ScriptWish,
    SessionCall, Shutdown, WriteCall,
};
pub use databases::Databases;
pub use derive::{Begin, Find, KeySpec};
pub use fail::{Fail, quoted};
pub use registry::{CommandEntry, Lookup, MODULE_GROUP, Registry};
pub use rights::{Touched, reads_every_key};
pub use secrets::{hide_after, redacted};

/// One command, or one subcommand.
pub struct Command {
    /// Lower case; a subcommand's is its own word only.
    pub name: &'static str,
    pub summary: &'static str,
    /// Time complexity, as COMMAND DOCS shows it.
    pub cost: &'static str,
    /// The Redis version that first had it.
    pub since: &'static str,
    pub flags: &'static [Flag],
    pub args: &'static [Arg],
    pub run: Run,
    pub subcommands: &'static [&'static Command],
    /// ACL categories beside those that follow from flags; empty: the family's.
    pub categories: &'static [&'static str],
    /// For the few whose argument tree doesn't tell.
    pub arity: Option<i32>,
    /// Key positions, where the argument tree doesn't tell them.
    pub keys: Option<&'static [KeySpec]>,
    /// Finds the keys that the specs call unknown; all keys, if one calls itself incomplete.
    pub more_keys: Option<MoreKeys>,
    /// What it does to its key, where that depends on the other arguments.
    pub key_use: Option<KeyUseOf>,
    pub plan: Plan,
    /// Which databases it touches: users may be kept from some.
    pub databases: Databases,
    /// Tips for clients and proxies, as COMMAND INFO lists them.
    pub tips: &'static [&'static str],
    /// Since when, and in favour of what, the command is deprecated.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Finds the arguments that MONITOR and SLOWLOG must not show: passwords.
    pub secrets: Option<Secrets>,
    /// What the first argument of a command that calls a script says of it.
    pub script: Option<ScriptName>,
}

impl Command {
    pub const PLAIN: Command = Command {
        name: "",
        summary: "",
        cost: "O(1)",
        since: "1.0.0",
        flags: &[],
        args: &[],
        run: Run::Container,
        subcommands: &[],
        categories: &[],
        arity: None,
        keys: None,
        more_keys: None,
        key_use: None,
        plan: Plan::Keys,
        databases: Databases::Here,
        tips: &[],
        deprecated: None,
        secrets: None,
        script: None,
    };
}

/// What a command does, said by its handler's type.
pub enum Run {
    Read(fn(&mut ReadCall<'_>) -> Done),
    Write(fn(&mut WriteCall<'_>) -> Done),
    /// Works on the session and the server, and can't reach a key.
    Session(fn(&mut SessionCall<'_>) -> Done),
    /// Has subcommands and does nothing itself.
    Container,
}

/// Visits the positions of keys that only the command's own grammar finds.
pub type MoreKeys = fn(&[&[u8]], &mut dyn FnMut(usize));

/// Visits the positions of secrets; one beyond the last argument counts for nothing.
pub type Secrets = fn(&[&[u8]], &mut dyn FnMut(usize));

/// How a script that is to be called is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptName {
    /// By its text.
    Text,
    Sha1,
    Function,
}

/// Tells what a command does to its key from all of its arguments.
pub type KeyUseOf = fn(&[&[u8]]) -> KeyUse;

/// Which shards a command locks.
#[derive(Clone, Copy)]
pub enum Plan {
    /// Those of its keys.
    Keys,
    /// All of them; one that works on the session and the server alone then runs while nobody edits anything.
    All,
    /// None: the handler looks at one after another. All of them where it is a part of a transaction or a script.
    Each,
    /// As [`Plan::Each`], of a reader that may take long: it is left half-way so that others have their turns.
    Aside,
    /// All of them if the arguments say so (a SORT that follows patterns), else those of its keys.
    AllIf(fn(&[&[u8]]) -> bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Flag {
    DenyOom,
    Admin,
    PubSub,
    NoScript,
    Loading,
    Stale,
    SkipMonitor,
    SkipSlowlog,
    Asking,
    Fast,
    NoAuth,
    MayReplicate,
    Blocking,
    NoMulti,
    AllowBusy,
    NoAsyncLoading,
    NoMandatoryKeys,
    /// Behind `enable-debug-command` or `enable-module-command`.
    Protected,
    /// Write, of a command whose handler is of another type.
    Write,
    /// Read-only, of a command whose handler is of another type.
    ReadOnly,
    /// A read or write handler that is neither to clients: INFO, say, which looks at all keys.
    Neither,
    /// Allowed to a RESP2 client with subscriptions.
    WhileSubscribed,
    /// Runs at once inside MULTI instead of being queued.
    InMulti,
    /// Needs the worker's Lua state.
    Scripted,
    /// Its key positions can't be told from positions alone, though its specs could.
    MovableKeys,
    /// Runs what MULTI has queued, and is what that is.
    RunsQueue,
    /// Refused while the data files can't be written, so that whoever watches the server by it notices.
    ShowsTrouble,
    /// A container whose subcommands CLIENT PAUSE lets through: one of them ends it.
    ThroughPause,
    /// What CLIENT CACHING said still holds for the command after it.
    KeepsCaching,
    /// May lower the limit of memory, so that room is made at once.
    SetsLimits,
    /// Its replies are pushes, which are sent though replies are off.
    Pushes,
    /// It reaches another server, so a log holds what it did here in its place.
    NeverLogged,
}

// Flags are bits of a `u32`, and there is room for one more.
const _: () = assert!(
    (Flag::Pushes as u32) < u32::BITS,
    "flags are bits of a `u32`"
);

impl Flag {
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// COMMAND INFO's word; nothing for flags of ours.
    pub fn word(self) -> Option<&'static str> {
        Some(match self {
            Flag::DenyOom => "denyoom",
            Flag::Admin => "admin",
            Flag::PubSub => "pubsub",
            Flag::NoScript => "noscript",
            Flag::Loading => "loading",
            Flag::Stale => "stale",
            Flag::SkipMonitor => "skip_monitor",
            Flag::SkipSlowlog => "skip_slowlog",
            Flag::Asking => "asking",
            Flag::Fast => "fast",
            Flag::NoAuth => "no_auth",
            Flag::Blocking => "blocking",
            Flag::NoMulti => "no_multi",
            Flag::AllowBusy => "allow_busy",
            Flag::NoAsyncLoading => "no_async_loading",
            Flag::NoMandatoryKeys => "no_mandatory_keys",
            Flag::MovableKeys => "movablekeys",
            Flag::Write => "write",
            Flag::ReadOnly => "readonly",
            // Redis hides this one, too.
            Flag::MayReplicate
            | Flag::Protected
            | Flag::Neither
            | Flag::WhileSubscribed
            | Flag::Scripted
            | Flag::RunsQueue
            | Flag::ShowsTrouble
            | Flag::ThroughPause
            | Flag::KeepsCaching
            | Flag::SetsLimits
            | Flag::Pushes
            | Flag::NeverLogged
            | Flag::InMulti => return None,
        })
    }
}

/// Commands that share a group in COMMAND DOCS and an ACL category.
pub struct Family {
    /// COMMAND DOCS' group: `string`, `sorted-set`.
    pub group: &'static str,
    /// The ACL category, without `@`; empty for none.
    pub category: &'static str,
    pub commands: &'static [&'static Command],
}
