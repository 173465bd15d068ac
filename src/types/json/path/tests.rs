//! Paths are parsed, followed, and refused in RedisJSON's words.

use super::*;
use crate::types::json::{JsonNode, parse_all, text_of};

fn found(doc: &str, path: &str) -> Result<String, String> {
    let (root, path) = (
        parse_all(doc).expect("it is JSON"),
        Spelled::new(path).parse()?,
    );
    let values = path
        .as_ref()
        .values(&root, &mut PathEffort::bounded(usize::MAX))
        .map_err(|_| "too much".to_owned())?;
    let values: Vec<JsonNode> = values.into_iter().cloned().collect();
    let text = text_of(&JsonNode::array(values));
    Ok(String::from_utf8(text).expect("it is UTF-8"))
}

const SHOP: &str = r#"{"a":{"b":[1,2,3,{"c":4}],"b2":{"c":5}},"arr":[{"n":1,"s":"abc","t":true},{"n":2,"s":"abd","t":false},{"n":3.5,"s":"zzz","u":null}],"r":"^ab","sp ace":1,"q'uote":2,"d\"q":3,"back\\slash":4,"":5}"#;

/// What Redis Stack 7.4.1 finds.
#[test]
fn paths_lead_where_they_lead_in_redisjson() {
    for (path, values) in [
        ("$..c", "[4,5]"),
        ("$.a..*", r#"[[1,2,3,{"c":4}],{"c":5},1,2,3,{"c":4},4,5]"#),
        ("$.a.b[0,2,-1]", r#"[1,3,{"c":4}]"#),
        ("$.a.b[::2]", "[1,3]"),
        ("$.a.b[1:-1]", "[2,3]"),
        ("$.a.b[3:1]", "[]"),
        ("$.a.b[-9:2]", "[1,2]"),
        ("$['sp ace', 'r' ]", r#"[1,"^ab"]"#),
        (r#"$["q'uote"]"#, "[2]"),
        (r"$['q\'uote']", "[2]"),
        (r#"$["d\"q"]"#, "[3]"),
        (r"$['back\\slash']", "[4]"),
        ("$['']", "[5]"),
        ("$.a. b[ 0 ]", "[1]"),
        ("arr[0].n", "[1]"),
        (".arr[?(@.n>1)].n", "[2,3.5]"),
        ("$.arr[?@.n>1&&@.t==false].n", "[2]"),
        ("$.arr[?(@.n==1||@.n==2&&@.t==true)].n", "[1]"),
        ("$.arr[?((@.n==1||@.n==2)&&@.t==false)].n", "[2]"),
        (r#"$.arr[?(@.s=~"(?i)^AB")].n"#, "[1,2]"),
        ("$.arr[?(@.s=~$.r)].n", "[1,2]"),
        (r#"$.arr[?(@.s=~"[")].n"#, "[]"),
        ("$.arr[?(@.u==null)].n", "[3.5]"),
        ("$.arr[?(@.nope!=1)].n", "[1,2,3.5]"),
        ("$.arr[?(1==@.n)].s", r#"["abc"]"#),
        ("$.arr[?(@==$.arr[1])].s", r#"["abd"]"#),
        ("$..[?(@.n==2)].s", r#"["abd"]"#),
        ("$.r[?(@=='^ab')]", r#"["^ab"]"#),
        ("$.a.b[99999999999999999999]", "[]"),
    ] {
        assert_eq!(found(SHOP, path), Ok(values.to_owned()), "{path}");
    }
}

#[test]
fn plain_paths_are_what_the_grammar_makes_of_them() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut plain = 0;
    for _ in 0..100_000 {
        let signs = random.usize(..12);
        let sign = |_| random.choice(b"$..ab_0-[").copied().map(char::from);
        let text: String = (0..signs).filter_map(sign).collect();
        let path = Spelled::new(&text);
        if let Some(read) = path.plain() {
            let read = Ok(read).map(|read| format!("{read:?}"));
            assert_eq!(
                read,
                grammar::parse(&path.whole()).map(|path| format!("{path:?}")),
                "{text}"
            );
            plain += 1;
        }
    }
    assert!(plain > 1000, "{plain}");
    let long = vec!["a"; grammar::PARTS_MAX + 1].join(".");
    assert!(Spelled::new(&long).parse().is_err());
    assert!(Spelled::new(&long[2..]).parse().is_ok());
}

/// What Redis Stack 7.4.1 says.
#[test]
fn a_bad_path_is_told_of_in_redisjson_s_words() {
    for (path, at, shown, tried) in [
        ("$..", 3, "$.. <<<<----", "<string>, '*'"),
        ("", 2, "$. <<<<----", "<string>, '*'"),
        ("$.a.b[00]", 6, "$.a.b[ ---->>>> 00]", "['start:end:steps']"),
        ("$.a.b[0:3:0]", 10, "$.a.b[0:3: ---->>>> 0]", "pos_number"),
        (
            "$[",
            2,
            "$[ <<<<----",
            "'<string>[,<string>,...]', '<number>', ['start:end:steps'], '*'",
        ),
        ("$[?", 3, "$[? <<<<----", "single_filter"),
        (
            "$[?(@.a",
            7,
            "$[?(@.a <<<<----",
            "ge, gt, le, lt, eq, ne, re, and, or, '..'",
        ),
        (
            "$[?(@.a==)]",
            9,
            "$[?(@.a== ---->>>> )]",
            "decimal, from_current, from_root, boolean_true, boolean_false, null",
        ),
        ("$[?(@.a==1]", 10, "$[?(@.a==1 ---->>>> ]", "and, or"),
        ("$[1,]", 4, "$[1, ---->>>> ]", "'<number>'"),
        (
            "$['a',]",
            2,
            "$[ ---->>>> 'a',]",
            "'<number>', ['start:end:steps']",
        ),
        ("$[1:2:3:4]", 1, "$ ---->>>> [1:2:3:4]", "EOI, root"),
        ("$.a]", 3, "$.a ---->>>> ]", "EOI, '..'"),
        ("$.a b", 4, "$.a  ---->>>> b", "EOI, '..'"),
    ] {
        let told = format!(
            "Error occurred on position {at}, \"{shown}\", expected one of the following: {tried}."
        );
        assert_eq!(found("{}", path), Err(told), "{path}");
    }
}

#[test]
fn hostile_paths_end_soon() {
    let deep = "[?(@".repeat(5000);
    assert!(found("[1]", &format!("${deep}")).is_err());
    let parens = format!("$[?{}@", "(".repeat(100_000));
    assert!(found("[1]", &parens).is_err());
    assert!(found("[1]", &format!("$.a{}", "[?(@)]".repeat(1000))).is_err());
    let doc = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let scans = format!("${}", "..*".repeat(12));
    assert_eq!(found(&doc, &scans), Err("too much".to_owned()));
    assert!(found("[1]", &format!("$[{}]", "1,".repeat(100_000))).is_err());
    let too_long = Err("ERR the path has too many parts".to_owned());
    let steps = "..[?1]".repeat(127);
    let mut nested = format!("${steps}");
    for _ in 0..15 {
        nested = format!("${steps}..[?{nested}]");
    }
    assert_eq!(found("1", &nested), too_long);
}

#[test]
fn what_a_path_looks_at_again_and_again_is_counted() {
    let too_much = || Err("too much".to_owned());
    let list = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));

    // Steps that lead nowhere.
    let nines = list("9", 10_000);
    assert_eq!(
        found(&list("[1]", 1000), &format!("$[*]{nines}")),
        too_much()
    );
    let names = list("\"a\"", 10_000);
    assert_eq!(
        found(&list("{}", 1000), &format!("$[*]{names}")),
        too_much()
    );

    // Expressions of the document, which are compiled, but not twice in a row.
    let texts: Vec<String> = (0..2500)
        .map(|n| format!(r#"{{"s":"7","r":"^{n}$"}}"#))
        .collect();
    let texts = format!("[{}]", texts.join(","));
    assert_eq!(found(&texts, "$[?(@.s=~@.r)].r"), too_much());
    assert_eq!(found(&texts, "$[?(@.s=~$[8].r)].r"), Ok("[]".to_owned()));

    let many: Vec<String> = (0..2500).map(|n| format!("@=~'^{n}x$'")).collect();
    assert_eq!(
        found(r#"["7"]"#, &format!("$[?{}]", many.join("||"))),
        too_much()
    );

    // A long text matched, and compared; long arrays compared.
    let (text, numbers) = ("a".repeat(100_000), list("1", 1000));
    let doc = format!(r#"{{"t":"{text}","u":"{text}","a":{numbers},"b":{numbers},"n":{numbers}}}"#);
    assert_eq!(found(&doc, r#"$.n[?($.t=~"b")]"#), too_much());
    assert_eq!(found(&doc, "$.n[?($.t<$.u)]"), too_much());
    assert_eq!(found(&doc, "$.n[?($.t==$.u)]"), too_much());
    assert_eq!(found(&doc, "$.n[?($.a!=$.b)]"), Ok("[]".to_owned()));
    let doc = doc.replace(&numbers, &list("1", 10_000));
    assert_eq!(found(&doc, "$.n[?($.a!=$.b)]"), too_much());
}

#[test]
fn expressions_of_ordinary_size_are_compiled() {
    let address = r#"$[?(@=~"^\\w+([.-]?\\w+)*@\\w+([.-]?\\w+)*([.]\\w{2,3})+$")]"#;
    assert_eq!(
        found(r#"["a@b.cd","a"]"#, address),
        Ok(r#"["a@b.cd"]"#.to_owned())
    );
    assert_eq!(
        found(r#"["a"]"#, r#"$[?(@=~"a|\\w{5000}")]"#),
        Ok("[]".to_owned())
    );
}

#[test]
fn long_ways_to_many_places_are_counted_where_they_are_wanted() {
    let many = vec!["1"; 30_000].join(",");
    let root = parse_all(&format!("{}{many}{}", "[".repeat(100), "]".repeat(100)));
    let root = root.expect("it is JSON");
    let path = Spelled::new("$..*").parse().expect("it is a path");
    let places = |fits: &dyn Fn(&JsonNode) -> bool| {
        let found = path
            .as_ref()
            .places(&root, fits, &mut PathEffort::bounded(usize::MAX));
        found.map(|places| places.len())
    };
    assert_eq!(places(&|_| true), Err(TooMuch));
    assert_eq!(places(&|node| node.as_array().is_some()), Ok(30_099));
}

#[test]
fn fixed_paths_have_a_last_step() {
    let last = |path: &str| {
        let path = Spelled::new(path).parse().expect("it is a path");
        path.split_last().map(|(_, last)| format!("{last:?}"))
    };
    assert_eq!(last("$.a.b").as_deref(), Some("Name(\"b\")"));
    assert_eq!(last("$['a'][0]").as_deref(), Some("Place"));
    for path in ["$.a.*", "$..a", "$['a','b']", "$[0,1]", "$[0:1]", "$"] {
        assert_eq!(last(path), None);
    }
}
