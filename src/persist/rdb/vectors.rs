//! Vector sets, as the module of Redis 8 that brings them writes them: the parts of a value.
//!
//! First dimension, number of elements, quantization and links, and what follows; then the projection, if there is one; and
//! then for each element its name, its attributes if any element has some, its vector, and a row of numbers: who it is, on which
//! levels it stands, with whom it is linked on each, its length and its range.

use hashbrown::HashMap;

use super::fault::{Fault, Read};
use super::module_parts::ModuleParts;
use super::write::{RdbWriter, Spill};
use crate::types::graph::{LEVEL_MAX, LINKS_MAX, LINKS_MIN};
use crate::types::vectors::{
    DIMENSION_MAX, KeptVector, Projection, Quantization, Stored, VectorForm, VectorSet,
};
use crate::types::{Limits, Type, Value};

/// What follows the head.
const HAS_PROJECTION: u64 = 1;
const HAS_ATTRIBUTES: u64 = 2;
/// Links of a set whose file is older than the number.
const LINKS_UNSAID: u64 = 16;
/// The highest form of an element's numbers: 1 names the farthest link on each level, which 0 leaves to the reader.
const FORM_MAX: u64 = 1;

impl<S: Spill> RdbWriter<S> {
    pub(super) fn vector_set(&mut self, set: &VectorSet) {
        let form = set.form();
        let has_attributes = set.with_attributes() > 0;
        self.module_head("vectorset", 0);
        self.module_count(form.dimension as u64);
        self.module_count(set.len() as u64);
        self.module_count(form.quantization.number() | (set.graph().links_wanted() as u64) << 8);
        let projection = set.projection();
        let flag = |is: bool, flag: u64| if is { flag } else { 0 };
        self.module_count(
            flag(projection.is_some(), HAS_PROJECTION) | flag(has_attributes, HAS_ATTRIBUTES),
        );
        if let Some(projection) = projection {
            self.module_count(projection.from() as u64);
            self.module_text(&projection.to_bytes());
        }
        for at in 0..set.len() {
            self.module_text(set.name(at));
            if has_attributes {
                self.module_text(set.attributes(at).unwrap_or_default());
            }
            let kept = KeptVector::of(set.row(at));
            self.module_text(kept.bytes);
            let numbers = numbers(set, at, kept);
            self.module_count(numbers.len() as u64);
            numbers
                .into_iter()
                .for_each(|number| self.module_count(number));
        }
        self.module_end();
    }
}

/// An element's number is its position, from 1 on.
fn numbers(set: &VectorSet, at: usize, kept: KeptVector<'_>) -> Vec<u64> {
    let (graph, node) = (set.graph(), at as u32);
    let mut numbers = vec![at as u64 + 1, graph.level(node) as u64];
    for level in 0..=graph.level(node) {
        let links = graph.links(node, level);
        let wanted = graph.links_wanted() << usize::from(level == 0);
        numbers.extend([links.len() as u64, links.len().max(wanted) as u64]);
        numbers.extend(links.iter().map(|link| u64::from(*link) + 1));
    }
    numbers.push(u64::from(kept.range.to_bits()) << 32 | u64::from(kept.length.to_bits()));
    numbers
}

/// Reads a set from its parts.
pub(super) fn read(parts: &mut ModuleParts<'_, '_>, version: u16, _: &Limits) -> Read<Value> {
    if version != 0 {
        return Err(Fault::Broken);
    }
    let dimension = parts.count()? as usize;
    let (count, config, flags) = (parts.count()?, parts.count()?, parts.count()?);
    let quantization = Quantization::of_number(config & 0xff).ok_or(Fault::Broken)?;
    let links = match config >> 8 & 0xffff {
        0 => LINKS_UNSAID,
        links => links,
    } as usize;
    let fits = (1..=DIMENSION_MAX).contains(&dimension) && (LINKS_MIN..=LINKS_MAX).contains(&links);
    if !fits {
        return Err(Fault::Broken);
    }
    let form = VectorForm {
        quantization,
        dimension,
    };
    let projection = match flags & HAS_PROJECTION {
        0 => None,
        _ => {
            let (from, matrix) = (parts.count()? as usize, parts.text()?);
            let fits = (1..=DIMENSION_MAX).contains(&from);
            let read = || Projection::of_bytes(from, dimension, &matrix);
            Some(fits.then(read).flatten().ok_or(Fault::Broken)?)
        }
    };
    let elements = elements(parts, count, form, flags & HAS_ATTRIBUTES != 0)?;
    let set = VectorSet::new(form, projection, links);
    let set = set.from_stored(elements).map_err(|_| Fault::Broken)?;
    Ok(set.wrap())
}

/// So many elements, with their links to others as positions.
fn elements(
    parts: &mut ModuleParts<'_, '_>,
    count: u64,
    form: VectorForm,
    has_attributes: bool,
) -> Read<Vec<Stored>> {
    let mut all = Vec::new();
    let mut positions: HashMap<u64, u32> = HashMap::new();
    for at in 0..count {
        let name = parts.text()?.into_owned();
        let attributes = match has_attributes {
            true => Some(parts.text()?.into_owned()),
            false => None,
        };
        let vector = parts.text()?;
        if vector.len() != form.vector_bytes() {
            return Err(Fault::Broken);
        }
        let node = ReadNode::read(parts)?;
        let at = u32::try_from(at).map_err(|_| Fault::Broken)?;
        if node.id == 0 || positions.insert(node.id, at).is_some() {
            return Err(Fault::Broken);
        }
        let kept = KeptVector {
            bytes: &vector,
            length: node.length,
            range: node.range,
        };
        let row = kept.row();
        all.push((name, attributes, row, node.links));
    }
    let resolved = |links: Vec<Vec<u64>>| -> Read<Vec<Vec<u32>>> {
        let position = |id: &u64| positions.get(id).copied().ok_or(Fault::Broken);
        let level = |links: &Vec<u64>| links.iter().map(position).collect();
        links.iter().map(level).collect()
    };
    let element = |(name, attributes, row, links)| {
        Ok(Stored {
            name,
            attributes,
            row,
            links: resolved(links)?,
        })
    };
    all.into_iter().map(element).collect()
}

/// An element's numbers.
struct ReadNode {
    id: u64,
    /// Who it is linked with on each level.
    links: Vec<Vec<u64>>,
    length: f32,
    range: f32,
}

impl ReadNode {
    fn read(parts: &mut ModuleParts<'_, '_>) -> Read<Self> {
        let mut left = parts.count()?;
        let mut next = || {
            left = left.checked_sub(1).ok_or(Fault::Broken)?;
            parts.count()
        };
        let (id, head) = (next()?, next()?);
        let (level, form) = ((head & 0xff) as usize, head >> 24 & 0xff);
        if level > LEVEL_MAX || form > FORM_MAX {
            return Err(Fault::Broken);
        }
        let mut links = Vec::with_capacity(level + 1);
        for _ in 0..=level {
            let (count, room) = (next()?, next()?);
            if count > room || room > 4 * LINKS_MAX as u64 {
                return Err(Fault::Broken);
            }
            links.push((0..count).map(|_| next()).collect::<Read<_>>()?);
            if form > 0 {
                // The farthest link, which is one of those that are there.
                let farthest = next()? & 0xffff_ffff;
                if count > 0 && farthest >= count {
                    return Err(Fault::Broken);
                }
            }
        }
        let vector = next()?;
        if left > 0 {
            return Err(Fault::Broken);
        }
        Ok(ReadNode {
            id,
            links,
            length: f32::from_bits(vector as u32),
            range: f32::from_bits((vector >> 32) as u32),
        })
    }
}
