//! Users and what they may do: rules, selectors, the check, and the log of what was denied.
//!
//! Nothing here knows sockets or the table of commands. A [`Catalog`] tells the numbers, names and categories of
//! commands, and a [`AclRequest`] what one command touches.

mod catalog;
mod check;
mod describe;
mod load;
mod log;
mod roles;
mod rule;
mod selector;
mod user;
mod users;

pub use catalog::{CATEGORIES, Catalog, Known, category};
pub use check::{AclRequest, Denied};
pub use load::LoadError;
pub use log::{AclLog, AclLogEntry, Context, Reason};
pub use roles::{AclRole, AclRoles};
pub use rule::{RuleError, gather};
pub use selector::{KeyAccess, Selector, has_space};
pub use user::{Rights, User};
pub use users::{Reloaded, Revision, Users};
