//! The grammar of what is no text: tags, ranges, places, vectors, and attributes of parts.

use super::join::shield;
use super::lex::is_word_byte;
use super::parser::Parser;
use super::tokens::unescaped;
use super::{
    Affix, Nearest, QueryKind, QueryNode, TagTest, WalkAsked, resolve, usual_distance_name,
};
use crate::search::schema::{Definition, FieldKind};
use crate::search::tokens::lower;
use crate::search::words::Refusal;
use crate::types::geo::Coordinates;
use crate::util::number;

/// Units of radii, with their metres.
pub const UNITS: [(&str, f64); 4] = [("km", 1000.0), ("m", 1.0), ("mi", 1609.34), ("ft", 0.3048)];

/// The error of who looks for nothing where nothing is indexed.
pub(super) const NO_EMPTY: &str =
    "Use `INDEXEMPTY` in field creation in order to index and query for empty strings";

/// The attribute of one name.
fn lone(names: &[Vec<u8>]) -> Option<&[u8]> {
    match names {
        [name] => Some(name),
        _ => None,
    }
}

/// `@field==5`, `@field>=5` and the like.
pub(super) fn tail_of_range(
    parser: &mut Parser<'_>,
    names: &[Vec<u8>],
) -> Result<Option<QueryNode>, Refusal> {
    let Some(name) = lone(names) else {
        return Ok(None);
    };
    let signs: [&[u8]; 6] = [b"==", b"!=", b">=", b"<=", b">", b"<"];
    let Some(sign) = signs.into_iter().find(|sign| parser.lexer.take(sign)) else {
        return Ok(None);
    };
    let (n, _) = bound(parser)?;
    let (low, high) = match sign {
        b"==" | b"!=" => ((n, false), (n, false)),
        b">=" => ((n, false), (f64::INFINITY, false)),
        b"<=" => ((f64::NEG_INFINITY, false), (n, false)),
        b">" => ((n, true), (f64::INFINITY, false)),
        _ => ((f64::NEG_INFINITY, false), (n, true)),
    };
    let node = QueryNode::new(QueryKind::Range {
        field: parser.rules.definition.field(name),
        name: name.to_vec(),
        low,
        high,
    });
    Ok(Some(match sign {
        b"!=" => QueryNode::new(QueryKind::Not(Box::new(node))),
        _ => node,
    }))
}

/// What stands in braces or brackets behind a field, if that follows.
pub(super) fn field_part(
    parser: &mut Parser<'_>,
    names: &[Vec<u8>],
) -> Result<Option<QueryNode>, Refusal> {
    let Some(name) = lone(names) else {
        return Ok(None);
    };
    match parser.lexer.peek() {
        Some(b'{') => {
            parser.lexer.at += 1;
            tags(parser, name).map(Some)
        }
        Some(b'[') => {
            parser.lexer.at += 1;
            brackets(parser, name).map(Some)
        }
        _ => Ok(None),
    }
}

fn tags(parser: &mut Parser<'_>, name: &[u8]) -> Result<QueryNode, Refusal> {
    let field = parser.rules.definition.field(name);
    let kind = field.map(|field| &parser.rules.definition.fields[field].kind);
    let exact = matches!(
        kind,
        Some(FieldKind::Tag {
            case_sensitive: true,
            ..
        })
    );
    let may_be_empty = field.is_none_or(|at| parser.rules.definition.fields[at].index_empty);
    let mut tests = Vec::new();
    loop {
        tests.push(tag(parser, name, exact, may_be_empty)?);
        if parser.lexer.take(b"|") {
            continue;
        }
        parser.lexer.expect(b"}")?;
        return Ok(QueryNode::new(QueryKind::Tag {
            field,
            name: name.to_vec(),
            tests,
        }));
    }
}

/// One tag: words side by side are one, with a blank between them.
fn tag(
    parser: &mut Parser<'_>,
    name: &[u8],
    exact: bool,
    may_be_empty: bool,
) -> Result<TagTest, Refusal> {
    let cased = |text: Vec<u8>| match exact {
        true => text,
        false => lower(&text).into_bytes(),
    };
    let lexer = &mut parser.lexer;
    lexer.blanks();
    if lexer.take(b"\"") {
        let text = unescaped(lexer.quoted(b'"')?);
        if text.is_empty() && !may_be_empty {
            return Err(NO_EMPTY.into());
        }
        return Ok(TagTest::Is(cased(text)));
    }
    if lexer.rest().starts_with(b"w'") {
        lexer.at += 2;
        return Ok(TagTest::Pattern(cased(unescaped(lexer.quoted(b'\'')?))));
    }
    let from = lexer.at;
    if parser.rules.dialect > 1 {
        lexer.gap();
    }
    let open = lexer.take(b"*");
    let mut text = Vec::new();
    loop {
        if let Some(value) = parser.parameter()? {
            text.push(value.trim_ascii().to_vec());
        } else if let Some(number) = parser.lexer.number_word() {
            text.push(number);
        } else if let Some(word) = parser.lexer.word() {
            text.push(word.trim_ascii().to_vec());
        } else {
            break;
        }
        parser.lexer.gap();
    }
    let lexer = &mut parser.lexer;
    if text.is_empty() {
        return Err(lexer.error_at(from, name));
    }
    let text = cased(text.join(&b' '));
    let closed = lexer.take(b"*");
    Ok(match (open, closed) {
        (false, false) => TagTest::Is(text),
        (false, true) => TagTest::Affix(Affix::Prefix, text),
        (true, false) => TagTest::Affix(Affix::Suffix, text),
        (true, true) => TagTest::Affix(Affix::Infix, text),
    })
}

/// A bound of a range, and whether it is left out.
fn bound(parser: &mut Parser<'_>) -> Result<(f64, bool), Refusal> {
    let open = parser.lexer.take(b"(");
    parser.lexer.blanks();
    let minus = parser.lexer.rest().starts_with(b"-$");
    parser.lexer.at += usize::from(minus);
    let n = match parser.parameter()? {
        Some(text) => {
            let n = number::parse_double(text.strip_prefix(b"+").unwrap_or(&text));
            let n = n.ok_or_else(|| {
                let shown = String::from_utf8_lossy(&text);
                format!("Invalid numeric value ({shown}) for parameter")
            })?;
            if minus { -n } else { n }
        }
        None => parser.lexer.number()?,
    };
    Ok((n, open))
}

/// A number, a pair of them, a place with a radius, or the neighbourhood of a vector.
fn brackets(parser: &mut Parser<'_>, name: &[u8]) -> Result<QueryNode, Refusal> {
    parser.lexer.blanks();
    let field = parser.rules.definition.field(name);
    let rest = parser.lexer.rest();
    let is_word = |word: &[u8]| {
        rest.len() > word.len()
            && rest[..word.len()].eq_ignore_ascii_case(word)
            && !is_word_byte(rest[word.len()])
    };
    if is_word(b"VECTOR_RANGE") {
        parser.lexer.at += b"VECTOR_RANGE".len();
        return within(parser, name);
    }
    let low = bound(parser)?;
    parser.lexer.gap();
    if parser.lexer.take(b"]") {
        let kind = QueryKind::Range {
            field,
            name: name.to_vec(),
            low,
            high: low,
        };
        return Ok(QueryNode::new(kind));
    }
    let high = bound(parser)?;
    parser.lexer.gap();
    if parser.lexer.take(b"]") {
        let kind = QueryKind::Range {
            field,
            name: name.to_vec(),
            low,
            high,
        };
        return Ok(QueryNode::new(kind));
    }
    let (radius, _) = bound(parser)?;
    parser.lexer.gap();
    let unit = match parser.parameter()? {
        Some(unit) => unit,
        None => parser.lexer.word().ok_or_else(|| parser.lexer.error())?,
    };
    parser.lexer.expect(b"]")?;
    geo_range(field, name, (low.0, high.0), radius, &unit).map(QueryNode::new)
}

/// What lies so near to a place.
pub fn geo_range(
    field: Option<usize>,
    name: &[u8],
    (longitude, latitude): (f64, f64),
    radius: f64,
    unit: &[u8],
) -> Result<QueryKind, Refusal> {
    let mut known = UNITS.iter();
    let unit = known.find(|(known, _)| unit.eq_ignore_ascii_case(known.as_bytes()));
    let (unit, _) = unit.ok_or("Invalid GeoFilter unit")?;
    if radius.is_nan() || radius <= 0.0 {
        return Err("Invalid GeoFilter radius".into());
    }
    let place = Coordinates {
        longitude,
        latitude,
    };
    if !place.is_valid() {
        return Err("Invalid GeoFilter lat/lon".into());
    }
    Ok(QueryKind::Geo {
        field,
        name: name.to_vec(),
        longitude,
        latitude,
        radius,
        unit,
    })
}

/// The vector field of this name.
fn vector_field(parser: &Parser<'_>, name: &[u8]) -> Result<usize, Refusal> {
    let definition = parser.rules.definition;
    let field = definition.field(name);
    field
        .filter(|field| definition.fields[*field].vector().is_some())
        .ok_or_else(|| {
            let shown = String::from_utf8_lossy(name);
            format!("Expected a vector field: `{shown}`")
        })
}

/// The parameter that holds a vector, and the vector.
fn blob(parser: &mut Parser<'_>, field: usize) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
    parser.lexer.blanks();
    let name = parser.lexer.parameter();
    let name = name.ok_or_else(|| parser.lexer.error())?;
    let blob = resolve(parser.rules.params, &name)?.to_vec();
    let spec = parser.rules.definition.fields[field].vector();
    let expected = spec.map_or(0, |spec| spec.blob_bytes());
    if blob.len() != expected {
        return Err(format!(
            "Error parsing vector similarity query: query vector blob size ({}) does not match index's expected size ({expected}).",
            blob.len()
        ));
    }
    Ok((name, blob))
}

fn within(parser: &mut Parser<'_>, name: &[u8]) -> Result<QueryNode, Refusal> {
    let (radius, _) = bound(parser)?;
    let field = vector_field(parser, name)?;
    let (blob_name, blob) = blob(parser, field)?;
    parser.lexer.expect(b"]")?;
    if radius < 0.0 {
        return Err(format!(
            "Error parsing vector similarity query: negative radius ({radius}) given in a range query"
        ));
    }
    Ok(QueryNode::new(QueryKind::Within {
        field,
        radius,
        blob,
        blob_name,
    }))
}

/// `=>[KNN k @field $vector ...]` behind a whole query.
pub(super) fn nearest(parser: &mut Parser<'_>, mut among: QueryNode) -> Result<QueryNode, Refusal> {
    if !parser.lexer.take(b"[") {
        parser.lexer.at -= 1;
        return Err(parser.lexer.error());
    }
    let word = parser.lexer.word().unwrap_or_default();
    if !word.eq_ignore_ascii_case(b"KNN") {
        return Err(parser.lexer.error());
    }
    parser.lexer.blanks();
    let before = parser.lexer.at;
    let (count, open) = bound(parser)?;
    if open || count < 0.0 || count.fract() != 0.0 {
        parser.lexer.at = before;
        return Err(parser.lexer.error());
    }
    parser.lexer.expect(b"@")?;
    let name = parser.lexer.word().ok_or_else(|| parser.lexer.error())?;
    let field = vector_field(parser, &name)?;
    let (blob_name, blob) = blob(parser, field)?;
    let mut distance_as = usual_distance_name(&name);
    let mut walk = WalkAsked::default();
    while !parser.lexer.take(b"]") {
        let option = parser.lexer.word().ok_or_else(|| parser.lexer.error())?;
        parser.lexer.blanks();
        let value = match parser.parameter()? {
            Some(value) => value,
            None => {
                let value = parser.lexer.until(b" \t\r\n]");
                value.to_vec()
            }
        };
        match option.to_ascii_uppercase().as_slice() {
            b"AS" => distance_as = unescaped(&value),
            b"EF_RUNTIME" | b"EPSILON" | b"BATCH_SIZE" | b"HYBRID_POLICY" => {
                walk_option(&mut walk, &option, &value)?;
            }
            _ => {
                let shown = String::from_utf8_lossy(&option);
                return Err(format!(
                    "Error parsing vector similarity parameters: Invalid option `{shown}`"
                ));
            }
        }
    }
    shield(&mut among);
    let mut node = QueryNode::new(QueryKind::Nearest(Nearest {
        field,
        count: count as u64,
        blob,
        blob_name,
        among: Box::new(among),
    }));
    node.distance_as = Some(distance_as);
    node.walk = walk;
    attributes(parser, &mut node)?;
    Ok(node)
}

fn positive(option: &[u8], value: &[u8]) -> Result<f64, Refusal> {
    let n = number::parse_double(value).filter(|n| *n > 0.0);
    n.ok_or_else(|| {
        format!(
            "Error parsing vector similarity parameters: Invalid value for `{}`",
            String::from_utf8_lossy(option)
        )
    })
}

fn policy(value: &[u8]) -> Result<bool, Refusal> {
    match value.to_ascii_uppercase().as_slice() {
        b"ADHOC_BF" => Ok(false),
        b"BATCHES" => Ok(true),
        _ => Err(
            "Error parsing vector similarity parameters: Invalid hybrid policy was given".into(),
        ),
    }
}

/// An option of the walk by which vectors are found. Batches have no size here: what is found comes as one.
fn walk_option(walk: &mut WalkAsked, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
    match name.to_ascii_uppercase().as_slice() {
        b"HYBRID_POLICY" => walk.walks = Some(policy(value)?),
        b"EF_RUNTIME" => walk.sight = Some(positive(name, value)? as usize),
        b"EPSILON" => walk.epsilon = Some(positive(name, value)?),
        _ => drop(positive(name, value)?),
    }
    Ok(())
}

/// `=> { $weight: 2; $slop: 1 }` behind a part, any number of times.
pub(super) fn attributes(parser: &mut Parser<'_>, node: &mut QueryNode) -> Result<(), Refusal> {
    loop {
        let before = parser.lexer.at;
        if !parser.lexer.take(b"=>") || !parser.lexer.take(b"{") {
            parser.lexer.at = before;
            return Ok(());
        }
        while !parser.lexer.take(b"}") {
            parser.lexer.expect(b"$")?;
            let name = parser.lexer.word().ok_or_else(|| parser.lexer.error())?;
            parser.lexer.expect(b":")?;
            parser.lexer.blanks();
            let value = match parser.parameter()? {
                Some(value) => value,
                None => parser.lexer.until(b";}").trim_ascii().to_vec(),
            };
            if value.is_empty() {
                return Err(parser.lexer.error());
            }
            attribute(node, &name, &value, parser.rules.definition)?;
            parser.lexer.take(b";");
        }
    }
}

pub(super) fn attribute(
    node: &mut QueryNode,
    name: &[u8],
    value: &[u8],
    definition: &Definition,
) -> Result<(), Refusal> {
    let shown = String::from_utf8_lossy(name).into_owned();
    let invalid = || {
        let value = String::from_utf8_lossy(value);
        format!("Invalid value ({value}) for `{shown}`")
    };
    match name.to_ascii_lowercase().as_slice() {
        b"weight" => {
            node.weight = number::parse_double(value)
                .filter(|weight| *weight >= 0.0)
                .ok_or_else(invalid)?;
        }
        b"slop" => node.slop = Some(number::parse_i64(value).ok_or_else(invalid)?),
        b"inorder" => {
            node.in_order = Some(truth(value).ok_or_else(invalid)?);
        }
        b"phonetic" => {
            let wanted = truth(value).ok_or_else(invalid)?;
            let mut fields = definition.fields.iter();
            if !fields.any(|field| {
                matches!(
                    field.kind,
                    FieldKind::Text {
                        phonetic: Some(_),
                        ..
                    }
                )
            }) {
                return Err("field does not support phonetics".into());
            }
            node.phonetic = Some(wanted);
        }
        b"yield_distance_as" => node.distance_as = Some(unescaped(value)),
        b"ef_runtime" | b"epsilon" | b"batch_size" | b"hybrid_policy" => {
            walk_option(&mut node.walk, name, value)?;
        }
        _ => return Err(format!("Invalid attribute {shown}")),
    }
    Ok(())
}

fn truth(value: &[u8]) -> Option<bool> {
    match value.to_ascii_lowercase().as_slice() {
        b"true" | b"1" => Some(true),
        b"false" | b"0" => Some(false),
        _ => None,
    }
}
