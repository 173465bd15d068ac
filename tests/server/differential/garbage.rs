//! Bytes that are no commands, or hardly: the error and what becomes of the connection are compared.

use fastrand::Rng;

use crate::common::escape;

use super::template::pick;
use super::world::{Side, World};

/// A line far over the limit of 64 KiB, so that no single read holds it whole.
const OVERLONG: usize = 400_000;
const GARBAGE: &[&[u8]] = &[
    b"PING\r\n",
    b"ping\n",
    b"  PING  \r\n",
    b"\r\n\r\nPING\r\n",
    b"SET s 'a b'\r\nGET s\r\n",
    b"SET s \"a\\x41\\n\\t\\\"b\"\r\nGET s\r\n",
    b"SET s 'it\\'s'\r\nGET s\r\n",
    b"SET s \"open\r\nPING\r\n",
    b"SET s 'open\r\n",
    b"SET s \"a\"b\r\n",
    b"ECHO \"\"\r\n",
    b"*0\r\nPING\r\n",
    b"*-1\r\nPING\r\n",
    b"*-5\r\n",
    b"*x\r\n",
    b"*\r\n",
    b"*1048577\r\n",
    b"*2147483648\r\n",
    b"*99999999999999999999\r\n",
    b"*1\r\nPING\r\n",
    b"*1\r\n:1\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$99999999999999999999\r\n",
    b"*1\r\n$4\r\nPINGxx",
    b"*1\r\n$4\r\nPING\r\n*1\r\n$-4\r\n",
    b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
    b"*1\r\n$0\r\n\r\n",
    b"*1\r\n$4\r\nPI\r\n\r\n",
    b"*+1\r\n$4\r\nPING\r\n",
    b"*01\r\n$4\r\nPING\r\n",
    b"* 1\r\n$4\r\nPING\r\n",
    b"*1\r\n$+4\r\nPING\r\n",
    b"*1\r\n$04\r\nPING\r\n",
    b"*1\n$4\nPING\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\ns\r\n$2\r\n\xff\x00\r\n*2\r\n$3\r\nGET\r\n$1\r\ns\r\n",
    b"GET / HTTP/1.1\r\n\r\nPING\r\n",
    b"POST / HTTP/1.1\r\n",
    b"Host: example\r\nPING\r\n",
    b"CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\n",
    b"CLIENT REPLY SKIP\r\nPING\r\nPING\r\n",
    b"CLIENT REPLY SKIP\r\nCLIENT REPLY OFF\r\nPING\r\n",
    b"CLIENT REPLY\r\nCLIENT REPLY MAYBE\r\n",
    b"QUIT\r\nPING\r\n",
    b"MULTI\r\nGET\r\nEXEC\r\n",
    b"MULTI\r\nMULTI\r\nSET s 1\r\nQUIT\r\n",
    b"HELLO 3\r\nSUBSCRIBE a\r\nPING\r\nGET s\r\nUNSUBSCRIBE\r\n",
    b"SUBSCRIBE a b\r\nPING\r\nPING x\r\nGET s\r\nUNSUBSCRIBE b a\r\nUNSUBSCRIBE a b\r\nQUIT\r\n",
    b"HELLO 9\r\nHELLO 3 SETNAME\r\nHELLO 3 AUTH x\r\nHELLO 3 SETNAME 'a b'\r\nHELLO x\r\n",
    b"CLIENT SETNAME 'a b'\r\nCLIENT SETNAME ok\r\nCLIENT GETNAME\r\nRESET\r\nCLIENT GETNAME\r\n",
    b"MULTI\r\nBLPOP nothing 0\r\nBLMOVE nothing nothing LEFT LEFT 0\r\nBZPOPMIN nothing 0\r\nEXEC\r\n",
    b"NOSUCH\r\nNOSUCH a b\r\nGET\r\nCLIENT\r\nCLIENT NOSUCH\r\nOBJECT\r\nOBJECT NOSUCH k\r\n",
];

/// Bytes to fresh connections, then a PING and the end of the stream: what comes back tells the error,
/// and whether the connection still listened after it.
pub fn send(world: &mut World, rng: &mut Rng) {
    let mut bytes = pick(rng, GARBAGE).to_vec();
    match rng.u8(..12) {
        0 => bytes.truncate(rng.usize(..bytes.len())),
        1 => {
            let at = rng.usize(..bytes.len());
            bytes[at] = *pick(rng, b"\r\n*$-09 \"'\0x");
            if bytes[at] == 0 {
                // Redis never finds the end of a line with a zero byte in it, and waits; we do.
                bytes[at] = b'?';
            }
        }
        2 => bytes.extend(*pick(rng, GARBAGE)),
        3 => bytes = [b"PING ".to_vec(), vec![b'x'; OVERLONG]].concat(),
        4 => bytes = [b"*".to_vec(), vec![b'1'; OVERLONG]].concat(),
        _ => {}
    }
    bytes.extend(b"*1\r\n$4\r\nPING\r\n");
    let cut = rng.usize(..bytes.len());
    let play = |side: &Side| -> Vec<u8> {
        let mut client = side.server.client();
        // The server may close before it has read everything; what it said still counts.
        let _ = client.send(&bytes[..cut]);
        let _ = client.send(&bytes[cut..]);
        client
            .finish()
            .unwrap_or_else(|error| error.to_string().into_bytes())
    };
    let (real, ours) = (
        without_ids(&play(&world.real)),
        without_ids(&play(&world.ours)),
    );
    // A close with bytes unread resets the connection, and that may swallow the error.
    let swallowed = bytes.len() > OVERLONG && (real.is_empty() || ours.is_empty());
    // What was answered before the connection of an attacker is cut may have left by then, or not.
    let text = bytes.to_ascii_lowercase();
    let attack = [&b"post "[..], b"host:"]
        .iter()
        .any(|word| text.windows(5).any(|at| at == *word));
    let cut_off = attack && (real.starts_with(&ours) || ours.starts_with(&real));
    if real != ours && !swallowed && !cut_off {
        let both = format!(
            "  real  {}\n  ours  {}",
            escape(real.as_bytes()),
            escape(ours.as_bytes())
        );
        world.differ("bytes", &[bytes], &both);
    }
    for side in [&mut world.real, &mut world.ours] {
        side.reader.ask("DEL s");
    }
}

/// HELLO says the version, the connection's number and what modules bring, which differ by right.
fn without_ids(bytes: &[u8]) -> String {
    let text = without_modules(bytes.escape_ascii().to_string());
    match text.split_once("version") {
        Some((before, after)) => {
            let rest = after.split_once("proto").map_or(after, |(_, rest)| rest);
            let rest = rest.split_once("mode").map_or(rest, |(_, rest)| rest);
            format!("{before}...{rest}")
        }
        None => text,
    }
}

/// Ours tells of those that are built in: each is a map of four, and the last of its values an empty array.
fn without_modules(text: String) -> String {
    let Some((before, after)) = text.split_once(r"modules\r\n*") else {
        return text;
    };
    let Some((count, after)) = after.split_once(r"\r\n") else {
        return text;
    };
    let Ok(count) = count.parse::<usize>() else {
        return text;
    };
    let rest = after.splitn(count + 1, r"args\r\n*0\r\n").nth(count);
    rest.map_or(text.clone(), |rest| format!("{before}modules{rest}"))
}
