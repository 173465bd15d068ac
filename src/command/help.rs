//! HELP of every container: told from its subcommands' argument trees.

use super::{Arg, ArgKind, Args, Command, CommandEntry, Done, Fail, Flag, Flow, Run, SessionCall};

/// The HELP subcommand, the same for every container.
pub const HELP: Command = Command {
    name: "help",
    summary: "Returns this text",
    since: "5.0.0",
    flags: &[Flag::Loading, Flag::Stale],
    run: Run::Session(help),
    ..Command::PLAIN
};

pub fn help(call: &mut SessionCall<'_>) -> Done {
    let container = call
        .registry
        .get(call.args.name())
        .expect("HELP was found under its container");
    let name = container.command.name.to_ascii_uppercase();
    let mut lines = vec![format!(
        "{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    )];
    for sub in container.subcommands() {
        if sub.command.name == "help" {
            continue;
        }
        let mut line = sub.command.name.to_ascii_uppercase();
        sub.command
            .args
            .iter()
            .for_each(|arg| usage(arg, &mut line));
        lines.push(line);
        lines.push(format!("    {}.", sub.command.summary));
    }
    lines.extend(["HELP".to_string(), "    Prints this help.".to_string()]);
    call.out.lines(lines.iter().map(String::as_str));
    Ok(Flow::Done)
}

/// Appends an argument as a person would write it: `[COUNT <count>]`.
fn usage(arg: &Arg, line: &mut String) {
    line.push(' ');
    if arg.optional {
        line.push('[');
    }
    if let Some(token) = arg.token {
        line.push_str(token);
    }
    match arg.kind {
        ArgKind::Token => {}
        ArgKind::OneOf(parts) | ArgKind::Block(parts) => {
            let between = if matches!(arg.kind, ArgKind::OneOf(_)) {
                "|"
            } else {
                ""
            };
            for (at, part) in parts.iter().enumerate() {
                let mut text = String::new();
                usage(part, &mut text);
                match at {
                    0 if arg.token.is_none() => line.push_str(text.trim_start()),
                    0 => line.push_str(&text),
                    _ if between.is_empty() => line.push_str(&text),
                    _ => {
                        line.push_str(between);
                        line.push_str(text.trim_start());
                    }
                }
            }
        }
        _ => {
            if arg.token.is_some() {
                line.push(' ');
            }
            line.push_str(&format!("<{}>", arg.name));
        }
    }
    if arg.multiple {
        line.push_str(" ...");
    }
    if arg.optional {
        line.push(']');
    }
}

/// The error of a subcommand called with arguments that it can't take.
pub fn misused(args: &Args<'_>, entry: &CommandEntry) -> Fail {
    let given = super::quoted(args.all()[1]).into_owned();
    let name = entry
        .full_name
        .split('|')
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    Fail::said(format!(
        "unknown subcommand or wrong number of arguments for '{given}'. Try {name} HELP."
    ))
}
