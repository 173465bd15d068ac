//! A value in a document: sixteen bytes, which hold numbers and short texts themselves.
//!
//! Arrays and objects stand behind counted pointers, so a copy of a document is one pointer more to its root. Whoever
//! edits a container that is shared copies that one first, and none that is below it.

use triomphe::{Arc, ThinArc};

use super::array::LongArray;
use super::fields::{ManyField, ManyFields};
use super::names::{FieldNames, all_differ};
use super::text::{FieldName, LongText, ShortText, long};

/// Above this, an array stands in chunks. Up to it an edit may write all of its elements anew.
pub const ARRAY_MAX: usize = 64;
/// From here down, a long array is short again.
const ARRAY_AGAIN: usize = ARRAY_MAX / 2;
/// Up to this, an edit of an object may write all of its fields anew. One of more has its names to itself, and an index of
/// them, as soon as a field comes or goes.
pub const OBJECT_MAX: usize = 128;
/// An object that is read as a whole shares its names if it has no more fields than this.
pub const OBJECT_READ_MAX: usize = 4096;

#[derive(Clone, Debug, Default)]
pub enum JsonNode {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    /// An integer beyond those with a sign.
    Large(u64),
    Float(f64),
    Short(ShortText),
    Long(LongText),
    Array(ThinArc<(), JsonNode>),
    LongArray(Arc<LongArray<JsonNode>>),
    Object(ThinArc<FieldNames, JsonNode>),
    LongObject(Arc<ManyFields<JsonNode>>),
}

/// What a node is, for whoever looks at it.
#[derive(Clone, Copy, Debug)]
pub enum JsonSeen<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Large(u64),
    Float(f64),
    Text(&'a [u8]),
    Array(ArrayView<'a>),
    Object(ObjectView<'a>),
}

/// The elements of an array.
#[derive(Clone, Copy, Debug)]
pub enum ArrayView<'a> {
    Short(&'a [JsonNode]),
    Long(&'a LongArray<JsonNode>),
}

impl<'a> ArrayView<'a> {
    pub fn len(self) -> usize {
        match self {
            ArrayView::Short(nodes) => nodes.len(),
            ArrayView::Long(array) => array.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub fn get(self, at: usize) -> Option<&'a JsonNode> {
        match self {
            ArrayView::Short(nodes) => nodes.get(at),
            ArrayView::Long(array) => array.get(at),
        }
    }

    pub fn iter(self) -> impl Iterator<Item = &'a JsonNode> {
        let (short, long) = match self {
            ArrayView::Short(nodes) => (nodes, None),
            ArrayView::Long(array) => (&[][..], Some(array.iter())),
        };
        short.iter().chain(long.into_iter().flatten())
    }
}

/// The fields of an object.
#[derive(Clone, Copy, Debug)]
pub enum ObjectView<'a> {
    /// Their names are those of other objects, too.
    Shared(&'a FieldNames, &'a [JsonNode]),
    Own(&'a ManyFields<JsonNode>),
}

impl<'a> ObjectView<'a> {
    pub fn len(self) -> usize {
        match self {
            ObjectView::Shared(_, nodes) => nodes.len(),
            ObjectView::Own(many) => many.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub fn find(self, name: &[u8]) -> Option<&'a JsonNode> {
        match self {
            ObjectView::Shared(names, nodes) => names.find(name).map(|at| &nodes[at]),
            ObjectView::Own(many) => many.find(name).map(|at| &many.at(at).node),
        }
    }

    pub fn iter(self) -> impl Iterator<Item = (&'a FieldName, &'a JsonNode)> {
        let (few, many) = match self {
            ObjectView::Shared(names, nodes) => (Some(names.all().iter().zip(nodes)), None),
            ObjectView::Own(many) => {
                let fields = many.iter().map(|field| (&field.name, &field.node));
                (None, Some(fields))
            }
        };
        let (few, many) = (few.into_iter().flatten(), many.into_iter().flatten());
        few.chain(many)
    }
}

/// A step from a container to something in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathStep {
    Name(FieldName),
    At(usize),
}

impl JsonNode {
    pub fn text(text: &[u8]) -> Self {
        match ShortText::new(text) {
            Some(short) => JsonNode::Short(short),
            None => JsonNode::Long(long(text)),
        }
    }

    pub fn array(elements: Vec<JsonNode>) -> Self {
        Self::array_of(elements.into_iter())
    }

    pub fn array_of(elements: impl ExactSizeIterator<Item = JsonNode>) -> Self {
        match elements.len() {
            0..=ARRAY_MAX => JsonNode::Array(ThinArc::from_header_and_iter((), elements)),
            _ => JsonNode::LongArray(Arc::new(LongArray::new(elements))),
        }
    }

    /// An object of fields whose names differ.
    pub fn object(fields: Vec<(FieldName, JsonNode)>) -> Self {
        if fields.len() > OBJECT_MAX {
            return Self::many(fields.into_iter());
        }
        let (names, nodes): (Vec<FieldName>, Vec<JsonNode>) = fields.into_iter().unzip();
        Self::object_of(FieldNames::shared(names), nodes.into_iter())
    }

    /// An object of at most [`OBJECT_READ_MAX`] values, which have these names.
    pub fn object_of(names: FieldNames, nodes: impl ExactSizeIterator<Item = JsonNode>) -> Self {
        debug_assert!(names.all().len() == nodes.len() && nodes.len() <= OBJECT_READ_MAX);
        JsonNode::Object(ThinArc::from_header_and_iter(names, nodes))
    }

    /// An object of fields whose names may be the same.
    pub fn object_of_any(fields: Vec<(FieldName, JsonNode)>) -> Self {
        match all_differ(fields.iter().map(|(name, _)| name.as_bytes())) {
            true => Self::object(fields),
            false => Self::merged(fields.into_iter()),
        }
    }

    /// An object of these fields. Where names are the same, the last value counts, in the place of the first.
    pub fn merged(fields: impl ExactSizeIterator<Item = (FieldName, JsonNode)>) -> Self {
        let mut object = Self::many(fields);
        object.narrow();
        object
    }

    /// One that finds its fields by an index.
    fn many(fields: impl ExactSizeIterator<Item = (FieldName, JsonNode)>) -> Self {
        let fields = fields.map(|(name, node)| ManyField { name, node });
        JsonNode::LongObject(Arc::new(ManyFields::new(fields)))
    }

    /// Does several edits of an object at once. One of few fields has an index meanwhile, so that none of them writes all fields
    /// anew.
    pub fn edit_fields<R>(&mut self, edit: impl FnOnce(&mut Self) -> R) -> R {
        let is_small = matches!(self, JsonNode::Object(held) if held.slice.len() <= OBJECT_MAX);
        if !is_small {
            return edit(self);
        }
        self.widen();
        let done = edit(self);
        self.narrow();
        done
    }

    /// An object that shares its names has them, and an index of them, to itself from now on.
    fn widen(&mut self) {
        if let JsonNode::Object(held) = self {
            let fields = ObjectView::Shared(&held.header.header, &held.slice).iter();
            let fields: Vec<_> = fields.map(|(n, v)| (n.clone(), v.clone())).collect();
            *self = Self::many(fields.into_iter());
        }
    }

    /// An object of few fields has no index.
    fn narrow(&mut self) {
        if let JsonNode::LongObject(held) = self
            && held.len() <= OBJECT_MAX
        {
            let fields = held
                .iter()
                .map(|field| (field.name.clone(), field.node.clone()));
            *self = Self::object(fields.collect());
        }
    }

    pub fn see(&self) -> JsonSeen<'_> {
        match self {
            JsonNode::Null => JsonSeen::Null,
            JsonNode::Bool(yes) => JsonSeen::Bool(*yes),
            JsonNode::Int(n) => JsonSeen::Int(*n),
            JsonNode::Large(n) => JsonSeen::Large(*n),
            JsonNode::Float(n) => JsonSeen::Float(*n),
            JsonNode::Short(text) => JsonSeen::Text(text.as_bytes()),
            JsonNode::Long(text) => JsonSeen::Text(&text.slice),
            JsonNode::Array(held) => JsonSeen::Array(ArrayView::Short(&held.slice)),
            JsonNode::LongArray(held) => JsonSeen::Array(ArrayView::Long(held)),
            JsonNode::Object(held) => {
                JsonSeen::Object(ObjectView::Shared(&held.header.header, &held.slice))
            }
            JsonNode::LongObject(held) => JsonSeen::Object(ObjectView::Own(held)),
        }
    }

    pub fn as_array(&self) -> Option<ArrayView<'_>> {
        match self.see() {
            JsonSeen::Array(elements) => Some(elements),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<ObjectView<'_>> {
        match self.see() {
            JsonSeen::Object(fields) => Some(fields),
            _ => None,
        }
    }

    pub fn as_text(&self) -> Option<&[u8]> {
        match self.see() {
            JsonSeen::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What is in a container, in order.
    pub fn children(&self) -> impl Iterator<Item = &JsonNode> {
        let elements = self.as_array().map(ArrayView::iter);
        let fields = self.as_object().map(ObjectView::iter);
        let fields = fields.into_iter().flatten().map(|(_, node)| node);
        elements.into_iter().flatten().chain(fields)
    }

    pub fn is_container(&self) -> bool {
        matches!(
            self,
            JsonNode::Array(_)
                | JsonNode::LongArray(_)
                | JsonNode::Object(_)
                | JsonNode::LongObject(_)
        )
    }

    /// Does something to what is at the end of a path; nothing where the path leads nowhere. A place in an array is also
    /// the name of a field, where an object stands now.
    pub fn edit_at<R>(
        &mut self,
        path: &[PathStep],
        edit: &mut dyn FnMut(&mut JsonNode) -> R,
    ) -> Option<R> {
        let Some((step, rest)) = path.split_first() else {
            return Some(edit(self));
        };
        let mut on = |child: &mut JsonNode| child.edit_at(rest, edit);
        match self {
            JsonNode::Array(held) => {
                let at = place_of(step, held.slice.len())?;
                edit_slice(held, |nodes| on(&mut nodes[at]))
            }
            JsonNode::LongArray(held) => {
                let at = place_of(step, held.len())?;
                on(Arc::make_mut(held).get_mut(at)?)
            }
            JsonNode::Object(held) => {
                let at = held.header.header.find(&name_of(step))?;
                edit_slice(held, |nodes| on(&mut nodes[at]))
            }
            JsonNode::LongObject(held) => {
                let at = held.find(&name_of(step))?;
                on(&mut Arc::make_mut(held).at_mut(at).node)
            }
            _ => None,
        }
    }

    /// Takes something out of a container.
    pub fn remove(&mut self, step: &PathStep) -> Option<JsonNode> {
        match self {
            JsonNode::Array(held) => {
                let at = place_of(step, held.slice.len())?;
                let mut nodes = held.slice.to_vec();
                let taken = nodes.remove(at);
                *self = JsonNode::array(nodes);
                Some(taken)
            }
            JsonNode::LongArray(held) => {
                let at = place_of(step, held.len())?;
                let taken = Arc::make_mut(held).remove(at);
                self.settle();
                taken
            }
            JsonNode::Object(held) => {
                let at = held.header.header.find(&name_of(step))?;
                if held.slice.len() > OBJECT_MAX {
                    self.widen();
                    return self.remove(step);
                }
                let mut names = held.header.header.all().to_vec();
                let mut nodes = held.slice.to_vec();
                names.swap_remove(at);
                let taken = nodes.swap_remove(at);
                *self = JsonNode::object(names.into_iter().zip(nodes).collect());
                Some(taken)
            }
            JsonNode::LongObject(held) => {
                let at = held.find(&name_of(step))?;
                Some(Arc::make_mut(held).remove(at))
            }
            _ => None,
        }
    }

    /// Sets a field of an object, and returns what it held.
    pub fn set_field(&mut self, name: &FieldName, node: JsonNode) -> Option<JsonNode> {
        match self {
            JsonNode::Object(held) => {
                if let Some(at) = held.header.header.find(name.as_bytes()) {
                    let put = |nodes: &mut [JsonNode]| std::mem::replace(&mut nodes[at], node);
                    return Some(edit_slice(held, put));
                }
                if held.slice.len() > OBJECT_MAX {
                    self.widen();
                    return self.set_field(name, node);
                }
                let fields = ObjectView::Shared(&held.header.header, &held.slice).iter();
                let mut fields: Vec<_> = fields.map(|(n, v)| (n.clone(), v.clone())).collect();
                fields.push((name.clone(), node));
                *self = JsonNode::object(fields);
                None
            }
            JsonNode::LongObject(held) => {
                let name = name.clone();
                Arc::make_mut(held).set(ManyField { name, node })
            }
            _ => None,
        }
    }

    /// Puts elements into an array, before the one at `at`.
    pub fn insert(&mut self, at: usize, elements: Vec<JsonNode>) {
        match self {
            JsonNode::Array(held) => {
                let len = held.slice.len() + elements.len();
                let (before, behind) = held.slice.split_at(at);
                let behind = behind.iter().cloned();
                let mut all = before.iter().cloned().chain(elements).chain(behind);
                let each = (0..len).map(|_| all.next().expect("there are so many"));
                *self = JsonNode::array_of(each);
            }
            JsonNode::LongArray(held) => Arc::make_mut(held).insert(at, elements),
            _ => {}
        }
    }

    /// Keeps the elements of an array that are in this range.
    pub fn keep(&mut self, start: usize, end: usize) {
        match self {
            JsonNode::Array(held) => *self = JsonNode::array(held.slice[start..end].to_vec()),
            JsonNode::LongArray(held) => {
                Arc::make_mut(held).keep(start, end);
                self.settle();
            }
            _ => {}
        }
    }

    /// A long array that has become short is one.
    fn settle(&mut self) {
        if let JsonNode::LongArray(held) = self
            && held.len() <= ARRAY_AGAIN
        {
            *self = JsonNode::array(held.iter().cloned().collect());
        }
    }
}

/// The nodes of a block, to be edited: those of a shared one are copied first.
fn edit_slice<H: Clone, R>(
    held: &mut ThinArc<H, JsonNode>,
    edit: impl FnOnce(&mut [JsonNode]) -> R,
) -> R {
    if ThinArc::strong_count(held) > 1 {
        let nodes = held.slice.to_vec();
        *held = ThinArc::from_header_and_iter(held.header.header.clone(), nodes.into_iter());
    }
    held.with_arc_mut(|block| {
        let block = Arc::get_mut(block).expect("nobody shares it any more");
        edit(block.slice_mut())
    })
}

fn place_of(step: &PathStep, len: usize) -> Option<usize> {
    let at = match step {
        PathStep::At(at) => *at,
        PathStep::Name(name) => std::str::from_utf8(name.as_bytes()).ok()?.parse().ok()?,
    };
    (at < len).then_some(at)
}

fn name_of(step: &PathStep) -> Vec<u8> {
    match step {
        PathStep::Name(name) => name.as_bytes().to_vec(),
        PathStep::At(at) => at.to_string().into_bytes(),
    }
}
