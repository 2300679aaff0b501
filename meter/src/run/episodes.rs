//! Makes the records and events of the episodes of a run for its report ([`episode_records`]). An *episode* is a
//! stretch of time in which steps stall, or a GPU is idle, hot or power-capped (`live/episodes.rs` finds them). Its
//! energy is read from the curves of `run/curves.rs`. The report calls episodes `spells`.

use eco2_core::Bounded;
use eco2_core::schema::{Device, EpisodeRecord, EventRecord};
use eco2_core::{Account, Episodes, RunCurve};

use crate::live::episodes::{READ_EVERY_NS, RunEpisodes};
use crate::run::curves::Curves;

/// Largest number of events of one kind and device: the longest episodes become events. The records count all.
const MAX_EVENTS: usize = 10;

/// An episode of which more than this part (1/20) was not read has its energy reported as "at least". Shorter unread
/// parts are the times up to a counter's next update.
const UNREAD_SHARE: u64 = 20;

/// The energy that was used in an episode, and whether all of it was read.
enum Drawn {
    /// All of it was read.
    Whole {
        uj: u64,
        lasted_ns: u64,
    },
    /// A part of it was not read.
    Part {
        uj: u64,
        /// For how long the device was read; `None` for the whole run.
        read_ns: Option<u64>,
    },
    Unknown,
}

/// The account of a run with its energy curves.
struct Run<'a> {
    account: &'a Account,
    curves: &'a Curves,
}

/// Returns the episodes of a run and the events among them; `going_on` as in [`RunEpisodes::all`].
pub(crate) fn episode_records(
    spells: &RunEpisodes,
    account: &Account,
    curves: &Curves,
    going_on: bool,
) -> (Vec<EpisodeRecord>, Vec<EventRecord>) {
    let run = Run { account, curves };
    let (mut records, mut events) = (Vec::new(), Vec::new());
    for (kind, device, of_kind) in spells.all(account.end_ns, going_on) {
        let curve = run.curve(device);
        let usual_ns = spells.stalls.usual_ns().filter(|_| kind == EpisodeRecord::STALLED);
        let record = EpisodeRecord { usual_ns, ..run.record(kind, device, &of_kind, curve.as_ref()) };
        if record.is_anomaly() && drew_power(&record) {
            events.extend(run.events(&record, &of_kind, curve.as_ref()));
        }
        records.push(record);
    }
    (records, events)
}

impl Run<'_> {
    /// Returns the curve of a device, or of the run for an empty id; `None` for a device that is not measured.
    fn curve(&self, id: &str) -> Option<RunCurve> {
        if id.is_empty() {
            return Some(self.curves.run.clone());
        }
        let place = self.account.devices.iter().position(|device| device.id == id)?;
        let curve = self.curves.devices.get(place)?.clone()?;
        let (end_ns, total) = (curve.end_ns(), curve.total());
        Some(RunCurve::new([curve], end_ns, total))
    }

    /// Returns the lower bound, the estimate and the upper bound of the energy of a stretch, microjoules.
    fn energy_of(&self, curve: &RunCurve, (from_ns, to_ns): (u64, u64)) -> (u64, u64, Option<u64>) {
        let (begin_ns, end_ns) = (self.account.begin_ns, self.account.end_ns);
        let since = |at_ns: u64| at_ns.min(end_ns).saturating_sub(begin_ns);
        let Bounded { value, low, high, .. } = curve.between(since(from_ns), since(to_ns));
        (low, value.unwrap_or(low), high)
    }

    /// Returns the energy of an episode, from its start and end time.
    fn drawn(&self, device: &str, curve: Option<&RunCurve>, spell: (u64, u64)) -> Drawn {
        let Some(curve) = curve else { return Drawn::Unknown };
        let (uj, lasted_ns) = (self.energy_of(curve, spell).1, spell.1.saturating_sub(spell.0));
        let unread_ns = self.unread_ns(device, spell);
        if unread_ns <= lasted_ns / UNREAD_SHARE {
            return Drawn::Whole { uj, lasted_ns };
        }
        match lasted_ns.saturating_sub(unread_ns) {
            0 => Drawn::Unknown,
            // The parts of a run are not all unread at one time: only its energy adds up.
            read_ns => Drawn::Part { uj, read_ns: (!device.is_empty()).then_some(read_ns) },
        }
    }

    /// Returns for how long of a stretch a device was not read. For the run (an empty id) the device that was read
    /// least counts.
    fn unread_ns(&self, id: &str, (from_ns, to_ns): (u64, u64)) -> u64 {
        let since = |ns: u64| ns.saturating_sub(self.account.begin_ns);
        let (from_ns, to_ns) = (since(from_ns), since(to_ns));
        let concerned = |device: &&Device| if id.is_empty() { device.is_summed() } else { device.id == id };
        let unread = |device: &Device| {
            let within = device.gaps.iter().map(|gap| gap.to_ns.min(to_ns).saturating_sub(gap.from_ns.max(from_ns)));
            within.sum::<u64>()
        };
        self.account.devices.iter().filter(concerned).map(unread).max().unwrap_or(0)
    }

    /// Returns the record of the episodes of one kind and device.
    fn record(&self, kind: &str, device: &str, spells: &Episodes, curve: Option<&RunCurve>) -> EpisodeRecord {
        let nothing = (0, 0, spells.is_whole().then_some(0));
        // A stall's ends are steps; what gauges show has its ends between two readings.
        let unseen_ns = if kind == EpisodeRecord::STALLED { 0 } else { READ_EVERY_NS };
        let of = |curve: &RunCurve, (from_ns, to_ns): (u64, u64)| {
            let (low_uj, uj, _) = self.energy_of(curve, (from_ns, to_ns));
            let wide = (from_ns.saturating_sub(unseen_ns), to_ns.saturating_add(unseen_ns));
            (low_uj, uj, self.energy_of(curve, wide).2)
        };
        let sum = |sum: (u64, u64, Option<u64>), more: (u64, u64, Option<u64>)| {
            let high = sum.2.zip(more.2).map(|(sum, more)| sum.saturating_add(more));
            (sum.0.saturating_add(more.0), sum.1.saturating_add(more.1), high)
        };
        let energy = curve.map(|curve| spells.kept.iter().map(|spell| of(curve, *spell)).fold(nothing, sum));
        let most_uj = curve.map_or(0, |curve| curve.at(u64::MAX).value.unwrap_or(0));
        EpisodeRecord {
            kind: kind.to_owned(),
            device: device.to_owned(),
            count: spells.count,
            duration_ns: spells.total_ns,
            longest_ns: spells.longest_ns,
            usual_ns: None,
            energy_uj: energy.map(|energy| energy_of_all(energy.1, spells).min(most_uj)),
            low_uj: energy.map_or(0, |energy| energy.0),
            high_uj: energy.and_then(|energy| energy.2),
        }
    }

    /// Returns the longest episodes as events, in the order of time.
    fn events(&self, record: &EpisodeRecord, spells: &Episodes, curve: Option<&RunCurve>) -> Vec<EventRecord> {
        let mut longest: Vec<(u64, u64)> = spells.kept.iter().filter(|(from, to)| to > from).copied().collect();
        longest.sort_by_key(|(from_ns, to_ns)| std::cmp::Reverse(to_ns - from_ns));
        longest.truncate(MAX_EVENTS);
        longest.sort_unstable();
        let event = |spell: &(u64, u64)| EventRecord {
            at: spell.0.saturating_sub(self.account.begin_ns),
            kind: record.kind.clone(),
            device: record.device.clone(),
            text: text(record, spell.1 - spell.0, &self.drawn(&record.device, curve, *spell)),
        };
        longest.iter().map(event).collect()
    }
}

/// Returns the energy of all episodes. Those whose times were not kept are taken to have the mean power of the others.
fn energy_of_all(kept_uj: u64, spells: &Episodes) -> u64 {
    let kept_ns: u128 = spells.kept.iter().map(|(from_ns, to_ns)| u128::from(to_ns - from_ns)).sum();
    let all_uj = (u128::from(kept_uj) * u128::from(spells.total_ns)).checked_div(kept_ns);
    all_uj.map_or(kept_uj, |uj| u64::try_from(uj).unwrap_or(u64::MAX))
}

/// Whether an episode used energy, which may be unknown. A stall in which nothing draws power is no loss.
fn drew_power(record: &EpisodeRecord) -> bool {
    record.energy_uj != Some(0)
}

/// Returns the text of an episode's event.
fn text(record: &EpisodeRecord, lasted_ns: u64, drawn: &Drawn) -> String {
    let seconds = |ns: u64| format!("{:.1} s", ns as f64 / 1e9);
    let lasted = seconds(lasted_ns);
    let what = match record.usual_ns {
        Some(usual_ns) => {
            format!("no step ended for {lasted} longer than the usual {:.3} s", usual_ns as f64 / 1e9)
        }
        None => format!("at its highest temperature, or slowed down by it, for {lasted}"),
    };
    let joules = |uj: u64| uj as f64 / 1e6;
    let watts = |uj: u64, ns: u64| uj as f64 / (ns.max(1) as f64 / 1e3);
    match *drawn {
        Drawn::Whole { uj, lasted_ns } => {
            format!("{what}; it drew {:.1} W meanwhile, {:.1} J", watts(uj, lasted_ns), joules(uj))
        }
        Drawn::Part { uj, read_ns: Some(read_ns) } => {
            let (power, read) = (watts(uj, read_ns), seconds(read_ns));
            format!("{what}; it drew {power:.1} W in the {read} in which it was read, at least {:.1} J", joules(uj))
        }
        Drawn::Part { uj, read_ns: None } => {
            format!("{what}; at least {:.1} J were drawn meanwhile: not every device was read", joules(uj))
        }
        Drawn::Unknown => format!("{what}; what it drew meanwhile is not known"),
    }
}

#[cfg(test)]
mod tests;
