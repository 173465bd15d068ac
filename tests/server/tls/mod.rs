//! TLS: clients, links to other servers, certificates and their change. The real redis-server and OpenSSL are the
//! specification.

mod certs;
mod chains;
mod links;
mod peers;
mod serving;

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use crate::common::{Client, Server, Transport, Value, free_port};
pub use certs::Certs;

/// Options of a server that has a certificate, and as yet no port for TLS.
fn options(certs: &Certs) -> Vec<String> {
    let words = [
        ("--tls-cert-file", "redis.crt"),
        ("--tls-key-file", "redis.key"),
        ("--tls-ca-cert-file", "ca.crt"),
    ];
    let mut options = Vec::new();
    for (name, file) in words {
        options.extend([name.to_owned(), certs.text(file)]);
    }
    options
}

fn start(program: &std::path::Path, certs: &Certs, more: &[&str]) -> Server {
    let mut all = options(certs);
    all.extend(more.iter().map(|word| (*word).to_owned()));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    Server::start_program(program, &all)
}

/// Opens a port for TLS on a server that runs.
fn open(client: &mut Client) -> u16 {
    let mut tries = (0..20).map(|_| free_port());
    let opened =
        tries.find(|port| client.ask(&format!("CONFIG SET tls-port {port}")).text() == "OK");
    opened.expect("a port for TLS")
}

/// Takes whatever a server shows.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

struct Secured(StreamOwned<ClientConnection, TcpStream>);

impl io::Read for Secured {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl io::Write for Secured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Transport for Secured {
    fn socket(&self) -> &TcpStream {
        &self.0.sock
    }
}

/// A client that shows this certificate, or none; an error if the server doesn't want it.
pub fn connect(port: u16, certs: &Certs, shown: Option<&str>) -> io::Result<Client> {
    shaken(port, shown.map(|name| named(certs, name)))
}

/// The certificates and the key of a name.
fn named(certs: &Certs, name: &str) -> CertifiedKey {
    let chain = CertificateDer::pem_file_iter(certs.path(&format!("{name}.crt")))
        .and_then(Iterator::collect)
        .expect("certificates");
    certified(certs, chain, name)
}

/// A client that shows this one certificate, with the key of that name.
fn connect_with(port: u16, certs: &Certs, der: Vec<u8>, key: &str) -> io::Result<Client> {
    shaken(port, Some(certified(certs, vec![der.into()], key)))
}

fn certified(certs: &Certs, chain: Vec<CertificateDer<'static>>, key: &str) -> CertifiedKey {
    let file = certs.path(&format!("{key}.key"));
    let key = PrivateKeyDer::from_pem_file(file).expect("a key");
    let loaded = default_provider().key_provider.load_private_key(key);
    CertifiedKey::new(chain, loaded.expect("a key"))
}

fn shaken(port: u16, shown: Option<CertifiedKey>) -> io::Result<Client> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    let connection = client_of(Arc::new(trusting(shown)))?;
    spoken(StreamOwned::new(connection, socket))
}

/// What a client that takes whatever a server shows goes by.
fn trusting(shown: Option<CertifiedKey>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("usual protocols")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting));
    match shown {
        None => builder.with_no_client_auth(),
        Some(shown) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown))),
    }
}

fn client_of(config: Arc<ClientConfig>) -> io::Result<ClientConnection> {
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    ClientConnection::new(config, name).map_err(io::Error::other)
}

fn spoken(stream: StreamOwned<ClientConnection, TcpStream>) -> io::Result<Client> {
    let mut client = Client::over(Secured(stream))?;
    // Refusals of TLS 1.3 come behind the handshake.
    client.try_ask(&["PING"])?;
    Ok(client)
}

fn pong(reply: &Value) -> bool {
    reply.text() == "PONG"
}
