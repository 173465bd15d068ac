//! Events: what the log, subscribers and scripts are told, in the words that tools know.

use super::actions::{EventLevel, SentinelAction};
use super::instance::{InstanceId, InstanceKind};
use super::state::Sentinel;

impl Sentinel {
    /// Tells something of an instance: which one it is, and what follows.
    pub(super) fn tell_of(
        &mut self,
        level: EventLevel,
        channel: &'static str,
        id: InstanceId,
        more: &str,
    ) {
        let text = self.named(id) + more;
        self.tell(level, channel, Some(id), text);
    }

    /// Tells something. Whom it is about says whose script is run, if it matters enough.
    pub(super) fn tell(
        &mut self,
        level: EventLevel,
        channel: &'static str,
        about: Option<InstanceId>,
        text: String,
    ) {
        let script = about
            .filter(|_| level == EventLevel::Warning)
            .and_then(|id| self.group_of(id).notification_script.clone());
        if let Some(script) = script {
            self.schedule_script(vec![
                script,
                channel.as_bytes().to_vec(),
                text.clone().into_bytes(),
            ]);
        }
        self.actions.push(SentinelAction::Event {
            level,
            channel,
            text,
        });
    }

    /// `slave <name> <ip> <port> @ <master> <ip> <port>`.
    fn named(&self, id: InstanceId) -> String {
        let one = self.at(id);
        let (ip, port) = (self.shown(&one.address), one.address.port);
        let own = format!("{} {} {ip} {port}", one.kind.word(), one.name);
        if one.kind == InstanceKind::Master {
            return own;
        }
        let group = self.group_of(id);
        let master = &self.at(group.master).address;
        format!(
            "{own} @ {} {} {}",
            group.name,
            self.shown(master),
            master.port
        )
    }
}
