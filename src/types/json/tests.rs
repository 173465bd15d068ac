//! Documents are parsed, edited and written; copies keep what they had.

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
fn the_last_field_takes_the_place_of_one_that_is_removed() {
    for count in [5, 64, 65, 200] {
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
