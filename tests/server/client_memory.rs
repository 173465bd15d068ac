//! What clients keep in the server: shown by CLIENT LIST, and bounded by `maxmemory-clients`.

use crate::common::{Client, Server, encode, eventually};

const KEY_BYTES: usize = 400_000;

/// A number in the line of CLIENT LIST that has this name.
fn field(asker: &mut Client, name: &str, field: &str) -> Option<usize> {
    let list = asker.ask("CLIENT LIST").text();
    let line = list
        .lines()
        .find(|line| line.contains(&format!(" name={name} ")))?;
    let mut words = line.split(' ');
    words.find_map(|word| word.strip_prefix(field)?.strip_prefix('=')?.parse().ok())
}

/// A client of this name that has sent a command and gets no answer yet.
fn waiting(server: &Server, name: &str, command: &[&str]) -> Client {
    let mut client = server.client();
    client.ask(&format!("CLIENT SETNAME {name}"));
    client.send(&encode(command)).expect("sent");
    client
}

fn blocked(asker: &mut Client) -> usize {
    let info = asker.ask("INFO clients").text();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("blocked_clients:"));
    line.and_then(|count| count.parse().ok()).expect("a count")
}

#[test]
fn arguments_of_a_blocked_client_are_shown_until_it_is_served() {
    let server = Server::start(&[]);
    let mut asker = server.client();
    let key = "k".repeat(KEY_BYTES);
    for command in [
        vec!["BLPOP", &key, "0"],
        vec!["BZPOPMIN", &key, "0"],
        vec!["BLMOVE", "empty", &key, "LEFT", "LEFT", "0"],
        vec!["XREAD", "BLOCK", "0", "STREAMS", &key, "$"],
    ] {
        let mut client = waiting(&server, "waits", &command);
        eventually("its arguments are not shown", || {
            field(&mut asker, "waits", "argv-mem").is_some_and(|bytes| bytes >= KEY_BYTES)
        });
        let total = field(&mut asker, "waits", "tot-mem").expect("a line");
        assert!(total >= KEY_BYTES, "{command:.20?}: {total}");
        let id = field(&mut asker, "waits", "id").expect("a line");
        assert_eq!(asker.ask(&format!("CLIENT UNBLOCK {id}")).int(), 1);
        client.receive().expect("a reply");
        eventually("its arguments stay", || {
            field(&mut asker, "waits", "tot-mem").is_some_and(|bytes| bytes < KEY_BYTES / 4)
        });
        assert_eq!(field(&mut asker, "waits", "argv-mem"), Some(0));
        client.ask("CLIENT SETNAME done");
    }
}

#[test]
fn blocked_clients_above_their_share_of_memory_are_closed() {
    let server = Server::start(&[]);
    let mut asker = server.client();
    asker.ask("CLIENT NO-EVICT ON");
    let _waiting: Vec<Client> = (0..6)
        .map(|at| {
            let key = format!("{at}{}", "k".repeat(KEY_BYTES));
            waiting(&server, &format!("waits{at}"), &["BLPOP", &key, "0"])
        })
        .collect();
    eventually("not all of them wait", || blocked(&mut asker) == 6);
    assert_eq!(
        asker.ask("CONFIG SET maxmemory-clients 1500000").text(),
        "OK"
    );
    eventually("nobody is closed", || blocked(&mut asker) == 3);
    let evicted = |asker: &mut Client, count: usize| {
        let wanted = format!("evicted_clients:{count}\r\n");
        eventually("the closed clients are not counted", || {
            asker.ask("INFO stats").text().contains(&wanted)
        });
    };
    evicted(&mut asker, 3);
    // One that would be too large from the start. It may be closed before all of it was sent, and is the largest when the
    // limit is met, however little of it has come by then.
    assert_eq!(
        asker.ask("CONFIG SET maxmemory-clients 1750000").text(),
        "OK"
    );
    let mut huge = server.client();
    let key = "k".repeat(4 * KEY_BYTES);
    let sent = huge.send(&encode(&["BLPOP", &key, "0"]));
    let told = sent.and_then(|()| huge.drain());
    assert!(told.is_err() || told.is_ok_and(|told| told.is_empty()));
    evicted(&mut asker, 4);
    assert_eq!(blocked(&mut asker), 3, "the others stay");
}

#[test]
fn a_blocked_client_below_its_share_is_served() {
    let server = Server::start(&["--maxmemory-clients", "2mb"]);
    let mut asker = server.client();
    asker.ask("CLIENT NO-EVICT ON");
    let key = "k".repeat(KEY_BYTES);
    let mut client = waiting(&server, "waits", &["BLPOP", &key, "0"]);
    eventually("it does not wait", || blocked(&mut asker) == 1);
    asker.ask_args(&["RPUSH", &key, "element"]);
    assert_eq!(
        client.receive().expect("an element").value.items()[1].text(),
        "element"
    );
}

#[test]
fn what_a_transaction_has_queued_is_shown_and_bounded() {
    let server = Server::start(&[]);
    let mut asker = server.client();
    let mut client = waiting(&server, "queues", &["MULTI"]);
    client.receive().expect("a reply");
    let value = "v".repeat(KEY_BYTES);
    client.ask_args(&["SET", "k", &value]);
    let queued = field(&mut asker, "queues", "multi-mem").expect("a line");
    assert!(queued >= KEY_BYTES, "{queued}");
    asker.ask("CONFIG SET maxmemory-clients 1mb");
    for _ in 0..3 {
        // It may be closed before it has heard of it.
        let _ = client.try_ask(&["SET", "k", &value]);
    }
    assert!(client.try_ask(&["EXEC"]).is_err());
    assert_eq!(asker.ask("EXISTS k").int(), 0);
}
