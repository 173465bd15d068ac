//! Files of the log, and its manifest: what stands before the damage is read whether or not the damage is there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vermilion::persist::aof::{AofEnd, LogFile, Manifest};
use vermilion::persist::loading::Loading;
use vermilion::persist::window::Window;

/// How a replay ended, without the words.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Whole,
    Torn(usize),
    Refused,
}

fn replay(file: &[u8]) -> (Vec<Vec<Vec<u8>>>, Outcome) {
    let loading = Loading::default();
    let mut window = Window::new(file, &loading);
    let mut commands = Vec::new();
    let ended = LogFile::new(&mut window, "file").replay(&mut |argv| {
        commands.push(argv.iter().map(|arg| arg.to_vec()).collect());
        Ok(())
    });
    let outcome = match ended {
        Ok(AofEnd::Whole) => Outcome::Whole,
        Ok(AofEnd::Torn { at, .. }) => Outcome::Torn(at as usize),
        Err(_) => Outcome::Refused,
    };
    (commands, outcome)
}

fuzz_target!(|data: &[u8]| {
    if let Ok(manifest) = Manifest::parse(data) {
        let text = manifest.text();
        // Escapes may make a line longer than any may be; no file has such a name.
        if text.lines().any(|line| line.len() > 1000) {
            return;
        }
        let again = Manifest::parse(text.as_bytes()).expect("a manifest reads what it writes");
        assert_eq!(again.text(), text);
    }
    let (commands, outcome) = replay(data);
    if let Outcome::Torn(at) = outcome {
        assert!(at <= data.len(), "it is torn behind its end");
        let (before, outcome) = replay(&data[..at]);
        assert_eq!(before, commands, "what is cut off was read");
        assert_eq!(outcome, Outcome::Whole, "what is left is whole");
    }
});
