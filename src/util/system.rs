//! What the system allows, where that is less than the configuration asks for.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// Descriptors that the server needs beside those of clients.
pub const OWN_DESCRIPTORS: u64 = 32;

/// What is wrong with the backlog of connections that nobody has accepted yet.
pub fn backlog_fault(backlog: i64) -> Option<String> {
    let text = fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?;
    let most: i64 = text.trim().parse().ok()?;
    (most < backlog).then(|| {
        format!(
            "The TCP backlog setting of {backlog} cannot be enforced because /proc/sys/net/core/somaxconn is set to the \
             lower value of {most}."
        )
    })
}

fn descriptors_fault(clients: i64) -> Option<String> {
    let wanted = clients as u64 + OWN_DESCRIPTORS;
    let most = getrlimit(Resource::Nofile).maximum?;
    (most < wanted).then(|| {
        format!(
            "maxclients of {clients} takes {wanted} open files, and the limit (ulimit -Hn) is {most}: the server will \
             serve fewer clients."
        )
    })
}

/// What `--check-system` prints, and whether all is well.
pub fn check(backlog: i64, clients: i64) -> (String, bool) {
    let checks = [
        ("somaxconn", backlog_fault(backlog)),
        ("open-files", descriptors_fault(clients)),
    ];
    let sound = checks.iter().all(|(_, fault)| fault.is_none());
    let told = checks.map(|(name, fault)| match fault {
        None => format!("[{name}]...OK\n"),
        Some(fault) => format!("[{name}]...WARNING:\n{fault}\n"),
    });
    (told.concat(), sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_does_not_allow_is_named() {
        assert_eq!(
            check(1, 1),
            ("[somaxconn]...OK\n[open-files]...OK\n".to_owned(), true)
        );
        let (told, sound) = check(i64::from(i32::MAX), 1);
        assert!(!sound);
        assert!(
            told.starts_with(
                "[somaxconn]...WARNING:\nThe TCP backlog setting of 2147483647 cannot"
            ),
            "{told}"
        );
    }
}
