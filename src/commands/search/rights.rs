//! Who may use an index: whoever may read every key that it covers, as in Redis 8. Its name is no key. Who lets its documents
//! go with it must be allowed to write them all, too, which RediSearch doesn't ask.
//!
//! Source: tests/pytests/test_acl.py of RediSearch, and Redis's documentation on access control lists ("Command categories").

use crate::acl::{KeyAccess, User};
use crate::command::Fail;
use crate::search::Definition;
use crate::state::shared::Shared;

/// The database whose documents indexes hold.
const INDEXED: usize = 0;

const DENIED: &str = "NOPERM User does not have the required permissions to query the index";

/// Fails if there is an index of this name or alias that the user may not use. It is nobody's command that comes from a master
/// or the log.
pub fn check(server: &Shared, user: Option<&User>, name: &[u8]) -> Result<(), Fail> {
    if user.is_none() {
        return Ok(());
    }
    let catalog = server.search.catalog.read();
    match catalog.get(name) {
        Some(index) if !reaches(user, &index.definition, KeyAccess::READ) => {
            Err(Fail::code(DENIED))
        }
        _ => Ok(()),
    }
}

/// Fails if the user may not write every key that an index covers, and so may not delete its documents.
pub fn check_deletes(user: Option<&User>, definition: &Definition) -> Result<(), Fail> {
    match reaches(user, definition, KeyAccess::WRITE) {
        true => Ok(()),
        false => Err(Fail::code("NOPERM No permissions to access a key")),
    }
}

fn reaches(user: Option<&User>, definition: &Definition, wanted: KeyAccess) -> bool {
    let Some(user) = user.filter(|user| !user.is_unlimited()) else {
        return true;
    };
    let (rights, mut prefixes) = (user.rights(), definition.prefixes.iter());
    prefixes.all(|prefix| rights.reaches_all_beginning_with(prefix, wanted, INDEXED))
}
