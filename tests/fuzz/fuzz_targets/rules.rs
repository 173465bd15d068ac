//! Rules of users and roles: what is printed is read as the same rights, and allows and denies the same.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use vermilion::acl::{AclRequest, AclRoles, KeyAccess, Users};
use vermilion::command::Registry;
use vermilion::commands::FAMILIES;

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| Registry::new(FAMILIES))
}

/// A command with one argument, that is a key and a channel, in the second database.
struct Asked<'a> {
    command: usize,
    arg: &'a [u8],
    access: KeyAccess,
}

impl AclRequest for Asked<'_> {
    fn command(&self) -> usize {
        self.command
    }
    fn is_free(&self) -> bool {
        false
    }
    fn first_arg(&self) -> Option<&[u8]> {
        Some(self.arg)
    }
    fn arg(&self, _: usize) -> &[u8] {
        self.arg
    }
    fn each_key(&self, visit: &mut dyn FnMut(usize, KeyAccess)) {
        visit(1, self.access);
    }
    fn each_database(&self, visit: &mut dyn FnMut(usize, Option<usize>)) {
        visit(0, Some(1));
    }
    fn each_channel(&self, visit: &mut dyn FnMut(usize, bool)) {
        visit(1, false);
    }
}

fuzz_target!(|data: &[u8]| {
    let all_channels = data.first().is_some_and(|byte| byte & 1 == 1);
    let rules: Vec<&[u8]> = data
        .split(|byte| matches!(byte, b' ' | b'\n' | 0))
        .filter(|rule| !rule.is_empty())
        .collect();
    let users = Users::new(registry().catalog());
    let mut roles = AclRoles::new();
    let line = |name| [&[name], &rules[..]].concat();
    let tried = users.try_role_line(&line(&b"r"[..]), all_channels, &mut roles);
    let has_role = users.set_role(b"r", &rules, all_channels).is_ok();
    assert!(
        tried.is_ok() || !has_role,
        "what is refused in a file is refused"
    );
    let _ = users.try_line(&[], &line(&b"u"[..]), all_channels, &roles);
    let held: &[&[u8]] = if has_role { &[b"role=r"] } else { &[] };
    let Ok(_) = users.set(b"u", &[&rules[..], held].concat(), all_channels) else {
        return;
    };
    let lines = users.lines();
    let again = Users::new(registry().catalog());
    let text = lines.join(&b'\n');
    if let Err(why) = again.load("users.acl", &text, all_channels) {
        panic!("{:?} is refused: {why}", String::from_utf8_lossy(&text));
    }
    assert_eq!(again.lines(), lines, "{:?}", String::from_utf8_lossy(&text));
    let (first, second) = (
        users.get(b"u").expect("it was made"),
        again.get(b"u").expect("it was read"),
    );
    let args: [&[u8]; 6] = [
        b"",
        b"a",
        b"ab",
        b"key:1",
        b"\xff*",
        rules.last().copied().unwrap_or_default(),
    ];
    for command in 0..users.catalog.len() {
        for arg in args {
            for access in [KeyAccess::NONE, KeyAccess::READ, KeyAccess::BOTH] {
                let asked = Asked {
                    command,
                    arg,
                    access,
                };
                assert_eq!(
                    first.rights().check(&asked),
                    second.rights().check(&asked),
                    "{:?}",
                    String::from_utf8_lossy(&text)
                );
            }
        }
    }
});
