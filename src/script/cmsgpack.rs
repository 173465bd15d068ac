//! The library `cmsgpack`: Lua values to and from MessagePack.

use mlua::{Lua, Result, Table, Value, Variadic};

use super::number::to_int;
use super::raise::{bad_argument, located};

/// Tables nested deeper than this are packed as nil.
const DEPTH_MAX: usize = 16;

fn put_head(len: usize, fix: Option<(u8, usize)>, one: Option<u8>, two: u8, out: &mut Vec<u8>) {
    match (fix, one) {
        (Some((sign, max)), _) if len <= max => out.push(sign | len as u8),
        (_, Some(sign)) if len <= 0xff => out.extend_from_slice(&[sign, len as u8]),
        _ if len <= 0xffff => {
            out.push(two);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(two + 1);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
}

fn put_int(n: i64, out: &mut Vec<u8>) {
    match n {
        0..=127 => out.push(n as u8),
        128..=0xff => out.extend_from_slice(&[0xcc, n as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend_from_slice(&(n as u32).to_be_bytes());
        }
        0x1_0000_0000.. => {
            out.push(0xcf);
            out.extend_from_slice(&n.to_be_bytes());
        }
        -32..=-1 => out.push(n as u8),
        -128..=-33 => out.extend_from_slice(&[0xd0, n as u8]),
        -0x8000..=-129 => {
            out.push(0xd1);
            out.extend_from_slice(&(n as i16).to_be_bytes());
        }
        -0x8000_0000..=-0x8001 => {
            out.push(0xd2);
            out.extend_from_slice(&(n as i32).to_be_bytes());
        }
        _ => {
            out.push(0xd3);
            out.extend_from_slice(&n.to_be_bytes());
        }
    }
}

fn put_number(n: f64, out: &mut Vec<u8>) {
    if to_int(n) as f64 == n {
        return put_int(to_int(n), out);
    }
    let short = n as f32;
    if f64::from(short) == n {
        out.push(0xca);
        out.extend_from_slice(&short.to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend_from_slice(&n.to_be_bytes());
    }
}

/// How many elements a table has if its keys are 1 to that number.
fn array_len(table: &Table) -> Result<Option<usize>> {
    let (mut count, mut max) = (0usize, 0usize);
    for pair in table.pairs::<Value, Value>() {
        let key = match pair?.0 {
            Value::Integer(n) => n as f64,
            Value::Number(n) => n,
            _ => return Ok(None),
        };
        if key <= 0.0 || key.fract() != 0.0 {
            return Ok(None);
        }
        count += 1;
        max = max.max(key as usize);
    }
    Ok((count == max).then_some(count))
}

fn put(value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::String(text) => {
            let bytes = text.as_bytes();
            put_head(bytes.len(), Some((0xa0, 31)), Some(0xd9), 0xda, out);
            out.extend_from_slice(&bytes);
        }
        Value::Boolean(yes) => out.push(if *yes { 0xc3 } else { 0xc2 }),
        Value::Integer(n) => put_int(*n, out),
        Value::Number(n) => put_number(*n, out),
        Value::Table(_) if depth == DEPTH_MAX => out.push(0xc0),
        Value::Table(table) => match array_len(table)? {
            Some(len) => {
                put_head(len, Some((0x90, 15)), None, 0xdc, out);
                for at in 1..=len {
                    put(&table.raw_get(at)?, depth + 1, out)?;
                }
            }
            None => {
                // Counted first, not gathered: each value held takes a place on Lua's stack.
                let count = table.pairs::<Value, Value>().count();
                put_head(count, Some((0x80, 15)), None, 0xde, out);
                for pair in table.pairs::<Value, Value>() {
                    let (key, value) = pair?;
                    put(&key, depth + 1, out)?;
                    put(&value, depth + 1, out)?;
                }
            }
        },
        _ => out.push(0xc0),
    }
    Ok(())
}

/// Why reading ended.
enum UnpackError {
    Short,
    Bad,
    Lua(mlua::Error),
}

impl From<mlua::Error> for UnpackError {
    fn from(error: mlua::Error) -> Self {
        UnpackError::Lua(error)
    }
}

struct Unpacker<'d> {
    data: &'d [u8],
    at: usize,
    depth: usize,
}

/// Values that a function can return: so many places Lua's stack has.
const RETURNED_MAX: usize = 7998;

/// Data nested deeper than this is refused: it is read by recursion.
const READ_DEPTH_MAX: usize = 200;

impl Unpacker<'_> {
    fn take(&mut self, len: usize) -> std::result::Result<&[u8], UnpackError> {
        if len > self.data.len() - self.at {
            return Err(UnpackError::Short);
        }
        self.at += len;
        Ok(&self.data[self.at - len..self.at])
    }

    fn uint(&mut self, len: usize) -> std::result::Result<u64, UnpackError> {
        let bytes = self.take(len)?;
        Ok(bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    fn text(&mut self, lua: &Lua, len: usize) -> std::result::Result<Value, UnpackError> {
        let bytes = self.take(len)?;
        Ok(Value::String(lua.create_string(bytes)?))
    }

    fn array(&mut self, lua: &Lua, len: usize) -> std::result::Result<Value, UnpackError> {
        let table = lua.create_table()?;
        for at in 1..=len {
            let value = self.value(lua)?;
            table.raw_set(at, value)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, lua: &Lua, len: usize) -> std::result::Result<Value, UnpackError> {
        let table = lua.create_table()?;
        for _ in 0..len {
            let key = self.value(lua)?;
            let value = self.value(lua)?;
            match &key {
                Value::Nil => return Err(UnpackError::Bad),
                Value::Number(n) if n.is_nan() => return Err(UnpackError::Bad),
                _ => table.raw_set(key, value)?,
            }
        }
        Ok(Value::Table(table))
    }

    fn value(&mut self, lua: &Lua) -> std::result::Result<Value, UnpackError> {
        if self.depth == READ_DEPTH_MAX {
            return Err(UnpackError::Bad);
        }
        self.depth += 1;
        let value = self.value_here(lua);
        self.depth -= 1;
        value
    }

    fn value_here(&mut self, lua: &Lua) -> std::result::Result<Value, UnpackError> {
        let sign = self.take(1)?[0];
        let n = |n: f64| Ok(Value::Number(n));
        match sign {
            0x00..=0x7f => n(f64::from(sign)),
            0xe0..=0xff => n(f64::from(sign as i8)),
            0x80..=0x8f => self.map(lua, usize::from(sign & 15)),
            0x90..=0x9f => self.array(lua, usize::from(sign & 15)),
            0xa0..=0xbf => self.text(lua, usize::from(sign & 31)),
            0xc0 => Ok(Value::Nil),
            0xc2 => Ok(Value::Boolean(false)),
            0xc3 => Ok(Value::Boolean(true)),
            0xca => n(f64::from(f32::from_bits(self.uint(4)? as u32))),
            0xcb => n(f64::from_bits(self.uint(8)?)),
            0xcc => n(self.uint(1)? as f64),
            0xcd => n(self.uint(2)? as f64),
            0xce => n(self.uint(4)? as f64),
            // The reference reads it as signed, too.
            0xcf | 0xd3 => n(self.uint(8)? as i64 as f64),
            0xd0 => n(f64::from(self.uint(1)? as i8)),
            0xd1 => n(f64::from(self.uint(2)? as i16)),
            0xd2 => n(f64::from(self.uint(4)? as i32)),
            0xd9 => {
                let len = self.uint(1)? as usize;
                self.text(lua, len)
            }
            0xda => {
                let len = self.uint(2)? as usize;
                self.text(lua, len)
            }
            0xdb => {
                let len = self.uint(4)? as usize;
                self.text(lua, len)
            }
            0xdc | 0xdd => {
                let len = self.uint(if sign == 0xdc { 2 } else { 4 })? as usize;
                self.array(lua, len)
            }
            0xde | 0xdf => {
                let len = self.uint(if sign == 0xde { 2 } else { 4 })? as usize;
                self.map(lua, len)
            }
            _ => Err(UnpackError::Bad),
        }
    }
}

fn pack(lua: &Lua, args: Variadic<Value>) -> Result<mlua::LuaString> {
    if args.is_empty() {
        return Err(bad_argument(
            lua,
            0,
            "pack",
            "MessagePack pack needs input.",
        ));
    }
    let mut out = Vec::new();
    for arg in args.iter() {
        put(arg, 0, &mut out)?;
    }
    lua.create_string(out)
}

/// Reads up to `limit` values (all, if zero); tells where it stopped unless all were wanted.
fn read(lua: &Lua, data: &Value, limit: i64, offset: i64) -> Result<Variadic<Value>> {
    let Some(data) = lua.coerce_string(data.clone())? else {
        let why = format!("string expected, got {}", data.type_name());
        return Err(bad_argument(lua, 1, "unpack", &why));
    };
    let data = data.as_bytes();
    if offset < 0 || limit < 0 {
        let text = format!(
            "Invalid request to unpack with offset of {offset} and limit of {}.",
            data.len()
        );
        return Err(located(lua, &text));
    }
    if offset as usize > data.len() {
        let text = format!(
            "Start offset {offset} greater than input length {}.",
            data.len()
        );
        return Err(located(lua, &text));
    }
    let mut cursor = Unpacker {
        data: &data,
        at: offset as usize,
        depth: 0,
    };
    let mut values = Vec::new();
    let wanted = if limit == 0 {
        usize::MAX
    } else {
        limit as usize
    };
    while cursor.at < data.len() && values.len() < wanted {
        if values.len() == RETURNED_MAX {
            return Err(located(
                lua,
                "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
            ));
        }
        match cursor.value(lua) {
            Ok(value) => values.push(value),
            Err(UnpackError::Short) => return Err(located(lua, "Missing bytes in input.")),
            Err(UnpackError::Bad) => return Err(located(lua, "Bad data format in input.")),
            Err(UnpackError::Lua(error)) => return Err(error),
        }
    }
    if limit > 0 {
        let end = if cursor.at == data.len() {
            -1.0
        } else {
            cursor.at as f64
        };
        values.insert(0, Value::Number(end));
    }
    Ok(Variadic::from_iter(values))
}

pub fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    table.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    table.raw_set("pack", lua.create_function(pack)?)?;
    let unpack = |lua: &Lua, data: Value| read(lua, &data, 0, 0);
    table.raw_set("unpack", lua.create_function(unpack)?)?;
    let one = |lua: &Lua, (data, offset): (Value, Option<f64>)| {
        read(lua, &data, 1, to_int(offset.unwrap_or(0.0)))
    };
    table.raw_set("unpack_one", lua.create_function(one)?)?;
    let limited = |lua: &Lua, (data, limit, offset): (Value, f64, Option<f64>)| {
        read(lua, &data, to_int(limit), to_int(offset.unwrap_or(0.0)))
    };
    table.raw_set("unpack_limit", lua.create_function(limited)?)?;
    Ok(table)
}
