//! The first line of a script or library: `#!lua name=mylib flags=no-writes`.

use crate::util::words;

/// What a script says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    pub no_writes: bool,
    pub allow_oom: bool,
    pub allow_stale: bool,
    pub no_cluster: bool,
    pub allow_cross_slot_keys: bool,
    /// It has no first line of that kind, and is held to none of this.
    pub legacy: bool,
}

impl Flags {
    pub const LEGACY: Flags = Flags {
        no_writes: false,
        allow_oom: false,
        allow_stale: false,
        no_cluster: false,
        allow_cross_slot_keys: false,
        legacy: true,
    };

    /// Sets the flag of this name; false if there is none.
    pub fn set(&mut self, name: &[u8]) -> bool {
        match name {
            b"no-writes" => self.no_writes = true,
            b"allow-oom" => self.allow_oom = true,
            b"allow-stale" => self.allow_stale = true,
            b"no-cluster" => self.no_cluster = true,
            b"allow-cross-slot-keys" => self.allow_cross_slot_keys = true,
            _ => return false,
        }
        true
    }

    pub fn names(self) -> Vec<&'static str> {
        [
            (self.no_writes, "no-writes"),
            (self.allow_oom, "allow-oom"),
            (self.allow_stale, "allow-stale"),
            (self.no_cluster, "no-cluster"),
            (self.allow_cross_slot_keys, "allow-cross-slot-keys"),
        ]
        .into_iter()
        .filter_map(|(on, name)| on.then_some(name))
        .collect()
    }
}

/// What the first line says, and the code after it, whose first line is then empty.
pub struct Header<'c> {
    pub flags: Flags,
    pub name: Option<String>,
    pub code: &'c [u8],
}

impl<'c> Header<'c> {
    /// Reads a script's first line.
    pub fn of_script(body: &'c [u8]) -> Result<Header<'c>, String> {
        let Some((engine, options, code)) = split(body)? else {
            return Ok(Header {
                flags: Flags::LEGACY,
                name: None,
                code: body,
            });
        };
        if engine != b"#!lua" {
            return Err(format!(
                "Unexpected engine in script shebang: {}",
                String::from_utf8_lossy(&engine)
            ));
        }
        let mut flags = Flags::default();
        for option in options {
            let Some(names) = option.strip_prefix(b"flags=") else {
                return Err(format!(
                    "Unknown lua shebang option: {}",
                    String::from_utf8_lossy(&option)
                ));
            };
            for name in names
                .split(|byte| *byte == b',')
                .filter(|name| !name.is_empty())
            {
                if !flags.set(name) {
                    return Err(format!(
                        "Unexpected flag in script shebang: {}",
                        String::from_utf8_lossy(name)
                    ));
                }
            }
        }
        Ok(Header {
            flags,
            name: None,
            code,
        })
    }

    /// Reads a library's first line.
    pub fn of_library(body: &'c [u8]) -> Result<Header<'c>, String> {
        if !body.starts_with(b"#!") {
            return Err("Missing library metadata".into());
        }
        let Some((engine, options, code)) =
            split(body).map_err(|_| "Invalid library metadata".to_string())?
        else {
            return Err("Missing library metadata".into());
        };
        let mut name = None;
        for option in options {
            let Some(given) = option.strip_prefix(b"name=") else {
                return Err(format!(
                    "Invalid metadata value given: {}",
                    String::from_utf8_lossy(&option)
                ));
            };
            if name.is_some() {
                return Err(
                    "Invalid metadata value, name argument was given multiple times".into(),
                );
            }
            name = Some(String::from_utf8_lossy(given).into_owned());
        }
        let Some(name) = name else {
            return Err("Library name was not given".into());
        };
        if !is_name(&name) {
            return Err(BAD_NAME.into());
        }
        let engine = &engine[2..];
        if !engine.eq_ignore_ascii_case(b"lua") {
            return Err(format!(
                "Engine '{}' not found",
                String::from_utf8_lossy(engine)
            ));
        }
        Ok(Header {
            flags: Flags::default(),
            name: Some(name),
            code,
        })
    }
}

pub(super) const BAD_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// Whether a library or function may be called this.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

type Parts<'c> = (Vec<u8>, Vec<Vec<u8>>, &'c [u8]);

/// The first line's first word and others, and what follows it, if it begins as such a line does.
fn split(body: &[u8]) -> Result<Option<Parts<'_>>, String> {
    if !body.starts_with(b"#!") {
        return Ok(None);
    }
    let end = body.iter().position(|byte| *byte == b'\n');
    let words = end.and_then(|end| Some((end, words::split(&body[..end])?)));
    match words {
        Some((end, words)) if !words.is_empty() => {
            let mut words = words.into_iter();
            let engine = words.next().unwrap_or_default();
            Ok(Some((engine, words.collect(), &body[end..])))
        }
        _ => Err("Invalid script shebang".into()),
    }
}
