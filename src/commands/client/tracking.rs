//! CLIENT TRACKING and its kin: what this connection wants to hear of changed keys.

use crate::command::Flag::{KeepsCaching, Loading, NoScript, Stale};
use crate::command::session::SessionTracking;
use crate::command::{Arg, Args, Command, Done, Fail, Flow, Run, SessionCall};
use crate::pubsub::TrackingMode;

pub const TRACKING: Command = Command {
    name: "tracking",
    summary: "Switches on or off messages about keys that change",
    cost: "O(1), and O(N) for N prefixes",
    since: "6.0.0",
    flags: &[NoScript, Loading, Stale],
    args: &[
        Arg::one_of("status", super::ON_OFF),
        Arg::int("client-id").token("REDIRECT").optional(),
        Arg::text("prefix")
            .token("PREFIX")
            .optional()
            .many_with_token(),
        Arg::word("bcast", "BCAST").optional(),
        Arg::word("optin", "OPTIN").optional(),
        Arg::word("optout", "OPTOUT").optional(),
        Arg::word("noloop", "NOLOOP").optional(),
    ],
    run: Run::Session(tracking),
    arity: Some(-3),
    ..Command::PLAIN
};

const NO_SUCH_CLIENT: Fail = Fail::Says("The client ID you want redirect to does not exist");

fn tracking(call: &mut SessionCall<'_>) -> Done {
    let mut options = call.args;
    options.next()?;
    let mut mode = parse(call, options)?;
    let id = call.session.client.id;
    if super::on_off(&mut call.args)? {
        let before = call.session.tracking.as_ref().map(|held| &held.mode);
        check(&mode, before)?;
        if mode.bcast {
            add_prefixes(&mut mode, before);
        }
        // It was there a moment ago.
        let find = |id| call.server.clients.get(id).ok_or(NO_SUCH_CLIENT);
        let redirect = mode.redirect.map(find).transpose()?;
        call.server.tracking.enable(
            id,
            &mode,
            &call.session.client.mailbox,
            redirect.as_ref().map(|other| &other.mailbox),
        );
        call.session.tracking = Some(SessionTracking {
            mode,
            caching: None,
        });
    } else if call.session.tracking.take().is_some() {
        call.server.tracking.disable(id);
    }
    call.session.publish_profile();
    call.out.ok();
    Ok(Flow::Done)
}

fn parse(call: &SessionCall<'_>, mut args: Args<'_>) -> Result<TrackingMode, Fail> {
    let mut mode = TrackingMode::default();
    while !args.is_empty() {
        if args.word_with("REDIRECT", 1) {
            if mode.redirect.is_some() {
                return Err(Fail::Says(
                    "A client can only redirect to a single other client",
                ));
            }
            let id = args.int()?;
            let client = u64::try_from(id)
                .ok()
                .and_then(|id| call.server.clients.get(id));
            let client = client.ok_or(NO_SUCH_CLIENT)?;
            mode.redirect = Some(client.id);
        } else if args.word_with("PREFIX", 1) {
            mode.prefixes.push(args.next()?.to_vec());
        } else if args.word("BCAST") {
            mode.bcast = true;
        } else if args.word("OPTIN") {
            mode.opt_in = true;
        } else if args.word("OPTOUT") {
            mode.opt_out = true;
        } else if args.word("NOLOOP") {
            mode.no_loop = true;
        } else {
            return Err(Fail::SYNTAX);
        }
    }
    Ok(mode)
}

/// Whether the options go together, and with the mode in force.
fn check(mode: &TrackingMode, before: Option<&TrackingMode>) -> Result<(), Fail> {
    if !mode.bcast && !mode.prefixes.is_empty() {
        return Err(Fail::Says(
            "PREFIX option requires BCAST mode to be enabled",
        ));
    }
    if before.is_some_and(|before| before.bcast != mode.bcast) {
        return Err(Fail::Says(
            "You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
        ));
    }
    if mode.bcast && (mode.opt_in || mode.opt_out) {
        return Err(Fail::Says("OPTIN and OPTOUT are not compatible with BCAST"));
    }
    if mode.opt_in && mode.opt_out {
        return Err(Fail::Says(
            "You can't specify both OPTIN mode and OPTOUT mode",
        ));
    }
    let turned =
        |before: &TrackingMode| (mode.opt_in && before.opt_out) || (mode.opt_out && before.opt_in);
    if before.is_some_and(turned) {
        return Err(Fail::Says(
            "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.",
        ));
    }
    let held = before.map_or(&[][..], |before| &before.prefixes);
    check_prefixes(&mode.prefixes, held)
}

/// No prefix may begin another one: then each change is told once.
fn check_prefixes(new: &[Vec<u8>], held: &[Vec<u8>]) -> Result<(), Fail> {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let refuse = |prefix: &[u8], other: &[u8], which: &str| {
        let (prefix, other) = (
            String::from_utf8_lossy(prefix),
            String::from_utf8_lossy(other),
        );
        Err(Fail::said(format!(
            "Prefix '{prefix}' overlaps with {which} prefix '{other}'. Prefixes for a single client must not overlap."
        )))
    };
    for (at, prefix) in new.iter().enumerate() {
        if let Some(other) = held.iter().find(|other| overlap(prefix, other)) {
            return refuse(prefix, other, "an existing");
        }
        if let Some(other) = new[at + 1..].iter().find(|other| overlap(prefix, other)) {
            return refuse(prefix, other, "another provided");
        }
    }
    Ok(())
}

/// Prefixes add up from one CLIENT TRACKING to the next. Naming none means every key.
fn add_prefixes(mode: &mut TrackingMode, before: Option<&TrackingMode>) {
    if mode.prefixes.is_empty() {
        mode.prefixes.push(Vec::new());
    }
    mode.prefixes.extend(
        before
            .iter()
            .flat_map(|before| before.prefixes.iter().cloned()),
    );
    mode.prefixes.sort();
    mode.prefixes.dedup();
}

pub const TRACKINGINFO: Command = Command {
    name: "trackinginfo",
    summary: "Tells how this connection tracks keys",
    since: "6.2.0",
    flags: &[NoScript, Loading, Stale],
    run: Run::Session(trackinginfo),
    ..Command::PLAIN
};

fn trackinginfo(call: &mut SessionCall<'_>) -> Done {
    let out = &mut *call.out;
    out.map(3);
    out.bulk("flags");
    let Some(SessionTracking { mode, caching }) = &call.session.tracking else {
        out.set(1);
        out.bulk("off");
        out.bulk("redirect");
        out.int(-1);
        out.bulk("prefixes");
        out.array(0);
        return Ok(Flow::Done);
    };
    let broken = mode
        .redirect
        .is_some_and(|id| call.server.clients.get(id).is_none());
    let flags = [
        ("on", true),
        ("bcast", mode.bcast),
        ("optin", mode.opt_in),
        ("caching-yes", *caching == Some(true)),
        ("optout", mode.opt_out),
        ("caching-no", *caching == Some(false)),
        ("noloop", mode.no_loop),
        ("broken_redirect", broken),
    ];
    let raised: Vec<&str> = flags
        .iter()
        .filter(|(_, is)| *is)
        .map(|(word, _)| *word)
        .collect();
    out.set(raised.len());
    raised.iter().for_each(|word| out.bulk(word));
    out.bulk("redirect");
    out.int(mode.redirect.map_or(0, |id| id as i64));
    out.bulk("prefixes");
    out.array(mode.prefixes.len());
    mode.prefixes.iter().for_each(|prefix| out.bulk(prefix));
    Ok(Flow::Done)
}

pub const CACHING: Command = Command {
    name: "caching",
    summary: "Says whether the next command's keys are tracked",
    since: "6.0.0",
    flags: &[NoScript, Loading, Stale, KeepsCaching],
    args: &[Arg::one_of(
        "mode",
        &[Arg::word("yes", "YES"), Arg::word("no", "NO")],
    )],
    run: Run::Session(caching),
    ..Command::PLAIN
};

fn caching(call: &mut SessionCall<'_>) -> Done {
    let tracking = call.session.tracking.as_mut().ok_or(Fail::Says(
        "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    ))?;
    let yes = match () {
        () if call.args.word("YES") => true,
        () if call.args.word("NO") => false,
        () => return Err(Fail::SYNTAX),
    };
    if yes && !tracking.mode.opt_in {
        return Err(Fail::Says(
            "CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
        ));
    }
    if !yes && !tracking.mode.opt_out {
        return Err(Fail::Says(
            "CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
        ));
    }
    tracking.caching = Some(yes);
    call.out.ok();
    Ok(Flow::Done)
}

pub const GETREDIR: Command = Command {
    name: "getredir",
    summary: "Returns the connection that this one's tracking messages go to",
    since: "6.0.0",
    flags: &[NoScript, Loading, Stale],
    run: Run::Session(getredir),
    ..Command::PLAIN
};

fn getredir(call: &mut SessionCall<'_>) -> Done {
    let redirect = call
        .session
        .tracking
        .as_ref()
        .map(|tracking| tracking.mode.redirect);
    call.out.int(match redirect {
        None => -1,
        Some(redirect) => redirect.map_or(0, |id| id as i64),
    });
    Ok(Flow::Done)
}
