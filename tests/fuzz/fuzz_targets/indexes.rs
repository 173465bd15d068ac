//! Definitions of indexes as RediSearch keeps them in files, with parts left out, put in, exchanged and made others: what is read of
//! a file is commands, which are run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vermilion::config::Config;
use vermilion::engine::{Engine, Rules};
use vermilion::persist::loading::Loading;
use vermilion::persist::rdb::{LoadRules, load};
use vermilion::persist::window::Window;
use vermilion_fuzz::{Bytes, ask, server, words};

/// Of a snapshot file: an auxiliary record of a module's type, and the end.
const MODULE_AUX: u8 = 247;
const END: u8 = 255;
/// The types of definitions, in their version 23, and of dictionaries.
const INDEXES: u64 = 0x7edf_e29d_d7b1_d017;
const DICTIONARIES: u64 = 0xb1c7_6dca_97b4_d001;

/// A part of a record.
#[derive(Clone)]
enum Part {
    Count(u64),
    Double(f64),
    Text(Vec<u8>),
}

impl Part {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Part::Count(n) => {
                out.extend([2, 0x81]);
                out.extend(n.to_be_bytes());
            }
            Part::Double(n) => {
                out.push(4);
                out.extend(n.to_le_bytes());
            }
            Part::Text(text) => {
                out.extend([5, 0x80]);
                out.extend((text.len() as u32).to_be_bytes());
                out.extend(text);
            }
        }
    }
}

/// Parts drawn from an input.
struct Record<'b, 'd> {
    bytes: &'b mut Bytes<'d>,
    parts: Vec<Part>,
}

impl Record<'_, '_> {
    fn count(&mut self, n: u64) -> u64 {
        self.parts.push(Part::Count(n));
        n
    }

    fn below(&mut self, end: usize) -> u64 {
        let n = self.bytes.below(end) as u64;
        self.count(n)
    }

    fn text(&mut self, from: &[&str]) {
        let mut text = self.bytes.pick(from).as_bytes().to_vec();
        text.push(0);
        self.parts.push(Part::Text(text));
    }

    fn maybe_text(&mut self, from: &[&str]) {
        if self.below(2) == 1 {
            self.text(from);
        }
    }

    fn double(&mut self) {
        let n = self.bytes.pick(&[1.0, 1.0, 1.0, 0.5, 0.0, -1.0, f64::NAN]);
        self.parts.push(Part::Double(n));
    }

    fn index(&mut self) {
        self.text(&["i", "j", "", "i j"]);
        let options = self.bytes.byte() as u64 | (self.bytes.below(4) as u64) << 8;
        self.count(options);
        let fields = 1 + self.bytes.below(3) as u64;
        for _ in 0..self.count(fields) {
            self.field();
        }
        self.text(&["HASH", "HASH", "HASH", "JSON", "hash", "LIST"]);
        for _ in 0..self.below(3) {
            self.text(&["", "d:", "d:1"]);
        }
        self.maybe_text(&["@n>1", "@t=='hello'", "1", "exists(@t)", "@n>"]);
        for _ in 0..3 {
            self.maybe_text(&["t", "n", "$.t"]);
        }
        self.double();
        self.below(30);
        if options & 0x8 != 0 {
            self.several(&["the", "a", ""]);
        }
        if options & 0x100 != 0 {
            for _ in 0..self.below(5) {
                self.text(&["hello", "world", "", "SKIPINITIALSCAN"]);
                self.several(&["g", "h", "SKIPINITIALSCAN"]);
            }
        }
        let idle_ms = self.bytes.pick(&[0, 1_000_000, u64::MAX, 1 << 63]);
        self.count(idle_ms);
        self.several(&["a", "b", "i"]);
    }

    fn several(&mut self, from: &[&str]) {
        for _ in 0..self.below(4) {
            self.text(from);
        }
    }

    fn field(&mut self) {
        self.text(&["t", "n", "v", "a", "b", "c", "AS", "SCHEMA"]);
        self.maybe_text(&["$.t", "path", "$.*", "t", "$["]);
        let kind = self.bytes.pick(&[1, 2, 4, 8, 16, 32, 3]);
        self.count(kind);
        let options = match self.bytes.below(8) {
            0 => u64::from(self.bytes.byte()) | (self.bytes.below(4) as u64) << 8,
            _ => self.bytes.pick(&[0, 0, 0x1, 0x21, 0x200]),
        };
        self.count(options);
        self.below(3);
        match kind {
            1 => {
                self.below(64);
                self.double();
            }
            8 => {
                self.below(2);
                let separator = self.bytes.pick(&[&b","[..], b"\0", b"", b"ab"]);
                self.parts.push(Part::Text(separator.to_vec()));
            }
            16 => self.vector(),
            32 => drop(self.below(2)),
            _ => {}
        }
    }

    fn vector(&mut self) {
        self.below(64);
        let mut algorithm = self.bytes.pick(&[0, 1, 2, 3]);
        self.count(algorithm);
        if algorithm == 2 {
            algorithm = self.below(2);
            self.below(10);
        }
        self.below(7);
        let dimensions = 1 + self.bytes.below(4) as u64;
        self.count(dimensions);
        self.below(3);
        self.below(2);
        self.below(2);
        for _ in 0..if algorithm == 0 { 1 } else { 3 } {
            let n = 1 + self.bytes.below(16) as u64;
            self.count(n);
        }
    }

    /// Makes some parts others.
    fn spoil(&mut self) {
        for _ in 0..self.bytes.below(6).saturating_sub(2) {
            if self.parts.is_empty() {
                return;
            }
            let at = self.bytes.byte() as usize * 7 % self.parts.len();
            let other = self.bytes.byte() as usize * 7 % self.parts.len();
            match self.bytes.below(5) {
                0 => drop(self.parts.remove(at)),
                1 => self.parts.swap(at, other),
                2 => self.parts.insert(at, self.parts[other].clone()),
                3 => self.parts[at] = Part::Count(u64::MAX >> self.bytes.below(64)),
                _ => {
                    let len = self.bytes.below(16);
                    self.parts[at] = Part::Text(self.bytes.take(len).to_vec());
                }
            }
        }
    }
}

/// A file with one record.
fn file(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let of_words = bytes.below(8) == 0;
    let mut record = Record {
        bytes,
        parts: vec![Part::Count(1)],
    };
    if of_words {
        for _ in 0..record.below(3) {
            record.text(&["words", "", "more"]);
            for _ in 0..record.below(4) {
                record.text(&["hello", "", "world"]);
                record.double();
            }
        }
    } else {
        let indexes = 1 + record.bytes.below(2) as u64;
        for _ in 0..record.count(indexes) {
            record.index();
        }
    }
    record.spoil();
    let kind = if of_words { DICTIONARIES } else { INDEXES };
    let mut file = b"REDIS0011".to_vec();
    file.extend([MODULE_AUX, 0x81]);
    file.extend(kind.to_be_bytes());
    record.parts.iter().for_each(|part| part.write(&mut file));
    file.extend([0, END]);
    file.extend([0; 8]);
    file
}

fuzz_target!(|data: &[u8]| {
    let server = server(&["acl", "config"]);
    let mut bytes = Bytes(data);
    let file = file(&mut bytes);
    let rules = LoadRules {
        len: Some(file.len() as u64),
        rules: Rules::of(&Config::new()),
        databases: 16,
        checksum: false,
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
    let mut window = Window::new(&file[..], &loading);
    let Ok(loaded) = load(&mut window, &engine, &rules) else {
        return;
    };
    let mut commands: Vec<Vec<Vec<u8>>> = Vec::new();
    let makings = loaded.updates.iter();
    commands.extend(makings.map(|made| made.args.iter().map(|word| word.to_vec()).collect()));
    let lines = [
        "HSET d:1 t hello n 2 path x",
        "FT.SEARCH i hello",
        "FT.INFO i",
        "FT.SYNDUMP i",
        "FT.SEARCH a *",
        "FLUSHALL",
    ];
    commands.extend(lines.map(words));
    ask(server, &commands);
});
