//! The screen of `eco2 top`: a node, or a stored run at one instant, as lines that fit a terminal ([`top_lines`]).

mod limits;
mod sources;
mod stored;
mod table;

use eco2_core::schema::SourceStatus;
use eco2_core::{Bounded, Quality};

pub use self::limits::TopLimit;
use self::limits::limit_lines;
use self::sources::source_lines;
pub use self::stored::top_of_run;
use self::table::{Table, plain};
use super::numbers::{Amount, Column, NB, as_f64, clock, count, digits, share};
use super::page::{Page, TextStyle, Tone};
use crate::clean;

/// Fewest columns for which the screen is laid out; a narrower terminal shows their start.
const MIN_WIDTH: usize = 40;
/// Lines above and below the part that scrolls.
const FIXED: usize = 5;

/// What the screen shows.
#[derive(Debug, Clone, PartialEq)]
pub struct TopFrame {
    /// Host name, or name of the run.
    pub name: String,
    /// The instant and how the data arrive, such as `live, 14:02:07`.
    pub state: String,
    /// Whether the values are old, because nothing arrives.
    pub is_stale: bool,
    /// Power of all, watts; `None`: not known.
    pub power_w: Option<f64>,
    /// Energy of all, microjoules.
    pub energy: Bounded<u64>,
    /// How the largest part of it is obtained.
    pub quality: Quality,
    /// Time that the energy is of, nanoseconds.
    pub since_ns: u64,
    /// Emissions, grams CO₂e; `None`: not known.
    pub emissions: Option<Bounded<f64>>,
    /// What the emissions are calculated with, such as `Germany, 342 g/kWh`.
    pub intensity: String,
    /// Every device.
    pub devices: Vec<TopDevice>,
    /// Who used the energy: jobs, idle devices, and what is not attributed.
    pub uses: Vec<TopUse>,
    /// One line for each budget of a run.
    pub budgets: Vec<String>,
    /// The limits of the jobs of a node.
    pub limits: Vec<TopLimit>,
    /// Every source that was looked for.
    pub sources: Vec<SourceStatus>,
    /// Whether jobs of other users are left out.
    pub is_restricted: bool,
}

impl Default for TopFrame {
    /// Returns the screen of a node of which nothing is known.
    fn default() -> Self {
        Self {
            name: String::new(),
            state: String::new(),
            is_stale: false,
            power_w: None,
            energy: Bounded::unknown(),
            quality: Quality::Missing,
            since_ns: 0,
            emissions: None,
            intensity: String::new(),
            devices: Vec::new(),
            uses: Vec::new(),
            budgets: Vec::new(),
            limits: Vec::new(),
            sources: Vec::new(),
            is_restricted: false,
        }
    }
}

/// A device.
#[derive(Debug, Clone, PartialEq)]
pub struct TopDevice {
    /// Name that is shown.
    pub name: String,
    /// What devices of one kind have in common, such as the model; they are one line where lines are few.
    pub kind: String,
    /// Power, watts; `None`: not known.
    pub power_w: Option<f64>,
    /// Energy, microjoules.
    pub energy: Bounded<u64>,
    /// How its values are obtained.
    pub quality: Quality,
    /// Temperature, degrees Celsius; `None`: not known.
    pub celsius: Option<f64>,
    /// Whether it is part of the sum.
    pub is_summed: bool,
}

impl TopDevice {
    /// Returns what is shown after its name: of an estimate that is no part of the sum, because a counter is read in its place, and of a
    /// counter that is none and has not moved. That may be a part of a device which this hardware does not count.
    fn remark(&self) -> &'static str {
        let is_moving = self.power_w.is_some_and(|watts| watts > 0.0);
        match (self.quality, self.energy.value) {
            _ if self.is_summed || is_moving => "",
            (Quality::Estimated, _) => " (standby)",
            (_, Some(0)) => " (counts 0 J)",
            _ => "",
        }
    }
}

/// Who used energy.
#[derive(Debug, Clone, PartialEq)]
pub struct TopUse {
    /// Name that is shown.
    pub name: String,
    /// Whether it is a job, or one of the rest: idle devices, what is not attributed.
    pub is_job: bool,
    /// Whether it goes on.
    pub is_running: bool,
    /// Power, watts; `None`: not known.
    pub power_w: Option<f64>,
    /// Energy, microjoules.
    pub energy: Bounded<u64>,
    /// Emissions, grams CO₂e; `None`: not known.
    pub grams: Option<f64>,
    /// Steps; `None`: not counted.
    pub steps: Option<u64>,
}

/// By what the lines of a table are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TopOrder {
    /// As they come: devices by kind, jobs by their start.
    #[default]
    Given,
    /// Highest power first.
    Power,
    /// Highest energy first.
    Energy,
    /// By name.
    Name,
}

impl TopOrder {
    /// Returns the next order, for a key that changes it.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Given => Self::Power,
            Self::Power => Self::Energy,
            Self::Energy => Self::Name,
            Self::Name => Self::Given,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Given => "none",
            Self::Power => "power",
            Self::Energy => "energy",
            Self::Name => "name",
        }
    }

    fn sort<T>(self, rows: &mut [T], of: impl Fn(&T) -> (Option<f64>, Option<u64>, String)) {
        match self {
            Self::Given => {}
            Self::Power => {
                rows.sort_by(|a, b| of(b).0.unwrap_or(-1.0).total_cmp(&of(a).0.unwrap_or(-1.0)));
            }
            Self::Energy => rows.sort_by_key(|row| std::cmp::Reverse(of(row).1)),
            Self::Name => rows.sort_by_key(|row| of(row).2),
        }
    }
}

/// What the keys of `eco2 top` changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TopView {
    /// Order of the tables.
    pub order: TopOrder,
    /// Lines of the scrolled part that are above the screen; more than there are count as all.
    pub scrolled: usize,
    /// Whether the keys are explained instead.
    pub help: bool,
}

/// Returns the lines of the screen, at most `rows` of them; `None`: all, for an output that is no terminal.
///
/// ```
/// use eco2_report::{TextStyle, TopFrame, TopView, top_lines};
///
/// let frame = TopFrame { name: "node03".to_owned(), state: "live, 14:02:07".to_owned(), ..TopFrame::default() };
/// let lines = top_lines(&frame, &TopView::default(), &TextStyle::default(), Some(24));
/// assert!(lines[0].starts_with("eco2 top  node03") && lines.len() <= 24);
/// ```
#[must_use]
pub fn top_lines(frame: &TopFrame, view: &TopView, style: &TextStyle, rows: Option<usize>) -> Vec<String> {
    let style = TextStyle { width: style.width.max(MIN_WIDTH), ..*style };
    let page = Page::new(style, false);
    let mut lines: Vec<(String, Tone)> = head(frame, &style);
    let body = if view.help { help(rows.is_some()) } else { body(frame, view, &style, rows) };
    let room = rows.map_or(body.len(), |rows| rows.saturating_sub(lines.len() + 1));
    let above = view.scrolled.min(body.len().saturating_sub(room));
    let below = body.len().saturating_sub(above + room);
    lines.extend(body.into_iter().skip(above).take(room));
    if let Some(rows) = rows {
        lines.truncate(rows.saturating_sub(1));
        lines.resize(rows.saturating_sub(1), (String::new(), Tone::Normal));
        lines.push((foot(view, above, below), Tone::Faint));
        lines.truncate(rows);
    }
    let cut = |text: &str| plain(&clean::terminal(text), style.ascii).chars().take(style.width).collect::<String>();
    lines.iter().map(|(text, tone)| page.painted(cut(text).trim_end(), *tone)).collect()
}

/// The head: who, when, and the sums.
fn head(frame: &TopFrame, style: &TextStyle) -> Vec<(String, Tone)> {
    let title = format!("eco2 top  {}", frame.name);
    let room = style.width.saturating_sub(title.chars().count() + 2);
    let tone = if frame.is_stale { Tone::Warning } else { Tone::Strong };
    let mut lines = vec![(format!("{title}  {:>room$}", frame.state), tone)];
    let not_known = || "not measured".to_owned();
    let power = frame.power_w.map_or_else(not_known, |watts| Amount::Power.text(watts));
    let is_estimate = matches!(frame.quality, Quality::Estimated);
    let energy = as_f64(frame.energy);
    let mut facts = vec![energy.value.map_or_else(not_known, |uj| Amount::Energy.text(uj))];
    facts.extend(Some(Amount::Energy.range(&energy, is_estimate)).filter(|range| !range.is_empty()));
    facts.extend((frame.quality != Quality::Missing).then(|| frame.quality.name().to_owned()));
    facts.extend((frame.since_ns > 0).then(|| format!("in {}", clock(frame.since_ns))));
    lines.push((format!("Power       {power}"), Tone::Normal));
    lines.push((format!("Energy      {}", facts.join(", ")), Tone::Normal));
    let emissions = match &frame.emissions {
        Some(grams) => {
            let range = Amount::Mass.range(grams, is_estimate);
            let value = grams.value.map_or_else(|| "not known".to_owned(), |value| Amount::Mass.text(value));
            [value, range, frame.intensity.clone()]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(", ")
        }
        None => "not known".to_owned(),
    };
    lines.push((format!("Emissions   {emissions}"), Tone::Normal));
    lines.extend(frame.budgets.iter().map(|budget| (format!("Budget      {budget}"), Tone::Normal)));
    lines
}

/// The part that scrolls: devices, uses, sources. Devices of one kind are one line where not all fit.
fn body(frame: &TopFrame, view: &TopView, style: &TextStyle, rows: Option<usize>) -> Vec<(String, Tone)> {
    let whole = parts(frame, &frame.devices, view, style);
    let fits = rows.is_none_or(|rows| whole.len() + FIXED + frame.budgets.len() <= rows);
    if fits { whole } else { parts(frame, &grouped(&frame.devices), view, style) }
}

fn parts(frame: &TopFrame, devices: &[TopDevice], view: &TopView, style: &TextStyle) -> Vec<(String, Tone)> {
    let mut lines = vec![(String::new(), Tone::Normal)];
    lines.extend(device_lines(devices, view.order, style));
    lines.push((String::new(), Tone::Normal));
    lines.extend(use_lines(frame, view.order, style));
    if !frame.limits.is_empty() {
        lines.push((String::new(), Tone::Normal));
        lines.extend(limit_lines(&frame.limits, style));
    }
    lines.push((String::new(), Tone::Normal));
    lines.extend(source_lines(&frame.sources, style));
    lines
}

/// Returns the devices with those of one kind as one, in the order of the first of each.
fn grouped(devices: &[TopDevice]) -> Vec<TopDevice> {
    let mut groups: Vec<(usize, TopDevice)> = Vec::new();
    for device in devices {
        let is_alike = |other: &TopDevice| {
            other.kind == device.kind && other.quality == device.quality && other.is_summed == device.is_summed
        };
        match groups.iter_mut().find(|(_, other)| is_alike(other)) {
            Some((number, sum)) => {
                *number += 1;
                sum.energy = sum.energy + device.energy;
                sum.power_w = sum.power_w.zip(device.power_w).map(|(one, other)| one + other);
                sum.celsius = [sum.celsius, device.celsius].into_iter().flatten().reduce(f64::max);
            }
            None => groups.push((1, device.clone())),
        }
    }
    let one = |(number, device): (usize, TopDevice)| match number {
        1 => device,
        _ => TopDevice { name: format!("{number} × {}", device.kind), ..device },
    };
    groups.into_iter().map(one).collect()
}

fn device_lines(devices: &[TopDevice], order: TopOrder, style: &TextStyle) -> Vec<(String, Tone)> {
    if devices.is_empty() {
        return vec![("No device is measured.".to_owned(), Tone::Warning)];
    }
    // Of what is no part of the sum and was never read, such as an estimate in reserve, there is nothing to show.
    let mut devices: Vec<&TopDevice> =
        devices.iter().filter(|one| one.is_summed || one.energy.value.is_some()).collect();
    order.sort(&mut devices, |device| (device.power_w, device.energy.value, device.name.clone()));
    let numbers = Numbers::of(devices.iter().map(|device| (device.power_w, device.energy)));
    let mut table = Table::new("DEVICE");
    table.column(numbers.power_head(), 5, devices.iter().map(|one| numbers.power(one.power_w)));
    table.column(numbers.energy_head(), 6, devices.iter().map(|one| numbers.energy(&one.energy)));
    table.column(numbers.range_head(), 3, devices.iter().map(|one| numbers.range(&one.energy)));
    if devices.iter().any(|one| one.celsius.is_some()) {
        let celsius = |one: &&TopDevice| one.celsius.map_or_else(String::new, |value| digits(value, 2));
        table.column("TEMP °C".to_owned(), 1, devices.iter().map(celsius));
    }
    table.words("QUALITY".to_owned(), 2, devices.iter().map(|one| one.quality.name().to_owned()));
    let tone = |one: &&TopDevice| if one.is_summed { Tone::Normal } else { Tone::Faint };
    let name = |one: &&TopDevice| format!("{}{}{}", if one.is_summed { "" } else { "  " }, one.name, one.remark());
    table.lines(devices.iter().map(|one| (name(one), tone(one))), style)
}

fn use_lines(frame: &TopFrame, order: TopOrder, style: &TextStyle) -> Vec<(String, Tone)> {
    if frame.uses.is_empty() {
        let text = match frame.energy.value {
            None => "No energy has been read yet.",
            Some(_) => "Who used the energy is not known here.",
        };
        return vec![(text.to_owned(), Tone::Normal)];
    }
    let (mut jobs, rest): (Vec<&TopUse>, Vec<&TopUse>) = frame.uses.iter().partition(|one| one.is_job);
    order.sort(&mut jobs, |one| (one.power_w, one.energy.value, one.name.clone()));
    let uses: Vec<&TopUse> = jobs.into_iter().chain(rest).collect();
    let numbers = Numbers::of(uses.iter().map(|one| (one.power_w, one.energy)));
    let mut table = Table::new("USE");
    table.column(numbers.power_head(), 6, uses.iter().map(|one| numbers.power(one.power_w)));
    table.column(numbers.energy_head(), 7, uses.iter().map(|one| numbers.energy(&one.energy)));
    let range = |one: &&TopUse| if one.is_job { numbers.range(&one.energy) } else { String::new() };
    table.column(numbers.range_head(), 2, uses.iter().map(range));
    let known = |value: &dyn Fn(&TopUse) -> Option<f64>| uses.iter().filter_map(|one| value(one)).collect::<Vec<f64>>();
    let grams = known(&|one| one.grams);
    if !grams.is_empty() {
        let column = Column::new(Amount::Mass, grams);
        let cell = |one: &&TopUse| one.grams.map_or_else(String::new, |value| column.cell(value));
        table.column(column.unit.name.to_owned(), 4, uses.iter().map(cell));
    }
    let per_step = |one: &TopUse| Some(one.energy.value? as f64 / one.steps.filter(|steps| *steps > 0)? as f64);
    let steps = known(&per_step);
    if !steps.is_empty() {
        let column = Column::new(Amount::StepEnergy, steps);
        let cell = |one: &&TopUse| per_step(one).map_or_else(String::new, |value| column.cell(value));
        table.column(format!("{}/STEP", column.unit.name), 3, uses.iter().map(cell));
        let steps = |one: &&TopUse| one.steps.map_or_else(String::new, count);
        table.column("STEPS".to_owned(), 1, uses.iter().map(steps));
    }
    let whole = frame.energy.value.unwrap_or(0) as f64;
    let part = |one: &&TopUse| one.energy.value.map_or_else(String::new, |uj| share(uj as f64, whole));
    table.column("%".to_owned(), 5, uses.iter().map(part));
    let name = |one: &&TopUse| {
        if one.is_running || !one.is_job { one.name.clone() } else { format!("{} (ended)", one.name) }
    };
    let tone = |one: &&TopUse| if one.is_job && one.is_running { Tone::Normal } else { Tone::Faint };
    let mut lines = table.lines(uses.iter().map(|one| (name(one), tone(one))), style);
    if frame.is_restricted {
        lines.push(("Jobs of other users are shown to root and the group eco2.".to_owned(), Tone::Faint));
    }
    lines
}

/// Power and energy of one table: a unit per column; `None` where no row has a value.
struct Numbers {
    power: Option<Column>,
    energy: Option<Column>,
}

impl Numbers {
    fn of(rows: impl Iterator<Item = (Option<f64>, Bounded<u64>)> + Clone) -> Self {
        let column =
            |amount, values: Vec<f64>| Some(values).filter(|all| !all.is_empty()).map(|all| Column::new(amount, all));
        Self {
            power: column(Amount::Power, rows.clone().filter_map(|(power, _)| power).collect()),
            energy: column(Amount::Energy, rows.filter_map(|(_, energy)| Some(energy.value? as f64)).collect()),
        }
    }

    fn power_head(&self) -> String {
        head_of("POWER", self.power.as_ref())
    }

    fn energy_head(&self) -> String {
        head_of("ENERGY", self.energy.as_ref())
    }

    fn range_head(&self) -> String {
        head_of("RANGE", self.energy.as_ref())
    }

    fn power(&self, watts: Option<f64>) -> String {
        let unknown = || "-".to_owned();
        self.power.as_ref().map_or_else(String::new, |column| watts.map_or_else(unknown, |watts| column.cell(watts)))
    }

    fn energy(&self, energy: &Bounded<u64>) -> String {
        let cell = self.energy.as_ref().zip(energy.value).map(|(column, uj)| column.cell(uj as f64));
        cell.unwrap_or_else(|| "not measured".to_owned())
    }

    fn range(&self, energy: &Bounded<u64>) -> String {
        let column = self.energy.as_ref().filter(|_| energy.value.is_some());
        column.map_or_else(String::new, |column| column.range(&as_f64(*energy)))
    }
}

/// Returns the head of a column with its unit.
fn head_of(name: &str, column: Option<&Column>) -> String {
    column.map_or_else(|| name.to_owned(), |column| format!("{name} {}", column.unit.name))
}

fn help(is_terminal: bool) -> Vec<(String, Tone)> {
    if !is_terminal {
        return Vec::new();
    }
    let keys = [
        ("q, Esc", "end"),
        ("s", "sort by power, energy, name, or not"),
        ("p, Space", "pause"),
        ("↑ ↓, j k", "scroll"),
        ("PgUp PgDn", "scroll by ten lines"),
        ("Home", "to the top"),
        ("?", "show or hide this help"),
    ];
    let blank = (String::new(), Tone::Normal);
    std::iter::once(blank).chain(keys.map(|(key, what)| (format!("  {key:<12}{what}"), Tone::Normal))).collect()
}

/// The last line: the keys, the order, and how many lines are out of sight.
fn foot(view: &TopView, above: usize, below: usize) -> String {
    let mut facts = vec!["q quit".to_owned(), "? help".to_owned(), format!("s sort: {}", view.order.word())];
    match (above, below) {
        (0, 0) => {}
        (_, 0) => facts.push(format!("↑ {above} lines")),
        (0, _) => facts.push(format!("↓ {below} more lines")),
        _ => facts.push(format!("↑ {above}, ↓ {below} lines")),
    }
    facts.join(&format!("{NB}{NB}"))
}

#[cfg(test)]
#[path = "top/tests.rs"]
mod tests;
