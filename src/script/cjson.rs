//! The library `cjson`: Lua values to and from JSON, in the spelling of lua-cjson 2.1.

mod decode;
mod encode;

use std::cell::Cell;
use std::rc::Rc;

use mlua::{LightUserData, Lua, Result, Table, Value, Variadic};

use super::raise::bad_argument;

/// What a script may set.
#[derive(Clone, Copy)]
struct Settings {
    sparse_convert: bool,
    sparse_ratio: i64,
    sparse_safe: i64,
    encode_depth_max: i64,
    decode_depth_max: i64,
    precision: i64,
    /// Whether NaN and infinities are written: no, yes, or as null.
    encode_invalid: Invalid,
    decode_invalid: Invalid,
    keep_buffer: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Invalid {
    Off,
    On,
    Null,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth_max: 1000,
            decode_depth_max: 1000,
            precision: 14,
            encode_invalid: Invalid::Off,
            decode_invalid: Invalid::On,
            keep_buffer: true,
        }
    }
}

type Shared = Rc<Cell<Settings>>;

/// `cjson.null`: a value that is not nil.
pub fn null() -> Value {
    Value::LightUserData(LightUserData(std::ptr::null_mut()))
}

fn int_option(
    lua: &Lua,
    name: &'static str,
    shared: &Shared,
    range: (i64, i64),
    field: fn(&mut Settings) -> &mut i64,
) -> Result<mlua::Function> {
    let shared = shared.clone();
    lua.create_function(move |lua, args: Variadic<Value>| {
        let mut settings = shared.get();
        if let Some(given) = args.first().filter(|given| !given.is_nil()) {
            let n = lua.coerce_integer(given.clone())?;
            let n = n
                .filter(|n| (range.0..=range.1).contains(n))
                .ok_or_else(|| {
                    let why = format!("expected integer between {} and {}", range.0, range.1);
                    bad_argument(lua, 1, name, &why)
                })?;
            *field(&mut settings) = n;
            shared.set(settings);
        }
        Ok(*field(&mut settings) as f64)
    })
}

fn invalid_option(
    lua: &Lua,
    name: &'static str,
    shared: &Shared,
    field: fn(&mut Settings) -> &mut Invalid,
) -> Result<mlua::Function> {
    let shared = shared.clone();
    lua.create_function(move |lua, args: Variadic<Value>| {
        let mut settings = shared.get();
        match args.first() {
            None | Some(Value::Nil) => {}
            Some(Value::Boolean(yes)) => {
                *field(&mut settings) = if *yes { Invalid::On } else { Invalid::Off };
            }
            Some(Value::String(text)) => {
                *field(&mut settings) = match &*text.as_bytes() {
                    b"off" => Invalid::Off,
                    b"on" => Invalid::On,
                    b"null" if name == "encode_invalid_numbers" => Invalid::Null,
                    other => {
                        let why = format!("invalid option '{}'", String::from_utf8_lossy(other));
                        return Err(bad_argument(lua, 1, name, &why));
                    }
                }
            }
            Some(_) => return Err(bad_argument(lua, 1, name, "invalid option")),
        }
        shared.set(settings);
        Ok(match *field(&mut settings) {
            Invalid::Off => Value::Boolean(false),
            Invalid::On => Value::Boolean(true),
            Invalid::Null => Value::String(lua.create_string("null")?),
        })
    })
}

fn sparse_option(lua: &Lua, shared: &Shared) -> Result<mlua::Function> {
    let shared = shared.clone();
    lua.create_function(move |lua, args: Variadic<Value>| {
        let mut settings = shared.get();
        if let Some(Value::Boolean(convert)) = args.first() {
            settings.sparse_convert = *convert;
        }
        for (at, field) in [
            (1, &mut settings.sparse_ratio),
            (2, &mut settings.sparse_safe),
        ] {
            let Some(given) = args.get(at).filter(|given| !given.is_nil()) else {
                continue;
            };
            let n = lua.coerce_integer(given.clone())?.filter(|n| *n >= 0);
            *field = n.ok_or_else(|| {
                let why = format!("expected integer between 0 and {}", i32::MAX);
                bad_argument(lua, at + 1, "encode_sparse_array", &why)
            })?;
        }
        shared.set(settings);
        Ok((
            settings.sparse_convert,
            settings.sparse_ratio as f64,
            settings.sparse_safe as f64,
        ))
    })
}

pub fn library(lua: &Lua) -> Result<Table> {
    let shared = Shared::default();
    let table = lua.create_table()?;
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    table.raw_set("null", null())?;
    let settings = shared.clone();
    let encode = lua.create_function(move |lua, args: Variadic<Value>| {
        if args.len() != 1 {
            return Err(bad_argument(lua, 1, "encode", "expected 1 argument"));
        }
        encode::encode(lua, &args[0], &settings.get())
    })?;
    table.raw_set("encode", encode)?;
    let settings = shared.clone();
    let decode = lua.create_function(move |lua, args: Variadic<Value>| {
        if args.len() != 1 {
            return Err(bad_argument(lua, 1, "decode", "expected 1 argument"));
        }
        decode::decode(lua, &args[0], &settings.get())
    })?;
    table.raw_set("decode", decode)?;
    let most = i64::from(i32::MAX);
    let option = |name, range, field| int_option(lua, name, &shared, range, field);
    let depth = option("encode_max_depth", (1, most), |s| &mut s.encode_depth_max)?;
    table.raw_set("encode_max_depth", depth)?;
    let depth = option("decode_max_depth", (1, most), |s| &mut s.decode_depth_max)?;
    table.raw_set("decode_max_depth", depth)?;
    let precision = option("encode_number_precision", (1, 14), |s| &mut s.precision)?;
    table.raw_set("encode_number_precision", precision)?;
    let invalid = |name, field| invalid_option(lua, name, &shared, field);
    let writing = invalid("encode_invalid_numbers", |s| &mut s.encode_invalid)?;
    table.raw_set("encode_invalid_numbers", writing)?;
    let reading = invalid("decode_invalid_numbers", |s| &mut s.decode_invalid)?;
    table.raw_set("decode_invalid_numbers", reading)?;
    table.raw_set("encode_sparse_array", sparse_option(lua, &shared)?)?;
    let settings = shared.clone();
    let keep = lua.create_function(move |_, keep: Option<bool>| {
        let mut held = settings.get();
        held.keep_buffer = keep.unwrap_or(held.keep_buffer);
        settings.set(held);
        Ok(held.keep_buffer)
    })?;
    table.raw_set("encode_keep_buffer", keep)?;
    table.raw_set("new", lua.create_function(|lua, ()| library(lua))?)?;
    Ok(table)
}
