//! Taking over: what counts a device from the last update of a sensor that has died on.
//!
//! A domain that names another as its parent, and shows the same part, is its deputy: the second sensor of a device
//! (`<id>/power`), or a standby estimate (`<id>/estimate`). Where the first is frozen or fails while its
//! deputy has values, the deputy's energy since the last update is added to what the first had counted. The two parts
//! are disjoint in time. When the first is back, its deputy's part ends there; if it turns out that the first has
//! counted on in the meantime, its own count is used and the deputy's part is forgotten.

use crate::knot::Side;
use crate::overlap::WHOLE_ESTIMATE;
use crate::{Component, Domain, Edge, Quality, Track};

/// A stretch of time that a deputy counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeputyPart {
    /// The deputy's domain.
    pub(crate) by: usize,
    pub(crate) from_ns: u64,
    /// What the deputy had counted then.
    pub(crate) from: Edge,
    /// Until when; `None`: it goes on.
    pub(crate) to_ns: Option<u64>,
    /// What the deputy had counted at the end, once its knots have arrived.
    pub(crate) end: Option<Edge>,
}

impl DeputyPart {
    /// What the deputy had counted at an instant, or at the part's end.
    pub(crate) fn edge(&self, deputy: &Track, at_ns: u64, error_ns: u64) -> Edge {
        match self.to_ns.filter(|to_ns| at_ns >= *to_ns) {
            Some(to_ns) => self.end.unwrap_or_else(|| deputy.at(to_ns, 0)).closed(),
            None => deputy.at(at_ns, error_ns),
        }
    }
}

/// Whether `deputy` shows the same part of the machine as the domain that it names as its parent.
fn is_deputy(deputy: &Domain, domain: &Domain) -> bool {
    let named = deputy.parent.as_ref() == Some(&domain.id) && deputy.component == domain.component;
    let estimate = deputy.quality == Quality::Estimated && deputy.id == format!("{}/estimate", domain.id);
    named && (estimate || deputy.id == format!("{}/power", domain.id))
}

/// The domain that each one is a deputy for. An estimate of all packages is one where there is only one package.
pub(crate) fn chiefs(tracks: &[Track]) -> Vec<Option<usize>> {
    let packages: Vec<usize> = (0..tracks.len()).filter(|&at| is_package(tracks[at].domain())).collect();
    let only = |deputy: &Domain| match packages[..] {
        [package] if deputy.id == WHOLE_ESTIMATE && deputy.parent.as_ref() == Some(&tracks[package].domain().id) => {
            Some(package)
        }
        _ => None,
    };
    let chief = |deputy: &Domain| tracks.iter().position(|track| is_deputy(deputy, track.domain()));
    tracks.iter().map(|track| chief(track.domain()).or_else(|| only(track.domain()))).collect()
}

fn is_package(domain: &Domain) -> bool {
    domain.component == Component::Cpu && domain.domain == "package" && domain.parent.is_none()
}

impl Edge {
    /// The edge of a past instant, usable both as a span's start and as its end.
    fn closed(self) -> Self {
        let closed = |side: Side| Side {
            floor_start: side.floor_end,
            ceil_start: side.ceil_end,
            open_start: side.open_end,
            ..side
        };
        Self { free: closed(self.free), limited: closed(self.limited), blur_uj: 0, ..self }
    }

    /// Adds what a deputy counted from one instant to another.
    pub(crate) fn add(&mut self, from: &Self, to: &Self) {
        self.uj = self.uj.saturating_add(to.uj.saturating_sub(from.uj));
        self.free.add(&from.free, &to.free);
        self.limited.add(&from.limited, &to.limited);
        // The deputy's since it was read first: what it showed while its chief counted makes the range no narrower.
        (self.scatter, self.blur_uj) = (to.scatter, to.blur_uj);
        self.settled &= to.settled;
    }
}

impl Side {
    fn add(&mut self, from: &Self, to: &Self) {
        let more = |sum: u64, to: u64, from: u64| sum.saturating_add(to.saturating_sub(from));
        self.floor_start = more(self.floor_start, to.floor_start, from.floor_start);
        self.floor_end = more(self.floor_end, to.floor_end, from.floor_start);
        self.ceil_start = more(self.ceil_start, to.ceil_start, from.ceil_start);
        self.ceil_end = more(self.ceil_end, to.ceil_end, from.ceil_start);
        self.open_start += to.open_start.saturating_sub(from.open_start);
        self.open_end += to.open_end.saturating_sub(from.open_start);
    }
}
