//! The library `bit`: operations on 32-bit integers, whatever number they come as.

use mlua::{Error, Lua, Result, Table, Value, Variadic};

use super::raise::bad_argument;

/// A number as 32 bits: it wraps, and halves go to the even neighbour.
fn bits(n: f64) -> i32 {
    let rounded = n.round_ties_even();
    if !rounded.is_finite() || rounded.abs() >= 9e15 {
        // What adding the magic constant leaves of it in the reference.
        return (n + 6_755_399_441_055_744.0).to_bits() as u32 as i32;
    }
    rounded as i64 as i32
}

fn number(lua: &Lua, name: &str, at: usize, value: Option<&Value>) -> Result<i32> {
    let found = match value {
        Some(Value::Number(n)) => Some(*n),
        Some(Value::Integer(n)) => Some(*n as f64),
        Some(Value::String(_)) => lua.coerce_number(value.cloned().unwrap_or(Value::Nil))?,
        _ => None,
    };
    found.map(bits).ok_or_else(|| {
        let got = value.map_or("no value", Value::type_name);
        bad_argument(lua, at, name, &format!("number expected, got {got}"))
    })
}

fn fold(lua: &Lua, table: &Table, name: &'static str, op: fn(i32, i32) -> i32) -> Result<()> {
    let function = lua.create_function(move |lua, args: Variadic<Value>| {
        let mut folded = number(lua, name, 1, args.first())?;
        for (at, arg) in args.iter().enumerate().skip(1) {
            folded = op(folded, number(lua, name, at + 1, Some(arg))?);
        }
        Ok(f64::from(folded))
    })?;
    table.raw_set(name, function)
}

fn shift(lua: &Lua, table: &Table, name: &'static str, op: fn(i32, u32) -> i32) -> Result<()> {
    let function = lua.create_function(move |lua, args: Variadic<Value>| {
        let n = number(lua, name, 1, args.first())?;
        let by = number(lua, name, 2, args.get(1))?;
        Ok(f64::from(op(n, by as u32 & 31)))
    })?;
    table.raw_set(name, function)
}

fn plain(lua: &Lua, table: &Table, name: &'static str, op: fn(i32) -> i32) -> Result<()> {
    let function = lua.create_function(move |lua, args: Variadic<Value>| {
        Ok(f64::from(op(number(lua, name, 1, args.first())?)))
    })?;
    table.raw_set(name, function)
}

/// Digits in hexadecimal: eight, or as many as wanted; a negative wish wants them large.
fn hex(n: i32, digits: i32) -> String {
    let wanted = digits.unsigned_abs().min(8) as usize;
    let text = if digits < 0 {
        format!("{n:08X}")
    } else {
        format!("{n:08x}")
    };
    text[8 - wanted..].to_string()
}

pub fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    plain(lua, &table, "tobit", |n| n)?;
    plain(lua, &table, "bnot", |n| !n)?;
    plain(lua, &table, "bswap", i32::swap_bytes)?;
    fold(lua, &table, "band", |a, b| a & b)?;
    fold(lua, &table, "bor", |a, b| a | b)?;
    fold(lua, &table, "bxor", |a, b| a ^ b)?;
    shift(lua, &table, "lshift", |n, by| n << by)?;
    shift(lua, &table, "rshift", |n, by| ((n as u32) >> by) as i32)?;
    shift(lua, &table, "arshift", |n, by| n >> by)?;
    shift(lua, &table, "rol", i32::rotate_left)?;
    shift(lua, &table, "ror", i32::rotate_right)?;
    let tohex = lua.create_function(|lua, args: Variadic<Value>| {
        let n = number(lua, "tohex", 1, args.first())?;
        let digits = match args.get(1) {
            None => 8,
            given => number(lua, "tohex", 2, given)?,
        };
        Ok::<_, Error>(hex(n, digits))
    })?;
    table.raw_set("tohex", tohex)?;
    Ok(table)
}
