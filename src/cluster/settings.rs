//! What directives say of the cluster.

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
