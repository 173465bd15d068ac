//! Lua functions by number.
//!
//! A function that Rust holds takes a place on a Lua stack, which has some 8,000 of them. So compiled scripts and the
//! functions of libraries stand in a Lua table, where nothing limits their number, and are fetched to be called.

use std::cell::{Cell, RefCell};

use mlua::{Function, Lua, Result, Table, Value};

pub(super) struct Kept {
    table: Table,
    /// Numbers below `next` that are free.
    free: RefCell<Vec<i64>>,
    next: Cell<i64>,
}

impl Kept {
    pub fn new(lua: &Lua) -> Result<Self> {
        Ok(Kept {
            table: lua.create_table()?,
            free: RefCell::default(),
            next: Cell::new(1),
        })
    }

    /// Keeps a function, and says under which number.
    pub fn put(&self, function: &Function) -> Result<i64> {
        let free = self.free.borrow_mut().pop();
        let number = free.unwrap_or(self.next.get());
        self.table.raw_set(number, function)?;
        self.next.set(self.next.get().max(number + 1));
        Ok(number)
    }

    pub fn get(&self, number: i64) -> Result<Function> {
        self.table.raw_get(number)
    }

    /// Forgets a function: it is garbage, unless it runs.
    pub fn remove(&self, number: i64) {
        // Writing to a place that is there takes no memory, so it does not fail.
        if self.table.raw_set(number, Value::Nil).is_ok() {
            self.free.borrow_mut().push(number);
        }
    }
}
