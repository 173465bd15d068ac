//! SENTINEL SET: how a master is watched, changed while it is.

use super::actions::EventLevel;
use super::conf::{IsProgram, kept_number};
use super::instance::InstanceId;
use super::orders::SentinelRefused;
use super::state::Sentinel;

const DENIED: &str = "Reconfiguration of scripts path is denied for security reasons. Check the deny-scripts-reconfig \
    configuration directive in your Sentinel configuration";

impl Sentinel {
    /// Changes options of a master; those before one that is refused are set. None if no such master is watched.
    pub fn set(
        &mut self,
        name: &str,
        words: &[&[u8]],
        is_program: IsProgram<'_>,
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
                Some(values) => self.set_one(name, &lower, option, values, is_program),
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
        is_program: IsProgram<'_>,
    ) -> Result<(), SentinelRefused> {
        let value = values[0];
        let filled = (!value.is_empty()).then(|| value.to_vec());
        match option {
            b"notification-script" | b"client-reconfig-script" => {
                return self.set_script(name, option, filled, is_program);
            }
            b"rename-command" => return self.set_renamed(name, given, value, values[1]),
            b"auth-pass" => {
                self.group_mut(name).auth_pass = filled;
                self.drop_group_links(name);
            }
            b"auth-user" => {
                self.group_mut(name).auth_user = filled;
                self.drop_group_links(name);
            }
            _ => return self.set_number(name, option, given, value),
        }
        Ok(())
    }

    fn set_number(
        &mut self,
        name: &str,
        option: &[u8],
        given: &[u8],
        value: &[u8],
    ) -> Result<(), SentinelRefused> {
        let group = self.group_mut(name);
        let (kept, least) = match option {
            b"down-after-milliseconds" => (&mut group.down_after_ms, 1),
            b"failover-timeout" => (&mut group.failover_timeout_ms, 1),
            b"parallel-syncs" => (&mut group.parallel_syncs, 1),
            b"quorum" => (&mut group.quorum, 1),
            b"master-reboot-down-after-period" => (&mut group.reboot_down_after_ms, 0),
            _ => return Err(unknown(given)),
        };
        *kept = kept_number(value, least).ok_or_else(|| bad(value, given))?;
        Ok(())
    }

    fn set_script(
        &mut self,
        name: &str,
        option: &[u8],
        path: Option<Vec<u8>>,
        is_program: IsProgram<'_>,
    ) -> Result<(), SentinelRefused> {
        if self.settings.deny_scripts_reconfig {
            return Err(SentinelRefused::says(DENIED));
        }
        let group = self.group_mut(name);
        let (kept, what) = match option {
            b"notification-script" => (&mut group.notification_script, "Notification"),
            _ => (&mut group.client_reconfig_script, "Client reconfiguration"),
        };
        if path.as_ref().is_some_and(|path| !is_program(path)) {
            return Err(SentinelRefused::says(format!(
                "{what} script seems non existing or non executable"
            )));
        }
        *kept = path;
        Ok(())
    }

    fn set_renamed(
        &mut self,
        name: &str,
        given: &[u8],
        from: &[u8],
        to: &[u8],
    ) -> Result<(), SentinelRefused> {
        if from.is_empty() || to.is_empty() {
            return Err(bad(b"", given));
        }
        let text = |word| String::from_utf8_lossy(word).into_owned();
        let (from, to) = (text(from), text(to));
        let key = from.to_ascii_lowercase();
        let renamed = &mut self.group_mut(name).renamed;
        match from.eq_ignore_ascii_case(&to) {
            true => renamed.remove(&key),
            false => renamed.insert(key, (from, to)),
        };
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

fn bad(value: &[u8], option: &[u8]) -> SentinelRefused {
    SentinelRefused::says(format!(
        "Invalid argument '{}' for SENTINEL SET '{}'",
        String::from_utf8_lossy(value),
        String::from_utf8_lossy(option)
    ))
}
