//! JSON to Lua values.

use mlua::{Error, Lua, Result, Value};

use super::{Invalid, Settings, null};
use crate::script::raise::{bad_argument, located};

pub(super) fn decode(lua: &Lua, value: &Value, settings: &Settings) -> Result<Value> {
    let Some(text) = lua.coerce_string(value.clone())? else {
        let why = format!("string expected, got {}", value.type_name());
        return Err(bad_argument(lua, 1, "decode", &why));
    };
    let text = text.as_bytes();
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(located(
            lua,
            "JSON parser does not support UTF-16 or UTF-32",
        ));
    }
    let mut reader = JsonDecoder {
        lua,
        settings,
        text: &text,
        at: 0,
        depth: 0,
    };
    let token = reader.token()?;
    let value = reader.value(token)?;
    match reader.token()? {
        JsonToken {
            kind: TokenKind::End,
            ..
        } => Ok(value),
        token => Err(reader.unexpected("the end", &token)),
    }
}

struct JsonToken {
    /// Where it begins.
    at: usize,
    kind: TokenKind,
}

enum TokenKind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Text(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    /// What it is in place of a token.
    Wrong(&'static str),
}

struct JsonDecoder<'a> {
    lua: &'a Lua,
    settings: &'a Settings,
    text: &'a [u8],
    at: usize,
    depth: i64,
}

impl JsonDecoder<'_> {
    fn unexpected(&self, wanted: &str, token: &JsonToken) -> Error {
        let found = match &token.kind {
            TokenKind::ObjectBegin => "T_OBJ_BEGIN",
            TokenKind::ObjectEnd => "T_OBJ_END",
            TokenKind::ArrayBegin => "T_ARR_BEGIN",
            TokenKind::ArrayEnd => "T_ARR_END",
            TokenKind::Text(_) => "T_STRING",
            TokenKind::Number(_) => "T_NUMBER",
            TokenKind::Boolean(_) => "T_BOOLEAN",
            TokenKind::Null => "T_NULL",
            TokenKind::Colon => "T_COLON",
            TokenKind::Comma => "T_COMMA",
            TokenKind::End => "T_END",
            TokenKind::Wrong(why) => why,
        };
        let text = format!(
            "Expected {wanted} but found {found} at character {}",
            token.at + 1
        );
        located(self.lua, &text)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn token(&mut self) -> Result<JsonToken> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        let at = self.at;
        let simple = |kind| Ok(JsonToken { at, kind });
        let Some(byte) = self.peek() else {
            return simple(TokenKind::End);
        };
        let kind = match byte {
            b'{' => TokenKind::ObjectBegin,
            b'}' => TokenKind::ObjectEnd,
            b'[' => TokenKind::ArrayBegin,
            b']' => TokenKind::ArrayEnd,
            b':' => TokenKind::Colon,
            b',' => TokenKind::Comma,
            b'"' => return Ok(self.string()),
            b'-' | b'0'..=b'9' => return simple(self.number()),
            b't' if self.word(b"true") => return simple(TokenKind::Boolean(true)),
            b'f' if self.word(b"false") => return simple(TokenKind::Boolean(false)),
            b'n' if self.word(b"null") => return simple(TokenKind::Null),
            b'+' | b'i' | b'I' | b'n' | b'N' if self.settings.decode_invalid == Invalid::On => {
                return simple(self.number());
            }
            _ => return simple(TokenKind::Wrong("invalid token")),
        };
        self.at += 1;
        simple(kind)
    }

    fn word(&mut self, word: &[u8]) -> bool {
        let hit = self.text[self.at..].starts_with(word);
        self.at += if hit { word.len() } else { 0 };
        hit
    }

    /// A number as `strtod` reads it, hexadecimal and infinite ones too if the settings let it.
    fn number(&mut self) -> TokenKind {
        let rest = &self.text[self.at..];
        let len = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
            .count();
        let whole = std::str::from_utf8(&rest[..len]).unwrap_or_default();
        let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
        let negative = whole.starts_with('-');
        let lower = digits.to_ascii_lowercase();
        if self.settings.decode_invalid != Invalid::On {
            let bytes = lower.as_bytes();
            let zero_led =
                bytes.len() > 1 && bytes[0] == b'0' && matches!(bytes[1], b'x' | b'0'..=b'9');
            if zero_led || !bytes.first().is_some_and(u8::is_ascii_digit) {
                return TokenKind::Wrong("invalid number");
            }
        }
        for (word, value) in [
            ("infinity", f64::INFINITY),
            ("inf", f64::INFINITY),
            ("nan", f64::NAN),
        ] {
            if lower.starts_with(word) {
                self.at += whole.len() - digits.len() + word.len();
                return TokenKind::Number(if negative { -value } else { value });
            }
        }
        if let Some(hex) = lower.strip_prefix("0x") {
            let used = hex.bytes().take_while(u8::is_ascii_hexdigit).count();
            if used > 0 {
                let value = hex[..used]
                    .chars()
                    .filter_map(|c| c.to_digit(16))
                    .fold(0.0, |n, digit| n * 16.0 + f64::from(digit));
                self.at += whole.len() - digits.len() + 2 + used;
                return TokenKind::Number(if negative { -value } else { value });
            }
        }
        // The longest beginning that is a number.
        let used = decimal_len(lower.as_bytes());
        match lower[..used].parse::<f64>() {
            Ok(value) if used > 0 => {
                self.at += whole.len() - digits.len() + used;
                TokenKind::Number(if negative { -value } else { value })
            }
            _ => TokenKind::Wrong("invalid number"),
        }
    }

    fn string(&mut self) -> JsonToken {
        let begin = self.at;
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let Some(byte) = self.peek() else {
                return JsonToken {
                    at: self.at,
                    kind: TokenKind::Wrong("unexpected end of string"),
                };
            };
            match byte {
                b'"' => break,
                b'\\' => {
                    let escape = self.text.get(self.at + 1).copied();
                    let plain = match escape {
                        Some(byte @ (b'"' | b'\\' | b'/')) => byte,
                        Some(b'b') => 8,
                        Some(b't') => 9,
                        Some(b'n') => 10,
                        Some(b'f') => 12,
                        Some(b'r') => 13,
                        Some(b'u') => {
                            if self.unicode(&mut out).is_none() {
                                return JsonToken {
                                    at: self.at,
                                    kind: TokenKind::Wrong("invalid unicode escape code"),
                                };
                            }
                            continue;
                        }
                        _ => {
                            return JsonToken {
                                at: self.at,
                                kind: TokenKind::Wrong("invalid escape code"),
                            };
                        }
                    };
                    out.push(plain);
                    self.at += 2;
                }
                byte => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        JsonToken {
            at: begin,
            kind: TokenKind::Text(out),
        }
    }

    fn code(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        digits.iter().try_fold(0, |n, digit| {
            Some(n << 4 | char::from(*digit).to_digit(16)?)
        })
    }

    /// Reads `\uXXXX`, and its second half if it is the first of two.
    fn unicode(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let mut code = self.code(self.at + 2)?;
        let mut used = 6;
        if code & 0xf800 == 0xd800 {
            if code & 0x400 != 0 || self.text.get(self.at + 6..self.at + 8)? != b"\\u" {
                return None;
            }
            let low = self.code(self.at + 8)?;
            if low & 0xfc00 != 0xdc00 {
                return None;
            }
            code = 0x10000 + ((code & 0x3ff) << 10 | low & 0x3ff);
            used = 12;
        }
        let mut buf = [0; 4];
        out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut buf).as_bytes());
        self.at += used;
        Some(())
    }

    fn value(&mut self, token: JsonToken) -> Result<Value> {
        Ok(match token.kind {
            TokenKind::Text(text) => Value::String(self.lua.create_string(text)?),
            TokenKind::Number(n) => Value::Number(n),
            TokenKind::Boolean(yes) => Value::Boolean(yes),
            TokenKind::Null => null(),
            TokenKind::ObjectBegin => self.deeper(Self::object)?,
            TokenKind::ArrayBegin => self.deeper(Self::array)?,
            _ => return Err(self.unexpected("value", &token)),
        })
    }

    fn deeper(&mut self, read: fn(&mut Self) -> Result<Value>) -> Result<Value> {
        self.depth += 1;
        // Recursion must end before the stack does, whatever the script has set.
        if self.depth > self.settings.decode_depth_max.min(1000) {
            let text = format!(
                "Found too many nested data structures ({}) at character {}",
                self.depth, self.at
            );
            return Err(located(self.lua, &text));
        }
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value> {
        let table = self.lua.create_table()?;
        let mut token = self.token()?;
        if matches!(token.kind, TokenKind::ObjectEnd) {
            return Ok(Value::Table(table));
        }
        loop {
            let TokenKind::Text(key) = token.kind else {
                return Err(self.unexpected("object key string", &token));
            };
            let colon = self.token()?;
            if !matches!(colon.kind, TokenKind::Colon) {
                return Err(self.unexpected("colon", &colon));
            }
            let next = self.token()?;
            let value = self.value(next)?;
            table.raw_set(self.lua.create_string(key)?, value)?;
            let after = self.token()?;
            match after.kind {
                TokenKind::ObjectEnd => return Ok(Value::Table(table)),
                TokenKind::Comma => token = self.token()?,
                _ => return Err(self.unexpected("comma or object end", &after)),
            }
        }
    }

    fn array(&mut self) -> Result<Value> {
        let table = self.lua.create_table()?;
        let mut token = self.token()?;
        if matches!(token.kind, TokenKind::ArrayEnd) {
            return Ok(Value::Table(table));
        }
        for at in 1.. {
            let value = self.value(token)?;
            table.raw_set(at, value)?;
            let after = self.token()?;
            match after.kind {
                TokenKind::ArrayEnd => break,
                TokenKind::Comma => token = self.token()?,
                _ => return Err(self.unexpected("comma or array end", &after)),
            }
        }
        Ok(Value::Table(table))
    }
}

/// How many bytes at the beginning are a decimal number.
fn decimal_len(text: &[u8]) -> usize {
    let digits = |from: usize| {
        text[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let whole = digits(0);
    let mut len = whole;
    let mut some = whole > 0;
    if text.get(len) == Some(&b'.') {
        let fraction = digits(len + 1);
        some |= fraction > 0;
        len += 1 + fraction;
    }
    if !some {
        return 0;
    }
    if text.get(len) == Some(&b'e') {
        let sign = usize::from(matches!(text.get(len + 1), Some(b'+' | b'-')));
        let exponent = if len + 1 + sign <= text.len() {
            digits(len + 1 + sign)
        } else {
            0
        };
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    len
}
