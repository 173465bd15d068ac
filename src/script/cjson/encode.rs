//! Lua values to JSON.

use mlua::{Error, Lua, Result, Table, Value};

use super::{Invalid, Settings};
use crate::script::number::general;
use crate::script::raise::located;

pub(super) fn encode(lua: &Lua, value: &Value, settings: &Settings) -> Result<mlua::LuaString> {
    let mut writer = JsonEncoder {
        lua,
        settings,
        out: Vec::new(),
    };
    writer.value(value, 0)?;
    lua.create_string(writer.out)
}

struct JsonEncoder<'a> {
    lua: &'a Lua,
    settings: &'a Settings,
    out: Vec<u8>,
}

impl JsonEncoder<'_> {
    fn refuse(&self, value: &Value, why: &str) -> Error {
        let kind = match value {
            Value::LightUserData(_) => "userdata",
            Value::Integer(_) => "number",
            other => other.type_name(),
        };
        // Raised by the library itself, so no place stands before it.
        located(self.lua, &format!("Cannot serialise {kind}: {why}"))
    }

    fn value(&mut self, value: &Value, depth: i64) -> Result<()> {
        match value {
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => {
                self.out.extend_from_slice(b"null");
            }
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Integer(n) => self.number(*n as f64, value)?,
            Value::Number(n) => self.number(*n, value)?,
            Value::String(text) => self.text(&text.as_bytes()),
            Value::Table(table) => self.table(value, table, depth + 1)?,
            other => return Err(self.refuse(other, "type not supported")),
        }
        Ok(())
    }

    fn number(&mut self, n: f64, value: &Value) -> Result<()> {
        if n.is_nan() || n.is_infinite() {
            match self.settings.encode_invalid {
                Invalid::Off => return Err(self.refuse(value, "must not be NaN or Inf")),
                Invalid::Null => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
                Invalid::On if n.is_nan() => {
                    self.out.extend_from_slice(b"nan");
                    return Ok(());
                }
                Invalid::On => {}
            }
        }
        let text = general(n, self.settings.precision as usize);
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn text(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        for byte in bytes {
            let escape = match byte {
                b'"' => b'"',
                b'\\' => b'\\',
                b'/' => b'/',
                8 => b'b',
                9 => b't',
                10 => b'n',
                12 => b'f',
                13 => b'r',
                0..=31 | 127 => {
                    self.out
                        .extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                    continue;
                }
                _ => {
                    self.out.push(*byte);
                    continue;
                }
            };
            self.out.extend_from_slice(&[b'\\', escape]);
        }
        self.out.push(b'"');
    }

    fn table(&mut self, value: &Value, table: &Table, depth: i64) -> Result<()> {
        // Recursion must end before the stack does, whatever the script has set.
        if depth > self.settings.encode_depth_max.min(1000) {
            let text = format!("Cannot serialise, excessive nesting ({depth})");
            return Err(located(self.lua, &text));
        }
        match self.array_len(value, table)? {
            Some(len) if len > 0 => {
                self.out.push(b'[');
                for at in 1..=len {
                    if at > 1 {
                        self.out.push(b',');
                    }
                    self.value(&table.raw_get(at)?, depth)?;
                }
                self.out.push(b']');
            }
            _ => self.object(table, depth)?,
        }
        Ok(())
    }

    /// The length of the array that the table is, if all keys are positive integers and close enough.
    fn array_len(&self, value: &Value, table: &Table) -> Result<Option<i64>> {
        let (mut max, mut items) = (0i64, 0i64);
        for pair in table.pairs::<Value, Value>() {
            let key = match pair?.0 {
                Value::Integer(n) => n as f64,
                Value::Number(n) => n,
                _ => return Ok(None),
            };
            if key < 1.0 || key.floor() != key {
                return Ok(None);
            }
            max = max.max(key as i64);
            items += 1;
        }
        let settings = self.settings;
        if settings.sparse_ratio > 0
            && max > items.saturating_mul(settings.sparse_ratio)
            && max > settings.sparse_safe
        {
            if !settings.sparse_convert {
                return Err(self.refuse(value, "excessively sparse array"));
            }
            return Ok(None);
        }
        Ok(Some(max))
    }

    fn object(&mut self, table: &Table, depth: i64) -> Result<()> {
        self.out.push(b'{');
        let mut first = true;
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            match &key {
                Value::String(text) => self.text(&text.as_bytes()),
                Value::Integer(_) | Value::Number(_) => {
                    self.out.push(b'"');
                    let n = self.lua.coerce_number(key.clone())?.unwrap_or_default();
                    self.number(n, &key)?;
                    self.out.push(b'"');
                }
                other => {
                    return Err(self.refuse(other, "table key must be a number or string"));
                }
            }
            self.out.push(b':');
            self.value(&value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }
}
