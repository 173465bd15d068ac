//! What the steps of an aggregation ask of their rows, and which of that is to be read of documents.

use hashbrown::HashSet;

use super::pipeline::RowStep;
use super::shown;
use crate::command::Fail;
use crate::search::{Definition, Expression, RowGroup};

/// Who asks for a property.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AskedBy {
    Sort,
    Group,
    Reducer,
    Expression,
}

impl AskedBy {
    fn misses(self, name: &[u8]) -> Fail {
        let name = shown(name);
        Fail::code(match self {
            AskedBy::Sort => format!("Property `{name}` not loaded nor in schema"),
            AskedBy::Group => format!("No such property `{name}`"),
            AskedBy::Reducer => format!("Property `{name}` not present in document or pipeline"),
            AskedBy::Expression => format!("Property `{name}` not loaded nor in pipeline"),
        })
    }
}

/// Gathers what is to be read of documents.
pub struct Wants<'d> {
    /// What documents have. None once rows are grouped.
    definition: Option<&'d Definition>,
    /// Properties that rows have without, or that are gathered already.
    known: HashSet<Vec<u8>>,
    pub needed: Vec<Vec<u8>>,
}

impl<'d> Wants<'d> {
    pub fn new(definition: &'d Definition, known: HashSet<Vec<u8>>) -> Self {
        Wants {
            definition: Some(definition),
            known,
            needed: Vec::new(),
        }
    }

    fn want(&mut self, name: &[u8], by: AskedBy) -> Result<(), Fail> {
        if self.known.contains(name) {
            return Ok(());
        }
        let field = self.definition.and_then(|definition| {
            let at = definition.field(name)?;
            Some(&definition.fields[at])
        });
        // Expressions take what is at hand.
        let is_there = field.is_some_and(|field| field.sortable || by != AskedBy::Expression);
        if !is_there {
            return Err(by.misses(name));
        }
        self.known.insert(name.to_vec());
        self.needed.push(name.to_vec());
        Ok(())
    }

    fn expression(&mut self, parsed: &Expression) -> Result<(), Fail> {
        let mut done = Ok(());
        parsed.properties(&mut |name| {
            if done.is_ok() {
                done = self.want(name, AskedBy::Expression);
            }
        });
        done
    }

    /// What a step asks for.
    pub fn step(&mut self, step: &RowStep) -> Result<(), Fail> {
        match step {
            RowStep::Group(group) => self.group(group),
            RowStep::Sort(keys, _) => {
                let mut names = keys.iter().map(|(name, _)| name);
                names.try_for_each(|name| self.want(name, AskedBy::Sort))
            }
            RowStep::Apply(parsed, name) => {
                self.expression(parsed)?;
                self.known.insert(name.clone());
                Ok(())
            }
            RowStep::Filter(parsed) => self.expression(parsed),
            RowStep::Limit(..) => Ok(()),
        }
    }

    /// What groups ask for. The steps after it have what it makes, and nothing else.
    fn group(&mut self, group: &RowGroup) -> Result<(), Fail> {
        for name in &group.properties {
            self.want(name, AskedBy::Group)?;
        }
        for reducer in &group.reducers {
            let by = reducer.by.as_ref().map(|(by, _)| by);
            let names = [Some(&reducer.property), by].into_iter().flatten();
            for name in names.filter(|name| !name.is_empty()) {
                self.want(name, AskedBy::Reducer)?;
            }
        }
        let made = group.reducers.iter().map(|reducer| &reducer.name);
        self.known = group.properties.iter().chain(made).cloned().collect();
        self.definition = None;
        Ok(())
    }
}
