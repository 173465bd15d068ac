//! The command line: `[config file] [-] [--directive value ...]`, as redis-server has it.
//!
//! Options become lines of configuration, read after the file. So every directive is an option, and
//! an error quotes the line as Redis would.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command, value_parser};

use super::REDIS_VERSION;
use crate::util::words::{quote, split};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Cli {
    Start(Start),
    /// Say what of the system's settings is in the way.
    CheckSystem,
    /// Write this and exit: to standard error with status 1 if `failed`.
    Say {
        text: String,
        failed: bool,
    },
}

/// Where the configuration comes from.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Start {
    pub file: Option<PathBuf>,
    /// Whether it is to be a Sentinel, by the name of the program or an option.
    pub sentinel: bool,
    /// Whether standard input holds more of it.
    pub stdin: bool,
    /// Lines made of the options.
    pub lines: Vec<u8>,
}

impl Start {
    /// Whether nothing was said of the configuration.
    pub fn is_bare(&self) -> bool {
        self.file.is_none() && !self.stdin && self.lines.is_empty()
    }
}

/// The answer to `--version`, in the shape that tools know.
pub fn version() -> String {
    let own = env!("CARGO_PKG_VERSION");
    format!(
        "Redis server v={REDIS_VERSION} sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=0 vermilion={own}\n"
    )
}

const EXAMPLES: &str = "\
Examples:
  vermilion                                   start with the defaults
  vermilion /etc/redis.conf                   start with a configuration file
  vermilion --port 7777 --appendonly yes      any directive is an option
  vermilion /etc/redis.conf --loglevel debug  options win over the file
  vermilion --save \"\" --bind 127.0.0.1 ::1    a directive takes all words up to the next option
  echo 'maxmemory 128mb' | vermilion -        read configuration from standard input
  vermilion /etc/sentinel.conf --sentinel     watch masters, and have replicas take the place of dead ones
";

/// The outer grammar. Flags count only before anything else; the rest is configuration.
fn grammar() -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    Command::new("vermilion")
        .about("A Redis-compatible in-memory server")
        .override_usage("vermilion [/path/to/redis.conf] [--directive value ...] [-]")
        .after_help(EXAMPLES)
        .disable_version_flag(true)
        .arg(flag("version", "Print version").short('v'))
        .arg(flag(
            "check-system",
            "Check the system for settings that harm",
        ))
        .arg(flag("test-memory", "Refused: use a memory tester"))
        .arg(
            Arg::new("configuration")
                .value_parser(value_parser!(OsString))
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .hide(true),
        )
}

/// Reads a command line. The first of `argv` is the program's own name.
pub fn parse(argv: impl IntoIterator<Item = OsString>) -> Cli {
    let argv: Vec<OsString> = argv.into_iter().collect();
    let name = argv.first().map(|path| Path::new(path).file_name());
    let name = name.flatten().unwrap_or_default().to_string_lossy();
    let called_sentinel = name.contains("redis-sentinel");
    let found = match grammar().try_get_matches_from(argv) {
        Ok(found) => found,
        Err(error) => {
            return Cli::Say {
                text: error.render().to_string(),
                failed: error.use_stderr(),
            };
        }
    };
    let say = |text: String| Cli::Say {
        text,
        failed: false,
    };
    let refuse = |text: &str| Cli::Say {
        text: format!("{text}\n"),
        failed: true,
    };
    if found.get_flag("version") {
        return say(version());
    }
    if found.get_flag("check-system") {
        return Cli::CheckSystem;
    }
    if found.get_flag("test-memory") {
        return refuse("--test-memory is not supported: use a memory tester such as memtest86+");
    }
    let words: Vec<OsString> = found
        .get_many("configuration")
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    let mut start = configuration(&words);
    start.sentinel = called_sentinel || words.iter().any(|word| word == "--sentinel");
    Cli::Start(start)
}

/// Sorts the words after the flags into file, standard input and lines.
fn configuration(words: &[OsString]) -> Start {
    let mut start = Start::default();
    let mut words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    if let Some(path) = words.first().filter(|word| !word.starts_with(b"-")) {
        start.file = Some(super::values::as_path(path));
        words.remove(0);
    }
    // A dash is standard input when it stands last, or first with no file before it.
    if words.last() == Some(&b"-".as_slice()) {
        start.stdin = true;
        words.pop();
    }
    if start.file.is_none() && words.first() == Some(&b"-".as_slice()) {
        start.stdin = true;
        words.remove(0);
    }
    start.lines = lines(&words);
    start
}

/// One line for each option. The word after an option's name is its value even if it looks like an
/// option; only `save` may stand alone, for no save points, and `sentinel`.
fn lines(words: &[&[u8]]) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut value_due = false;
    for (at, word) in words.iter().enumerate() {
        let Some(option) = word.strip_prefix(b"--").filter(|_| !value_due) else {
            lines.extend(quote(word));
            lines.push(b' ');
            value_due = false;
            continue;
        };
        if !lines.is_empty() {
            lines.push(b'\n');
        }
        lines.extend(option);
        lines.push(b' ');
        // `"--port 6380"` in one word brings its value along.
        value_due = split(word).is_some_and(|parts| parts.len() == 1);
        let next_is_option = words.get(at + 1).is_none_or(|next| next.starts_with(b"--"));
        if value_due && next_is_option {
            if option.eq_ignore_ascii_case(b"save") {
                lines.extend(b"\"\"");
                value_due = false;
            } else if option.eq_ignore_ascii_case(b"sentinel") {
                value_due = false;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cli(words: &[&str]) -> Cli {
        parse(
            std::iter::once("vermilion")
                .chain(words.iter().copied())
                .map(OsString::from),
        )
    }

    fn start(words: &[&str]) -> (Option<String>, bool, String) {
        match cli(words) {
            Cli::Start(start) => {
                let file = start.file.map(|path| path.display().to_string());
                let lines = String::from_utf8(start.lines).unwrap();
                (
                    file,
                    start.stdin,
                    lines
                        .lines()
                        .map(|line| line.trim_end().to_owned() + ";")
                        .collect(),
                )
            }
            said => panic!("{said:?}"),
        }
    }

    fn options(words: &[&str]) -> String {
        let (file, stdin, lines) = start(words);
        assert_eq!((file, stdin), (None, false));
        lines
    }

    #[test]
    fn options_become_lines() {
        assert_eq!(options(&[]), "");
        assert_eq!(options(&["--port", "6380"]), "port \"6380\";");
        assert_eq!(
            options(&["--port 6380", "--hz", "3"]),
            "port 6380;hz \"3\";"
        );
        assert_eq!(
            options(&["--bind", "127.0.0.1", "::1", "--port", "1"]),
            "bind \"127.0.0.1\" \"::1\";port \"1\";"
        );
        assert_eq!(
            options(&["--save", "3600", "1", "300", "100"]),
            "save \"3600\" \"1\" \"300\" \"100\";"
        );
        assert_eq!(options(&["--port", "1", "-v"]), "port \"1\" \"-v\";");
        assert_eq!(options(&["-p", "3"]), "\"-p\" \"3\";");
        assert_eq!(
            options(&["--requirepass", "a \"b"]),
            "requirepass \"a \\\"b\";"
        );
    }

    #[test]
    fn a_value_may_look_like_an_option_but_not_for_save() {
        assert_eq!(options(&["--port", "--x", "1"]), "port \"--x\" \"1\";");
        assert_eq!(
            options(&["--requirepass", "--help"]),
            "requirepass \"--help\";"
        );
        assert_eq!(
            options(&["--save", "", "--port", "1"]),
            "save \"\";port \"1\";"
        );
        assert_eq!(options(&["--save", "--port", "1"]), "save \"\";port \"1\";");
        assert_eq!(options(&["--port", "1", "--save"]), "port \"1\";save \"\";");
    }

    #[test]
    fn file_and_standard_input_come_first_or_last() {
        assert_eq!(
            start(&["a.conf", "--hz", "1"]),
            (Some("a.conf".to_owned()), false, "hz \"1\";".to_owned())
        );
        assert_eq!(start(&["-"]), (None, true, String::new()));
        assert_eq!(
            start(&["-", "--hz", "1"]),
            (None, true, "hz \"1\";".to_owned())
        );
        assert_eq!(
            start(&["a.conf", "--hz", "1", "-"]),
            (Some("a.conf".to_owned()), true, "hz \"1\";".to_owned())
        );
        assert_eq!(
            start(&["a.conf", "-", "x"]),
            (Some("a.conf".to_owned()), false, "\"-\" \"x\";".to_owned())
        );
    }

    #[test]
    fn flags_count_only_in_front() {
        for flag in ["-v", "--version"] {
            assert!(
                matches!(cli(&[flag, "x"]), Cli::Say { text, failed: false } if text.starts_with("Redis server v=8.2.3 sha="))
            );
        }
        for flag in ["-h", "--help"] {
            assert!(
                matches!(cli(&[flag]), Cli::Say { text, failed: false } if text.contains("Usage: vermilion [/path"))
            );
        }
        assert!(matches!(
            cli(&["--test-memory", "5"]),
            Cli::Say { failed: true, .. }
        ));
        assert_eq!(cli(&["--check-system"]), Cli::CheckSystem);
    }

    #[test]
    fn a_sentinel_is_one_by_option_or_by_name() {
        let is_sentinel = |words: &[&str]| match parse(words.iter().map(OsString::from)) {
            Cli::Start(start) => start.sentinel,
            said => panic!("{said:?}"),
        };
        assert!(is_sentinel(&["vermilion", "a.conf", "--sentinel"]));
        assert!(is_sentinel(&["/usr/bin/redis-sentinel", "a.conf"]));
        assert!(!is_sentinel(&["vermilion", "a.conf"]));
        let help = parse(["vermilion", "--help"].map(OsString::from));
        assert!(matches!(help, Cli::Say { text, failed: false } if text.contains(" --sentinel ")));
        assert_eq!(
            options(&["--sentinel", "--port", "5"]),
            "sentinel;port \"5\";"
        );
    }
}
