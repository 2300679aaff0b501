//! Defines [`Message`], a request that waits in an outbox, and its form as a file: a line with a check sum and a length, the
//! request line, one line per header, an empty line, and the body.

use std::fmt::Write as _;

/// First word of a file.
const MAGIC: &str = "eco2.message/1";

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Adds to what the server has.
    Post,
    /// Replaces what the server has.
    Put,
}

impl Method {
    const ALL: [Self; 2] = [Self::Post, Self::Put];

    fn name(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// A request to a server whose address and token are known elsewhere. It contains no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its method.
    pub method: Method,
    /// What follows the base address, such as `/v1/metrics`; may be empty.
    pub path: String,
    /// Names and values of headers, without line ends.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub body: Vec<u8>,
}

impl Message {
    /// Returns a POST of a content of this type.
    #[must_use]
    pub fn post(path: &str, content_type: &str, body: Vec<u8>) -> Self {
        Self { method: Method::Post, path: path.to_owned(), headers: Vec::new(), body }
            .header("content-type", content_type)
    }

    /// Returns a PUT of a content of this type.
    #[must_use]
    pub fn put(path: &str, content_type: &str, body: Vec<u8>) -> Self {
        Self { method: Method::Put, ..Self::post(path, content_type, body) }
    }

    /// Returns the message with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns the message as the content of a file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut head = format!("{} {}\n", self.method.name(), self.path);
        for (name, value) in &self.headers {
            // Writing to a string cannot fail.
            let _ = writeln!(head, "{name}: {value}");
        }
        head.push('\n');
        let rest = [head.as_bytes(), &self.body].concat();
        let first = format!("{MAGIC} {:08x} {}\n", crc32fast::hash(&rest), rest.len());
        [first.as_bytes(), &rest].concat()
    }

    /// Returns the message of a file's content; `None`: it is damaged or of another version.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = split(bytes)?;
        let mut words = first.split(' ');
        let is_known = words.next() == Some(MAGIC);
        let sum = u32::from_str_radix(words.next()?, 16).ok()?;
        let length: usize = words.next()?.parse().ok()?;
        if !is_known || length != rest.len() || sum != crc32fast::hash(rest) {
            return None;
        }
        let (request, mut rest) = split(rest)?;
        let (method, path) = request.split_once(' ')?;
        let method = Method::ALL.into_iter().find(|known| known.name() == method)?;
        let mut headers = Vec::new();
        loop {
            let (line, after) = split(rest)?;
            rest = after;
            if line.is_empty() {
                return Some(Self { method, path: path.to_owned(), headers, body: rest.to_vec() });
            }
            let (name, value) = line.split_once(": ")?;
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
}

/// Returns the first line, without its end, and what follows.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_has_the_whole_message_and_every_truncation_or_change_is_noticed() {
        let message = Message::put("/metrics/job/eco2", "text/plain", b"a\n\nb\0\xff".to_vec()).header("x", "y: z");
        let file = message.encode();
        assert_eq!(Message::decode(&file), Some(message));
        for end in 0..file.len() {
            assert_eq!(Message::decode(&file[..end]), None, "cut after {end} bytes");
        }
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut changed = file.clone();
                changed[at] ^= 1 << bit;
                // A check sum is the same number in capital letters.
                if !changed.eq_ignore_ascii_case(&file) {
                    assert_eq!(Message::decode(&changed), None, "bit {bit} of byte {at}");
                }
            }
        }
        assert_eq!(Message::decode(&[file, b"x".to_vec()].concat()), None, "something follows");
    }
}
