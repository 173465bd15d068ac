//! A vector set: elements with a name, a vector and perhaps attributes, found by how near their vectors are to another one.
//!
//! Elements, vectors and the nodes of the graph have the same positions, from 0 on without holes: where one goes, the last one
//! takes its place. All three stand in chunks that copies share.

pub mod filter;
mod form;
mod projection;
#[cfg(test)]
mod tests;

pub use filter::AttributeFilter;
pub use form::{DIMENSION_MAX, KeptVector, Quantization, VectorForm};
pub use projection::Projection;

use std::sync::atomic::{AtomicU64, Ordering};

use super::TypeRef;
use super::bstr::Bstr;
use super::dense::{Far, Keyed, Shared};
use super::graph::{Graph, Near, Space, Unsound, WalkWish, Walker};
use super::rows::Rows;
use crate::util::keyhash;

/// An element without its vector.
#[derive(Clone, Debug)]
struct NamedVector {
    name: Bstr,
    /// JSON as a client sent it. Never empty.
    attributes: Option<Box<[u8]>>,
}

impl NamedVector {
    fn new(name: &[u8], attributes: Option<&[u8]>) -> Self {
        NamedVector {
            name: Bstr::new(name),
            attributes: attributes.filter(|text| !text.is_empty()).map(Box::from),
        }
    }

    fn bytes(&self) -> usize {
        self.name.heap_bytes() + self.attributes.as_deref().map_or(0, <[u8]>::len)
    }
}

impl Keyed for NamedVector {
    fn key(&self) -> &[u8] {
        &self.name
    }
}

/// An element that a search found.
#[derive(Clone, Copy, Debug)]
pub struct VectorMatch<'a> {
    pub name: &'a [u8],
    pub attributes: Option<&'a [u8]>,
    /// From 0, the same direction, to 2.
    pub distance: f32,
}

/// What a search is to find.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    pub count: usize,
    /// How many elements are kept in sight; where all of them can be, the search is exact.
    pub exploration: usize,
    pub filter: Option<&'a AttributeFilter>,
    /// How many elements are gone to for the sake of the filter, at most.
    pub effort: usize,
    /// Look at every element.
    pub exact: bool,
}

/// An element as a file carries it.
pub struct Stored {
    pub name: Vec<u8>,
    pub attributes: Option<Vec<u8>>,
    pub row: Vec<u8>,
    /// Positions of those that it is linked with, on each level.
    pub links: Vec<Vec<u32>>,
}

#[derive(Clone, Debug)]
pub struct VectorSet {
    form: VectorForm,
    projection: Option<Projection>,
    elements: Shared<NamedVector>,
    rows: Rows<u8>,
    graph: Graph,
    /// Bytes of names and attributes.
    bytes: usize,
    /// How many elements have attributes.
    with_attributes: usize,
    /// Elements ever added.
    added: u64,
    /// Tells sets apart.
    id: u64,
}

/// The id of the next set.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

fn fresh_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

impl Default for VectorSet {
    fn default() -> Self {
        VectorSet::new(VectorForm::default(), None, 0)
    }
}

/// Rows with their distances from one.
fn measured(
    form: VectorForm,
    row: &[u8],
    rows: &Rows<u8>,
    nodes: &[u32],
) -> impl Iterator<Item = Near> {
    nodes.iter().map(move |node| Near {
        distance: form.distance(row, rows.at(*node as usize)),
        node: *node,
    })
}

/// Rows between which the graph asks for distances.
struct Between<'a> {
    form: VectorForm,
    rows: &'a Rows<u8>,
}

impl Space for Between<'_> {
    fn measure(&self, from: u32, nodes: &[u32], near: &mut Vec<Near>) {
        let row = self.rows.at(from as usize);
        near.extend(measured(self.form, row, self.rows, nodes));
    }
}

impl VectorSet {
    /// A set without elements, whose nodes have about so many links.
    pub fn new(form: VectorForm, projection: Option<Projection>, links: usize) -> Self {
        VectorSet {
            form,
            projection,
            elements: Shared::new(),
            rows: Rows::new(form.row_bytes()),
            graph: Graph::new(links),
            bytes: 0,
            with_attributes: 0,
            added: 0,
            id: fresh_id(),
        }
    }

    /// A set of these elements; an error if a name stands twice, or their links are no graph. Those that no links lead to get
    /// some.
    pub fn from_stored(mut self, stored: Vec<Stored>) -> Result<Self, Unsound> {
        let mut links = Vec::with_capacity(stored.len());
        for one in stored {
            let hash = keyhash::hash(&one.name);
            let is_twice = self.elements.find(hash, &one.name).is_some();
            if is_twice || one.row.len() != self.form.row_bytes() {
                return Err(Unsound);
            }
            self.list(NamedVector::new(&one.name, one.attributes.as_deref()));
            self.rows.push(one.row);
            links.push(one.links);
        }
        self.graph = Graph::from_links(self.graph.links_wanted(), links)?;
        let space = Between {
            form: self.form,
            rows: &self.rows,
        };
        self.graph.join_islands(&space);
        Ok(self)
    }

    pub fn form(&self) -> VectorForm {
        self.form
    }

    pub fn projection(&self) -> Option<&Projection> {
        self.projection.as_ref()
    }

    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    pub fn len(&self) -> usize {
        self.elements.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn with_attributes(&self) -> usize {
        self.with_attributes
    }

    pub fn added(&self) -> u64 {
        self.added
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    /// The position of an element.
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        self.elements.find(keyhash::hash(name), name)
    }

    pub fn name(&self, at: usize) -> &[u8] {
        &self.elements.at(at).name
    }

    pub fn attributes(&self, at: usize) -> Option<&[u8]> {
        self.elements.at(at).attributes.as_deref()
    }

    /// An element's vector, as it is kept.
    pub fn row(&self, at: usize) -> &[u8] {
        self.rows.at(at)
    }

    /// How far two elements are from each other.
    pub fn between(&self, one: usize, other: usize) -> f32 {
        self.form.distance(self.row(one), self.row(other))
    }

    fn list(&mut self, element: NamedVector) {
        self.bytes += element.bytes();
        self.with_attributes += usize::from(element.attributes.is_some());
        self.elements.push(keyhash::hash(element.key()), element);
        self.added += 1;
    }

    fn unlist(&mut self, at: usize) -> NamedVector {
        let space = Between {
            form: self.form,
            rows: &self.rows,
        };
        self.graph.unlink(at as u32, &space);
        self.graph.swap_remove(at as u32);
        self.rows.swap_remove(at);
        let element = self.elements.swap_remove(at);
        self.bytes -= element.bytes();
        self.with_attributes -= usize::from(element.attributes.is_some());
        element
    }

    /// Adds an element, or gives one another vector; true if it is new. Attributes stay as they are where none are given, and
    /// go where they are empty. `level` is that of its node, and `exploration` how many nodes are looked at to link it well.
    pub fn insert(
        &mut self,
        name: &[u8],
        vector: Vec<f32>,
        attributes: Option<&[u8]>,
        (level, exploration): (usize, usize),
    ) -> bool {
        debug_assert_eq!(vector.len(), self.form.dimension);
        let row = self.form.keep(vector);
        let held = self.find(name);
        let element = match held {
            Some(at) if self.row(at) == row => {
                if let Some(text) = attributes {
                    self.set_attributes(at, text);
                }
                return false;
            }
            Some(at) => {
                let held = self.unlist(at);
                let given = || NamedVector::new(name, attributes);
                attributes.map_or(held, |_| given())
            }
            None => NamedVector::new(name, attributes),
        };
        self.rows.push(row);
        let space = Between {
            form: self.form,
            rows: &self.rows,
        };
        self.graph.insert(level, exploration, &space);
        self.list(element);
        held.is_none()
    }

    pub fn remove(&mut self, name: &[u8]) -> bool {
        let at = self.find(name);
        at.map(|at| self.unlist(at)).is_some()
    }

    /// Gives an element other attributes, or none if they are empty.
    pub fn set_attributes(&mut self, at: usize, text: &[u8]) {
        let element = self.elements.at_mut(at);
        self.bytes -= element.bytes();
        self.with_attributes -= usize::from(element.attributes.is_some());
        element.attributes = Some(text).filter(|text| !text.is_empty()).map(Box::from);
        self.bytes += element.bytes();
        self.with_attributes += usize::from(element.attributes.is_some());
    }

    /// The elements nearest to a vector, from the nearest on.
    pub fn search(&self, vector: Vec<f32>, query: Query<'_>) -> Vec<VectorMatch<'_>> {
        let row = self.form.keep(vector);
        let mut search = Walker {
            measure: |nodes: &[u32], near: &mut Vec<Near>| {
                near.extend(measured(self.form, &row, &self.rows, nodes));
            },
        };
        let welcome = |node: u32| {
            query.filter.is_none_or(|filter| {
                let attributes = self.attributes(node as usize);
                attributes.is_some_and(|text| filter.accepts(text))
            })
        };
        let all_in_sight = query.exploration >= self.len() && query.effort >= self.len();
        let found = if query.exact || all_in_sight {
            search.run_over_all(&self.graph, query.count, welcome)
        } else {
            let wish = WalkWish {
                count: query.exploration,
                effort: query.effort,
            };
            search.run(&self.graph, wish, welcome)
        };
        let shown = found.into_iter().take(query.count);
        shown.map(|near| self.shown(near)).collect()
    }

    fn shown(&self, near: Near) -> VectorMatch<'_> {
        let at = near.node as usize;
        VectorMatch {
            name: self.name(at),
            attributes: self.attributes(at),
            distance: near.distance,
        }
    }
}

impl<'a> TypeRef<'a> for &'a VectorSet {
    type Whole = VectorSet;

    fn see(whole: &'a VectorSet) -> Self {
        whole
    }

    fn encoding(self) -> &'static str {
        "raw"
    }

    fn heap_bytes(self) -> usize {
        let projection = self.projection.as_ref().map_or(0, Projection::heap_bytes);
        let parts = self.elements.heap_bytes() + self.rows.heap_bytes() + self.graph.heap_bytes();
        parts + self.bytes + projection
    }

    fn detached(self) -> VectorSet {
        VectorSet {
            id: fresh_id(),
            ..self.clone()
        }
    }

    fn frozen(self) -> VectorSet {
        VectorSet {
            form: self.form,
            projection: self.projection.clone(),
            elements: self.elements.frozen(),
            rows: self.rows.clone(),
            graph: self.graph.clone(),
            ..*self
        }
    }

    fn free_effort(self) -> usize {
        self.len()
    }

    fn holds_nothing(self) -> bool {
        self.is_empty()
    }

    fn far(self, member: &[u8]) -> Option<&'a dyn Far> {
        self.elements.far(member)
    }
}
