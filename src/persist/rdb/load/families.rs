//! Records that one of the two families alone writes, and what of them this server leaves out.

use std::sync::Arc;

use super::Scan;
use super::stop::LoadStop;
use super::strangers::Sort;
use super::update::Update;
use crate::persist::rdb::fault::{Fault, Read};
use crate::persist::rdb::read::RdbReader;
use crate::persist::rdb::{Dialect, indexes, kind, modules, opcode};
use crate::resp::{Codec, ProtoLimits, Request};

/// Things left out that are named in the log. A file may bring any number of them.
const TOLD_MAX: usize = 10;
/// A command in a snapshot may be as long as one in the log.
const LIMITS: ProtoLimits = ProtoLimits {
    bulk_max: u64::MAX,
    authenticated: true,
};

impl Scan<'_> {
    /// A record whose number means something else in the other family.
    pub(super) fn own_record(
        &mut self,
        head: u8,
        reader: &mut RdbReader<'_>,
    ) -> Result<(), LoadStop> {
        match (self.dialect, head) {
            (Dialect::Redis, opcode::HASH_TEMPLATE) => {
                let id = reader.count()?;
                let names = reader.template_names()?;
                if !Arc::make_mut(&mut self.templates).add(id, &names) {
                    return Err(Fault::Says("Duplicate hash template ID").into());
                }
            }
            (Dialect::Redis, _) => {
                let metadata = reader.metadata()?;
                self.said.blessed |= metadata.blessed;
                let (free, bound): (Vec<_>, Vec<_>) = metadata
                    .strange
                    .into_iter()
                    .partition(|class| class.may_be_left_out);
                for class in free {
                    self.tell_once(format!("metadata of class '{}'", class.name));
                }
                let names = bound.into_iter().map(|class| class.name);
                let strangers = &mut self.loaded.strangers;
                strangers.add(Sort::Metadata, self.said.db, names);
            }
            (Dialect::Valkey, opcode::UPDATE) => {
                let update = self.update(reader)?;
                self.note_update(update);
            }
            (Dialect::Valkey, _) => {
                // The name of a slot migration, and ranges of slots.
                reader.skip_string()?;
                for _ in 0..reader.count()? {
                    let _range = (reader.count()?, reader.count()?);
                }
                self.tell_once("the state of a slot migration".to_owned());
            }
        }
        Ok(())
    }

    /// A command, written as a client sends it.
    fn update(&self, reader: &mut RdbReader<'_>) -> Read<Update> {
        let bytes = reader.rest();
        let mut request = Request::default();
        match Codec::default().next(bytes, &LIMITS, &mut request) {
            Ok(true) if bytes.starts_with(b"*") => {}
            Ok(false) => return Err(Fault::Short),
            _ => return Err(Fault::Broken),
        }
        let args: Vec<Arc<[u8]>> = request.args(bytes).map(Arc::from).collect();
        if args.is_empty() {
            return Err(Fault::Broken);
        }
        reader.take(request.len())?;
        let db = self.said.db;
        Ok(Update { db, args })
    }

    /// Keeps a command that is to be run, or counts one that is not.
    fn note_update(&mut self, update: Update) {
        let args: Vec<&[u8]> = update.args.iter().map(|arg| &arg[..]).collect();
        let known = match &self.rules.admit {
            Some(admit) if !update.is_bracket() => admit(&args),
            _ => Ok(()),
        };
        match known {
            Err(name) => {
                let strangers = &mut self.loaded.strangers;
                strangers.add(Sort::Commands, update.db, [name]);
            }
            Ok(()) if self.into.is_some() => self.loaded.updates.push(update),
            Ok(()) => {}
        }
    }

    /// Steps over a value, for which a hash of a template must know its template.
    pub(super) fn skip(&self, kind: u8, reader: &mut RdbReader<'_>) -> Read<()> {
        if kind != kind::HASH_TEMPLATE_REF {
            return reader.skip(kind);
        }
        let id = reader.count()?;
        reader.skip_strings(self.templates.fields(id)?)
    }

    /// An auxiliary record of a module: commands that make indexes again, if it defines any.
    pub(super) fn module_aux(&mut self, reader: &mut RdbReader<'_>) -> Result<(), LoadStop> {
        let record = *reader;
        let id = reader.skip_module_aux()?;
        let Some(found) = indexes::found(record) else {
            self.tell_once(format!(
                "auxiliary data of module type '{}'",
                modules::name(id)
            ));
            return Ok(());
        };
        if self.into.is_some() {
            found
                .left_out
                .iter()
                .for_each(|told| tracing::warn!("{told}"));
            let updates = found.makings.into_iter();
            let updates = updates.map(|args| Update { db: 0, args });
            self.loaded.updates.extend(updates);
        }
        Ok(())
    }

    /// Says once in a load what is left out of it, as long as there is not too much of it.
    pub(super) fn tell_once(&mut self, what: String) {
        if self.into.is_some() && self.told.len() < TOLD_MAX && !self.told.contains(&what) {
            tracing::warn!(
                "Skipping {what}, which this server does not have: it will not be in what it saves"
            );
            self.told.insert(what);
        }
    }
}
