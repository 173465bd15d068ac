//! A master that is cut off from the others, in network namespaces. `tests/partitions` plays it, and has more scenes, which
//! are compared with those of stock servers.

use std::process::Command;

use crate::common::our_server;

#[test]
fn a_master_that_is_cut_off_stops_to_take_writes() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/partitions");
    let played = Command::new("python3")
        .args([script, "--alone", "--timeout", "3000", "--server"])
        .arg(our_server())
        .arg("minority")
        .output();
    let Ok(played) = played else {
        println!("partitions are left out: there is no python3");
        return;
    };
    let told = String::from_utf8_lossy(&played.stdout);
    // Where there are no namespaces it says so in one line.
    println!("{told}");
    let errors = String::from_utf8_lossy(&played.stderr);
    assert!(played.status.success(), "{told}{errors}");
}
