//! A command's shape in one line, and random commands of that shape.
//!
//! `SET string value < [ NX | XX ] [ GET ] [ EX far ] >`: capitals are sent as they stand, small words name
//! a class of arguments, `[ ]` is optional, `( | )` a choice, `< >` any order, a final `+` one or many.

use fastrand::Rng;

use super::arguments::Arguments;

pub type Command = Vec<Vec<u8>>;

#[derive(Debug)]
enum Part {
    Word(&'static str),
    Class(&'static str),
    Choice(Vec<Vec<Part>>),
    Maybe(Vec<Vec<Part>>),
    Shuffle(Vec<Part>),
    Many(Box<Part>),
}

/// One parsed shape.
#[derive(Debug)]
pub struct Template(Vec<Part>);

impl Template {
    /// The commands of a shape; several when `;` stands between them.
    pub fn parse_row(text: &'static str) -> Vec<Template> {
        text.split(" ; ").map(Template::parse).collect()
    }

    pub fn parse(text: &'static str) -> Template {
        let mut words = text.split_whitespace();
        let mut ways = parse_until(&mut words, "");
        assert_eq!(ways.len(), 1, "a choice needs brackets: {text}");
        Template(ways.remove(0))
    }

    /// The command's name as `COMMAND` would list it: one word, or two for a container.
    pub fn name(&self) -> String {
        let mut words = self.0.iter().map_while(|part| match part {
            Part::Word(word) => Some(*word),
            _ => None,
        });
        let args: Vec<&str> = words.by_ref().take(2).collect();
        command_name(&args)
    }

    pub fn fill(&self, arguments: &mut Arguments) -> Command {
        let mut command = Vec::new();
        fill(&self.0, arguments, &mut command);
        command
    }
}

/// The name under which a command is counted.
pub fn command_name<A: AsRef<[u8]>>(args: &[A]) -> String {
    const CONTAINERS: &[&str] = &["CLIENT", "OBJECT", "PUBSUB", "COMMAND", "XGROUP", "XINFO"];
    let word = |at: usize| -> String {
        args.get(at).map_or(String::new(), |arg| {
            String::from_utf8_lossy(arg.as_ref()).to_ascii_uppercase()
        })
    };
    let first = word(0);
    if CONTAINERS.contains(&first.as_str()) {
        format!("{first} {}", word(1))
    } else {
        first
    }
}

/// Reads alternatives up to the closing word.
fn parse_until(words: &mut std::str::SplitWhitespace<'static>, close: &str) -> Vec<Vec<Part>> {
    let mut ways = vec![Vec::new()];
    while let Some(word) = words.next() {
        let way = ways.last_mut().expect("never empty");
        match word {
            "(" => {
                let (inner, many) = parse_group(words, ")");
                way.push(if many {
                    Part::Many(Box::new(Part::Choice(inner)))
                } else {
                    Part::Choice(inner)
                });
            }
            "[" => way.push(Part::Maybe(parse_until(words, "]"))),
            "<" => {
                let mut inner = parse_until(words, ">");
                way.push(Part::Shuffle(inner.remove(0)));
            }
            "|" => ways.push(Vec::new()),
            ")+" | ")" | "]" | ">" => {
                assert_eq!(word.trim_end_matches('+'), close, "brackets do not match");
                return ways;
            }
            _ => way.push(parse_word(word)),
        }
    }
    assert_eq!(close, "", "a bracket is not closed");
    ways
}

/// A group in round brackets repeats when it closes with `)+`: look ahead for which it is.
fn parse_group(
    words: &mut std::str::SplitWhitespace<'static>,
    close: &str,
) -> (Vec<Vec<Part>>, bool) {
    let mut depth = 1;
    let mut many = false;
    for word in words.clone() {
        match word {
            "(" => depth += 1,
            ")" | ")+" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            many = word == ")+";
            break;
        }
    }
    (parse_until(words, close), many)
}

fn parse_word(word: &'static str) -> Part {
    if let Some(one) = word.strip_suffix('+') {
        return Part::Many(Box::new(parse_word(one)));
    }
    // `set1` is a certain key, `set` any of its kind; `hash*` is a pattern.
    let class = word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase());
    if class {
        Part::Class(word)
    } else {
        Part::Word(word)
    }
}

fn fill(parts: &[Part], arguments: &mut Arguments, out: &mut Command) {
    for part in parts {
        fill_one(part, arguments, out);
    }
}

fn fill_one(part: &Part, arguments: &mut Arguments, out: &mut Command) {
    match part {
        Part::Word(word) => {
            let lower = word.len() > 1 && arguments.rng.u8(..12) == 0;
            out.push(
                if lower {
                    word.to_ascii_lowercase()
                } else {
                    (*word).to_owned()
                }
                .into_bytes(),
            );
        }
        Part::Class(class) => arguments.push(class, out),
        Part::Choice(ways) => fill(&ways[arguments.rng.usize(..ways.len())], arguments, out),
        Part::Maybe(ways) => {
            if arguments.rng.u8(..100) < 40 {
                fill(&ways[arguments.rng.usize(..ways.len())], arguments, out);
            }
        }
        Part::Shuffle(parts) => {
            let mut order: Vec<usize> = (0..parts.len()).collect();
            arguments.rng.shuffle(&mut order);
            for at in order {
                fill_one(&parts[at], arguments, out);
            }
        }
        Part::Many(part) => {
            let many = match arguments.rng.u8(..20) {
                0 => arguments.rng.usize(5..40),
                1..=9 => arguments.rng.usize(2..5),
                _ => 1,
            };
            for _ in 0..many {
                fill_one(part, arguments, out);
            }
        }
    }
}

pub fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(..from.len())]
}
