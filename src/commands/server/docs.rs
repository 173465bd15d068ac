//! COMMAND DOCS of one command: its const, as a map.

use crate::command::{Arg, ArgKind, Begin, CommandEntry, KeySpec, modules};
use crate::resp::Reply;

/// Writes the command's name and what is said of it.
pub fn write(entry: &CommandEntry, out: &mut Reply) {
    let command = entry.command;
    let subcommands = entry.subcommands();
    let module = modules::of(entry);
    let parts = [
        4,
        usize::from(module.is_some()),
        3 * usize::from(command.deprecated.is_some()),
        usize::from(!command.args.is_empty()),
        usize::from(!subcommands.is_empty()),
    ];
    out.bulk(&entry.full_name);
    out.map(parts.iter().sum());
    text("summary", command.summary, out);
    text("since", command.since, out);
    text("group", entry.family.group, out);
    if let Some(module) = module {
        text("module", module.name, out);
    }
    text("complexity", command.cost, out);
    if let Some((since, instead)) = command.deprecated {
        out.bulk("doc_flags");
        out.set(1);
        out.simple("deprecated");
        text("deprecated_since", since, out);
        text("replaced_by", instead, out);
    }
    if !command.args.is_empty() {
        out.bulk("arguments");
        let mut specs = Specs {
            all: &entry.specs,
            next: 0,
        };
        arguments(command.args, &mut specs, out);
    }
    if !subcommands.is_empty() {
        out.bulk("subcommands");
        out.map(subcommands.len());
        subcommands.iter().for_each(|sub| write(sub, out));
    }
}

fn text(name: &str, value: &str, out: &mut Reply) {
    out.bulk(name);
    out.bulk(value);
}

/// Gives arguments their key specifications, which stand in the order of the keys.
struct Specs<'s> {
    all: &'s [KeySpec],
    next: usize,
}

impl Specs<'_> {
    /// The specification that an argument belongs to, if to any.
    fn of(&mut self, arg: &Arg) -> Option<usize> {
        let left = &self.all[self.next..];
        match arg.kind {
            ArgKind::Key(used) => {
                // Two keys may share one: then the second finds none of its own.
                let own = left.iter().position(|spec| spec.used == used);
                self.next += own.map_or(0, |at| at + 1);
                self.next.checked_sub(1)
            }
            // SORT's patterns name keys that only the data tells.
            ArgKind::Pattern if arg.token.is_some() => left
                .first()
                .filter(|spec| spec.begin == Begin::Unknown)
                .map(|_| self.next),
            _ => None,
        }
    }
}

/// Writes a list of arguments.
fn arguments(args: &[Arg], specs: &mut Specs<'_>, out: &mut Reply) {
    out.array(args.len());
    args.iter().for_each(|arg| argument(arg, specs, out));
}

fn argument(arg: &Arg, specs: &mut Specs<'_>, out: &mut Reply) {
    let spec = specs.of(arg);
    let texts = [
        ("token", arg.token),
        ("since", arg.since),
        ("deprecated_since", arg.deprecated_since),
    ];
    let flags = [
        ("optional", arg.optional),
        ("multiple", arg.multiple),
        ("multiple_token", arg.multiple_token),
    ];
    let flags: Vec<&str> = flags
        .iter()
        .filter(|(_, is)| *is)
        .map(|(word, _)| *word)
        .collect();
    let parts = arg.parts();
    out.map(
        2 + usize::from(spec.is_some())
            + texts.iter().filter(|(_, value)| value.is_some()).count()
            + usize::from(!flags.is_empty())
            + usize::from(!parts.is_empty()),
    );
    text("name", arg.name, out);
    text("type", arg.type_word(), out);
    if let Some(spec) = spec {
        out.bulk("key_spec_index");
        out.count(spec);
    }
    for (name, value) in texts {
        if let Some(value) = value {
            text(name, value, out);
        }
    }
    if !flags.is_empty() {
        out.bulk("flags");
        out.set(flags.len());
        flags.iter().for_each(|flag| out.simple(flag));
    }
    if !parts.is_empty() {
        out.bulk("arguments");
        arguments(parts, specs, out);
    }
}
