//! SENTINEL SET: how a master is watched, changed while it is.

use super::actions::EventLevel;
use super::conf::Outside;
use super::instance::InstanceId;
use super::orders::SentinelRefused;
use super::state::Sentinel;
use crate::util::number::parse_i64;

const DENIED: &str = "Reconfiguration of scripts path is denied for security reasons. Check the deny-scripts-reconfig \
    configuration directive in your Sentinel configuration";

impl Sentinel {
    /// Changes options of a master; those before one that is refused are set. None if no such master is watched.
    pub fn set(
        &mut self,
        name: &str,
        words: &[&[u8]],
        outside: &Outside<'_>,
    ) -> Option<Result<(), SentinelRefused>> {
        self.groups.get(name)?;
        let mut rest = words;
        while let [option, values @ ..] = rest {
            let lower = option.to_ascii_lowercase();
            let count = match lower.as_slice() {
                b"rename-command" => 2,
                _ => 1,
            };
            let set = match values.get(..count) {
                None => Err(unknown(option)),
                Some(values) => self.set_one(name, &lower, option, values, outside),
            };
            if set.is_err() {
                return Some(set);
            }
            self.save = true;
            self.tell_set(name, &lower, &rest[..=count]);
            rest = &rest[count + 1..];
        }
        Some(Ok(()))
    }

    fn tell_set(&mut self, name: &str, option: &[u8], words: &[&[u8]]) {
        let mut more = String::new();
        for (at, word) in words.iter().enumerate() {
            let hidden = at == 1 && option == b"auth-pass";
            more.push(' ');
            more += &match hidden {
                true => "******".into(),
                false => String::from_utf8_lossy(word),
            };
        }
        let master = self.groups[name].master;
        self.tell_of(EventLevel::Warning, "+set", master, &more);
    }

    fn set_one(
        &mut self,
        name: &str,
        option: &[u8],
        given: &[u8],
        values: &[&[u8]],
        outside: &Outside<'_>,
    ) -> Result<(), SentinelRefused> {
        let value = values[0];
        let bad = |value: &[u8]| {
            SentinelRefused::says(format!(
                "Invalid argument '{}' for SENTINEL SET '{}'",
                String::from_utf8_lossy(value),
                String::from_utf8_lossy(given)
            ))
        };
        let at_least = |least: i64| match parse_i64(value) {
            Some(number) if number >= least => Ok(number),
            _ => Err(bad(value)),
        };
        let denied = self.settings.deny_scripts_reconfig;
        let script = |why: &str| match (denied, value) {
            (true, _) => Err(SentinelRefused::says(DENIED)),
            (false, []) => Ok(None),
            (false, path) if (outside.is_program)(path) => Ok(Some(path.to_vec())),
            _ => Err(SentinelRefused::says(why)),
        };
        let filled = (!value.is_empty()).then(|| value.to_vec());
        let group = self.group_mut(name);
        match option {
            b"down-after-milliseconds" => group.down_after_ms = at_least(1)?,
            b"failover-timeout" => group.failover_timeout_ms = at_least(1)?,
            b"parallel-syncs" => group.parallel_syncs = at_least(1)?,
            b"quorum" => group.quorum = at_least(1)?,
            b"master-reboot-down-after-period" => group.reboot_down_after_ms = at_least(0)?,
            b"notification-script" => {
                let why = "Notification script seems non existing or non executable";
                group.notification_script = script(why)?;
            }
            b"client-reconfig-script" => {
                let why = "Client reconfiguration script seems non existing or non executable";
                group.client_reconfig_script = script(why)?;
            }
            b"auth-pass" => {
                group.auth_pass = filled;
                self.drop_group_links(name);
            }
            b"auth-user" => {
                group.auth_user = filled;
                self.drop_group_links(name);
            }
            b"rename-command" => {
                let (from, to) = (values[0], values[1]);
                if from.is_empty() || to.is_empty() {
                    return Err(bad(if to.is_empty() { to } else { from }));
                }
                let text = |word| String::from_utf8_lossy(word).into_owned();
                let (from, to) = (text(from), text(to));
                let key = from.to_ascii_lowercase();
                match from.eq_ignore_ascii_case(&to) {
                    true => group.renamed.remove(&key),
                    false => group.renamed.insert(key, (from, to)),
                };
            }
            _ => return Err(unknown(given)),
        }
        Ok(())
    }

    /// Closes the connections to a master and its replicas.
    fn drop_group_links(&mut self, name: &str) {
        let group = &self.groups[name];
        let members = group.replicas.values().copied();
        let members: Vec<InstanceId> = members.chain([group.master]).collect();
        members.into_iter().for_each(|id| self.drop_link(id));
    }
}

fn unknown(option: &[u8]) -> SentinelRefused {
    SentinelRefused::says(format!(
        "Unknown option or number of arguments for SENTINEL SET '{}'",
        String::from_utf8_lossy(option)
    ))
}
