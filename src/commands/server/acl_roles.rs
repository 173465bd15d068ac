//! ACL SETROLE and the others about roles, as in Valkey 9.2 (<https://valkey.io/commands/acl-setrole/>), and what they share
//! with those about users.

use crate::acl::Selector;
use crate::command::Flag::{Admin, Loading, NoScript, Stale};
use crate::command::{Arg, Command, Done, Fail, Flow, Run, SessionCall};
use crate::resp::Reply;
use crate::state::users;

/// What most subcommands have in common.
pub(super) const ADMIN: Command = Command {
    since: "6.0.0",
    flags: &[Admin, NoScript, Loading, Stale],
    ..Command::PLAIN
};

pub const SETROLE: Command = Command {
    name: "setrole",
    summary: "Makes a role, or changes one, by rules",
    cost: "O(N+M*C) for N rules, M users in the role and C connections",
    since: "9.2.0",
    args: &[Arg::text("rolename"), Arg::text("rule").optional().many()],
    run: Run::Session(setrole),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..ADMIN
};

fn setrole(call: &mut SessionCall<'_>) -> Done {
    let name = call.args.next()?;
    let all_channels = users::all_channels(&call.server.config);
    let revisions = call
        .server
        .users
        .set_role(name, call.args.rest(), all_channels)
        .map_err(|why| Fail::said(crate::command::quoted(&why)))?;
    let mut leaves = false;
    for revision in &revisions {
        let own = call.session.client.id;
        leaves |= call.server.close_listeners(revision, own);
    }
    call.out.ok();
    Ok(if leaves { Flow::Close } else { Flow::Done })
}

pub const GETROLE: Command = Command {
    name: "getrole",
    summary: "Returns the rules of a role, and who holds it",
    cost: "O(N) for N rules",
    since: "9.2.0",
    args: &[Arg::text("rolename")],
    run: Run::Session(getrole),
    ..ADMIN
};

fn getrole(call: &mut SessionCall<'_>) -> Done {
    let users = &call.server.users;
    let Some(role) = users.role(call.args.next()?) else {
        call.out.null();
        return Ok(Flow::Done);
    };
    let holders = users.holders(role.name());
    let out = &mut *call.out;
    out.map(6);
    show_selectors(role.selectors(), true, out);
    out.bulk("users");
    out.array(holders.len());
    holders.iter().for_each(|user| out.bulk(user.name()));
    Ok(Flow::Done)
}

pub const DELROLE: Command = Command {
    name: "delrole",
    summary: "Deletes roles that nobody holds",
    cost: "O(N) for N roles",
    since: "9.2.0",
    args: &[Arg::text("rolename").many()],
    run: Run::Session(delrole),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..ADMIN
};

fn delrole(call: &mut SessionCall<'_>) -> Done {
    let removed = call.server.users.remove_roles(call.args.rest());
    let count = removed.map_err(|name| {
        let name = crate::command::quoted(name);
        Fail::said(format!(
            "Role '{name}' is assigned to one or more users. Remove it from them first."
        ))
    })?;
    call.out.count(count);
    Ok(Flow::Done)
}

pub const ROLES: Command = Command {
    name: "roles",
    summary: "Returns the names of all roles",
    cost: "O(N) for N roles",
    since: "9.2.0",
    run: Run::Session(roles),
    ..ADMIN
};

fn roles(call: &mut SessionCall<'_>) -> Done {
    let all = call.server.users.roles();
    call.out.array(all.len());
    all.iter().for_each(|role| call.out.bulk(role.name()));
    Ok(Flow::Done)
}

/// The first selector, and behind it the others.
pub(super) fn show_selectors(selectors: &[Selector], databases: bool, out: &mut Reply) {
    let show = |selector: &Selector, out: &mut Reply| {
        out.bulk("commands");
        out.bulk(selector.commands_text());
        out.bulk("keys");
        out.bulk(selector.keys_text());
        out.bulk("channels");
        out.bulk(selector.channels_text());
        if databases {
            out.bulk("databases");
            out.bulk(selector.databases_text());
        }
    };
    let (own, others) = selectors
        .split_first()
        .expect("the first selector is its holder's own");
    show(own, out);
    out.bulk("selectors");
    out.array(others.len());
    for selector in others {
        out.map(3 + usize::from(databases));
        show(selector, out);
    }
}
