//! The rows of the short summary: energy, emissions, the job's part of the machine, work, and what the run's options ask for.

use eco2_core::schema::{Carbon, HostTotal, Report, Status, Supplements};
use eco2_core::{Bounded, Quality, RangeKind, Ranged, units};

use super::layout::Row;
use crate::analysis::is_mean_pue;
use crate::render::figures::{self, Scale, Spelling, Spread, number, percent, share};
use crate::{Scope, in_scope};

/// Returns the rows in their order; energy and emissions are the first two.
pub(super) fn rows(report: &Report, scope: Scope, spelling: Spelling) -> Vec<Row> {
    let first = in_scope(report, scope);
    let second = in_scope(report, scope.other());
    // The larger energy chooses the unit, so that both can be compared.
    let largest_uj = report.energy.total_uj.unwrap_or(report.energy.low_uj);
    let scale = spelling.energy_scale(largest_uj);
    let mut rows = vec![energy(&first, scope, qualities(report), scale, spelling), emissions(&first, spelling)];
    rows.iter_mut().for_each(|row| row.is_strong = true);
    rows.extend(match scope {
        Scope::Machine => job(report, &second, scale, spelling),
        Scope::Command => machine(report, scale, spelling),
    });
    rows.extend(host_totals(report, scale, spelling));
    rows.extend(work(&first, spelling));
    rows.extend(budget(report, spelling));
    rows.extend(supplements(&first, spelling));
    rows
}

/// Whether a part of the energy was generated for demonstrations and tests.
pub(super) fn is_synthetic(report: &Report) -> bool {
    report.energy.synthetic_uj > 0 || report.devices.iter().any(|device| device.quality == Quality::Synthetic)
}

/// Returns the row of the energy with its quality and range.
fn energy(report: &Report, scope: Scope, qualities: Vec<String>, scale: Scale, spelling: Spelling) -> Row {
    let energy = report.energy.bounded();
    if !energy.is_known() && energy.low == 0 {
        return if scope == Scope::Command && report.attribution.is_some() {
            Row::new("Energy", "not known".to_owned(), "this job: no energy could be attributed to it")
        } else if scope == Scope::Command {
            Row::new("Energy", "not known".to_owned(), "this job: energy was not attributed to a command")
        } else {
            Row::new("Energy", "not measured".to_owned(), why_not_measured(report))
        };
    }
    let mut remarks = qualities;
    if scope == Scope::Command {
        remarks.insert(0, "this job".to_owned());
    }
    let spread = spelling.spread(energy.map(|uj| uj as f64), scale);
    let value = match (&spread, energy.value) {
        (Spread::Open, _) | (_, None) => format!("at least {}", scale.value(energy.low)),
        (Spread::Percent(percent), Some(uj)) => format!("{} {percent}", scale.value(uj)),
        (_, Some(uj)) => scale.value(uj),
    };
    match spread {
        Spread::Range(range) if energy.kind == RangeKind::Plausible => remarks.push(format!("plausible range {range}")),
        Spread::Range(range) => remarks.push(range),
        _ => {}
    }
    Row::new("Energy", value, remarks.join(", "))
}

/// Returns why no energy is known.
fn why_not_measured(report: &Report) -> &'static str {
    let is_refused = |name: &str| report.sources.iter().any(|s| s.name == name && s.status == Status::Off);
    if is_refused("model") { "no readable sensor, and estimates are off" } else { "no readable sensor" }
}

/// Returns the qualities of the energy, with their shares where there are several.
fn qualities(report: &Report) -> Vec<String> {
    let energy = &report.energy;
    let parts = [
        ("measured", energy.measured_uj),
        ("derived", energy.derived_uj),
        ("estimated", energy.estimated_uj),
        ("synthetic, not measured", energy.synthetic_uj),
    ];
    let known: Vec<_> = parts.into_iter().filter(|(_, uj)| *uj > 0).collect();
    let whole: f64 = known.iter().map(|(_, uj)| *uj as f64).sum();
    match known.as_slice() {
        [("derived", _)] => vec!["derived from power".to_owned()],
        [(name, _)] => vec![(*name).to_owned()],
        several => several.iter().map(|(name, uj)| format!("{} {name}", share(*uj as f64, whole))).collect(),
    }
}

/// Returns the row of the emissions with the intensity.
fn emissions(report: &Report, spelling: Spelling) -> Row {
    let Some(carbon) = &report.carbon else { return Row::new("Emissions", "not known".to_owned(), "") };
    let grams = carbon.bounded();
    let value = match (grams.value, grams.high) {
        (None, _) if grams.low == 0.0 => return Row::new("Emissions", "not known".to_owned(), ""),
        (Some(grams), Some(_)) => spelling.mass_only(grams),
        (_, _) => format!("at least {}", spelling.mass_only(grams.low)),
    };
    Row::new("Emissions", value, intensity(carbon, report).join(", "))
}

/// Returns place, intensity and PUE: `Germany`, `342 g/kWh (2024)`, `PUE 1.1`.
fn intensity(carbon: &Carbon, report: &Report) -> Vec<String> {
    let pue = report.energy.pue;
    let is_world = matches!(carbon.zone_source.as_str(), "default-world" | "unknown");
    let place = match carbon.zone.as_str() {
        _ if is_world => "world average".to_owned(),
        _ if carbon.zone_source == "constant" => "given intensity".to_owned(),
        code => eco2_grid::lookup(code).map_or_else(|_| code.to_owned(), |found| found.zone_name),
    };
    let values = carbon.segments.iter().map(|segment| segment.g_per_kwh);
    let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(least, most), g| (least.min(g), most.max(g)));
    let mut years: Vec<i32> = carbon.segments.iter().filter_map(|segment| segment.year).collect();
    years.dedup();
    let year = match years.as_slice() {
        [year] if !is_world => format!(" ({year})"),
        _ => String::new(),
    };
    let mut parts = vec![place];
    if least < most {
        parts.push(format!("{} to {} g/kWh{year}", number(least), number(most)));
    } else if least == most {
        parts.push(format!("{} g/kWh{year}", number(least)));
    }
    let marginal =
        carbon.segments.iter().any(|segment| segment.kind.as_deref().is_some_and(|k| k.contains("marginal")));
    parts.extend(marginal.then(|| "marginal".to_owned()));
    if pue > 1.0 || !is_world {
        let two = format!("PUE {pue:.2}");
        let mean = if is_mean_pue(report) { " (mean)" } else { "" };
        parts.push(two.strip_suffix('0').unwrap_or(&two).to_owned() + mean);
    }
    parts
}

/// Shares of the machine's energy that are listed, percent.
const MIN_SHARE: f64 = 1.0;

/// Returns the row of the job's part of the machine's energy; `None` if it is all of it, or not known.
fn job(report: &Report, job: &Report, scale: Scale, spelling: Spelling) -> Option<Row> {
    let shares = report.attribution.as_ref()?;
    let whole = shares.total_uj() as f64;
    let share = |uj: u64| uj as f64 / whole * 100.0;
    if whole <= 0.0 || shares.unattributed_uj == shares.total_uj() || share(shares.command_uj) > 100.0 - MIN_SHARE {
        return None;
    }
    let command_uj = job.energy.total_uj?;
    let is_tiny = share(command_uj) < MIN_SHARE;
    let value = if is_tiny { spelling.energy_only(command_uj) } else { scale.value(command_uj) };
    Some(Row::new("This job", value, shares_in_words(report, share(shares.command_uj), share)))
}

/// Returns the command's share, and those of the rest: `25 % of the energy; other processes 15 %, idle 60 %`.
fn shares_in_words(report: &Report, of_command: f64, share: impl Fn(u64) -> f64) -> String {
    let shares = report.attribution.as_ref();
    let parts = shares.map_or([("", 0); 3], |shares| {
        [("other processes", shares.others_uj), ("idle", shares.idle_uj), ("not attributed", shares.unattributed_uj)]
    });
    let parts = parts.iter().filter(|(_, uj)| share(*uj) >= MIN_SHARE);
    let rest: Vec<String> = parts.map(|(name, uj)| format!("{name} {}", figures::share(share(*uj), 100.0))).collect();
    let own = format!("{} of the energy", percent(of_command, 100.0));
    if rest.is_empty() { own } else { format!("{own}; {}", rest.join(", ")) }
}

/// Returns the row of the whole machine, if the job's energy is the first row.
fn machine(report: &Report, scale: Scale, spelling: Spelling) -> Option<Row> {
    let shares = report.attribution.as_ref()?;
    let total_uj = report.energy.total_uj?;
    let is_known = shares.unattributed_uj < shares.total_uj();
    let whole = shares.total_uj() as f64;
    let share = |uj: u64| uj as f64 / whole * 100.0;
    let job = if is_known {
        format!("this job {}", shares_in_words(report, share(shares.command_uj), share))
    } else {
        "not attributed".to_owned()
    };
    let remark = match &report.carbon {
        Some(carbon) if carbon.grams.is_some() => {
            format!("{}; {job}", spelling.mass_only(carbon.grams.unwrap_or_default()))
        }
        _ => job,
    };
    Some(Row::new("Machine", scale.value(total_uj), remark))
}

/// Returns a row for each total of the whole machine by a BMC or `psys`, with the part that no other sensor explains.
fn host_totals(report: &Report, scale: Scale, spelling: Spelling) -> Vec<Row> {
    let row = |total: &HostTotal| {
        let energy_uj = total.energy_uj?;
        let remark = match total.remainder_uj {
            Some(uj) if uj < 0 => format!("by {}, less than the sum of the parts", total.source),
            Some(uj) => {
                let of_total = percent(uj as f64, energy_uj as f64);
                let energy = spelling.energy_only(uj.unsigned_abs());
                format!("by {}, {energy} ({of_total}) unexplained", total.source)
            }
            None => format!("by {}, not a part of the sum", total.source),
        };
        Some(Row::new("Host total", scale.value(energy_uj), remark))
    };
    report.host_totals.iter().filter_map(row).collect()
}

/// Returns the row of the counted work; `None` if nothing was counted.
fn work(report: &Report, spelling: Spelling) -> Option<Row> {
    let work = &report.work;
    let counted = |count: Option<u64>| count.filter(|count| *count > 0);
    let kinds = [("step", counted(work.steps)), ("sample", counted(work.samples)), ("token", counted(work.tokens))];
    let known: Vec<(&str, u64)> = kinds.into_iter().filter_map(|(name, count)| Some((name, count?))).collect();
    let (name, count) = *known.first()?;
    let value = format!("{} {name}{}", figures::count(count), if count == 1 { "" } else { "s" });
    let mut remarks = Vec::new();
    if let Some(total_uj) = report.energy.total_uj.filter(|uj| *uj > 0) {
        remarks.push(format!("{}/{name}", spelling.energy_only(total_uj / count)));
        let per_kwh = |count: u64| count as f64 / units::kwh(total_uj);
        remarks.extend(known[1..].iter().map(|(name, count)| format!("{} {name}s/kWh", scaled(per_kwh(*count)))));
    }
    Some(Row::new("Work", value, remarks.join(spelling.dot())))
}

/// Formats a large number with three significant digits: `1.21 M`.
fn scaled(value: f64) -> String {
    match value {
        _ if value >= 1e9 => format!("{} G", number(value / 1e9)),
        _ if value >= 1e6 => format!("{} M", number(value / 1e6)),
        _ if value >= 1e4 => format!("{} k", number(value / 1e3)),
        _ => number(value),
    }
}

/// Returns one row for each limit of the budget.
fn budget(report: &Report, spelling: Spelling) -> Vec<Row> {
    let limits = report.budget.iter().flat_map(|budget| &budget.limits);
    let row = |spent: &eco2_core::Spent| {
        let used = match spent.spent {
            Some(used) if used >= spent.limit => "exceeded".to_owned(),
            Some(used) => percent(used, spent.limit),
            None => "not known".to_owned(),
        };
        let amount = |value| crate::render::budget::amount(spent.unit, value, spelling);
        let of = spent
            .spent
            .map_or_else(|| amount(spent.limit), |used| format!("{} of {}", amount(used), amount(spent.limit)));
        Row::new("Budget", used, of)
    };
    limits.map(row).collect()
}

/// Returns the rows of cost, water and embodied emissions, where options ask for them.
fn supplements(report: &Report, spelling: Spelling) -> Vec<Row> {
    let Some(Supplements { market, embodied, sci, water, cost, .. }) =
        report.carbon.as_ref().and_then(|carbon| carbon.beside.as_deref())
    else {
        return Vec::new();
    };
    let mass =
        |grams: Bounded<f64>| grams.value.map_or_else(|| "not known".to_owned(), |value| spelling.mass_only(value));
    let about = if spelling.ascii { "~" } else { "≈" };
    let mut rows = Vec::new();
    rows.extend(market.as_ref().map(|market| {
        let remark = format!("market-based, {}, {} g/kWh", market.instrument, number(market.g_per_kwh));
        Row::new("Market", mass(market.bounded()), remark)
    }));
    rows.extend(embodied.as_ref().map(|embodied| {
        let remark =
            format!("of the hardware's {} kg over {} years", number(embodied.total_kg), number(embodied.life_years));
        Row::new("Embodied", format!("{about} {}", spelling.mass_only(embodied.grams)), remark)
    }));
    rows.extend(sci.as_ref().map(|sci| Row::new("SCI", mass(sci.bounded()), format!("per {}", sci.per))));
    rows.extend(cost.as_ref().map(|cost| {
        let amount = cost.amount.map_or_else(|| "not known".to_owned(), number);
        let value = format!("{amount} {}", cost.currency.as_deref().unwrap_or_default());
        Row::new("Cost", value.trim_end().to_owned(), format!("{} price", cost.method))
    }));
    rows.extend(water.as_ref().map(|water| {
        Row::new("Water", water.litres.map_or_else(|| "not known".to_owned(), |l| format!("{} l", number(l))), "")
    }));
    rows
}
