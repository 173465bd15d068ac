//! FT.CONFIG: settings of searches, which are kept until the server ends.

use crate::command::{Arg, Command, Done, Fail, Flow, Run, SessionCall};
use crate::util::{glob, number};

pub const CONFIG: Command = Command {
    name: "ft.config",
    summary: "Reads and changes settings of searches",
    args: &[
        Arg::text("action").optional(),
        Arg::text("option").optional(),
        Arg::text("value").optional(),
    ],
    arity: Some(-1),
    flags: &[crate::command::Flag::Admin],
    run: Run::Session(config),
    ..Command::PLAIN
};

fn config(call: &mut SessionCall<'_>) -> Done {
    let args = call.args.rest();
    let [action, option, ..] = args else {
        return Err(super::wrong_arity("FT.CONFIG"));
    };
    let option = String::from_utf8_lossy(option).to_ascii_uppercase();
    let mut settings = call.server.search.settings.lock();
    match action.to_ascii_uppercase().as_slice() {
        b"GET" => {
            let fits = |name: &&String| glob::matches(option.as_bytes(), name.as_bytes(), true);
            let names: Vec<&String> = settings.0.keys().filter(fits).collect();
            let resp3 = call.out.resp3();
            match resp3 {
                true => call.out.map(names.len()),
                false => call.out.array(names.len()),
            }
            for name in names {
                if !resp3 {
                    call.out.array(2);
                }
                call.out.simple(name);
                call.out.bulk(&settings.0[name]);
            }
        }
        b"SET" => {
            let [_, _, value] = args else {
                return Err(super::wrong_arity("FT.CONFIG"));
            };
            let held = settings.0.get_mut(&option);
            let held = held.ok_or(Fail::code("Invalid option"))?;
            let value = checked(&option, value)?;
            held.clone_from(&value);
            // The two are one.
            if option.ends_with("EXPANSIONS") {
                for name in ["MAXEXPANSIONS", "MAXPREFIXEXPANSIONS"] {
                    settings.0.insert(name.into(), value.clone());
                }
            }
            call.out.simple("OK");
        }
        _ => return Err(Fail::code("No such configuration action")),
    }
    Ok(Flow::Done)
}

/// A value that the option may have.
fn checked(option: &str, value: &[u8]) -> Result<String, Fail> {
    let text = String::from_utf8_lossy(value).into_owned();
    let number = number::parse_i64(value);
    let unread = Fail::code("Could not convert argument to expected type");
    let outside = Fail::code("Value is outside acceptable bounds");
    let within = |n: i64, least: i64| match n >= least {
        true => Ok(n.to_string()),
        false => Err(outside),
    };
    match option {
        "TIMEOUT" => within(number.ok_or(unread)?, 0),
        "MAXPREFIXEXPANSIONS" | "MAXEXPANSIONS" => within(number.ok_or(unread)?, 1),
        "ON_TIMEOUT" => match text.to_ascii_lowercase().as_str() {
            word @ ("return" | "fail") => Ok(word.into()),
            _ => Err(Fail::code("Invalid ON_TIMEOUT value")),
        },
        "DEFAULT_DIALECT" => match text.as_str() {
            "1" | "2" | "3" | "4" => Ok(text),
            _ => Err(Fail::code(
                "Default dialect version cannot be smaller than 1 or larger than 4",
            )),
        },
        _ => Err(Fail::code("Not modifiable at runtime")),
    }
}
