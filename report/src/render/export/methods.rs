//! Writes the methods paragraph of a paper about one run or several, and the checklist of compute resources that
//! conferences ask for ([`compute_checklist`]).
//!
//! Runs of one group (the same value of a label) are repeats: their mean has a confidence interval. PUE is the factor of
//! the facility's overhead.

use super::super::figures::{counted, number};
use super::super::numbers::{Amount, EN, NB, digits, duration, share};
use super::super::presentable;
use super::{
    basis, distinct, factor_sources, hardware_words_of, is_open, kinds, mean_intensity, open_runs, overlap, sensors,
    synthetic_warning,
};
use crate::analysis::{
    DeviceTime, Grouping, RunGroup, RunSum, Scope, Spread, compare_by, declared_pue, has_failed, layers, scope_of,
    sum_of_runs,
};
use crate::{Error, clean};
use eco2_core::schema::{Carbon, Energy, Report, Supplements};
use eco2_core::units::UJ_PER_KWH;
use eco2_core::{Bounded, Component, Quality, RangeKind, Ranged};
use eco2_grid::carbon::FunctionalUnit;

/// Returns the methods paragraph of a paper about one run, as one line.
///
/// # Errors
/// [`Error::NoGrams`].
pub fn methods(report: &Report) -> Result<String, Error> {
    methods_of(std::slice::from_ref(report), None)
}

/// Returns the methods paragraph of a paper about all these runs, as one line: their sum, the range or the mean of one run,
/// and how the values were determined. Values have at most three significant digits; bounds are rounded outwards.
///
/// `by` is a label: runs with the same value of it are repeats, whose mean has a 95 % confidence interval.
///
/// # Errors
/// [`Error::NoGrams`] if no run has emissions.
pub fn methods_of(reports: &[Report], by: Option<&str>) -> Result<String, Error> {
    let reports: Vec<Report> = reports.iter().map(|report| presentable(report).into_owned()).collect();
    let all = sum_of_runs(&reports).ok_or(Error::NothingToMerge)?;
    let Some(carbon) = all.sum.carbon.as_ref().filter(|_| all.unpriced < all.runs.len()) else {
        return Err(Error::NoGrams { run: all.runs.first().map(|run| run.run.id.clone()).unwrap_or_default() });
    };
    let mut sentences: Vec<String> = synthetic_warning(&all.sum).into_iter().chain([used(&all)]).collect();
    sentences.extend(open_runs(&all.runs));
    sentences.extend(overlap(&all).map(str::to_owned));
    sentences.extend(per_run(&all.runs, by));
    sentences.extend(how(&all.sum));
    sentences.push(whose(&all.sum));
    sentences.extend(gain(&all.sum));
    sentences.push(emitted(&all, carbon));
    sentences.extend(carbon.beside.as_deref().map(|one| supplements(one, &all.runs)).unwrap_or_default());
    sentences.extend(by_layer(&all));
    sentences.push(left_out(&all));
    sentences.extend(meters(&all.sum));
    Ok(sentences.join(" ").replace(EN, "–") + "\n")
}

/// Returns an energy with its range: `10.6 kWh (± 1.2 %)`, `an estimated 2.34 J (plausible range 0.05–16.1 J)`.
fn energy_words(report: &Report, prefix: bool) -> String {
    let is_estimate = is_estimate(report);
    let range = report.energy.bounded().map(|uj| uj as f64);
    let estimated = if is_estimate && prefix && range.is_known() { "an estimated " } else { "" };
    format!("{estimated}{}", amount_words(Amount::Energy, &range, is_estimate))
}

/// Whether no part of the energy was read from sensors.
fn is_estimate(report: &Report) -> bool {
    let energy = &report.energy;
    energy.measured_uj == 0 && energy.derived_uj == 0 && basis(report) != Quality::Measured.name()
}

/// Returns an amount with its range in parentheses.
fn amount_words(amount: Amount, range: &Bounded<f64>, is_estimate: bool) -> String {
    let bounds = amount.range(range, is_estimate);
    match range.value {
        None if bounds.is_empty() => "an unknown amount".to_owned(),
        None => bounds,
        Some(value) if range.high.is_none() && range.low <= 0.0 => {
            format!("{} (no bounds are known)", amount.text(value))
        }
        Some(value) if range.high.is_none() => format!("{bounds} (estimate {})", amount.text(value)),
        Some(value) if bounds.is_empty() => amount.text(value),
        Some(value) => format!("{} ({bounds})", amount.text(value)),
    }
}

/// Returns the sentence about duration, hardware and energy.
fn used(all: &RunSum) -> String {
    let energy = energy_words(&all.sum, true);
    let time = duration(all.sum.run.duration_ns);
    let hardware = hardware_words_of(&all.runs);
    let device_time = DeviceTime::of(&all.runs).filter(|time| time.component == Component::Gpu);
    let hours = device_time.map_or_else(String::new, |time| format!(" ({} GPU-hours)", digits(time.hours(), 3)));
    match all.runs.len() {
        1 => format!("Training ran for {time} on {hardware}{hours} and used {energy}."),
        count => format!("{count} runs took {time} in total on {hardware}{hours} and used {energy}."),
    }
}

/// Returns the sentences about a single run of several: its range, or the means of the groups by a label.
fn per_run(runs: &[Report], by: Option<&str>) -> Option<String> {
    match (by, runs) {
        (Some(label), _) => Some(by_group(&groups(runs, label)?)),
        (None, [_]) => None,
        (None, _) => {
            let known = known_uj(runs);
            let (least, most) = (known.iter().copied().reduce(f64::min)?, known.iter().copied().reduce(f64::max)?);
            let mean = Amount::Energy.text(known.iter().sum::<f64>() / known.len() as f64);
            let of_runs = known_of(known.len(), runs.len());
            if least == most {
                return Some(format!("One run used {mean}{of_runs}."));
            }
            let range = Amount::Energy.bounds_text(&Bounded::hard(most, least, Some(most)));
            Some(format!("One run used {range}, {mean} on average{of_runs}."))
        }
    }
}

/// Returns the known energies of the runs that ended, microjoules.
fn known_uj(runs: &[Report]) -> Vec<f64> {
    let ended = runs.iter().filter(|run| !is_open(run));
    ended.filter_map(|run| run.energy.total_uj).map(|uj| uj as f64).collect()
}

/// Returns of how many runs a value is known, if not of all.
fn known_of(known: usize, all: usize) -> String {
    if known < all {
        format!(" ({known} of {all} runs; of the others the energy or the end is not known)")
    } else {
        String::new()
    }
}

/// Returns the runs grouped by a label; `None` without a run.
fn groups(runs: &[Report], label: &str) -> Option<Grouping> {
    compare_by(runs, Some(FunctionalUnit::Run), &[], &[label.to_owned()]).grouping
}

fn by_group(grouping: &Grouping) -> String {
    let group = |group: &RunGroup| format!("{}: {}", group.label, mean_words(&group.energy_kwh));
    let means: Vec<String> = grouping.groups.iter().map(group).collect();
    let some_repeated = grouping.groups.iter().any(|group| group.energy_kwh.low.is_some());
    let interval =
        if some_repeated { ", with the 95\u{a0}% confidence interval of the mean over repeated runs" } else { "" };
    let left: Vec<&str> = grouping.groups.iter().flat_map(|group| &group.left_out).map(|one| one.why).collect();
    let left = match left.first() {
        None => String::new(),
        Some(why) => format!(" {} in no mean ({why}).", are(left.len())),
    };
    format!("Mean energy per run by {}{interval}: {}.{left}", grouping.by.join(", "), means.join("; "))
}

fn are(runs: usize) -> String {
    if runs == 1 { "One run is".to_owned() } else { format!("{runs} runs are") }
}

/// Returns a mean with its interval and the number of runs: `10.6 kWh (10.4–10.8 kWh, 5 runs)`.
fn mean_words(spread: &Spread) -> String {
    let runs = counted(spread.count as u64, "run");
    let Some(mean) = spread.mean.map(|kwh| kwh * UJ_PER_KWH) else { return "not known".to_owned() };
    let interval = spread.low.zip(spread.high).map(|(low, high)| {
        // The interval of a mean of few runs may reach below zero, which no energy does.
        let range = Bounded::plausible(mean, (low * UJ_PER_KWH).max(0.0), Some(high * UJ_PER_KWH));
        format!("{}, {runs}", Amount::Energy.bounds_text(&range))
    });
    format!("{} ({})", Amount::Energy.text(mean), interval.unwrap_or(runs))
}

/// Returns the sentences about how the energy was determined, and what the range promises.
pub(super) fn how(report: &Report) -> Vec<String> {
    let energy = &report.energy;
    let tool = format!("eco2\u{a0}{}", report.run.tool.version);
    let mut sentences = Vec::new();
    if basis(report) == Quality::Estimated.name() {
        sentences.push(format!("No energy sensor was available, so energy was modelled from utilisation ({tool})."));
    } else {
        let total = energy.total_uj.unwrap_or(0) as f64;
        let parts = [
            (energy.measured_uj, "from energy counters"),
            (energy.derived_uj, "from integrated power"),
            (energy.estimated_uj, "estimated by a model of utilisation"),
            (energy.synthetic_uj, "generated"),
        ];
        let words = parts
            .iter()
            .filter(|(uj, _)| *uj > 0)
            .map(|(uj, what)| format!("{}{NB}% {what}", share(*uj as f64, total)));
        let words = words.collect::<Vec<_>>().join(", ");
        // An energy of 0 has no parts.
        let words = if words.is_empty() { words } else { format!(": {words}") };
        sentences.push(format!("It was recorded with {tool} ({}){words}.", sensors(report).join(", ")));
    }
    let missing = match energy.missing_ns {
        0 => String::new(),
        ns => format!("; the range includes {} of device time without readings", duration(ns)),
    };
    sentences.push(format!("{}{missing}.", range_words(energy)));
    sentences
}

/// Returns what the range covers. It holds for every load only if it uses no power limit and no model.
fn range_words(energy: &Energy) -> &'static str {
    let modelled = energy.estimated_uj.saturating_add(energy.synthetic_uj);
    let hard = energy.range_kind == Some(RangeKind::Hard);
    let is_free = energy.low_uj == energy.free_low_uj && energy.high_uj == energy.free_high_uj;
    match (modelled, energy.measured_uj.saturating_add(energy.derived_uj)) {
        _ if energy.high_uj.is_none() => "There is no upper bound",
        (0, _) if !hard => "The range is plausible (90\u{a0}%), not a bound for every load",
        (0, _) if !is_free => "The range assumes that no device exceeded its power limit",
        (0, _) => "The range holds for every load between two readings",
        (_, 0) => "The range is that of the model",
        _ => "The range combines that of the sensors with that of the model",
    }
}

/// Returns how the sensors were read; `None` without sensors, and for a replayed trace, whose sensors are not known.
fn meters(report: &Report) -> Option<String> {
    let energy = &report.energy;
    let merged = report.merge.as_ref().map(|merge| &merge.parts[..]).filter(|parts| !parts.is_empty());
    let parts = merged.unwrap_or(std::slice::from_ref(report));
    let is_live =
        parts.iter().all(|part| part.run.boot_ns.is_some()) && (energy.measured_uj > 0 || energy.derived_uj > 0);
    is_live.then(|| "Sensors were read by software; no external power meter was used.".to_owned())
}

/// Returns the sentence about the sensors' gain error; `None` if none is declared.
fn gain(report: &Report) -> Option<String> {
    let most = report.devices.iter().filter_map(|device| device.gain_percent).reduce(f64::max)?;
    Some(format!("The sensors' declared gain error of up to {}\u{a0}% is not in the range.", number(most)))
}

/// Returns the sentence that states whose energy this is.
pub(super) fn whose(report: &Report) -> String {
    let method = report.attribution.as_ref().map_or("", |attribution| &attribution.method);
    match scope_of(report) {
        Scope::Command if report.energy.total_uj.is_none() => {
            "The part of the machine's energy that is attributed to the training is not known.".to_owned()
        }
        Scope::Command => {
            format!("It is the part of the machine's energy that is attributed to the training ({method}).")
        }
        Scope::Machine if report.merge.as_ref().is_some_and(|merge| merge.machines > 1) => {
            "It is the energy of the whole machines, idle time and other programs included.".to_owned()
        }
        Scope::Machine => "It is the energy of the whole machine, idle time and other programs included.".to_owned(),
    }
}

/// Returns the sentence about the emissions, with intensity, PUE and source.
fn emitted(all: &RunSum, carbon: &Carbon) -> String {
    if !all.mixed_kinds.is_empty() {
        return format!(
            "Emissions are not summed, because the kinds of carbon intensity differ ({}).",
            all.mixed_kinds.join(", ")
        );
    }
    let energy = &all.sum.energy;
    let grams = amount_words(Amount::Mass, &carbon.bounded(), is_estimate(&all.sum));
    let intensity = mean_intensity(carbon)
        .map_or_else(|| "varying intensity".to_owned(), |g| format!("{}{NB}gCO₂e/kWh", digits(g, 3)));
    let origin = [
        vec![carbon.zone.clone()],
        kinds(carbon).iter().map(|kind| (*kind).to_owned()).collect(),
        factor_sources(carbon),
    ];
    let origin = origin.concat().into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
    let world = match carbon.zone_source.as_str() {
        "default-world" => "No grid zone was set, so the world average applies. ",
        "unknown" => "The grid zone is not known, so the world average applies. ",
        "country" => "The region has no value of its own, so that of its country applies. ",
        _ => "",
    };
    let facility = match energy.facility_uj.filter(|_| energy.facility_uj != energy.total_uj) {
        Some(uj) => format!(" ({} with the facility's overhead)", Amount::Energy.text(uj as f64)),
        None => String::new(),
    };
    let pue = declared_pue(&all.runs).unwrap_or_else(|| "1.0".to_owned());
    let unpriced = match all.unpriced {
        0 => String::new(),
        count => format!(" {} without emissions and not in this sum.", are(count)),
    };
    format!(
        "{world}At a carbon intensity of {intensity} ({origin}) and a PUE of {pue}{facility}, this corresponds to location-based \
         emissions of {grams}.{unpriced}",
    )
}

/// Returns one sentence for each value in addition to the location-based emissions.
fn supplements(supplements: &Supplements, runs: &[Report]) -> Vec<String> {
    let mass = |range: Bounded<f64>| amount_words(Amount::Mass, &range, false);
    let market = supplements
        .market
        .as_ref()
        .map(|one| format!("Market-based emissions ({}) were {}.", one.instrument, mass(one.bounded())));
    let lives = runs.iter().filter_map(|run| run.carbon.as_ref()?.beside.as_ref()?.embodied.as_ref());
    let lives = distinct(lives.map(|embodied| embodied.life_years.to_string())).join(" and ");
    let embodied = supplements.embodied.as_ref().map(|embodied| {
        format!(
            "The share of the embodied emissions of the hardware ({}, {lives} years) was {}.",
            embodied.source,
            mass(embodied.bounded())
        )
    });
    let sci = supplements.sci.as_ref().map(|sci| {
        let without = if sci.embodied_g.is_none() { ", without embodied emissions" } else { "" };
        format!("Software carbon intensity was {} per {}{without}.", mass(sci.bounded()), sci.per)
    });
    [market, embodied, sci].into_iter().flatten().collect()
}

/// Returns the sentence about the layers of the energy; those of several runs are added layer by layer.
fn by_layer(all: &RunSum) -> Option<String> {
    let words = layers(&all.sum, &all.runs)?.map(|layer| layer.words(|uj| Amount::Energy.text(uj as f64)));
    Some(format!("By layer: {}.", words.join(", ")))
}

/// Returns the sentence about what is not in the energy.
fn left_out(all: &RunSum) -> String {
    let no_cooling = all.runs.iter().any(|run| run.energy.pue <= 1.0);
    let has_memory = all.sum.devices.iter().any(|one| one.is_summed() && one.component == Component::Memory);
    let parts = [(!has_memory, "memory"), (true, "storage"), (true, "network"), (no_cooling, "cooling")];
    let mut names: Vec<&str> = parts.iter().filter(|(is_out, _)| *is_out).map(|(_, name)| *name).collect();
    let last = names.pop().unwrap_or_default();
    let list = format!("{} and {last} are not included, nor is energy outside the runs.", names.join(", "));
    let mut letters = list.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Returns the answers to a conference's questions about compute resources as a Markdown list: hardware, time and energy of
/// the runs of the paper and of one of them, repeats, and those of the whole project with preliminary and failed runs.
///
/// `project` are all runs of the project, those of the paper included; `whose` names them: `12 runs stored on this machine`.
#[must_use]
pub fn compute_checklist(paper: &[Report], by: Option<&str>, project: &[Report], whose: &str) -> String {
    let presentable = |reports: &[Report]| reports.iter().map(|one| presentable(one).into_owned()).collect::<Vec<_>>();
    let (Some(reported), Some(all)) = (sum_of_runs(&presentable(paper)), sum_of_runs(&presentable(project))) else {
        return String::new();
    };
    let energy = &reported.sum.energy;
    let kind = match energy.range_kind {
        _ if energy.synthetic_uj > 0 => "none: the energy was generated",
        Some(RangeKind::Hard) => "hard: contains the true value whatever the load did",
        Some(RangeKind::Plausible) => "plausible: contains the true value with 90 %",
        None => "not known",
    };
    let repeats = match by.and_then(|label| groups(&reported.runs, label)) {
        Some(grouping) => {
            let group = |group: &RunGroup| {
                format!("{}: {}", group.label, counted((group.runs.len() + group.left_out.len()) as u64, "run"))
            };
            let counts: Vec<String> = grouping.groups.iter().map(group).collect();
            format!("by {}: {}", grouping.by.join(", "), counts.join(", "))
        }
        None => "not stated: name the label of the configurations with --by LABEL".to_owned(),
    };
    let each = spread_words(&reported.runs);
    let energy_parts = [
        (energy.measured_uj.saturating_add(energy.derived_uj), "from sensors"),
        (energy.estimated_uj, "estimated"),
        (energy.synthetic_uj, "synthetic"),
    ];
    let total = energy.total_uj.unwrap_or(0) as f64;
    let parts: Vec<String> = energy_parts
        .iter()
        .filter(|(uj, _)| *uj > 0)
        .map(|(uj, what)| format!("{}{NB}% {what}", share(*uj as f64, total)))
        .collect();
    let lines = [
        "Compute resources (for the checklist of a paper; not checked against its current text)".to_owned(),
        String::new(),
        format!("- Compute workers: {}", hardware_words_of(&reported.runs)),
        format!("- Runs in the paper: {}, {}", counted(reported.runs.len() as u64, "run"), resources(&reported)),
        format!("- One run: {each}"),
        format!("- Repeats: {repeats}"),
        format!("- All runs, with preliminary ones: {whose}, {}; {}", resources(&all), ends(&all.runs)),
        format!("- Range of the energy: {kind}"),
        format!(
            "- Basis of the energy: {}",
            if parts.is_empty() { basis(&reported.sum).to_owned() } else { parts.join(", ") }
        ),
    ];
    // A label and its values are the user's text.
    let lines: Vec<String> = lines.iter().map(|line| clean::terminal(line).replace(EN, "–")).collect();
    lines.join("\n") + "\n"
}

/// Returns how the runs ended: `of these 1 failed: 2 h, 3.00 kWh; 1 not ended`.
fn ends(runs: &[Report]) -> String {
    let failed: Vec<Report> = runs.iter().filter(|run| has_failed(run)).cloned().collect();
    let open = runs.iter().filter(|run| is_open(run) && !has_failed(run)).count();
    let unknown = runs.iter().filter(|run| !is_open(run) && run.run.exit_code.is_none()).count();
    let parts = [
        sum_of_runs(&failed).map(|sum| format!("{} failed: {}", failed.len(), resources(&sum))),
        Some(format!("{open} not ended")).filter(|_| open > 0),
        Some(format!("{unknown} without a known end")).filter(|_| unknown > 0),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "none of them failed".to_owned() } else { format!("of these {}", parts.join("; ")) }
}

/// Returns time and energy of runs: `11 h 10 min, 89.3 GPU-hours, 53.1 kWh (± 0.7 %)`.
fn resources(all: &RunSum) -> String {
    let hours = DeviceTime::of(&all.runs)
        .map_or_else(String::new, |time| format!("{}{NB}{}-hours, ", digits(time.hours(), 3), time.device()));
    let overlapped = if all.overlapped { " (some at the same time)" } else { "" };
    format!("{}{overlapped}, {hours}{}", duration(all.sum.run.duration_ns), energy_words(&all.sum, false))
}

/// Returns the least and the most that one run took.
fn spread_words(runs: &[Report]) -> String {
    let between = |amount: Amount, values: Vec<f64>| {
        let (least, most) =
            values.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), &one| (least.min(one), most.max(one)));
        match values.len() {
            0 => "not known".to_owned(),
            _ if least == most => amount.text(most),
            _ => amount.bounds_text(&Bounded::hard(most, least, Some(most))),
        }
    };
    let time = between(Amount::Time, runs.iter().map(|run| run.run.duration_ns as f64 / 1e9).collect());
    let known = known_uj(runs);
    let of_runs = known_of(known.len(), runs.len());
    let energy = between(Amount::Energy, known) + &of_runs;
    let hours = |run: &Report| DeviceTime::of(std::slice::from_ref(run)).map(DeviceTime::hours);
    let hours: Vec<f64> = runs.iter().filter_map(hours).collect();
    let device = DeviceTime::of(runs).map(DeviceTime::device);
    let hours = device.map_or_else(String::new, |device| {
        let most = hours.iter().fold(0.0_f64, |most, &one| most.max(one));
        format!("at most {}{NB}{device}-hours, ", digits(most, 3))
    });
    format!("{time}, {hours}{energy}")
}
