//! What a node takes from another one that gives it slots whole, and does not play by the rules: a program of ours sits where
//! the owner of a slot was.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::broken_off::{Way, nodes};
use crate::common::{Server, eventually};
use crate::node::{id, owner_of};
use crate::whole::{digest, ended, field, import};

/// The place of a node that has died. It says OK to everything, but to NEXT what it is told to say.
struct Liar {
    listener: TcpListener,
    says: Mutex<Vec<u8>>,
    over: AtomicBool,
}

impl Liar {
    fn at(port: u16) -> Liar {
        let mut listener = None;
        eventually("the port is free", || {
            listener = TcpListener::bind(("127.0.0.1", port)).ok();
            listener.is_some()
        });
        Liar {
            listener: listener.expect("it is bound"),
            says: Mutex::default(),
            over: AtomicBool::new(false),
        }
    }

    fn says(&self, reply: &[u8]) {
        *self.says.lock().expect("nobody panics") = reply.to_vec();
    }

    /// Answers until it is over, one connection after another.
    fn serve(&self) {
        self.listener.set_nonblocking(true).expect("it can");
        while !self.over.load(Ordering::Relaxed) {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).expect("it can");
                    // Whoever has had enough closes.
                    let _ = self.talk(stream);
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn talk(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut input = BufReader::new(stream.try_clone()?);
        loop {
            let mut line = String::new();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let count: usize = line[1..].trim().parse().unwrap_or(0);
            let mut words = Vec::new();
            for _ in 0..count {
                line.clear();
                input.read_line(&mut line)?;
                let mut word = vec![0; line[1..].trim().parse::<usize>().unwrap_or(0) + 2];
                input.read_exact(&mut word)?;
                words.push(String::from_utf8_lossy(&word).trim_end().to_owned());
            }
            let reply = match words.get(2).map(String::as_str) {
                Some("NEXT") => self.says.lock().expect("nobody panics").clone(),
                _ => b"+OK\r\n".to_vec(),
            };
            stream.write_all(&reply)?;
        }
    }
}

/// A piece of one key.
fn piece(key: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "*6\r\n:0\r\n:9\r\n${}\r\n{key}\r\n:0\r\n:0\r\n${}\r\n",
        key.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// What DUMP gives for a text.
fn dump(server: &Server) -> Vec<u8> {
    let mut client = server.client();
    let key = (0..1000)
        .map(|n| format!("dumped:{n}"))
        .find(|key| client.ask(&format!("SET {key} value")).text() == "OK")
        .expect("a key of its own");
    client
        .send(&crate::common::encode(&["DUMP", &key]))
        .expect("it listens");
    let raw = client.receive().expect("it answers").raw;
    client.ask(&format!("DEL {key}"));
    let head = raw.iter().position(|byte| *byte == b'\n').expect("a head") + 1;
    raw[head..raw.len() - 2].to_vec()
}

#[test]
fn what_a_liar_gives_is_refused_and_nothing_of_it_stays() {
    let mut nodes = nodes(0);
    let (from, to, slot) = owner_of(&nodes, "{x}");
    let (from, to) = (from.port, to.port);
    let at = |nodes: &[Server], port| nodes.iter().position(|node| node.port == port);
    let gone = nodes.remove(at(&nodes, from).expect("a node"));
    let dir = gone.kill();
    let to = nodes.remove(at(&nodes, to).expect("a node"));
    let (before, payload) = (digest(&to), dump(&to));
    let liar = Liar::at(from);
    let otherwise = "the other node speaks otherwise";
    let lost = "the other node was lost: ";
    let mut damaged = payload.clone();
    damaged[2] ^= 1;
    let mut two = piece("{x}a", &payload);
    two.extend(piece("{y}b", &payload).split_off(12));
    two[1] = b'1';
    two.insert(2, b'0');
    let mut many = b"*1026\r\n:0\r\n:9\r\n".to_vec();
    for _ in 0..3 {
        many.extend(piece("{x}a", &vec![0; 1 << 20]).split_off(12));
    }
    let cases: [(Vec<u8>, &str); 12] = [
        (
            piece("{y}a", &payload),
            "the other node gives keys of other slots",
        ),
        (two, "the other node gives keys of other slots"),
        (
            piece("{x}a", &damaged),
            "the value of a key is damaged: {x}a",
        ),
        (piece("{x}a", b"x"), "the value of a key is damaged: {x}a"),
        (b"*6\r\n:0\r\n:9\r\n$99999999999\r\n".to_vec(), otherwise),
        (b"*6\r\n:0\r\n:9\r\n$-1\r\n".to_vec(), otherwise),
        (b"*999999\r\n:0\r\n:9\r\n".to_vec(), otherwise),
        (b"*6\r\n:0\r\n:-9\r\n".to_vec(), otherwise),
        (many, otherwise),
        (b"+OK\r\n".to_vec(), otherwise),
        // One key less than it says: it is waited for, but not for ever.
        (b"*6\r\n:0\r\n:9\r\n$4\r\n{x}a\r\n".to_vec(), lost),
        (
            vec![b'*'; 1 << 20],
            "the other node was lost: it sends a line that has no end",
        ),
    ];
    std::thread::scope(|scope| {
        scope.spawn(|| liar.serve());
        let mut client = to.client();
        for (says, why) in &cases {
            liar.says(says);
            let task = import(&mut client, &format!("{slot} {slot}"));
            assert_eq!(ended(&to, &task), "failed", "{why}");
            let error = field(&mut client, &task, "last_error");
            assert!(error.starts_with(why), "{error}, and not {why}");
            eventually("nothing stays", || digest(&to) == before);
        }
        // What never ends goes on until somebody ends it, and grows no further.
        liar.says(&piece("{x}a", &payload));
        let task = import(&mut client, &format!("{slot} {slot}"));
        eventually("it comes again and again", || digest(&to) != before);
        assert_eq!(client.ask("DBSIZE").int(), 0);
        assert_eq!(client.ask("CLUSTER MIGRATION CANCEL ALL").int(), 1);
        assert_eq!(ended(&to, &task), "canceled");
        eventually("nothing stays", || digest(&to) == before);
        liar.over.store(true, Ordering::Relaxed);
    });
    assert!(!to.log().contains("panicked"));
    drop(dir);
}

/// Whoever names moves that it has nothing to do with changes nothing of them.
#[test]
fn words_about_other_moves_change_nothing() {
    let way = Way::begin(nodes(0));
    let (slot, task) = (way.slot, way.task.clone());
    let third = 3 - way.from - way.to;
    let other = id(&way.nodes[third]);
    let gone = "ERR There is no such move of slots under way";
    let mut dest = way.dest();
    for word in ["NEXT", "HOLD", "GRANT"] {
        let reply = dest.ask(&format!("CLUSTER SYNCSLOTS {word} {task}"));
        assert_eq!(reply.text(), gone, "{word}");
    }
    let mut source = way.source();
    for order in ["NEXT other", "HOLD other", "GRANT other"] {
        let reply = source.ask(&format!("CLUSTER SYNCSLOTS {order}"));
        assert_eq!(reply.text(), gone, "{order}");
    }
    // Leave is not given before commands are held back.
    let reply = source.ask(&format!("CLUSTER SYNCSLOTS GRANT {task}"));
    assert_eq!(reply.text(), gone);
    for order in [
        format!("CLUSTER SYNCSLOTS BEGIN {task} {other} {slot} {slot}"),
        format!("CLUSTER SYNCSLOTS BEGIN other {other} {slot} {slot}"),
        format!(
            "CLUSTER SYNCSLOTS BEGIN other {} {slot} {slot}",
            "0".repeat(40)
        ),
        format!("CLUSTER SYNCSLOTS TAKE {task} {slot} {slot}"),
        "CLUSTER SYNCSLOTS BEGIN other".to_owned(),
    ] {
        assert!(source.ask(&order).is_error(), "{order}");
    }
    let order = format!("CLUSTER SYNCSLOTS TAKE {task} {slot} {slot}");
    assert!(dest.ask(&order).is_error());
    for client in [&mut dest, &mut source] {
        client.ask("CLUSTER SYNCSLOTS CANCEL other");
    }
    dest.ask(&format!("CLUSTER SYNCSLOTS CANCEL {task}"));
    way.stays(false);
    assert_eq!(ended(&way.nodes[way.to], &task), "completed");
    assert_eq!(ended(&way.nodes[way.from], &task), "completed");
    way.stays(true);
}

/// A node has keys of a slot that is another's, which go when the slot is to come here whole. Once it comes by other ways,
/// what it has then stays.
#[test]
fn a_cancelled_move_deletes_nothing_of_a_slot_that_has_come_otherwise() {
    let way = Way::ready(nodes(0));
    let (slot, mut client) = (way.slot, way.dest());
    let (me, other) = (id(&way.nodes[way.to]), id(&way.nodes[way.from]));
    let set = format!("CLUSTER SETSLOT {slot}");
    assert_eq!(client.ask(&format!("{set} IMPORTING {other}")).text(), "OK");
    let script = "for n = 1, 40000 do redis.call('set', KEYS[1] .. 'left:' .. n, n) end";
    assert_eq!(client.ask("ASKING").text(), "OK");
    let reply = client.ask_args(&["EVAL", script, "1", "{x}"]);
    assert!(!reply.is_error(), "{}", reply.text());
    assert_eq!(client.ask(&format!("{set} STABLE")).text(), "OK");
    let count = format!("CLUSTER COUNTKEYSINSLOT {slot}");
    assert_eq!(client.ask(&count).int(), 40_000);
    way.stays(true);
    let task = import(&mut client, &format!("{slot} {slot}"));
    eventually("they go", || client.ask(&count).int() < 40_000);
    assert_eq!(client.ask("CLUSTER MIGRATION CANCEL ALL").int(), 1);
    assert_eq!(client.ask(&format!("{set} IMPORTING {other}")).text(), "OK");
    assert_eq!(client.ask(&format!("{set} NODE {me}")).text(), "OK");
    assert_eq!(client.ask("SET {x}new 1").text(), "OK");
    let there = client.ask(&count).int();
    assert_eq!(ended(&way.nodes[way.to], &task), "canceled");
    // Another move passes through the same thread: all that the first one left to do is done by then.
    let order = "CLUSTER MIGRATION IMPORT 0 0";
    let reply = client.ask(order);
    if !reply.is_error() {
        ended(&way.nodes[way.to], &reply.text());
    }
    assert_eq!(client.ask(&count).int(), there);
    assert_eq!(client.ask("GET {x}new").text(), "1");
}
