//! Which connections CLIENT LIST shows and CLIENT KILL closes: those for which all that was said holds.

use std::mem::discriminant;
use std::sync::Arc;

use super::marks::{ClientType, flags};
use crate::acl::{User, Users};
use crate::command::{Args, Fail, quoted};
use crate::state::client::Client;
use crate::state::shared::Shared;
use crate::util::number;

/// Letters that a connection's flags may have.
const FLAGS: &[u8] = b"OSMPxbtRBdAUeTNcurIiE";
/// Letters of what a client can do: it follows redirections.
const CAPABILITIES: &[u8] = b"r";

/// What a connection is, or is not.
enum Quality<'a> {
    Ids(Vec<u64>),
    Type(ClientType),
    Address(&'a [u8]),
    LocalAddress(&'a [u8]),
    Ip(&'a [u8]),
    User(Arc<User>),
    Name(&'a [u8]),
    LibraryName(&'a [u8]),
    LibraryVersion(&'a [u8]),
    Flags(&'a [u8]),
    Capabilities(&'a [u8]),
    Database(usize),
    AgeSeconds(u64),
    IdleSeconds(u64),
}

/// One condition.
struct Rule<'a> {
    not: bool,
    quality: Quality<'a>,
}

/// All conditions; of several about one thing the last counts.
#[derive(Default)]
pub struct ClientFilter<'a> {
    rules: Vec<Rule<'a>>,
    pub skip_me: bool,
}

impl<'a> ClientFilter<'a> {
    /// The one of CLIENT KILL with nothing but an address.
    pub fn by_address(address: &'a [u8]) -> Self {
        let mut filter = ClientFilter::default();
        filter.add(false, Quality::Address(address));
        filter
    }

    pub fn parse(args: &mut Args<'a>, server: &Shared, skip_me: bool) -> Result<Self, Fail> {
        let mut filter = ClientFilter {
            skip_me,
            ..ClientFilter::default()
        };
        while !args.is_empty() {
            if args.word_with("SKIPME", 1) {
                filter.skip_me = match () {
                    () if args.word("yes") => true,
                    () if args.word("no") => false,
                    () => return Err(Fail::SYNTAX),
                };
            } else if args.word_with("MAXAGE", 1) {
                let seconds = seconds(
                    args,
                    "maxage is not an integer or out of range",
                    "maxage should be greater than 0",
                )?;
                filter.add(false, Quality::AgeSeconds(seconds));
            } else if args.word_with("IDLE", 1) {
                let seconds = seconds(
                    args,
                    "idle is not an integer or out of range",
                    "idle should be greater than 0",
                )?;
                filter.add(false, Quality::IdleSeconds(seconds));
            } else {
                let word = args.next()?.to_ascii_uppercase();
                let name = word.strip_prefix(b"NOT-");
                let quality = Quality::parse(name.unwrap_or(&word), args, server)?;
                filter.add(name.is_some(), quality);
            }
        }
        Ok(filter)
    }

    /// Whether a word in upper case begins a condition.
    pub fn knows(word: &[u8]) -> bool {
        const ALONE: [&[u8]; 3] = [b"SKIPME", b"MAXAGE", b"IDLE"];
        const BOTH: [&[u8]; 12] = [
            b"ID",
            b"TYPE",
            b"ADDR",
            b"LADDR",
            b"IP",
            b"USER",
            b"NAME",
            b"LIB-NAME",
            b"LIB-VER",
            b"FLAGS",
            b"CAPA",
            b"DB",
        ];
        ALONE.contains(&word) || BOTH.contains(&word.strip_prefix(b"NOT-").unwrap_or(word))
    }

    /// A condition takes the place of an earlier one of its kind; numbers add up.
    fn add(&mut self, not: bool, quality: Quality<'a>) {
        let rules = self.rules.iter_mut().filter(|rule| rule.not == not);
        if let Quality::Ids(more) = &quality
            && let Some(Quality::Ids(ids)) = rules
                .map(|rule| &mut rule.quality)
                .find(|held| matches!(held, Quality::Ids(_)))
        {
            return ids.extend(more);
        }
        let kind = discriminant(&quality);
        self.rules
            .retain(|rule| rule.not != not || discriminant(&rule.quality) != kind);
        self.rules.push(Rule { not, quality });
    }

    /// The numbers asked for, in their order.
    pub fn ids(&self) -> Option<&[u64]> {
        self.rules.iter().find_map(|rule| match &rule.quality {
            Quality::Ids(ids) if !rule.not => Some(&ids[..]),
            _ => None,
        })
    }

    pub fn passes(&self, client: &Client, server: &Shared, now_ms: u64) -> bool {
        let mut rules = self.rules.iter();
        rules.all(|rule| rule.quality.holds(client, server, now_ms) != rule.not)
    }
}

fn seconds(
    args: &mut Args<'_>,
    no_number: &'static str,
    too_small: &'static str,
) -> Result<u64, Fail> {
    let seconds = args.int_or(Fail::Says(no_number))?;
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    seconds.ok_or(Fail::Says(too_small))
}

impl<'a> Quality<'a> {
    /// `name` stands before at least one value.
    fn parse(name: &[u8], args: &mut Args<'a>, server: &Shared) -> Result<Self, Fail> {
        if args.is_empty() {
            return Err(Fail::SYNTAX);
        }
        Ok(match name {
            b"ID" => Quality::Ids(ids(args)?),
            b"TYPE" => Quality::Type(ClientType::parse(args.next()?)?),
            b"ADDR" => Quality::Address(args.next()?),
            b"LADDR" => Quality::LocalAddress(args.next()?),
            b"IP" => Quality::Ip(args.next()?),
            b"USER" => Quality::User(known_user(&server.users, args.next()?)?),
            b"NAME" => Quality::Name(args.next()?),
            b"LIB-NAME" => Quality::LibraryName(args.next()?),
            b"LIB-VER" => Quality::LibraryVersion(args.next()?),
            b"FLAGS" => Quality::Flags(letters(args.next()?, FLAGS, "flags")?),
            b"CAPA" => Quality::Capabilities(letters(args.next()?, CAPABILITIES, "capa")?),
            b"DB" => Quality::Database(database(args, server)?),
            _ => return Err(Fail::SYNTAX),
        })
    }

    fn holds(&self, client: &Client, server: &Shared, now_ms: u64) -> bool {
        let profile = || client.profile.lock();
        let seconds = |since_ms: u64| now_ms.saturating_sub(since_ms) / 1000;
        match self {
            Quality::Ids(ids) => ids.contains(&client.id),
            Quality::Type(kind) => kind.covers(client),
            Quality::Address(address) => client.address.as_bytes() == *address,
            Quality::LocalAddress(address) => client.local_address.as_bytes() == *address,
            Quality::Ip(ip) => ip_of(&client.address).as_bytes() == *ip,
            Quality::User(user) => {
                let profile = profile();
                let held = profile.user.as_ref();
                held.is_some_and(|held| Arc::ptr_eq(held, user))
            }
            Quality::Name(name) => profile().name.as_bytes() == *name,
            Quality::LibraryName(name) => profile().lib_name.as_bytes() == *name,
            Quality::LibraryVersion(version) => profile().lib_ver.as_bytes() == *version,
            Quality::Flags(wanted) => {
                let held = flags(client, server).into_bytes();
                wanted.iter().all(|flag| held.contains(flag))
            }
            Quality::Capabilities(wanted) => wanted.is_empty() || profile().follows_redirects,
            Quality::Database(db) => client.db.load(std::sync::atomic::Ordering::Relaxed) == *db,
            Quality::AgeSeconds(least) => seconds(client.born_ms) >= *least,
            Quality::IdleSeconds(least) => {
                let active_ms = client.active_ms.load(std::sync::atomic::Ordering::Relaxed);
                seconds(active_ms) >= *least
            }
        }
    }
}

/// Numbers, up to the first word that is none and has a value behind it.
fn ids(args: &mut Args<'_>) -> Result<Vec<u64>, Fail> {
    let bad = Fail::Says("client-id should be greater than 0");
    let mut ids = Vec::new();
    while let Some(id) = args.peek().and_then(number::parse_i64) {
        let id = u64::try_from(id).ok().filter(|id| *id > 0);
        ids.push(id.ok_or(bad.clone())?);
        args.next()?;
    }
    if ids.is_empty() {
        return Err(bad);
    }
    Ok(ids)
}

fn letters<'a>(given: &'a [u8], known: &[u8], kind: &str) -> Result<&'a [u8], Fail> {
    if given.iter().all(|letter| known.contains(letter)) {
        return Ok(given);
    }
    let given = quoted(given);
    Err(Fail::said(format!(
        "Unknown {kind} found in the provided filter: {given}"
    )))
}

fn database(args: &mut Args<'_>, server: &Shared) -> Result<usize, Fail> {
    let db = args.int_or(Fail::Says("DB is not an integer or out of range"))?;
    let last = server.config.databases.get() - 1;
    match usize::try_from(db) {
        Ok(number) if db <= last => Ok(number),
        _ => Err(Fail::said(format!(
            "DB number should be between 0 and {last}"
        ))),
    }
}

/// An address without its port, and the brackets of IPv6.
fn ip_of(address: &str) -> &str {
    let ip = address.rsplit_once(':').map_or(address, |(ip, _)| ip);
    ip.strip_prefix('[')
        .and_then(|ip| ip.strip_suffix(']'))
        .unwrap_or(ip)
}

fn known_user(users: &Users, name: &[u8]) -> Result<Arc<User>, Fail> {
    users.get(name).ok_or_else(|| {
        let name = quoted(name);
        Fail::said(format!("No such user '{name}'"))
    })
}
