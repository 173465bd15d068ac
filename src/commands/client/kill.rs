//! CLIENT KILL: connections closed, by address or by filters that must all hold.

use std::sync::Arc;

use super::list::ClientType;
use crate::acl::{User, Users};
use crate::command::Flag::{Admin, Loading, NoScript, Stale};
use crate::command::client::Client;
use crate::command::{Arg, Args, Command, Done, Fail, Flow, Run, SessionCall};

pub const KILL: Command = Command {
    name: "kill",
    summary: "Closes connections",
    cost: "O(N) for N connections",
    since: "2.4.0",
    flags: &[Admin, NoScript, Loading, Stale],
    args: &[Arg::one_of(
        "filter",
        &[
            Arg::text("ip:port").deprecated("2.8.12"),
            Arg::one_of(
                "new-format",
                &[
                    Arg::int("client-id").token("ID").optional().since("2.8.12"),
                    Arg::one_of(
                        "normal_master_slave_pubsub",
                        &[
                            Arg::word("normal", "NORMAL"),
                            Arg::word("master", "MASTER").since("3.2.0"),
                            Arg::word("slave", "SLAVE"),
                            Arg::word("replica", "REPLICA").since("5.0.0"),
                            Arg::word("pubsub", "PUBSUB"),
                        ],
                    )
                    .token("TYPE")
                    .optional()
                    .since("2.8.12"),
                    Arg::text("username").token("USER").optional(),
                    Arg::text("ip:port").token("ADDR").optional(),
                    Arg::text("ip:port")
                        .token("LADDR")
                        .optional()
                        .since("6.2.0"),
                    Arg::text("yes/no").token("SKIPME").optional(),
                ],
            )
            .many(),
        ],
    )],
    run: Run::Session(kill),
    arity: Some(-3),
    ..Command::PLAIN
};

fn kill(call: &mut SessionCall<'_>) -> Done {
    if call.args.len() == 1 {
        let filter = Filter {
            address: Some(call.args.next()?),
            ..Filter::default()
        };
        let (killed, flow) = close(call, &filter);
        if killed == 0 {
            return Err(Fail::Says("No such client"));
        }
        call.out.ok();
        return Ok(flow);
    }
    let filter = Filter::parse(&mut call.args, &call.server.users)?;
    let (killed, flow) = close(call, &filter);
    call.out.count(killed);
    Ok(flow)
}

/// Closes who passes the filter; this connection last, once it was answered.
fn close(call: &SessionCall<'_>, filter: &Filter<'_>) -> (usize, Flow) {
    let mut killed = 0;
    let mut flow = Flow::Done;
    for client in call.server.clients.all() {
        let own = client.id == call.session.client.id;
        if !filter.passes(&client, call.now_ms) || (own && filter.skip_me) {
            continue;
        }
        killed += 1;
        if own {
            flow = Flow::Close;
        } else {
            call.server.clients.kill(&client);
        }
    }
    call.server.guards.moved();
    (killed, flow)
}

/// What a connection must be to be closed. What is `None` doesn't matter.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    kind: Option<ClientType>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    user: Option<Arc<User>>,
    age_s: Option<u64>,
    skip_me: bool,
}

impl<'a> Filter<'a> {
    fn parse(args: &mut Args<'a>, users: &Users) -> Result<Self, Fail> {
        let mut filter = Filter {
            skip_me: true,
            ..Filter::default()
        };
        while !args.is_empty() {
            if args.word_with("ID", 1) {
                let bad = Fail::Says("client-id should be greater than 0");
                filter.id = Some(args.int_in(1..=i64::MAX, bad)? as u64);
            } else if args.word_with("TYPE", 1) {
                filter.kind = Some(ClientType::parse(args.next()?)?);
            } else if args.word_with("ADDR", 1) {
                filter.address = Some(args.next()?);
            } else if args.word_with("LADDR", 1) {
                filter.local_address = Some(args.next()?);
            } else if args.word_with("USER", 1) {
                filter.user = Some(known_user(users, args.next()?)?);
            } else if args.word_with("MAXAGE", 1) {
                let age = args.int_or(Fail::Says("maxage is not an integer or out of range"))?;
                let age = u64::try_from(age).ok().filter(|age| *age > 0);
                filter.age_s = Some(age.ok_or(Fail::Says("maxage should be greater than 0"))?);
            } else if args.word_with("SKIPME", 1) {
                filter.skip_me = match () {
                    () if args.word("yes") => true,
                    () if args.word("no") => false,
                    () => return Err(Fail::SYNTAX),
                };
            } else {
                return Err(Fail::SYNTAX);
            }
        }
        Ok(filter)
    }

    fn passes(&self, client: &Client, now_ms: u64) -> bool {
        let age_s = now_ms.saturating_sub(client.born_ms) / 1000;
        self.id.is_none_or(|id| client.id == id)
            && self.kind.is_none_or(|kind| kind.covers(client))
            && self
                .address
                .is_none_or(|address| client.address.as_bytes() == address)
            && self
                .local_address
                .is_none_or(|address| client.local_address.as_bytes() == address)
            && self.age_s.is_none_or(|least| age_s >= least)
            && self.user.as_ref().is_none_or(|user| {
                let profile = client.profile.lock();
                profile
                    .user
                    .as_ref()
                    .is_some_and(|of| Arc::ptr_eq(of, user))
            })
    }
}

fn known_user(users: &Users, name: &[u8]) -> Result<Arc<User>, Fail> {
    users.get(name).ok_or_else(|| {
        let name = crate::command::quoted(name);
        Fail::said(format!("No such user '{name}'"))
    })
}
