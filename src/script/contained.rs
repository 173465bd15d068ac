//! Whether a script can be seen to touch no key but those in `KEYS`.
//!
//! It may then run under the locks of those keys alone. What can't be seen for certain is not believed, and such a
//! script locks everything: a lock can't be added half-way, once something was written.

/// Where a command's keys stand among its arguments, its name being the first.
pub struct KeyPlaces {
    pub at: Vec<usize>,
    /// More arguments would be more keys.
    pub open: bool,
}

/// Tells it of a command with that many arguments; nothing if that depends on what they say.
pub type Places<'p> = &'p dyn Fn(&[u8], usize) -> Option<KeyPlaces>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum LuaToken {
    Name(String),
    Text(Vec<u8>),
    Number,
    Sign(String),
}

impl LuaToken {
    fn is(&self, sign: &str) -> bool {
        matches!(self, LuaToken::Sign(held) | LuaToken::Name(held) if held == sign)
    }
}

/// Words with which a script could get at `redis`, `KEYS` or commands in ways not followed here.
const UNSEEN: &[&str] = &[
    "function",
    "load",
    "loadstring",
    "_G",
    "getfenv",
    "setfenv",
    "rawset",
    "rawget",
    "goto",
];
/// What stands before an expression, and never before a place that is assigned to.
const BEFORE_VALUE: &[&str] = &[
    "=", "(", "[", "{", "==", "~=", "<", ">", "<=", ">=", "..", "+", "-", "*", "/", "%", "^", "#",
    "return", "and", "or", "not", "if", "elseif", "while", "until",
];

pub fn is_contained(code: &[u8], places: Places<'_>) -> bool {
    tokens(code).is_some_and(|tokens| Tokens { tokens: &tokens }.is_contained(places))
}

struct Tokens<'t> {
    tokens: &'t [LuaToken],
}

impl Tokens<'_> {
    fn sign(&self, at: usize, sign: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(sign))
    }

    fn is_contained(&self, places: Places<'_>) -> bool {
        let aliases = self.aliases();
        let mut depth = 0usize;
        for (at, token) in self.tokens.iter().enumerate() {
            match token {
                LuaToken::Sign(sign) if matches!(&**sign, "(" | "{" | "[") => depth += 1,
                LuaToken::Sign(sign) if matches!(&**sign, ")" | "}" | "]") => {
                    depth = depth.saturating_sub(1);
                }
                LuaToken::Name(name) if UNSEEN.contains(&&**name) => return false,
                LuaToken::Name(name) if name == "KEYS" && !self.only_reads_keys(at, depth) => {
                    return false;
                }
                LuaToken::Name(name)
                    if name == "redis" && !self.calls_contained(at, &aliases, places) =>
                {
                    return false;
                }
                _ => {}
            }
        }
        true
    }

    /// Whether `KEYS` here is `#KEYS`, or `KEYS[...]` where that is read.
    fn only_reads_keys(&self, at: usize, depth: usize) -> bool {
        let Some(end) = self.subscript(at) else {
            return at > 0 && self.sign(at - 1, "#") && !self.sign(at + 1, "[");
        };
        let before = at.checked_sub(1).map(|at| &self.tokens[at]);
        let value = before.is_some_and(|before| {
            BEFORE_VALUE.iter().any(|sign| before.is(sign)) || depth > 0 && before.is(",")
        });
        value && !self.sign(end, "=")
    }

    /// Where `NAME[...]` ends, if that is what begins here.
    fn subscript(&self, at: usize) -> Option<usize> {
        if !self.sign(at + 1, "[") {
            return None;
        }
        self.closing(at + 1).map(|end| end + 1)
    }

    /// The bracket that closes the one here.
    fn closing(&self, at: usize) -> Option<usize> {
        let mut depth = 0;
        for (at, token) in self.tokens.iter().enumerate().skip(at) {
            let LuaToken::Sign(sign) = token else {
                continue;
            };
            match &**sign {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Names that stand for an element of `KEYS` wherever they are bound: `local key = KEYS[1]`, once.
    fn aliases(&self) -> Vec<String> {
        let mut found = Vec::new();
        for at in 0..self.tokens.len() {
            let (Some(LuaToken::Name(name)), true) =
                (self.tokens.get(at + 1), self.sign(at, "local"))
            else {
                continue;
            };
            if !self.sign(at + 2, "=") || !self.sign(at + 3, "KEYS") {
                continue;
            }
            let Some(end) = self.subscript(at + 3) else {
                continue;
            };
            // Only what begins another statement may follow: else the value is made of more.
            let whole = match self.tokens.get(end) {
                None => true,
                Some(LuaToken::Name(next)) => !matches!(&**next, "and" | "or"),
                Some(next) => next.is(";"),
            };
            if whole && self.is_bound_once(name, at + 1) {
                found.push(name.clone());
            }
        }
        found
    }

    fn is_bound_once(&self, name: &str, bound_at: usize) -> bool {
        let mut depth = 0usize;
        for (at, token) in self.tokens.iter().enumerate() {
            match token {
                LuaToken::Sign(sign) if matches!(&**sign, "(" | "{" | "[") => depth += 1,
                LuaToken::Sign(sign) if matches!(&**sign, ")" | "}" | "]") => {
                    depth = depth.saturating_sub(1);
                }
                LuaToken::Name(held) if held == name && at != bound_at => {
                    let before = |sign: &str| at > 0 && self.sign(at - 1, sign);
                    let listed = before(",") || self.sign(at + 1, ",");
                    let rebinds = self.sign(at + 1, "=")
                        || self.sign(at + 1, "in")
                        || before("local")
                        || before("for")
                        || listed && depth == 0;
                    if rebinds {
                        return false;
                    }
                }
                _ => {}
            }
        }
        true
    }

    /// Whether `redis` here is one of its functions, and the command called by it stays within `KEYS`.
    fn calls_contained(&self, at: usize, aliases: &[String], places: Places<'_>) -> bool {
        if at > 0 && (self.sign(at - 1, ".") || self.sign(at - 1, "local"))
            || !self.sign(at + 1, ".")
        {
            return false;
        }
        let Some(LuaToken::Name(function)) = self.tokens.get(at + 2) else {
            return false;
        };
        if !matches!(&**function, "call" | "pcall") {
            return !self.sign(at + 3, "=");
        }
        if !self.sign(at + 3, "(") {
            return false;
        }
        let Some(end) = self.closing(at + 3) else {
            return false;
        };
        let args = self.arguments(at + 4, end);
        let Some([LuaToken::Text(name)]) = args.first() else {
            return false;
        };
        let Some(keys) = places(name, args.len()) else {
            return false;
        };
        let is_key = |arg: &[LuaToken]| match arg {
            [LuaToken::Name(name)] => aliases.contains(name),
            [LuaToken::Name(name), ..] if name == "KEYS" => {
                Tokens { tokens: arg }.subscript(0) == Some(arg.len())
            }
            _ => false,
        };
        let all = keys
            .at
            .iter()
            .all(|at| args.get(*at).is_some_and(|arg| is_key(arg)));
        // A last argument may stand for many values.
        let last = args.last().copied().unwrap_or_default();
        all && (!keys.open
            || is_key(last)
            || matches!(last, [LuaToken::Text(_) | LuaToken::Number]))
    }

    fn arguments(&self, begin: usize, end: usize) -> Vec<&[LuaToken]> {
        let (mut found, mut from, mut depth) = (Vec::new(), begin, 0);
        for at in begin..end {
            if let LuaToken::Sign(sign) = &self.tokens[at] {
                match &**sign {
                    "(" | "[" | "{" => depth += 1,
                    ")" | "]" | "}" => depth -= 1,
                    "," if depth == 0 => {
                        found.push(&self.tokens[from..at]);
                        from = at + 1;
                    }
                    _ => {}
                }
            }
        }
        found.push(&self.tokens[from..end]);
        found
    }
}

/// The code's tokens; nothing if there is something in it that is better not trusted.
fn tokens(code: &[u8]) -> Option<Vec<LuaToken>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = code.get(at).copied() {
        let next = code.get(at + 1).copied();
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            b'-' if next == Some(b'-') => {
                // A long comment is rare enough.
                if code.get(at + 2) == Some(&b'[') {
                    return None;
                }
                at += code[at..].iter().take_while(|byte| **byte != b'\n').count();
            }
            b'[' if matches!(next, Some(b'[' | b'=')) => return None,
            b'\'' | b'"' => {
                let len = code[at + 1..].iter().position(|held| *held == byte)?;
                let text = &code[at + 1..at + 1 + len];
                if text.contains(&b'\\') {
                    return None;
                }
                found.push(LuaToken::Text(text.to_vec()));
                at += len + 2;
            }
            b'0'..=b'9' => {
                at += code[at..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'.')
                    .count();
                found.push(LuaToken::Number);
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                let word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
                let len = code[at..].iter().take_while(word).count();
                let name = String::from_utf8_lossy(&code[at..at + len]).into_owned();
                found.push(LuaToken::Name(name));
                at += len;
            }
            _ => {
                const LONG: [&[u8]; 6] = [b"...", b"..", b"==", b"~=", b"<=", b">="];
                let long = LONG.iter().find(|sign| code[at..].starts_with(sign));
                let len = long.map_or(1, |sign| sign.len());
                if !byte.is_ascii() {
                    return None;
                }
                let sign = String::from_utf8_lossy(&code[at..at + len]).into_owned();
                found.push(LuaToken::Sign(sign));
                at += len;
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(name: &[u8], count: usize) -> Option<KeyPlaces> {
        match name {
            b"get" | b"set" | b"incr" | b"expire" => Some(KeyPlaces {
                at: vec![1],
                open: false,
            }),
            b"del" => Some(KeyPlaces {
                at: (1..count).collect(),
                open: true,
            }),
            b"time" => Some(KeyPlaces {
                at: vec![],
                open: false,
            }),
            _ => None,
        }
    }

    #[test]
    fn only_what_is_sure_is_believed() {
        let seen = [
            "return redis.call('get', KEYS[1])",
            "local n = redis.call('incr', KEYS[1]) if n == 1 then redis.call('expire', KEYS[1], ARGV[1]) end return n",
            "local k = KEYS[1] local v = redis.call('get', k) if v == ARGV[1] then return redis.call('del', k) end return 0",
            "for i = 1, #KEYS do redis.call('del', KEYS[i]) end -- all of them\nreturn redis.call('time')",
            "return redis.call('set', KEYS[1], unpack(ARGV))",
        ];
        for code in seen {
            assert!(is_contained(code.as_bytes(), &places), "{code}");
        }
        let unseen = [
            "return redis.call('get', 'x')",
            "return redis.call('get', KEYS[1] .. 'x')",
            "local k = KEYS[1] .. 'x' return redis.call('get', k)",
            "local k = KEYS[1] k = 'x' return redis.call('get', k)",
            "local k = KEYS[1] local a, k = 1, 'x' return redis.call('get', k)",
            "local k = KEYS[1] for k in pairs(ARGV) do redis.call('get', k) end",
            "local k = KEYS[1] for _, k in pairs(ARGV) do redis.call('get', k) end",
            "local a a, KEYS[1], a = 1, 'x', 2 return redis.call('get', KEYS[1])",
            "KEYS[1] = 'x' return redis.call('get', KEYS[1])",
            "table.insert(KEYS, 1, 'x') return redis.call('get', KEYS[1])",
            "local t = KEYS t[1] = 'x' return redis.call('get', KEYS[1])",
            "local c = redis.call return c('get', 'x')",
            "local r = redis return r.call('get', 'x')",
            "return redis['call']('get', 'x')",
            "return pcall(redis.call, 'get', 'x')",
            "return redis.call(ARGV[1], KEYS[1])",
            "return redis.call('del', KEYS[1], unpack(ARGV))",
            "return redis.call(unpack(ARGV))",
            "return loadstring(ARGV[1])()",
            "return redis.call('keys', '*')",
            "local f = function(k) return redis.call('get', k) end return f(KEYS[1])",
        ];
        for code in unseen {
            assert!(!is_contained(code.as_bytes(), &places), "{code}");
        }
    }
}
