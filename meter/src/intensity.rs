//! Intensity over the time of a run: from a file, or from providers that are asked on a thread of their own.
//!
//! The sampling thread and the recording calls know nothing of this. A file is read when the run opens. Providers are
//! asked by the thread `eco2-grid` while the run goes on, so that at its end the answer is usually there; closing waits
//! for it for a bounded time, and what is missing then is priced with the zone's yearly figure, flagged.

mod ask;
mod curve;
mod live;
mod open;
mod reprice;

use std::fmt;
use std::sync::Arc;

use eco2_core::report::EventRecord;
use eco2_grid::Intensity;
use eco2_grid::provider::{Chain, Coverage, Fault, Wanted};

pub use ask::intensities;
pub(crate) use curve::Curve;
use live::Live;
pub(crate) use open::located;
pub use reprice::{Course, add_beside, reprice};

/// Where the intensities of a run come from, the zone's yearly figure last.
#[derive(Clone)]
pub(crate) struct Feed {
    table: Intensity,
    /// The file, where there is one.
    series: Option<Arc<eco2_grid::provider::File>>,
    kind: Source,
}

#[derive(Clone)]
enum Source {
    /// Known without asking anybody.
    Here(Chain),
    /// Asked on a thread.
    Asked(Live),
}

impl fmt::Debug for Feed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Feed")
    }
}

impl Feed {
    /// Begins to ask, from the run's beginning on; nothing to do for a file.
    pub(crate) fn start(&self, from_ns: i64) {
        if let Source::Asked(live) = &self.kind {
            live.start(from_ns);
        }
    }

    /// Asks a last time for all of the run, and waits for a bounded time.
    pub(crate) fn settle(&self, to_ns: i64) {
        if let Source::Asked(live) = &self.kind {
            live.settle(to_ns);
        }
    }

    /// How a run is covered: all of it, by whatever is known now.
    pub(crate) fn cover(&self, from_ns: i64, to_ns: i64) -> Coverage {
        let wanted = Wanted { zone: "", from_ns, to_ns, now_ns: to_ns };
        match &self.kind {
            Source::Here(chain) => self.filled(Some(chain.cover(&wanted)), &wanted),
            Source::Asked(live) => self.filled(live.so_far(), &wanted),
        }
    }

    /// The same, asking whoever has to be asked, on this thread.
    pub(crate) fn cover_now(&self, from_ns: i64, to_ns: i64, now_ns: i64) -> Coverage {
        match &self.kind {
            Source::Here(_) => self.cover(from_ns, to_ns),
            Source::Asked(live) => {
                let wanted = Wanted { zone: live.zone(), from_ns, to_ns, now_ns };
                self.filled(live.ask(&wanted), &wanted)
            }
        }
    }

    /// The mean intensity of a time to come; `None` where neither a forecast nor the past tells.
    pub(crate) fn outlook(&self, now_ns: i64, to_ns: i64) -> Option<eco2_grid::Outlook> {
        match &self.kind {
            Source::Here(_) => self.series.as_ref()?.series().outlook(now_ns, to_ns),
            Source::Asked(live) => live.outlook(now_ns, to_ns),
        }
    }

    /// All of the time in values of one kind: see [`Coverage::completed`].
    fn filled(&self, answer: Option<Coverage>, wanted: &Wanted<'_>) -> Coverage {
        let late = || Coverage { parts: Vec::new(), faults: vec![("intensity_provider".to_owned(), Fault::Late)] };
        answer.unwrap_or_else(late).completed(wanted.from_ns, wanted.to_ns, &self.table)
    }
}

/// What the report says of how a run was covered: who failed, and whose figures weighed how much of the energy.
pub(crate) fn events(coverage: &Coverage, energies_uj: &[u64], at: u64) -> Vec<EventRecord> {
    let event = |kind: &str, device: &str, text: String| EventRecord {
        at,
        kind: kind.to_owned(),
        device: device.to_owned(),
        text,
    };
    let failed = |(provider, fault): &(String, Fault)| event("intensity-fault", provider, fault.to_string());
    let mut events: Vec<EventRecord> = coverage.faults.iter().map(failed).collect();
    if let Some(text) = shares(coverage, energies_uj) {
        let kind = if coverage.parts.iter().any(|part| part.fallback) { "intensity-fallback" } else { "intensity" };
        events.push(event(kind, "", text));
    }
    events
}

/// `62.5 % of the energy by electricity-maps (…), 37.5 % by table (…)`.
fn shares(coverage: &Coverage, energies_uj: &[u64]) -> Option<String> {
    let mut by: Vec<(String, u64, bool)> = Vec::new();
    for (part, energy_uj) in coverage.parts.iter().zip(energies_uj) {
        let kind = part.about.kind.map_or("kind not stated", |kind| kind.as_str());
        let who = format!("{} ({kind})", part.provider);
        match by.iter_mut().find(|(name, _, fallback)| *name == who && *fallback == part.fallback) {
            Some((_, sum, _)) => *sum += energy_uj,
            None => by.push((who, *energy_uj, part.fallback)),
        }
    }
    let all: u64 = by.iter().map(|(_, sum, _)| sum).sum();
    if all == 0 {
        return None;
    }
    let share = |(who, sum, fallback): &(String, u64, bool)| {
        let standing_in = if *fallback { ", standing in" } else { "" };
        format!("{:.1} % by {who}{standing_in}", *sum as f64 / all as f64 * 100.0)
    };
    Some(format!("of the energy, {}", by.iter().map(share).collect::<Vec<_>>().join("; ")))
}

#[cfg(test)]
mod tests;
