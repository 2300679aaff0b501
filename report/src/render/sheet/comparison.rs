//! A comparison of runs as tables: its groups if there are any, and all runs; as CSV, one row per run with every digit.

use eco2_core::{Bounded, Quality};

use super::super::csv::table;
use super::super::numbers::{Amount, Column, digits};
use super::{Sheet, Table};
use crate::Error;
use crate::analysis::{Compared, Comparison, Figure, Grouping, RunGroup};

const UJ_PER_KWH: f64 = 3.6e12;

/// Returns the comparison as tables in Markdown.
#[must_use]
pub fn comparison_markdown(comparison: &Comparison) -> String {
    sheet(comparison).markdown()
}

/// Returns the comparison as LaTeX tables. They need no package.
#[must_use]
pub fn comparison_latex(comparison: &Comparison) -> String {
    sheet(comparison).latex()
}

fn sheet(comparison: &Comparison) -> Sheet {
    let mut tables: Vec<Table> = comparison.grouping.iter().map(|grouping| groups(grouping, comparison.per)).collect();
    tables.push(runs(comparison));
    let verdicts =
        comparison.verdicts.iter().filter(|_| comparison.grouping.is_none()).map(|verdict| verdict.text.clone());
    let scope = std::iter::once(comparison.scope_text().to_owned());
    let notes = scope.chain(verdicts).chain(comparison.notes.iter().cloned()).collect();
    Sheet { title: format!("Comparison of {} runs", comparison.runs.len()), tables, notes }
}

fn groups(grouping: &Grouping, per: &str) -> Table {
    let groups = &grouping.groups;
    let energy = Column::new(
        Amount::Energy,
        groups.iter().filter_map(|group| group.energy_kwh.mean).map(|kwh| kwh * UJ_PER_KWH),
    );
    let time = Column::new(Amount::Time, groups.iter().filter_map(|group| group.seconds.mean));
    let by = grouping.by.join(", ");
    let confidence = digits(grouping.confidence_percent, 2);
    let head = [
        by.as_str(),
        "Runs",
        &format!("Time per {per}, {}", time.unit.name),
        &format!("Energy per {per}, {}", energy.unit.name),
        &format!("{confidence} % CI, {}", energy.unit.name),
        "vs least, %",
        &format!("{confidence} % CI, %"),
    ];
    let mut rows = Table::new(&format!("Energy per {per} by {by}"), &head);
    rows.rows = groups.iter().map(|group| group_row(group, &energy, &time)).collect();
    rows
}

fn group_row(group: &RunGroup, energy: &Column, time: &Column) -> Vec<String> {
    let spread = group.energy_kwh;
    let interval = spread.mean.zip(spread.low).zip(spread.high);
    let interval =
        interval.map(|((mean, low), high)| energy.range(&Bounded::plausible(mean, low, Some(high)).times(UJ_PER_KWH)));
    let more = group.more.map_or_else(
        || if spread.mean.is_some() { "least".to_owned() } else { String::new() },
        |more| digits(more.percent, 2),
    );
    let range = group
        .more
        .and_then(|more| Some(format!("{} to {}", digits(more.low_percent?, 2), digits(more.high_percent?, 2))));
    vec![
        group.label.clone(),
        group.runs.len().to_string(),
        group.seconds.mean.map_or_else(|| "not known".to_owned(), |seconds| time.cell(seconds)),
        spread.mean.map_or_else(|| "not measured".to_owned(), |kwh| energy.cell(kwh * UJ_PER_KWH)),
        interval.unwrap_or_else(|| "one run".to_owned()),
        more,
        range.unwrap_or_default(),
    ]
}

fn runs(comparison: &Comparison) -> Table {
    let per = comparison.per;
    let runs = &comparison.runs;
    let energy = Column::new(
        Amount::Energy,
        runs.iter().filter_map(|run| run.energy_kwh).map(|figure| figure.value * UJ_PER_KWH),
    );
    let mass = Column::new(Amount::Mass, runs.iter().filter_map(|run| run.grams).map(|figure| figure.value));
    let time = Column::new(Amount::Time, runs.iter().filter_map(|run| run.seconds));
    let [joules, grams, seconds] = [energy, mass, time].map(|column| column.unit.name);
    let head = [
        "Run",
        "Labels",
        &format!("Time per {per}, {seconds}"),
        &format!("Energy per {per}, {joules}"),
        &format!("Range, {joules}"),
        &format!("Emissions per {per}, {grams}"),
        "Quality",
    ];
    let mut rows = Table { text_columns: 2, ..Table::new("Runs", &head) };
    let ranged = |figure: &Figure| Bounded::plausible(figure.value, figure.low, figure.high).times(UJ_PER_KWH);
    for run in runs {
        let labels: Vec<String> = run.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        rows.rows.push(vec![
            if run.name.is_empty() { run.run_id.clone() } else { format!("{} ({})", run.name, run.run_id) },
            labels.join(" "),
            run.seconds.map_or_else(|| "not known".to_owned(), |value| time.cell(value)),
            run.energy_kwh.map_or_else(|| "not measured".to_owned(), |figure| energy.cell(figure.value * UJ_PER_KWH)),
            run.energy_kwh.as_ref().map_or_else(String::new, |figure| energy.range(&ranged(figure))),
            run.grams.map_or_else(|| "not known".to_owned(), |figure| mass.cell(figure.value)),
            quality_name(run.quality()).to_owned(),
        ]);
    }
    rows
}

fn quality_name(quality: Quality) -> &'static str {
    if quality == Quality::Missing { "not measured" } else { quality.name() }
}

/// Columns of the CSV table, without the labels.
const COLUMNS: [&str; 16] = [
    "run_id",
    "name",
    "started_at",
    "per",
    "units",
    "seconds",
    "energy_kwh",
    "energy_low_kwh",
    "energy_high_kwh",
    "co2e_g",
    "co2e_low_g",
    "co2e_high_g",
    "loss",
    "group",
    "scope",
    "quality",
];

/// Returns the comparison as CSV: one row per run with every digit, values per unit of work, and a column per label. A value that is
/// not known is an empty cell; text is safe in a spreadsheet.
///
/// # Errors
/// [`Error::Table`].
pub fn comparison_csv(comparison: &Comparison) -> Result<String, Error> {
    let mut labels: Vec<&String> = comparison.runs.iter().flat_map(|run| run.labels.keys()).collect();
    labels.sort_unstable();
    labels.dedup();
    let heads = labels.iter().map(|label| format!("label_{label}"));
    let header = COLUMNS.map(str::to_owned).into_iter().chain(heads).collect();
    let rows = comparison.runs.iter().enumerate().map(|(place, run)| {
        let values = labels.iter().map(|label| run.labels.get(*label).cloned().unwrap_or_default());
        cells(comparison, place, run).into_iter().chain(values).collect()
    });
    table("the comparison", header, rows)
}

fn cells(comparison: &Comparison, place: usize, run: &Compared) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let ends = |figure: Option<Figure>| {
        [figure.map(|f| f.value), figure.map(|f| f.low), figure.and_then(|f| f.high)].map(number)
    };
    let is_in = |group: &&RunGroup| group.runs.contains(&place) || group.left_out.iter().any(|left| left.run == place);
    let group = comparison.grouping.as_ref().and_then(|grouping| grouping.groups.iter().find(is_in));
    let [kwh, kwh_low, kwh_high] = ends(run.energy_kwh);
    let [grams, grams_low, grams_high] = ends(run.grams);
    vec![
        run.run_id.clone(),
        run.name.clone(),
        run.started_at.clone(),
        comparison.per.to_owned(),
        run.units.map_or_else(String::new, |units| units.to_string()),
        number(run.seconds),
        kwh,
        kwh_low,
        kwh_high,
        grams,
        grams_low,
        grams_high,
        number(run.loss),
        group.map_or_else(String::new, |group| group.label.clone()),
        comparison.scope.name().to_owned(),
        run.quality().name().to_owned(),
    ]
}
