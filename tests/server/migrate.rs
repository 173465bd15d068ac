//! MIGRATE to a server that takes its time: who waits meanwhile, and who doesn't.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::common::{Client, Server, Value, encode, eventually};

/// A server that takes what it is sent, and answers when it is told to.
struct Slow {
    listener: TcpListener,
}

impl Slow {
    fn new() -> Slow {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        Slow { listener }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().expect("an address").port()
    }

    /// The connection of a MIGRATE, once the payload of its last key is there.
    fn called(&self, last: &str) -> TcpStream {
        let (mut stream, _) = self.listener.accept().expect("it connects");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a socket takes a timeout");
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        let last = format!("\r\n{last}\r\n");
        while !all
            .windows(last.len())
            .any(|window| window == last.as_bytes())
        {
            let len = stream.read(&mut piece).expect("it sends");
            assert!(len > 0, "it closed");
            all.extend_from_slice(&piece[..len]);
        }
        stream
    }
}

/// Sends a command and doesn't wait for its reply.
fn begin(client: &mut Client, line: &str) {
    let args: Vec<&str> = line.split(' ').collect();
    client.send(&encode(&args)).expect("the server reads");
}

fn texts(reply: &Value) -> String {
    let texts: Vec<String> = reply.items().iter().map(Value::text).collect();
    texts.join(" ")
}

fn waiting(client: &mut Client) -> bool {
    client.set_patience(Duration::from_millis(100));
    let waits = client.receive().is_err();
    client.set_patience(Duration::from_secs(20));
    waits
}

fn blocked(client: &mut Client, count: usize) {
    eventually("they wait", || {
        let info = client.ask("INFO clients").text().to_owned();
        info.contains(&format!("blocked_clients:{count}\r\n"))
    });
}

#[test]
fn only_those_wait_who_name_the_keys() {
    let server = Server::start(&["--io-threads", "1", "--appendonly", "yes"]);
    let slow = Slow::new();
    let mut client = server.client();
    client.ask("MSET a 1 b 2 c 3");
    client.ask("RPUSH list x");
    let mut mover = server.client();
    let line = format!(
        "MIGRATE 127.0.0.1 {} {} 0 20000 KEYS a list none",
        slow.port(),
        ""
    );
    begin(&mut mover, &line);
    let mut there = slow.called("list");
    // One worker, and it serves: other keys, and what looks at all keys one after another.
    assert_eq!(client.ask("SET c 4").text(), "OK");
    assert_eq!(client.ask("GET b").text(), "2");
    assert_eq!(client.ask("DBSIZE").int(), 4);
    let lines = [
        "GET a",
        "SET a 5",
        "MGET b a",
        "RPOPLPUSH none list",
        "FLUSHALL",
        "EVAL return(redis.call('get','a')) 0",
        "BLPOP list 0",
        "DEL a",
    ];
    let mut clients: Vec<Client> = lines.iter().map(|_| server.client()).collect();
    for (one, line) in clients.iter_mut().zip(&lines) {
        if *line != "FLUSHALL" {
            begin(one, line);
        }
    }
    let mut transaction = server.client();
    assert_eq!(transaction.ask("MULTI").text(), "OK");
    assert_eq!(transaction.ask("GET b").text(), "QUEUED");
    assert_eq!(transaction.ask("STRLEN a").text(), "QUEUED");
    begin(&mut transaction, "EXEC");
    // Itself, seven of the eight above, and the transaction.
    blocked(&mut client, 9);
    assert!(waiting(&mut clients[0]) && waiting(&mut transaction));
    // One who is blocked on another key and would write to one that travels is held back with what wakes it.
    let mut popper = server.client();
    begin(&mut popper, "BRPOPLPUSH source list 0");
    blocked(&mut client, 10);
    there.write_all(b"+OK\r\n+OK\r\n+OK\r\n").expect("it hears");
    assert_eq!(mover.receive().expect("an answer").value.text(), "OK");
    // The keys are gone for all of them; SET and DEL come in either order.
    let got = clients[0].receive().expect("an answer").value;
    assert!(got == Value::NullBulk || got.text() == "5", "{got:?}");
    assert_eq!(clients[1].receive().expect("an answer").raw, b"+OK\r\n");
    assert!(clients[3].receive().expect("an answer").value == Value::NullBulk);
    assert_eq!(transaction.receive().expect("an answer").raw[..2], *b"*2");
    assert!(clients[5].receive().is_ok() && clients[7].receive().is_ok());
    assert_eq!(client.ask("EXISTS list").int(), 0);
    assert_eq!(client.ask("RPUSH list y").int(), 1);
    let popped = clients[6].receive().expect("an answer").raw;
    assert_eq!(popped, b"*2\r\n$4\r\nlist\r\n$1\r\ny\r\n");
    client.ask("DEL a");
    // What left is gone from the log, too.
    let dir = server.kill();
    let again = Server::start_on(&crate::common::our_server(), dir, &["--appendonly", "yes"]);
    let mut client = again.client();
    assert_eq!(client.ask("EXISTS a list").int(), 0);
    assert_eq!(texts(&client.ask("MGET b c")), "2 4");
}

#[test]
fn keys_that_are_refused_stay_and_are_served_again() {
    let server = Server::start(&["--io-threads", "1"]);
    let slow = Slow::new();
    let (mut client, mut mover) = (server.client(), server.client());
    client.ask("MSET a 1 b 2");
    let line = format!("MIGRATE 127.0.0.1 {} {} 0 20000 KEYS a b", slow.port(), "");
    begin(&mut mover, &line);
    let mut there = slow.called("b");
    there
        .write_all(b"+OK\r\n+OK\r\n-BUSYKEY Target key name already exists.\r\n")
        .expect("it hears");
    let reply = mover.receive().expect("an answer").value;
    assert_eq!(
        reply.text(),
        "ERR Target instance replied with error: BUSYKEY Target key name already exists."
    );
    assert_eq!(client.ask("EXISTS a").int(), 0);
    assert_eq!(client.ask("GET b").text(), "2");
    // And where it never answers: the time is up, and nothing has moved.
    let line = format!("MIGRATE 127.0.0.1 {} b 0 50", slow.port());
    begin(&mut mover, &line);
    let text = mover.receive().expect("an answer").value;
    assert!(
        text.text().starts_with("IOERR error or timeout"),
        "{text:?}"
    );
    assert_eq!(client.ask("SET b 3").text(), "OK");
}

#[test]
fn a_copy_holds_nobody_back() {
    let server = Server::start(&["--io-threads", "1"]);
    let slow = Slow::new();
    let (mut client, mut mover) = (server.client(), server.client());
    client.ask("SET a 1");
    begin(
        &mut mover,
        &format!("MIGRATE 127.0.0.1 {} a 0 20000 COPY", slow.port()),
    );
    let mut there = slow.called("a");
    assert_eq!(client.ask("SET a 2").text(), "OK");
    there.write_all(b"+OK\r\n+OK\r\n").expect("it hears");
    assert_eq!(mover.receive().expect("an answer").value.text(), "OK");
    assert_eq!(client.ask("GET a").text(), "2");
}

#[test]
fn inside_a_transaction_and_a_script_it_is_one_step() {
    let (server, other) = (Server::start(&[]), Server::start(&[]));
    let (mut client, mut there) = (server.client(), other.client());
    client.ask("MSET a 1 b 2");
    client.ask("MULTI");
    client.ask(&format!("MIGRATE 127.0.0.1 {} a 0 5000", other.port));
    client.ask("EXISTS a");
    assert_eq!(texts(&client.ask("EXEC")), "OK 0");
    let script = "return redis.call('migrate','127.0.0.1',ARGV[1],KEYS[1],0,5000)";
    let port = other.port.to_string();
    let moved = client.ask_args(&["EVAL", script, "1", "b", &port]);
    assert_eq!(moved.text(), "OK");
    assert_eq!(client.ask("DBSIZE").int(), 0);
    assert_eq!(texts(&there.ask("MGET a b")), "1 2");
}
