//! Whether a client's user may do what a command does; what is denied is logged and counted.

use rustls::pki_types::CertificateDer;

use super::Worker;
use crate::acl::{AclLogEntry, Context, Denied, Reason, User};
use crate::command::session::Session;
use crate::command::{CommandEntry, Fail, Touched};
use crate::commands::client_line;
use crate::state::client::Client;
use crate::tls;

/// Who wants a command to run.
pub(super) struct Asker<'a> {
    pub user: Option<&'a User>,
    pub client: &'a Client,
    pub context: Context,
    /// The database that the command is to run in.
    pub db: usize,
}

impl<'a> Asker<'a> {
    pub fn of(session: &'a Session, context: Context) -> Self {
        Asker {
            user: session.user.as_deref(),
            client: &session.client,
            context,
            db: session.db_of_next(),
        }
    }

    #[inline]
    pub(super) fn check(
        &self,
        worker: &Worker,
        entry: &CommandEntry,
        argv: &[&[u8]],
    ) -> Result<(), Denied> {
        match self.user {
            Some(user) if !user.is_unlimited() => self.check_limited(worker, user, entry, argv),
            _ => Ok(()),
        }
    }

    #[inline(never)]
    fn check_limited(
        &self,
        worker: &Worker,
        user: &User,
        entry: &CommandEntry,
        argv: &[&[u8]],
    ) -> Result<(), Denied> {
        let done = match user.is_gone() {
            true => Err(Denied::Command),
            false => user
                .rights()
                .check(&Touched::new(entry, argv, self.db, &worker.shared)),
        };
        if let Err(denied) = done {
            let (reason, object) = match denied {
                Denied::Command => (Reason::Command, entry.full_name.as_bytes()),
                Denied::Database(0) => (Reason::Database, entry.full_name.as_bytes()),
                Denied::Database(at) => (Reason::Database, argv[at]),
                Denied::Key(at) => (Reason::Key, argv[at]),
                Denied::Channel(at) => (Reason::Channel, argv[at]),
            };
            self.log_denied(worker, reason, user.name(), object);
        }
        done
    }

    #[cold]
    fn log_denied(&self, worker: &Worker, reason: Reason, user: &[u8], object: &[u8]) {
        let now_ms = worker.now_ms();
        let line = client_line(self.client, &worker.shared, now_ms);
        let client = line.trim_end().to_string();
        let noted = AclLogEntry::new(reason, self.context, object, user, client, now_ms);
        let len_max = worker.shared.config.acllog_max_len.get() as usize;
        worker.shared.acl_log.push(noted, len_max);
        let counters = &worker.stats().counters;
        let counter = match reason {
            Reason::Command => &counters.acl_denied_command,
            Reason::Key => &counters.acl_denied_key,
            Reason::Channel => &counters.acl_denied_channel,
            Reason::Database => &counters.acl_denied_database,
            Reason::Auth => &counters.acl_denied_auth,
            Reason::Certificate => &counters.acl_denied_certificate,
        };
        counter.add(1);
    }
}

impl Worker {
    /// AUTH or HELLO named a user that is not there, or the wrong password.
    pub(super) fn log_failed_login(&self, session: &Session, name: &[u8], command: &[u8]) {
        let context = match session.in_exec {
            true => Context::Multi,
            false => Context::Toplevel,
        };
        Asker::of(session, context).log_denied(self, Reason::Auth, name, command);
    }

    /// Makes a client the user that its certificate names, if `tls-auth-clients-user` says that it does. One whose name is
    /// no user's, or that of a user who may not log in, stays who it was.
    pub fn log_in_by_certificate(&self, session: &mut Session, cert: &CertificateDer<'_>) {
        let by = self.shared.config.tls_auth_clients_user.get();
        let Some(name) = tls::user_of(cert, by) else {
            return;
        };
        match self.shared.users.get(&name) {
            Some(user) if user.rights().enabled => session.be(user, true),
            _ => {
                let asker = Asker::of(session, Context::Toplevel);
                asker.log_denied(self, Reason::Certificate, &name, b"TLS");
            }
        }
    }
}

/// What the client hears.
pub(super) fn refusal(denied: Denied, user: Option<&User>, entry: &CommandEntry) -> Fail {
    Fail::code(format!("NOPERM {}", reason(denied, user, entry)))
}

/// Why a command doesn't run.
pub(super) fn reason(denied: Denied, user: Option<&User>, entry: &CommandEntry) -> String {
    match denied {
        Denied::Command => format!(
            "User {} has no permissions to run the '{}' command",
            String::from_utf8_lossy(user.map_or(b"", User::name)),
            entry.full_name
        ),
        Denied::Key(_) => "No permissions to access a key".to_owned(),
        Denied::Channel(_) => "No permissions to access a channel".to_owned(),
        Denied::Database(_) => "No permissions to access database".to_owned(),
    }
}

/// Why a command that was queued no longer runs.
pub(super) fn in_exec(denied: Denied) -> &'static str {
    match denied {
        Denied::Command => "no permission to execute the command or subcommand",
        Denied::Key(_) => "no permission to touch the specified keys",
        Denied::Channel(_) => "no permission to access one of the channels used as arguments",
        Denied::Database(_) => "no permission",
    }
}
