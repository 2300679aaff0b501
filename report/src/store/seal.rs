//! The seal of a run log: a signed statement of its content in a file next to it, so that any later change is found, also if the
//! chain was computed again.
//!
//! The file is a *signed note* of C2SP (<https://c2sp.org/signed-note>): a text, an empty line, and a line with the signature
//! (Ed25519, RFC 8032) of the text. The text is what [`text_of`] writes, and is compared line by line with the log. *Marks* are
//! links of the chain at up to 64 frames: from them follows between which frames a log was changed.
//!
//! ```text
//! eco2.seal/1
//! log 20261201-013554-2e68630e-6b18.eco2log
//! run 20261201-013554-2e68630e-6b18
//! part 20261201-013554-2e68630e-6b18
//! bytes 20182
//! sha256 <of the file>
//! frames 25
//! closed yes
//! chain <head of the chain, or none>
//! report <SHA-256 of the final report's JSON in the log, or none>
//! mark <frame> <position of its end> <link>
//!
//! — name base64(4 bytes of key id | 64 bytes of signature)
//! ```

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eco2_grid::Sha256;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::files;
use super::log::{LogCheck, LogFinding, MAX_LOG_BYTES, unclosed_ending};
use super::runs::seal_path;
use crate::Error;

/// First line of the text.
const SCHEMA: &str = "eco2.seal/1";
/// The signature's algorithm in key ids and keys: Ed25519.
const ALGORITHM: u8 = 1;
/// Start of a private key in a file, as Go's `golang.org/x/mod/sumdb/note` writes it.
const PRIVATE: &str = "PRIVATE+KEY+";
/// Largest seal and largest key that are read, bytes.
const MAX_BYTES: u64 = 64 << 10;

/// Why a key or a seal cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The file system refused, or the file is no regular file.
    #[error(transparent)]
    File(#[from] Error),
    /// Others can read the private key.
    #[error("{}: mode {mode:04o}, so that others can read this private key; run `chmod 600` on it, and make a new key if anyone may have", path.display())]
    Mode {
        /// The key file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The key is malformed.
    #[error("{what} is not a key of `eco2 verify --keygen` ({why})")]
    Key {
        /// The file, or `the public key`.
        what: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The system has no random numbers.
    #[error("the system has no random numbers for a new key")]
    Random,
    /// The log is not sound or is not closed.
    #[error("{}: not sealed: {why}", path.display())]
    Unfit {
        /// The log.
        path: PathBuf,
        /// Why.
        why: &'static str,
    },
}

/// A private key with its name.
pub struct SealKey {
    name: String,
    pair: Ed25519KeyPair,
}

/// A public key with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealPublicKey {
    name: String,
    bytes: [u8; 32],
}

impl SealKey {
    /// Writes a new private key to a file of mode 0600 that does not exist, and returns the key. Its name is the file's without
    /// suffix.
    ///
    /// # Errors
    /// [`SealError::File`], also if the file exists; [`SealError::Random`].
    pub fn generate(path: &Path) -> Result<Self, SealError> {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let name: String = stem.chars().filter(|c| !c.is_whitespace() && !c.is_control() && *c != '+').collect();
        if name.is_empty() {
            return Err(SealError::Key {
                what: path.display().to_string(),
                why: "the file's name gives the key no name",
            });
        }
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| SealError::Random)?;
        let key = Self::of_seed(name, &seed).ok_or(SealError::Random)?;
        let secret = [&[ALGORITHM][..], &seed].concat();
        let line = format!("{PRIVATE}{}+{:08x}+{}\n", key.name, key.public().id(), STANDARD.encode(secret));
        let io = |e| Error::io("create", path, e);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
        file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
        Ok(key)
    }

    /// Reads a private key.
    ///
    /// # Errors
    /// [`SealError::Mode`] if others can read the file, [`SealError::File`], [`SealError::Key`].
    pub fn read(path: &Path) -> Result<Self, SealError> {
        let file = files::open_regular(path, "key", MAX_BYTES)?;
        let mode = file.metadata().map_err(|e| Error::io("read", path, e))?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SealError::Mode { path: path.to_owned(), mode });
        }
        let bytes = files::read_open(file, path, "key", MAX_BYTES)?;
        let wrong = |why| SealError::Key { what: path.display().to_string(), why };
        let text = String::from_utf8(bytes).map_err(|_| wrong("not text"))?;
        let rest = text.trim().strip_prefix(PRIVATE).ok_or_else(|| wrong("it does not start with PRIVATE+KEY+"))?;
        let Parts { name, id, bytes } = Parts::parse(rest).map_err(wrong)?;
        let key = Self::of_seed(name, &bytes).ok_or_else(|| wrong("not 32 bytes"))?;
        if key.public().id() != id { Err(wrong("its id is that of another key")) } else { Ok(key) }
    }

    fn of_seed(name: String, seed: &[u8]) -> Option<Self> {
        Some(Self { name, pair: Ed25519KeyPair::from_seed_unchecked(seed).ok()? })
    }

    /// Returns the public key.
    #[must_use]
    pub fn public(&self) -> SealPublicKey {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(self.pair.public_key().as_ref()).for_each(|(to, from)| *to = *from);
        SealPublicKey { name: self.name.clone(), bytes }
    }

    /// Returns the signed note of a text that ends with a line end.
    fn sign(&self, text: &str) -> String {
        let signature = [&self.public().id().to_be_bytes()[..], self.pair.sign(text.as_bytes()).as_ref()].concat();
        format!("{text}\n— {} {}\n", self.name, STANDARD.encode(signature))
    }
}

impl SealPublicKey {
    /// Parses a public key as [`Self::text`] writes it.
    ///
    /// # Errors
    /// [`SealError::Key`].
    pub fn parse(text: &str) -> Result<Self, SealError> {
        let wrong = |why| SealError::Key { what: "the public key".to_owned(), why };
        let Parts { name, id, bytes } = Parts::parse(text.trim()).map_err(wrong)?;
        let bytes = bytes.try_into().map_err(|_| wrong("not 32 bytes"))?;
        let key = Self { name, bytes };
        if key.id() != id { Err(wrong("its id is that of another key")) } else { Ok(key) }
    }

    /// Returns the key in the form of C2SP signed notes: `name+id+base64`.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}+{:08x}+{}", self.name, self.id(), STANDARD.encode([&[ALGORITHM][..], &self.bytes].concat()))
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the first four bytes of SHA-256(name, line end, algorithm, key).
    fn id(&self) -> u32 {
        let digest = Sha256::of_parts(&[self.name.as_bytes(), &[b'\n', ALGORITHM], &self.bytes]).bytes();
        u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
    }
}

/// The parts of `name+id+base64(algorithm | bytes)`.
struct Parts {
    name: String,
    id: u32,
    bytes: Vec<u8>,
}

impl Parts {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err("it has the form name+id+base64");
        };
        let id = u32::from_str_radix(id, 16).map_err(|_| "its id is not hexadecimal")?;
        let bytes = STANDARD.decode(key).map_err(|_| "its last part is not base64")?;
        match bytes.split_first() {
            Some((&ALGORITHM, bytes)) => Ok(Self { name: name.to_owned(), id, bytes: bytes.to_vec() }),
            _ => Err("it is not of Ed25519"),
        }
    }
}

/// Seals a log that was checked, and returns the file of the seal.
///
/// # Errors
/// [`SealError::Unfit`] for a log with findings and for one that may still be written; [`SealError::File`].
pub fn write_seal(log: &Path, check: &LogCheck, key: &SealKey) -> Result<PathBuf, SealError> {
    let unfit = |why| SealError::Unfit { path: log.to_owned(), why };
    if !check.findings.is_empty() {
        return Err(unfit("the log is broken; run `eco2 verify` without --seal to see where"));
    }
    let may_grow = unclosed_ending(log) == eco2_core::schema::RecordEnding::Open;
    if !check.is_closed && check.report_sha256.is_none() && may_grow {
        return Err(unfit("its run may still be going on; a run that was killed can be sealed a day later"));
    }
    let path = seal_path(log);
    files::write_file(&path, key.sign(&text_of(&file_name(log), check, &file_hash(log)?)).as_bytes())?;
    Ok(path)
}

/// The result of [`check_seal`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SealCheck {
    /// Name of the key that signed it, as the seal states it.
    pub key: String,
    /// Whether the signature was checked with a public key.
    pub is_checked: bool,
    /// What differs from the log, with its place.
    pub findings: Vec<LogFinding>,
}

/// Compares a log with its seal; `None` if it has none. Without a public key the signature is not checked.
///
/// # Errors
/// [`SealError::File`].
pub fn check_seal(log: &Path, check: &LogCheck, key: Option<&SealPublicKey>) -> Result<Option<SealCheck>, SealError> {
    let path = seal_path(log);
    if !path.exists() {
        return Ok(None);
    }
    let note = files::read_regular(&path, "seal", MAX_BYTES)?;
    let mut found = SealCheck::default();
    let whole = |text: String| LogFinding { frame: 0, offset: 0, text };
    let Some((text, signature)) = std::str::from_utf8(&note).ok().and_then(split_note) else {
        found.findings.push(whole(format!("the seal {} is not a signed note", path.display())));
        return Ok(Some(found));
    };
    found.key = signature.split(' ').next().unwrap_or_default().to_owned();
    if let Some(key) = key {
        found.is_checked = true;
        if !is_signed(text, signature, key) {
            let why = format!("the seal is not signed by {}: it was changed, or another key signed it", key.text());
            found.findings.push(whole(why));
            return Ok(Some(found));
        }
    }
    let expected = text_of(&file_name(log), check, &file_hash(log)?);
    found.findings.extend(differences(text, &expected, check));
    Ok(Some(found))
}

/// Splits a signed note with one signature into the text and the signature's name and base64.
fn split_note(note: &str) -> Option<(&str, &str)> {
    let (text, signature) = note.split_at_checked(note.rfind("\n\n")? + 1)?;
    let signature = signature.strip_prefix("\n— ")?.strip_suffix('\n')?;
    (!signature.contains('\n')).then_some((text, signature))
}

fn is_signed(text: &str, signature: &str, key: &SealPublicKey) -> bool {
    let Some((name, encoded)) = signature.split_once(' ') else { return false };
    let Ok(bytes) = STANDARD.decode(encoded) else { return false };
    let Some((id, signature)) = bytes.split_first_chunk::<4>() else { return false };
    let is_of_key = name == key.name && u32::from_be_bytes(*id) == key.id();
    is_of_key && UnparsedPublicKey::new(&ED25519, key.bytes).verify(text.as_bytes(), signature).is_ok()
}

fn file_name(log: &Path) -> String {
    log.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Returns the SHA-256 of a file, as `sha256sum` writes it.
fn file_hash(path: &Path) -> Result<String, Error> {
    let file = files::open_regular(path, "run log", MAX_LOG_BYTES)?;
    Ok(Sha256::of_reader(file).map_err(|e| Error::io("read", path, e))?.to_string())
}

/// Returns the text of a seal.
fn text_of(name: &str, check: &LogCheck, sha256: &str) -> String {
    let none = "none".to_owned();
    let lines = [
        ("log", name.to_owned()),
        ("run", check.run_id.clone()),
        ("part", check.part.clone()),
        ("bytes", check.bytes.to_string()),
        ("sha256", sha256.to_owned()),
        ("frames", check.frames.to_string()),
        ("closed", if check.is_closed { "yes" } else { "no" }.to_owned()),
        ("chain", check.head.clone().unwrap_or_else(|| none.clone())),
        ("report", check.report_sha256.clone().unwrap_or(none)),
    ];
    let mut text = format!("{SCHEMA}\n");
    for (field, value) in lines {
        // A line end in a name must not make a line of its own.
        let value: String =
            value.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect();
        text.push_str(&format!("{field} {value}\n"));
    }
    for mark in &check.marks {
        text.push_str(&format!("mark {} {} {}\n", mark.frame, mark.end, mark.link));
    }
    text
}

/// Returns what differs between the text of a seal and the text that the log gives.
fn differences(sealed: &str, found: &str, check: &LogCheck) -> Vec<LogFinding> {
    // A log may have been given another name. Marks follow from the rest.
    let is_fact = |line: &&str| !line.starts_with("mark ") && !line.starts_with("log ");
    let facts = |text: &str| text.lines().filter(is_fact).map(str::to_owned).collect::<Vec<_>>();
    let (sealed_facts, found_facts) = (facts(sealed), facts(found));
    let (frame, offset) = changed_place(sealed, check);
    let mut out = Vec::new();
    for (sealed, found) in sealed_facts.iter().zip(&found_facts).filter(|(sealed, found)| sealed != found) {
        out.push(LogFinding { frame, offset, text: format!("sealed as `{sealed}`, and the log has `{found}`") });
    }
    if sealed_facts.len() != found_facts.len() {
        out.push(LogFinding { frame: 0, offset: 0, text: "the seal has other lines than eco2 writes".to_owned() });
    }
    out
}

/// Returns frame and position of the first change: after the last mark of the seal that the log still has.
fn changed_place(sealed: &str, check: &LogCheck) -> (u64, u64) {
    let mut last = (1, 0);
    for line in sealed.lines().filter_map(|line| line.strip_prefix("mark ")) {
        let parts: Vec<&str> = line.split(' ').collect();
        let [frame, end, link] = parts.as_slice() else { break };
        let (Ok(frame), Ok(end)) = (frame.parse::<u64>(), end.parse()) else { break };
        match check.marks.iter().find(|mark| mark.frame == frame) {
            Some(mark) if mark.link == *link => last = (frame + 1, end),
            // A longer log has marks at fewer frames.
            None if frame <= check.frames => {}
            _ => break,
        }
    }
    last
}
