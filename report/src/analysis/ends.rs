//! Computes the energy of each device again from what its domain had counted at both ends of the run ([`check_ends`]), for
//! `eco2 verify`, and compares these counts with the readings that the log keeps.
//!
//! A *domain* is one sensor or counter. A log has all readings around wraps and resets of a counter, and about one a second of the
//! others: the counts between two kept readings lie between theirs.

use std::collections::HashMap;

use eco2_core::schema::{Device, Report};
use eco2_core::{DeviceEnergy, Domain, DomainEnds, EndCount, Kind, Outcome, Quality, Reading, RunEnds, Track};
use jiff::{SignedDuration, Timestamp};

use super::figures::{FigureCheck, FigureDifference};
use crate::store::LogContents;

/// The result of [`check_ends`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndsCheck {
    /// The figures that were computed again, and those that differ.
    pub figures: FigureCheck,
    /// Devices whose energy and ranges follow from the counts at both ends, to the microjoule.
    pub exact_devices: u64,
    /// Those of them whose counts lie between those of the kept readings.
    pub confirmed_devices: u64,
    /// Counts that the kept readings do not confirm. It is no fault by itself where a counter failed or started again.
    pub not_confirmed: Vec<FigureDifference>,
}

/// Checks the final report of a log against the counts at both ends of the run; `None` if the log has none.
#[must_use]
pub fn check_ends(log: &LogContents) -> Option<EndsCheck> {
    let (ends, report) = (log.ends.as_ref()?, log.final_report.as_ref()?);
    let mut check = EndsCheck::default();
    check.times(ends, report, log);
    let domains = check.definitions(ends, log);
    if let Some(domains) = domains {
        let mut devices = check.devices(ends, &domains, report);
        check.counts(ends, &domains, &mut devices);
        check.exact_devices = devices.iter().flatten().filter(|compared| compared.is_exact).count() as u64;
        check.readings(&Compared { ends, domains, devices }, report, log);
    }
    Some(check)
}

/// What the kept readings are compared with, by the index of the domain in the counts.
struct Compared<'a> {
    ends: &'a RunEnds,
    domains: Vec<&'a Domain>,
    /// The device of each domain; `None` for one that the report leaves out.
    devices: Vec<Option<ComparedDevice<'a>>>,
}

/// A device of the report, and whether its energy and ranges follow from the counts.
#[derive(Clone, Copy)]
struct ComparedDevice<'a> {
    device: &'a Device,
    is_exact: bool,
}

impl EndsCheck {
    fn differs(&mut self, field: &str, stored: &str, computed: &str) {
        self.figures.compare(field, stored, computed, false);
    }

    /// Compares the times of the report with the ends of the run.
    fn times(&mut self, ends: &RunEnds, report: &Report, log: &LogContents) {
        let (stored_ns, lasted_ns) = (report.run.duration_ns, ends.end_ns.saturating_sub(ends.begin_ns));
        self.figures.compare("run.duration_ns", stored_ns, lasted_ns, stored_ns == lasted_ns);
        let Some(meta) = &log.meta else { return };
        let since = ends.begin_ns.checked_sub(meta.begin_ns).and_then(|ns| i64::try_from(ns).ok());
        let opened: Option<Timestamp> = meta.run.started_at.parse().ok();
        let started = opened.zip(since).and_then(|(at, ns)| at.checked_add(SignedDuration::from_nanos(ns)).ok());
        let (stored, computed) = (&report.run.started_at, started.map_or_else(String::new, |at| at.to_string()));
        self.figures.compare("run.started_at", stored, &computed, *stored == computed);
    }

    /// Returns the definitions of the domains in the order of the counts; `None` if one is missing.
    fn definitions<'a>(&mut self, ends: &RunEnds, log: &'a LogContents) -> Option<Vec<&'a Domain>> {
        let by_id: HashMap<&str, &Domain> = log.domains.values().map(|domain| (domain.id.as_str(), domain)).collect();
        let mut ids: Vec<&str> = by_id.keys().copied().collect();
        ids.sort_unstable();
        for id in ids.into_iter().filter(|id| !ends.domains.iter().any(|domain| domain.id == **id)) {
            self.differs(&format!("counts of {id}"), "not in the log", "read during the run");
        }
        // Domains have the same order in both. Ids decide where a frame with definitions was lost.
        let defined = |(at, counts): (u32, &DomainEnds)| {
            let in_order = log.domains.get(&at).filter(|domain| domain.id == counts.id);
            in_order.or_else(|| by_id.get(counts.id.as_str()).copied())
        };
        let definitions: Vec<Option<&Domain>> = (0..).zip(&ends.domains).map(defined).collect();
        for (domain, _) in ends.domains.iter().zip(&definitions).filter(|(_, definition)| definition.is_none()) {
            self.differs(&format!("domain {}", domain.id), "not in the log", "counted at both ends of the run");
        }
        definitions.into_iter().collect()
    }

    /// Compares the devices of the report with the counts. Returns the device of each domain.
    fn devices<'a>(
        &mut self,
        ends: &RunEnds,
        domains: &[&Domain],
        report: &'a Report,
    ) -> Vec<Option<ComparedDevice<'a>>> {
        let mut rest: Vec<(usize, &Device)> = report.devices.iter().enumerate().collect();
        let computed = ends.energies().into_iter().zip(ends.overlaps(domains));
        let mut devices = Vec::with_capacity(domains.len());
        for ((at, counts), (energy, overlaps)) in ends.domains.iter().enumerate().zip(computed) {
            let place = rest.iter().position(|(_, device)| device.id == counts.id);
            let device = place.filter(|_| overlaps.is_some()).map(|place| rest.remove(place));
            let mut is_exact = false;
            match (device, overlaps) {
                (Some((index, device)), Some(overlaps)) => {
                    is_exact = self.device(&format!("devices[{index}]"), device, counts, energy, domains[at]);
                    let field = format!("devices[{index}].overlaps of {}", device.id);
                    let are_equal = device.overlaps == overlaps;
                    self.figures.compare(&field, listed(&device.overlaps), listed(&overlaps), are_equal);
                }
                (None, Some(_)) => {
                    let uj = energy.and_then(|energy| energy.limited.value);
                    let computed = uj.map_or_else(|| "read, without a value".to_owned(), |uj| format!("{uj} uJ"));
                    self.differs(&format!("devices: {}", counts.id), "not in the report", &computed);
                }
                _ => {}
            }
            devices.push(device.map(|(_, device)| ComparedDevice { device, is_exact }));
        }
        for (index, device) in rest {
            let field = format!("devices[{index}] {}", device.id);
            self.differs(&field, "in the report", "not counted, or another one counted in its place");
        }
        devices
    }

    /// Compares one device with the counts of its domain. Returns whether its energy and ranges follow from them.
    fn device(
        &mut self,
        field: &str,
        device: &Device,
        counts: &DomainEnds,
        energy: Option<DeviceEnergy>,
        domain: &Domain,
    ) -> bool {
        let before = self.figures.differences.len();
        let (limited, free) = (energy.map(|energy| energy.limited), energy.map(|energy| energy.free));
        let amounts = [
            ("energy_uj", device.energy_uj, limited.and_then(|range| range.value)),
            ("low_uj", device.low_uj, limited.map(|range| range.low)),
            ("high_uj", device.high_uj, limited.and_then(|range| range.high)),
            ("free_low_uj", device.free_low_uj, free.map(|range| range.low)),
            ("free_high_uj", device.free_high_uj, free.and_then(|range| range.high)),
            ("wraps", Some(device.wraps), Some(counts.wraps)),
            ("resets", Some(device.resets), Some(counts.resets)),
        ];
        for (name, stored, computed) in amounts {
            self.figures.integer(&format!("{field}.{name} of {}", device.id), stored, computed);
        }
        let quality = match energy {
            None => Quality::Missing,
            Some(_) if counts.reported_by.is_some() => Quality::Derived,
            Some(_) => device.replaced.iter().map(|part| part.quality).fold(domain.quality, Quality::max),
        };
        let field = format!("{field}.quality of {}", device.id);
        self.figures.compare(&field, device.quality.name(), quality.name(), device.quality == quality);
        self.figures.differences.len() == before && energy.is_some()
    }

    /// Compares each count with the changes around it.
    fn counts(&mut self, ends: &RunEnds, domains: &[&Domain], devices: &mut [Option<ComparedDevice<'_>>]) {
        for ((counts, domain), device) in ends.domains.iter().zip(domains).zip(devices) {
            let follow = counts.follow_from_changes(domain, [ends.begin_ns, ends.end_ns]);
            let [stored, computed] = ["other counts", "counts between the changes around them"];
            self.figures.compare(&format!("counts of {}", counts.id), stored, computed, follow);
            device.iter_mut().for_each(|device| device.is_exact &= follow);
        }
    }

    /// Compares the changes around the counts with the kept readings.
    fn readings(&mut self, compared: &Compared<'_>, report: &Report, log: &LogContents) {
        let Compared { ends, domains, devices } = compared;
        let by_id: HashMap<&str, usize> =
            ends.domains.iter().enumerate().map(|(at, counts)| (counts.id.as_str(), at)).collect();
        let place = |index: &u32| {
            let (at, id) = (*index as usize, log.domains.get(index)?.id.as_str());
            let in_order = ends.domains.get(at).filter(|counts| counts.id == id).map(|_| at);
            in_order.or_else(|| by_id.get(id).copied())
        };
        let mut counters: Vec<Option<Counter>> =
            domains.iter().map(|domain| (domain.kind == Kind::Energy).then(|| Counter::new(domain))).collect();
        for (index, reading) in &log.history {
            let Some((at, counter)) = place(index).and_then(|at| Some((at, counters.get_mut(at)?.as_mut()?))) else {
                continue;
            };
            counter.push(reading, &ends.domains[at]);
        }
        let is_whole_log =
            !log.thinned && log.torn_bytes == 0 && log.missing_blocks == 0 && report.own.log_lost_bytes == 0;
        for (at, counter) in counters.into_iter().enumerate() {
            let Some(counter) = counter.filter(|counter| counter.readings > 0) else { continue };
            let device = devices[at];
            let Some(contradiction) = counter.contradiction else {
                self.confirmed_devices += u64::from(device.is_some_and(|compared| compared.is_exact));
                continue;
            };
            let is_steady = |device: &Device| {
                (device.resets, device.anomalies, device.failures) == (0, 0, 0)
                    && device.gaps.is_empty()
                    && device.replaced.is_empty()
            };
            if is_whole_log && device.is_some_and(|compared| is_steady(compared.device)) {
                let FigureDifference { field, stored, computed } = &contradiction;
                self.differs(field, stored, computed);
            } else {
                self.not_confirmed.push(contradiction);
            }
        }
    }
}

fn listed(ids: &[String]) -> String {
    if ids.is_empty() { "none, so that it is summed".to_owned() } else { ids.join(", ") }
}

/// The kept readings of one counter.
struct Counter {
    track: Track,
    readings: u64,
    contradiction: Option<FigureDifference>,
}

impl Counter {
    fn new(domain: &Domain) -> Self {
        Self { track: Track::new(domain.clone()), readings: 0, contradiction: None }
    }

    /// Adds a reading, and compares the count until then with those before and after it.
    fn push(&mut self, reading: &Reading, counts: &DomainEnds) {
        if matches!(self.track.push(reading), Outcome::Implausible | Outcome::Failed(_)) {
            return;
        }
        let Some(uj) = self.track.last_knot().map(|knot| knot.uj) else { return };
        self.readings += 1;
        for (name, count) in [("start", &counts.start), ("end", &counts.end)] {
            if let Some(computed) = contradicted(count, reading, uj) {
                self.contradiction.get_or_insert(FigureDifference {
                    field: format!("count of {} at the {name}", counts.id),
                    stored: format!("{} uJ", count.uj),
                    computed,
                });
            }
        }
    }
}

/// Returns what a kept reading with this count shows of a count if the two contradict each other.
fn contradicted(count: &EndCount, reading: &Reading, uj: u64) -> Option<String> {
    [count.before, count.after].into_iter().flatten().find_map(|change| {
        let is_more = reading.after_ns <= change.lo_ns && uj > change.uj;
        let is_less = reading.before_ns >= change.hi_ns && uj < change.uj;
        let word = if is_more { "at least" } else { "at most" };
        (is_more || is_less).then(|| format!("{word} {uj} uJ by the readings"))
    })
}
