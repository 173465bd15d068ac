//! Names of hosts that have to be looked up before what names them is taken in.
//!
//! Whoever publishes hellos or answers INFO chooses the names, and a name server may take long. So each text is looked up for
//! once, whatever comes of it, and few of them wait at a time: what is left out is said again before long.

use std::collections::{BTreeSet, HashMap};

use super::actions::{Again, SentinelAction};
use super::instance::InstanceId;
use super::state::Sentinel;

/// Hellos that wait for names at a time.
const HELLOS_MAX: usize = 64;

impl Sentinel {
    /// Those whose addresses somebody has to look up.
    fn unknown_hosts<'h>(&self, hosts: impl IntoIterator<Item = &'h str>) -> Vec<String> {
        let hosts: BTreeSet<&str> = hosts.into_iter().collect();
        let unknown = hosts.into_iter().filter(|host| self.hosts.is_unknown(host));
        unknown.map(str::to_owned).collect()
    }

    /// Whether a hello has to wait for names, or is left out, as too many wait.
    pub(super) fn hello_waits(&mut self, text: &[u8], hosts: [&str; 2]) -> bool {
        let names = self.unknown_hosts(hosts);
        if names.is_empty() {
            return false;
        }
        if self.waiting_hellos < HELLOS_MAX {
            self.waiting_hellos += 1;
            let again = Again::Hello(text.to_vec());
            self.actions.push(SentinelAction::LookUp { names, again });
        }
        true
    }

    /// Whether what an instance says of itself has to wait for names, or is left out, as something that it has said waits.
    pub(super) fn info_waits<'h>(
        &mut self,
        from: InstanceId,
        text: &[u8],
        hosts: impl IntoIterator<Item = &'h str>,
    ) -> bool {
        let names = self.unknown_hosts(hosts);
        if names.is_empty() {
            return false;
        }
        if self.at(from).waiting_info.is_none() {
            let number = self.next_number();
            self.at_mut(from).waiting_info = Some(number);
            let text = text.to_vec();
            let again = Again::Info { from, number, text };
            self.actions.push(SentinelAction::LookUp { names, again });
        }
        true
    }

    /// The names have been looked up for whoever had to wait for them: it is taken in now, though some may be unknown still.
    pub fn looked_up(&mut self, answers: Vec<(String, Option<String>)>, again: Again) {
        self.learn_all(answers);
        match again {
            Again::Hello(text) => {
                self.waiting_hellos = self.waiting_hellos.saturating_sub(1);
                self.take_hello_now(&text);
            }
            Again::Info { from, number, text } => {
                // It may be gone, or another one be watched in its place.
                if let Some(one) = self.instances.get_mut(&from)
                    && one.waiting_info == Some(number)
                {
                    one.waiting_info = None;
                    self.take_info_now(from, text);
                }
            }
        }
        self.hosts.forget_failures();
    }

    /// Learns what a name of a host means now.
    pub fn learn(&mut self, host: &str, ip: Option<String>) {
        self.learn_all(vec![(host.to_owned(), ip)]);
    }

    fn learn_all(&mut self, answers: Vec<(String, Option<String>)>) {
        let found = answers.iter();
        let found = found.filter_map(|(host, ip)| Some((host.as_str(), ip.as_ref()?)));
        let found: HashMap<&str, &String> = found.collect();
        for one in self.instances.values_mut() {
            if let Some(ip) = found.get(one.address.host.as_str()) {
                one.address.ip.clone_from(ip);
            }
        }
        for (host, ip) in answers {
            self.hosts.learn(host, ip);
        }
    }
}
