//! Nodes and clusters for tests.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::common::{Client, Server, Value, awaited, encode, eventually, free_port, our_server};

/// A node of a cluster. The bus has a port of its own, as most free ports have none ten thousand above.
pub fn node(program: &Path, options: &[&str]) -> Server {
    node_on(
        program,
        TempDir::new().expect("a temporary directory"),
        options,
    )
}

pub fn node_on(program: &Path, dir: TempDir, options: &[&str]) -> Server {
    let bus = free_port().to_string();
    let mut all = vec!["--cluster-enabled", "yes", "--cluster-port", &bus];
    if !options.contains(&"--cluster-node-timeout") {
        all.extend(["--cluster-node-timeout", "5000"]);
    }
    all.extend(options);
    Server::start_on(program, dir, &all)
}

/// Runs redis-cli, and returns what it printed; it must go well.
pub fn cli(args: &[&str]) -> String {
    let (fine, text) = try_cli(args);
    assert!(fine, "redis-cli {}:\n{text}", args.join(" "));
    text
}

pub fn try_cli(args: &[&str]) -> (bool, String) {
    let output = Command::new("redis-cli")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("redis-cli runs: apt-get install redis-tools");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text + &errors)
}

pub fn address(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port)
}

/// A server that takes what MIGRATE sends, and answers when it is told to: first of all to SELECT.
pub struct Slow {
    listener: TcpListener,
}

impl Slow {
    pub fn new() -> Slow {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        Slow { listener }
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().expect("an address").port()
    }

    /// The connection of a MIGRATE, once the name of its last key is there.
    pub fn called(&self, last: &str) -> TcpStream {
        let (mut stream, _) = self.listener.accept().expect("it connects");
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        let last = format!("\r\n{last}\r\n").into_bytes();
        while !all.windows(last.len()).any(|window| window == last) {
            let len = stream.read(&mut piece).expect("it sends");
            assert!(len > 0, "it closed");
            all.extend_from_slice(&piece[..len]);
        }
        stream
    }
}

/// Sends a command and doesn't wait for its reply.
pub fn begin(client: &mut Client, line: &str) {
    let args: Vec<&str> = line.split(' ').collect();
    client.send(&encode(&args)).expect("the server reads");
}

pub fn blocked(server: &Server, count: usize) {
    let mut client = server.client();
    eventually("they are blocked", || {
        let info = client.ask("INFO clients").text();
        info.contains(&format!("blocked_clients:{count}\r\n"))
    });
}

/// A node that owns every slot.
pub fn whole(options: &[&str]) -> Server {
    whole_on(TempDir::new().expect("a temporary directory"), options)
}

pub fn whole_on(dir: TempDir, options: &[&str]) -> Server {
    let server = node_on(&our_server(), dir, options);
    let mut client = server.client();
    if client
        .ask("CLUSTER INFO")
        .text()
        .contains("slots_assigned:0\r")
    {
        assert_eq!(client.ask("CLUSTER ADDSLOTSRANGE 0 16383").text(), "OK");
    }
    eventually("it serves", || is_ok(&mut client));
    server
}

/// The node that has a key's slot, another one, and the slot.
pub fn owner_of<'n>(nodes: &'n [Server], key: &str) -> (&'n Server, &'n Server, i64) {
    let mut client = nodes[0].client();
    let slot = client.ask(&format!("CLUSTER KEYSLOT {key}")).int();
    let reply = client.ask(&format!("GET {key}")).text();
    let port = reply
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    let port = port.unwrap_or(nodes[0].port);
    let owner = nodes.iter().find(|node| node.port == port);
    let other = nodes.iter().find(|node| node.port != port);
    (owner.expect("a node"), other.expect("another"), slot)
}

/// Nodes of these programs, made into a cluster by redis-cli.
pub fn cluster(programs: &[PathBuf], replicas: usize) -> Vec<Server> {
    let nodes = programs.iter().map(|program| node(program, &[]));
    join(nodes.collect(), replicas)
}

/// Makes nodes into a cluster.
pub fn join(nodes: Vec<Server>, replicas: usize) -> Vec<Server> {
    let addresses: Vec<String> = nodes.iter().map(address).collect();
    let replicas = replicas.to_string();
    let mut args = vec!["--cluster", "create"];
    args.extend(addresses.iter().map(String::as_str));
    args.extend(["--cluster-replicas", &replicas, "--cluster-yes"]);
    cli(&args);
    for one in &nodes {
        let mut client = one.client();
        eventually("every node holds the cluster for whole", || {
            is_ok(&mut client)
        });
    }
    nodes
}

pub fn ours(count: usize) -> Vec<PathBuf> {
    vec![our_server(); count]
}

pub fn is_ok(client: &mut Client) -> bool {
    client
        .ask("CLUSTER INFO")
        .text()
        .contains("cluster_state:ok")
}

pub fn id(server: &Server) -> String {
    server.client().ask("CLUSTER MYID").text()
}

/// redis-cli finds nothing wrong, once all nodes have heard of the last change.
pub fn checks(server: &Server) {
    awaited("redis-cli --cluster check is content", || {
        let (fine, text) = try_cli(&["--cluster", "check", &address(server)]);
        (fine && text.contains("All 16384 slots covered")).then_some(())
    });
}

/// The words of a reply, whatever it is made of.
pub fn words(reply: &Value) -> String {
    let words: Vec<String> = reply.leaves().iter().map(Value::text).collect();
    words.join(" ")
}

/// A client that follows redirections, as cluster clients do.
pub struct Follower {
    nodes: Vec<(u16, Client)>,
}

impl Follower {
    pub fn new(first: &Server) -> Follower {
        Follower {
            nodes: vec![(first.port, first.client())],
        }
    }

    fn at(&mut self, port: u16) -> &mut Client {
        if let Some(at) = self.nodes.iter().position(|(held, _)| *held == port) {
            return &mut self.nodes[at].1;
        }
        let client = Client::connect(port).expect("a node that was named lets us in");
        self.nodes.push((port, client));
        &mut self.nodes.last_mut().expect("it has just come").1
    }

    pub fn ask(&mut self, words: &str) -> Value {
        let mut port = self.nodes[0].0;
        let mut asking = false;
        for _ in 0..200 {
            let client = self.at(port);
            if asking {
                assert_eq!(client.ask("ASKING").text(), "OK");
            }
            asking = false;
            let reply = client.ask(words);
            let text = match &reply {
                Value::Error(_) => reply.text(),
                _ => return reply,
            };
            let parts: Vec<&str> = text.split(' ').collect();
            match parts[0] {
                "MOVED" | "ASK" => {
                    asking = parts[0] == "ASK";
                    let (_, told) = parts[2].rsplit_once(':').expect("host and port");
                    port = told.parse().expect("a port");
                }
                "TRYAGAIN" | "CLUSTERDOWN" => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                _ => return reply,
            }
        }
        panic!("{words}: sent around for too long");
    }
}
