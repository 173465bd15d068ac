//! Composed snapshots with damage anywhere: they are loaded or refused, and nothing panics.

use vermilion::config::Config;
use vermilion::engine::{Engine, Rules};
use vermilion::persist::loading::Loading;
use vermilion::persist::rdb::{LoadRules, LoadedSnapshot, load};
use vermilion::persist::window::Window;

use super::writer::{Composed, listpack, producers, stream};
use super::{class, enveloped, with_updates};

/// Loads into a keyspace of its own, as a server does that starts.
fn loaded(bytes: &[u8]) -> anyhow::Result<LoadedSnapshot> {
    let rules = LoadRules {
        len: Some(bytes.len() as u64),
        rules: Rules::of(&Config::new()),
        databases: 16,
        checksum: true,
        keep_dead: false,
        continues: false,
        replace: false,
        now_ms: 1_700_000_000_000,
        threads: 1,
        key_delay_us: 0,
        hide_names: false,
        skip_unknown: true,
        admit: None,
    };
    let (engine, loading) = (Engine::default(), Loading::default());
    load(&mut Window::new(bytes, &loading), &engine, &rules)
}

/// One file with everything that is new, for each family.
fn samples() -> Vec<Vec<u8>> {
    let file = Composed::file("REDIS0016").raw(&[0xf7]);
    // An auxiliary record of a module.
    let file = file
        .len(0xb1c7_6dca_97b4_d001)
        .len(2)
        .len(1)
        .len(5)
        .text("aux")
        .len(0);
    let file = file
        .raw(&[242])
        .len(1)
        .len(2)
        .texts(&["a", "b"])
        .raw(&[0xfe, 0, 0xfb, 9, 0]);
    let file = producers(stream(file.key(26, "s"), 5, false));
    let file = producers(stream(file.key(27, "t"), 5, true));
    let file = file
        .key(28, "array")
        .len(1)
        .len(0)
        .len(3)
        .len(1)
        .raw(&[1; 8]);
    let file = file.key(29, "p").len(1).text("f").text(listpack(&["v"]));
    let file = file.key(30, "q").text(listpack(&["1", "v", "w"]));
    let file = file.key(31, "r").len(1).texts(&["f", "v"]);
    let file = file.key(32, "u").len(1).texts(&["v", "w"]);
    let bits = [
        &1_u64.to_le_bytes()[..],
        &[0; 4],
        &12_347_u32.to_le_bytes(),
        &[1, 0, 0, 4, 0, 1, 0, 8, 0, 3, 0],
    ];
    let file = file.key(33, "bits").len(2).text(bits.concat());
    let file = file
        .raw(&[243])
        .len(1)
        .raw(&class(b"KMT1", true))
        .len(4)
        .raw(&[0; 8])
        .len(0);
    let file = file
        .string("meta", "1")
        .key(7, "module")
        .len(0x45e2_5238_df91_2c03);
    let redis = file.len(5).text("{}").len(0).end();

    let file = Composed::file("VALKEY081")
        .raw(&[243])
        .text("job")
        .len(1)
        .len(0)
        .len(5);
    let file = file.key(22, "h").len(1).texts(&["f", "v"]).raw(&[0xff; 8]);
    let valkey = file.end();
    vec![
        redis,
        valkey,
        with_updates(),
        enveloped(&with_updates(), 1),
        enveloped(&with_updates(), 2),
    ]
}

#[test]
fn what_is_whole_is_loaded() {
    let keys: Vec<u64> = samples()
        .iter()
        .map(|bytes| loaded(bytes).unwrap().keys)
        .collect();
    assert_eq!(keys, [9, 1, 3, 3, 3]);
}

#[test]
fn files_cut_anywhere_are_refused() {
    for bytes in samples() {
        // A frame's own mark or sum at its end says nothing that the snapshot's doesn't.
        let end = bytes.len() - if bytes.starts_with(b"VKCS") { 4 } else { 0 };
        for at in 0..end {
            assert!(
                loaded(&bytes[..at]).is_err(),
                "cut at {at} of {}",
                bytes.escape_ascii()
            );
        }
    }
}

#[test]
fn files_with_a_byte_changed_are_loaded_or_refused() {
    for bytes in samples() {
        for at in 0..bytes.len() {
            for change in [1, 0x40, 0x80, 0xff] {
                let mut bad = bytes.clone();
                bad[at] ^= change;
                // Either is right: what matters is that it ends, and without a panic.
                if let Ok(loaded) = loaded(&bad) {
                    assert!(loaded.keys <= bytes.len() as u64 / 3);
                }
            }
        }
    }
}
