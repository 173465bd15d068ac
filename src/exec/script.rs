//! EVAL and FCALL: a script is found, checked, and run under its unit's locks; what it calls is in [`super::called`].
//!
//! What it logs is logged as one MULTI ... EXEC. The checks ask [`Stage::obeys`] first: what a log or a master says is
//! done.

use mlua::Function;

use super::Worker;
use super::refusals::{STALE, refused_by_disk};
use super::road::Ran;
use super::role::{is_stale, may_write};
use super::stage::{ScriptRun, Stage};
use super::unit::Unit;
use crate::cluster::slot_of;
use crate::command::session::Session;
use crate::command::{
    Begin, CommandEntry, Fail, Find, Flow, FunctionLoad, Plan, Registry, ScriptCall, ScriptWish,
};
use crate::engine::{ShardKey, ShardSet};
use crate::journal::Answer;
use crate::resp::Reply;
use crate::script::{
    self, Clash, Failure, Flags, Header, KeyPlaces, Library, LoadedScript, write_reply,
};
use crate::state::shared::Shared;
use crate::types::Bstr;

/// A script that is about to run, as it was found.
struct FoundScript {
    function: Function,
    flags: Flags,
    name: String,
    is_function: bool,
    /// It touches its declared keys alone.
    contained: bool,
}

impl<'w> Stage<'w> {
    /// Does what a script command wants, as a unit of its own.
    pub(super) fn script(
        &self,
        worker: &'w Worker,
        session: &mut Session,
        entry: &'static CommandEntry,
        argv: &[&[u8]],
        wish: &ScriptWish,
        out: &mut Answer,
    ) -> Result<Ran, Fail> {
        self.begin();
        match wish {
            ScriptWish::Call(call) => {
                let found = self.find_script(worker, argv, call);
                let found = found.inspect_err(|_| worker.account.show_script(session, argv))?;
                let mut set = ShardSet::ALL;
                if found.contained {
                    set = ShardSet::EMPTY;
                    let keys = &argv[3..3 + call.keys];
                    keys.iter().for_each(|key| set.add(ShardKey::of(key)));
                    if keys.is_empty() {
                        // Some lock, so that it ends before what others do to its client is answered, or knows of it.
                        set = ShardSet::one(0);
                    }
                }
                let obeyed = self.obeys();
                let unit = match obeyed {
                    true => worker.begin_write_patiently(set),
                    false => worker.begin_write(set)?,
                };
                if !obeyed && let Some(instead) = worker.instead(&unit, session, entry, argv) {
                    worker.let_go_of(unit);
                    return instead;
                }
                let (mut unit, done) =
                    self.run_script(worker, session, argv, call, found, unit, out.reply());
                if obeyed || self.is_cut() {
                    // It stands in the log that is being read: whoever reads edits has had these. Half of a script is
                    // worse than none of it.
                    unit.effects.log.clear();
                } else {
                    // It ran at the time when it began, however long it took.
                    worker.present.read_clock();
                }
                let by = (!obeyed).then_some(session.client.id);
                worker.commit(unit, by, out.depends());
                done.map(|()| Ran::Flow(Flow::Done))
            }
            ScriptWish::Load | ScriptWish::Function(_) => {
                let _turn = (!self.obeys()).then(|| worker.shared.guards.turn(worker.id));
                if !self.obeys() && worker.guards_moved() {
                    return Ok(Ran::Moved);
                }
                self.load_script(worker, session, argv, wish, out)?;
                Ok(Ran::Flow(Flow::Done))
            }
        }
    }

    /// Does what a command wants that loads scripts.
    fn load_script(
        &self,
        worker: &Worker,
        session: &mut Session,
        argv: &[&[u8]],
        wish: &ScriptWish,
        out: &mut Answer,
    ) -> Result<(), Fail> {
        match wish {
            ScriptWish::Call(_) => unreachable!("it runs a script"),
            ScriptWish::Load => {
                let (held, _) = self.host.load(argv[2], true).map_err(Fail::said)?;
                out.reply().bulk(&held.sha);
                Ok(())
            }
            ScriptWish::Function(load) => {
                let name =
                    load_functions(&worker.shared, load, &|code| self.host.load_library(code))?;
                match name {
                    Some(name) => out.reply().bulk(name),
                    None => out.reply().ok(),
                }
                if !self.obeys() {
                    worker.log_alone(session, argv, out.depends());
                }
                Ok(())
            }
        }
    }

    /// Runs a script inside EXEC or a master's stream, under the locks of all of that.
    pub(super) fn script_in_exec(
        &self,
        worker: &'w Worker,
        session: &mut Session,
        argv: &[&[u8]],
        wish: &ScriptWish,
        unit: Unit<'w>,
        out: &mut Answer,
    ) -> (Unit<'w>, Result<(), Fail>) {
        let ScriptWish::Call(call) = wish else {
            self.begin();
            let done = self.load_script(worker, session, argv, wish, out);
            return (unit, done);
        };
        self.begin();
        match self.find_script(worker, argv, call) {
            Err(fail) => {
                worker.account.show_script(session, argv);
                (unit, Err(fail))
            }
            Ok(found) => self.run_script(worker, session, argv, call, found, unit, out.reply()),
        }
    }

    fn find_script(
        &self,
        worker: &Worker,
        argv: &[&[u8]],
        call: &ScriptCall,
    ) -> Result<FoundScript, Fail> {
        let from_held = |(held, function): (std::sync::Arc<LoadedScript>, Function)| FoundScript {
            function,
            flags: held.flags,
            name: held.sha.clone(),
            is_function: false,
            contained: *held
                .contained
                .get_or_init(|| is_contained(worker.registry, &held.body)),
        };
        let found = if call.is_function {
            let (registered, function) = self
                .host
                .function(argv[1])
                .ok_or(Fail::Says("Function not found"))?;
            FoundScript {
                function,
                flags: registered.flags,
                name: registered.name,
                is_function: true,
                contained: false,
            }
        } else if call.by_sha {
            from_held(self.host.find(argv[1]).ok_or(Fail::NO_SCRIPT)?)
        } else {
            from_held(self.host.load(argv[1], false).map_err(Fail::said)?)
        };
        let obeyed = self.obeys();
        if worker.shared.replication.is_guarded() && !obeyed {
            check_script(worker, &found)?;
        }
        if found.flags.no_cluster && worker.shared.redirecting().is_some() && !obeyed {
            return Err(Fail::Says(
                "Can not run script on cluster, 'no-cluster' flag is set.",
            ));
        }
        if !found.flags.legacy {
            if call.read_only && !found.flags.no_writes {
                return Err(Fail::Says(
                    "Can not execute a script with write flag using *_ro command.",
                ));
            }
            if obeyed {
                return Ok(found);
            }
            if !found.flags.no_writes
                && let Some(trouble) = worker.shared.store.trouble()
            {
                return Err(refused_by_disk(trouble));
            }
            let guarded = !found.flags.allow_oom && !found.flags.no_writes;
            if guarded && worker.eviction.is_short(&worker.shared) {
                return Err(Fail::code(
                    "OOM command not allowed when used memory > 'maxmemory'.",
                ));
            }
        }
        Ok(found)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each is another thing that the script needs"
    )]
    fn run_script(
        &self,
        worker: &'w Worker,
        session: &mut Session,
        argv: &[&[u8]],
        call: &ScriptCall,
        found: FoundScript,
        unit: Unit<'w>,
        out: &mut Reply,
    ) -> (Unit<'w>, Result<(), Fail>) {
        // Here, so that what the script calls is shown after it.
        worker.account.show_script(session, argv);
        let own = Session::for_script(session);
        let dirty = unit.effects.dirty;
        let keys = &argv[3..3 + call.keys];
        let tracked = own.tracking.as_ref().is_some_and(|one| one.wants_reads());
        let declared = tracked.then(|| keys.iter().map(|key| Bstr::new(key)).collect());
        *self.run.borrow_mut() = Some(ScriptRun {
            unit,
            session: own,
            slot: keys.first().map(|key| slot_of(key)),
            flags: found.flags,
            read_only: call.read_only || found.flags.no_writes,
            short: worker.eviction.is_short(&worker.shared)
                && !self.obeys()
                && !found.flags.allow_oom,
            obeyed: self.obeys(),
            is_function: found.is_function,
            name: found.name.clone(),
            // FUNCTION STATS tells it.
            command: match found.is_function {
                true => argv.iter().map(|arg| arg.to_vec()).collect(),
                false => Vec::new(),
            },
            dirty,
            declared,
        });
        self.begin();
        let args = &argv[3 + call.keys..];
        let host = &self.host;
        let done = if found.is_function {
            host.run_function(&found.function, keys, args)
        } else {
            host.run_script(&found.function, keys, args)
        };
        let done = done.and_then(|value| {
            if let Some(failure) = host.error_in(&value) {
                return Err(failure);
            }
            let mark = out.mark();
            write_reply(&value, host.is_resp3(), out).map_err(|_| {
                out.cut(mark);
                Failure {
                    text: b"ERR the reply could not be read".to_vec(),
                    place: None,
                    counted: false,
                    returned: false,
                }
            })
        });
        self.end(worker);
        let run = self.run.take().expect("the script ran until here");
        (
            run.unit,
            done.map_err(|failure| failed(&failure, &found.name)),
        )
    }
}

/// Adds libraries to those that all workers have; gives the name of one that was loaded alone.
pub(super) fn load_functions(
    shared: &Shared,
    wish: &FunctionLoad,
    load: &dyn Fn(&[u8]) -> Result<Library, String>,
) -> Result<Option<String>, Fail> {
    let scripts = &shared.scripts;
    let _lock = scripts.functions_lock.lock();
    let mut functions = (*scripts.functions.load_full()).clone();
    if wish.flush {
        functions.libraries.clear();
        functions.version += 1;
    }
    let mut name = None;
    for code in &wish.codes {
        let library = load(code).map_err(Fail::said)?;
        name = Some(library.name.clone());
        functions
            .add(library.into(), wish.replace)
            .map_err(|clash| clashed(clash, wish.restore))?;
    }
    shared.publish_functions(functions);
    Ok(name.filter(|_| !wish.restore))
}

/// What a replica lets scripts do, and a master that wants replicas.
#[cold]
fn check_script(worker: &Worker, found: &FoundScript) -> Result<(), Fail> {
    let flags = &found.flags;
    if (flags.legacy || !flags.allow_stale) && is_stale(&worker.shared) {
        return Err(Fail::code(STALE));
    }
    if flags.legacy || flags.no_writes {
        return Ok(());
    }
    may_write(&worker.shared)
}

fn is_contained(registry: &Registry, body: &[u8]) -> bool {
    let code = Header::of_script(body).map_or(body, |header| header.code);
    script::is_contained(code, &|name, count| {
        let entry = registry.get(name)?;
        let command = entry.command;
        let told = entry.specs.iter().all(|spec| {
            matches!(
                (spec.begin, spec.find),
                (Begin::Index(_), Find::Range { limit: 0, .. })
            )
        });
        let plain = matches!(command.plan, Plan::Keys) && command.more_keys.is_none();
        if !told || !plain || !command.subcommands.is_empty() {
            return None;
        }
        let open = entry
            .specs
            .iter()
            .any(|spec| matches!(spec.find, Find::Range { last, .. } if last < 0));
        let mut at = Vec::new();
        entry.each_key(&vec![&b""[..]; count], |place| at.push(place));
        Some(KeyPlaces { at, open })
    })
}

fn clashed(clash: Clash, restore: bool) -> Fail {
    Fail::said(match clash {
        Clash::Library(name) if restore => format!("Library {name} already exists"),
        Clash::Library(name) => format!("Library '{name}' already exists"),
        Clash::Function(name) => format!("Function {name} already exists"),
    })
}

/// A script's failure as its client hears it.
fn failed(failure: &Failure, name: &str) -> Fail {
    let text = String::from_utf8_lossy(&failure.text);
    let text = match &failure.place {
        _ if failure.returned => text.into_owned(),
        Some((source, line)) => format!("{text} script: {name}, on {source}:{line}."),
        None => format!("{text} script: {name}, on ?:-1."),
    };
    match failure.counted {
        true => Fail::Counted(text),
        false => Fail::code(text),
    }
}
