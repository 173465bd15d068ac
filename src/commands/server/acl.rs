//! ACL: users, what they may do, and what was denied.

use std::sync::Arc;

use super::acl_roles::{self, ADMIN, show_selectors};
use crate::acl::{CATEGORIES, User, category, has_space};
use crate::command::Flag::{Loading, NoScript, Stale};
use crate::command::{Arg, Command, Done, Fail, Flow, Lookup, Run, SessionCall, Touched, help};
use crate::state::users;
use crate::util::number;

pub const ACL: Command = Command {
    name: "acl",
    summary: "Shows and changes users and their rights",
    cost: "Depends on subcommand.",
    since: "6.0.0",
    run: Run::Container,
    subcommands: &[
        &CAT,
        &acl_roles::DELROLE,
        &DELUSER,
        &DRYRUN,
        &GENPASS,
        &acl_roles::GETROLE,
        &GETUSER,
        &HELP,
        &LIST,
        &LOAD,
        &LOG,
        &acl_roles::ROLES,
        &SAVE,
        &acl_roles::SETROLE,
        &SETUSER,
        &USERS,
        &WHOAMI,
    ],
    ..Command::PLAIN
};

/// As Redis's Sentinels have it, whose users hold no roles.
pub const ACL_OF_A_SENTINEL: Command = Command {
    subcommands: &[
        &CAT, &DELUSER, &DRYRUN, &GENPASS, &GETUSER, &HELP, &LIST, &LOAD, &LOG, &SAVE, &SETUSER,
        &USERS, &WHOAMI,
    ],
    ..ACL
};

/// What those have in common that everybody may use.
const OPEN: Command = Command {
    flags: &[NoScript, Loading, Stale],
    ..ADMIN
};

const HELP: Command = Command {
    since: "6.0.0",
    ..help::HELP
};

const CAT: Command = Command {
    name: "cat",
    summary: "Lists the categories of commands, or the commands of one",
    cost: "O(N) for N commands",
    args: &[Arg::text("category").optional()],
    run: Run::Session(cat),
    ..OPEN
};

fn cat(call: &mut SessionCall<'_>) -> Done {
    let names: Vec<&str> = match call.args.len() {
        0 => CATEGORIES.to_vec(),
        1 => {
            let name = call.args.next()?;
            let category = category(name).ok_or_else(|| {
                let name = crate::command::quoted(&name[..name.len().min(128)]);
                Fail::said(format!("Unknown category '{name}'"))
            })?;
            let all = call.server.users.catalog.iter();
            let there = call.registry.entries().len();
            all.filter(|(number, known)| *number < there && known.is_in(category))
                .map(|(_, known)| known.name.as_str())
                .collect()
        }
        _ => return Err(help::misused(&call.args, call.entry)),
    };
    call.out.array(names.len());
    names.iter().for_each(|name| call.out.bulk(name));
    Ok(Flow::Done)
}

const DELUSER: Command = Command {
    name: "deluser",
    summary: "Deletes users, and closes their connections",
    cost: "O(N) for N connections",
    args: &[Arg::text("username").many()],
    run: Run::Session(deluser),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..ADMIN
};

fn deluser(call: &mut SessionCall<'_>) -> Done {
    let names = call.args.rest();
    if names.contains(&&b"default"[..]) {
        return Err(Fail::Says("The 'default' user cannot be removed"));
    }
    let gone: Vec<Arc<User>> = names
        .iter()
        .filter_map(|name| call.server.users.remove(name))
        .collect();
    let leaves = call.server.close_clients_of(&gone, call.session.client.id);
    call.out.count(gone.len());
    Ok(if leaves { Flow::Close } else { Flow::Done })
}

const DRYRUN: Command = Command {
    name: "dryrun",
    summary: "Tells whether a user may run a command, without running it",
    since: "7.0.0",
    args: &[
        Arg::text("username"),
        Arg::text("command"),
        Arg::text("arg").optional().many(),
    ],
    run: Run::Session(dryrun),
    ..ADMIN
};

fn dryrun(call: &mut SessionCall<'_>) -> Done {
    use crate::acl::Denied;
    let name = call.args.next()?;
    let user = call.server.users.get(name).ok_or_else(|| {
        let name = crate::command::quoted(name);
        Fail::said(format!("User '{name}' not found"))
    })?;
    let argv = call.args.rest();
    let registry = call.registry;
    let Lookup::Entry(entry) = registry.find(argv[0], argv.get(1).copied()) else {
        let name = crate::command::quoted(argv[0]);
        return Err(Fail::said(format!("Command '{name}' not found")));
    };
    if !entry.arity_fits(argv.len()) {
        return Err(Fail::arity(&entry.full_name));
    }
    let who = format!(
        "User {} has no permissions to",
        String::from_utf8_lossy(name)
    );
    let touched = Touched::new(entry, argv, call.session.db, call.server);
    let why = match user.rights().check(&touched) {
        Ok(()) => {
            call.out.ok();
            return Ok(Flow::Done);
        }
        Err(Denied::Command) => format!("{who} run the '{}' command", entry.full_name).into_bytes(),
        Err(Denied::Key(at)) => {
            let head = format!("{who} access the '").into_bytes();
            [&head, argv[at], b"' key"].concat()
        }
        Err(Denied::Channel(at)) => {
            let head = format!("{who} access the '").into_bytes();
            [&head, argv[at], b"' channel"].concat()
        }
        Err(Denied::Database(at)) => {
            let head = format!("{who} access database ").into_bytes();
            [&head, argv[at]].concat()
        }
    };
    call.out.bulk(why);
    Ok(Flow::Done)
}

const GENPASS: Command = Command {
    name: "genpass",
    summary: "Makes up a password that nobody can guess",
    args: &[Arg::int("bits").optional()],
    run: Run::Session(genpass),
    ..OPEN
};

const PASSWORD_BITS: i64 = 256;
const PASSWORD_BITS_MAX: i64 = 4096;

fn genpass(call: &mut SessionCall<'_>) -> Done {
    let bits = match call.args.len() {
        0 => PASSWORD_BITS,
        1 => call.args.int()?,
        _ => return Err(help::misused(&call.args, call.entry)),
    };
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(Fail::said(format!(
            "ACL GENPASS argument must be the number of bits for the output password, a positive number up to {PASSWORD_BITS_MAX}"
        )));
    }
    let digits = (bits as usize).div_ceil(4);
    let mut secret = vec![0; digits.div_ceil(2)];
    let filled = rustix::rand::getrandom(&mut secret[..], rustix::rand::GetRandomFlags::empty());
    // Up to 256 bytes come at once; for more the kernel may be interrupted.
    if filled != Ok(secret.len()) {
        return Err(Fail::Says("The system has no random numbers to give"));
    }
    let mut text: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    call.out.bulk(text);
    Ok(Flow::Done)
}

const GETUSER: Command = Command {
    name: "getuser",
    summary: "Returns the rules of a user",
    cost: "O(N) for N rules",
    args: &[Arg::text("username")],
    run: Run::Session(getuser),
    ..ADMIN
};

fn getuser(call: &mut SessionCall<'_>) -> Done {
    let Some(user) = call.server.users.get(call.args.next()?) else {
        call.out.null();
        return Ok(Flow::Done);
    };
    let rights = user.rights();
    let out = &mut *call.out;
    // As Redis tells it, as long as nothing was said of databases, nor of roles.
    let databases = usize::from(rights.names_databases());
    let has_roles = !call.server.users.roles().is_empty();
    out.map(6 + databases + usize::from(has_roles));
    out.bulk("flags");
    let flags = rights.flags();
    out.set(flags.len());
    flags.iter().for_each(|flag| out.bulk(flag));
    out.bulk("passwords");
    out.array(rights.passwords().len());
    rights.passwords().iter().for_each(|hash| out.bulk(hash));
    show_selectors(rights.selectors(), databases > 0, out);
    if has_roles {
        out.bulk("roles");
        out.array(rights.roles().len());
        rights.roles().iter().for_each(|role| out.bulk(role.name()));
    }
    Ok(Flow::Done)
}

const LIST: Command = Command {
    name: "list",
    summary: "Returns all roles and users as lines of a configuration file",
    cost: "O(N) for N users",
    run: Run::Session(list),
    ..ADMIN
};

fn list(call: &mut SessionCall<'_>) -> Done {
    let lines = call.server.users.lines();
    call.out.array(lines.len());
    lines.iter().for_each(|line| call.out.bulk(line));
    Ok(Flow::Done)
}

const NO_FILE: Fail = Fail::Says(
    "This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.",
);

const LOAD: Command = Command {
    name: "load",
    summary: "Reads the users anew from their file",
    cost: "O(N) for N users",
    run: Run::Session(load),
    ..ADMIN
};

fn load(call: &mut SessionCall<'_>) -> Done {
    users::file(&call.server.config).ok_or(NO_FILE)?;
    let leaves = call
        .server
        .load_users(call.session.client.id)
        .map_err(Fail::said)?;
    call.out.ok();
    Ok(if leaves { Flow::Close } else { Flow::Done })
}

const SAVE: Command = Command {
    name: "save",
    summary: "Writes the users to their file",
    cost: "O(N) for N users",
    run: Run::Session(save),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..ADMIN
};

fn save(call: &mut SessionCall<'_>) -> Done {
    let (path, _) = users::file(&call.server.config).ok_or(NO_FILE)?;
    let mut text = call.server.users.lines().join(&b'\n');
    text.push(b'\n');
    let disk = &call.server.store.disk;
    disk.replace(&path, &text).map_err(|error| {
        tracing::warn!("Writing ACL file {} for ACL SAVE: {error}", path.display());
        Fail::Says(
            "There was an error trying to save the ACLs. Please check the server logs for more information",
        )
    })?;
    call.out.ok();
    Ok(Flow::Done)
}

const LOG: Command = Command {
    name: "log",
    summary: "Returns what was denied last, or forgets it",
    cost: "O(N) for N entries",
    args: &[Arg::one_of(
        "operation",
        &[Arg::int("count"), Arg::word("reset", "RESET")],
    )
    .optional()],
    run: Run::Session(log),
    ..ADMIN
};

/// Entries returned when none says how many.
const LOG_COUNT: usize = 10;

fn log(call: &mut SessionCall<'_>) -> Done {
    let count = match call.args.rest() {
        [] => LOG_COUNT,
        [word] if word.eq_ignore_ascii_case(b"RESET") => {
            call.server.acl_log.reset();
            call.out.ok();
            return Ok(Flow::Done);
        }
        [count] => {
            let count = number::parse_i64(count).ok_or(Fail::NOT_INTEGER)?;
            usize::try_from(count).unwrap_or(0)
        }
        _ => return Err(help::misused(&call.args, call.entry)),
    };
    let entries = call.server.acl_log.newest(count);
    let out = &mut *call.out;
    out.array(entries.len());
    for entry in entries {
        out.map(10);
        out.bulk("count");
        out.int(entry.count as i64);
        out.bulk("reason");
        out.bulk(entry.reason.word());
        out.bulk("context");
        out.bulk(entry.context.word());
        out.bulk("object");
        out.bulk(&entry.object);
        out.bulk("username");
        out.bulk(&entry.user);
        out.bulk("age-seconds");
        out.double(call.now_ms.saturating_sub(entry.updated_ms) as f64 / 1000.0);
        out.bulk("client-info");
        out.bulk(&entry.client);
        out.bulk("entry-id");
        out.int(entry.id as i64);
        out.bulk("timestamp-created");
        out.int(entry.created_ms as i64);
        out.bulk("timestamp-last-updated");
        out.int(entry.updated_ms as i64);
    }
    Ok(Flow::Done)
}

const SETUSER: Command = Command {
    name: "setuser",
    summary: "Makes a user, or changes one, by rules",
    cost: "O(N) for N rules",
    args: &[Arg::text("username"), Arg::text("rule").optional().many()],
    run: Run::Session(setuser),
    secrets: Some(|argv, hide| (2..argv.len()).for_each(hide)),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..ADMIN
};

fn setuser(call: &mut SessionCall<'_>) -> Done {
    let name = call.args.next()?;
    if has_space(name) {
        return Err(Fail::Says(
            "Usernames can't contain spaces or null characters",
        ));
    }
    let all_channels = users::all_channels(&call.server.config);
    let revision = call
        .server
        .users
        .set(name, call.args.rest(), all_channels)
        .map_err(|why| Fail::said(crate::command::quoted(&why)))?;
    let leaves = call
        .server
        .close_listeners(&revision, call.session.client.id);
    call.out.ok();
    Ok(if leaves { Flow::Close } else { Flow::Done })
}

const USERS: Command = Command {
    name: "users",
    summary: "Returns the names of all users",
    cost: "O(N) for N users",
    run: Run::Session(names),
    ..ADMIN
};

fn names(call: &mut SessionCall<'_>) -> Done {
    let all = call.server.users.all();
    call.out.array(all.len());
    all.iter().for_each(|user| call.out.bulk(user.name()));
    Ok(Flow::Done)
}

const WHOAMI: Command = Command {
    name: "whoami",
    summary: "Returns the name of this connection's user",
    run: Run::Session(whoami),
    ..OPEN
};

fn whoami(call: &mut SessionCall<'_>) -> Done {
    let user = call.session.user.as_ref();
    call.out.bulk_or_null(user.map(|user| user.name()));
    Ok(Flow::Done)
}
