//! Stores the answers of services on disk, in `~/.cache/eco2/intensity`, so that the next command need not ask again.
//! There is one file with mode 0600 per provider and zone, replaced as a whole. A damaged file is ignored.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::IntensitySlot;
use crate::Sha256;

/// Schema of the file.
const SCHEMA: &str = "eco2.intensity-cache/1";
/// Longer files are not read, bytes: 8 MiB, far more than the cache of a zone ever has, so the file is not the cache's.
const MAX_BYTES: u64 = 8 << 20;

/// Number of files written by this process, for names of temporary files that are used once only.
static FILES: AtomicU64 = AtomicU64::new(0);

/// A folder of cached answers.
#[derive(Debug, Clone)]
pub struct DiskCache {
    folder: PathBuf,
}

/// The cached values of one provider and zone.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct CachedSlots {
    pub(crate) slots: Vec<IntensitySlot>,
    pub(crate) asked: Vec<AskedPeriod>,
}

/// A period that was asked about, and the time until which the answer is fresh; nanoseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AskedPeriod {
    pub(crate) from_ns: i64,
    pub(crate) to_ns: i64,
    pub(crate) until_ns: i64,
}

/// The content of a file of the cache.
#[derive(Serialize, Deserialize)]
struct CacheFile {
    schema: String,
    /// Provider and zone in full, because names of files are shortened and two keys may share one.
    key: String,
    asked: Vec<AskedPeriod>,
    /// Start and end in nanoseconds since 1970 UTC, intensity in g/kWh, whether it is estimated, whether it is a
    /// forecast.
    slots: Vec<(i64, i64, f64, bool, bool)>,
    /// SHA-256 of the answers that the slots are from; absent in files of earlier versions.
    #[serde(default)]
    answers: Vec<String>,
    /// For each slot the index of its answer in that list.
    #[serde(default)]
    answer_of: Vec<Option<usize>>,
}

impl DiskCache {
    /// Returns a cache in `folder`, which is created at the first write.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Returns the cache in `$XDG_CACHE_HOME/eco2/intensity` or `~/.cache/eco2/intensity`; `None` if neither variable
    /// is an absolute path.
    #[must_use]
    pub fn of_the_user() -> Option<Self> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Some(Self::new(base.join("eco2/intensity")))
    }

    pub(crate) fn load(&self, key: &str) -> Option<CachedSlots> {
        let mut text = String::new();
        File::open(self.path(key)).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        let document: CacheFile = serde_json::from_str(&text).ok()?;
        (document.schema == SCHEMA && document.key == key).then(|| document.kept())
    }

    /// Writes a new file and renames it, so that a reader sees the old file or the new one. A failure affects only the
    /// cache.
    pub(crate) fn store(&self, key: &str, kept: &CachedSlots) -> io::Result<()> {
        let slot = |slot: &IntensitySlot| (slot.from_ns, slot.to_ns, slot.g_per_kwh, slot.estimated, slot.forecast);
        let (answers, answer_of) = answers(&kept.slots);
        let document = CacheFile {
            schema: SCHEMA.to_owned(),
            key: key.to_owned(),
            asked: kept.asked.clone(),
            slots: kept.slots.iter().map(slot).collect(),
            answers,
            answer_of,
        };
        let text = serde_json::to_vec(&document)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let path = self.path(key);
        // Relaxed: only uniqueness matters.
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let new_file = path.with_extension(format!("{}-{number}.new", std::process::id()));
        let written = write(&new_file, &text).and_then(|()| fs::rename(&new_file, &path));
        written.inspect_err(|_| drop(fs::remove_file(&new_file)))
    }

    /// Returns the path of the file for a provider and zone.
    fn path(&self, key: &str) -> PathBuf {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        let name: String = key.chars().take(40).map(plain).collect();
        self.folder.join(format!("{name}-{:016x}.json", fnv(key)))
    }
}

impl CacheFile {
    fn kept(self) -> CachedSlots {
        let hashes: Vec<Option<Sha256>> = self.answers.iter().map(|text| Sha256::parse(text)).collect();
        let answer = |slot: usize| hashes.get((*self.answer_of.get(slot)?)?).copied().flatten();
        let slots = self.slots.iter().enumerate().map(|(place, &(from_ns, to_ns, g_per_kwh, estimated, forecast))| {
            let answer = answer(place);
            IntensitySlot { from_ns, to_ns, g_per_kwh, estimated, forecast, answer }
        });
        CachedSlots { slots: slots.collect(), asked: self.asked }
    }
}

/// Returns the hashes of all answers, each once, and for each slot the index of its own.
fn answers(slots: &[IntensitySlot]) -> (Vec<String>, Vec<Option<usize>>) {
    let (mut all, mut places) = (Vec::new(), HashMap::new());
    let mut place = |hash: Sha256| {
        *places.entry(hash).or_insert_with(|| {
            all.push(hash.to_string());
            all.len() - 1
        })
    };
    let of = slots.iter().map(|slot| slot.answer).map(|answer| answer.map(&mut place)).collect();
    (all, of)
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text)
}

/// Returns the FNV-1a hash of 64 bits for names of files; it need not be secure.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> CachedSlots {
        let first = IntensitySlot {
            from_ns: 1,
            to_ns: 2,
            g_per_kwh: 0.1 + 0.2,
            estimated: true,
            forecast: false,
            answer: None,
        };
        let answer = |text: &str| Some(Sha256::of(text.as_bytes()));
        let later = [(2, answer("b")), (3, answer("a")), (4, answer("b"))];
        let slots = later.map(|(from_ns, answer)| IntensitySlot { from_ns, to_ns: from_ns + 1, answer, ..first });
        CachedSlots {
            slots: [first].into_iter().chain(slots).collect(),
            asked: vec![AskedPeriod { from_ns: 1, to_ns: 2, until_ns: i64::MAX }],
        }
    }

    #[test]
    fn stored_values_are_loaded_and_only_the_owner_reads_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let disk = DiskCache::new(folder.path().join("deep/cache"));
        assert_eq!(disk.load("a b"), None);
        disk.store("a b", &kept()).unwrap();
        disk.store("a b", &kept()).unwrap();
        assert_eq!(disk.load("a b"), Some(kept()));
        assert_eq!(disk.load("a c"), None);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&disk.path("a b")), mode(&disk.folder)), (0o600, 0o700));
        assert_eq!(fs::read_dir(&disk.folder).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn damaged_file_and_one_of_another_key_are_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let disk = DiskCache::new(folder.path());
        disk.store("a", &kept()).unwrap();
        let text = fs::read_to_string(disk.path("a")).unwrap();
        for wrong in
            ["", "{", &text[..text.len() - 3], &text.replace("\"a\"", "\"b\""), &text.replace("cache/1", "cache/9")]
        {
            fs::write(disk.path("a"), wrong).unwrap();
            assert_eq!(disk.load("a"), None, "{wrong}");
        }
    }
}
