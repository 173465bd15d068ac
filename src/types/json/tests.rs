//! Documents are parsed, edited and written; copies keep what they had.

use serde::Deserialize;

use super::*;

fn doc(text: &str) -> JsonNode {
    parse_all(text).expect("it is JSON")
}

fn shown(node: &JsonNode) -> String {
    String::from_utf8(text_of(node)).expect("it is UTF-8")
}

fn name(text: &str) -> FieldName {
    FieldName::new(text.as_bytes())
}

#[test]
fn a_node_takes_sixteen_bytes() {
    assert_eq!((size_of::<JsonNode>(), size_of::<FieldName>()), (16, 16));
}

#[test]
fn what_is_written_is_what_was_read() {
    for text in [
        "null",
        "[true,false,0,-1,9223372036854775807,18446744073709551615]",
        "[1.0,-0.0,1e16,0.1,1.5e300,1e-7,1.2345678901234568e29]",
        r#"{"":"","a":{"b":[]},"c":{},"a name that is longer than fourteen":"a text that is longer"}"#,
        r#""\u0000\b\f\n\r\t\"\\/ é 😀""#,
    ] {
        assert_eq!(shown(&doc(text)), text);
    }
    let same = [
        ("-0", "-0.0"),
        ("1E5", "100000.0"),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
    ];
    for (read, written) in same {
        assert_eq!(shown(&doc(read)), written);
    }
}

#[test]
fn doubles_are_read_as_they_were_written() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let n = f64::from_bits(random.u64(..));
        if n.is_finite() {
            let text = text_of(&JsonNode::Float(n));
            assert_eq!(
                shown(&doc(&String::from_utf8_lossy(&text))).as_bytes(),
                text
            );
        }
    }
}

#[test]
fn what_is_no_json_is_refused_in_serde_s_words() {
    let deep = |depth| parse(&("[".repeat(depth) + &"]".repeat(depth)));
    assert!(deep(DEPTH_MAX).is_ok());
    let told = deep(DEPTH_MAX + 1).err().map(|error| error.to_string());
    assert_eq!(
        told.as_deref(),
        Some("recursion limit exceeded at line 1 column 128")
    );
    for (text, told) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("1e400", "number out of range at line 1 column 5"),
        (
            r#""\udc00""#,
            "lone leading surrogate in hex escape at line 1 column 7",
        ),
        ("{a:1}", "key must be a string at line 1 column 2"),
    ] {
        assert_eq!(
            parse(text).err().map(|e| e.to_string()).as_deref(),
            Some(told)
        );
    }
    assert!(parse("1 2").is_ok() && parse_all("1 2").is_err());
}

#[test]
fn objects_that_are_read_share_many_names_until_a_field_comes_or_goes() {
    let text = |count: usize, skip: usize| {
        let field = |n| format!(r#""field {n}":{n}"#);
        let fields: Vec<String> = (0..count).filter(|n| *n != skip).map(field).collect();
        format!("{{{}}}", fields.join(","))
    };
    for count in [127, 128, 129, 3000, 4096, 4097] {
        let whole = text(count, count);
        let (first, second) = (doc(&whole), doc(&whole));
        assert_eq!((shown(&first), shown(&second)), (whole.clone(), whole));
        let together = first.heap_bytes();
        drop(second);
        let shared = together < first.heap_bytes();
        assert_eq!(shared, count <= 4096, "{count}");
        let get = |node: &JsonNode, at: usize| {
            let field = format!("field {at}");
            let found = node.as_object().and_then(|o| o.find(field.as_bytes()));
            found.map(shown)
        };
        let mut edited = first.clone();
        for at in [0, 1, count / 2, count - 1] {
            assert_eq!(get(&first, at), Some(at.to_string()));
            let seven = JsonNode::Int(7);
            assert!(
                edited
                    .set_field(&name(&format!("field {at}")), seven)
                    .is_some()
            );
            assert_eq!(get(&edited, at).as_deref(), Some("7"));
        }
        assert!(edited.set_field(&name("new"), JsonNode::Null).is_none());
        assert!(edited.remove(&PathStep::Name(name("field 1"))).is_some());
        assert_eq!((get(&edited, 1), get(&edited, count)), (None, None));
        assert_eq!(edited.as_object().map(ObjectView::len), Some(count));
        assert_eq!(shown(&first), text(count, count));
        let twice = text(count, count).replace("field 5\"", "field 4\"");
        assert_eq!(shown(&doc(&twice)), text(count, 5).replace(":4,", ":5,"));
    }
}

#[test]
fn the_last_field_takes_the_place_of_one_that_is_removed() {
    for count in [5, 128, 129, 200] {
        let mut fields: Vec<(FieldName, JsonNode)> = Vec::new();
        for n in 0..count {
            fields.push((name(&format!("f{n}")), JsonNode::Int(n)));
        }
        let mut object = JsonNode::object(fields.clone());
        for at in [1, 0, 2] {
            let (gone, _) = fields.swap_remove(at);
            assert!(object.remove(&PathStep::Name(gone)).is_some());
            fields.push((name(&format!("new{at}")), JsonNode::Bool(true)));
            let new = object.set_field(&name(&format!("new{at}")), JsonNode::Bool(true));
            assert!(new.is_none());
        }
        assert_eq!(shown(&object), shown(&JsonNode::object(fields)));
    }
}

#[test]
fn a_copy_keeps_what_it_had() {
    let big = |open: &str, close: &str, item: &dyn Fn(usize) -> String| {
        let items: Vec<String> = (0..500).map(item).collect();
        format!("{open}{}{close}", items.join(","))
    };
    let array = big("[", "]", &|n| n.to_string());
    let object = big("{", "}", &|n| format!(r#""field {n}":[{n}]"#));
    let text = format!(r#"{{"small":{{"a":[1,2]}},"array":{array},"object":{object}}}"#);
    let mut edited = doc(&text);
    let copy = edited.clone();
    let steps = |names: &[&str]| {
        names
            .iter()
            .map(|n| PathStep::Name(name(n)))
            .collect::<Vec<_>>()
    };
    let mut add = |node: &mut JsonNode| node.insert(1, vec![JsonNode::Null]);
    for path in [&["small", "a"][..], &["array"], &["object", "field 77"]] {
        assert!(edited.edit_at(&steps(path), &mut add).is_some());
    }
    assert!(edited.edit_at(&steps(&["small", "b"]), &mut add).is_none());
    assert_eq!(shown(&copy), text);
    let expected = text
        .replace(r#""a":[1,2]"#, r#""a":[1,null,2]"#)
        .replace("[0,1,2", "[0,null,1,2")
        .replace(r#""field 77":[77]"#, r#""field 77":[77,null]"#);
    assert_eq!(shown(&edited), expected);
    assert!(edited != copy && copy == doc(&text));
}

/// Values as texts of JSON have them, and what damages them.
const PARTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    " ",
    "\n",
    "0",
    "1",
    "-",
    ".",
    "e",
    "E",
    "+",
    "00",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "-0",
    "0.1",
    "1.5e300",
    "1e400",
    "1e-400",
    "123456789012345678901234567890.5",
    "2.2250738585072011e-308",
    "true",
    "false",
    "null",
    "nul",
    "\"a\"",
    "\"b\"",
    "\"a name of more than fourteen bytes\"",
    "\"a\":1",
    "\"b\":[",
    "{\"c\":",
    "[]",
    "{}",
    "\\u0041",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\\udc00",
    "\\n",
    "\\x",
    "\"\\u00e9\\\"\\/\"",
    "é",
    "😀",
    "\t",
    "\u{1}",
    "\r",
];

fn drawn(random: &mut fastrand::Rng, depth: usize) -> String {
    let items = |random: &mut fastrand::Rng, field: bool| {
        let long = random.u8(..40) == 0;
        let count = random.usize(..if long { 90 } else { 5 });
        let item = |random: &mut fastrand::Rng| {
            let value = drawn(random, depth - 1);
            match field {
                true => format!("\"{}\" :{value}", random.u8(..if long { 200 } else { 6 })),
                false => value,
            }
        };
        (0..count)
            .map(|_| item(random))
            .collect::<Vec<_>>()
            .join(",")
    };
    match random.u8(..9) {
        0..2 if depth > 0 => format!("[{}]", items(random, false)),
        2..4 if depth > 0 => format!("{{{} }}", items(random, true)),
        4 => f64::from_bits(random.u64(..)).to_string(),
        5 => random.i64(..).to_string(),
        7 => {
            let digits = random.u64(..) >> random.u8(..64);
            format!(
                "{}.{digits:0width$}",
                random.i16(..),
                width = random.usize(1..24)
            )
        }
        6 => format!(
            "\"{}\"",
            ["", "x", "\\t\\ud83d\\ude00 é", "a text of some length"][random.usize(..4)]
        ),
        _ => PARTS[random.usize(..PARTS.len())].to_owned(),
    }
}

/// Whether a node is what serde says that it is.
fn agrees(node: &JsonNode, value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (node.see(), value) {
        (JsonSeen::Null, Value::Null) => true,
        (JsonSeen::Bool(held), Value::Bool(said)) => held == *said,
        (JsonSeen::Int(held), Value::Number(said)) => said.as_i64() == Some(held),
        (JsonSeen::Large(held), Value::Number(said)) => {
            !said.is_i64() && said.as_u64() == Some(held)
        }
        (JsonSeen::Float(held), Value::Number(said)) => {
            said.is_f64() && said.as_f64().map(f64::to_bits) == Some(held.to_bits())
        }
        (JsonSeen::Text(held), Value::String(said)) => held == said.as_bytes(),
        (JsonSeen::Array(held), Value::Array(said)) => {
            held.len() == said.len() && held.iter().zip(said).all(|(held, said)| agrees(held, said))
        }
        (JsonSeen::Object(held), Value::Object(said)) => {
            let same = |(name, said): (&String, &Value)| {
                held.find(name.as_bytes())
                    .is_some_and(|held| agrees(held, said))
            };
            held.len() == said.len() && said.iter().all(same)
        }
        _ => false,
    }
}

#[test]
fn texts_are_read_as_serde_reads_them() {
    let mut random = fastrand::Rng::with_seed(11);
    let mut taken = 0;
    for _ in 0..60_000 {
        let mut text = drawn(&mut random, 4);
        for _ in 0..random.u8(..4) / 2 {
            let at = random.usize(..=text.len());
            if text.is_char_boundary(at) {
                match random.bool() {
                    true => text.insert_str(at, PARTS[random.usize(..PARTS.len())]),
                    false => text.truncate(at),
                }
            }
        }
        match (
            parse_all(&text),
            serde_json::from_str::<serde_json::Value>(&text),
        ) {
            (Ok(node), Ok(value)) => {
                taken += 1;
                assert!(agrees(&node, &value), "{text}: {}", shown(&node));
            }
            (Err(ours), Err(theirs)) => assert_eq!(ours.to_string(), theirs.to_string(), "{text}"),
            (ours, theirs) => panic!("{text}: {ours:?}, where serde says {theirs:?}"),
        }
        let mut from = serde_json::Deserializer::from_str(&text);
        let first = serde_json::Value::deserialize(&mut from);
        assert_eq!(parse(&text).is_ok(), first.is_ok(), "{text}");
    }
    assert!(taken > 20_000, "too few of the texts are JSON: {taken}");
}

#[test]
fn of_fields_of_one_name_the_last_counts_in_the_place_of_the_first() {
    for (others, twice) in [(1, 1), (1, 3), (63, 1), (64, 1), (70, 80)] {
        let other = |n: usize| format!("\"n{n}\":{n}");
        let others: Vec<String> = (0..others).map(other).collect();
        let again: Vec<String> = (0..twice).map(|n| format!("\"x\":{n}")).collect();
        let text = format!("{{\"x\":null,{},{}}}", others.join(","), again.join(","));
        let expected = format!("{{\"x\":{},{}}}", twice - 1, others.join(","));
        assert_eq!(shown(&doc(&text)), expected);
    }
}

#[test]
fn an_object_with_a_name_twice_is_as_small_as_any() {
    for (text, read) in [
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
    ] {
        let (twice, once) = (parse_all(text).unwrap(), parse_all(read).unwrap());
        assert_eq!(text_of(&twice), read.as_bytes());
        assert_eq!(
            std::mem::discriminant(&twice),
            std::mem::discriminant(&once)
        );
    }
}

#[test]
fn several_edits_of_an_object_leave_what_they_would_one_after_another() {
    let mut random = fastrand::Rng::with_seed(13);
    let name = |n: usize| FieldName::new(format!("field {n}").as_bytes());
    for _ in 0..300 {
        let fields: Vec<_> = (0..random.usize(..200))
            .map(|n| (name(n), JsonNode::Int(n as i64)))
            .collect();
        let mut one_by_one = JsonNode::object(fields);
        let mut at_once = one_by_one.clone();
        let edits: Vec<(usize, bool)> = (0..random.usize(1..60))
            .map(|_| (random.usize(..220), random.bool()))
            .collect();
        let edit = |object: &mut JsonNode| {
            for (n, adds) in &edits {
                match adds {
                    true => drop(object.set_field(&name(*n), JsonNode::Bool(true))),
                    false => drop(object.remove(&PathStep::Name(name(*n)))),
                }
            }
        };
        edit(&mut one_by_one);
        at_once.edit_fields(edit);
        assert_eq!(text_of(&at_once), text_of(&one_by_one));
    }
}
