//! The page: a file in which the node agent publishes the energies of a machine, and which any program may map and read
//! ([`PageWriter`], [`PageReader`]).
//!
//! The file has a header, with the list of domains, and a *timeline*: the ring of the last snapshots of `eco2-core`. Reading it
//! takes no lock and no system call, and no reader can disturb the writer.
//!
//! ```text
//! byte    0  8  the text `eco2page`
//!         8  4  version: 1                       12  4  bytes of the header; the timeline begins there
//!        16  8  bytes of the file                24  8  heartbeat: when the writer last published, monotonic nanoseconds
//!        32  8  state: 1 in use, 2 ended         40  4  slots of the timeline
//!        44  4  lines of a slot                  48  4  domains
//!        52  4  bytes of the list of domains     56  8  least time between two snapshots, nanoseconds; 0: none
//!        64  8  step of the energies, microjoules
//!        72  8  when the writer began, monotonic nanoseconds
//!        80  8  process id of the writer         88 40  boot id, filled up with zeros
//!       128     the list of domains: JSON, an array of objects
//! ```
//! Numbers are little-endian. Only heartbeat and state change. In each snapshot the time of a domain is that of its last
//! reading, and the bits 8 to 31 of its flags are how long that reading took, in microseconds. The slope of a sensor of power is
//! that reading: readers integrate it themselves, as they then know its range.
//!
//! The file is never truncated and never rewritten: a writer with other domains, or a new writer, makes another file and
//! renames it over the old one. A reader notices this by the number of links of its file, which is 0 then. A writer that died
//! leaves the file as it was; a reader notices that by the heartbeat.

mod header;
mod local;
mod mapping;
mod reader;
mod writer;

pub use header::{DEAD_NS, FINE, Header, PUBLIC, PageFault, SLOTS, Steps};
pub use local::remote_kind;
pub(crate) use reader::SYSTEM;
pub use reader::{PageReader, PageState, folder_owner};
pub use writer::{PageSpec, PageWriter};
