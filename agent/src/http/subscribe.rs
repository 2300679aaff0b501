//! Sends the live stream to one client: what it missed, what is new, and a sign of life in between.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::{mpsc, watch};

use super::access::Rights;
use super::ring::{Next, frame};
use super::stream::{CONSUMERS, Stream};

/// Largest number of clients at the same time.
pub(crate) const MOST_CLIENTS: usize = 32;
/// Places that are kept for callers that may see everything, and for users at the socket.
const KEPT: usize = 8;
/// Largest number of clients of one user at the socket.
const MOST_PER_USER: usize = 4;
/// Time without a message after which a comment is sent.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Counts the clients of the stream, by what they may see: one user cannot keep the others out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clients(Arc<Mutex<Vec<Rights>>>);

/// The place of one client; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Place {
    all: Clients,
    rights: Rights,
}

impl Clients {
    /// Returns a place, or `None` if all are taken that such a client may have.
    pub(crate) fn enter(&self, rights: Rights) -> Option<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = all.iter().filter(|other| **other == rights).count();
        let (most, most_same) = match rights {
            Rights::All => (MOST_CLIENTS, MOST_CLIENTS),
            Rights::Own(_) => (MOST_CLIENTS - KEPT, MOST_PER_USER),
            Rights::Coarse | Rights::Nothing => (MOST_CLIENTS - KEPT, MOST_CLIENTS - 2 * KEPT),
        };
        (all.len() < most && same < most_same).then(|| all.push(rights))?;
        Some(Place { all: self.clone(), rights })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = all.iter().position(|other| *other == self.rights) {
            all.swap_remove(at);
        }
    }
}

/// Where a client continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the message of this number.
    At(u64),
    /// With the next message, because the client knows none.
    Now,
    /// Nowhere: its last message is from another process.
    Lost,
}

/// Sends the stream until the client is gone. At most one frame waits per client, so that a slow client costs no memory; what it
/// was too slow for is reported to it as `lag`.
pub(crate) async fn send(stream: Arc<Stream>, start: Start, rights: Rights, out: mpsc::Sender<Bytes>, _place: Place) {
    let mut news = stream.subscribe();
    let epoch = stream.epoch;
    let mut number = match start {
        Start::At(number) => number,
        Start::Now | Start::Lost => stream.next_number(),
    };
    // The first bytes go out at once: a browser opens the stream with them.
    let mut first = format!("retry: 1000\n: eco2 {epoch:x}\n\n");
    if start == Start::Lost {
        first += &String::from_utf8_lossy(&frame(epoch, number.wrapping_sub(1), "snapshot", "{}"));
    }
    if out.send(first.into()).await.is_err() {
        return;
    }
    loop {
        let bytes = match stream.at(number) {
            Next::Message(message) => {
                number += 1;
                match rights {
                    // A user's own jobs are in no message for all.
                    Rights::Own(_) if message.name == CONSUMERS => {
                        frame(epoch, number - 1, CONSUMERS, &stream.consumers(rights))
                    }
                    _ => frame(epoch, number - 1, message.name, message.text(rights.detail())),
                }
            }
            Next::Lost { dropped, resume } => {
                number = resume;
                frame(epoch, resume.wrapping_sub(1), "lag", &format!("{{\"dropped\":{dropped}}}"))
            }
            Next::Wait => match tokio::time::timeout(HEARTBEAT, gone_or_news(&out, &mut news)).await {
                Ok(true) => continue,
                Ok(false) => return,
                Err(_) => Bytes::from_static(b": alive\n\n"),
            },
        };
        if out.send(bytes).await.is_err() {
            return;
        }
    }
}

/// Waits for news; `false` if the client or the server is gone first.
async fn gone_or_news(out: &mpsc::Sender<Bytes>, news: &mut watch::Receiver<()>) -> bool {
    let (mut gone, mut changed) = (pin!(out.closed()), pin!(news.changed()));
    poll_fn(|context| match gone.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(false),
        Poll::Pending => changed.as_mut().poll(context).map(|changed| changed.is_ok()),
    })
    .await
}
