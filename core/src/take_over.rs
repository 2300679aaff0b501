//! Replaces a sensor that has stopped working by another one of the same device, its *deputy*.
//!
//! A *domain* is one sensor or counter of a device. Its deputy is the device's second sensor (`<id>/power`) or an estimate
//! on standby (`<id>/estimate`); the deputy names it as its parent, and it is the deputy's *chief*. Where the chief is
//! frozen or fails while the deputy has values, the deputy's energy since the chief's last update is added to what the
//! chief had counted. The two parts are disjoint in time. When the chief works again, the deputy's part ends. If the
//! chief's first new value shows that it has counted on in the meantime, its own count is used and the part is dropped,
//! also in the energy of spans that have ended (`part_share.rs`).
//!
//! `ledger/deputies.rs` decides when this happens. An [`Edge`] is the energy counted until an instant, with its bounds.

use crate::knot::Side;
use crate::overlap::WHOLE_ESTIMATE;
use crate::{Component, Domain, Edge, Quality, Track};

/// A part of a chief's energy that its deputy counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeputyPart {
    /// Index of the deputy's domain.
    pub(crate) by: usize,
    /// Start of the part: the chief's last update, nanoseconds.
    pub(crate) from_ns: u64,
    /// Energy that the deputy had counted at the start.
    pub(crate) from: Edge,
    /// End of the part, nanoseconds; `None`: it goes on.
    pub(crate) to_ns: Option<u64>,
    /// Energy that the deputy had counted at the end; `None` until its next counter change has arrived.
    pub(crate) end: Option<Edge>,
}

impl DeputyPart {
    /// Returns the energy that the deputy had counted at an instant, or at the part's end if that is earlier.
    pub(crate) fn edge(&self, deputy: &Track, at_ns: u64, error_ns: u64) -> Edge {
        match self.to_ns.filter(|to_ns| at_ns >= *to_ns) {
            Some(to_ns) => self.end.unwrap_or_else(|| deputy.at(to_ns, 0)).closed(),
            None => deputy.at(at_ns, error_ns),
        }
    }
}

/// Whether `deputy` measures the same part of the machine as the domain that it names as its parent.
fn is_deputy(deputy: &Domain, domain: &Domain) -> bool {
    let is_named = deputy.parent.as_ref() == Some(&domain.id) && deputy.component == domain.component;
    let is_estimate = deputy.quality == Quality::Estimated && deputy.id == format!("{}/estimate", domain.id);
    is_named && (is_estimate || deputy.id == format!("{}/power", domain.id))
}

/// Returns for each domain the index of its chief. An estimate of all packages together is a deputy only where there is one
/// package.
pub(crate) fn chiefs(tracks: &[Track]) -> Vec<Option<usize>> {
    let packages: Vec<usize> = (0..tracks.len()).filter(|&at| is_package(tracks[at].domain())).collect();
    let only_package = |deputy: &Domain| match packages[..] {
        [package] if deputy.id == WHOLE_ESTIMATE && deputy.parent.as_ref() == Some(&tracks[package].domain().id) => {
            Some(package)
        }
        _ => None,
    };
    let chief = |deputy: &Domain| tracks.iter().position(|track| is_deputy(deputy, track.domain()));
    tracks.iter().map(|track| chief(track.domain()).or_else(|| only_package(track.domain()))).collect()
}

fn is_package(domain: &Domain) -> bool {
    domain.component == Component::Cpu && domain.domain == "package" && domain.parent.is_none()
}

impl Edge {
    /// Returns the edge of a past instant in a form for both a span's start and its end: the same bounds on both sides.
    fn closed(self) -> Self {
        let closed = |side: Side| Side {
            floor_start: side.floor_end,
            ceil_start: side.ceil_end,
            open_start: side.open_end,
            ..side
        };
        Self { free: closed(self.free), limited: closed(self.limited), blur_uj: 0, ..self }
    }

    /// Adds the energy that a deputy counted from one edge to another.
    pub(crate) fn add(&mut self, from: &Self, to: &Self) {
        self.uj = self.uj.saturating_add(to.uj.saturating_sub(from.uj));
        self.free.add(&from.free, &to.free);
        self.limited.add(&from.limited, &to.limited);
        // The deputy's since it was read first. Its readings while the chief counted do not make the range narrower.
        (self.scatter, self.blur_uj) = (to.scatter, to.blur_uj);
        self.settled &= to.settled;
    }
}

impl Side {
    fn add(&mut self, from: &Self, to: &Self) {
        let plus_difference = |sum: u64, to: u64, from: u64| sum.saturating_add(to.saturating_sub(from));
        self.floor_start = plus_difference(self.floor_start, to.floor_start, from.floor_start);
        self.floor_end = plus_difference(self.floor_end, to.floor_end, from.floor_start);
        self.ceil_start = plus_difference(self.ceil_start, to.ceil_start, from.ceil_start);
        self.ceil_end = plus_difference(self.ceil_end, to.ceil_end, from.ceil_start);
        self.open_start += to.open_start.saturating_sub(from.open_start);
        self.open_end += to.open_end.saturating_sub(from.open_start);
    }
}
