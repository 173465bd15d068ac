//! What the functions of `redis` and the run of a script share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mlua::Function;

use super::loading::LoadingLibrary;

/// What functions of `redis` and the run share.
#[derive(Default)]
pub struct ScriptState {
    pub resp3: Rc<Cell<bool>>,
    pub repl: Rc<Cell<u8>>,
    pub seed: Rc<Cell<u64>>,
    pub killed: Rc<Cell<bool>>,
    pub loading: Rc<RefCell<Option<LoadingLibrary>>>,
    /// Called every so many instructions; true ends the script.
    pub tick: Rc<RefCell<Option<Function>>>,
}
