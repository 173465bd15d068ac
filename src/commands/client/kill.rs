//! CLIENT KILL: connections closed, by address or by filters that must all hold.

use super::filter::ClientFilter;
use crate::command::Flag::{Admin, Loading, NoScript, Stale};
use crate::command::{Arg, Command, Done, Fail, Flow, Run, SessionCall};

pub const KILL: Command = Command {
    name: "kill",
    summary: "Closes connections",
    cost: "O(N) for N connections",
    since: "2.4.0",
    flags: &[Admin, NoScript, Loading, Stale],
    args: &[Arg::one_of(
        "filter",
        &[
            Arg::text("old-format").deprecated("2.8.12"),
            Arg::one_of(
                "new-format",
                &[
                    Arg::int("client-id").token("ID").optional().since("2.8.12"),
                    Arg::one_of(
                        "client-type",
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
                    Arg::text("addr").token("ADDR").optional(),
                    Arg::text("laddr").token("LADDR").optional().since("6.2.0"),
                    Arg::one_of("skipme", &[Arg::word("yes", "YES"), Arg::word("no", "NO")])
                        .token("SKIPME")
                        .optional(),
                    Arg::int("maxage").token("MAXAGE").optional().since("7.4.0"),
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
        let filter = ClientFilter::by_address(call.args.next()?);
        let (killed, flow) = close(call, &filter);
        if killed == 0 {
            return Err(Fail::Says("No such client"));
        }
        call.out.ok();
        return Ok(flow);
    }
    let filter = ClientFilter::parse(&mut call.args, call.server, true)?;
    let (killed, flow) = close(call, &filter);
    call.out.count(killed);
    Ok(flow)
}

/// Closes who passes the filter; this connection last, once it was answered.
fn close(call: &SessionCall<'_>, filter: &ClientFilter<'_>) -> (usize, Flow) {
    let mut killed = 0;
    let mut flow = Flow::Done;
    for client in call.server.clients.all() {
        let own = client.id == call.session.client.id;
        if !filter.passes(&client, call.server, call.now_ms) || (own && filter.skip_me) {
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
