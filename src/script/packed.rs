//! The library `struct`: values to and from bytes in a given layout.

use mlua::{Error, Lua, Result, Table, Value, Variadic};

use super::number::to_int;
use super::raise::{bad_argument, located};

/// How numbers are laid out at a place of the format.
struct Layout<'f> {
    format: &'f [u8],
    /// The function whose argument it is.
    function: &'static str,
    at: usize,
    big: bool,
    align: usize,
}

/// One item of a format, its size and its letter.
struct PackItem {
    letter: u8,
    size: usize,
    /// Bytes to skip before it.
    padding: usize,
}

const SIZE_MAX: usize = 32;

impl<'f> Layout<'f> {
    fn new(format: &'f [u8], function: &'static str) -> Self {
        Layout {
            format,
            function,
            at: 0,
            big: cfg!(target_endian = "big"),
            align: 1,
        }
    }

    /// The digits that follow, or a default.
    fn count(&mut self, lua: &Lua, default: usize) -> Result<usize> {
        let digits = self.format[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 {
            return Ok(default);
        }
        let text = &self.format[self.at..self.at + digits];
        self.at += digits;
        let count = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<u32>().ok());
        match count.filter(|count| *count <= i32::MAX as u32) {
            Some(count) => Ok(count as usize),
            None => Err(located(lua, "integral size overflow")),
        }
    }

    fn int_size(&mut self, lua: &Lua, default: usize) -> Result<usize> {
        let size = self.count(lua, default)?;
        if size > SIZE_MAX {
            return Err(located(
                lua,
                &format!("integral size {size} is larger than limit of {SIZE_MAX}"),
            ));
        }
        Ok(size)
    }

    /// The next item, given how many bytes stand before it.
    fn next(&mut self, lua: &Lua, total: usize) -> Result<Option<PackItem>> {
        while self.at < self.format.len() {
            let letter = self.format[self.at];
            self.at += 1;
            let size = match letter {
                b'b' | b'B' | b'x' => 1,
                b'h' | b'H' => 2,
                b'l' | b'L' | b'T' | b'd' => 8,
                b'f' => 4,
                b'i' | b'I' => self.int_size(lua, 4)?,
                b'c' => self.count(lua, 1)?,
                b's' => 0,
                b' ' => continue,
                b'>' => {
                    self.big = true;
                    continue;
                }
                b'<' => {
                    self.big = false;
                    continue;
                }
                b'!' => {
                    let align = self.int_size(lua, 8)?;
                    if align == 0 || !align.is_power_of_two() {
                        return Err(located(
                            lua,
                            &format!("alignment {align} is not a power of 2"),
                        ));
                    }
                    self.align = align;
                    continue;
                }
                letter => {
                    let text = format!("invalid format option '{}'", char::from(letter));
                    return Err(bad_argument(lua, 1, self.function, &text));
                }
            };
            let align = if letter == b'c' || size == 0 {
                1
            } else {
                size.min(self.align)
            };
            let padding = if align > 1 {
                (align - (total & (align - 1))) & (align - 1)
            } else {
                0
            };
            return Ok(Some(PackItem {
                letter,
                size,
                padding,
            }));
        }
        Ok(None)
    }
}

/// The cast of a double to 64 bits as the machine does it: of what is 2^64 and more nothing is left.
fn to_bits(n: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    match n >= HALF {
        true => to_int(n - HALF) as u64 ^ 1 << 63,
        false => to_int(n) as u64,
    }
}

fn put_int(n: f64, size: usize, big: bool, out: &mut Vec<u8>) {
    let n = to_bits(n);
    let mut bytes: Vec<u8> = (0..size)
        .map(|at| if at < 8 { (n >> (8 * at)) as u8 } else { 0 })
        .collect();
    if big {
        bytes.reverse();
    }
    out.extend_from_slice(&bytes);
}

fn get_int(bytes: &[u8], big: bool, signed: bool) -> f64 {
    let mut n = 0u64;
    let mut take = |byte: u8| n = n << 8 | u64::from(byte);
    if big {
        bytes.iter().for_each(|byte| take(*byte));
    } else {
        bytes.iter().rev().for_each(|byte| take(*byte));
    }
    if !signed {
        return n as f64;
    }
    let unused = 64usize.saturating_sub(bytes.len() * 8) as u32;
    (((n << unused.min(63)) as i64) >> unused.min(63)) as f64
}

fn text(lua: &Lua, function: &str, at: usize, value: Option<&Value>) -> Result<Vec<u8>> {
    match value {
        Some(Value::String(text)) => Ok(text.as_bytes().to_vec()),
        Some(value @ (Value::Integer(_) | Value::Number(_))) => {
            let text = lua.coerce_string(value.clone())?;
            Ok(text
                .map(|text| text.as_bytes().to_vec())
                .unwrap_or_default())
        }
        other => {
            let got = other.map_or("no value", Value::type_name);
            let why = format!("string expected, got {got}");
            Err(bad_argument(lua, at, function, &why))
        }
    }
}

fn number(lua: &Lua, function: &str, at: usize, value: Option<&Value>) -> Result<f64> {
    let found = match value {
        Some(value) => lua.coerce_number(value.clone())?,
        None => None,
    };
    found.ok_or_else(|| {
        let got = value.map_or("no value", Value::type_name);
        let why = format!("number expected, got {got}");
        bad_argument(lua, at, function, &why)
    })
}

fn pack(lua: &Lua, args: Variadic<Value>) -> Result<mlua::LuaString> {
    let format = text(lua, "pack", 1, args.first())?;
    let mut layout = Layout::new(&format, "pack");
    let mut out = Vec::new();
    let mut at = 1;
    while let Some(item) = layout.next(lua, out.len())? {
        out.resize(out.len() + item.padding, 0);
        match item.letter {
            b'x' => out.push(0),
            b's' | b'c' => {
                let bytes = text(lua, "pack", at + 1, args.get(at))?;
                let size = if item.size == 0 {
                    bytes.len()
                } else {
                    item.size
                };
                if bytes.len() < size {
                    return Err(bad_argument(lua, at + 2, "pack", "string too short"));
                }
                out.extend_from_slice(&bytes[..size]);
                if item.letter == b's' {
                    out.push(0);
                }
                at += 1;
            }
            letter => {
                let n = number(lua, "pack", at + 1, args.get(at))?;
                match letter {
                    b'f' if layout.big => out.extend_from_slice(&(n as f32).to_be_bytes()),
                    b'f' => out.extend_from_slice(&(n as f32).to_le_bytes()),
                    b'd' if layout.big => out.extend_from_slice(&n.to_be_bytes()),
                    b'd' => out.extend_from_slice(&n.to_le_bytes()),
                    _ => put_int(n, item.size, layout.big, &mut out),
                }
                at += 1;
            }
        }
    }
    lua.create_string(out)
}

fn unpack(lua: &Lua, args: Variadic<Value>) -> Result<Variadic<Value>> {
    let format = text(lua, "unpack", 1, args.first())?;
    let data = text(lua, "unpack", 2, args.get(1))?;
    let from = match args.get(2) {
        None | Some(Value::Nil) => 1,
        given => to_int(number(lua, "unpack", 3, given)?),
    };
    if from == 0 {
        return Err(bad_argument(
            lua,
            3,
            "unpack",
            "offset must be 1 or greater",
        ));
    }
    // One below zero is as large as can be, and beyond the data.
    let mut at = (from as usize).wrapping_sub(1).min(data.len() + 1);
    let mut layout = Layout::new(&format, "unpack");
    let mut out: Vec<Value> = Vec::new();
    let short = || bad_argument(lua, 2, "unpack", "data string too short");
    while let Some(item) = layout.next(lua, at)? {
        at += item.padding;
        let mut size = item.size;
        if at > data.len() || size > data.len() - at {
            return Err(short());
        }
        match item.letter {
            b'x' => {}
            b'c' => {
                if size == 0 {
                    // The size is what was read last.
                    let Some(Value::Number(n)) = out.pop() else {
                        return Err(located(lua, "format 'c0' needs a previous size"));
                    };
                    if n < 0.0 || n as usize > data.len() - at {
                        return Err(short());
                    }
                    size = n as usize;
                }
                let piece = lua.create_string(&data[at..at + size])?;
                out.push(Value::String(piece));
            }
            b's' => {
                let Some(len) = data[at..].iter().position(|byte| *byte == 0) else {
                    return Err(located(lua, "unfinished string in data"));
                };
                let piece = lua.create_string(&data[at..at + len])?;
                out.push(Value::String(piece));
                size = len + 1;
            }
            letter => {
                let bytes = &data[at..at + size];
                let fixed = |wanted: usize| -> [u8; 8] {
                    let mut eight = [0; 8];
                    eight[..wanted].copy_from_slice(bytes);
                    if layout.big {
                        eight[..wanted].reverse();
                    }
                    eight
                };
                out.push(Value::Number(match letter {
                    b'f' => {
                        let eight = fixed(4);
                        f64::from(f32::from_le_bytes([eight[0], eight[1], eight[2], eight[3]]))
                    }
                    b'd' => f64::from_le_bytes(fixed(8)),
                    letter => get_int(bytes, layout.big, letter.is_ascii_lowercase()),
                }));
            }
        }
        at += size;
    }
    out.push(Value::Number(at as f64 + 1.0));
    Ok(Variadic::from_iter(out))
}

fn size(lua: &Lua, args: Variadic<Value>) -> Result<f64> {
    let format = text(lua, "size", 1, args.first())?;
    let mut layout = Layout::new(&format, "size");
    let mut total = 0usize;
    while let Some(item) = layout.next(lua, total)? {
        if item.letter == b's' {
            return Err(bad_argument(lua, 1, "size", "option 's' has no fixed size"));
        }
        if item.letter == b'c' && item.size == 0 {
            return Err(bad_argument(
                lua,
                1,
                "size",
                "option 'c0' has no fixed size",
            ));
        }
        total += item.padding + item.size;
    }
    Ok::<_, Error>(total as f64)
}

pub fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", lua.create_function(pack)?)?;
    table.raw_set("unpack", lua.create_function(unpack)?)?;
    table.raw_set("size", lua.create_function(size)?)?;
    Ok(table)
}
