//! The server's end: whoever sees his connection close may take the files.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::{Server, encode};

fn drafts(dir: &Path) -> usize {
    let files = fs::read_dir(dir).expect("the server's directory can be read");
    let names = files.map(|file| file.expect("an entry").file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with("temp-"))
        .count()
}

#[test]
fn no_connection_closes_before_the_files_are_whole() {
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "no"]);
    let mut client = server.client();
    let mut other = server.client();
    client.ask("DEBUG POPULATE 100");
    client.ask("CONFIG SET rdb-key-save-delay 50000");
    client.ask("BGSAVE");
    let begun = Instant::now();
    while drafts(server.dir()) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it saves");
        sleep(Duration::from_millis(1));
    }
    other.ask("SET last written");
    client
        .send(&encode(&["SHUTDOWN", "NOSAVE"]))
        .expect("the server listens");
    assert_eq!(client.drain().expect("the end"), b"");
    assert_eq!(drafts(server.dir()), 0, "the draft is gone by then");
    assert_eq!(other.drain().expect("the end"), b"");

    let again = Server::start_on(
        &crate::common::our_server(),
        server.stop(),
        &["--appendonly", "yes"],
    );
    assert_eq!(again.client().ask("GET last").text(), "written");
}
