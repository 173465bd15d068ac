//! Following a path through a document.

use super::PathRef;
use super::compare::Meant;
use super::effort::{PathEffort, TooMuch};
use super::part::{PathFilter, PathPart, PathTerm};
use crate::types::json::node::{JsonNode, JsonSeen, PathStep};
use crate::types::json::text::FieldName;

/// A value that a path leads to.
struct PathHit<'d> {
    node: &'d JsonNode,
    /// Where it stands, if that was asked for.
    steps: Option<Vec<PathStep>>,
}

impl PathRef<'_> {
    /// The values that the path leads to.
    pub fn values<'d>(
        self,
        root: &'d JsonNode,
        effort: &mut PathEffort,
    ) -> Result<Vec<&'d JsonNode>, TooMuch> {
        let mut walk = PathWalk::new(root, None, effort);
        walk.on(self.0, root, None)?;
        Ok(walk.found.into_iter().map(|hit| hit.node).collect())
    }

    /// Where the values stand that the path leads to; of those that don't fit, nothing but that they are there.
    pub fn places(
        self,
        root: &JsonNode,
        fits: &dyn Fn(&JsonNode) -> bool,
        effort: &mut PathEffort,
    ) -> Result<Vec<Option<Vec<PathStep>>>, TooMuch> {
        let mut walk = PathWalk::new(root, Some(fits), effort);
        walk.on(self.0, root, None)?;
        Ok(walk.found.into_iter().map(|hit| hit.steps).collect())
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

struct PathWalk<'d, 'w> {
    root: &'d JsonNode,
    /// Of which values it is asked where they stand.
    fits: Option<&'w dyn Fn(&JsonNode) -> bool>,
    found: Vec<PathHit<'d>>,
    effort: &'w mut PathEffort,
}

type Followed = Result<(), TooMuch>;

impl<'d, 'w> PathWalk<'d, 'w> {
    fn new(
        root: &'d JsonNode,
        fits: Option<&'w dyn Fn(&JsonNode) -> bool>,
        effort: &'w mut PathEffort,
    ) -> Self {
        PathWalk {
            root,
            fits,
            found: Vec::new(),
            effort,
        }
    }

    /// Where the value stands, if that is asked for. It counts for as many steps as there are.
    fn steps_to(
        &mut self,
        node: &JsonNode,
        trail: Option<&PathTrail<'_>>,
    ) -> Result<Option<Vec<PathStep>>, TooMuch> {
        if !self.fits.is_some_and(|fits| fits(node)) {
            return Ok(None);
        }
        let steps = trail.map(PathTrail::steps).unwrap_or_default();
        self.effort.steps(steps.len())?;
        Ok(Some(steps))
    }

    fn on(
        &mut self,
        parts: &[PathPart],
        node: &'d JsonNode,
        trail: Option<&PathTrail<'_>>,
    ) -> Followed {
        self.effort.steps(1)?;
        let Some((part, rest)) = parts.split_first() else {
            let steps = self.steps_to(node, trail)?;
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
        self.effort.looks(name.len())?;
        let Some(child) = node
            .as_object()
            .and_then(|fields| fields.find(name.as_bytes()))
        else {
            return self.effort.steps(1);
        };
        if self.fits.is_none() {
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
            None => self.effort.steps(1),
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
        self.effort.steps(1)?;
        Ok(match filter {
            PathFilter::Any(any) => {
                for all in any {
                    if self.all_hold(all, node)? {
                        return Ok(true);
                    }
                }
                false
            }
            PathFilter::Exists(term) => !matches!(self.meant(term, node)?, Meant::Nothing),
            PathFilter::Compare(first, compare, second) => {
                let (first, second) = (self.meant(first, node)?, self.meant(second, node)?);
                first.compares(*compare, second, self.effort)?
            }
        })
    }

    fn all_hold(&mut self, all: &[PathFilter], node: &'d JsonNode) -> Result<bool, TooMuch> {
        for filter in all {
            if !self.holds(filter, node)? {
                return Ok(false);
            }
        }
        Ok(true)
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
        let mut walk = PathWalk::new(root, None, self.effort);
        walk.on(parts, root, None)?;
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
