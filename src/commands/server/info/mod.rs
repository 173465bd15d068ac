//! INFO: the server's state in sections of `name:value` lines.
//!
//! Names and their order are Redis 7.4's, so that whatever reads INFO there reads it here. Fields
//! of our own stand at the end of their section.

mod activity;
mod data;
mod process;
mod replication;
mod search;

use std::cell::OnceCell;
use std::fmt::Write;

use super::figures::{census, human};
use crate::command::Flag::{Loading, Neither, Stale};
use crate::command::modules::{MODULES, Module};
use crate::command::{Arg, Command, Done, Flow, Plan, ReadCall, Run};
use crate::engine::Census;
use crate::state::clients::Tally;
use crate::state::shared::Shared;
use crate::state::stats::Totals;
use crate::util::memory;

pub const INFO: Command = Command {
    name: "info",
    summary: "Returns the server's state, or some sections of it",
    cost: "O(N) for N connections",
    flags: &[Loading, Stale, Neither],
    args: &[Arg::text("section").optional().many()],
    run: Run::Read(info),
    plan: Plan::Each,
    categories: &["dangerous"],
    tips: &[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ],
    ..Command::PLAIN
};

fn info(call: &mut ReadCall<'_>) -> Done {
    let wanted = call.args.rest();
    let report = Report {
        used: memory::used(),
        server: call.server,
        tally: OnceCell::new(),
        now_ms: call.db.clock_ms(),
        census: census(call)?,
        totals: call.server.stats.totals(),
    };
    // The usual sections fit.
    let mut text = String::with_capacity(8192);
    let sections = SECTIONS.iter().chain(search::SECTIONS);
    for section in sections.filter(|section| section.is_wanted(wanted)) {
        if !section.is_there(call.server) {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        text.push_str("# ");
        text.push_str(section.title);
        text.push_str("\r\n");
        (section.write)(&report, &mut Page(&mut text));
    }
    match call.server.watching {
        // As Redis's do.
        Some(_) => call.out.bulk(&text),
        None => call.out.verbatim("txt", text.as_bytes()),
    }
    Ok(Flow::Done)
}

struct Section {
    title: &'static str,
    /// Shown when no section is named.
    usual: bool,
    write: fn(&Report<'_>, &mut Page<'_>),
}

const SECTIONS: &[Section] = &[
    Section {
        title: "Server",
        usual: true,
        write: process::server,
    },
    Section {
        title: "Clients",
        usual: true,
        write: process::clients,
    },
    Section {
        title: "Memory",
        usual: true,
        write: data::memory,
    },
    Section {
        title: "Persistence",
        usual: true,
        write: data::persistence,
    },
    Section {
        title: "Threads",
        usual: true,
        write: activity::threads,
    },
    Section {
        title: "Stats",
        usual: true,
        write: activity::stats,
    },
    Section {
        title: "Replication",
        usual: true,
        write: replication::replication,
    },
    Section {
        title: "CPU",
        usual: true,
        write: process::cpu,
    },
    Section {
        title: "Modules",
        usual: true,
        write: modules,
    },
    Section {
        title: "Commandstats",
        usual: false,
        write: activity::commandstats,
    },
    Section {
        title: "Errorstats",
        usual: true,
        write: activity::errorstats,
    },
    Section {
        title: "Latencystats",
        usual: false,
        write: activity::latencystats,
    },
    Section {
        title: "Cluster",
        usual: true,
        write: |report, page| {
            let on = report.server.clustering.is_some();
            page.line("cluster_enabled", u8::from(on));
        },
    },
    Section {
        title: "Keyspace",
        usual: true,
        write: data::keyspace,
    },
    Section {
        title: SENTINEL,
        usual: true,
        write: sentinel,
    },
];

const SENTINEL: &str = "Sentinel";
/// Those that a Sentinel has; no other server has the last.
const OF_A_SENTINEL: [&str; 5] = ["Server", "Clients", "Stats", "CPU", SENTINEL];

impl Section {
    fn is_of_search(&self) -> bool {
        self.title.starts_with("search_")
    }

    fn is_there(&self, server: &Shared) -> bool {
        match server.watching {
            Some(_) => OF_A_SENTINEL.contains(&self.title),
            None => self.title != SENTINEL,
        }
    }

    fn is_wanted(&self, words: &[&[u8]]) -> bool {
        words.is_empty() && self.usual
            || words
                .iter()
                .any(|word| match word.to_ascii_lowercase().as_slice() {
                    b"default" => self.usual,
                    b"all" => !self.is_of_search(),
                    b"everything" => true,
                    b"modules" => self.title == "Modules" || self.is_of_search(),
                    b"search" => self.is_of_search(),
                    b"module_list" => self.title == "Modules",
                    word => word.eq_ignore_ascii_case(self.title.as_bytes()),
                })
    }
}

/// Where sections get their facts.
struct Report<'s> {
    server: &'s Shared,
    tally: OnceCell<Tally>,
    /// Bytes in use before there was a report.
    used: u64,
    now_ms: u64,
    census: Census,
    totals: Totals,
}

impl Report<'_> {
    /// Those that replication has no part in.
    fn clients(&self) -> &Tally {
        self.tally.get_or_init(|| self.server.clients.tally())
    }
}

/// The text that sections append to.
struct Page<'t>(&'t mut String);

/// Whom a Sentinel watches.
fn sentinel(report: &Report<'_>, page: &mut Page<'_>) {
    if let Some(watching) = &report.server.watching {
        let text = report
            .server
            .in_sentinel(watching, |sentinel| sentinel.info_section());
        page.0.push_str(&text.0);
    }
}

/// What modules bring elsewhere, in their words.
fn modules(_: &Report<'_>, page: &mut Page<'_>) {
    for Module {
        name,
        version,
        options,
        ..
    } in MODULES
    {
        page.line(
            "module",
            format_args!(
                "name={name},ver={version},api=1,filters=0,usedby=[],using=[],options=[{options}]"
            ),
        );
    }
}

impl Page<'_> {
    fn line(&mut self, name: impl Word, value: impl Word) {
        name.write(self.0);
        self.0.push(':');
        value.write(self.0);
        self.0.push_str("\r\n");
    }

    /// Bytes, and once more as people read them.
    fn bytes(&mut self, name: &str, bytes: u64) {
        self.line(name, bytes);
        self.line(format_args!("{name}_human"), human(bytes));
    }

    /// Names that all have the same value.
    fn same(&mut self, value: &str, names: &[&str]) {
        names.iter().for_each(|name| self.line(*name, value));
    }
}

/// What stands on a side of a line's colon: text and integers take a tenth of the time that formatting takes.
trait Word {
    fn write(&self, text: &mut String);
}

impl Word for &str {
    fn write(&self, text: &mut String) {
        text.push_str(self);
    }
}

impl Word for &String {
    fn write(&self, text: &mut String) {
        text.push_str(self);
    }
}

impl Word for String {
    fn write(&self, text: &mut String) {
        text.push_str(self);
    }
}

impl Word for std::borrow::Cow<'_, str> {
    fn write(&self, text: &mut String) {
        text.push_str(self);
    }
}

impl Word for std::fmt::Arguments<'_> {
    fn write(&self, text: &mut String) {
        // Writing to a string can't fail.
        let _ = text.write_fmt(*self);
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {
        $(impl Word for $integer {
            fn write(&self, text: &mut String) {
                text.push_str(itoa::Buffer::new().format(*self));
            }
        })*
    };
}

integers!(u8, u16, u32, u64, usize, i32, i64);
