//! JSON text to a document, or to what is wrong with it in serde's words, which are RedisJSON's.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::node::JsonNode;
use super::read::TextReader;

/// Reads the value at the beginning of the text. What follows it is not looked at, as RedisJSON doesn't either.
pub fn parse(text: &str) -> Result<JsonNode, serde_json::Error> {
    TextReader::new(text).value().ok_or_else(|| fault(text))
}

/// Reads a text that is one value.
pub fn parse_all(text: &str) -> Result<JsonNode, serde_json::Error> {
    let mut from = TextReader::new(text);
    let node = from.value().filter(|_| from.is_done());
    node.ok_or_else(|| fault(text))
}

/// What is wrong with a text that our reader doesn't take.
#[cold]
fn fault(text: &str) -> serde_json::Error {
    let mut from = serde_json::Deserializer::from_str(text);
    let fault = FaultFinder.deserialize(&mut from).and_then(|()| from.end());
    fault.err().unwrap_or_else(|| {
        debug_assert!(false, "serde takes what the reader doesn't: {text}");
        serde_json::Error::custom("invalid value")
    })
}

/// Goes through a value, and looks at all of it: unlike serde's own `IgnoredAny`, also at what numbers and escapes say.
#[derive(Clone, Copy)]
struct FaultFinder;

impl<'de> DeserializeSeed<'de> for FaultFinder {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FaultFinder {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any valid JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(()) = elements.next_element_seed(FaultFinder)? {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(()) = entries.next_key_seed(FaultFinder)? {
            entries.next_value_seed(FaultFinder)?;
        }
        Ok(())
    }
}
