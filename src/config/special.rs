//! Directives with a grammar of their own: save points, buffer limits and their like.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::values::{
    ConfigLine, Refusal, Setting, as_path, one_word, parse_bytes, parse_int, show_bytes,
};
use crate::util::words::quote;

/// A value made of several words.
pub trait Composite: Clone + PartialEq + Send + Sync + 'static {
    /// Reads the value; what the words leave out stays as in `self`.
    fn parse(&self, words: &[&[u8]]) -> Result<Self, Refusal>;

    /// Reads a further line of the same directive in one file.
    fn parse_again(&self, words: &[&[u8]]) -> Result<Self, Refusal> {
        self.parse(words)
    }

    fn text(&self) -> String;

    fn lines(&self, default: &Self) -> Vec<ConfigLine> {
        vec![ConfigLine::new(self.text(), self != default)]
    }
}

/// The cell of a composite value.
pub struct CompositeCell<T> {
    now: ArcSwap<T>,
    default: T,
}

impl<T: Composite> CompositeCell<T> {
    pub fn new(default: T) -> CompositeCell<T> {
        CompositeCell {
            now: ArcSwap::from_pointee(default.clone()),
            default,
        }
    }

    pub fn get(&self) -> Arc<T> {
        self.now.load_full()
    }

    /// A part of the value, at less cost than the whole.
    #[inline]
    pub fn part<R>(&self, part: impl FnOnce(&T) -> R) -> R {
        part(&self.now.load())
    }

    /// For the server, when it learns the value in force.
    pub fn put(&self, value: T) {
        self.now.store(Arc::new(value));
    }
}

impl<T: Composite> Setting for CompositeCell<T> {
    fn text(&self) -> Vec<u8> {
        self.now.load().text().into_bytes()
    }

    fn set(&self, words: &[&[u8]]) -> Result<(), Refusal> {
        self.put(self.now.load().parse(words)?);
        Ok(())
    }

    fn set_again(&self, words: &[&[u8]]) -> Result<(), Refusal> {
        self.put(self.now.load().parse_again(words)?);
        Ok(())
    }

    fn lines(&self) -> Vec<ConfigLine> {
        self.now.load().lines(&self.default)
    }
}

/// The words, less the lone empty one that stands for none.
fn words_or_none<'a, 'w>(words: &'w [&'a [u8]]) -> &'w [&'a [u8]] {
    match words {
        [[]] => &[],
        words => words,
    }
}

fn lossy(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// A snapshot is due when this many edits are this old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    pub seconds: u64,
    pub changes: u64,
}

/// `save`: any of these makes a snapshot due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavePoints(pub Vec<SavePoint>);

impl Default for SavePoints {
    fn default() -> SavePoints {
        let point = |(seconds, changes)| SavePoint { seconds, changes };
        SavePoints([(3600, 1), (300, 100), (60, 10000)].map(point).to_vec())
    }
}

impl Composite for SavePoints {
    fn parse(&self, words: &[&[u8]]) -> Result<SavePoints, Refusal> {
        let point = |pair: &[&[u8]]| match pair {
            [seconds, changes] => Some(SavePoint {
                seconds: u64::try_from(parse_int(seconds)?)
                    .ok()
                    .filter(|seconds| *seconds >= 1)?,
                changes: u64::try_from(parse_int(changes)?).ok()?,
            }),
            _ => None,
        };
        let points: Option<Vec<SavePoint>> = words_or_none(words).chunks(2).map(point).collect();
        points
            .map(SavePoints)
            .ok_or_else(|| "Invalid save parameters".to_owned())
    }

    /// Save points of one file add up, until an empty one clears them.
    fn parse_again(&self, words: &[&[u8]]) -> Result<SavePoints, Refusal> {
        let mut points = self.parse(words)?.0;
        if !points.is_empty() {
            points.splice(0..0, self.0.iter().copied());
        }
        Ok(SavePoints(points))
    }

    fn text(&self) -> String {
        let show = |point: &SavePoint| format!("{} {}", point.seconds, point.changes);
        self.0.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    /// Always written: a file without `save` means the default points.
    fn lines(&self, _default: &SavePoints) -> Vec<ConfigLine> {
        if self.0.is_empty() {
            return vec![ConfigLine::new("\"\"", true)];
        }
        let line = |point: &SavePoint| {
            ConfigLine::new(format!("{} {}", point.seconds, point.changes), true)
        };
        self.0.iter().map(line).collect()
    }
}

/// When a client that reads too slowly is cut off. Zero means never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    pub hard_bytes: u64,
    pub soft_bytes: u64,
    pub soft_seconds: u64,
}

/// `client-output-buffer-limit`, by class of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimits {
    pub normal: OutputLimit,
    pub replica: OutputLimit,
    pub pubsub: OutputLimit,
}

impl Default for OutputLimits {
    fn default() -> OutputLimits {
        let limit = |hard_bytes, soft_bytes, soft_seconds| OutputLimit {
            hard_bytes,
            soft_bytes,
            soft_seconds,
        };
        OutputLimits {
            normal: limit(0, 0, 0),
            replica: limit(256 << 20, 64 << 20, 60),
            pubsub: limit(32 << 20, 8 << 20, 60),
        }
    }
}

impl Composite for OutputLimits {
    fn parse(&self, words: &[&[u8]]) -> Result<OutputLimits, Refusal> {
        let mut limits = *self;
        let quads = words_or_none(words).chunks_exact(4);
        if !quads.remainder().is_empty() {
            return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
        }
        for quad in quads {
            let limit = match quad[0].to_ascii_lowercase().as_slice() {
                b"normal" => &mut limits.normal,
                b"slave" | b"replica" => &mut limits.replica,
                b"pubsub" => &mut limits.pubsub,
                _ => {
                    return Err(
                        "Invalid client class specified in buffer limit configuration.".to_owned(),
                    );
                }
            };
            let seconds = parse_int(quad[3]).and_then(|seconds| u64::try_from(seconds).ok());
            let (Some(hard_bytes), Some(soft_bytes), Some(soft_seconds)) =
                (parse_bytes(quad[1]), parse_bytes(quad[2]), seconds)
            else {
                let refusal =
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
                return Err(refusal.to_owned());
            };
            *limit = OutputLimit {
                hard_bytes,
                soft_bytes,
                soft_seconds,
            };
        }
        Ok(limits)
    }

    fn text(&self) -> String {
        // CONFIG GET still says "slave" here, for the clients that look for it.
        let classes = [
            ("normal", self.normal),
            ("slave", self.replica),
            ("pubsub", self.pubsub),
        ];
        let show = |(class, limit): (&str, OutputLimit)| {
            format!(
                "{class} {} {} {}",
                limit.hard_bytes, limit.soft_bytes, limit.soft_seconds
            )
        };
        classes.map(show).join(" ")
    }

    fn lines(&self, default: &OutputLimits) -> Vec<ConfigLine> {
        let classes = [
            ("normal", self.normal, default.normal),
            ("replica", self.replica, default.replica),
            ("pubsub", self.pubsub, default.pubsub),
        ];
        let line = |(class, now, default): (&str, OutputLimit, OutputLimit)| {
            let (hard, soft) = (show_bytes(now.hard_bytes), show_bytes(now.soft_bytes));
            ConfigLine::new(
                format!("{class} {hard} {soft} {}", now.soft_seconds),
                now != default,
            )
        };
        classes.map(line).into()
    }
}

/// `bind`: where to listen. A `-` in front means that failing there is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindAddresses(pub Vec<String>);

impl Default for BindAddresses {
    fn default() -> BindAddresses {
        BindAddresses(vec!["*".to_owned(), "-::*".to_owned()])
    }
}

impl Composite for BindAddresses {
    fn parse(&self, words: &[&[u8]]) -> Result<BindAddresses, Refusal> {
        if words.len() > 16 {
            return Err("Too many bind addresses specified.".to_owned());
        }
        let words = words_or_none(words);
        // Addresses are shown and written with a space between two, so that none may have one or be nothing.
        if let Some(word) = words
            .iter()
            .find(|word| word.is_empty() || word.contains(&b' '))
        {
            return Err(format!("'{}' is not an address to bind.", lossy(word)));
        }
        Ok(BindAddresses(
            words.iter().map(|word| lossy(word)).collect(),
        ))
    }

    fn text(&self) -> String {
        self.0.join(" ")
    }

    fn lines(&self, default: &BindAddresses) -> Vec<ConfigLine> {
        match self {
            now if now == default => Vec::new(),
            BindAddresses(none) if none.is_empty() => vec![ConfigLine::new("\"\"", true)],
            now => vec![ConfigLine::new(now.text(), true)],
        }
    }
}

/// `oom-score-adj-values`: for the server, its replicas and its background children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OomValues(pub [i16; 3]);

impl Composite for OomValues {
    fn parse(&self, words: &[&[u8]]) -> Result<OomValues, Refusal> {
        let words: &[&[u8]; 3] = words
            .try_into()
            .map_err(|_| "wrong number of arguments".to_owned())?;
        let mut values = [0; 3];
        for (value, word) in values.iter_mut().zip(words) {
            let number = parse_int(word).filter(|number| (-2000..=2000).contains(number));
            *value = number
                .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")?
                as i16;
        }
        Ok(OomValues(values))
    }

    fn text(&self) -> String {
        self.0.map(|value| value.to_string()).join(" ")
    }
}

/// `latency-tracking-info-percentiles`: what INFO latencystats shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Percentiles(pub Vec<f64>);

impl Composite for Percentiles {
    fn parse(&self, words: &[&[u8]]) -> Result<Percentiles, Refusal> {
        let percentile = |word: &&[u8]| {
            let number = str::from_utf8(word)
                .ok()
                .and_then(|text| text.parse::<f64>().ok());
            match number.filter(|number| !number.is_nan()) {
                None => Err("Invalid latency-tracking-info-percentiles parameters".to_owned()),
                Some(number) if (0.0..=100.0).contains(&number) => Ok(number),
                Some(_) => Err(
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
                        .to_owned(),
                ),
            }
        };
        words_or_none(words)
            .iter()
            .map(percentile)
            .collect::<Result<_, _>>()
            .map(Percentiles)
    }

    fn text(&self) -> String {
        let show = |number: &f64| {
            let digits = format!("{number:.6}");
            digits
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned()
        };
        self.0.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    /// Always written, as Redis does.
    fn lines(&self, _default: &Percentiles) -> Vec<ConfigLine> {
        let words = if self.0.is_empty() {
            "\"\"".to_owned()
        } else {
            self.text()
        };
        vec![ConfigLine::new(words, true)]
    }
}

/// `replicaof`: the server to copy, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaOf(pub Option<(String, u16)>);

impl Composite for ReplicaOf {
    fn parse(&self, words: &[&[u8]]) -> Result<ReplicaOf, Refusal> {
        match words {
            // What CONFIG GET shows for "none" must be accepted back.
            [] => Ok(ReplicaOf(None)),
            [host, port]
                if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") =>
            {
                Ok(ReplicaOf(None))
            }
            [host, port] => {
                let port = parse_int(port).and_then(|port| u16::try_from(port).ok());
                Ok(ReplicaOf(Some((
                    lossy(host),
                    port.ok_or("Invalid master port")?,
                ))))
            }
            _ => Err("wrong number of arguments".to_owned()),
        }
    }

    fn text(&self) -> String {
        self.0
            .as_ref()
            .map_or_else(String::new, |(host, port)| format!("{host} {port}"))
    }

    fn lines(&self, _default: &ReplicaOf) -> Vec<ConfigLine> {
        self.0
            .iter()
            .map(|_| ConfigLine::new(self.text(), true))
            .collect()
    }
}

/// `dir`: where the data files live, always as an absolute path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory(pub PathBuf);

impl Directory {
    /// Where the process was started.
    pub fn current() -> Directory {
        Directory(std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")))
    }
}

impl Composite for Directory {
    /// A relative path starts at the directory in force, as changing into it would.
    fn parse(&self, words: &[&[u8]]) -> Result<Directory, Refusal> {
        let path = self.0.join(as_path(one_word(words)?));
        let path = path.canonicalize().map_err(|error| reason(&error))?;
        if !path.is_dir() {
            return Err("Not a directory".to_owned());
        }
        Ok(Directory(path))
    }

    fn text(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }

    /// Always written: the default is wherever the server happens to be started.
    fn lines(&self, _default: &Directory) -> Vec<ConfigLine> {
        vec![ConfigLine::new(quote(self.text().as_bytes()), true)]
    }
}

/// What the system says about a failure, in C's words: without Rust's "(os error 2)".
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Sets the cell to the words of `text`, and shows the value or the refusal.
    pub fn after(cell: &impl Setting, text: &str) -> String {
        let words: Vec<&[u8]> = text.split_terminator(' ').map(str::as_bytes).collect();
        match cell.set(&words) {
            Ok(()) => String::from_utf8(cell.text()).unwrap(),
            Err(refusal) => format!("! {refusal}"),
        }
    }

    #[test]
    fn save_points_come_in_pairs_and_add_up_in_a_file() {
        let save = CompositeCell::new(SavePoints::default());
        assert_eq!(after(&save, "60 1 30 0"), "60 1 30 0");
        for text in ["1", "1 x", "0 1", "-1 1"] {
            assert_eq!(after(&save, text), "! Invalid save parameters");
        }
        save.set_again(&[b"5", b"5"]).unwrap();
        assert_eq!(save.text(), b"60 1 30 0 5 5");
        save.set_again(&[b""]).unwrap();
        assert_eq!(save.lines(), [ConfigLine::new("\"\"", true)]);
    }

    #[test]
    fn buffer_limits_change_by_class() {
        let limits = CompositeCell::new(OutputLimits::default());
        assert_eq!(
            after(&limits, "normal 1mb 2kb 3 replica 0 0 0"),
            "normal 1048576 2048 3 slave 0 0 0 pubsub 33554432 8388608 60"
        );
        assert_eq!(limits.lines()[0], ConfigLine::new("normal 1mb 2kb 3", true));
        assert_eq!(
            limits.lines()[2],
            ConfigLine::new("pubsub 32mb 8mb 60", false)
        );
        assert_eq!(
            after(&limits, "x"),
            "! Wrong number of arguments in buffer limit configuration."
        );
        assert_eq!(
            after(&limits, "master 1 1 1"),
            "! Invalid client class specified in buffer limit configuration."
        );
        assert_eq!(
            after(&limits, "normal 1 x 3"),
            "! Error in hard, soft or soft_seconds setting in buffer limit configuration."
        );
    }

    #[test]
    fn bind_is_written_where_it_is_not_the_default() {
        let bind = CompositeCell::new(BindAddresses::default());
        assert_eq!(bind.lines(), []);
        assert_eq!(after(&bind, "127.0.0.1 -::1"), "127.0.0.1 -::1");
        assert_eq!(after(&bind, ""), "");
        assert_eq!(bind.lines(), [ConfigLine::new("\"\"", true)]);
        for refused in [&[&b"127.0.0.1"[..], b"::1 "], &[b"", b"::1"]] {
            assert!(BindAddresses::default().parse(refused).is_err());
        }
    }

    #[test]
    fn small_lists_are_checked() {
        let oom = CompositeCell::new(OomValues([0, 200, 800]));
        assert_eq!(after(&oom, "3 2 1"), "3 2 1");
        assert_eq!(after(&oom, "1 2"), "! wrong number of arguments");
        let refusal = "! Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
        assert_eq!(after(&oom, "1 2 3000"), refusal);

        let percentiles = CompositeCell::new(Percentiles(vec![50.0]));
        assert_eq!(
            after(&percentiles, "99.99 1e1 0.1234567"),
            "99.99 10 0.123457"
        );
        assert_eq!(after(&percentiles, ""), "");
        assert_eq!(
            after(&percentiles, "x"),
            "! Invalid latency-tracking-info-percentiles parameters"
        );

        let replicaof = CompositeCell::new(ReplicaOf::default());
        assert_eq!(after(&replicaof, "a 6379"), "a 6379");
        assert_eq!(after(&replicaof, "a b"), "! Invalid master port");
        assert_eq!(after(&replicaof, "no one"), "");
    }

    #[test]
    fn a_directory_must_exist() {
        let dir = CompositeCell::new(Directory::current());
        assert_eq!(after(&dir, "/nonexistent"), "! No such file or directory");
        assert_eq!(after(&dir, "/"), "/");
        assert_eq!(dir.lines(), [ConfigLine::new("\"/\"", true)]);
    }
}
