//! Finding a command: which one the words of a request call.

use crate::command::{CommandEntry, Fail, Lookup, Registry, quoted};

/// The command that these words call.
pub(super) fn find(registry: &Registry, argv: &[&[u8]]) -> Result<&'static CommandEntry, Fail> {
    match registry.find(argv[0], argv.get(1).copied()) {
        Lookup::Entry(entry) => Ok(entry),
        Lookup::NoSubcommand(entry) => {
            let given = lossy(argv[1], 128);
            let name = entry.command.name.to_ascii_uppercase();
            Err(Fail::said(format!(
                "unknown subcommand '{given}'. Try {name} HELP."
            )))
        }
        Lookup::Unknown => {
            let mut args = String::new();
            for arg in &argv[1..] {
                if args.len() >= 128 {
                    break;
                }
                args.push_str(&format!("'{}' ", lossy(arg, 128 - args.len())));
            }
            Err(Fail::said(format!(
                "unknown command '{}', with args beginning with: {args}",
                lossy(argv[0], 128)
            )))
        }
    }
}

fn lossy(bytes: &[u8], max: usize) -> String {
    quoted(&bytes[..bytes.len().min(max)]).into_owned()
}
