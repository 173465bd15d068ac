//! SENTINEL CONFIG: settings that belong to no single master.

use super::actions::SentinelAction;
use super::conf::yes_or_no;
use super::orders::SentinelRefused;
use super::state::Sentinel;
use crate::util::glob;
use crate::util::number::parse_i64;

/// An option and its value.
pub type Setting<'s> = (&'s [u8], &'s [u8]);

/// The one that is a directive of every server, and is not kept here.
pub const LOG_LEVEL: &str = "loglevel";
const LOG_LEVELS: [&str; 5] = ["debug", "verbose", "notice", "warning", "nothing"];
const ALL: [&str; 7] = [
    "resolve-hostnames",
    "announce-hostnames",
    "announce-ip",
    "announce-port",
    "sentinel-user",
    "sentinel-pass",
    LOG_LEVEL,
];

/// The options and values of SENTINEL CONFIG SET: all of them are as they should be, or none is taken.
pub fn settings_of<'s>(words: &[&'s [u8]]) -> Result<Vec<Setting<'s>>, SentinelRefused> {
    let mut pairs: Vec<Setting<'s>> = Vec::new();
    for pair in words.chunks(2) {
        let option = pair[0];
        let shown = String::from_utf8_lossy(option);
        let named = |name: &&&str| option.eq_ignore_ascii_case(name.as_bytes());
        let Some(name) = ALL.iter().find(named) else {
            return Err(SentinelRefused::says(format!(
                "Invalid argument '{shown}' to SENTINEL CONFIG SET"
            )));
        };
        if pairs
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(option))
        {
            return Err(SentinelRefused::says(format!(
                "Duplicate argument '{shown}' to SENTINEL CONFIG SET"
            )));
        }
        let &[_, value] = pair else {
            return Err(SentinelRefused::says(format!(
                "Missing argument '{shown}' value"
            )));
        };
        if !fits(name, value) {
            return Err(bad(option, value));
        }
        pairs.push((option, value));
    }
    Ok(pairs)
}

fn bad(option: &[u8], value: &[u8]) -> SentinelRefused {
    SentinelRefused::says(format!(
        "Invalid value '{}' to SENTINEL CONFIG SET '{}'",
        String::from_utf8_lossy(value),
        String::from_utf8_lossy(option)
    ))
}

fn fits(name: &str, value: &[u8]) -> bool {
    let is = |word: &&str| value.eq_ignore_ascii_case(word.as_bytes());
    match name {
        "resolve-hostnames" | "announce-hostnames" => ["yes", "no"].iter().any(is),
        "announce-port" => parse_i64(value).is_some_and(|port| (0..=65535).contains(&port)),
        LOG_LEVEL => LOG_LEVELS.iter().any(is),
        _ => true,
    }
}

impl Sentinel {
    /// SENTINEL CONFIG GET, for one pattern after another; `log_level` is the one in force.
    pub fn settings(&self, patterns: &[&[u8]], log_level: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let settings = &self.settings;
        let value = |name| match name {
            "resolve-hostnames" => yes_or_no(self.hosts.resolve).to_vec(),
            "announce-hostnames" => yes_or_no(settings.announce_hostnames).to_vec(),
            "announce-ip" => settings.announce_ip.clone().unwrap_or_default().into(),
            "announce-port" => settings.announce_port.to_string().into(),
            "sentinel-user" => settings.sentinel_user.clone().unwrap_or_default(),
            "sentinel-pass" => settings.sentinel_pass.clone().unwrap_or_default(),
            _ => log_level.to_vec(),
        };
        let mut found: Vec<(&'static str, Vec<u8>)> = Vec::new();
        for pattern in patterns {
            for name in ALL {
                let is_new = found.iter().all(|(other, _)| *other != name);
                if is_new && glob::matches(pattern, name.as_bytes(), true) {
                    found.push((name, value(name)));
                }
            }
        }
        found
    }

    /// Whether settings that [`settings_of`] has looked at can be taken now. As long as somebody is known by a name alone, names
    /// are: without them neither he nor the file would be understood.
    fn can_set(&mut self, pairs: &[Setting<'_>]) -> Result<(), SentinelRefused> {
        let ends_names = |(option, value): &&Setting<'_>| {
            option.eq_ignore_ascii_case(b"resolve-hostnames") && value.eq_ignore_ascii_case(b"no")
        };
        let Some((option, value)) = pairs.iter().find(ends_names) else {
            return Ok(());
        };
        let mut addresses = self.instances.values().map(|one| &one.address);
        let Some(address) = addresses.find(|address| address.ip.is_empty()) else {
            return Ok(());
        };
        self.actions.push(SentinelAction::Log(format!(
            "Hostnames are resolved as long as '{}' has no address",
            address.host
        )));
        Err(bad(option, value))
    }

    /// SENTINEL CONFIG SET, of what [`settings_of`] has looked at: all are set, or none.
    pub fn set_settings(&mut self, pairs: &[Setting<'_>]) -> Result<(), SentinelRefused> {
        self.can_set(pairs)?;
        for (option, value) in pairs {
            let yes = value.eq_ignore_ascii_case(b"yes");
            let filled = (!value.is_empty()).then(|| value.to_vec());
            let settings = &mut self.settings;
            match option.to_ascii_lowercase().as_slice() {
                b"resolve-hostnames" => self.hosts.resolve = yes,
                b"announce-hostnames" => settings.announce_hostnames = yes,
                b"announce-ip" => {
                    let ip = filled.map(|ip| String::from_utf8_lossy(&ip).into_owned());
                    settings.announce_ip = ip;
                }
                b"announce-port" => settings.announce_port = parse_i64(value).unwrap_or(0),
                b"sentinel-user" => {
                    settings.sentinel_user = filled;
                    self.drop_sentinel_links();
                }
                b"sentinel-pass" => {
                    settings.sentinel_pass = filled;
                    self.drop_sentinel_links();
                }
                _ => {}
            }
        }
        self.save = true;
        Ok(())
    }
}
