//! JSON text to a document.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::node::JsonNode;
use super::text::FieldName;

/// Reads the value at the beginning of the text. What follows it is not looked at, as RedisJSON doesn't either.
pub fn parse(text: &str) -> Result<JsonNode, serde_json::Error> {
    BuildNode.deserialize(&mut serde_json::Deserializer::from_str(text))
}

/// Reads a text that is one value.
pub fn parse_all(text: &str) -> Result<JsonNode, serde_json::Error> {
    let mut from = serde_json::Deserializer::from_str(text);
    let node = BuildNode.deserialize(&mut from)?;
    from.end()?;
    Ok(node)
}

/// Builds nodes of what the parser finds.
struct BuildNode;

impl<'de> DeserializeSeed<'de> for BuildNode {
    type Value = JsonNode;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<JsonNode, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BuildNode {
    type Value = JsonNode;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any valid JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<JsonNode, E> {
        Ok(JsonNode::Null)
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<JsonNode, E> {
        Ok(JsonNode::Bool(yes))
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<JsonNode, E> {
        Ok(JsonNode::Int(n))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<JsonNode, E> {
        Ok(i64::try_from(n).map_or(JsonNode::Large(n), JsonNode::Int))
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<JsonNode, E> {
        Ok(JsonNode::Float(n))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<JsonNode, E> {
        Ok(JsonNode::text(text.as_bytes()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<JsonNode, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = elements.next_element_seed(BuildNode)? {
            nodes.push(node);
        }
        Ok(JsonNode::array(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<JsonNode, A::Error> {
        let mut fields: Vec<(FieldName, JsonNode)> = Vec::new();
        while let Some(name) = entries.next_key_seed(BuildName)? {
            if fields.len() == FEW {
                return many(fields, name, entries);
            }
            let node = entries.next_value_seed(BuildNode)?;
            // The last value of a name counts, in the place of the first.
            match fields.iter_mut().find(|(known, _)| *known == name) {
                Some((_, held)) => *held = node,
                None => fields.push((name, node)),
            }
        }
        Ok(JsonNode::object(fields))
    }
}

/// So many names are compared with each other one by one.
const FEW: usize = 64;

/// Goes on with an object that has so many fields that it finds them by an index.
fn many<'de, A: MapAccess<'de>>(
    fields: Vec<(FieldName, JsonNode)>,
    name: FieldName,
    mut entries: A,
) -> Result<JsonNode, A::Error> {
    let mut object = JsonNode::object(fields);
    object.set_field(&name, entries.next_value_seed(BuildNode)?);
    while let Some(name) = entries.next_key_seed(BuildName)? {
        object.set_field(&name, entries.next_value_seed(BuildNode)?);
    }
    Ok(object)
}

/// Reads the name of a field.
struct BuildName;

impl<'de> DeserializeSeed<'de> for BuildName {
    type Value = FieldName;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<FieldName, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for BuildName {
    type Value = FieldName;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<FieldName, E> {
        Ok(FieldName::new(text.as_bytes()))
    }
}
