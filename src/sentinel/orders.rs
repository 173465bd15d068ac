//! What whoever runs this Sentinel, or another Sentinel, may ask of it by the SENTINEL command.

use super::actions::{EventLevel, SentinelAction};
use super::conf::kept_number;
use super::instance::InstanceId;
use super::state::{Sentinel, SimulatedFailures};
use crate::util::glob;

/// Why an order is not followed: the error reply without its `ERR`, or with another code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SentinelRefused {
    Says(String),
    Code(String),
}

impl SentinelRefused {
    pub(super) fn says(text: impl Into<String>) -> Self {
        SentinelRefused::Says(text.into())
    }
}

type Order<T> = Result<T, SentinelRefused>;

/// A run id or a `*` is asked for; longer words are not kept.
const CANDIDATE_MAX: usize = 64;

impl Sentinel {
    /// Whether the name of a host has to be looked up before an order is given that names it.
    pub fn is_unknown_host(&self, host: &str) -> bool {
        self.hosts.is_unknown(host)
    }

    /// SENTINEL MONITOR.
    pub fn monitor(&mut self, name: &str, host: &str, port: i64, quorum: i64) -> Order<()> {
        if quorum <= 0 {
            return Err(SentinelRefused::says("Quorum must be 1 or greater."));
        }
        if i32::try_from(quorum).is_err() {
            // The file would say something else when it is read.
            return Err(SentinelRefused::says("Invalid quorum"));
        }
        if self.hosts.resolve(host).is_none() {
            self.hosts.forget_failures();
            let why = "Invalid IP address or hostname specified";
            return Err(SentinelRefused::says(why));
        }
        let created = self.create_master(name, host, port, quorum);
        created.map_err(|why| SentinelRefused::says(why.text()))?;
        self.save = true;
        self.tell_monitored(name);
        Ok(())
    }

    /// SENTINEL REMOVE; false if no such master is watched.
    pub fn unmonitor(&mut self, name: &str) -> bool {
        let Some(group) = self.groups.get(name) else {
            return false;
        };
        let master = group.master;
        self.tell_of(EventLevel::Warning, "-monitor", master, "");
        self.remove_master(name);
        self.save = true;
        true
    }

    /// SENTINEL RESET: how many masters were reset.
    pub fn reset(&mut self, pattern: &[u8]) -> usize {
        let names = self.groups.keys();
        let names: Vec<_> = names
            .filter(|name| glob::matches(pattern, name.as_bytes(), false))
            .cloned()
            .collect();
        for name in &names {
            self.reset_master(name, true);
            let master = self.groups[name].master;
            self.tell_of(EventLevel::Warning, "+reset-master", master, "");
        }
        names.len()
    }

    /// SENTINEL FAILOVER; none if no such master is watched.
    pub fn force_failover(&mut self, name: &str) -> Option<Order<()>> {
        let is_on = self.groups.get(name)?.failover.is_on;
        Some(self.begin_forced(name, is_on))
    }

    fn begin_forced(&mut self, name: &str, is_on: bool) -> Order<()> {
        if is_on {
            let why = "INPROG Failover already in progress";
            return Err(SentinelRefused::Code(why.to_owned()));
        }
        if self.best_replica(name).is_none() {
            let why = "NOGOODSLAVE No suitable replica to promote";
            return Err(SentinelRefused::Code(why.to_owned()));
        }
        self.actions.push(SentinelAction::Log(format!(
            "Executing user requested FAILOVER of '{name}'"
        )));
        self.start_failover(name);
        self.group_mut(name).failover.forced = true;
        Ok(())
    }

    /// SENTINEL CKQUORUM: how many Sentinels can be reached; none if no such master is watched.
    pub fn check_quorum(&self, name: &str) -> Option<Order<usize>> {
        let group = self.groups.get(name)?;
        let voters = group.sentinels.len() + 1;
        let others = group.sentinels.values();
        let usable = 1 + others.filter(|id| !self.at(**id).s_down).count();
        let no_quorum = (usable as i64) < group.quorum;
        let no_majority = usable < voters / 2 + 1;
        let mut why = format!("NOQUORUM {usable} usable Sentinels. ");
        if no_quorum {
            why += "Not enough available Sentinels to reach the specified quorum for this master";
        }
        if no_majority {
            why += if no_quorum { ". " } else { "" };
            why += "Not enough available Sentinels to reach the majority and authorize a failover";
        }
        Some(match no_quorum || no_majority {
            true => Err(SentinelRefused::Code(why)),
            false => Ok(usable),
        })
    }

    /// SENTINEL IS-MASTER-DOWN-BY-ADDR: whether it is down in the eyes of this Sentinel, and, if a vote is asked for, whom the
    /// vote is for, and in which epoch.
    pub fn is_master_down(
        &mut self,
        host: &str,
        port: i64,
        epoch: u64,
        candidate: &str,
    ) -> (bool, Option<String>, u64) {
        let Some(master) = self.master_at(host, port) else {
            return (false, None, 0);
        };
        let is_down = self.tilt_since_ms.is_none() && self.at(master).s_down;
        if candidate == "*" || candidate.len() > CANDIDATE_MAX {
            return (is_down, None, 0);
        }
        let name = self.at(master).group.clone();
        if !self.believes(epoch) {
            return (is_down, None, 0);
        }
        let (leader, leader_epoch) = self.vote(&name, epoch, candidate);
        (is_down, leader, leader_epoch)
    }

    fn master_at(&self, host: &str, port: i64) -> Option<InstanceId> {
        let address = self.hosts.address(host, port, true).ok()?;
        let mut masters = self.groups.values().map(|group| group.master);
        masters.find(|id| self.at(*id).address.is(&address))
    }

    /// SENTINEL SIMULATE-FAILURE.
    pub fn simulate(&mut self, after_election: bool, after_promotion: bool) {
        self.failures = SimulatedFailures {
            after_election,
            after_promotion,
        };
        if after_election {
            self.actions.push(SentinelAction::Log(
                "Failure simulation: this Sentinel will crash after being successfully elected as failover leader".to_owned(),
            ));
        }
        if after_promotion {
            self.actions.push(SentinelAction::Log(
                "Failure simulation: this Sentinel will crash after promoting the selected replica to master".to_owned(),
            ));
        }
    }

    /// SENTINEL DEBUG without arguments.
    pub fn periods(&mut self) -> [(&'static str, i64); 13] {
        self.periods.named().map(|(name, period)| (name, *period))
    }

    /// SENTINEL DEBUG with names and values; those before one that is refused are set.
    pub fn set_periods(&mut self, words: &[&[u8]]) -> Order<()> {
        for pair in words.chunks(2) {
            let option = String::from_utf8_lossy(pair[0]);
            let named = self.periods.named();
            let mut named = named.into_iter();
            let (Some((_, period)), [_, value]) = (
                named.find(|(name, _)| name.eq_ignore_ascii_case(&option)),
                pair,
            ) else {
                return Err(SentinelRefused::says(format!(
                    "Unknown option or number of arguments for SENTINEL DEBUG '{option}'"
                )));
            };
            match kept_number(value, 1) {
                Some(number) => *period = number,
                None => {
                    let value = String::from_utf8_lossy(value);
                    return Err(SentinelRefused::says(format!(
                        "Invalid argument '{value}' for SENTINEL DEBUG '{option}'"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Has the file written.
    pub fn flush(&mut self) {
        self.save = true;
    }
}
