//! A disk whose syncs of the log take as long as the test wants: who waits for them, and who doesn't.

use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;
use vermilion::persist::disk::{Disk, DiskFile, OsDisk};
use vermilion::testing::TestServer;

use crate::common::eventually;

#[derive(Default)]
struct Hold {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Default)]
struct State {
    on: bool,
    waiting: usize,
}

impl Hold {
    fn set(&self, on: bool) {
        self.state.lock().on = on;
        self.bell.notify_all();
    }

    fn is_met(&self) -> bool {
        self.state.lock().waiting > 0
    }

    fn pass(&self) {
        let mut state = self.state.lock();
        state.waiting += 1;
        self.bell.wait_while(&mut state, |state| state.on);
        state.waiting -= 1;
    }
}

/// Holds up the syncs of increments.
struct HeldDisk(Arc<Hold>);

struct HeldFile(Box<dyn DiskFile>, Arc<Hold>);

impl HeldDisk {
    fn file(&self, path: &Path, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        match path.to_string_lossy().ends_with(".incr.aof") {
            true => Box::new(HeldFile(file, self.0.clone())),
            false => file,
        }
    }
}

impl DiskFile for HeldFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.1.pass();
        self.0.sync()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }
}

impl Disk for HeldDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(path, OsDisk.create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(path, OsDisk.append(path)?))
    }

    fn permit(&self, path: &Path, like: &Path) -> io::Result<()> {
        OsDisk.permit(path, like)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }

    fn link(&self, path: &Path, second: &Path) -> io::Result<()> {
        OsDisk.link(path, second)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.make_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.sync_dir(path)
    }
}

/// The log's increments as they are on the disk now. A rewrite that ends takes some away: the rest is looked at anew then.
fn logged(dir: &Path) -> String {
    let folder = dir.join("appendonlydir");
    loop {
        let files = std::fs::read_dir(&folder).expect("the log's folder");
        let paths = files.flatten().map(|file| file.path());
        let increments = paths.filter(|path| path.to_string_lossy().ends_with(".incr.aof"));
        let bytes: io::Result<Vec<_>> = increments.map(std::fs::read).collect();
        match bytes {
            Ok(bytes) => return String::from_utf8_lossy(&bytes.concat()).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => panic!("an increment: {error}"),
        }
    }
}

/// A server on such a disk. When a test ends, however it does, syncs are let through first: the server's end waits for them.
struct HeldServer {
    hold: Arc<Hold>,
    server: TestServer,
}

impl Drop for HeldServer {
    fn drop(&mut self) {
        self.hold.set(false);
    }
}

impl Deref for HeldServer {
    type Target = TestServer;

    fn deref(&self) -> &TestServer {
        &self.server
    }
}

fn start(policy: &str, hold: &Arc<Hold>, dir: &Path) -> HeldServer {
    let lines = format!("appendonly yes\nappendfsync {policy}");
    let server = HeldServer {
        hold: hold.clone(),
        server: TestServer::start_on(&lines, dir, Arc::new(HeldDisk(hold.clone()))),
    };
    eventually("it has loaded", || {
        let mut talker = server.connect();
        talker.say("SET begun 1");
        vermilion::testing::show(&talker.hear()) == "+OK"
    });
    server
}

#[test]
fn without_syncs_nobody_waits_for_the_one_at_a_rewrite() {
    let (hold, dir) = (Arc::<Hold>::default(), TempDir::new().unwrap());
    let server = start("no", &hold, dir.path());
    hold.set(true);
    server.talk("> BGREWRITEAOF\n +Background append only file rewriting started");
    eventually("the file before is being synced", || hold.is_met());
    for n in 0..100 {
        server.talk(&format!(
            "> SET key:{n} held\n +OK\n > GET key:{n}\n \"held\""
        ));
        let text = logged(dir.path());
        assert!(
            text.contains(&format!("key:{n}\r\n")),
            "answered and not in the log"
        );
    }
    assert!(hold.is_met(), "it was being synced all the while");
}

#[test]
fn what_comes_during_a_sync_is_written_meanwhile() {
    let (hold, dir) = (Arc::<Hold>::default(), TempDir::new().unwrap());
    let server = start("everysec", &hold, dir.path());
    hold.set(true);
    server.talk("> SET first 1\n +OK");
    eventually("a sync is under way", || hold.is_met());
    let mut talker = server.connect();
    talker.say("SET late 1");
    eventually("it is written meanwhile", || {
        logged(dir.path()).contains("late\r\n")
    });
    hold.set(false);
    assert_eq!(vermilion::testing::show(&talker.hear()), "+OK");
}
