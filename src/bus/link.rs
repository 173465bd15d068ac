//! One connection of the bus: frames in, frames out.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::cluster::{BadFrame, Frame, LinkId};
use crate::command::clustering::Clustering;
use crate::command::shared::Shared;
use crate::net::Stream;
use crate::util::crash;

/// Room kept for what is read once it has been used up.
const INPUT_BYTES_KEPT: usize = 64 * 1024;

pub struct Link<'s> {
    pub id: LinkId,
    pub shared: &'s Shared,
    pub clustering: &'s Clustering,
    pub stream: Stream,
    pub frames: UnboundedReceiver<Bytes>,
    /// Bytes that wait to be written, as the state counts them.
    pub waiting: Arc<AtomicUsize>,
}

enum Heard {
    Bytes,
    /// This side closes it.
    Closed,
}

impl Link<'_> {
    /// Serves the connection until either side closes it.
    pub async fn serve(mut self) {
        let mut input = BytesMut::new();
        let mut out = VecDeque::new();
        loop {
            let heard = poll_fn(|context| self.poll(context, &mut input, &mut out)).await;
            match heard {
                Ok(Heard::Bytes) => {}
                Ok(Heard::Closed) => return,
                Err(error) => {
                    tracing::debug!("I/O error on a cluster link: {error}");
                    break;
                }
            }
            if let Err(why) = self.take_frames(&mut input) {
                tracing::warn!(
                    "Bad message length or signature received from Cluster bus. ({why:?})"
                );
                break;
            }
            if input.is_empty() && input.capacity() > INPUT_BYTES_KEPT {
                input = BytesMut::new();
            }
            tokio::task::yield_now().await;
        }
        self.shared
            .in_cluster(self.clustering, |cluster, _| cluster.closed(self.id));
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
        input: &mut BytesMut,
        out: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<Heard>> {
        loop {
            match self.frames.poll_recv(context) {
                Poll::Ready(Some(frame)) => out.push_back(frame),
                Poll::Ready(None) => return Poll::Ready(Ok(Heard::Closed)),
                Poll::Pending => break,
            }
        }
        while let Some(frame) = out.front_mut() {
            match self.stream.poll_write(context, frame) {
                Poll::Ready(Ok(count)) => {
                    self.waiting.fetch_sub(count, Ordering::Relaxed);
                    frame.advance(count);
                    if frame.is_empty() {
                        out.pop_front();
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        match self.stream.poll_read(context, input) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(Heard::Bytes)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn hear(&self, frame: Frame) -> Result<(), BadFrame> {
        let heard = crash::catch(|| {
            self.shared.in_cluster(self.clustering, |cluster, moment| {
                cluster.receive(self.id, frame, moment);
            });
        });
        heard.map_err(|_| {
            tracing::error!("A bug: a frame of the cluster's bus made a panic; please report it.");
            BadFrame::Content("it made a panic")
        })
    }

    /// Hands every whole frame to the state.
    fn take_frames(&self, input: &mut BytesMut) -> Result<(), BadFrame> {
        loop {
            let known = self.clustering.look(|cluster| cluster.knows(self.id));
            let Some(length) = Frame::length(input, known)? else {
                return Ok(());
            };
            if input.len() < length {
                return Ok(());
            }
            let bytes = input.split_to(length).freeze();
            match Frame::read(&bytes) {
                Ok(frame) => self.hear(frame)?,
                Err(why) => tracing::warn!("Received an invalid frame on the Cluster bus: {why:?}"),
            }
        }
    }
}
