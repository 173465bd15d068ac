//! The one list of directives. A line here is the name, the alias, the type, the default, the bounds,
//! who may change it, what it means, and its documentation; nothing about a directive stands elsewhere.
//!
//! `config.maxmemory.get()` reads the directive `maxmemory`; dashes in names are underscores here.

use super::choices::*;
use super::directive::{Traits, dashed};
use super::flags::*;
use super::special::*;
use super::values::*;

/// One directive: a line of the table, less its value.
pub struct Directive {
    pub name: &'static str,
    pub alias: Option<&'static str>,
    pub traits: Traits,
    /// What it is for, in one line.
    pub doc: &'static str,
    pub(super) cell: fn(&Config) -> &dyn Setting,
}

impl Directive {
    /// Whether `name` is this directive's name or alias, in either case.
    pub fn answers_to(&self, name: &[u8]) -> bool {
        self.called(name).is_some()
    }

    /// The one of our names that `name` spells.
    pub fn called(&self, name: &[u8]) -> Option<&'static str> {
        [Some(self.name), self.alias]
            .into_iter()
            .flatten()
            .find(|own| name.eq_ignore_ascii_case(own.as_bytes()))
    }
}

impl PartialEq for Directive {
    fn eq(&self, other: &Directive) -> bool {
        self.name == other.name
    }
}

impl Eq for Directive {}

impl std::fmt::Debug for Directive {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}

macro_rules! directives {
    ($($field:ident $(| $alias:literal)?: $cell:ty = $default:expr, $traits:expr, $doc:literal;)+) => {
        /// The value of every directive. Reading one costs an atomic load; any thread may read or set.
        pub struct Config {
            $(#[doc = $doc] pub $field: $cell,)+
        }

        impl Config {
            /// Every directive at its default.
            pub fn new() -> Config {
                Config { $($field: $default,)+ }
            }
        }

        /// Every directive, in the order of the list.
        pub static DIRECTIVES: &[Directive] = &[$(Directive {
            name: {
                const FIELD: &str = stringify!($field);
                const NAME: [u8; FIELD.len()] = dashed(FIELD);
                match str::from_utf8(&NAME) {
                    Ok(name) => name,
                    Err(_) => panic!("directives are named in ASCII"),
                }
            },
            alias: directives!(@alias $($alias)?),
            traits: $traits,
            doc: $doc,
            cell: |config| &config.$field,
        },)+];
    };
    (@alias) => { None };
    (@alias $alias:literal) => { Some($alias) };
}

const LIVE: Traits = Traits::LIVE;
const ONE_ADDRESS: Traits =
    Traits::ignored("clients are told the address that the other nodes use, or the host name");
const NO_DH: Traits = Traits::ignored("keys are exchanged by elliptic curves alone");
const OWN_PACE: Traits =
    Traits::ignored("every worker does one handshake between two looks at its sockets");
const OWN_TIME: Traits =
    Traits::ignored("sessions are resumed for as long as TLS's library has it");
const NO_OTHER_PATHS: Traits = Traits::ignored("connections have one path");
const NO_RDMA: Traits = Traits::ignored("there is no RDMA");
const LOOKS_AHEAD: Traits = Traits::ignored("up to 16 requests are looked up together, always");
const ONE_LOG_FORMAT: Traits = Traits::ignored("log lines have one format");
const NO_TEMPLATES: Traits = Traits::ignored("hashes do not share field names");
const NO_DEFRAG: Traits = Traits::ignored("memory is not moved to defragment it");
const ALWAYS_LAZY: Traits = Traits::ignored("large values are always freed off the client's time");
const NO_CPU_LISTS: Traits = Traits::ignored("threads are not bound to processors");
const DEBUG_ONLY: Traits = Traits::ignored("it serves tests of the original server");

const INT: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;
const SIZE: u64 = i64::MAX as u64;

/// Container images of Redis are built with protected mode off, as published ports are reached from outside on purpose.
/// Ours says so in its environment, so that the program in it is the one that was tested, and whatever command starts it.
fn protected_by_default() -> bool {
    std::env::var_os("VERMILION_PROTECTED_MODE").is_none_or(|word| word != "no")
}

fn is_no_defrag(on: bool) -> Result<(), &'static str> {
    match on {
        false => Ok(()),
        true => Err(
            "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified Jemalloc \
             like the one shipped by default with the Redis source distribution",
        ),
    }
}

fn plain_file_name(name: &[u8]) -> bool {
    !name.contains(&b'/')
}

fn is_dump_name(name: &[u8]) -> Result<(), &'static str> {
    if plain_file_name(name) {
        Ok(())
    } else {
        Err("dbfilename can't be a path, just a filename")
    }
}

fn is_log_name(name: &[u8]) -> Result<(), &'static str> {
    match name {
        [] => Err("appendfilename can't be empty"),
        name if plain_file_name(name) => Ok(()),
        _ => Err("appendfilename can't be a path, just a filename"),
    }
}

fn is_log_dir(name: &[u8]) -> Result<(), &'static str> {
    match name {
        [] => Err("appenddirname can't be empty"),
        name if plain_file_name(name) => Ok(()),
        _ => Err("appenddirname can't be a path, just a dirname"),
    }
}

fn is_backup_dir(name: &[u8]) -> Result<(), &'static str> {
    match name {
        [] => Err("backupdirname can't be empty"),
        name if plain_file_name(name) => Ok(()),
        _ => Err("backupdirname can't be a path, just a dirname"),
    }
}

fn is_preload_file(name: &[u8]) -> Result<(), &'static str> {
    let rest = name.strip_prefix(b"aof:/").or(name.strip_prefix(b"rdb:/"));
    let Some(rest) = rest else {
        return match name {
            [] => Ok(()),
            _ => Err("argument must be in the format '[aof|rdb]:[filename]'"),
        };
    };
    let mut parts = rest.split(|byte| *byte == b'/');
    if parts.any(|part| [&b""[..], b".", b".."].contains(&part)) {
        return Err("preload-file path must be a normalized absolute file path");
    }
    match rest.iter().rposition(|byte| *byte == b'.') {
        Some(at) if at + 1 < rest.len() => Ok(()),
        _ => Err("preload-file must end with an extension"),
    }
}

fn is_host_name(name: &[u8]) -> Result<(), &'static str> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    match name {
        name if name.len() >= 256 => Err("Hostnames must be less than 256 characters"),
        name if name.iter().all(fits) => Ok(()),
        _ => Err("Hostnames may only contain alphanumeric characters, hyphens or dots"),
    }
}

fn is_node_name(name: &[u8]) -> Result<(), &'static str> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    match name {
        name if name.len() >= 256 => Err("Node name must be less than 256 characters"),
        name if name.iter().all(fits) => Ok(()),
        _ => Err("Announced human node name contained invalid character"),
    }
}

fn is_title_template(template: &[u8]) -> Result<(), &'static str> {
    const KNOWN: [&str; 7] = [
        "title",
        "listen-addr",
        "server-mode",
        "port",
        "tls-port",
        "unixsocket",
        "config-file",
    ];
    let template = String::from_utf8_lossy(template);
    let mut parts = template.split('{').skip(1);
    let known = |part: &str| {
        part.split_once('}')
            .is_some_and(|(name, _)| KNOWN.contains(&name))
    };
    if parts.all(known) {
        Ok(())
    } else {
        Err("template format is invalid or contains unknown variables")
    }
}

directives! {
    // Network.
    bind: CompositeCell<BindAddresses> = CompositeCell::new(BindAddresses::default()), LIVE.words(), "Addresses to listen on; one with a dash in front may fail.";
    bind_source_addr: Text = Text::optional(), LIVE, "Address from which connections to a master are made.";
    protected_mode: Bool = Bool::new(protected_by_default()), LIVE, "Without a password and a bind address, serve this machine alone.";
    enable_protected_configs: Pick<Allowed> = Pick::new(Allowed::No), LIVE.fixed(), "Who may CONFIG SET the protected directives dir and dbfilename.";
    enable_debug_command: Pick<Allowed> = Pick::new(Allowed::No), LIVE.fixed(), "Who may use DEBUG.";
    enable_module_command: Pick<Allowed> = Pick::new(Allowed::No), Traits::ignored("there are no modules").fixed(), "Who may use MODULE.";
    port: Int = Int::new(6379, 0, 65535), LIVE, "TCP port to listen on; 0 for none.";
    tcp_backlog: Int = Int::new(511, 0, INT), LIVE.fixed(), "Connections the kernel keeps waiting for accept.";
    unixsocket: Text = Text::optional(), LIVE.fixed(), "Path of a Unix socket to listen on.";
    unixsocketgroup: Text = Text::optional(), Traits::ignored("the socket has the group of the process").fixed(), "Group of the Unix socket.";
    unixsocketperm: Int = Int::octal(0, 0, 0o777), LIVE.fixed(), "Permissions of the Unix socket, in octal.";
    timeout: Int = Int::new(0, 0, INT), LIVE, "Seconds after which an idle client is closed; 0 for never.";
    tcp_keepalive: Int = Int::new(300, 0, INT), LIVE, "Seconds between probes of a silent connection; 0 for none.";
    socket_mark_id: Int = Int::new(0, 0, u32::MAX as i64), Traits::ignored("sockets carry no mark").fixed(), "Mark of listening sockets for packet filters.";
    max_new_connections_per_cycle: Int = Int::new(10, 1, 1000), Traits::ignored("accepting never holds up other clients"), "New connections accepted in one turn of the event loop.";
    max_new_tls_connections_per_cycle: Int = Int::new(1, 1, 1000), OWN_PACE, "New TLS connections accepted in one turn of the event loop.";

    // TLS.
    tls_port: Int = Int::new(0, 0, 65535), LIVE, "TCP port for TLS connections; 0 for none.";
    tls_cert_file: Text = Text::optional(), LIVE, "Certificate of the server.";
    tls_key_file: Text = Text::optional(), LIVE, "Private key of the server.";
    tls_key_file_pass: Text = Text::optional(), LIVE.sensitive(), "Passphrase of the private key.";
    tls_client_cert_file: Text = Text::optional(), LIVE, "Certificate shown to a master.";
    tls_client_key_file: Text = Text::optional(), LIVE, "Private key of the certificate shown to a master.";
    tls_client_key_file_pass: Text = Text::optional(), LIVE.sensitive(), "Passphrase of the key of the certificate shown to a master.";
    tls_dh_params_file: Text = Text::optional(), NO_DH, "Diffie-Hellman parameters.";
    tls_ca_cert_file: Text = Text::optional(), LIVE, "Authorities that clients' certificates are checked against.";
    tls_ca_cert_dir: Text = Text::optional(), LIVE, "Directory of authorities.";
    tls_auth_clients: Pick<TlsAuth> = Pick::new(TlsAuth::Yes), LIVE, "Whether clients must show a certificate.";
    tls_auth_clients_user: Pick<TlsUser> = Pick::new(TlsUser::Off), LIVE, "What in a client's certificate names the ACL user that it is: CN, URI, or off.";
    tls_auto_reload_interval: Int = Int::new(60, 0, INT), LIVE, "Seconds between two looks at whether certificate files have changed; 0 for never.";
    tls_handshake_timeout: Int = Int::new(60, 1, INT), LIVE, "Seconds that a client has to agree on TLS before it is closed.";
    tls_groups: Text = Text::optional(), LIVE, "Groups for the exchange of keys.";
    tls_replication: Bool = Bool::new(false), LIVE, "Speak TLS to a master.";
    tls_cluster: Bool = Bool::new(false), LIVE, "Speak TLS on the cluster's bus, and to other servers by MIGRATE.";
    tls_protocols: Text = Text::optional(), LIVE, "Versions of TLS to accept.";
    tls_ciphers: Text = Text::optional(), LIVE, "Ciphers of TLS 1.2 and older.";
    tls_ciphersuites: Text = Text::optional(), LIVE, "Cipher suites of TLS 1.3.";
    tls_prefer_server_ciphers: Bool = Bool::new(false), LIVE, "Choose ciphers by the server's preference.";
    tls_session_caching: Bool = Bool::new(true), LIVE, "Let clients resume a TLS session.";
    tls_session_cache_size: Int = Int::new(20480, 0, INT), LIVE, "TLS sessions kept.";
    tls_session_cache_timeout: Int = Int::new(300, 0, INT), OWN_TIME, "Seconds a TLS session is kept.";

    // General.
    daemonize: Bool = Bool::new(false), LIVE.fixed(), "Run in the background.";
    supervised: Pick<Supervised> = Pick::new(Supervised::No), LIVE.fixed(), "Which supervisor to tell that the server is ready.";
    pidfile: Text = Text::optional(), LIVE.fixed(), "File that holds the process id while the server runs.";
    loglevel: Pick<LogLevel> = Pick::new(LogLevel::Notice), LIVE, "How much to log.";
    logfile: Text = Text::new(""), LIVE.fixed(), "File to log to; empty for standard output.";
    hide_user_data_from_log: Bool = Bool::new(false), LIVE, "Keep keys and values out of the log.";
    syslog_enabled: Bool = Bool::new(false), LIVE.fixed(), "Log to the system log as well.";
    syslog_ident: Text = Text::new("redis"), LIVE.fixed(), "Name of the server in the system log.";
    syslog_facility: Pick<SyslogFacility> = Pick::new(SyslogFacility::Local0), LIVE.fixed(), "Facility of the system log.";
    crash_log_enabled: Bool = Bool::new(true), LIVE, "Log a report of the stack when a signal or DEBUG ends the server.";
    crash_memcheck_enabled: Bool = Bool::new(true), Traits::ignored("memory is not tested"), "Test memory after a crash.";
    databases: Int = Int::new(16, 1, INT), LIVE.fixed(), "Number of databases for SELECT.";
    always_show_logo: Bool = Bool::new(false), LIVE.fixed(), "Show a logo at start even when logging to a file.";
    set_proc_title: Bool = Bool::new(true), Traits::ignored("the process keeps its title").fixed(), "Change the process's title.";
    proc_title_template: Text = Text::new("{title} {listen-addr} {server-mode}").checked(is_title_template), Traits::ignored("the process keeps its title"), "What the process's title says.";
    locale_collate: Text = Text::new(""), Traits::ignored("text is compared by bytes, in every locale"), "Locale by which SORT ALPHA and scripts compare text.";
    ignore_warnings: Text = Text::new(""), Traits::ignored("no warning stops this server"), "Start-up warnings that do not stop the server.";

    // Snapshots.
    save: CompositeCell<SavePoints> = CompositeCell::new(SavePoints::default()), LIVE.words(), "Snapshot after so many seconds if so many changes were made; \"\" for never.";
    stop_writes_on_bgsave_error: Bool = Bool::new(true), LIVE, "Refuse writes after a snapshot failed.";
    rdbcompression: Bool = Bool::new(true), LIVE, "Compress strings in snapshots.";
    rdb_version: Pick<RdbVersion> = Pick::new(RdbVersion::Auto), LIVE, "Version of the snapshot format to write; auto for the lowest that can carry the data.";
    rdb_dialect: Pick<RdbDialect> = Pick::new(RdbDialect::Redis), LIVE, "Whose snapshot format to write where they differ: redis or valkey.";
    rdb_skip_unknown: Bool = Bool::new(false), LIVE, "Load a snapshot without its keys of kinds that this server does not have, and keep the original file.";
    rdbchecksum: Bool = Bool::new(true), LIVE.fixed(), "End snapshots with a checksum, and check it when loading.";
    sanitize_dump_payload: Pick<SanitizeDump> = Pick::new(SanitizeDump::No), Traits::ignored("payloads are checked to the last byte, always"), "Whose RESTORE payloads and snapshots are checked in full.";
    dbfilename: Text = Text::new("dump.rdb").checked(is_dump_name), LIVE.protected(), "Name of the snapshot file.";
    rdb_del_sync_files: Bool = Bool::new(false), LIVE, "Delete snapshots made only to feed replicas.";
    rdb_save_incremental_fsync: Bool = Bool::new(true), LIVE, "Sync a snapshot to disk a few megabytes at a time.";
    dir: CompositeCell<Directory> = CompositeCell::new(Directory::current()), LIVE.protected(), "Directory of the data files.";
    rdb_key_save_delay: Int = Int::new(0, i32::MIN as i64, INT), LIVE.hidden(), "Microseconds to wait after each key saved, for tests.";
    key_load_delay: Int = Int::new(0, i32::MIN as i64, INT), LIVE.hidden(), "Microseconds to wait after each key loaded, for tests.";
    loading_process_events_interval_bytes: Int = Int::new(2 << 20, 1024, INT), DEBUG_ONLY.hidden(), "Bytes loaded between two looks at clients.";

    // Replication.
    replicaof | "slaveof": CompositeCell<ReplicaOf> = CompositeCell::new(ReplicaOf::default()), LIVE.fixed().words(), "Host and port of the master to copy.";
    masterauth | "primaryauth": Text = Text::optional(), LIVE.sensitive(), "Password for the master.";
    masteruser | "primaryuser": Text = Text::optional(), LIVE.sensitive(), "User name for the master.";
    replica_serve_stale_data | "slave-serve-stale-data": Bool = Bool::new(true), LIVE, "Answer reads while the master is away.";
    replica_read_only | "slave-read-only": Bool = Bool::new(true), LIVE, "Refuse writes on a replica.";
    replica_lazy_flush | "slave-lazy-flush": Bool = Bool::new(false), ALWAYS_LAZY, "Free the old data in the background before a full sync.";
    replica_ignore_maxmemory | "slave-ignore-maxmemory": Bool = Bool::new(true), LIVE, "Leave eviction to the master.";
    replica_ignore_disk_write_errors: Bool = Bool::new(false), Traits::ignored("a replica always goes on"), "Go on applying the master's commands when the disk fails.";
    replica_priority | "slave-priority": Int = Int::new(100, 0, INT), LIVE, "Rank for promotion by Sentinel; 0 for never.";
    replica_announced: Bool = Bool::new(true), LIVE, "Let Sentinel name this replica to clients.";
    replica_announce_ip | "slave-announce-ip": Text = Text::optional(), LIVE, "Address to tell the master instead of our own.";
    replica_announce_port | "slave-announce-port": Int = Int::new(0, 0, 65535), LIVE, "Port to tell the master instead of our own.";
    repl_diskless_sync: Bool = Bool::new(true), LIVE, "Send a full sync straight to the socket.";
    repl_diskless_sync_delay: Int = Int::new(5, 0, INT), LIVE, "Seconds to wait for more replicas before a full sync.";
    repl_diskless_sync_max_replicas: Int = Int::new(0, 0, INT), LIVE, "Start a full sync at once when so many replicas wait; 0 for no such number.";
    repl_diskless_load: Pick<DisklessLoad> = Pick::new(DisklessLoad::Disabled), LIVE, "Load a full sync straight from the socket.";
    repl_ping_replica_period | "repl-ping-slave-period": Int = Int::new(10, 1, INT), LIVE, "Seconds between pings to replicas.";
    repl_timeout: Int = Int::new(60, 1, INT), LIVE, "Seconds of silence after which a replication link is dead.";
    repl_disable_tcp_nodelay: Bool = Bool::new(false), LIVE, "Send to replicas in fewer, larger packets.";
    repl_backlog_size: Memory = Memory::new(1 << 20, 1, SIZE).at_least(16 << 10), LIVE, "Bytes kept for replicas that come back.";
    repl_backlog_ttl: Int = Int::new(3600, 0, LONG), LIVE, "Seconds the backlog is kept after the last replica left; 0 for ever.";
    min_replicas_to_write | "min-slaves-to-write": Int = Int::new(0, 0, INT), LIVE, "Refuse writes with fewer good replicas; 0 for never.";
    min_replicas_max_lag | "min-slaves-max-lag": Int = Int::new(10, 0, INT), LIVE, "Seconds of silence after which a replica is not good.";
    propagation_error_behavior: Pick<PropagationError> = Pick::new(PropagationError::Ignore), Traits::ignored("a replica logs it and goes on"), "What a replica does when a replicated command fails.";

    // Clients and security.
    requirepass: Text = Text::optional(), LIVE.sensitive(), "Password of the default user.";
    aclfile: Text = Text::new(""), LIVE.fixed(), "File of ACL users.";
    acllog_max_len: Int = Int::new(128, 0, LONG), LIVE, "Entries kept by ACL LOG.";
    acl_pubsub_default: Pick<PubsubDefault> = Pick::new(PubsubDefault::Resetchannels), LIVE, "Which channels a new user may use.";
    maxclients: Int = Int::new(10000, 1, u32::MAX as i64), LIVE, "Clients connected at one time.";
    tracking_table_max_keys: Int = Int::new(1_000_000, 0, LONG), LIVE, "Keys remembered for client side caches; 0 for no limit.";
    client_query_buffer_limit: Memory = Memory::new(1 << 30, 1 << 20, SIZE), LIVE, "Bytes of one client's unread requests.";
    client_output_buffer_limit: CompositeCell<OutputLimits> = CompositeCell::new(OutputLimits::default()), LIVE.words(), "Class, hard limit, soft limit and its seconds; a client with more unread replies is closed.";
    proto_max_bulk_len: Memory = Memory::new(512 << 20, 1 << 20, SIZE), LIVE, "Longest argument of a request.";

    // Memory.
    maxmemory: Memory = Memory::new(0, 0, SIZE), LIVE, "Bytes of data to hold; 0 for no limit.";
    maxmemory_policy: Pick<MaxmemoryPolicy> = Pick::new(MaxmemoryPolicy::Noeviction), LIVE, "Which keys make room when memory is full.";
    maxmemory_samples: Int = Int::new(5, 1, 64), LIVE, "Keys compared to find one to evict.";
    maxmemory_eviction_tenacity: Int = Int::new(10, 0, 100), Traits::ignored("a command gives up a few keys at most, and the next one goes on"), "How long one command may spend on eviction, from 0 to 100.";
    maxmemory_clients: MemoryShare = MemoryShare::none(), LIVE, "Memory of all clients together, in bytes or percent of maxmemory; 0 for no limit.";
    lfu_log_factor: Int = Int::new(10, 0, INT), LIVE, "How many uses it takes to raise a key's frequency.";
    lfu_decay_time: Int = Int::new(1, 0, INT), LIVE, "Minutes after which a key's frequency falls by one.";
    active_expire_effort: Int = Int::new(1, 1, 10), Traits::ignored("due keys are removed on time at any effort"), "Effort spent on finding due keys, from 1 to 10.";
    lazyfree_lazy_eviction: Bool = Bool::new(false), ALWAYS_LAZY, "Free evicted values in the background.";
    lazyfree_lazy_expire: Bool = Bool::new(false), ALWAYS_LAZY, "Free expired values in the background.";
    lazyfree_lazy_server_del: Bool = Bool::new(false), ALWAYS_LAZY, "Free overwritten values in the background.";
    lazyfree_lazy_user_del: Bool = Bool::new(false), ALWAYS_LAZY, "Make DEL free as UNLINK does.";
    lazyfree_lazy_user_flush: Bool = Bool::new(false), ALWAYS_LAZY, "Make FLUSHALL and FLUSHDB asynchronous unless told otherwise.";
    activedefrag: Bool = Bool::new(false).checked(is_no_defrag), NO_DEFRAG, "Defragment memory while running: yes is refused.";
    active_defrag_ignore_bytes: Memory = Memory::new(100 << 20, 1, SIZE), NO_DEFRAG, "Waste below which nothing is defragmented.";
    active_defrag_threshold_lower: Int = Int::new(10, 0, 1000), NO_DEFRAG, "Percent of waste at which defragmenting starts.";
    active_defrag_threshold_upper: Int = Int::new(100, 0, 1000), NO_DEFRAG, "Percent of waste at which effort is greatest.";
    active_defrag_cycle_min: Int = Int::new(1, 1, 99), NO_DEFRAG, "Least percent of processor time to spend.";
    active_defrag_cycle_max: Int = Int::new(25, 1, 99), NO_DEFRAG, "Most percent of processor time to spend.";
    active_defrag_max_scan_fields: Int = Int::new(1000, 1, LONG), NO_DEFRAG, "Members above which a value is defragmented by itself.";
    jemalloc_bg_thread: Bool = Bool::new(true), LIVE, "Let the allocator purge in threads of its own.";

    // Kernel.
    oom_score_adj: Pick<OomScoreAdj> = Pick::new(OomScoreAdj::No), LIVE, "Whether to set the kernel's out of memory score.";
    oom_score_adj_values: CompositeCell<OomValues> = CompositeCell::new(OomValues([0, 200, 800])), LIVE.words(), "Scores of a master, a replica and a background child, which there is none of.";
    disable_thp: Bool = Bool::new(true), Traits::ignored("huge pages cost nothing without a fork").fixed(), "Do without transparent huge pages.";
    server_cpulist | "server_cpulist": Text = Text::optional(), NO_CPU_LISTS.fixed(), "Processors of the server's threads.";
    bio_cpulist | "bio_cpulist": Text = Text::optional(), NO_CPU_LISTS.fixed(), "Processors of background threads.";
    aof_rewrite_cpulist | "aof_rewrite_cpulist": Text = Text::optional(), NO_CPU_LISTS.fixed(), "Processors of the child that rewrites the log.";
    bgsave_cpulist | "bgsave_cpulist": Text = Text::optional(), NO_CPU_LISTS.fixed(), "Processors of the child that saves a snapshot.";

    // Threads and timers.
    io_threads: Int = Int::new(0, 0, 128), LIVE.fixed(), "Worker threads; 0 for one on each core.";
    io_threads_do_reads: Bool = Bool::new(false), Traits::ignored("every worker reads, runs and writes").fixed(), "Let the threads read as well as write.";
    hz: Int = Int::new(10, 0, INT).settling(1, 500), LIVE, "Rounds of housekeeping in a second.";
    dynamic_hz: Bool = Bool::new(true), Traits::ignored("rounds take as long with many clients as with few"), "Do more rounds when many clients are connected.";
    activerehashing: Bool = Bool::new(true), Traits::ignored("tables never rehash as a whole"), "Spend idle time on rehashing.";

    // The append only file.
    appendonly: Bool = Bool::new(false), LIVE, "Log every edit to an append only file.";
    appendfilename: Text = Text::new("appendonly.aof").checked(is_log_name), LIVE.fixed(), "First part of the names of the log's files.";
    appenddirname: Text = Text::new("appendonlydir").checked(is_log_dir), LIVE.fixed(), "Directory of the log's files, inside dir.";
    backupdirname: Text = Text::new("backupdir").checked(is_backup_dir), LIVE.fixed(), "Directory of BACKUP's files, inside dir.";
    backup_sealed_ttl: Int = Int::new(0, 0, INT), LIVE, "Seconds after which a sealed backup is removed; 0 for never.";
    preload_file: Text = Text::new("").checked(is_preload_file), LIVE.fixed(), "Start with the data of this file, rdb:PATH or aof:PATH of a manifest, and not with what is in dir.";
    appendfsync: Pick<AppendFsync> = Pick::new(AppendFsync::Everysec), LIVE, "When the log is synced to disk.";
    no_appendfsync_on_rewrite: Bool = Bool::new(false), LIVE, "Do not sync the log while a snapshot or a rewrite is being written.";
    auto_aof_rewrite_percentage: Int = Int::new(100, 0, INT), LIVE, "Rewrite the log when it grew by so many percent; 0 for never.";
    auto_aof_rewrite_min_size: Memory = Memory::new(64 << 20, 0, SIZE), LIVE, "Do not rewrite a log smaller than this.";
    aof_load_truncated: Bool = Bool::new(true), LIVE, "Start with a log whose end is missing.";
    aof_use_rdb_preamble: Bool = Bool::new(true), LIVE, "Begin a rewritten log with a snapshot.";
    aof_checksum: Bool = Bool::new(true), LIVE, "Put checksums into the log, in lines that other servers pass over.";
    aof_timestamp_enabled: Bool = Bool::new(false), LIVE, "Put times into the log.";
    aof_rewrite_incremental_fsync: Bool = Bool::new(true), LIVE, "Sync a rewritten log a few megabytes at a time.";
    aof_disable_auto_gc: Bool = Bool::new(false), LIVE, "Keep log files that are no longer needed.";

    // Shutdown.
    shutdown_timeout: Int = Int::new(10, 0, INT), LIVE, "Seconds to wait for replicas before stopping.";
    shutdown_on_sigint: OnSignal = OnSignal::default(), LIVE.words(), "How SIGINT stops the server: default, or any of save, nosave, now and force.";
    shutdown_on_sigterm: OnSignal = OnSignal::default(), LIVE.words(), "How SIGTERM stops the server: default, or any of save, nosave, now and force.";

    // Scripts.
    busy_reply_threshold | "lua-time-limit": Int = Int::new(5000, 0, LONG), LIVE, "Milliseconds after which a running script lets others hear BUSY.";
    lua_enable_deprecated_api: Bool = Bool::new(false), DEBUG_ONLY.fixed().hidden(), "Let scripts use long deprecated functions.";

    // Cluster.
    cluster_enabled: Bool = Bool::new(false), LIVE.fixed(), "Be a node of a cluster.";
    cluster_lone_node: Bool = Bool::new(false), LIVE.fixed(), "Be all of the cluster: every slot is this node's, keys of different slots go together, and no other node comes in.";
    cluster_config_file: Text = Text::new("nodes.conf"), LIVE.fixed(), "File the node keeps for itself.";
    cluster_node_timeout: Int = Int::new(15000, 0, LONG), LIVE, "Milliseconds of silence after which a node is dead.";
    cluster_port: Int = Int::new(0, 0, 65535), LIVE.fixed(), "Port of the cluster bus; 0 for the server's port and 10000.";
    cluster_replica_validity_factor | "cluster-slave-validity-factor": Int = Int::new(10, 0, INT), LIVE, "How stale a replica may be that takes over.";
    cluster_migration_barrier: Int = Int::new(1, 0, INT), LIVE, "Replicas a master keeps when others move away.";
    cluster_allow_replica_migration: Bool = Bool::new(true), LIVE, "Let replicas move to masters that have none.";
    cluster_require_full_coverage: Bool = Bool::new(true), LIVE, "Stop serving when a slot has no owner.";
    cluster_replica_no_failover | "cluster-slave-no-failover": Bool = Bool::new(false), LIVE, "Never take over from a master.";
    cluster_allow_reads_when_down: Bool = Bool::new(false), LIVE, "Serve reads while the cluster is down.";
    cluster_allow_pubsubshard_when_down: Bool = Bool::new(true), LIVE, "Serve sharded channels while the cluster is down.";
    cluster_link_sendbuf_limit: Memory = Memory::new(0, 0, u64::MAX), LIVE, "Bytes that may wait for one node; 0 for no limit.";
    cluster_announce_hostname: Text = Text::optional().checked(is_host_name), LIVE, "Host name to announce.";
    cluster_announce_human_nodename: Text = Text::optional().checked(is_node_name), LIVE, "Name of the node in logs.";
    cluster_preferred_endpoint_type: Pick<EndpointType> = Pick::new(EndpointType::Ip), LIVE, "What redirections call a node.";
    cluster_announce_ip: Text = Text::optional(), LIVE, "Address to announce.";
    cluster_announce_port: Int = Int::new(0, 0, 65535), LIVE, "Port to announce.";
    cluster_announce_tls_port: Int = Int::new(0, 0, 65535), LIVE, "TLS port to announce.";
    cluster_announce_bus_port: Int = Int::new(0, 0, 65535), LIVE, "Port of the cluster bus to announce.";

    // Watching the server.
    slowlog_log_slower_than | "commandlog-execution-slower-than": Int = Int::new(10000, -1, LONG), LIVE, "Microseconds above which a command is logged as slow; -1 for never.";
    slowlog_max_len | "commandlog-slow-execution-max-len": Int = Int::new(128, 0, LONG), LIVE, "Entries kept by SLOWLOG.";
    slowlog_entry_max_argc: Int = Int::new(32, 2, INT), LIVE, "Arguments that an entry of SLOWLOG keeps.";
    slowlog_entry_max_string_len: Int = Int::new(128, 1, INT), LIVE, "Bytes of an argument that an entry of SLOWLOG keeps.";
    commandlog_request_larger_than: Int = Int::new(1 << 20, -1, LONG), LIVE, "Bytes above which a request is logged as large; -1 for never.";
    commandlog_large_request_max_len: Int = Int::new(128, 0, LONG), LIVE, "Entries kept by COMMANDLOG of large requests.";
    commandlog_reply_larger_than: Int = Int::new(1 << 20, -1, LONG), LIVE, "Bytes above which a reply is logged as large; -1 for never.";
    commandlog_large_reply_max_len: Int = Int::new(128, 0, LONG), LIVE, "Entries kept by COMMANDLOG of large replies.";
    latency_monitor_threshold: Int = Int::new(0, 0, LONG), LIVE, "Milliseconds above which LATENCY keeps an event; 0 for never.";
    latency_tracking: Bool = Bool::new(true), LIVE, "Measure how long each command takes.";
    latency_tracking_info_percentiles: CompositeCell<Percentiles> = CompositeCell::new(Percentiles(vec![50.0, 99.0, 99.9])), LIVE.words(), "Percentiles that INFO latencystats shows.";
    notify_keyspace_events: Events = Events::default(), LIVE, "Classes of keyspace events to publish.";
    watchdog_period: Int = Int::new(0, 0, INT), DEBUG_ONLY.hidden(), "Milliseconds a command may run before its stack is logged.";
    use_exit_on_panic: Bool = Bool::new(false), DEBUG_ONLY.hidden(), "Exit instead of aborting on a panic.";
    enable_debug_assert: Bool = Bool::new(false), DEBUG_ONLY.fixed().hidden(), "Check expensive invariants.";

    // Of newer Redis and of Valkey.
    cluster_compatibility_sample_ratio: Int = Int::new(0, 0, 100), Traits::ignored("commands are not sampled"), "Share of commands that are checked for use in a cluster, in percent.";
    cluster_slot_stats_enabled: Bool = Bool::new(false), LIVE, "Count what slots cost.";
    cluster_announce_client_ipv4: Text = Text::optional(), ONE_ADDRESS, "Address of IPv4 to announce to clients.";
    cluster_announce_client_ipv6: Text = Text::optional(), ONE_ADDRESS, "Address of IPv6 to announce to clients.";
    cluster_announce_client_port: Int = Int::new(0, 0, 65535), ONE_ADDRESS, "Port to announce to clients.";
    cluster_announce_client_tls_port: Int = Int::new(0, 0, 65535), ONE_ADDRESS, "TLS port to announce to clients.";
    cluster_blacklist_ttl: Int = Int::new(60, 0, INT), LIVE, "Seconds for which a forgotten node stays away.";
    cluster_config_save_behavior: Text = Text::new("sync"), Traits::ignored("the file is on the disk before anything follows from it, always"), "How the cluster's file is written.";
    cluster_databases: Int = Int::new(1, 1, INT), Traits::ignored("a node of a cluster has one database"), "Databases of a cluster's node.";
    cluster_manual_failover_timeout: Int = Int::new(5000, 1, INT), LIVE, "Milliseconds for a failover that was asked for.";
    cluster_slot_migration_log_max_len: Int = Int::new(1000, 0, LONG), LIVE, "Moves of whole slots that are told of once they have ended.";
    slot_migration_max_failover_repl_bytes: Memory = Memory::new(0, 0, SIZE), Traits::ignored("commands are held back once few keys are left"), "Bytes that may be missing when a slot changes hands.";
    replica_full_sync_buffer_limit: Memory = Memory::new(0, 0, SIZE), Traits::ignored("a replica does not read the stream during a full sync, its master keeps it"), "Bytes of the stream that a replica keeps during a full sync.";
    dual_channel_replication_enabled: Bool = Bool::new(false), Traits::ignored("one connection carries a full sync and the stream"), "Send a full sync on a connection of its own.";
    repl_mptcp: Bool = Bool::new(false), NO_OTHER_PATHS, "Several paths for the link to the master.";
    mptcp: Bool = Bool::new(false), NO_OTHER_PATHS.fixed(), "Several paths for clients.";
    rdma_port: Int = Int::new(0, 0, 65535), NO_RDMA.fixed(), "Port for RDMA.";
    rdma_bind: Text = Text::optional(), NO_RDMA, "Addresses for RDMA.";
    rdma_rx_size: Int = Int::new(1 << 20, 64 << 10, 16 << 20), NO_RDMA.fixed(), "Bytes that one RDMA connection may receive unread.";
    rdma_completion_vector: Int = Int::new(-1, -1, 1024), NO_RDMA.fixed(), "Where RDMA reports.";
    active_defrag_cycle_us: Int = Int::new(500, 0, 100_000), NO_DEFRAG, "Microseconds of one turn of defragmentation.";
    prefetch_batch_max_size: Int = Int::new(16, 0, 128), LOOKS_AHEAD, "Commands whose keys are fetched together.";
    lookahead: Int = Int::new(16, 1, INT), LOOKS_AHEAD, "Requests that are read ahead.";
    vset_force_single_threaded_execution: Bool = Bool::new(false), Traits::ignored("a search runs on the thread of its client"), "Search vectors on the thread of the command.";
    extended_redis_compatibility: Bool = Bool::new(false), Traits::ignored("the server always presents itself as Redis"), "Present the server as Redis.";
    hash_seed: Text = Text::new(""), Traits::ignored("hashes are seeded anew at each start").fixed().sensitive(), "Seed of hashes.";
    log_format: Text = Text::new("legacy"), ONE_LOG_FORMAT, "Format of log lines.";
    log_timestamp_format: Text = Text::new("legacy"), ONE_LOG_FORMAT, "Format of the times in log lines.";
    rdb_version_check: Text = Text::new("strict"), Traits::ignored("every version that can be read is read"), "Whether snapshots of later versions are read.";
    key_memory_histograms: Bool = Bool::new(false), Traits::ignored("no histograms of keys are kept"), "Keep histograms of what keys take.";
    hash_min_template_entries: Int = Int::new(0, 0, LONG), NO_TEMPLATES, "Fields from which on hashes share their names.";
    hash_max_template_entries: Int = Int::new(0, 0, LONG), NO_TEMPLATES, "Fields up to which hashes share their names.";
    import_mode: Bool = Bool::new(false), LIVE, "Keep what expires, and evict nothing, as data are being imported.";
    aof_load_corrupt_tail_max_size: Memory = Memory::new(0, 0, SIZE), Traits::ignored("a torn tail is cut off at any size, and kept beside the log"), "Bytes of a torn tail that are cut off.";
    availability_zone: Text = Text::new(""), LIVE, "Where the server stands, for clients that look for a near one.";
    bitmap_default_roaring: Bool = Bool::new(false), Traits::ignored("there are no roaring bitmaps"), "Keep bitmaps in the roaring form.";

    // Encodings.
    hash_max_listpack_entries | "hash-max-ziplist-entries": Int = Int::new(512, 0, LONG), LIVE, "Fields a hash may have and stay a listpack.";
    hash_max_listpack_value | "hash-max-ziplist-value": Memory = Memory::new(64, 0, SIZE), LIVE, "Longest field or value of a hash that stays a listpack.";
    list_max_listpack_size | "list-max-ziplist-size": Int = Int::new(-2, i32::MIN as i64, INT), LIVE, "Size of a list's listpacks: elements, or -1 to -5 for 4 to 64 kilobytes.";
    list_compress_depth: Int = Int::new(0, 0, INT), Traits::ignored("lists are not compressed in memory"), "Listpacks at either end of a list that are not compressed.";
    set_max_intset_entries: Int = Int::new(512, 0, LONG), LIVE, "Members a set of integers may have and stay an intset.";
    set_max_listpack_entries: Int = Int::new(128, 0, LONG), LIVE, "Members a set may have and stay a listpack.";
    set_max_listpack_value: Memory = Memory::new(64, 0, SIZE), LIVE, "Longest member of a set that stays a listpack.";
    zset_max_listpack_entries | "zset-max-ziplist-entries": Int = Int::new(128, 0, LONG), LIVE, "Members a sorted set may have and stay a listpack.";
    zset_max_listpack_value | "zset-max-ziplist-value": Memory = Memory::new(64, 0, SIZE), LIVE, "Longest member of a sorted set that stays a listpack.";
    hll_sparse_max_bytes: Memory = Memory::new(3000, 0, SIZE), LIVE, "Longest HyperLogLog in the sparse form.";
    stream_node_max_bytes: Memory = Memory::new(4096, 0, SIZE), LIVE, "Bytes of one node of a stream; 0 for no limit.";
    stream_node_max_entries: Int = Int::new(100, 0, LONG), LIVE, "Entries of one node of a stream; 0 for no limit.";
    stream_idmp_duration: Int = Int::new(100, 1, 86_400), LIVE, "Seconds for which a stream remembers what a producer added.";
    stream_idmp_maxsize: Int = Int::new(100, 1, 10_000), LIVE, "Entries of each producer that a stream remembers.";
}
