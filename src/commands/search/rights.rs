//! Who may use an index: whoever may read every key that it covers, as in Redis 8. Its name is no key.
//!
//! Source: tests/pytests/test_acl.py of RediSearch, and Redis's documentation on access control lists ("Command categories").

use crate::acl::User;
use crate::command::Fail;
use crate::command::shared::Shared;

const DENIED: &str = "NOPERM User does not have the required permissions to query the index";

/// Fails if there is an index of this name or alias that the user may not use. It is nobody's command that comes from a master
/// or the log.
pub fn check(server: &Shared, user: Option<&User>, name: &[u8]) -> Result<(), Fail> {
    let Some(user) = user.filter(|user| !user.is_unlimited()) else {
        return Ok(());
    };
    let catalog = server.search.catalog.read();
    let Some(index) = catalog.get(name) else {
        return Ok(());
    };
    let (rights, mut prefixes) = (user.rights(), index.definition.prefixes.iter());
    match prefixes.all(|prefix| rights.reads_all_beginning_with(prefix)) {
        true => Ok(()),
        false => Err(Fail::code(DENIED)),
    }
}
