//! The `sentinel` lines of the configuration file: what was wished, and what is known, so that it is there after a restart.

use std::collections::BTreeSet;

use super::address::InstanceAddress;
use super::group::MasterGroup;
use super::hello::is_id;
use super::instance::InstanceKind;
use super::state::{NotCreated, Sentinel};
use crate::config::rewrite::SentinelLine;
use crate::util::number::{parse_i64, parse_like_atoi, parse_u64_like_c};
use crate::util::words::{is_plain, quote};

/// What reading a line needs of the world.
pub struct Outside<'o> {
    /// The address of a host's name.
    pub look_up: &'o dyn Fn(&str) -> Option<String>,
    pub is_program: IsProgram<'o>,
}

/// Whether there is a program at a path, which may be run.
pub type IsProgram<'p> = &'p dyn Fn(&[u8]) -> bool;

/// Options that belong to no single master.
const OF_ALL: [&str; 9] = [
    "myid",
    "announce-ip",
    "announce-port",
    "deny-scripts-reconfig",
    "sentinel-user",
    "sentinel-pass",
    "current-epoch",
    "resolve-hostnames",
    "announce-hostnames",
];
const MONITOR: &str = "monitor";
/// Options of one master, which its `monitor` comes before.
const OF_ONE: [&str; 14] = [
    "down-after-milliseconds",
    "failover-timeout",
    "parallel-syncs",
    "notification-script",
    "client-reconfig-script",
    "auth-pass",
    "auth-user",
    "config-epoch",
    "leader-epoch",
    "known-replica",
    "known-slave",
    "known-sentinel",
    "rename-command",
    "master-reboot-down-after-period",
];

type Read = Result<(), &'static str>;
/// Takes an option, its words, and whether it is needed.
type PutLine<'p> = dyn FnMut(&'static str, &[&[u8]], bool) + 'p;

const NO_MASTER: &str = "No such master with specified name.";
const NO_TIME: &str = "negative or zero time parameter.";
const UNKNOWN: &str = "Unrecognized sentinel configuration statement.";

/// When a line is read: settings of all masters first, then masters, then what is said of them.
pub fn turn(words: &[Vec<u8>]) -> usize {
    let is = |name: &str| words[0].eq_ignore_ascii_case(name.as_bytes());
    match (OF_ALL.iter().any(|name| is(name)), is(MONITOR)) {
        (true, _) => 0,
        (_, true) => 1,
        _ => 2,
    }
}

/// A number that comes back from the file as it was written: there it is read as a C `int`.
pub(super) fn kept_number(word: &[u8], least: i64) -> Option<i64> {
    parse_i64(word).filter(|number| (least..=i64::from(i32::MAX)).contains(number))
}

fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

fn yes(word: &[u8], why: &'static str) -> Result<bool, &'static str> {
    match word.to_ascii_lowercase().as_slice() {
        b"yes" => Ok(true),
        b"no" => Ok(false),
        _ => Err(why),
    }
}

pub(super) fn yes_or_no(yes: bool) -> &'static [u8] {
    if yes { b"yes" } else { b"no" }
}

fn filled(word: &[u8]) -> Option<Vec<u8>> {
    (!word.is_empty()).then(|| word.to_vec())
}

impl Sentinel {
    /// Takes in what follows `sentinel` in a line of the file.
    pub fn configure(&mut self, words: &[Vec<u8>], outside: &Outside<'_>) -> Read {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let option = words[0].to_ascii_lowercase();
        match (option.as_slice(), &words[1..]) {
            (b"monitor", [name, host, port, quorum]) => {
                self.configure_master(&text(name), &text(host), port, quorum, outside)
            }
            (b"current-epoch", [epoch]) => {
                let epoch = parse_u64_like_c(epoch).unwrap_or(0);
                self.current_epoch = self.current_epoch.max(epoch);
                Ok(())
            }
            (b"myid", [id]) => {
                let id = text(id);
                match is_id(&id) {
                    true => self.id = id,
                    false => return Err("Malformed Sentinel id in myid option."),
                }
                Ok(())
            }
            (b"announce-ip", [ip]) => {
                self.settings.announce_ip = (!ip.is_empty()).then(|| text(ip));
                Ok(())
            }
            (b"announce-port", [port]) => {
                self.settings.announce_port = i64::from(parse_like_atoi(port));
                Ok(())
            }
            (b"sentinel-user", [user]) => {
                self.settings.sentinel_user = filled(user);
                Ok(())
            }
            (b"sentinel-pass", [password]) => {
                self.settings.sentinel_pass = filled(password);
                Ok(())
            }
            (b"deny-scripts-reconfig", [word]) => {
                let why = "Please specify yes or no for the deny-scripts-reconfig options.";
                self.settings.deny_scripts_reconfig = yes(word, why)?;
                Ok(())
            }
            (b"resolve-hostnames", [word]) => {
                let why = "Please specify yes or no for the resolve-hostnames option.";
                self.hosts.resolve = yes(word, why)?;
                Ok(())
            }
            (b"announce-hostnames", [word]) => {
                let why = "Please specify yes or no for the announce-hostnames option.";
                self.settings.announce_hostnames = yes(word, why)?;
                Ok(())
            }
            // A form of long ago, without an id.
            (b"known-sentinel", [_, _, _]) => Ok(()),
            (option, [name, rest @ ..]) if !rest.is_empty() => {
                self.configure_group(option, &text(name), rest, outside)
            }
            _ => Err(UNKNOWN),
        }
    }

    /// Looks a host's name up, if that is to be done.
    fn know(&mut self, host: &str, outside: &Outside<'_>) {
        if self.hosts.is_unknown(host) {
            let ip = (outside.look_up)(host);
            self.learn(host, ip);
        }
    }

    fn configure_master(
        &mut self,
        name: &str,
        host: &str,
        port: &[u8],
        quorum: &[u8],
        outside: &Outside<'_>,
    ) -> Read {
        let quorum = i64::from(parse_like_atoi(quorum));
        if quorum <= 0 {
            return Err("Quorum must be 1 or greater.");
        }
        self.know(host, outside);
        let port = i64::from(parse_like_atoi(port));
        let created = self.create_master(name, host, port, quorum);
        created.map(drop).map_err(|why| why.text())
    }

    fn configure_group(
        &mut self,
        option: &[u8],
        name: &str,
        words: &[&[u8]],
        outside: &Outside<'_>,
    ) -> Read {
        let epoch = |word: &[u8]| parse_u64_like_c(word).unwrap_or(0);
        let time = |word: &[u8]| match i64::from(parse_like_atoi(word)) {
            ..=0 => Err(NO_TIME),
            time_ms => Ok(time_ms),
        };
        let program = |word: &[u8], why| match (outside.is_program)(word) {
            true => Ok(Some(word.to_vec())),
            false => Err(why),
        };
        let is_known = OF_ONE.iter().any(|known| known.as_bytes() == option);
        let Some(group) = self.groups.get_mut(name) else {
            return Err(if is_known { NO_MASTER } else { UNKNOWN });
        };
        match (option, words) {
            (b"down-after-milliseconds", [word]) => group.down_after_ms = time(word)?,
            (b"failover-timeout", [word]) => group.failover_timeout_ms = time(word)?,
            (b"parallel-syncs", [word]) => {
                group.parallel_syncs = i64::from(parse_like_atoi(word));
            }
            (b"notification-script", [path]) => {
                let why = "Notification script seems non existing or non executable.";
                group.notification_script = program(path, why)?;
            }
            (b"client-reconfig-script", [path]) => {
                let why = "Client reconfiguration script seems non existing or non executable.";
                group.client_reconfig_script = program(path, why)?;
            }
            (b"auth-pass", [word]) => group.auth_pass = Some(word.to_vec()),
            (b"auth-user", [word]) => group.auth_user = Some(word.to_vec()),
            (b"config-epoch", [word]) => {
                group.config_epoch = epoch(word);
                self.current_epoch = self.current_epoch.max(group.config_epoch);
            }
            (b"leader-epoch", [word]) => group.leader_epoch = epoch(word),
            (b"master-reboot-down-after-period", [word]) => {
                match i64::from(parse_like_atoi(word)) {
                    ..0 => return Err("negative time parameter."),
                    time_ms => group.reboot_down_after_ms = time_ms,
                }
            }
            (b"rename-command", [from, to]) => {
                let names = (text(from), text(to));
                let key = names.0.to_ascii_lowercase();
                if group.renamed.insert(key, names).is_some() {
                    return Err("Same command renamed multiple times with rename-command.");
                }
            }
            (option, words) => return self.configure_member(option, name, words, outside),
        }
        Ok(())
    }

    fn configure_member(
        &mut self,
        option: &[u8],
        name: &str,
        words: &[&[u8]],
        outside: &Outside<'_>,
    ) -> Read {
        let [host, port, rest @ ..] = words else {
            return Err(UNKNOWN);
        };
        let (host, port) = (text(host), i64::from(parse_like_atoi(port)));
        let created = match (option, rest) {
            (b"known-slave" | b"known-replica", []) => {
                self.know(&host, outside);
                let created = self.create_replica(name, &host, port);
                // Two names may have come to one place meanwhile.
                if self.hosts.is_name(&host)
                    && created == Err(NotCreated::Duplicate(InstanceKind::Replica))
                {
                    return Ok(());
                }
                created
            }
            (b"known-sentinel", [run_id]) => {
                self.know(&host, outside);
                let created = self.create_sentinel(name, &text(run_id), &host, port);
                created.inspect(|id| self.share_link(*id))
            }
            _ => return Err(UNKNOWN),
        };
        created.map(drop).map_err(|why| why.text())
    }

    /// The lines of the file, as things are now.
    pub fn lines(&self) -> Vec<SentinelLine> {
        let mut lines = Vec::new();
        let mut put = |option, words: &[&[u8]], needed| {
            let words: Vec<Vec<u8>> = words.iter().map(|word| written(word)).collect();
            lines.push(SentinelLine {
                option,
                words: words.join(&b' '),
                needed,
            });
        };
        let settings = &self.settings;
        put("myid", &[self.id.as_bytes()], true);
        let deny = settings.deny_scripts_reconfig;
        put("deny-scripts-reconfig", &[yes_or_no(deny)], !deny);
        let resolve = self.hosts.resolve;
        put("resolve-hostnames", &[yes_or_no(resolve)], resolve);
        let announce = settings.announce_hostnames;
        put("announce-hostnames", &[yes_or_no(announce)], announce);
        for group in self.groups.values() {
            self.group_lines(group, &mut put);
        }
        put(
            "current-epoch",
            &[self.current_epoch.to_string().as_bytes()],
            true,
        );
        if let Some(ip) = &settings.announce_ip {
            lines.push(SentinelLine {
                option: "announce-ip",
                words: quote(ip.as_bytes()),
                needed: true,
            });
        }
        let mut put = |option, word: &[u8]| {
            lines.push(SentinelLine {
                option,
                words: written(word),
                needed: true,
            });
        };
        if settings.announce_port != 0 {
            put(
                "announce-port",
                settings.announce_port.to_string().as_bytes(),
            );
        }
        if let Some(user) = &settings.sentinel_user {
            put("sentinel-user", user);
        }
        if let Some(password) = &settings.sentinel_pass {
            put("sentinel-pass", password);
        }
        lines
    }

    /// How an address is written.
    fn place(&self, address: &InstanceAddress) -> (String, String) {
        let host = match self.hosts.resolve {
            true => self.shown(address),
            // A name would not be read again.
            false => &address.ip,
        };
        (host.to_owned(), address.port.to_string())
    }

    fn group_lines(&self, group: &MasterGroup, put: &mut PutLine<'_>) {
        let name = group.name.as_bytes();
        let address = self.current_address(group);
        let (host, port) = self.place(address);
        let quorum = group.quorum.to_string();
        let words = [name, host.as_bytes(), port.as_bytes(), quorum.as_bytes()];
        put("monitor", &words, true);
        let mut number = |option, number: i64, default: i64| {
            if number != default {
                put(option, &[name, number.to_string().as_bytes()], true);
            }
        };
        let periods = &self.periods;
        number(
            "down-after-milliseconds",
            group.down_after_ms,
            periods.down_after,
        );
        number(
            "failover-timeout",
            group.failover_timeout_ms,
            periods.failover_timeout,
        );
        number("parallel-syncs", group.parallel_syncs, 1);
        let texts = [
            ("notification-script", &group.notification_script),
            ("client-reconfig-script", &group.client_reconfig_script),
            ("auth-pass", &group.auth_pass),
            ("auth-user", &group.auth_user),
        ];
        for (option, word) in texts {
            if let Some(word) = word {
                put(option, &[name, word], true);
            }
        }
        let reboot_ms = group.reboot_down_after_ms;
        if reboot_ms != 0 {
            let words: [&[u8]; 2] = [name, &reboot_ms.to_string().into_bytes()];
            put("master-reboot-down-after-period", &words, true);
        }
        let epochs = [
            ("config-epoch", group.config_epoch),
            ("leader-epoch", group.leader_epoch),
        ];
        for (option, epoch) in epochs {
            put(option, &[name, epoch.to_string().as_bytes()], true);
        }
        self.member_lines(group, put);
    }

    fn member_lines(&self, group: &MasterGroup, put: &mut PutLine<'_>) {
        let name = group.name.as_bytes();
        let address = self.current_address(group);
        // Two names may have come to one address meanwhile.
        let mut places = BTreeSet::new();
        for id in group.replicas.values() {
            let own = &self.at(*id).address;
            // The one that was promoted has taken the master's place, and the master has its.
            let shown = match own.is(address) {
                true => &self.at(group.master).address,
                false => own,
            };
            places.insert(self.place(shown));
        }
        for (host, port) in places {
            put(
                "known-replica",
                &[name, host.as_bytes(), port.as_bytes()],
                true,
            );
        }
        for (run_id, id) in &group.sentinels {
            let (host, port) = self.place(&self.at(*id).address);
            let words = [name, host.as_bytes(), port.as_bytes(), run_id.as_bytes()];
            put("known-sentinel", &words, true);
        }
        for (from, to) in group.renamed.values() {
            put(
                "rename-command",
                &[name, from.as_bytes(), to.as_bytes()],
                true,
            );
        }
    }
}

/// A word of a line, in quotes where it would be read as something else.
fn written(word: &[u8]) -> Vec<u8> {
    match is_plain(word) {
        true => word.to_vec(),
        false => quote(word),
    }
}
