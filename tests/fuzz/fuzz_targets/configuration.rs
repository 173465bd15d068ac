//! Configuration text: read or refused, and what was read is written so that it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vermilion::config::{Config, file, names};
use vermilion::util::{glob, words};

/// The value of every directive.
fn values(config: &Config) -> Vec<(&'static str, Vec<u8>)> {
    names()
        .map(|(name, directive)| (name, config.text(directive)))
        .collect()
}

fuzz_target!(|data: &[u8]| {
    if let Some(split) = words::split(data) {
        assert!(
            split.iter().map(Vec::len).sum::<usize>() <= data.len(),
            "words are made of what was there"
        );
    }
    // Other files are none of its business, nor is the folder of this process.
    let lower = data.to_ascii_lowercase();
    let names_files = [
        &b"include"[..],
        b"dir",
        b"file",
        b"load",
        b"socket",
        b"syslog",
    ];
    if names_files
        .iter()
        .any(|word| lower.windows(word.len()).any(|part| part == *word))
    {
        return;
    }
    let config = Config::new();
    let Ok(_loaded) = file::load(&config, data, glob::matches) else {
        return;
    };
    let defaults = values(&Config::new());
    for ((name, value), (_, default)) in values(&config).into_iter().zip(defaults) {
        // Addresses of other bytes are refused where they are listened on, and never written.
        let is_plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        if value == default || !value.iter().all(is_plain) {
            continue;
        }
        assert!(
            is_read_again(name, &value),
            "{name} {:?}",
            String::from_utf8_lossy(&value)
        );
    }
});

/// Whether a line with this value gives this value: as one word or as several, as the directive has it.
fn is_read_again(name: &'static str, value: &[u8]) -> bool {
    let quoted = |word: &[u8]| {
        let bytes: String = word.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        format!(" \"{bytes}\"")
    };
    let one = format!("{name}{}\n", quoted(value)).into_bytes();
    let words: String = value.split(|byte| *byte == b' ').map(quoted).collect();
    let several = format!("{name}{words}\n").into_bytes();
    [one, several].iter().any(|line| {
        let again = Config::new();
        file::load(&again, line, glob::matches).is_ok()
            && again.get_text(name.as_bytes()).as_deref() == Some(value)
    })
}
