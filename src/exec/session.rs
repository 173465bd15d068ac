//! A session's end, and its return to the beginning.

use super::Worker;
use super::watches::end_watches;
use crate::command::session::{Asking, ReplyMode, Session};
use crate::pubsub::Channels;
use crate::resp::Reply;

impl Worker {
    /// RESET: everything back to how a new connection is, but for its number.
    pub(super) fn reset(&self, session: &mut Session, out: &mut Reply) {
        self.let_go(session);
        session.db = 0;
        session.resp3 = false;
        out.set_resp3(false);
        session.client.mailbox.set_resp3(false);
        session.reply = ReplyMode::On;
        session.no_touch = false;
        session.imports = false;
        session.follows_redirects = false;
        session.reads_here = false;
        session.asking = Asking::No;
        let user = self.shared.users.default();
        session.be(user.clone(), user.is_open());
        session
            .client
            .db
            .store(0, std::sync::atomic::Ordering::Relaxed);
        let mut profile = session.client.profile.lock();
        profile.name.clear();
        profile.no_evict = false;
        profile.follows_redirects = false;
        drop(profile);
        out.simple("RESET");
    }

    /// Takes everything of a session out of what is shared.
    pub(super) fn let_go(&self, session: &mut Session) {
        session.multi = None;
        end_watches(self, session);
        let id = session.client.id;
        for kind in [Channels::Plain, Channels::Pattern, Channels::Shard] {
            for channel in std::mem::take(session.subscribed(kind)) {
                self.shared.broker.unsubscribe(kind, &channel, id);
            }
        }
        if session.tracking.take().is_some() {
            self.shared.tracking.disable(id);
        }
        if std::mem::take(&mut session.monitor) {
            self.shared.monitors.remove(id);
        }
        session.publish_profile();
    }

    /// A connection has ended.
    pub fn close(&self, session: &mut Session) {
        self.let_go(session);
        self.shared.clients.remove(session.client.id);
        // Who redirects messages to it finds that out.
        session.client.mailbox.close();
    }
}
