//! Connections that somebody has made who hasn't said who he is, or is nobody of the cluster.

use std::collections::HashSet;

use super::actions::Moment;
use super::link::BusLink;
use super::node::LinkId;
use super::state::Cluster;

/// Connections of which nobody knows whose they are, at most.
const STRANGERS_MAX: usize = 1024;

impl Cluster {
    /// Somebody has connected.
    pub fn accepted(&mut self, remote_ip: String, local_ip: String, moment: Moment) -> LinkId {
        if self.strangers() >= STRANGERS_MAX {
            self.close_a_stranger();
        }
        let link = self.new_link(None, moment);
        if let Some(held) = self.links.get_mut(&link) {
            held.open = true;
            held.remote_ip = remote_ip;
            held.local_ip = local_ip;
        }
        link
    }

    /// Closes the stranger's connection that has been silent for longest: at first those from where no node is.
    fn close_a_stranger(&mut self) {
        let places = self.nodes.iter().map(|(_, node)| node.place.ip.as_str());
        let places: HashSet<&str> = places.collect();
        let strangers = self.links.iter().filter(|(_, held)| held.node.is_none());
        let oldest = strangers.min_by_key(|(link, held)| {
            let last_ms = held.heard_ms.max(held.created_ms);
            (places.contains(held.remote_ip.as_str()), last_ms, **link)
        });
        if let Some(link) = oldest.map(|(link, _)| *link) {
            self.close_link(link);
        }
    }

    /// Closes connections that nobody has said anything over in time.
    pub(super) fn close_silent_strangers(&mut self, patience_ms: u64, moment: Moment) {
        let is_silent = |held: &BusLink| {
            let age_ms = moment.now_ms.saturating_sub(held.created_ms);
            held.inbound && held.node.is_none() && held.heard_ms == 0 && age_ms > patience_ms
        };
        let silent = self.links.iter().filter(|(_, held)| is_silent(held));
        let silent: Vec<LinkId> = silent.map(|(link, _)| *link).collect();
        silent.into_iter().for_each(|link| self.close_link(link));
    }

    /// Connections of which nobody knows whose they are.
    pub fn strangers(&self) -> usize {
        let links = self.links.values();
        links.filter(|held| held.node.is_none()).count()
    }
}
