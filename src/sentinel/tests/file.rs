//! Whatever is ordered, the file that is written then can be read again, and says the same.

use super::super::sim::{nowhere, words};
use super::super::*;
use super::{lines_of, lone, set_setting, started_again};

const NUMBERS: [&str; 5] = [
    "down-after-milliseconds",
    "failover-timeout",
    "parallel-syncs",
    "quorum",
    "master-reboot-down-after-period",
];

#[test]
fn numbers_that_the_file_can_not_hold_are_refused() {
    let mut sentinel = lone();
    for option in NUMBERS {
        let mut set = |value: &str| {
            let words = [option.as_bytes(), value.as_bytes()];
            sentinel.set("m", &words, &|_| true).unwrap()
        };
        for value in ["2147483648", "4294967297", "9223372036854775807", "-1"] {
            let why = format!("Invalid argument '{value}' for SENTINEL SET '{option}'");
            assert_eq!(set(value), Err(SentinelRefused::Says(why)));
        }
        assert_eq!(set("2147483647"), Ok(()), "{option}");
    }
    let monitored = sentinel.monitor("n", "127.0.0.1", 1, 4_294_967_297);
    let why = SentinelRefused::Says("Invalid quorum".to_owned());
    assert_eq!(monitored, Err(why));
    let monitored = sentinel.monitor("n", "127.0.0.1", 1, i64::from(i32::MAX));
    assert_eq!(monitored, Ok(()));
    assert_eq!(lines_of(&started_again(&sentinel)), lines_of(&sentinel));
}

#[test]
fn periods_that_sums_overflow_with_are_refused() {
    let mut sentinel = lone();
    for name in sentinel.periods().map(|(name, _)| name) {
        let why = format!("Invalid argument '9223372036854775807' for SENTINEL DEBUG '{name}'");
        let set = sentinel.set_periods(&[name.as_bytes(), b"9223372036854775807"]);
        assert_eq!(set, Err(SentinelRefused::Says(why)));
        let set = sentinel.set_periods(&[name.as_bytes(), b"2147483647"]);
        assert_eq!(set, Ok(()));
    }
    for option in NUMBERS {
        let words: [&[u8]; 2] = [option.as_bytes(), b"2147483647"];
        assert_eq!(sentinel.set("m", &words, &|_| true), Some(Ok(())));
    }
    sentinel.monitor("n", "127.0.0.1", 1, 1).unwrap();
    for now_ms in [2000, 3000, i64::from(i32::MAX) * 20, 4000] {
        sentinel.at_moment(now_ms);
        sentinel.tick();
    }
    started_again(&sentinel);
}

#[test]
fn names_in_the_file_are_addresses_once_names_are_not_taken() {
    let mut sentinel = lone();
    set_setting(&mut sentinel, "resolve-hostnames", "yes").unwrap();
    set_setting(&mut sentinel, "announce-hostnames", "yes").unwrap();
    let outside = Outside {
        look_up: &|_| Some("10.0.0.1".to_owned()),
        ..nowhere()
    };
    for line in ["monitor n master 6379 1", "known-replica n other 6379"] {
        sentinel.configure(&words(line), &outside).unwrap();
    }
    let has = |sentinel: &Sentinel, line: &str| lines_of(sentinel).contains(&line.to_owned());
    assert!(has(&sentinel, "monitor n master 6379 1"));
    set_setting(&mut sentinel, "resolve-hostnames", "no").unwrap();
    assert!(has(&sentinel, "monitor n 10.0.0.1 6379 1"));
    assert!(has(&sentinel, "known-replica n 10.0.0.1 6379"));
    assert_eq!(lines_of(&started_again(&sentinel)), lines_of(&sentinel));
}

#[test]
fn names_are_taken_as_long_as_somebody_is_known_by_a_name_alone() {
    let mut sentinel = lone();
    set_setting(&mut sentinel, "resolve-hostnames", "yes").unwrap();
    let ghost = words("known-replica m ghost 6379");
    sentinel.configure(&ghost, &nowhere()).unwrap();
    sentinel.finish();
    let pairs: [(&[u8], &[u8]); 2] = [(b"announce-port", b"5"), (b"resolve-hostnames", b"NO")];
    let why = "Invalid value 'NO' to SENTINEL CONFIG SET 'resolve-hostnames'".to_owned();
    let set = sentinel.set_settings(&pairs);
    assert_eq!(set, Err(SentinelRefused::Says(why)));
    assert!(!sentinel.finish().save, "all are set, or none");
    started_again(&sentinel);
    sentinel.learn("ghost", Some("10.0.0.1".into()));
    assert_eq!(sentinel.set_settings(&pairs), Ok(()));
    started_again(&sentinel);
}
