//! Values between Lua and RESP, in both directions.

use mlua::{Lua, Result, Table, Value};

use super::number::{general, to_int};
use super::raise::Raised;
use crate::resp::Reply;

/// An argument of `redis.call` as the command sees it; nothing if it is no string or number.
pub fn argument(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(n) => Some(n.to_string().into_bytes()),
        Value::Number(n) if to_int(*n) as f64 == *n && to_int(*n) != i64::MIN => {
            Some(itoa::Buffer::new().format(to_int(*n)).as_bytes().to_vec())
        }
        Value::Number(n) => Some(general(*n, 17).into_bytes()),
        _ => None,
    }
}

/// A command's reply as Lua sees it; an error is told apart.
pub fn from_reply(lua: &Lua, bytes: &[u8]) -> Result<std::result::Result<Value, Raised>> {
    if bytes.first() == Some(&b'-') {
        let text = bytes[1..].strip_suffix(b"\r\n").unwrap_or(&bytes[1..]);
        return Ok(Err(Raised {
            text: text.to_vec(),
            counted: true,
        }));
    }
    let mut cursor = ReplyCursor { bytes, at: 0 };
    cursor.value(lua).map(Ok)
}

struct ReplyCursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> ReplyCursor<'b> {
    fn line(&mut self) -> &'b [u8] {
        let rest = &self.bytes[self.at..];
        let len = memchr::memchr(b'\r', rest).expect("a reply's lines are whole");
        self.at += len + 2;
        &rest[..len]
    }

    fn bulk(&mut self, len: i64) -> &'b [u8] {
        let begin = self.at;
        self.at += len as usize + 2;
        &self.bytes[begin..begin + len as usize]
    }

    fn value(&mut self, lua: &Lua) -> Result<Value> {
        let line = self.line();
        let text = &line[1..];
        let int = || crate::util::number::parse_i64(text).unwrap_or_default();
        let one = |name: &str, value: Value| -> Result<Value> {
            let table = lua.create_table_with_capacity(0, 1)?;
            table.raw_set(name, value)?;
            Ok(Value::Table(table))
        };
        let string = |bytes: &[u8]| lua.create_string(bytes).map(Value::String);
        match line[0] {
            b':' => Ok(Value::Number(int() as f64)),
            b'$' | b'*' if text == b"-1" => Ok(Value::Boolean(false)),
            b'$' => string(self.bulk(int())),
            b'+' => one("ok", string(text)?),
            b'-' => one("err", string(text)?),
            b'_' => Ok(Value::Nil),
            b'#' => Ok(Value::Boolean(text == b"t")),
            b',' => {
                let n = crate::util::number::parse_double(text).unwrap_or(f64::NAN);
                one("double", Value::Number(n))
            }
            b'(' => one("big_number", string(text)?),
            b'=' => {
                let bytes = self.bulk(int());
                let table = lua.create_table_with_capacity(0, 2)?;
                table.raw_set("format", string(&bytes[..3])?)?;
                table.raw_set("string", string(&bytes[4..])?)?;
                one("verbatim_string", Value::Table(table))
            }
            b'|' => {
                // What is said about the value that follows is of no use here.
                for _ in 0..int() * 2 {
                    self.value(lua)?;
                }
                self.value(lua)
            }
            b'%' => {
                let table = lua.create_table()?;
                for _ in 0..int() {
                    let key = self.value(lua)?;
                    let value = self.value(lua)?;
                    table.raw_set(key, value)?;
                }
                one("map", Value::Table(table))
            }
            b'~' => {
                let table = lua.create_table()?;
                for _ in 0..int() {
                    table.raw_set(self.value(lua)?, true)?;
                }
                one("set", Value::Table(table))
            }
            _ => {
                let len = int() as usize;
                let table = lua.create_table_with_capacity(len, 0)?;
                for at in 1..=len {
                    table.raw_set(at, self.value(lua)?)?;
                }
                Ok(Value::Table(table))
            }
        }
    }
}

/// Replies nested deeper than this are cut off: they are written by recursion.
const DEPTH_MAX: usize = 200;

/// What a script returned, as its client sees it. `resp3` is what the script has set.
pub fn write_reply(value: &Value, resp3: bool, out: &mut Reply) -> Result<()> {
    LuaReplyWriter { resp3, out }.value(value, 0)
}

struct LuaReplyWriter<'a> {
    resp3: bool,
    out: &'a mut Reply,
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Number(n) => Some(*n),
        _ => None,
    }
}

fn clean(bytes: &[u8]) -> Vec<u8> {
    let blank = |byte: &u8| {
        if matches!(byte, b'\r' | b'\n') {
            b' '
        } else {
            *byte
        }
    };
    bytes.iter().map(blank).collect()
}

impl LuaReplyWriter<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            self.out.error(b"ERR reached lua stack limit");
            return Ok(());
        }
        match value {
            Value::String(text) => self.out.bulk(&*text.as_bytes()),
            Value::Boolean(yes) if self.resp3 => self.out.bool(*yes),
            Value::Boolean(true) => self.out.int(1),
            Value::Integer(n) => self.out.int(*n),
            Value::Number(n) => self.out.int(to_int(*n)),
            Value::Table(table) => self.table(table, depth)?,
            _ => self.out.null(),
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: usize) -> Result<()> {
        if let Value::String(text) = table.raw_get("err")? {
            self.out.error(&text.as_bytes());
            return Ok(());
        }
        if let Value::String(text) = table.raw_get("ok")? {
            let mut line = vec![b'+'];
            line.extend_from_slice(&clean(&text.as_bytes()));
            line.extend_from_slice(b"\r\n");
            self.out.raw(&line);
            return Ok(());
        }
        if let Some(n) = number(&table.raw_get("double")?) {
            self.out.double(n);
            return Ok(());
        }
        if let Value::Table(pairs) = table.raw_get("map")? {
            // Counted first, not gathered: each value held takes a place on Lua's stack.
            self.out.map(pairs.pairs::<Value, Value>().count());
            for pair in pairs.pairs::<Value, Value>() {
                let (key, value) = pair?;
                self.value(&key, depth + 1)?;
                self.value(&value, depth + 1)?;
            }
            return Ok(());
        }
        if let Value::Table(members) = table.raw_get("set")? {
            self.out.set(members.pairs::<Value, Value>().count());
            for pair in members.pairs::<Value, Value>() {
                let (member, _) = pair?;
                self.value(&member, depth + 1)?;
            }
            return Ok(());
        }
        if let Value::String(digits) = table.raw_get("big_number")? {
            let digits = clean(&digits.as_bytes());
            self.out.big_number(&String::from_utf8_lossy(&digits));
            return Ok(());
        }
        if let Value::Table(verbatim) = table.raw_get("verbatim_string")? {
            let format: Value = verbatim.raw_get("format")?;
            let text: Value = verbatim.raw_get("string")?;
            if let (Value::String(format), Value::String(text)) = (format, text) {
                let mut three = [b' '; 3];
                let format = format.as_bytes();
                let len = format.len().min(3);
                three[..len].copy_from_slice(&format[..len]);
                self.out
                    .verbatim(&String::from_utf8_lossy(&three), &text.as_bytes());
                return Ok(());
            }
        }
        let open = self.out.open_array();
        let mut count = 0;
        loop {
            let element: Value = table.raw_get(count + 1)?;
            if element.is_nil() {
                break;
            }
            self.value(&element, depth + 1)?;
            count += 1;
        }
        self.out.close(open, count);
        Ok(())
    }
}
