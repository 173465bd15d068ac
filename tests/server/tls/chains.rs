//! A table of chains: what is let in here is what `openssl verify` and the real redis-server let in.

use std::io;

use super::certs::Certs;
use super::{connect, open};
use crate::common::{Server, our_server, real_redis, redis_is_missing};

const CHAINS: [(&str, bool); 20] = [
    ("redis", true),
    ("server", false),
    ("client", true),
    ("expired", false),
    ("stranger", false),
    ("usage_server", false),
    ("usage_client", true),
    ("leaf_ec", true),
    ("leaf_ed", true),
    ("alone", true),
    ("other", false),
    ("strange", false),
    ("chain_between", true),
    ("under_between", false),
    ("chain_last", true),
    ("chain_below", false),
    ("chain_not", false),
    ("chain_idle", false),
    ("chain_old", false),
    ("ca", true),
];

#[test]
fn chains_are_taken_as_openssl_takes_them() {
    if redis_is_missing() {
        return;
    }
    let certs = Certs::chains();
    let options = [
        "--tls-cert-file",
        &certs.text("redis.crt"),
        "--tls-key-file",
        &certs.text("redis.key"),
        "--tls-ca-cert-file",
        &certs.text("authorities.crt"),
    ];
    let servers = [our_server(), real_redis()].map(|program| {
        let server = Server::start_program(&program, &options);
        let port = open(&mut server.client());
        (server, port)
    });
    let mut wrong = Vec::new();
    for (name, taken) in CHAINS {
        let by_openssl = certs.openssl(&format!(
            "verify -purpose sslclient -CAfile authorities.crt -untrusted {name}.crt {name}.crt"
        ));
        let [ours, theirs] = servers
            .each_ref()
            .map(|(_, port)| connect(*port, &certs, Some(name)).is_ok());
        if [by_openssl, ours, theirs] != [taken; 3] {
            wrong.push(format!(
                "{name}: openssl {by_openssl}, ours {ours}, theirs {theirs}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", servers[0].0.log());
}

/// A certificate cut short or changed in one byte is refused, and nothing ends for it.
#[test]
fn damaged_certificates_are_refused() -> io::Result<()> {
    let certs = Certs::get();
    let server = super::start(&our_server(), certs, &[]);
    let mut plain = server.client();
    let port = open(&mut plain);
    let text = std::fs::read_to_string(certs.path("client.crt"))?;
    let mut random = fastrand::Rng::with_seed(1);
    let own = Certs::get().dir().join("damaged");
    std::fs::create_dir_all(&own)?;
    for _ in 0..200 {
        let mut der = pem(&text);
        let at = random.usize(0..der.len());
        match random.bool() {
            true => der[at] ^= 1 << random.u8(0..8),
            false => der.truncate(at),
        }
        // What the key has signed shows whose certificate it is: with another key it is refused as well.
        assert!(
            super::connect_with(port, certs, der, "client").is_err(),
            "a damaged certificate was taken"
        );
    }
    assert!(super::pong(&plain.ask("PING")));
    Ok(())
}

/// The bytes between the lines of a PEM file.
fn pem(text: &str) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject;
    rustls::pki_types::CertificateDer::from_pem_slice(text.as_bytes())
        .expect("a certificate")
        .to_vec()
}
