//! A query with the filters that stand beside it; and FT.EXPLAIN, which shows how it is understood.

use super::options::SearchWish;
use super::{LOOKS, refused, rights, shown, wrong_arity};
use crate::command::{Command, Done, Fail, Flow, ReadCall, Run};
use crate::search::{
    ALL_FIELDS, DocumentIndex, QueryKind, QueryNode, QueryRules, explain, geo_range, parse,
};

pub fn no_such_index(name: &[u8]) -> Fail {
    Fail::code(format!("{}: no such index", shown(name)))
}

/// Reads a query, with the filters that stand beside it.
pub fn query(index: &DocumentIndex, wish: &SearchWish<'_>) -> Result<QueryNode, Fail> {
    let definition = &index.definition;
    let mut in_fields = ALL_FIELDS;
    if let Some(names) = wish.in_fields.filter(|names| !names.is_empty()) {
        let bits = names.iter().filter_map(|name| {
            let at = definition.field_or_path(name)?;
            definition.fields[at].bit()
        });
        in_fields = bits.fold(0, |mask, bit| mask | 1 << bit);
    }
    let rules = QueryRules {
        definition,
        params: &wish.asked.params,
        dialect: wish.asked.dialect,
        verbatim: wish.asked.verbatim,
        no_stopwords: wish.no_stopwords,
        in_fields,
    };
    let node = parse(wish.asked.query, &rules).map_err(refused)?;
    if wish.filters.is_empty() && wish.geo_filters.is_empty() {
        return Ok(node);
    }
    let ranges = wish.filters.iter().map(|filter| {
        Ok(QueryKind::Range {
            field: definition.field_or_path(filter.field),
            name: filter.field.to_vec(),
            low: filter.low,
            high: filter.high,
        })
    });
    let around = wish.geo_filters.iter().map(|filter| {
        let field = definition.field_or_path(filter.field);
        let (name, place) = (filter.field, filter.place);
        geo_range(field, name, place, filter.radius, filter.unit).map_err(refused)
    });
    let filters = ranges
        .chain(around)
        .collect::<Result<Vec<QueryKind>, Fail>>()?;
    // The last one comes first.
    let parts = filters.into_iter().rev().map(QueryNode::new).collect();
    Ok(filtered(node, parts))
}

/// What a query finds that filters let through. The nearest are looked for among what is let through.
fn filtered(mut node: QueryNode, mut parts: Vec<QueryNode>) -> QueryNode {
    match node.kind {
        QueryKind::Nearest(mut nearest) => {
            let among = std::mem::replace(
                &mut nearest.among,
                Box::new(QueryNode::new(QueryKind::Nothing)),
            );
            *nearest.among = filtered(*among, parts);
            node.kind = QueryKind::Nearest(nearest);
            node
        }
        QueryKind::Every => QueryNode::new(QueryKind::All(parts)),
        QueryKind::All(held) => {
            parts.extend(held);
            node.kind = QueryKind::All(parts);
            node
        }
        _ => {
            parts.push(node);
            QueryNode::new(QueryKind::All(parts))
        }
    }
}

pub const EXPLAIN: Command = Command {
    name: "ft.explain",
    summary: "Returns the execution plan for a complex query",
    run: Run::Read(explain_query),
    ..LOOKS
};

pub const EXPLAIN_LINES: Command = Command {
    name: "ft.explaincli",
    summary: "Returns the execution plan for a complex query",
    run: Run::Read(explain_lines),
    ..LOOKS
};

fn explain_query(call: &mut ReadCall<'_>) -> Done {
    let text = explanation(call, "FT.EXPLAIN")?;
    call.out.bulk(text);
    Ok(Flow::Done)
}

fn explain_lines(call: &mut ReadCall<'_>) -> Done {
    let text = explanation(call, "FT.EXPLAINCLI")?;
    let lines: Vec<&str> = text.split('\n').collect();
    call.out.array(lines.len());
    lines.into_iter().for_each(|line| call.out.simple(line));
    Ok(Flow::Done)
}

/// A query as it is understood, a part on each line.
fn explanation(call: &mut ReadCall<'_>, command: &str) -> Result<String, Fail> {
    let args = call.args.rest();
    let [name, rest @ ..] = args else {
        return Err(wrong_arity(command));
    };
    if rest.is_empty() {
        return Err(wrong_arity(command));
    }
    rights::check(call.server, call.user, name)?;
    let index = call.server.search.frozen(name, !call.parts);
    let index = index.ok_or_else(|| no_such_index(name))?;
    let wish = SearchWish::parse(rest, call.server.search.defaults())?;
    let node = query(&index, &wish)?;
    let (language, expander) = (wish.asked.language, wish.asked.expander);
    Ok(explain(&node, &index.definition, language, expander))
}
