//! Encodes and parses the header of the page ([`Header`]): plain bytes, no file.

use eco2_core::{Domain, MAX_DOMAINS, TimelineLine, timeline_lines};

/// First bytes of every page.
const MAGIC: &[u8; 8] = b"eco2page";
/// Version of the layout.
const VERSION: u32 = 1;
/// Where the list of domains begins: after the first line.
const LIST: usize = TimelineLine::BYTES;
/// The header is a multiple of this: the size of a memory page.
const ALIGN: usize = 4_096;
/// Longest header that is read. 68 domains take some 40 kB.
pub(super) const MAX_HEADER: usize = 1 << 20;
/// Bytes of the boot id.
const BOOT_ID: usize = 40;
/// Snapshots that a page holds. A reader fails if the writer goes round the ring during each of three copies.
pub const SLOTS: usize = 64;

/// Name of the page in the agent's folder that every user may read.
pub const PUBLIC: &str = "page";
/// Name of the page with every counter change, for root and the group `eco2`.
pub const FINE: &str = "page.fine";

/// A writer whose heartbeat is older than this is dead. It publishes once a second at least.
pub const DEAD_NS: u64 = 2_000_000_000;

/// Index of the heartbeat among the words of the header.
pub(super) const HEARTBEAT: usize = 3;
/// Index of the state.
pub(super) const STATE: usize = 4;
/// State of a page whose writer has not ended.
pub(super) const IN_USE: u64 = 1;
/// State of a page whose writer has ended, or writes another file.
pub(super) const ENDED: u64 = 2;

/// How fine the energies of a page are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// Least time between two snapshots, nanoseconds; 0: as often as something was read.
    pub ns: u64,
    /// Every energy is a multiple of this, microjoules.
    pub uj: u64,
}

/// Why a file is not used as a page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageFault {
    /// It cannot be opened, read or mapped.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Its first bytes are others.
    #[error("it is not a page of eco2")]
    NotAPage,
    /// Its layout is that of another version.
    #[error(
        "it has version {0} of the page, and this program reads version {VERSION}: use the same version of eco2 for both"
    )]
    Version(u32),
    /// Its size is not the one in its header.
    #[error("it has {found} bytes instead of {stated}: it is cut off")]
    Size {
        /// Bytes of the file.
        found: u64,
        /// Bytes by its header.
        stated: u64,
    },
    /// Numbers of its header contradict each other.
    #[error("its header is damaged ({0})")]
    Damaged(&'static str),
    /// The list of domains cannot be parsed.
    #[error("its list of domains is damaged: {0}")]
    Domains(#[source] serde_json::Error),
    /// Others than its owner could change it, or its owner is not trusted.
    #[error("{0}")]
    NotTrusted(String),
    /// It was written before the machine was started, or on another machine.
    #[error("it was written before the machine was started last, or on another machine")]
    OtherBoot,
    /// The writer's clock is not the one of this process.
    #[error("its writer uses another clock: both must be in the same time namespace")]
    OtherClock,
    /// It is on a file system of this kind.
    #[error("it is on a file system of another machine ({0}), where changes are seen late: use a local folder")]
    NotLocal(&'static str),
    /// The writer has ended or does not write any more.
    #[error("its writer has stopped")]
    Dead,
}

/// What the header of a page states.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Bytes of the header.
    pub bytes: usize,
    /// Slots of the timeline.
    pub slots: usize,
    /// How fine the energies are.
    pub steps: Steps,
    /// When the writer began, monotonic nanoseconds.
    pub began_ns: u64,
    /// Process id of the writer, in its own namespace.
    pub pid: u32,
    /// Boot id of the machine.
    pub boot_id: String,
    /// The domains, in the order of the timeline.
    pub domains: Vec<Domain>,
}

impl Header {
    /// Returns the number of bytes of the whole file; `None` where its numbers contradict each other.
    #[must_use]
    pub fn file_bytes(&self) -> Option<usize> {
        timeline_lines(self.domains.len(), self.slots)?.checked_mul(TimelineLine::BYTES)?.checked_add(self.bytes)
    }

    /// Returns the header's bytes, with this heartbeat. `bytes` is set to fit.
    ///
    /// # Errors
    /// [`PageFault::Damaged`] for more than [`MAX_DOMAINS`] domains, a number of slots that is no power of two, and a boot id that
    /// is too long.
    pub(super) fn encode(&mut self, heartbeat_ns: u64) -> Result<Vec<u8>, PageFault> {
        let list = serde_json::to_vec(&self.domains).map_err(PageFault::Domains)?;
        self.bytes = (LIST + list.len()).next_multiple_of(ALIGN);
        let file_bytes = self.file_bytes().ok_or(PageFault::Damaged("number of domains or slots"))?;
        let id = self.boot_id.as_bytes();
        if self.bytes > MAX_HEADER || id.len() > BOOT_ID {
            return Err(PageFault::Damaged("its texts are too long"));
        }
        let stride = (timeline_lines(self.domains.len(), self.slots).unwrap_or(1) - 1) / self.slots;
        let mut bytes = Vec::with_capacity(self.bytes);
        bytes.extend_from_slice(MAGIC);
        for half in [VERSION, self.bytes as u32] {
            bytes.extend_from_slice(&half.to_le_bytes());
        }
        for word in [file_bytes as u64, heartbeat_ns, IN_USE] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for half in [self.slots, stride, self.domains.len(), list.len()] {
            bytes.extend_from_slice(&(half as u32).to_le_bytes());
        }
        for word in [self.steps.ns, self.steps.uj, self.began_ns, u64::from(self.pid)] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(id);
        bytes.resize(LIST, 0);
        bytes.extend_from_slice(&list);
        bytes.resize(self.bytes, 0);
        Ok(bytes)
    }

    /// Parses the first bytes of a file of `file_bytes` bytes: the whole header, or as much of it as there is.
    ///
    /// # Errors
    /// [`PageFault`] with the reason, whatever the bytes are.
    pub fn parse(bytes: &[u8], file_bytes: u64) -> Result<Self, PageFault> {
        if bytes.get(..MAGIC.len()) != Some(MAGIC) {
            return Err(PageFault::NotAPage);
        }
        let cut = PageFault::Size { found: file_bytes, stated: LIST as u64 };
        let Some(first) = bytes.get(..LIST) else { return Err(cut) };
        let half = |at: usize| first[at..at + 4].try_into().map_or(0, u32::from_le_bytes);
        let word = |at: usize| first[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
        if half(8) != VERSION {
            return Err(PageFault::Version(half(8)));
        }
        let stated = word(16);
        if stated != file_bytes {
            return Err(PageFault::Size { found: file_bytes, stated });
        }
        let (header_bytes, list_bytes) = (half(12) as usize, half(52) as usize);
        if header_bytes > MAX_HEADER || header_bytes % ALIGN != 0 || list_bytes > header_bytes.saturating_sub(LIST) {
            return Err(PageFault::Damaged("sizes of its parts"));
        }
        let list = bytes.get(LIST..LIST + list_bytes).ok_or(PageFault::Damaged("it ends in its list of domains"))?;
        let domains: Vec<Domain> = serde_json::from_slice(list).map_err(PageFault::Domains)?;
        if domains.len() != half(48) as usize || domains.len() > MAX_DOMAINS {
            return Err(PageFault::Damaged("number of domains"));
        }
        let header = Self {
            bytes: header_bytes,
            slots: half(40) as usize,
            steps: Steps { ns: word(56), uj: word(64) },
            began_ns: word(72),
            pid: u32::try_from(word(80)).unwrap_or(0),
            boot_id: String::from_utf8_lossy(&first[88..88 + BOOT_ID]).trim_end_matches('\0').to_owned(),
            domains,
        };
        let lines = timeline_lines(header.domains.len(), header.slots);
        if lines != (half(44) as usize).checked_mul(header.slots).and_then(|lines| lines.checked_add(1)) {
            return Err(PageFault::Damaged("size of its timeline"));
        }
        if header.file_bytes().map(|bytes| bytes as u64) != Some(file_bytes) {
            return Err(PageFault::Damaged("size of the file"));
        }
        if header.steps.uj == 0 {
            return Err(PageFault::Damaged("step of the energies"));
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use eco2_core::Component;

    use super::*;

    fn header() -> Header {
        let domain = |n: usize| Domain::counter(&format!("gpu-{n}"), Component::Gpu, "board", "nvml");
        Header {
            bytes: 0,
            slots: SLOTS,
            steps: Steps { ns: 1_000_000_000, uj: 100_000 },
            began_ns: 7,
            pid: 42,
            boot_id: "11111111-2222-3333-4444-555555555555".to_owned(),
            domains: (0..12).map(domain).collect(),
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let mut written = header();
        let bytes = written.encode(9).unwrap();
        assert_eq!(bytes.len() % ALIGN, 0);
        let file_bytes = written.file_bytes().unwrap() as u64;
        assert_eq!(Header::parse(&bytes, file_bytes).unwrap(), written);
    }

    #[test]
    fn every_cut_and_every_changed_number_is_refused_with_a_reason() {
        let mut written = header();
        let bytes = written.encode(9).unwrap();
        let file_bytes = written.file_bytes().unwrap() as u64;
        let list_end = LIST + serde_json::to_vec(&written.domains).unwrap().len();
        for len in 0..list_end {
            assert!(Header::parse(&bytes[..len], file_bytes).is_err(), "cut to {len} bytes");
        }
        assert!(Header::parse(&bytes, file_bytes - 1).is_err(), "another size");
        // Heartbeat, state and the writer's texts may be anything; all other numbers must agree.
        for at in (0..24).chain(40..56) {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let fault = Header::parse(&damaged, file_bytes);
                assert!(fault.is_err_and(|fault| !fault.to_string().is_empty()), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = header().encode(9).unwrap();
        bytes[8] = 2;
        let fault = Header::parse(&bytes, bytes.len() as u64).unwrap_err();
        assert!(fault.to_string().contains("version 2"), "{fault}");
    }
}
