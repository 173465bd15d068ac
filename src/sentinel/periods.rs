//! How long things take, and how often they are done. SENTINEL DEBUG shows and changes it, for tests above all.

/// In milliseconds.
#[derive(Clone, Debug)]
pub struct Periods {
    pub info: i64,
    pub ping: i64,
    pub ask: i64,
    pub publish: i64,
    pub down_after: i64,
    pub failover_timeout: i64,
    pub tilt_trigger: i64,
    pub tilt: i64,
    pub reconf_timeout: i64,
    pub reconnect_min: i64,
    pub election_timeout: i64,
    pub script_runtime: i64,
    pub script_retry: i64,
}

impl Default for Periods {
    fn default() -> Self {
        Periods {
            info: 10_000,
            ping: 1000,
            ask: 1000,
            publish: 2000,
            down_after: 30_000,
            failover_timeout: 180_000,
            tilt_trigger: 2000,
            tilt: 30_000,
            reconf_timeout: 10_000,
            reconnect_min: 15_000,
            election_timeout: 10_000,
            script_runtime: 60_000,
            script_retry: 30_000,
        }
    }
}

impl Periods {
    /// All of them by the names that they go by, in the order in which they are shown.
    pub fn named(&mut self) -> [(&'static str, &mut i64); 13] {
        [
            ("INFO-PERIOD", &mut self.info),
            ("PING-PERIOD", &mut self.ping),
            ("ASK-PERIOD", &mut self.ask),
            ("PUBLISH-PERIOD", &mut self.publish),
            ("DEFAULT-DOWN-AFTER", &mut self.down_after),
            ("DEFAULT-FAILOVER-TIMEOUT", &mut self.failover_timeout),
            ("TILT-TRIGGER", &mut self.tilt_trigger),
            ("TILT-PERIOD", &mut self.tilt),
            ("SLAVE-RECONF-TIMEOUT", &mut self.reconf_timeout),
            ("MIN-LINK-RECONNECT-PERIOD", &mut self.reconnect_min),
            ("ELECTION-TIMEOUT", &mut self.election_timeout),
            ("SCRIPT-MAX-RUNTIME", &mut self.script_runtime),
            ("SCRIPT-RETRY-DELAY", &mut self.script_retry),
        ]
    }
}
