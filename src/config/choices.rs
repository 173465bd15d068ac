//! The enums of directives that take one of a few words. The order is the one error texts list.

/// One of a few words.
pub trait Choice: Copy + PartialEq + Send + Sync + 'static {
    const ALL: &'static [Self];

    /// The word in configuration files and in CONFIG GET.
    fn as_str(self) -> &'static str;
}

/// Every word of an enum, in order.
pub fn names_of<C: Choice>() -> Vec<&'static str> {
    C::ALL.iter().map(|choice| choice.as_str()).collect()
}

macro_rules! choices {
    ($($(#[doc = $doc:literal])* $name:ident { $($value:ident = $word:literal,)+ })+) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($value,)+
        }

        impl Choice for $name {
            const ALL: &'static [Self] = &[$($name::$value,)+];

            fn as_str(self) -> &'static str {
                match self {
                    $($name::$value => $word,)+
                }
            }
        }
    )+};
}

choices! {
    /// Which keys make room when memory is full.
    MaxmemoryPolicy {
        VolatileLru = "volatile-lru",
        VolatileLfu = "volatile-lfu",
        VolatileRandom = "volatile-random",
        VolatileTtl = "volatile-ttl",
        AllkeysLru = "allkeys-lru",
        AllkeysLfu = "allkeys-lfu",
        AllkeysRandom = "allkeys-random",
        VolatileLrm = "volatile-lrm",
        AllkeysLrm = "allkeys-lrm",
        Noeviction = "noeviction",
    }

    /// When the append only file is synced to disk.
    AppendFsync {
        Everysec = "everysec",
        Always = "always",
        No = "no",
    }

    /// Which format snapshots are written in.
    RdbVersion {
        Auto = "auto",
        V9 = "9",
        V10 = "10",
        V11 = "11",
        V12 = "12",
    }

    /// Whose format snapshots and payloads have where the families of servers differ.
    RdbDialect {
        Redis = "redis",
        Valkey = "valkey",
    }

    /// How much is written to the log.
    LogLevel {
        Debug = "debug",
        Verbose = "verbose",
        Notice = "notice",
        Warning = "warning",
        Nothing = "nothing",
    }

    /// Which supervisor is told that the server is ready.
    Supervised {
        Upstart = "upstart",
        Systemd = "systemd",
        Auto = "auto",
        No = "no",
    }

    /// Where the system log files our lines.
    SyslogFacility {
        User = "user",
        Local0 = "local0",
        Local1 = "local1",
        Local2 = "local2",
        Local3 = "local3",
        Local4 = "local4",
        Local5 = "local5",
        Local6 = "local6",
        Local7 = "local7",
    }

    /// Whether a replica loads a full sync straight from the socket.
    DisklessLoad {
        Disabled = "disabled",
        OnEmptyDb = "on-empty-db",
        Swapdb = "swapdb",
    }

    /// How the kernel's out of memory score is set.
    OomScoreAdj {
        No = "no",
        Yes = "yes",
        Relative = "relative",
        Absolute = "absolute",
    }

    /// Which channels a new ACL user may use.
    PubsubDefault {
        Allchannels = "allchannels",
        Resetchannels = "resetchannels",
    }

    /// Whose RESTORE payloads are checked to the last byte.
    SanitizeDump {
        No = "no",
        Yes = "yes",
        Clients = "clients",
    }

    /// Who may do a dangerous thing.
    Allowed {
        No = "no",
        Yes = "yes",
        Local = "local",
    }

    /// What a cluster node is called in redirections.
    EndpointType {
        Ip = "ip",
        Hostname = "hostname",
        UnknownEndpoint = "unknown-endpoint",
    }

    /// What a replica does when a replicated command fails.
    PropagationError {
        Ignore = "ignore",
        Panic = "panic",
        PanicOnReplicas = "panic-on-replicas",
    }

    /// Whether TLS clients must show a certificate.
    TlsAuth {
        No = "no",
        Yes = "yes",
        Optional = "optional",
    }

    /// What in a client's certificate names its user.
    TlsUser {
        Off = "off",
        Cn = "CN",
        Uri = "URI",
    }
}

impl RdbVersion {
    /// The version that was picked.
    pub fn number(self) -> Option<u16> {
        self.as_str().parse().ok()
    }
}
