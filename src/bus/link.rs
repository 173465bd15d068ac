//! One connection of the bus: frames in, frames out.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::cluster::{BadFrame, Frame, LinkId};
use crate::net::NetStream;
use crate::state::clustering::Clustering;
use crate::state::shared::Shared;
use crate::util::{clock, crash};

/// Room kept for what is read once it has been used up.
const INPUT_BYTES_KEPT: usize = 64 * 1024;
/// Frames that are handed to the state at one time.
const BATCH_MAX: usize = 64;

pub struct PeerLink<'s> {
    pub id: LinkId,
    pub shared: &'s Shared,
    pub clustering: &'s Clustering,
    pub complaints: &'s Complaints,
    pub stream: NetStream,
    pub frames: UnboundedReceiver<Bytes>,
    /// Bytes that wait to be written, as the state counts them.
    pub waiting: Arc<AtomicUsize>,
}

enum Heard {
    Bytes,
    /// This side closes it.
    Closed,
}

impl PeerLink<'_> {
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
                self.complaints.say(&format!(
                    "Bad message length or signature received from Cluster bus. ({why:?})"
                ));
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

    /// Hands frames to the state: what follows from all of them is done once.
    fn hear(&self, frames: Vec<Frame>) -> Result<(), BadFrame> {
        let heard = crash::catch(|| {
            self.shared.in_cluster(self.clustering, |cluster, moment| {
                for frame in frames {
                    cluster.receive(self.id, frame, moment);
                }
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
            let mut frames = Vec::new();
            let ended = self.split_frames(input, known, &mut frames);
            let came = !frames.is_empty();
            if came {
                self.hear(frames)?;
            }
            match ended {
                Ok(Split::All) => return Ok(()),
                Ok(Split::Some) => {}
                // Who has told his name just now may send longer ones.
                Err(_) if came && !known => {}
                Err(why) => return Err(why),
            }
        }
    }

    /// Takes whole frames from what has come; those that can't be read are left out.
    fn split_frames(
        &self,
        input: &mut BytesMut,
        known: bool,
        frames: &mut Vec<Frame>,
    ) -> Result<Split, BadFrame> {
        for _ in 0..BATCH_MAX {
            let Some(length) = Frame::length(input, known)? else {
                return Ok(Split::All);
            };
            if input.len() < length {
                return Ok(Split::All);
            }
            let bytes = input.split_to(length).freeze();
            match Frame::read(&bytes) {
                Ok(frame) => frames.push(frame),
                Err(why) => self.complaints.say(&format!(
                    "Received an invalid frame on the Cluster bus: {why:?}"
                )),
            }
        }
        Ok(Split::Some)
    }
}

/// How much of what has come was taken.
enum Split {
    /// What is left is the beginning of a frame.
    All,
    Some,
}

/// Log lines about what anybody may send: one a second at most.
#[derive(Default)]
pub struct Complaints {
    said_ms: Cell<u64>,
    unsaid: Cell<u64>,
}

impl Complaints {
    /// The time between two lines.
    const REST_MS: u64 = 1000;

    fn say(&self, text: &str) {
        match self.may_say(clock::now_ms()) {
            None => {}
            Some(0) => tracing::warn!("{text}"),
            Some(unsaid) => tracing::warn!("{text} (and {unsaid} lines like it before)"),
        }
    }

    /// Whether a line may be written now: then, how many were not since the last one.
    fn may_say(&self, now_ms: u64) -> Option<u64> {
        if now_ms.abs_diff(self.said_ms.get()) < Self::REST_MS {
            self.unsaid.set(self.unsaid.get() + 1);
            return None;
        }
        self.said_ms.set(now_ms);
        Some(self.unsaid.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_complaints_one_a_second_is_logged() {
        let complaints = Complaints::default();
        let said = |now_ms| complaints.may_say(now_ms);
        assert_eq!(said(5000), Some(0));
        assert_eq!((said(5000), said(5999)), (None, None));
        assert_eq!((said(6000), said(6001)), (Some(2), None));
        // The clock may be set back.
        assert_eq!(said(1000), Some(1));
    }
}
