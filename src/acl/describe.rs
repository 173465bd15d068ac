//! Users put back into rules: ACL LIST, ACL GETUSER, CONFIG REWRITE.
//!
//! Rules about commands are shown as they were given, in their order, but for those that a later one has made void.

use super::roles::AclRole;
use super::selector::{KeyAccess, KeyPattern, Selector};
use super::user::Rights;

impl Rights {
    /// All rules, as a `user` line has them behind the name.
    pub fn text(&self) -> Vec<u8> {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        parts.extend(self.flags().iter().map(|flag| flag.as_bytes().to_vec()));
        let hashes = self.passwords().iter();
        parts.extend(hashes.map(|hash| [b"#", hash.as_bytes()].concat()));
        if !self.roles().is_empty() {
            let names: Vec<&[u8]> = self.roles().iter().map(|role| role.name()).collect();
            parts.push([b"role=", &names.join(&b',')[..]].concat());
        }
        parts.push(selectors_text(self.selectors()));
        parts.join(&b' ')
    }
}

impl AclRole {
    /// All rules, as a `role` line has them behind the name.
    pub fn text(&self) -> Vec<u8> {
        selectors_text(self.selectors())
    }
}

fn selectors_text(selectors: &[Selector]) -> Vec<u8> {
    let shown = selectors.iter().enumerate().map(|(at, selector)| {
        let text = selector.text();
        match at {
            0 => text,
            _ => [b"(", &text[..], b")"].concat(),
        }
    });
    shown.collect::<Vec<_>>().join(&b' ')
}

impl Selector {
    fn text(&self) -> Vec<u8> {
        let mut parts = vec![self.keys_text()];
        if !self.all_channels {
            parts.push(b"resetchannels".to_vec());
        }
        parts.push(self.channels_text());
        match &self.databases {
            None => {}
            Some(none) if none.is_empty() => parts.push(b"resetdbs".to_vec()),
            Some(_) => parts.push(self.databases_text().into_bytes()),
        }
        parts.push(self.commands_text().into_bytes());
        parts.retain(|part| !part.is_empty());
        parts.join(&b' ')
    }

    pub fn keys_text(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let show = |held: &KeyPattern| {
            let sign: &[u8] = match held.access {
                KeyAccess {
                    read: true,
                    write: true,
                } => b"~",
                KeyAccess { read: true, .. } => b"%R~",
                KeyAccess { .. } => b"%W~",
            };
            [sign, &held.pattern].concat()
        };
        self.keys.iter().map(show).collect::<Vec<_>>().join(&b' ')
    }

    pub fn channels_text(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let show = |channel: &Vec<u8>| [b"&", &channel[..]].concat();
        let shown: Vec<_> = self.channels.iter().map(show).collect();
        shown.join(&b' ')
    }

    /// All databases, or those that it names; nothing for none.
    pub fn databases_text(&self) -> String {
        let Some(databases) = &self.databases else {
            return "alldbs".to_string();
        };
        if databases.is_empty() {
            return String::new();
        }
        let numbers: Vec<String> = databases.iter().map(u32::to_string).collect();
        format!("db={}", numbers.join(","))
    }

    /// The rules about commands: all or none, and what was said after that.
    pub fn commands_text(&self) -> String {
        let base = if self.future { "+@all" } else { "-@all" };
        let mut rules = vec![base];
        rules.extend(self.rules.iter().map(String::as_str));
        rules.join(" ")
    }
}
