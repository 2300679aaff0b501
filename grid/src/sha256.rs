//! Computes the SHA-256 of the tables, files and answers that intensities and prices come from. Reports state it, so
//! that an auditor can check that the data are the same.

use std::fmt;
use std::io::{self, Read};

use ring::digest::{Context, Digest, SHA256, digest};

/// A SHA-256 (FIPS 180-4), displayed in hexadecimal like the output of `sha256sum`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Returns the hash of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::from(&digest(&SHA256, bytes))
    }

    /// Returns the hash of the bytes of all `parts`, one after the other.
    #[must_use]
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        parts.iter().for_each(|part| context.update(part));
        Self::from(&context.finish())
    }

    /// Returns the hash of everything that `input` returns.
    ///
    /// # Errors
    /// The error of a read.
    pub fn of_reader(mut input: impl Read) -> io::Result<Self> {
        let mut context = Context::new(&SHA256);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match input.read(&mut buffer) {
                Ok(0) => return Ok(Self::from(&context.finish())),
                Ok(read) => context.update(buffer.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the 32 bytes of the hash.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// Returns the hash that has these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn from(digest: &Digest) -> Self {
        let mut hash = [0; 32];
        hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(hash)
    }

    /// Parses 64 hexadecimal digits; `None` for any other text.
    #[cfg(feature = "providers")]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (place, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // FIPS 180-4, the examples of NIST.
        let of = |text: &str| Sha256::of(text.as_bytes()).to_string();
        assert_eq!(of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let read = Sha256::of_reader(&b"abc"[..]).unwrap();
        assert_eq!(read, Sha256::of(b"abc"));
        assert_eq!(read, Sha256::of_parts(&[b"a", b"", b"bc"]));
        assert_eq!(of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[cfg(feature = "providers")]
    #[test]
    fn displayed_hash_is_parsed_and_other_text_is_not() {
        let hash = Sha256::of(b"abc");
        assert_eq!(Sha256::parse(&hash.to_string()), Some(hash));
        for wrong in ["", "ba78", &"é".repeat(32), &"+a".repeat(32)] {
            assert_eq!(Sha256::parse(wrong), None, "{wrong}");
        }
    }
}
