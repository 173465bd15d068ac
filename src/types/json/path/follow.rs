//! Following a path through a document.

use super::filter::{Meant, PathFilter, PathTerm};
use super::{PathPart, PathRef};
use crate::types::json::node::{JsonNode, JsonSeen, PathStep};
use crate::types::json::text::FieldName;

/// Steps for one path: a second's worth. `..` several times in a path may come to each value in very many ways.
const STEPS_MAX: usize = 10_000_000;

/// The path was given up: following it takes too many steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuch;

/// A value that a path leads to.
#[derive(Debug)]
pub struct PathHit<'d> {
    pub node: &'d JsonNode,
    /// Where it stands, if that was asked for.
    pub steps: Vec<PathStep>,
}

impl PathRef<'_> {
    /// The values that the path leads to.
    pub fn values(self, root: &JsonNode) -> Result<Vec<&JsonNode>, TooMuch> {
        let mut walk = PathWalk::new(root, false);
        walk.on(self.0, root, None)?;
        Ok(walk.found.into_iter().map(|found| found.node).collect())
    }

    /// The values that the path leads to, and where they stand.
    pub fn places(self, root: &JsonNode) -> Result<Vec<PathHit<'_>>, TooMuch> {
        let mut walk = PathWalk::new(root, true);
        walk.on(self.0, root, None)?;
        Ok(walk.found)
    }
}

/// How the walk came to where it is, last step first.
#[derive(Clone, Copy)]
struct PathTrail<'t> {
    before: Option<&'t PathTrail<'t>>,
    step: Passed<'t>,
}

#[derive(Clone, Copy)]
enum Passed<'t> {
    Name(&'t FieldName),
    At(usize),
}

impl PathTrail<'_> {
    fn steps(&self) -> Vec<PathStep> {
        let mut steps = self.before.map(PathTrail::steps).unwrap_or_default();
        steps.push(match self.step {
            Passed::Name(name) => PathStep::Name(name.clone()),
            Passed::At(at) => PathStep::At(at),
        });
        steps
    }
}

struct PathWalk<'d> {
    root: &'d JsonNode,
    with_steps: bool,
    found: Vec<PathHit<'d>>,
    left: usize,
}

type Followed = Result<(), TooMuch>;

impl<'d> PathWalk<'d> {
    fn new(root: &'d JsonNode, with_steps: bool) -> Self {
        PathWalk {
            root,
            with_steps,
            found: Vec::new(),
            left: STEPS_MAX,
        }
    }

    fn on(
        &mut self,
        parts: &[PathPart],
        node: &'d JsonNode,
        trail: Option<&PathTrail<'_>>,
    ) -> Followed {
        self.left = self.left.checked_sub(1).ok_or(TooMuch)?;
        let Some((part, rest)) = parts.split_first() else {
            let steps = match self.with_steps {
                true => trail.map(PathTrail::steps).unwrap_or_default(),
                false => Vec::new(),
            };
            self.found.push(PathHit { node, steps });
            return Ok(());
        };
        match part {
            PathPart::Name(name) => self.named(name, rest, node, trail),
            PathPart::Names(names) => {
                let mut names = names.iter();
                names.try_for_each(|name| self.named(name, rest, node, trail))
            }
            PathPart::Places(places) => {
                let Some(elements) = node.as_array() else {
                    return Ok(());
                };
                let len = elements.len();
                places
                    .iter()
                    .try_for_each(|place| self.at(absolute(*place, len), rest, node, trail))
            }
            PathPart::Range(from, to, step) => {
                let Some(elements) = node.as_array() else {
                    return Ok(());
                };
                let len = elements.len();
                let from = from.map_or(0, |from| absolute(from, len));
                let to = to.map_or(len, |to| absolute(to, len));
                (from..to)
                    .step_by(*step)
                    .try_for_each(|at| self.at(at, rest, node, trail))
            }
            PathPart::All => self.each(node, trail, |walk, child, trail| {
                walk.on(rest, child, trail)
            }),
            PathPart::Deep => {
                self.on(rest, node, trail)?;
                self.below(rest, node, trail)
            }
            PathPart::Filter(filter) => self.filtered(filter, rest, node, trail),
        }
    }

    fn named(
        &mut self,
        name: &str,
        rest: &[PathPart],
        node: &'d JsonNode,
        trail: Option<&PathTrail<'_>>,
    ) -> Followed {
        let Some(child) = node
            .as_object()
            .and_then(|fields| fields.find(name.as_bytes()))
        else {
            return Ok(());
        };
        if !self.with_steps {
            return self.on(rest, child, None);
        }
        let name = FieldName::new(name.as_bytes());
        let step = Passed::Name(&name);
        self.on(
            rest,
            child,
            Some(&PathTrail {
                before: trail,
                step,
            }),
        )
    }

    fn at(
        &mut self,
        at: usize,
        rest: &[PathPart],
        node: &'d JsonNode,
        trail: Option<&PathTrail<'_>>,
    ) -> Followed {
        let child = node.as_array().and_then(|elements| elements.get(at));
        let step = Passed::At(at);
        match child {
            Some(child) => self.on(
                rest,
                child,
                Some(&PathTrail {
                    before: trail,
                    step,
                }),
            ),
            None => Ok(()),
        }
    }

    /// Goes to all that is in a container.
    fn each(
        &mut self,
        node: &'d JsonNode,
        trail: Option<&PathTrail<'_>>,
        mut visit: impl FnMut(&mut Self, &'d JsonNode, Option<&PathTrail<'_>>) -> Followed,
    ) -> Followed {
        match node.see() {
            JsonSeen::Array(elements) => elements.iter().enumerate().try_for_each(|(at, child)| {
                let step = Passed::At(at);
                visit(
                    self,
                    child,
                    Some(&PathTrail {
                        before: trail,
                        step,
                    }),
                )
            }),
            JsonSeen::Object(fields) => fields.iter().try_for_each(|(name, child)| {
                let step = Passed::Name(name);
                visit(
                    self,
                    child,
                    Some(&PathTrail {
                        before: trail,
                        step,
                    }),
                )
            }),
            _ => Ok(()),
        }
    }

    /// Goes on from everything below, each before what is below it.
    fn below(
        &mut self,
        rest: &[PathPart],
        node: &'d JsonNode,
        trail: Option<&PathTrail<'_>>,
    ) -> Followed {
        self.each(node, trail, |walk, child, trail| {
            walk.on(rest, child, trail)?;
            walk.below(rest, child, trail)
        })
    }

    /// Of a container what is in it is held against the filter, else the value itself.
    fn filtered(
        &mut self,
        filter: &PathFilter,
        rest: &[PathPart],
        node: &'d JsonNode,
        trail: Option<&PathTrail<'_>>,
    ) -> Followed {
        let visit = |walk: &mut Self, node: &'d JsonNode, trail: Option<&PathTrail<'_>>| match walk
            .holds(filter, node)?
        {
            true => walk.on(rest, node, trail),
            false => Ok(()),
        };
        match node.see() {
            JsonSeen::Array(_) | JsonSeen::Object(_) => self.each(node, trail, visit),
            _ => visit(self, node, trail),
        }
    }

    fn holds(&mut self, filter: &PathFilter, node: &'d JsonNode) -> Result<bool, TooMuch> {
        self.left = self.left.checked_sub(1).ok_or(TooMuch)?;
        Ok(match filter {
            PathFilter::Any(any) => {
                for all in any {
                    let mut holds = true;
                    for filter in all {
                        holds = holds && self.holds(filter, node)?;
                    }
                    if holds {
                        return Ok(true);
                    }
                }
                false
            }
            PathFilter::Exists(term) => !matches!(self.meant(term, node)?, Meant::Nothing),
            PathFilter::Compare(first, compare, second) => {
                let (first, second) = (self.meant(first, node)?, self.meant(second, node)?);
                first.compares(*compare, second)
            }
            PathFilter::Matches(term, pattern) => match (self.meant(term, node)?.text(), pattern) {
                (Some(text), Some(pattern)) => pattern.is_match(text),
                _ => false,
            },
        })
    }

    fn meant<'t>(&mut self, term: &'t PathTerm, here: &'d JsonNode) -> Result<Meant<'t>, TooMuch>
    where
        'd: 't,
    {
        let (parts, root) = match term {
            PathTerm::Int(n) => return Ok(Meant::Int(*n)),
            PathTerm::Float(n) => return Ok(Meant::Float(*n)),
            PathTerm::Text(text) => return Ok(Meant::Text(text.as_bytes())),
            PathTerm::Bool(yes) => return Ok(Meant::Bool(*yes)),
            PathTerm::Null => return Ok(Meant::Null),
            PathTerm::FromHere(parts) => (parts, here),
            PathTerm::FromRoot(parts) => (parts, self.root),
        };
        let mut walk = PathWalk::new(root, false);
        walk.left = self.left;
        walk.on(parts, root, None)?;
        self.left = walk.left;
        Ok(match walk.found[..] {
            [PathHit { node, .. }] => Meant::Node(node),
            _ => Meant::Nothing,
        })
    }
}

/// A place counted from the first element; one counted from the end is at the beginning if it is before that.
fn absolute(place: i64, len: usize) -> usize {
    match usize::try_from(place) {
        Ok(place) => place.min(len),
        Err(_) => len.saturating_sub(place.unsigned_abs() as usize),
    }
}
