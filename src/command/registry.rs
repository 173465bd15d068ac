//! The command table: every command by name, with all that follows from its const.

use hashbrown::HashMap;

use super::derive::{self, KeySpec};
use super::{Command, Family, Flag, Plan, Run};
use crate::engine::ShardSet;
use crate::util::keyhash;

/// A command or subcommand as the server uses it.
pub struct Entry {
    /// Dense number, for statistics.
    pub id: usize,
    pub command: &'static Command,
    pub family: &'static Family,
    /// `config|get` for a subcommand.
    pub full_name: String,
    /// Words that are the command's name: 1, or 2 for a subcommand.
    pub words: usize,
    pub arity: i32,
    flags: u32,
    pub specs: Vec<KeySpec>,
    /// First key, last key, step.
    pub range: (i32, i32, i32),
    pub categories: Vec<&'static str>,
    subcommands: HashMap<String, &'static Entry>,
}

impl Entry {
    #[inline]
    pub fn is(&self, flag: Flag) -> bool {
        self.flags & flag.bit() != 0
    }

    pub fn subcommand(&self, name: &[u8]) -> Option<&'static Entry> {
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        self.subcommands.get(&name).copied()
    }

    /// Subcommands in alphabetical order.
    pub fn subcommands(&self) -> Vec<&'static Entry> {
        let mut all: Vec<_> = self.subcommands.values().copied().collect();
        all.sort_by(|a, b| a.full_name.cmp(&b.full_name));
        all
    }

    #[inline]
    pub fn arity_fits(&self, argc: usize) -> bool {
        let argc = argc as i32;
        argc == self.arity || (self.arity < 0 && argc >= -self.arity)
    }

    /// Positions of the keys among the arguments.
    #[inline]
    pub fn each_key(&self, argv: &[&[u8]], mut visit: impl FnMut(usize)) -> bool {
        let mut well_formed = true;
        for spec in &self.specs {
            if spec.used != super::KeyUse::CHANNEL {
                well_formed &= spec.positions(argv, &mut visit);
            }
        }
        if let Some(more_keys) = self.command.more_keys {
            more_keys(argv, &mut visit);
        }
        well_formed
    }

    /// The shards to lock.
    #[inline]
    pub fn shards(&self, argv: &[&[u8]]) -> ShardSet {
        match self.command.plan {
            Plan::All => return ShardSet::ALL,
            Plan::AllIf(all) if all(argv) => return ShardSet::ALL,
            _ => {}
        }
        let mut set = ShardSet::EMPTY;
        self.each_key(argv, |at| set.add(keyhash::hash(argv[at])));
        set
    }

    /// COMMAND INFO's words for the flags.
    pub fn flag_words(&self) -> Vec<&'static str> {
        ALL_FLAGS
            .iter()
            .filter(|flag| self.is(**flag))
            .filter_map(|flag| flag.word())
            .collect()
    }
}

/// In the order in which Redis lists them.
const ALL_FLAGS: &[Flag] = &[
    Flag::Write,
    Flag::ReadOnly,
    Flag::DenyOom,
    Flag::Admin,
    Flag::PubSub,
    Flag::NoScript,
    Flag::Blocking,
    Flag::Loading,
    Flag::Stale,
    Flag::SkipMonitor,
    Flag::SkipSlowlog,
    Flag::Asking,
    Flag::Fast,
    Flag::NoAuth,
    Flag::MayReplicate,
    Flag::NoMandatoryKeys,
    Flag::NoAsyncLoading,
    Flag::NoMulti,
    Flag::AllowBusy,
    Flag::MovableKeys,
];

/// Every command by name.
pub struct Registry {
    by_name: HashMap<Box<[u8]>, &'static Entry, foldhash::fast::FixedState>,
    entries: Vec<&'static Entry>,
}

/// The longest command name looked up without an allocation.
const NAME_MAX: usize = 64;

impl Registry {
    /// Builds the table. It is kept for the life of the process, so that entries can be
    /// referred to from anywhere without counting.
    pub fn new(families: &'static [&'static Family]) -> Self {
        let mut registry = Registry {
            by_name: HashMap::with_hasher(Default::default()),
            entries: Vec::new(),
        };
        for family in families {
            for command in family.commands {
                let entry = registry.build(family, command, None);
                let before = registry
                    .by_name
                    .insert(command.name.as_bytes().into(), entry);
                assert!(before.is_none(), "two commands are named {}", command.name);
            }
        }
        registry
    }

    fn build(
        &mut self,
        family: &'static Family,
        command: &'static Command,
        parent: Option<&str>,
    ) -> &'static Entry {
        let full_name = match parent {
            Some(parent) => format!("{parent}|{}", command.name),
            None => command.name.to_string(),
        };
        let words = 1 + usize::from(parent.is_some());
        let subcommands = command
            .subcommands
            .iter()
            .map(|sub| {
                (
                    sub.name.to_string(),
                    self.build(family, sub, Some(command.name)),
                )
            })
            .collect();
        let specs = match command.keys {
            Some(specs) => specs.to_vec(),
            None => derive::key_specs(words, command.args),
        };
        let derived = if matches!(command.run, Run::Container) {
            -2
        } else {
            derive::arity(words, command.args)
        };
        let mut flags = command.flags.iter().fold(0, |bits, flag| bits | flag.bit());
        let neither = flags & Flag::Neither.bit() != 0;
        match command.run {
            Run::Read(_) if !neither => flags |= Flag::ReadOnly.bit(),
            Run::Write(_) if !neither => flags |= Flag::Write.bit(),
            _ => {}
        }
        let movable = specs.iter().any(|spec| {
            !matches!(
                (spec.begin, spec.find),
                (derive::Begin::Index(_), derive::Find::Range { .. })
            )
        });
        if movable {
            flags |= Flag::MovableKeys.bit();
        }
        let entry = Entry {
            id: self.entries.len(),
            arity: command.arity.unwrap_or(derived),
            range: derive::legacy_range(&specs),
            categories: categories(family, command, flags),
            command,
            family,
            full_name,
            words,
            flags,
            specs,
            subcommands,
        };
        let entry: &'static Entry = Box::leak(Box::new(entry));
        self.entries.push(entry);
        entry
    }

    /// The command of this name, in any case; containers, not their subcommands.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<&'static Entry> {
        let mut lower = [0; NAME_MAX];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.by_name.get(&*lower).copied()
    }

    /// The command or subcommand that these words call, and whether a container was found
    /// without the subcommand.
    #[inline]
    pub fn find(&self, argv: &[&[u8]]) -> Found {
        let Some(entry) = self.get(argv[0]) else {
            return Found::Unknown;
        };
        if entry.command.subcommands.is_empty() || argv.len() < 2 {
            return Found::Entry(entry);
        }
        match entry.subcommand(argv[1]) {
            Some(sub) => Found::Entry(sub),
            None if matches!(entry.command.run, Run::Container) => Found::NoSubcommand(entry),
            None => Found::Entry(entry),
        }
    }

    /// Gives a command another name, or none.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), &'static str> {
        let Some(entry) = self.by_name.remove(&from.to_ascii_lowercase()[..]) else {
            return Err("No such command in rename-command");
        };
        if to.is_empty() {
            return Ok(());
        }
        match self.by_name.insert(to.to_ascii_lowercase().into(), entry) {
            None => Ok(()),
            Some(_) => Err("Target command name already exists"),
        }
    }

    /// Every entry, subcommands included, by its number.
    pub fn entries(&self) -> &[&'static Entry] {
        &self.entries
    }

    /// Commands that can be called, with the names they are called by.
    pub fn named(&self) -> impl Iterator<Item = (&[u8], &'static Entry)> {
        self.by_name.iter().map(|(name, entry)| (&name[..], *entry))
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

/// What a look-up came to.
pub enum Found {
    Entry(&'static Entry),
    NoSubcommand(&'static Entry),
    Unknown,
}

/// ACL categories: the family's, or the command's own, and those that flags imply.
fn categories(family: &Family, command: &Command, flags: u32) -> Vec<&'static str> {
    let has = |flag: Flag| flags & flag.bit() != 0;
    let mut all = Vec::new();
    if has(Flag::Write) {
        all.push("write");
    }
    if has(Flag::ReadOnly) && family.category != "scripting" {
        all.push("read");
    }
    if has(Flag::Admin) {
        all.extend(["admin", "dangerous"]);
    }
    if has(Flag::PubSub) {
        all.push("pubsub");
    }
    all.push(if has(Flag::Fast) { "fast" } else { "slow" });
    if has(Flag::Blocking) {
        all.push("blocking");
    }
    if matches!(command.run, Run::Container) {
        return all;
    }
    let own = if command.categories.is_empty() {
        &[family.category][..]
    } else {
        command.categories
    };
    for category in own {
        if !category.is_empty() && !all.contains(category) {
            all.push(category);
        }
    }
    all
}
