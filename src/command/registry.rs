//! The command table: every command by name, with all that follows from its const.

use hashbrown::HashTable;

use super::derive::{self, ChannelSpec, KeySpec};
use super::{Command, Family, Flag, KeyUse, Plan, Run};
use crate::acl::{Catalog, Known, category};
use crate::engine::{ShardKey, ShardSet};

/// The group of commands that modules bring elsewhere.
pub const MODULE_GROUP: &str = "module";

/// A command or subcommand as the server uses it.
pub struct CommandEntry {
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
    /// Its specs leave keys out, which its own grammar finds with all others.
    incomplete: bool,
    channels: Option<ChannelSpec>,
    /// Where its one key stands, if all that it locks is that key's shard.
    lone_key: Option<usize>,
    /// Where the first field or member likely stands.
    pub member_at: Option<usize>,
    /// First key, last key, step.
    pub range: (i32, i32, i32),
    pub categories: Vec<&'static str>,
    subcommands: CommandNames,
}

impl CommandEntry {
    #[inline]
    pub fn is(&self, flag: Flag) -> bool {
        self.flags & flag.bit() != 0
    }

    pub fn subcommand(&self, name: &[u8]) -> Option<&'static CommandEntry> {
        self.subcommands.get(name)
    }

    /// Subcommands in alphabetical order.
    pub fn subcommands(&self) -> Vec<&'static CommandEntry> {
        let mut all: Vec<_> = self.subcommands.iter().map(|(_, entry)| entry).collect();
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
        self.each_use(argv, |at, _| visit(at))
    }

    /// Positions of the keys among the arguments, with what is done to each.
    #[inline]
    pub fn each_use(&self, argv: &[&[u8]], mut visit: impl FnMut(usize, KeyUse)) -> bool {
        let mut well_formed = true;
        for spec in &self.specs {
            if spec.used != KeyUse::CHANNEL && !self.incomplete {
                let used = spec.used;
                well_formed &= spec.positions(argv, |at| visit(at, used));
            }
        }
        if let Some(more_keys) = self.command.more_keys {
            // Those stand anywhere, so the last specification is about them.
            let mut specs = self.specs.iter().rev();
            let last = specs.find(|spec| !spec.used.is_incomplete());
            let used = last.map_or(KeyUse::READ, |spec| spec.used);
            more_keys(argv, &mut |at| visit(at, used));
        }
        well_formed
    }

    /// Positions of all that belongs to a slot: keys, and sharded channels.
    pub fn each_slotted(&self, argv: &[&[u8]], mut visit: impl FnMut(usize)) {
        self.each_key(argv, &mut visit);
        let mut specs = self.specs.iter();
        if let Some(spec) = specs.find(|spec| spec.used == KeyUse::CHANNEL) {
            spec.positions(argv, visit);
        }
    }

    /// Whether it may name something that belongs to a slot.
    pub fn has_slotted(&self) -> bool {
        !self.specs.is_empty() || self.command.more_keys.is_some()
    }

    /// Whether it names a slot by something that is no key: a sharded channel, a cursor.
    pub fn has_slots_alone(&self) -> bool {
        self.specs.iter().any(|spec| spec.used == KeyUse::CHANNEL)
    }

    /// Whether it speaks or listens to channels.
    pub fn has_channels(&self) -> bool {
        self.channels.is_some()
    }

    /// The place of each channel that it speaks or listens to; `true` for those that are patterns.
    pub fn each_channel(&self, argc: usize, mut visit: impl FnMut(usize, bool)) {
        if let Some(spec) = self.channels {
            let end = if spec.many { argc } else { spec.first + 1 };
            (spec.first..end.min(argc)).for_each(|at| visit(at, spec.patterns));
        }
    }

    /// The one key whose shard is all that is to be locked, if that is so.
    #[inline]
    pub fn lone_key<'a>(&self, argv: &[&'a [u8]]) -> Option<&'a [u8]> {
        argv.get(self.lone_key?).copied()
    }

    /// Where it stands.
    #[inline]
    pub fn lone_key_at(&self) -> Option<usize> {
        self.lone_key
    }

    /// The shards to lock for the command alone.
    #[inline]
    pub fn shards_alone(&self, argv: &[&[u8]]) -> ShardSet {
        match self.command.plan {
            Plan::Each | Plan::Aside => ShardSet::EMPTY,
            _ => self.shards(argv),
        }
    }

    /// The shards to lock where it is one of several commands.
    #[inline]
    pub fn shards(&self, argv: &[&[u8]]) -> ShardSet {
        if let Some(key) = self.lone_key(argv) {
            return ShardSet::of(ShardKey::of(key));
        }
        match self.command.plan {
            Plan::All | Plan::Each | Plan::Aside => return ShardSet::ALL,
            Plan::AllIf(all) if all(argv) => return ShardSet::ALL,
            _ => {}
        }
        let mut set = ShardSet::EMPTY;
        self.each_key(argv, |at| set.add(ShardKey::of(argv[at])));
        set
    }

    /// COMMAND INFO's words for the flags.
    pub fn flag_words(&self) -> Vec<&'static str> {
        ALL_FLAGS
            .iter()
            .filter(|flag| self.is(**flag))
            .filter_map(|flag| flag.word())
            .chain((self.family.group == MODULE_GROUP).then_some("module"))
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
    by_name: CommandNames,
    entries: Vec<&'static CommandEntry>,
}

/// Commands by the names they are called by, which are in lower case. Looked up at every command.
#[derive(Default)]
struct CommandNames(HashTable<Named>);

struct Named {
    name: Box<[u8]>,
    /// Its ends, in lower case.
    ends: u64,
    /// Its ends are all of it, and letters: they tell it from any other name of its length.
    short: bool,
    entry: &'static CommandEntry,
}

impl Named {
    #[inline]
    fn is(&self, name: &[u8], ends: u64) -> bool {
        self.ends == ends
            && self.name.len() == name.len()
            && (self.short || self.name.eq_ignore_ascii_case(name))
    }
}

impl CommandNames {
    #[inline]
    fn get(&self, name: &[u8]) -> Option<&'static CommandEntry> {
        let ends = ends(name);
        let held = self.0.find(mixed(ends), |held| held.is(name, ends));
        held.map(|held| held.entry)
    }

    fn insert(
        &mut self,
        name: &[u8],
        entry: &'static CommandEntry,
    ) -> Option<&'static CommandEntry> {
        let before = self.remove(name);
        let held = Named {
            name: name.to_ascii_lowercase().into(),
            ends: ends(name),
            short: name.len() <= 8 && name.iter().all(u8::is_ascii_alphabetic),
            entry,
        };
        self.0
            .insert_unique(mixed(held.ends), held, |held| mixed(held.ends));
        before
    }

    fn remove(&mut self, name: &[u8]) -> Option<&'static CommandEntry> {
        let ends = ends(name);
        let held = self.0.find_entry(mixed(ends), |held| held.is(name, ends));
        Some(held.ok()?.remove().0.entry)
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], &'static CommandEntry)> {
        self.0.iter().map(|held| (&held.name[..], held.entry))
    }
}

/// Both ends of a name, the same for every case of its letters; of a name of up to 8 bytes, all of it.
#[inline]
fn ends(name: &[u8]) -> u64 {
    let ends = match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        (Some(head), Some(tail)) => {
            u64::from(u32::from_le_bytes(*head)) << 32 | u64::from(u32::from_le_bytes(*tail))
        }
        _ => name.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
    };
    ends | 0x2020_2020_2020_2020
}

/// Names are few and known, so a bit of both ends spreads them.
#[inline]
fn mixed(ends: u64) -> u64 {
    let mixed = ends.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

impl Registry {
    /// Builds the table. It is kept for the life of the process, so that entries can be
    /// referred to from anywhere without counting.
    pub fn new(families: &'static [&'static Family]) -> Self {
        let mut registry = Registry {
            by_name: CommandNames::default(),
            entries: Vec::new(),
        };
        for family in families {
            for command in family.commands {
                let entry = registry.build(family, command, None);
                let before = registry.by_name.insert(command.name.as_bytes(), entry);
                assert!(before.is_none(), "two commands are named {}", command.name);
            }
        }
        registry
    }

    fn build(
        &mut self,
        family: &'static Family,
        command: &'static Command,
        parent: Option<&Command>,
    ) -> &'static CommandEntry {
        let full_name = match parent {
            Some(parent) => format!("{}|{}", parent.name, command.name),
            None => command.name.to_string(),
        };
        let words = 1 + usize::from(parent.is_some());
        let mut subcommands = CommandNames::default();
        for sub in command.subcommands {
            let entry = self.build(family, sub, Some(command));
            subcommands.insert(sub.name.as_bytes(), entry);
        }
        let specs = match command.keys {
            Some(specs) => specs.to_vec(),
            None => derive::key_specs(words, command.args),
        };
        let derived = if matches!(command.run, Run::Container) {
            -2
        } else {
            derive::arity(words, command.args)
        };
        let bits = |command: &Command| {
            let flags = command.flags.iter();
            flags.fold(0, |bits, flag| bits | flag.bit())
        };
        let mut flags = bits(command);
        flags |= parent.map_or(0, bits) & Flag::ThroughPause.bit();
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
        let entry = CommandEntry {
            id: self.entries.len(),
            arity: command.arity.unwrap_or(derived),
            range: derive::legacy_range(&specs),
            categories: categories(family, command, flags),
            lone_key: lone_key(command, &specs),
            incomplete: specs.iter().any(|spec| spec.used.is_incomplete()),
            channels: derive::channel_spec(words, command.args),
            member_at: derive::member(words, command.args),
            command,
            family,
            full_name,
            words,
            flags,
            specs,
            subcommands,
        };
        let entry: &'static CommandEntry = Box::leak(Box::new(entry));
        self.entries.push(entry);
        entry
    }

    /// The command of this name, in any case; containers, not their subcommands.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<&'static CommandEntry> {
        self.by_name.get(name)
    }

    /// The command or subcommand that these words call, and whether a container was found
    /// without the subcommand.
    #[inline]
    pub fn find(&self, name: &[u8], next: Option<&[u8]>) -> Lookup {
        let Some(entry) = self.get(name) else {
            return Lookup::Unknown;
        };
        let Some(next) = next.filter(|_| !entry.command.subcommands.is_empty()) else {
            return Lookup::Entry(entry);
        };
        match entry.subcommand(next) {
            Some(sub) => Lookup::Entry(sub),
            None if matches!(entry.command.run, Run::Container) => Lookup::NoSubcommand(entry),
            None => Lookup::Entry(entry),
        }
    }

    /// Gives a command another name, or none.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), &'static str> {
        let Some(entry) = self.by_name.remove(from) else {
            return Err("No such command in rename-command");
        };
        if to.is_empty() {
            return Ok(());
        }
        match self.by_name.insert(to, entry) {
            None => Ok(()),
            Some(_) => Err("Target command name already exists"),
        }
    }

    /// All that rules of users need to know, by the same numbers; then commands that only rules know.
    pub fn catalog(&self) -> Catalog {
        let known = |entry: &&'static CommandEntry| Known {
            name: entry.full_name.clone(),
            categories: entry
                .categories
                .iter()
                .filter_map(|name| category(name.as_bytes()))
                .fold(0, |bits, category| bits | 1 << category),
            subcommands: entry.subcommands.iter().map(|(_, sub)| sub.id).collect(),
        };
        let mut commands: Vec<_> = self.entries.iter().map(known).collect();
        super::absent::add(&mut commands);
        Catalog::new(commands)
    }

    /// Every entry, subcommands included, by its number.
    pub fn entries(&self) -> &[&'static CommandEntry] {
        &self.entries
    }

    /// Their full names, by their numbers.
    pub fn names(&self) -> Box<[&'static str]> {
        let names = self.entries.iter();
        names.map(|entry| entry.full_name.as_str()).collect()
    }

    /// Commands that can be called, with the names they are called by.
    pub fn named(&self) -> impl Iterator<Item = (&[u8], &'static CommandEntry)> {
        self.by_name.iter()
    }

    pub fn len(&self) -> usize {
        self.by_name.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.0.is_empty()
    }
}

/// Where a command's key stands, if it has just one, at a fixed place.
fn lone_key(command: &Command, specs: &[KeySpec]) -> Option<usize> {
    use derive::{Begin, Find};
    let [spec] = specs else { return None };
    let plain = matches!(command.plan, Plan::Keys) && command.more_keys.is_none();
    match (spec.begin, spec.find) {
        (Begin::Index(at), Find::Range { last: 0, .. })
            if plain && spec.used != KeyUse::CHANNEL =>
        {
            Some(at)
        }
        _ => None,
    }
}

/// What a look-up came to.
pub enum Lookup {
    Entry(&'static CommandEntry),
    NoSubcommand(&'static CommandEntry),
    Unknown,
}

/// ACL categories: the family's, or the command's own, and those that flags imply.
fn categories(family: &Family, command: &Command, flags: u32) -> Vec<&'static str> {
    let has = |flag: Flag| flags & flag.bit() != 0;
    let mut all = Vec::new();
    // No category has what a module brings, unless it brings its own.
    if family.group == MODULE_GROUP && family.category.is_empty() {
        return all;
    }
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
