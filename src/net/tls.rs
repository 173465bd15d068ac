//! A client's socket over TLS: plain bytes on this side, records on the other.
//!
//! Bytes count as written once the socket has taken all of the records that they were put in. So whoever writes keeps them
//! until then, as with a plain socket, and offers them again; and nothing is on its way of which nobody knows.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, BufRead, IoSlice, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, Connection, HandshakeKind, InvalidMessage, ServerConfig,
    ServerConnection, SupportedCipherSuite,
};
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::tls;
use crate::util::clock;
use crate::util::memory::grow_exactly;

/// Bytes that one read takes from the socket.
const READ_BYTES: usize = 64 * 1024;
/// Bytes that a record holds at most.
const RECORD_BYTES: usize = 16 * 1024;
/// Records of a key that are kept for what TLS itself has to say.
const RECORDS_SPARED: u64 = 1024;
/// Bytes put into records before the socket is asked to take them.
const WRITE_BYTES: usize = 64 * 1024;

thread_local! {
    /// What came last from some socket of this thread, before it is read.
    static RECORDS: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

pub struct Secure {
    socket: TcpStream,
    tls: Connection,
    /// Bytes that were put into records which the socket has yet to take.
    promised: usize,
    /// Records that the key is good for. TLS 1.3 takes a new one by itself; TLS 1.2 can't, and rustls would drop what
    /// comes after the last.
    records_left: u64,
    /// What came right behind the handshake.
    early: BytesMut,
    /// The other end has said that it sends no more.
    ended: bool,
    /// The other end speaks TLS, as far as is known.
    understood: bool,
}

/// A socket that takes what it can at once.
struct AtOnce<'s>(&'s TcpStream);

impl Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Secure {
    pub fn new(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Self> {
        let tls = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Secure::over(socket, tls.into()))
    }

    /// At this end of a connection to another server. No name of a host is checked, so that an address does for one.
    pub fn to_server(socket: TcpStream, config: Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::IpAddress(socket.peer_addr()?.ip().into());
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Secure::over(socket, tls.into()))
    }

    fn over(socket: TcpStream, mut tls: Connection) -> Self {
        // What is put into records at a time is bounded here.
        tls.set_buffer_limit(None);
        Secure {
            socket,
            tls,
            promised: 0,
            records_left: u64::MAX,
            early: BytesMut::new(),
            ended: false,
            understood: true,
        }
    }

    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The certificate that the other end has shown.
    pub fn shown(&self) -> Option<&CertificateDer<'static>> {
        self.tls.peer_certificates()?.first()
    }

    /// Comes to an agreement with the other end. `turns` lets one handshake of this thread reckon at a time, and the
    /// sockets be looked at before the next one does.
    pub async fn shake_hands(&mut self, turns: &Mutex<()>) -> io::Result<()> {
        while self.tls.is_handshaking() {
            // What is to be sent may not fit into the socket at once.
            let wanted = match self.tls.wants_write() {
                true => Interest::READABLE | Interest::WRITABLE,
                false => Interest::READABLE,
            };
            self.socket.ready(wanted).await?;
            let _turn = turns.lock().await;
            self.push()?;
            let mut early = std::mem::take(&mut self.early);
            // The turn is not kept while there is nothing to be read.
            let taken =
                poll_fn(|context| Poll::Ready(self.poll_records(context, &mut early))).await;
            self.early = early;
            match taken {
                Poll::Ready(taken) => _ = taken?,
                Poll::Pending => continue,
            }
            if self.ended && self.tls.is_handshaking() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            tokio::task::yield_now().await;
        }
        poll_fn(|context| self.poll_push(context)).await?;
        self.check_resumed()?;
        let suite = self.tls.negotiated_cipher_suite();
        if let Some(SupportedCipherSuite::Tls12(suite)) = suite {
            self.records_left = suite
                .common
                .confidentiality_limit
                .saturating_sub(RECORDS_SPARED);
        }
        Ok(())
    }

    /// A session that goes on shows a certificate of before, which may have come to its end.
    fn check_resumed(&self) -> io::Result<()> {
        let resumed = self.tls.handshake_kind() == Some(HandshakeKind::Resumed);
        let now_s = (clock::now_ms() / 1000) as i64;
        match self.shown() {
            Some(cert) if resumed && !tls::is_current(cert, now_s) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "certificate verify failed: certificate has expired",
            )),
            _ => Ok(()),
        }
    }

    /// Reads what is there to the end of `buf`; 0 at the end of the stream.
    pub fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buf: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        let early = std::mem::take(&mut self.early);
        buf.extend_from_slice(&early);
        let mut taken = early.len();
        while taken == 0 && !self.ended {
            taken = ready!(self.poll_records(context, buf))?;
        }
        Poll::Ready(Ok(taken))
    }

    /// Takes what the socket has at once, and opens its records to the end of `buf`. A socket that had less than there was
    /// room for isn't asked again before more has come.
    fn poll_records(
        &mut self,
        context: &mut Context<'_>,
        buf: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        RECORDS.with_borrow_mut(|records| {
            let mut space = ReadBuf::new(records);
            ready!(Pin::new(&mut self.socket).poll_read(context, &mut space))?;
            Poll::Ready(self.open(space.filled(), buf))
        })
    }

    /// Opens records to the end of `buf`.
    fn open(&mut self, mut records: &[u8], buf: &mut BytesMut) -> io::Result<usize> {
        self.ended |= records.is_empty();
        let mut taken = 0;
        while !records.is_empty() && !self.ended {
            self.tls.read_tls(&mut records)?;
            let state = match self.tls.process_new_packets() {
                Ok(state) => state,
                Err(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType))
                    if self.tls.is_handshaking() =>
                {
                    // It would take an alert for a reply.
                    self.understood = false;
                    let why = "wrong version number: what came is not TLS";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
                Err(error) => {
                    // The other end is told why, if it listens.
                    let _ = self.push();
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            };
            self.ended |= state.peer_has_closed();
            taken += self.take_plain(buf)?;
        }
        self.push()?;
        Ok(taken)
    }

    fn take_plain(&mut self, buf: &mut BytesMut) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            let mut reader = self.tls.reader();
            let count = match reader.fill_buf() {
                Ok(bytes) => {
                    append(buf, bytes);
                    bytes.len()
                }
                // There is no more, or there will be no more.
                Err(_) => 0,
            };
            if count == 0 {
                return Ok(taken);
            }
            reader.consume(count);
            taken += count;
        }
    }

    /// Gives the socket the records that it takes at once; whether those were all.
    fn push(&mut self) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut AtOnce(&self.socket)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn poll_push(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.push()? {
            ready!(self.socket.poll_write_ready(context))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Puts the first of these bytes into records, unless some are in records already: those are the first of these.
    fn promise(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.promised == 0 {
            let some = &bytes[..bytes.len().min(WRITE_BYTES)];
            let records = some.len().div_ceil(RECORD_BYTES) as u64;
            let left = self.records_left.checked_sub(records);
            self.records_left = left.ok_or(io::ErrorKind::ConnectionAborted)?;
            self.promised = self.tls.writer().write(some)?;
        }
        Ok(())
    }

    /// Writes what the socket takes at once.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.promise(bytes)?;
        match self.push()? {
            true => Ok(std::mem::take(&mut self.promised)),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.promise(bytes)?;
        ready!(self.poll_push(context))?;
        Poll::Ready(Ok(std::mem::take(&mut self.promised)))
    }
}

/// Adds bytes to the end of `buf`. Where it is large it grows by no more than that, as a client with a long argument would be
/// counted twice.
fn append(buf: &mut BytesMut, bytes: &[u8]) {
    let needed = buf.len() + bytes.len();
    if needed > buf.capacity() && needed > READ_BYTES {
        grow_exactly(buf, bytes.len());
    }
    buf.extend_from_slice(bytes);
}

impl Drop for Secure {
    fn drop(&mut self) {
        if self.understood {
            // So that the other end knows that nobody has cut off what it was sent.
            self.tls.send_close_notify();
            let _ = self.push();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rustls::crypto::CryptoProvider;
    use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider};
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::version::TLS12;
    use rustls::{
        CipherSuiteCommon, ClientConfig, ClientConnection, RootCertStore, StreamOwned,
        Tls12CipherSuite,
    };

    use super::*;

    /// A certificate that is its own authority, and lasts for a century.
    const CERT: &str = "\
-----BEGIN CERTIFICATE-----
MIIBhDCCASmgAwIBAgIUWqsIP9gITUJ/m15377uHddwzuFcwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjkyMDEwMDJaGA8yMTI2MTEwNTIwMTAw
MlowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABErC
N2TPsn3VyzSuAslWUb+wTxjinb3iriCtPk0hiDzp+YWGyme7FWqyFl0jFPBbX2/E
YeDNiefAUlJJQAEoVRajYTBfMB0GA1UdDgQWBBSEWZNY9dHJMLDhomb8swB7EEvk
4TAfBgNVHSMEGDAWgBSEWZNY9dHJMLDhomb8swB7EEvk4TAMBgNVHRMBAf8EAjAA
MA8GA1UdEQQIMAaHBH8AAAEwCgYIKoZIzj0EAwIDSQAwRgIhAINrhhfWzp9xEKPq
zNZP4/ZDTugFf0f5Uuc+2rvNaS0ZAiEAgMr1esgrzq7XdyJoFAsLDH9sYcgpeLFG
sKXTSp35Ltg=
-----END CERTIFICATE-----
";
    const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2fMIer6RpS9rB9w2
uZYE0xu58FZr5/iXauLUlZ09JEOhRANCAARKwjdkz7J91cs0rgLJVlG/sE8Y4p29
4q4grT5NIYg86fmFhspnuxVqshZdIxTwW19vxGHgzYnnwFJSSUABKFUW
-----END PRIVATE KEY-----
";

    /// A cipher whose keys are good for few records.
    fn brief(records: u64) -> SupportedCipherSuite {
        let usual = cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
        let SupportedCipherSuite::Tls12(usual) = usual else {
            panic!("it is one of TLS 1.2");
        };
        let common = CipherSuiteCommon {
            suite: usual.common.suite,
            hash_provider: usual.common.hash_provider,
            confidentiality_limit: records,
        };
        SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
            common,
            prf_provider: usual.prf_provider,
            kx: usual.kx,
            sign: usual.sign,
            aead_alg: usual.aead_alg,
        })))
    }

    fn cert() -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(CERT.as_bytes()).expect("a certificate")
    }

    fn served(records: u64) -> Arc<ServerConfig> {
        let provider = CryptoProvider {
            cipher_suites: vec![brief(records)],
            ..default_provider()
        };
        let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&TLS12])
            .expect("a protocol")
            .with_no_client_auth()
            .with_single_cert(vec![cert()], key);
        Arc::new(config.expect("a configuration"))
    }

    /// All that comes until the other end says that no more will.
    fn heard(socket: std::net::TcpStream) -> Vec<u8> {
        let mut roots = RootCertStore::empty();
        roots.add(cert()).expect("an authority");
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS12])
            .expect("a protocol")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let tls = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut heard = Vec::new();
        let read = StreamOwned::new(tls, socket).read_to_end(&mut heard);
        read.expect("it ends with a farewell");
        heard
    }

    /// In TLS 1.2 no new key can be had: what would follow the last record is refused, and the other end hears that all is over.
    #[test]
    fn a_connection_ends_with_the_last_record_of_its_key() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
            let listener = listener.expect("a port");
            let address = listener.local_addr().expect("an address");
            let client = std::thread::spawn(move || {
                heard(std::net::TcpStream::connect(address).expect("a connection"))
            });
            let (socket, _) = listener.accept().await.expect("a client");
            let mut secure = Secure::new(socket, served(RECORDS_SPARED + 3)).expect("a link");
            let turns = Mutex::new(());
            secure.shake_hands(&turns).await.expect("a handshake");
            for _ in 0..3 {
                let written = poll_fn(|context| secure.poll_write(context, b"word")).await;
                assert_eq!(written.expect("the key lasts"), 4);
            }
            let written = poll_fn(|context| secure.poll_write(context, b"word")).await;
            let why = written.map_err(|error| error.kind());
            assert_eq!(why, Err(io::ErrorKind::ConnectionAborted));
            drop(secure);
            assert_eq!(client.join().expect("it has heard"), b"wordwordword");
        });
    }
}
