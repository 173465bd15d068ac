//! Talk with a server about HOTKEYS. Known from documents alone: redis.io's pages on HOTKEYS START, STOP, GET and RESET, and what the
//! tests of Redis 8.6 (tests/unit/hotkeys.tcl) ask of it. The words for DURATION are ours.

use vermilion::testing::{TestServer, show, talk};

#[test]
fn collections_begin_and_end_in_order() {
    talk(
        "> HOTKEYS GET
         nil
         > HOTKEYS STOP
         nil
         > HOTKEYS RESET
         +OK
         > HOTKEYS START METRICS 1 CPU
         +OK
         > HOTKEYS START METRICS 1 NET
         -ERR hotkey tracking session already in progress
         > HOTKEYS RESET
         -ERR hotkey tracking session in progress, stop tracking first
         > HOTKEYS STOP
         +OK
         > HOTKEYS RESET
         +OK
         > HOTKEYS GET
         nil",
    );
}

#[test]
fn senseless_wishes_are_refused() {
    talk(
        "> HOTKEYS START
         -ERR METRICS parameter is required
         > HOTKEYS START METRICS 0
         -ERR METRICS count must be positive
         > HOTKEYS START METRICS -1
         -ERR METRICS count must be positive
         > HOTKEYS START METRICS 2 CPU
         -ERR METRICS count does not match number of metric types provided
         > HOTKEYS START METRICS 1 CPU NET
         -ERR syntax error
         > HOTKEYS START METRICS 3 CPU NET
         -ERR METRICS count does not match number of metric types provided
         > HOTKEYS START METRICS 1 GPU
         -ERR METRICS no valid metrics passed
         > HOTKEYS START METRICS 2 CPU CPU
         -ERR METRICS CPU defined more than once
         > HOTKEYS START METRICS 2 NET NET
         -ERR METRICS NET defined more than once
         > HOTKEYS START METRICS 1 CPU COUNT 0
         -ERR COUNT must be between 1 and 64
         > HOTKEYS START METRICS 1 CPU COUNT 100
         -ERR COUNT must be between 1 and 64
         > HOTKEYS START METRICS 1 CPU SAMPLE 0
         -ERR SAMPLE ratio must be positive
         > HOTKEYS START METRICS 1 CPU DURATION -1
         -ERR DURATION must be between 0 and 1000000
         > HOTKEYS START METRICS 1 CPU SLOTS 2 0 5
         -ERR SLOTS parameter cannot be used in non-cluster mode
         > HOTKEYS START METRICS 2 GPU CPU
         +OK",
    );
}

#[test]
fn bytes_of_keys_are_those_of_requests_and_replies() {
    let server = TestServer::start("");
    let mut client = server.connect();
    let mut ask = |line: &str| {
        client.say(line);
        show(&client.hear())
    };
    assert_eq!(ask("HOTKEYS START METRICS 1 NET COUNT 3"), "+OK");
    assert_eq!(ask("SET small 1"), "+OK");
    ask("SET middle 12345678901234567890");
    ask("MSET large 12345678901234567890123456789012345678901234567890 none 1");
    ask("MULTI");
    ask("SET large 12345678901234567890123456789012345678901234567890");
    ask("EXEC");
    ask("EVAL \"return redis.call('get', 'large')\" 1 script");
    assert_eq!(ask("HOTKEYS STOP"), "+OK");
    let shown = ask("HOTKEYS GET");
    let bytes = shown.split("\"by-net-bytes\" ").nth(1).expect("the field");
    let mut names: Vec<&str> = bytes.split('"').skip(1).step_by(2).collect();
    // The three that have most, of five.
    assert_eq!(names[0], "large", "{shown}");
    names.sort_unstable();
    assert_eq!(names, ["large", "middle", "script"], "{shown}");
    assert!(!shown.contains("by-cpu-time-us"), "{shown}");
    assert!(shown.contains("\"tracking-active\" :0"), "{shown}");
}

#[test]
fn a_collection_ends_when_its_time_is_over() {
    let server = TestServer::start("");
    let mut client = server.connect();
    let mut ask = |line: &str| {
        client.say(line);
        show(&client.hear())
    };
    assert_eq!(ask("HOTKEYS START METRICS 2 CPU NET DURATION 1"), "+OK");
    let begun = std::time::Instant::now();
    while ask("HOTKEYS GET").contains("\"tracking-active\" :1") {
        ask("SET k v");
        assert!(begun.elapsed().as_secs() < 30, "it ends");
    }
    let shown = ask("HOTKEYS GET");
    assert!(
        shown.contains("\"collection-duration-ms\" :1000"),
        "{shown}"
    );
    assert!(shown.contains("\"by-net-bytes\" [\"k\" "), "{shown}");
    assert_eq!(ask("HOTKEYS START METRICS 1 CPU"), "+OK");
}
