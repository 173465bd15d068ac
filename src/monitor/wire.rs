//! One connection: commands out, replies in.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::codec::Decoder;

use crate::net::{Buffers, Dial, Dialled, NetStream};
use crate::resp::encode;
use crate::resp::value::{ClientCodec, Value};
use crate::sentinel::WireId;
use crate::state::sentinel::Watching;
use crate::state::shared::Shared;
use crate::util::crash;

/// The longest reply: what a master with thousands of replicas says of itself is a quarter of it.
const REPLY_BYTES_MAX: usize = 1 << 20;
/// How long a handshake of TLS may take. A connection that takes too long is given up by the state.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct PeerWire<'m> {
    pub shared: &'m Shared,
    pub watching: &'m Watching,
    pub buffers: &'m Buffers,
    pub id: WireId,
    pub words: UnboundedReceiver<Vec<Vec<u8>>>,
}

impl PeerWire<'_> {
    /// Connects, and serves the connection until it is lost.
    pub async fn serve(mut self, host: &str, port: u16) {
        match self.dial(host, port).await {
            Ok(dialled) => {
                let local = dialled.local.ip().to_canonical().to_string();
                self.shared.in_sentinel(self.watching, |sentinel| {
                    sentinel.connected(self.id, local);
                });
                if let Err(error) = self.exchange(dialled.stream).await {
                    tracing::debug!("The connection to {host}:{port} is lost: {error}");
                }
            }
            Err(error) => tracing::debug!("No connection to {host}:{port}: {error}"),
        }
    }

    async fn dial(&self, host: &str, port: u16) -> io::Result<Dialled> {
        let shared = self.shared;
        let mut host = host.to_owned();
        if host.parse::<IpAddr>().is_err() {
            // What the name means may have changed.
            let found = tokio::net::lookup_host((&*host, port)).await?.next();
            let found = found.map(|found| found.ip().to_string());
            shared.in_sentinel(self.watching, |sentinel| {
                sentinel.learn(&host, found.clone());
            });
            host = found.ok_or_else(|| io::Error::other("the name has no address"))?;
        }
        let source = shared.config.bind_source_addr.get();
        let source = String::from_utf8_lossy(&source).into_owned();
        let way = Dial {
            source: &source,
            tls: shared.tls.client(shared.config.tls_replication.get())?,
            patience: PATIENCE,
        };
        way.to(self.buffers, (&host, port)).await
    }

    async fn exchange(&mut self, mut stream: NetStream) -> io::Result<()> {
        let mut codec = ClientCodec::default();
        let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
        loop {
            poll_fn(|context| self.poll(context, &mut stream, &mut input, &mut out)).await?;
            while let Some(value) = codec.decode(&mut input)? {
                self.tell(value)?;
            }
            if input.len() > REPLY_BYTES_MAX {
                return Err(io::Error::other("a reply is too long"));
            }
            tokio::task::yield_now().await;
        }
    }

    /// Writes what is to be written, until something has come.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut NetStream,
        input: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Poll<io::Result<()>> {
        while let Poll::Ready(Some(words)) = self.words.poll_recv(context) {
            let mut bytes = Vec::new();
            encode(&words, &mut bytes);
            out.extend_from_slice(&bytes);
        }
        while !out.is_empty() {
            match stream.poll_write(context, out) {
                Poll::Ready(Ok(count)) => drop(out.split_to(count)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        match stream.poll_read(context, input) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn tell(&self, value: Value) -> io::Result<()> {
        let (shared, id) = (self.shared, self.id);
        let told = crash::catch(|| {
            let reply = |sentinel: &mut crate::sentinel::Sentinel| sentinel.replied(id, value);
            shared.in_sentinel(self.watching, reply);
        });
        told.map_err(|_| {
            tracing::error!("A bug: a reply to this Sentinel made a panic; please report it.");
            io::Error::other("it made a panic")
        })
    }
}
