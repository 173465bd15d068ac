//! Parts of a query put together, and what is said of all that a part is made of.

use super::{ALL_FIELDS, QueryKind, QueryNode};

/// Words are sought in these text fields only.
pub(super) fn restrict(node: &mut QueryNode, mask: u64) {
    node.mask &= mask;
    match &mut node.kind {
        QueryKind::All(parts) | QueryKind::Any(parts) => {
            parts.iter_mut().for_each(|part| restrict(part, mask));
        }
        QueryKind::Not(part) | QueryKind::Optional(part) => restrict(part, mask),
        QueryKind::Nearest(nearest) => restrict(&mut nearest.among, mask),
        _ => {}
    }
}

/// Words of a query before vectors stand for themselves alone.
pub(super) fn shield(node: &mut QueryNode) {
    match &mut node.kind {
        QueryKind::Word { expand, .. } => *expand = false,
        QueryKind::All(parts) | QueryKind::Any(parts) => parts.iter_mut().for_each(shield),
        QueryKind::Not(part) | QueryKind::Optional(part) => shield(part),
        _ => {}
    }
}

/// What finds what both find. A list that is sought in all fields goes on.
pub(super) fn both(mut one: QueryNode, other: QueryNode) -> QueryNode {
    match &mut one.kind {
        QueryKind::All(parts) if one.mask == ALL_FIELDS => {
            parts.push(other);
            one
        }
        _ => QueryNode::new(QueryKind::All(vec![one, other])),
    }
}

/// What finds what either finds. A list that is sought in all fields goes on.
pub(super) fn either(mut one: QueryNode, other: QueryNode) -> QueryNode {
    match &mut one.kind {
        QueryKind::Any(parts) if one.mask == ALL_FIELDS => {
            parts.push(other);
            one
        }
        _ => QueryNode::new(QueryKind::Any(vec![one, other])),
    }
}
