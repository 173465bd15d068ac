//! A selector: commands, keys, channels and databases that go together.

use std::collections::BTreeMap;

use super::catalog::{Catalog, category};
use super::rule::RuleError;

/// What is done to a key, or may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAccess {
    pub read: bool,
    pub write: bool,
}

impl KeyAccess {
    pub const NONE: KeyAccess = KeyAccess {
        read: false,
        write: false,
    };
    pub const READ: KeyAccess = KeyAccess {
        read: true,
        write: false,
    };
    pub const WRITE: KeyAccess = KeyAccess {
        read: false,
        write: true,
    };
    pub const BOTH: KeyAccess = KeyAccess {
        read: true,
        write: true,
    };

    pub(super) fn and(self, other: KeyAccess) -> KeyAccess {
        KeyAccess {
            read: self.read || other.read,
            write: self.write || other.write,
        }
    }

    pub(super) fn covers(self, wanted: KeyAccess) -> bool {
        (self.read || !wanted.read) && (self.write || !wanted.write)
    }
}

/// Whether a name or pattern holds space or a zero byte, which no line of rules could bring back.
pub fn has_space(word: &[u8]) -> bool {
    word.iter()
        .any(|byte| matches!(byte, b' ' | b'\t'..=b'\r' | 0))
}

/// Keys that may be read, written or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyPattern {
    pub pattern: Vec<u8>,
    pub access: KeyAccess,
}

/// A set of commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commands(Box<[u64]>);

impl Commands {
    pub fn none(catalog: &Catalog) -> Self {
        Commands(vec![0; catalog.len().div_ceil(64)].into())
    }

    #[inline]
    pub fn has(&self, number: usize) -> bool {
        self.0[number / 64] & 1 << (number % 64) != 0
    }

    pub fn set(&mut self, number: usize, on: bool) {
        let bit = 1 << (number % 64);
        match on {
            true => self.0[number / 64] |= bit,
            false => self.0[number / 64] &= !bit,
        }
    }

    fn set_all(&mut self, catalog: &Catalog, on: bool) {
        (0..catalog.len()).for_each(|number| self.set(number, on));
    }
}

/// What may be done: a command is allowed if one selector of its user allows all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    pub(super) commands: Commands,
    /// It began with all commands, those to come included.
    pub(super) future: bool,
    /// All commands, and nothing taken away since.
    pub(super) all_commands: bool,
    /// What was said of commands since then, in lower case, each with its sign. None says the opposite of a later one.
    pub(super) rules: Vec<String>,
    pub(super) all_keys: bool,
    pub(super) all_channels: bool,
    /// Commands that are denied, but for these first arguments.
    pub(super) first_args: BTreeMap<usize, Vec<Vec<u8>>>,
    pub(super) keys: Vec<KeyPattern>,
    pub(super) channels: Vec<Vec<u8>>,
    /// The databases in which all this may be done, in their order; none where nothing was said: all.
    pub(super) databases: Option<Vec<u32>>,
}

impl Selector {
    /// One that allows nothing, but for channels if `all_channels` says so.
    pub fn new(catalog: &Catalog, all_channels: bool) -> Self {
        Selector {
            commands: Commands::none(catalog),
            future: false,
            all_commands: false,
            rules: Vec::new(),
            all_keys: false,
            all_channels,
            first_args: BTreeMap::new(),
            keys: Vec::new(),
            channels: Vec::new(),
            databases: None,
        }
    }

    /// Whether nothing at all is denied.
    pub(super) fn is_unlimited(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels && self.databases.is_none()
    }

    /// Changes it by one rule.
    pub fn apply(&mut self, rule: &[u8], catalog: &Catalog) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"allkeys" | b"~*" => self.set_keys(true),
            b"resetkeys" => self.set_keys(false),
            b"allchannels" | b"&*" => self.set_channels(true),
            b"resetchannels" => self.set_channels(false),
            b"allcommands" | b"+@all" => self.set_commands(catalog, true),
            b"nocommands" | b"-@all" => self.set_commands(catalog, false),
            b"alldbs" => self.databases = None,
            b"resetdbs" => self.databases = Some(Vec::new()),
            [b'd', b'b', b'=', numbers @ ..] => self.databases = Some(database_numbers(numbers)?),
            _ => return self.apply_sign(rule, catalog),
        }
        Ok(())
    }

    fn apply_sign(&mut self, rule: &[u8], catalog: &Catalog) -> Result<(), RuleError> {
        match rule {
            [b'~', pattern @ ..] => self.add_keys(pattern, KeyAccess::BOTH),
            [b'%', rest @ ..] => {
                let (access, pattern) = key_access(rest)?;
                self.add_keys(pattern, access)
            }
            [b'&', pattern @ ..] => self.add_channel(pattern),
            [sign @ (b'+' | b'-'), b'@', name @ ..] => {
                let category = category(name).ok_or(RuleError::UnknownCommand)?;
                self.set_category(catalog, category, *sign == b'+');
                self.keep_rule(rule);
                Ok(())
            }
            [b'+', name @ ..] => {
                self.allow(name, catalog)?;
                self.keep_rule(rule);
                Ok(())
            }
            [b'-', name @ ..] => {
                let number = catalog.find(name).ok_or(RuleError::UnknownCommand)?;
                self.set_command(catalog, number, false);
                self.keep_rule(rule);
                Ok(())
            }
            _ => Err(RuleError::Syntax),
        }
    }

    /// Notes a rule about commands, in the place of those about the same one or its subcommands.
    fn keep_rule(&mut self, rule: &[u8]) {
        let rule = String::from_utf8_lossy(rule).to_ascii_lowercase();
        self.rules.retain(|held| {
            let rest = held[1..].strip_prefix(&rule[1..]);
            rest.is_none_or(|rest| !rest.is_empty() && !rest.starts_with('|'))
        });
        self.rules.push(rule);
    }

    fn set_keys(&mut self, all: bool) {
        self.all_keys = all;
        self.keys.clear();
    }

    fn set_channels(&mut self, all: bool) {
        self.all_channels = all;
        self.channels.clear();
    }

    fn set_commands(&mut self, catalog: &Catalog, all: bool) {
        self.commands.set_all(catalog, all);
        (self.future, self.all_commands) = (all, all);
        self.rules.clear();
        self.first_args.clear();
    }

    fn add_keys(&mut self, pattern: &[u8], access: KeyAccess) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::KeysAreAll);
        }
        if has_space(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|held| held.pattern == pattern) {
            Some(held) => held.access = held.access.and(access),
            None => self.keys.push(KeyPattern {
                pattern: pattern.to_vec(),
                access,
            }),
        }
        Ok(())
    }

    fn add_channel(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::ChannelsAreAll);
        }
        if has_space(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|held| held == pattern) {
            self.channels.push(pattern.to_vec());
        }
        Ok(())
    }

    /// `+name`, `+name|subcommand` or `+name|argument`.
    fn allow(&mut self, name: &[u8], catalog: &Catalog) -> Result<(), RuleError> {
        let find = |name: &[u8]| catalog.find(name).ok_or(RuleError::UnknownCommand);
        let Some(bar) = name.iter().rposition(|byte| *byte == b'|') else {
            let number = find(name)?;
            self.set_command(catalog, number, true);
            return Ok(());
        };
        let (number, argument) = (find(&name[..bar])?, &name[bar + 1..]);
        let known = catalog.get(number);
        if known.is_subcommand() {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if argument.is_empty() {
            return Err(RuleError::Syntax);
        }
        if !known.subcommands.is_empty() {
            let number = find(name)?;
            self.set_command(catalog, number, true);
            return Ok(());
        }
        tracing::warn!(
            "Deprecation warning: Allowing a first arg of an otherwise blocked command is a misuse of ACL and may get disabled in the future (offender: +{})",
            String::from_utf8_lossy(name)
        );
        let held = self.first_args.entry(number).or_default();
        if !held.iter().any(|held| held.eq_ignore_ascii_case(argument)) {
            held.push(argument.to_vec());
        }
        Ok(())
    }

    fn set_bit(&mut self, number: usize, on: bool) {
        self.commands.set(number, on);
        self.all_commands &= on;
    }

    /// Allows or denies a command, and with a container what it contains.
    pub(super) fn set_command(&mut self, catalog: &Catalog, number: usize, on: bool) {
        self.set_bit(number, on);
        self.first_args.remove(&number);
        for sub in &catalog.get(number).subcommands {
            self.set_bit(*sub, on);
        }
    }

    pub(super) fn set_category(&mut self, catalog: &Catalog, category: usize, on: bool) {
        for (number, known) in catalog.iter() {
            if known.is_in(category) {
                self.set_command(catalog, number, on);
            }
        }
    }
}

/// `0,1`, as the C library reads numbers: space and a sign may stand in front of each.
fn database_numbers(text: &[u8]) -> Result<Vec<u32>, RuleError> {
    let mut numbers = Vec::new();
    for text in text.split(|byte| *byte == b',') {
        let spaces = text
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r'));
        let text = &text[spaces.count()..];
        let digits = text.strip_prefix(b"+").or(text.strip_prefix(b"-"));
        let digits = digits.unwrap_or(text);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(RuleError::Syntax);
        }
        let value = digits.iter().fold(0_i64, |value, digit| {
            let digit = i64::from(digit - b'0');
            value.saturating_mul(10).saturating_add(digit)
        });
        let fits = value == 0 || !text.starts_with(b"-");
        let number = i32::try_from(value).ok().filter(|_| fits);
        numbers.push(number.ok_or(RuleError::DatabaseRange)?.unsigned_abs());
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// `R~pattern`, `W~pattern` or `RW~pattern`.
fn key_access(rest: &[u8]) -> Result<(KeyAccess, &[u8]), RuleError> {
    let mut access = KeyAccess::NONE;
    let mut at = 0;
    while at < rest.len() {
        at += 1;
        match rest[at - 1].to_ascii_uppercase() {
            b'R' if !access.read => access.read = true,
            b'W' if !access.write => access.write = true,
            b'~' if access != KeyAccess::NONE => break,
            _ => return Err(RuleError::Syntax),
        }
    }
    match access {
        KeyAccess::NONE => Err(RuleError::Syntax),
        access => Ok((access, &rest[at..])),
    }
}
