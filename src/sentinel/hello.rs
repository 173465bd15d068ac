//! Hellos: by them Sentinels find each other, and learn where the master is.
//!
//! `ip,port,id,current epoch,master's name,master's ip,master's port,master's epoch`. Anybody who may publish can say one.

use super::actions::EventLevel;
use super::address::port_of;
use super::instance::InstanceId;
use super::state::Sentinel;
use crate::util::number::parse_u64;

/// The longest one: an address, a master's name, numbers.
const HELLO_MAX: usize = 2048;
/// Names of instances are so many hexadecimal digits.
const ID_LEN: usize = 40;

struct Hello<'h> {
    ip: &'h str,
    port: i64,
    run_id: &'h str,
    current_epoch: u64,
    master_name: &'h str,
    master_host: &'h str,
    master_port: i64,
    master_epoch: u64,
}

impl<'h> Hello<'h> {
    fn read(text: &'h str) -> Option<Self> {
        let parts: Vec<&str> = text.split(',').collect();
        let [
            ip,
            port,
            run_id,
            current_epoch,
            master_name,
            master_host,
            master_port,
            master_epoch,
        ] = parts[..]
        else {
            return None;
        };
        Some(Hello {
            ip,
            port: port_of(port)?,
            run_id: is_id(run_id).then_some(run_id)?,
            current_epoch: parse_u64(current_epoch.as_bytes())?,
            master_name,
            master_host,
            master_port: port_of(master_port)?,
            master_epoch: parse_u64(master_epoch.as_bytes())?,
        })
    }

    /// The highest epoch that it knows of. A failover was in an epoch that its Sentinel had come to, whatever is said.
    fn epoch(&self) -> u64 {
        self.current_epoch.max(self.master_epoch)
    }
}

/// Whether it is the name of an instance.
pub fn is_id(text: &str) -> bool {
    text.len() == ID_LEN && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Sentinel {
    /// Takes a hello in, once the names in it have been looked up.
    pub fn take_hello(&mut self, text: &[u8]) {
        if let Some(hello) = self.hello_in(text)
            && !self.hello_waits(text, [hello.ip, hello.master_host])
        {
            self.act_on_hello(&hello);
        }
    }

    /// Takes a hello in whose names have been looked up, whatever came of that.
    pub(super) fn take_hello_now(&mut self, text: &[u8]) {
        if let Some(hello) = self.hello_in(text) {
            self.act_on_hello(&hello);
        }
    }

    /// What is said of a master that is watched here by somebody else.
    fn hello_in<'h>(&self, text: &'h [u8]) -> Option<Hello<'h>> {
        if text.len() > HELLO_MAX {
            return None;
        }
        let said = std::str::from_utf8(text).ok()?;
        // It is no news that there is this one.
        let hello = (!said.contains(&self.id)).then(|| Hello::read(said))??;
        let is_watched = self.groups.contains_key(hello.master_name);
        (is_watched && self.believes(hello.epoch())).then_some(hello)
    }

    fn act_on_hello(&mut self, hello: &Hello<'_>) {
        let sender = match self.known_sender(hello) {
            Some(id) => Some(id),
            None => self.meet_sender(hello),
        };
        let name = hello.master_name;
        self.reach(name, hello.epoch());
        let Some(sender) = sender else { return };
        if self.groups[name].config_epoch < hello.master_epoch {
            self.take_newer(hello, sender);
        }
        self.at_mut(sender).voter.last_hello_ms = self.now_ms;
    }

    /// The Sentinel of this id, if it is known at this address.
    fn known_sender(&self, hello: &Hello<'_>) -> Option<InstanceId> {
        let id = *self.groups[hello.master_name].sentinels.get(hello.run_id)?;
        let address = self.hosts.address(hello.ip, hello.port, true).ok()?;
        self.at(id).address.is(&address).then_some(id)
    }

    /// Takes a Sentinel in, or its new address. Whoever was known at this address under another id is gone.
    fn meet_sender(&mut self, hello: &Hello<'_>) -> Option<InstanceId> {
        let name = hello.master_name;
        let address = self.hosts.address(hello.ip, hello.port, true).ok()?;
        let moved = self.remove_sentinel(name, hello.run_id);
        if moved {
            let more = format!(" ip {} port {} for {}", hello.ip, hello.port, hello.run_id);
            let master = self.groups[name].master;
            let level = EventLevel::Notice;
            self.tell_of(level, "+sentinel-address-switch", master, &more);
        } else {
            let mut others = self.groups[name].sentinels.values().copied();
            let there = others.find(|id| self.at(*id).address.is(&address));
            if let Some(other) = there {
                self.tell_of(EventLevel::Notice, "+sentinel-invalid-addr", other, "");
                let gone = self.at(other).name.clone();
                let groups: Vec<_> = self.groups.keys().cloned().collect();
                for group in groups {
                    self.remove_sentinel(&group, &gone);
                }
            }
        }
        let created = self.create_sentinel(name, hello.run_id, hello.ip, hello.port);
        let id = created.ok()?;
        if !moved {
            self.tell_of(EventLevel::Notice, "+sentinel", id, "");
        }
        self.share_link(id);
        if moved {
            self.move_sentinel(id);
        }
        self.save = true;
        Some(id)
    }

    /// Tells all masters' entries of a Sentinel where it is now.
    fn move_sentinel(&mut self, id: InstanceId) {
        let (run_id, address) = (self.at(id).name.clone(), self.at(id).address.clone());
        let entries = self.groups.values();
        let entries: Vec<InstanceId> = entries
            .filter_map(|group| group.sentinels.get(&run_id).copied())
            .collect();
        let mut moved = 0;
        for entry in entries {
            self.drop_link(entry);
            if entry != id {
                self.at_mut(entry).address = address.clone();
                moved += 1;
            }
        }
        if moved > 0 {
            let more = format!(" {moved} additional matching instances");
            self.tell_of(EventLevel::Notice, "+sentinel-address-update", id, &more);
        }
    }

    /// Another Sentinel knows of a later failover than this one.
    fn take_newer(&mut self, hello: &Hello<'_>, sender: InstanceId) {
        let name = hello.master_name;
        let place = self
            .hosts
            .address(hello.master_host, hello.master_port, false);
        let Ok(place) = place else {
            // It is told again, and may be understood then.
            return;
        };
        let group = self.group_mut(name);
        group.config_epoch = hello.master_epoch;
        let master = group.master;
        self.save = true;
        let before = self.at(master).address.clone();
        let same_place = i64::from(before.port) == hello.master_port
            && self.hosts.is_host_of(&before, hello.master_host);
        if same_place {
            return;
        }
        self.tell_of(EventLevel::Warning, "+config-update-from", sender, "");
        let text = format!(
            "{name} {} {} {} {}",
            self.shown(&before),
            before.port,
            hello.master_host,
            hello.master_port
        );
        self.tell(EventLevel::Warning, "+switch-master", Some(master), text);
        self.switch_master(name, place.clone());
        self.schedule_reconfig(name, false, &before, &place);
    }
}
