//! What directives say of the cluster.

use super::node::flag;
use super::state::Cluster;

/// What directives say; replaced whole when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterSettings {
    pub node_timeout_ms: u64,
    pub validity_factor: u64,
    pub migration_barrier: usize,
    pub allow_migration: bool,
    pub full_coverage: bool,
    pub no_failover: bool,
    pub blacklist_ttl_ms: u64,
    pub manual_failover_ms: u64,
    pub repl_ping_period_ms: u64,
    /// Bytes that may wait for one node; 0 for no limit.
    pub link_bytes_max: usize,
    /// The address that is announced; empty to have others find it out.
    pub announce_ip: String,
    /// Announced ports of this node.
    pub tcp_port: u16,
    pub tls_port: u16,
    pub bus_port: u16,
    /// The bus speaks TLS, and clients' main port is the one over TLS.
    pub tls: bool,
    pub hostname: String,
    pub human_name: String,
    /// It is alone, owns every slot and waits for nobody.
    pub lone: bool,
}

impl Cluster {
    /// Takes other settings, after the directives have changed.
    pub fn configure(&mut self, settings: ClusterSettings) {
        let me = &mut self.nodes[self.myself];
        me.place.tcp_port = settings.tcp_port;
        me.place.tls_port = settings.tls_port;
        me.place.bus_port = settings.bus_port;
        if !settings.announce_ip.is_empty() {
            me.place.ip.clone_from(&settings.announce_ip);
        } else if !self.settings.announce_ip.is_empty() {
            me.place.ip.clear();
        }
        me.hostname.clone_from(&settings.hostname);
        me.human_name.clone_from(&settings.human_name);
        me.put(flag::NO_FAILOVER, settings.no_failover);
        self.settings = settings;
        self.noted();
    }

    pub fn settings(&self) -> &ClusterSettings {
        &self.settings
    }
}
