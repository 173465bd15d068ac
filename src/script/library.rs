//! Libraries of functions: how their code is run.

use std::sync::Arc;

use mlua::Function;

use super::host::{Host, syntax};
use super::loading::{Library, LoadingLibrary, Made, Registered};
use super::shared::Functions;
use super::shebang::Header;

impl Host {
    /// Runs a library's code, and tells what it registered.
    pub fn load_library(&self, code: &[u8]) -> std::result::Result<Library, String> {
        let (library, made) = self.register(code)?;
        // Every worker makes its own when they are called.
        made.iter().for_each(|made| self.kept.remove(made.number));
        Ok(library)
    }

    fn register(&self, body: &[u8]) -> std::result::Result<(Library, Vec<Made>), String> {
        let header = Header::of_library(body)?;
        let env = Some(&self.sandbox.functions_env);
        let function = self
            .compile(header.code, "@user_function", env)
            .map_err(|error| format!("Error compiling function: {}", syntax(&error)))?;
        *self.state.loading.borrow_mut() = Some(LoadingLibrary::default());
        let done = self.run_loading(&function);
        let LoadingLibrary { made, .. } =
            self.state.loading.borrow_mut().take().unwrap_or_default();
        let failed = if self.state.killed.get() {
            Some("FUNCTION LOAD timeout".into())
        } else if let Err(failure) = done {
            let text = String::from_utf8_lossy(&failure.text).into_owned();
            Some(format!("Error registering functions: {text}"))
        } else if made.is_empty() {
            Some("No functions registered".into())
        } else {
            None
        };
        if let Some(failed) = failed {
            made.iter().for_each(|made| self.kept.remove(made.number));
            return Err(failed);
        }
        let library = Library {
            name: header.name.unwrap_or_default(),
            code: body.to_vec(),
            functions: made.iter().map(|made| made.registered.clone()).collect(),
        };
        Ok((library, made))
    }

    /// The function of this name, in any case, of the libraries as they are now.
    pub fn function(&self, name: &[u8]) -> Option<(Registered, Function)> {
        let shared: Arc<Functions> = self.scripts.functions.load_full();
        if self.ready.borrow().version != shared.version {
            self.following.set(true);
            self.follow(&shared);
            self.following.set(false);
        }
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        let ready = self.ready.borrow();
        let made = ready.by_name.get(&name)?;
        let function = self.kept.get(made.number).ok()?;
        Some((made.registered.clone(), function))
    }

    /// Whether a library is being loaded that FUNCTION LOAD has accepted before.
    pub fn is_following(&self) -> bool {
        self.following.get()
    }

    /// Forgets libraries that are gone, and loads those that are new.
    fn follow(&self, shared: &Functions) {
        let mut ready = std::mem::take(&mut *self.ready.borrow_mut());
        ready.version = shared.version;
        ready.libraries.retain(|name, library| {
            let stays = shared
                .libraries
                .get(name)
                .is_some_and(|now| Arc::ptr_eq(now, library));
            if !stays {
                for held in &library.functions {
                    if let Some(made) = ready.by_name.remove(&held.name.to_ascii_lowercase()) {
                        self.kept.remove(made.number);
                    }
                }
            }
            stays
        });
        for library in shared.libraries.values() {
            if ready.libraries.contains_key(&library.name) {
                continue;
            }
            match self.register(&library.code) {
                Ok((_, made)) => {
                    let made = made.into_iter();
                    let named = made.map(|made| (made.registered.name.to_ascii_lowercase(), made));
                    ready.by_name.extend(named);
                    ready
                        .libraries
                        .insert(library.name.clone(), library.clone());
                }
                Err(why) => {
                    tracing::warn!("The library '{}' can't be loaded: {why}", library.name)
                }
            }
        }
        *self.ready.borrow_mut() = ready;
    }
}
