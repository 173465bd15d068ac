//! The process as scripts, supervisors and the kernel meet it.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgid, getsid, kill_process, test_kill_process};
use tempfile::TempDir;

use crate::common::{Server, awaited, eventually, our_server};

/// On a Unix socket alone: no other test can take its port.
fn program(dir: &Path) -> Command {
    let mut program = Command::new(our_server());
    program
        .args(["--port", "0", "--unixsocket", "own.sock", "--dir"])
        .arg(dir)
        .current_dir(dir)
        .args(["--save", ""])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    program
}

/// What the server in this folder answers to a line, and to PING and QUIT after it.
fn ask(dir: &Path, line: &str) -> String {
    awaited("the server answers", || {
        let mut socket = UnixStream::connect(dir.join("own.sock")).ok()?;
        let request = format!("{line}\r\nPING\r\nQUIT\r\n");
        socket.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        let whole = answer.strip_suffix("+PONG\r\n+OK\r\n")?;
        (!whole.starts_with("-LOADING")).then(|| whole.to_owned())
    })
}

fn ended(child: &mut Child) -> ExitStatus {
    awaited("the process ends", || child.try_wait().unwrap())
}

/// A process that is nobody's child; ended at the latest with the test.
struct Background(Pid);

impl Background {
    fn is_there(&self) -> bool {
        test_kill_process(self.0).is_ok()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may be gone.
        let _ = kill_process(self.0, Signal::KILL);
    }
}

#[test]
fn in_the_background_it_outlives_its_terminal() {
    let dir = TempDir::new().unwrap();
    let mut starter = program(dir.path())
        .args(["--daemonize", "yes", "--pidfile", "own.pid"])
        .args(["--logfile", "own.log", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = starter.stdin.take().unwrap();
    stdin.write_all(b"maxclients 77\n").unwrap();
    drop(stdin);
    assert!(ended(&mut starter).success());

    // Relative names start at `dir`.
    let file = |name: &str| dir.path().join(name);
    let id = awaited("there is a pid file", || {
        let text = fs::read_to_string(file("own.pid")).ok()?;
        text.strip_suffix('\n')?.parse::<i32>().ok()
    });
    let server = Background(Pid::from_raw(id).unwrap());
    let maxclients = ask(dir.path(), "CONFIG GET maxclients");
    assert_eq!(maxclients, "*2\r\n$10\r\nmaxclients\r\n$2\r\n77\r\n");
    assert!(file("own.log").is_file() && file("own.sock").exists());
    let info = ask(dir.path(), "INFO server");
    assert!(info.contains(&format!("process_id:{id}\r\n")));
    assert!(info.contains("process_supervised:no\r\n"));
    assert_eq!(getsid(Some(server.0)).unwrap(), server.0);
    assert_eq!(getpgid(Some(server.0)).unwrap(), server.0);
    let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap();
    assert_eq!(name, "vermilion\n");
    for stream in 1..=2 {
        let target = fs::read_link(format!("/proc/{id}/fd/{stream}")).unwrap();
        assert_eq!(target, Path::new("/dev/null"));
    }

    kill_process(server.0, Signal::HUP).unwrap();
    assert_eq!(ask(dir.path(), "ECHO alive"), "$5\r\nalive\r\n");
    kill_process(server.0, Signal::TERM).unwrap();
    eventually("it stops", || !server.is_there());
    assert!(!file("own.pid").exists() && !file("own.sock").exists());
}

#[test]
fn what_is_wrong_is_said_before_it_goes_to_the_background() {
    let dir = TempDir::new().unwrap();
    let refused = |options: &[&str]| -> Output {
        program(dir.path())
            .args(["--daemonize", "yes"])
            .args(options)
            .stderr(Stdio::piped())
            .output()
            .unwrap()
    };
    let output = refused(&["--logfile", "nowhere/own.log"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("*** FATAL CONFIG FILE ERROR (Redis"),
        "{said}"
    );
    assert!(
        said.contains(
            "'logfile \"nowhere/own.log\"'\nCan't open the log file: No such file or directory"
        ),
        "{said}"
    );
    assert_eq!(refused(&["--hz", "x"]).status.code(), Some(1));
}

#[test]
fn systemd_hears_how_it_goes() {
    let dir = TempDir::new().unwrap();
    let address = dir.path().join("notify");
    let systemd = UnixDatagram::bind(&address).unwrap();
    systemd
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let heard = || {
        let mut bytes = [0; 256];
        let len = systemd.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    };
    // Whoever is supervised stays where it is.
    let mut child = program(dir.path())
        .args(["--supervised", "auto", "--daemonize", "yes"])
        .env("NOTIFY_SOCKET", &address)
        .spawn()
        .unwrap();
    assert_eq!(heard(), "STATUS=Redis is loading...\n");
    assert_eq!(heard(), "STATUS=Ready to accept connections\nREADY=1\n");
    let info = ask(dir.path(), "INFO server");
    assert!(info.contains(&format!("process_id:{}\r\n", child.id())));
    assert!(info.contains("process_supervised:systemd\r\n"));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(heard(), "STOPPING=1\n");
    assert!(ended(&mut child).success());
}

#[test]
fn the_kernel_hears_who_goes_first_when_memory_runs_out() {
    let server = Server::start(&[]);
    let path = format!("/proc/{}/oom_score_adj", server.id());
    let score = || -> i32 {
        let text = fs::read_to_string(&path).unwrap();
        text.trim().parse().unwrap()
    };
    let base = score();
    let mut client = server.client();
    let mut ok = |args: &[&str]| assert_eq!(client.ask_args(args).text(), "OK", "{args:?}");
    let (how, values) = ("oom-score-adj", "oom-score-adj-values");
    ok(&["CONFIG", "SET", values, "10 20 30"]);
    assert_eq!(score(), base, "it is not to be set");
    ok(&["CONFIG", "SET", how, "yes"]);
    assert_eq!(score(), base + 10);
    ok(&["CONFIG", "SET", values, "15 20 30"]);
    assert_eq!(score(), base + 15);
    ok(&["REPLICAOF", "127.0.0.1", "1"]);
    assert_eq!(score(), base + 20);
    ok(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(score(), base + 15);
    ok(&["CONFIG", "SET", values, "900 900 900", how, "absolute"]);
    assert_eq!(score(), 900);
    ok(&["CONFIG", "SET", how, "no"]);
    assert_eq!(score(), base);
}
