//! Keeps the last messages of the live stream, so that a client that was cut off continues where it was.
//!
//! Each message has a number that grows by one. The ring has a limit on messages and on bytes; the oldest leave first. A reader
//! is only a number: a slow one costs no memory.

use std::collections::VecDeque;
use std::sync::Arc;

use hyper::body::Bytes;

/// Largest number of messages: some fifteen minutes.
const MOST_MESSAGES: usize = 1024;
/// Largest number of bytes of all messages.
const MOST_BYTES: usize = 2 << 20;

/// What a client may see of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Everything.
    Exact,
    /// Energy in steps of 0.1 J, no jobs, no names.
    Coarse,
}

/// One message, as the client receives it.
#[derive(Debug)]
pub(crate) struct Message {
    /// Name of the event.
    pub(crate) name: &'static str,
    /// JSON for clients that may see everything.
    pub(crate) exact: String,
    /// JSON for all others.
    pub(crate) coarse: String,
}

impl Message {
    /// Returns the JSON for a client.
    pub(crate) fn text(&self, detail: Detail) -> &str {
        if detail == Detail::Exact { &self.exact } else { &self.coarse }
    }

    fn bytes(&self) -> usize {
        self.exact.len() + self.coarse.len()
    }
}

/// The next thing to send to a reader.
#[derive(Debug)]
pub(crate) enum Next {
    /// This message.
    Message(Arc<Message>),
    /// The messages until before this number are gone.
    Lost {
        /// Number of messages that are gone.
        dropped: u64,
        /// Number of the oldest message that is left.
        resume: u64,
    },
    /// Nothing yet.
    Wait,
}

/// The last messages.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    messages: VecDeque<Arc<Message>>,
    /// Number of the next message.
    next: u64,
    bytes: usize,
}

impl Ring {
    /// Adds a message and drops the oldest that no longer fit.
    pub(crate) fn push(&mut self, message: Message) {
        self.bytes += message.bytes();
        self.messages.push_back(Arc::new(message));
        self.next += 1;
        while self.messages.len() > MOST_MESSAGES || (self.bytes > MOST_BYTES && self.messages.len() > 1) {
            if let Some(oldest) = self.messages.pop_front() {
                self.bytes -= oldest.bytes();
            }
        }
    }

    /// Drops every message, and the next one that would have been added: a reader that comes back has lost it.
    pub(crate) fn skip(&mut self) {
        self.messages = VecDeque::new();
        (self.bytes, self.next) = (0, self.next + 1);
    }

    /// Returns the number that the next message will have.
    pub(crate) fn next_number(&self) -> u64 {
        self.next
    }

    /// Returns what a reader gets whose next message is `number`.
    pub(crate) fn at(&self, number: u64) -> Next {
        let oldest = self.next - self.messages.len() as u64;
        if number < oldest {
            return Next::Lost { dropped: oldest - number, resume: oldest };
        }
        let message = usize::try_from(number - oldest).ok().and_then(|at| self.messages.get(at));
        message.map_or(Next::Wait, |message| Next::Message(Arc::clone(message)))
    }
}

/// Returns a message in the form of an event stream.
///
/// Source: HTML, "Server-sent events". JSON has no line breaks, so the data is one line.
pub(crate) fn frame(epoch: u64, number: u64, name: &str, data: &str) -> Bytes {
    Bytes::from(format!("id: {epoch:x}-{number}\nevent: {name}\ndata: {data}\n\n"))
}

/// Returns the number in the id of a message; `None` if it is from another process or no id.
pub(crate) fn number_of(id: &str, epoch: u64) -> Option<u64> {
    let (of, number) = id.trim().split_once('-')?;
    (u64::from_str_radix(of, 16).ok()? == epoch).then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message { name: "sample", exact: text.to_owned(), coarse: String::new() }
    }

    #[test]
    fn reader_that_is_too_slow_learns_how_many_messages_it_lost() {
        let mut ring = Ring::default();
        (0..MOST_MESSAGES + 10).for_each(|at| ring.push(message(&at.to_string())));
        let Next::Lost { dropped: 10, resume } = ring.at(0) else { panic!("{:?}", ring.at(0)) };
        let Next::Message(first) = ring.at(resume) else { panic!("{:?}", ring.at(resume)) };
        assert_eq!(first.exact, "10");
        assert!(matches!(ring.at(ring.next_number()), Next::Wait));
        assert!(matches!(ring.at(u64::MAX), Next::Wait));
    }

    #[test]
    fn bytes_are_bounded_whatever_the_messages_hold() {
        let mut ring = Ring::default();
        (0..40).for_each(|_| ring.push(message(&"x".repeat(MOST_BYTES / 8))));
        assert!(ring.bytes <= MOST_BYTES && ring.messages.len() == 8, "{}", ring.messages.len());
    }

    #[test]
    fn id_of_another_process_is_no_place_to_continue() {
        let text = String::from_utf8(frame(0xab, 7, "sample", "{}").to_vec()).unwrap();
        assert_eq!(text, "id: ab-7\nevent: sample\ndata: {}\n\n");
        assert_eq!(number_of("ab-7", 0xab), Some(7));
        for foreign in ["ac-7", "7", "", "ab-", "ab--1", "ab-99999999999999999999", "\u{e9}-1"] {
            assert_eq!(number_of(foreign, 0xab), None, "{foreign}");
        }
    }
}
