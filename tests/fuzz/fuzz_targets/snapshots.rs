//! Snapshot files: loaded or refused, and what is loaded is whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vermilion::config::Config;
use vermilion::engine::{Engine, Rules};
use vermilion::persist::loading::Loading;
use vermilion::persist::rdb::{LoadRules, load};
use vermilion::persist::window::Window;

fuzz_target!(|data: &[u8]| {
    let Some((&how, body)) = data.split_first() else {
        return;
    };
    let rules = LoadRules {
        len: (how & 1 == 1).then_some(body.len() as u64),
        rules: Rules::of(&Config::new()),
        databases: 16,
        checksum: how & 2 == 2,
        keep_dead: how & 4 == 4,
        continues: how & 8 == 8,
        replace: how & 16 == 16,
        now_ms: 1_700_000_000_000,
        threads: 1,
        key_delay_us: 0,
        hide_names: false,
        skip_unknown: how & 32 == 32,
        admit: None,
    };
    let (engine, loading) = (Engine::default(), Loading::default());
    let head = match how >> 6 {
        0 | 1 => &b"REDIS00"[..],
        2 => b"VALKEY0",
        _ => b"VKCS\x01",
    };
    let file = [head, body].concat();
    let mut window = Window::new(&file[..], &loading);
    if let Ok(loaded) = load(&mut window, &engine, &rules) {
        assert!(
            head == b"VKCS\x01" || loaded.keys <= file.len() as u64 / 3,
            "a key takes three bytes"
        );
    }
});
