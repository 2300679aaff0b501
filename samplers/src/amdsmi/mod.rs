//! AMD's GPUs through `libamd_smi`, the library of ROCm's `amd-smi`.
//!
//! Each card is one domain, `amdgpu-<PCI address>` as in `hwmon`: its energy counter, with the timestamp at which the
//! driver read it. `amdgpu-<PCI address>/power` is the power of the same card: an overlapping domain that is never
//! summed, for comparing the counter with integrated power, as counters of some cards stay still (amdsmi issue 38:
//! MI100 and MI210). What this source reads, `hwmon` leaves out; a card without an energy counter is left to `hwmon`.
//!
//! The library is loaded only where the machine shows a GPU of AMD, or where its path is given. Its calls can hang, so
//! it is opened on a thread of its own, and read on another. One that does not open in time is not used in this run, as
//! `hwmon` reads its cards by then.

mod card;
mod library;
mod source;

use std::time::Duration;

use eco2_core::schema::{SourceStatus, Status};

use crate::found::{Found, status};
use crate::opening::{Opening, StatusTexts};
use crate::visible::{AmdMask, Visible};
use crate::{Roots, accelerators};
use card::Cards;
pub(crate) use library::NAME;
use library::{Library, LibraryError};
use source::AmdSmi;

/// Initialising opens every card, which takes milliseconds each; no run begins later than this because of it.
const PATIENCE: Duration = Duration::from_millis(500);
const INSTEAD: &str = "hwmon reads what it can of the AMD GPUs";

/// Looks for the cards that a program with these variables sees.
///
/// ```
/// use eco2_samplers::{Roots, amdsmi, visible::Visible};
///
/// let roots = Roots { amdsmi: Some("/nonexistent/libamd_smi.so".into()), ..Roots::default() };
/// assert!(amdsmi::discover(&roots, &Visible::default()).source.is_none());
/// ```
#[must_use]
pub fn discover(roots: &Roots, visible: &Visible) -> Found {
    finish(begin(roots, visible))
}

/// Starts to look for cards; `None` where there is none to look for.
pub(crate) fn begin(roots: &Roots, visible: &Visible) -> Option<Opening> {
    let has_gpu = || accelerators::present(roots).iter().any(accelerators::Accelerator::is_amd);
    if roots.amdsmi.is_none() && !has_gpu() {
        return None;
    }
    let late = format!("libamd_smi has not answered for {} ms; {INSTEAD}", PATIENCE.as_millis());
    let late = status(NAME, Status::Hung, &late, "see whether `amd-smi list` works");
    let no_thread =
        status(NAME, Status::Denied, "no thread could be started", "raise the limit of processes (`ulimit -u`)");
    let texts = StatusTexts { name: NAME, waiting: late.clone(), lost: late, no_thread };
    let (roots, mask) = (roots.clone(), visible.amd.clone());
    Some(Opening::begin(texts, move || open(&roots, &mask)))
}

/// What was found, if it comes in time.
pub(crate) fn finish(opening: Option<Opening>) -> Found {
    match opening {
        Some(opening) => opening.in_time(PATIENCE),
        None => Found::nothing(status(NAME, Status::Absent, "the machine shows no AMD GPU", "")),
    }
}

fn open(roots: &Roots, mask: &AmdMask) -> Found {
    let library = match Library::load(roots.amdsmi.as_deref()) {
        Ok(library) => library,
        Err(error) => return Found::nothing(unusable(&error, roots)),
    };
    let Ok(gpus) = library.gpus() else {
        let reason = format!("libamd_smi {} does not list its GPUs; {INSTEAD}", library.version);
        return Found::nothing(status(NAME, Status::Denied, &reason, "see whether `amd-smi list` works"));
    };
    let cards = Cards::of(&library, &gpus, roots, mask);
    let described = describe(&library, &cards);
    if cards.cards.is_empty() {
        Found::nothing(described)
    } else {
        Found::source(AmdSmi::new(library, cards), described)
    }
}

fn describe(library: &Library, cards: &Cards) -> SourceStatus {
    let ids: Vec<&str> = cards.cards.iter().map(|card| card.counter.id.as_str()).collect();
    let mut reason = match ids.as_slice() {
        [] => format!("libamd_smi {} shows no energy counter", library.version),
        ids => format!("reads {}, libamd_smi {}", ids.join(", "), library.version),
    };
    if cards.hidden > 0 {
        reason = format!("{reason}; not visible to the program: {} AMD GPUs", cards.hidden);
    }
    if !cards.left.is_empty() {
        reason = format!("{reason}; left to hwmon: {}", cards.left.join(", "));
    }
    for remark in &cards.remarks {
        reason = format!("{reason}; {remark}");
    }
    status(NAME, if ids.is_empty() { Status::Absent } else { Status::Ok }, &reason, "")
}

fn unusable(error: &LibraryError, roots: &Roots) -> SourceStatus {
    let library = roots.amdsmi.as_ref().map_or_else(|| "libamd_smi".to_owned(), |path| path.display().to_string());
    let versions = "install amd-smi-lib of ROCm 6.1 or newer, or name another libamd_smi.so with --amdsmi";
    let (state, reason, remedy) = match error {
        LibraryError::Absent(why) => (Status::Absent, format!("{library} cannot be loaded: {why}"), versions),
        LibraryError::Symbol(name) => (Status::Denied, format!("{library} is not used: it has no {name}"), versions),
        LibraryError::Version(version) => {
            (Status::Denied, format!("{library} is not used: its version {version} is not known"), versions)
        }
        LibraryError::Start(code) => {
            let access = "give this user access to /dev/kfd and /dev/dri (group render)";
            (Status::Denied, format!("{library} does not start: amdsmi_status_t {code}"), access)
        }
    };
    status(NAME, state, &format!("{reason}; {INSTEAD}"), remedy)
}
