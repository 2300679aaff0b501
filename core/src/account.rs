//! The account ([`Account`]): the energies of a run until one instant, computed from the ledger, in the form of the report.
//!
//! The [`Ledger`] keeps readings and spans while the run goes on. A *domain* is one sensor or counter, an *edge* the energy
//! until an instant with its bounds, a *gap* a time without readings, and a *deputy* a sensor that replaces one that has
//! stopped working.

use std::collections::BTreeMap;

use crate::knot::Bounds;
use crate::ledger::{NameTimes, StepBin, TotalNow};
use crate::overlap::Shown;
use crate::run_ends::range_around_both;
use crate::schema::{
    Device, Energy, EventRecord, GapRecord, Quantiles, ReplacedPart, SpanRecord, SpanTimeRecord, State, StepCurve,
    stated,
};
use crate::slack::covered_by;
use crate::spans::{DomainSum, NameTotal};
use crate::take_over::DeputyPart;
use crate::units::watts;
use crate::{
    Bounded, Curve, CurvePoint, DomainEnds, Edge, Fault, Gap, GapReason, Ledger, Quality, RangeKind, Ranged, Track,
    contradiction, overlap,
};

/// Energy of a run until an instant: total, by device, by span.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Start of the run, monotonic nanoseconds.
    pub begin_ns: u64,
    /// End of the run, monotonic nanoseconds.
    pub end_ns: u64,
    /// Sums over devices that do not overlap; PUE 1.
    pub energy: Energy,
    /// One entry per domain.
    pub devices: Vec<Device>,
    /// One entry per span name.
    pub spans: Vec<SpanRecord>,
    /// `final` when no later reading changes an energy.
    pub state: State,
    /// Energy that each device's counter had counted at the run's start, microjoules since its first reading.
    pub start_uj: Vec<u64>,
    /// For each device the index of the domain whose energy it reports: its own, or its power sensor's where that contradicts it.
    pub sources: Vec<usize>,
    /// Unusual results of comparing sensors.
    pub events: Vec<EventRecord>,
}

/// Number of recent counter changes that a curve has in addition to the thinned history: all that a track keeps.
const MAX_RECENT: usize = 512;

impl Ledger {
    /// Computes the account of the run from its start until `end_ns`.
    #[must_use]
    pub fn account(&self, end_ns: u64) -> Account {
        let begin_ns = self.opened_ns;
        let end_ns = end_ns.max(begin_ns);
        let ends = self.run_end(end_ns);
        let counts = self.domain_ends(end_ns);
        let shown: Vec<Shown> = counts.iter().map(|counts| counts.shown).collect();
        let overlaps = overlap::of(self.tracks.iter().map(Track::domain).zip(shown.iter().copied()));
        let mut devices: Vec<Device> = Vec::with_capacity(self.tracks.len());
        for (index, track) in self.tracks.iter().enumerate() {
            let (run, gaps) = ((begin_ns, end_ns), self.gaps(index, end_ns));
            let mut device = device(track, &counts[index], run, &gaps);
            device.replaced = self.replaced(index, begin_ns, end_ns);
            let parts = device.replaced.iter().map(|part| part.quality);
            device.quality = parts.fold(device.quality, Quality::max);
            device.overlaps.clone_from(&overlaps[index]);
            devices.push(device);
        }
        let contradiction::CrossCheckResult { sources, events } = self.cross_check(&mut devices, end_ns);
        let energy = total(&devices, end_ns - begin_ns);
        let spans = self.spans(&devices, &sources);
        let waits = |(at, edge): (usize, &Edge)| {
            !edge.settled && self.is_waited_for(at) && !self.is_silent(at) && !overlap::is_left_out(&devices[at])
        };
        let settled = !ends.iter().enumerate().any(waits) && spans.iter().all(|span| span.state == State::Final);
        let state = if settled { State::Final } else { State::Provisional };
        let start_uj = counts.iter().map(|counts| counts.start.uj).collect();
        Account { begin_ns, end_ns, energy, devices, spans, state, start_uj, sources, events }
    }

    /// Returns how the energy of a device grew until the end of an account of this ledger; `None` for one that was not read.
    ///
    /// The curve has every counter change of the last seconds, and thinned ones before. Each point is as uncertain as the
    /// account's total of the device.
    #[must_use]
    pub fn curve(&self, account: &Account, device: usize) -> Option<Curve> {
        let total = account.devices.get(device)?.bounded();
        let total_uj = total.value?;
        let source = account.sources.get(device).copied().unwrap_or(device);
        let start_uj = account.start_uj.get(source).copied().unwrap_or(0);
        let (below_uj, above_uj) =
            (total_uj - total.low.min(total_uj), total.high.map(|high| high.max(total_uj) - total_uj));
        // A track's own recent changes are incomplete where a deputy has counted for it.
        let complete_track = self.tracks.get(source).filter(|_| self.parts(source).is_empty());
        let recent = complete_track.into_iter().flat_map(|track| track.recent(MAX_RECENT));
        let knots = self.history(source).iter().chain(recent).filter(|knot| !knot.first || knot.lo_ns > 0);
        let points =
            knots.map(|knot| CurvePoint::of_knot(knot, account.begin_ns, start_uj).loosened(below_uj, above_uj));
        Some(Curve::new(points, account.end_ns - account.begin_ns, total))
    }

    /// Returns the energy of the run's own settled steps over time; `None` where there is none.
    #[must_use]
    pub fn step_curve(&self, account: &Account) -> Option<StepCurve> {
        let steps = self.steps.as_ref()?;
        let bins = steps.all();
        let last = bins.last()?.at;
        let mut curve =
            StepCurve { name: self.names.text(steps.name).to_owned(), bin_ns: steps.width_ns, ..StepCurve::default() };
        let mut bins = bins.iter().peekable();
        for at in 0..=last {
            let bin = bins.next_if(|bin| bin.at == at);
            let energy = bin.map_or(Bounded::exact(0), |bin| step_energy(bin, account));
            curve.count.push(bin.map_or(0, |bin| bin.count));
            curve.duration_ns.push(bin.map_or(0, |bin| bin.duration_ns));
            curve.energy_uj.push(energy.value);
            curve.low_uj.push(energy.low);
            curve.high_uj.push(energy.high);
        }
        Some(curve)
    }

    /// Returns when the settled spans of each name ran.
    #[must_use]
    pub fn span_times(&self) -> Vec<SpanTimeRecord> {
        let since_start = |at_ns: u64| at_ns.saturating_sub(self.opened_ns);
        let record = |times: &NameTimes| SpanTimeRecord {
            name: self.names.text(times.name).to_owned(),
            joined_ns: self.span_times.joined_ns,
            from_ns: times.parts.iter().map(|part| since_start(part.0)).collect(),
            to_ns: times.parts.iter().map(|part| since_start(part.1)).collect(),
        };
        self.span_times.names.iter().map(record).collect()
    }

    /// Returns a domain's gaps within the run, without the times that its deputies counted.
    fn gaps(&self, index: usize, end_ns: u64) -> Vec<Gap> {
        let of = |track: &Track| gaps(track, self.opened_ns, end_ns);
        self.parts(index).iter().fold(of(&self.tracks[index]), |gaps, part| {
            let to_ns = part.to_ns.unwrap_or(end_ns);
            let whole = Gap { from_ns: part.from_ns, to_ns, reason: GapReason::Uncovered };
            // Gaps of the deputy stay: there neither was read.
            without(gaps, &without(vec![whole], &of(&self.tracks[part.by])))
        })
    }

    /// Returns for how long neither a domain nor its deputies were read since the run's start, nanoseconds.
    pub(crate) fn uncovered_ns(&self, index: usize, end_ns: u64) -> u64 {
        uncovered_ns(&self.tracks[index], &self.gaps(index, end_ns), (self.opened_ns, end_ns))
    }

    /// Returns the parts of a device's energy that deputies counted.
    fn replaced(&self, index: usize, begin_ns: u64, end_ns: u64) -> Vec<ReplacedPart> {
        let within = |part: &&DeputyPart| part.from_ns < end_ns && part.to_ns.is_none_or(|to_ns| to_ns > begin_ns);
        let record = |part: &DeputyPart| {
            let (from_ns, to_ns) = (part.from_ns.max(begin_ns), part.to_ns.unwrap_or(end_ns).min(end_ns));
            let by = self.tracks[part.by].domain();
            ReplacedPart {
                from_ns: from_ns - begin_ns,
                to_ns: to_ns - begin_ns,
                source: by.source.clone(),
                quality: by.quality,
                sensor_quality: self.tracks[index].domain().quality,
                energy_uj: self.part_uj(part, from_ns, to_ns),
            }
        };
        self.parts(index).iter().filter(within).map(record).collect()
    }

    /// Returns the totals of all span names that were used.
    fn spans(&self, devices: &[Device], sources: &[usize]) -> Vec<SpanRecord> {
        let totals = self.totals_now();
        let used = totals.iter().enumerate().filter(|(_, now)| now.total.count > 0);
        used.map(|(name, TotalNow { total, waits })| SpanRecord {
            name: self.names.text(crate::NameId(name as u32)).to_owned(),
            state: if *waits { State::Provisional } else { State::Final },
            ..span(total, devices, sources)
        })
        .collect()
    }
}

/// Returns the energy of the steps of a bin: the sum over the devices that do not overlap.
fn step_energy(bin: &StepBin, account: &Account) -> Bounded<u64> {
    let of = |(at, device): (usize, &Device)| {
        let energy = bin.by_domain.get(account.sources[at]).cloned().unwrap_or_default();
        let Some((bounds, kind)) = energy.bounds.zip(device.range_kind) else { return Bounded::unknown() };
        Bounded { value: Some(energy.uj), low: bounds.low_uj, high: bounds.high_uj, kind }.around_value()
    };
    account.devices.iter().enumerate().filter(|(_, device)| device.is_summed()).map(of).sum()
}

/// Returns the record of the spans of one name. `sources`: for each device the index of the domain whose energy it reports.
pub(crate) fn span(total: &NameTotal, devices: &[Device], sources: &[usize]) -> SpanRecord {
    let (mut sums, mut by_device) = (Vec::new(), BTreeMap::new());
    for (at, device) in devices.iter().enumerate().filter(|(_, device)| device.is_summed()) {
        let (Some(own), Some(sum)) = (total.by_domain.get(at), total.by_domain.get(sources[at])) else { continue };
        if device.energy_uj.is_none() {
            // Not read: it may have drawn any energy.
            sums.push((Bounded::unknown(), Bounded::unknown()));
            continue;
        }
        let kind = device.range_kind.unwrap_or_default();
        let ranged = |sum: &DomainSum, bounds: Bounds, kind| {
            Bounded { value: Some(sum.energy_uj()), low: bounds.low_uj, high: bounds.high_uj, kind }.around_value()
        };
        let of = |sum: &DomainSum| (ranged(sum, sum.bounds(), kind), ranged(sum, sum.free_bounds(), RangeKind::Hard));
        let (mut energy, mut free) = of(sum);
        if sources[at] != at {
            let (counted, counted_free) = of(own);
            energy = if counted.value == Some(0) { energy } else { range_around_both(counted, energy) };
            free = range_around_both(Bounded { high: None, ..counted_free }, free);
        }
        sums.push((energy, free));
        by_device.insert(device.id.clone(), sum.energy_uj());
    }
    let energy: Bounded<u64> = sums.iter().map(|(energy, _)| *energy).sum();
    let free: Bounded<u64> = sums.iter().map(|(_, free)| *free).sum();
    let (range_kind, range_percent) = stated(&energy);
    SpanRecord {
        count: total.count,
        duration_ns: total.duration_ns,
        energy_uj: energy.value,
        low_uj: energy.low,
        high_uj: energy.high,
        free_low_uj: free.low,
        free_high_uj: free.high,
        range_kind,
        range_percent,
        wide: total.widths.wide(),
        by_device,
        ..SpanRecord::default()
    }
}

fn device(track: &Track, ends: &DomainEnds, run: (u64, u64), gaps: &[Gap]) -> Device {
    let (begin_ns, end_ns) = run;
    let domain = track.domain();
    let counts = track.counts();
    // A counter that never moved and then failed has measured nothing: its energy is unknown, not 0.
    let known = ends.energy();
    let energy = known.and_then(|known| known.limited.value);
    let range_kind = known.map(|known| known.limited.kind);
    let uncovered_ns = if energy.is_some() { uncovered_ns(track, gaps, run) } else { u64::MAX };
    let missing_ns = uncovered_ns.min(end_ns - begin_ns);
    let covered_ns = (end_ns - begin_ns) - missing_ns;
    Device {
        id: domain.id.clone(),
        component: domain.component,
        domain: domain.domain.clone(),
        name: domain.name.clone(),
        model: domain.model().map(str::to_owned),
        method: domain.method.clone(),
        source: domain.source.clone(),
        quality: if energy.is_some() { domain.quality } else { Quality::Missing },
        energy_uj: energy,
        low_uj: known.map(|known| known.limited.low),
        high_uj: known.and_then(|known| known.limited.high),
        free_low_uj: known.map(|known| known.free.low),
        free_high_uj: known.and_then(|known| known.free.high),
        range_kind,
        range_percent: range_kind.map(RangeKind::percent),
        gain_percent: domain.gain_percent,
        mean_w: energy.and_then(|uj| watts(uj, covered_ns)),
        peak_w: (track.peak_uw > 0).then(|| track.peak_uw as f64 / 1e6),
        peak_window_ns: track.power_window_ns(),
        power_w: quantiles(track),
        coverage: if end_ns > begin_ns { covered_ns as f64 / (end_ns - begin_ns) as f64 } else { 1.0 },
        update_period_ns: track.period_ns(),
        wraps: counts.wraps,
        resets: counts.resets,
        anomalies: counts.anomalies + counts.violations,
        failures: counts.failures,
        readings: counts.readings,
        gaps: gaps.iter().map(|gap| record(gap, begin_ns)).collect(),
        overlaps: Vec::new(),
        replaced: Vec::new(),
        cross_check: None,
        gauges: Vec::new(),
    }
}

/// Returns quantiles of a domain's power over time; `None` where no power is known.
fn quantiles(track: &Track) -> Option<Quantiles> {
    let at = |q| track.histogram.quantile(q).map(|mw| mw as f64 / 1e3);
    Some(Quantiles { p50: at(0.5)?, p90: at(0.9)?, p99: at(0.99)? })
}

/// Returns a domain's gaps within the run, including the time after its last reading.
fn gaps(track: &Track, begin_ns: u64, end_ns: u64) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = track.slack.gaps().filter(|gap| gap.to_ns > begin_ns && gap.from_ns < end_ns).collect();
    let reason = match track.failing() {
        Some(Fault::Lost | Fault::Gone) => GapReason::Lost,
        Some(Fault::Hung) => GapReason::Hung,
        Some(_) => GapReason::Failed,
        None => GapReason::Uncovered,
    };
    let last_ns = track.last_good_ns().map_or(begin_ns, |(_, after_ns)| after_ns);
    if let Some(knot) = track.last_knot().filter(|_| track.is_frozen()) {
        gaps.push(Gap { from_ns: knot.hi_ns, to_ns: last_ns.min(end_ns), reason: GapReason::Frozen });
    }
    if last_ns < end_ns {
        gaps.push(Gap { from_ns: last_ns, to_ns: end_ns, reason });
    }
    gaps.retain(|gap| gap.from_ns < gap.to_ns);
    gaps
}

/// Returns the length of a domain's gaps within the run, including those that are too old to be listed, nanoseconds.
fn uncovered_ns(track: &Track, gaps: &[Gap], (begin_ns, end_ns): (u64, u64)) -> u64 {
    covered_by(gaps.iter().copied(), begin_ns, end_ns).saturating_add(track.slack.older_ns(begin_ns))
}

/// Returns the parts of `gaps` that are not within `others`.
fn without(mut gaps: Vec<Gap>, others: &[Gap]) -> Vec<Gap> {
    for other in others {
        let parts_around = |gap: Gap| {
            [Gap { to_ns: gap.to_ns.min(other.from_ns), ..gap }, Gap { from_ns: gap.from_ns.max(other.to_ns), ..gap }]
        };
        gaps = gaps.into_iter().flat_map(parts_around).filter(|gap| gap.from_ns < gap.to_ns).collect();
    }
    gaps
}

/// Returns the report's record of a gap.
fn record(gap: &Gap, begin_ns: u64) -> GapRecord {
    let since = |ns: u64| ns.saturating_sub(begin_ns);
    GapRecord { from_ns: since(gap.from_ns), to_ns: since(gap.to_ns), reason: gap.reason.name().to_owned() }
}

/// Returns the run's energy: sums over the devices that do not overlap. A device that was not read may have drawn any
/// energy. If none was read, the whole run is missing.
fn total(devices: &[Device], duration_ns: u64) -> Energy {
    let summed = || devices.iter().filter(|device| device.is_summed());
    let missing = |device: &Device| ((1.0 - device.coverage) * duration_ns as f64).round() as u64;
    let (total, free): (Bounded<u64>, Bounded<u64>) =
        (summed().map(Device::bounded).sum(), summed().map(Device::free).sum());
    let of = |quality| summed().map(|device| device.uj_of(quality)).fold(0, u64::saturating_add);
    let missing_ns = summed().map(missing).fold(0, u64::saturating_add);
    Energy {
        free_low_uj: free.low,
        free_high_uj: free.high,
        measured_uj: of(Quality::Measured),
        derived_uj: of(Quality::Derived),
        estimated_uj: of(Quality::Estimated),
        synthetic_uj: of(Quality::Synthetic),
        missing_ns: if total.is_known() { missing_ns } else { missing_ns.max(duration_ns) },
        facility_uj: total.value,
        pue: 1.0,
        ..Energy::default().with_total(total)
    }
}
