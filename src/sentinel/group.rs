//! A master with all that belongs to it: its replicas, the Sentinels that watch it, how it is to be watched, and its failover.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::instance::InstanceId;

/// How far a failover has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailoverStage {
    None,
    WaitStart,
    SelectReplica,
    SendReplicaofNoOne,
    WaitPromotion,
    ReconfReplicas,
    UpdateConfig,
}

impl FailoverStage {
    pub fn word(self) -> &'static str {
        match self {
            FailoverStage::None => "none",
            FailoverStage::WaitStart => "wait_start",
            FailoverStage::SelectReplica => "select_slave",
            FailoverStage::SendReplicaofNoOne => "send_slaveof_noone",
            FailoverStage::WaitPromotion => "wait_promotion",
            FailoverStage::ReconfReplicas => "reconf_slaves",
            FailoverStage::UpdateConfig => "update_config",
        }
    }
}

/// A failover under way, or the last one.
#[derive(Debug)]
pub struct FailoverFacts {
    pub stage: FailoverStage,
    pub is_on: bool,
    /// Somebody has asked for it: no election is needed.
    pub forced: bool,
    pub epoch: u64,
    pub changed_ms: i64,
    /// When it began, or another Sentinel was voted for.
    pub start_ms: i64,
    /// The start whose delay the log has told of.
    pub delay_logged_ms: i64,
    pub promoted: Option<InstanceId>,
}

#[derive(Debug)]
pub struct MasterGroup {
    pub name: Arc<str>,
    pub master: InstanceId,
    /// By address.
    pub replicas: BTreeMap<String, InstanceId>,
    /// By id.
    pub sentinels: BTreeMap<String, InstanceId>,
    pub quorum: i64,
    pub down_after_ms: i64,
    pub failover_timeout_ms: i64,
    pub parallel_syncs: i64,
    pub reboot_down_after_ms: i64,
    pub notification_script: Option<Vec<u8>>,
    pub client_reconfig_script: Option<Vec<u8>>,
    pub auth_user: Option<Vec<u8>>,
    pub auth_pass: Option<Vec<u8>>,
    /// Commands that have another name there, by their names in lower case: the name as it was given, and the other one.
    pub renamed: BTreeMap<String, (String, String)>,
    pub config_epoch: u64,
    /// Whom this Sentinel has voted for.
    pub leader: Option<String>,
    pub leader_epoch: u64,
    pub failover: FailoverFacts,
}

impl MasterGroup {
    pub fn new(name: Arc<str>, master: InstanceId, quorum: i64) -> Self {
        MasterGroup {
            name,
            master,
            replicas: BTreeMap::new(),
            sentinels: BTreeMap::new(),
            quorum,
            down_after_ms: 0,
            failover_timeout_ms: 0,
            parallel_syncs: 1,
            reboot_down_after_ms: 0,
            notification_script: None,
            client_reconfig_script: None,
            auth_user: None,
            auth_pass: None,
            renamed: BTreeMap::new(),
            config_epoch: 0,
            leader: None,
            leader_epoch: 0,
            failover: FailoverFacts {
                stage: FailoverStage::None,
                is_on: false,
                forced: false,
                epoch: 0,
                changed_ms: 0,
                start_ms: 0,
                delay_logged_ms: 0,
                promoted: None,
            },
        }
    }

    /// The name that a command goes by there.
    pub fn command<'a>(&'a self, name: &'a str) -> &'a str {
        let renamed = self.renamed.get(&name.to_ascii_lowercase());
        renamed.map_or(name, |(_, other)| other)
    }

    /// Puts a failover into its next stage.
    pub fn enter(&mut self, stage: FailoverStage, now_ms: i64) {
        self.failover.stage = stage;
        self.failover.changed_ms = now_ms;
    }
}
