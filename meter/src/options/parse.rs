//! Converts the value of an option, as a file, variable or flag has it ([`Input`]), to the type of its field. Each function serves one
//! kind of option. It returns `None` for a wrong type or a value out of range; the error is made from the row of the option.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use eco2_core::Decision;
use eco2_core::quantity::in_unit;
use eco2_grid::carbon::{CLOUDS, CloudPower};
use eco2_report::Scope;

use super::field::{Log, SummaryLength};
use super::input::Input;
use super::push_kind::PushKind;

/// The sources an option may name.
pub const SOURCES: &[&str] = &eco2_samplers::discover::NAMES;

/// The providers of intensities an option may name.
pub const PROVIDERS: &[&str] = &eco2_grid::provider::NAMES;

/// The formats of webhooks an option may name.
pub const WEBHOOKS: &[&str] = &super::webhook_form::WebhookForm::NAMES;

/// The least limit on energy, kilowatt-hours: one microjoule, the unit in which energy is counted.
pub(crate) const LEAST_KWH: f64 = 1.0 / eco2_core::units::UJ_PER_KWH;
/// Amounts that may be 0.
pub(super) const AMOUNT: RangeInclusive<f64> = 0.0..=f64::MAX;

/// Longest name or value of a label, and longest other text, bytes, so that reports and logs stay small.
const MAX_TEXT_LENGTH: usize = 256;
/// Labels of one origin, at most: they are columns of tables and labels of metrics.
const MAX_LABELS: usize = 64;
/// When sensors are read.
pub(super) const SAMPLING: &[&str] = &["on-demand", "tight", "fixed"];
/// Sampling intervals, seconds. A read takes some microseconds, and a counter of 32 bits may wrap after a minute.
const INTERVALS: RangeInclusive<f64> = 0.000_1..=60.0;

/// Text of 1 to 256 bytes without control characters.
pub(super) fn text(input: &Input) -> Option<String> {
    match input {
        Input::Bare(text) | Input::Text(text) if !text.trim().is_empty() && is_plain(text) => Some(text.clone()),
        _ => None,
    }
}

fn is_plain(text: &str) -> bool {
    text.len() <= MAX_TEXT_LENGTH && !text.chars().any(char::is_control)
}

/// A path: text that is not empty and has no NUL.
pub(super) fn path(input: &Input) -> Option<PathBuf> {
    match input {
        Input::Bare(text) | Input::Text(text) if !text.is_empty() && !text.contains('\0') => Some(PathBuf::from(text)),
        Input::Path(path) if !path.as_os_str().is_empty() => Some(path.clone()),
        _ => None,
    }
}

/// A number in a range with finite ends; not-a-number and the infinities are in none.
pub(super) fn number(input: &Input, range: RangeInclusive<f64>) -> Option<f64> {
    let number = match input {
        Input::Number(number) => *number,
        Input::Bare(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    range.contains(&number).then_some(number)
}

/// A process id: 1 and up to what the kernel's signed type holds.
pub(super) fn pid(input: &Input) -> Option<u32> {
    let number = number(input, 1.0..=f64::from(i32::MAX))?;
    (number.fract() == 0.0).then_some(number as u32)
}

/// A count: a whole number, 0 or more.
pub(super) fn count(input: &Input) -> Option<u32> {
    let number = number(input, 0.0..=f64::from(u32::MAX))?;
    (number.fract() == 0.0).then_some(number as u32)
}

/// A count of at least 1.
pub(super) fn positive(input: &Input) -> Option<u32> {
    count(input).filter(|count| *count > 0)
}

/// A boolean.
pub(super) fn flag(input: &Input) -> Option<bool> {
    match input {
        Input::Flag(flag) => Some(*flag),
        Input::Bare(word) => match word.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "false" | "no" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A number in `unit`, or a number with a unit of the same dimension. Quoted text of a file must have its unit.
pub(super) fn quantity(input: &Input, unit: &str, range: RangeInclusive<f64>) -> Option<f64> {
    let number = match input {
        Input::Number(number) => *number,
        Input::Bare(text) => in_unit(text, unit)?,
        Input::Text(text) if text.trim().parse::<f64>().is_err() => in_unit(text, unit)?,
        _ => return None,
    };
    range.contains(&number).then_some(number)
}

/// A sampling interval: a number of seconds, or a number with a unit.
pub(super) fn interval(input: &Input) -> Option<Duration> {
    let seconds = quantity(input, "s", INTERVALS)?;
    // In nanoseconds first: 0.0001 s is 100000 ns exactly, whatever the fraction's last bit.
    Some(Duration::from_nanos((seconds * 1e9).round() as u64))
}

/// Whether the run log is kept (a boolean), or its folder (a path).
pub(super) fn log(input: &Input) -> Option<Log> {
    match flag(input) {
        Some(true) => Some(Log::Runs),
        Some(false) => Some(Log::Off),
        None => path(input).map(Log::Folder),
    }
}

/// Names from a list, each once and at least one.
pub(super) fn names(input: &Input, allowed: &[&str]) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for word in words(input)? {
        let name = *allowed.iter().find(|name| **name == word.trim())?;
        if !names.iter().any(|seen| seen == name) {
            names.push(name.to_owned());
        }
    }
    (!names.is_empty()).then_some(names)
}

/// One name from a list.
pub(super) fn name(input: &Input, allowed: &[&str]) -> Option<String> {
    let name = text(input)?;
    allowed.contains(&name.trim()).then(|| name.trim().to_owned())
}

/// Numbers and UUIDs of GPUs, each once. An empty list is refused: it would measure none.
pub(super) fn gpus(input: &Input) -> Option<Vec<String>> {
    let entry = |word: &str| {
        let word = word.trim();
        let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let is_uuid = ["GPU-", "MIG-"].iter().any(|kind| word.starts_with(kind)) && is_plain(word);
        (is_number || is_uuid).then(|| word.to_owned())
    };
    let entries: Vec<String> = match input {
        Input::Bare(text) => text.split(',').map(entry).collect::<Option<_>>()?,
        Input::Number(number) => vec![entry(&number.to_string())?],
        Input::List(items) => items
            .iter()
            .map(|item| match item {
                Input::Bare(text) | Input::Text(text) => entry(text),
                Input::Number(number) => entry(&number.to_string()),
                _ => None,
            })
            .collect::<Option<_>>()?,
        _ => return None,
    };
    let mut gpus: Vec<String> = Vec::new();
    for gpu in entries {
        if !gpus.contains(&gpu) {
            gpus.push(gpu);
        }
    }
    (!gpus.is_empty()).then_some(gpus)
}

/// Returns the texts of a list, or of a text between commas.
fn words(input: &Input) -> Option<Vec<&str>> {
    match input {
        Input::Bare(text) => Some(text.split(',').collect()),
        Input::List(items) => items.iter().map(word).collect(),
        _ => None,
    }
}

fn word(input: &Input) -> Option<&str> {
    match input {
        Input::Text(text) | Input::Bare(text) => Some(text),
        _ => None,
    }
}

/// A decision of the budget.
pub(super) fn decision(input: &Input) -> Option<Decision> {
    match text(input)?.trim() {
        "off" => Some(Decision::Go),
        "warn" => Some(Decision::Warn),
        "pause" => Some(Decision::Pause),
        "stop" => Some(Decision::Stop),
        _ => None,
    }
}

/// A cloud provider.
pub(super) fn cloud(input: &Input) -> Option<CloudPower> {
    let name = text(input)?.trim().to_ascii_lowercase();
    CLOUDS.into_iter().find(|cloud| cloud.provider == name)
}

/// A length of the summary.
pub(super) fn summary(input: &Input) -> Option<SummaryLength> {
    let name = text(input)?;
    SummaryLength::ALL.into_iter().find(|length| length.name() == name)
}

/// Whose energy is meant.
pub(super) fn scope(input: &Input) -> Option<Scope> {
    let name = text(input)?;
    Scope::ALL.into_iter().find(|scope| scope.name() == name)
}

/// An address without user and query, which could contain secrets.
pub(super) fn address(input: &Input) -> Option<String> {
    text(input).filter(|address| address.contains("://") && !address.contains(['@', '?', '#', ' ']))
}

/// The host of a BMC, or its address as [`address`] allows it.
pub(super) fn bmc(input: &Input) -> Option<String> {
    let is_host = |text: &str| !text.is_empty() && !text.contains(['@', '?', '#', ' ']);
    text(input).filter(|address| is_host(address.trim()))
}

/// E-mail addresses, each once and at least one. `eco2_net` checks them further when the run opens.
pub(super) fn emails(input: &Input) -> Option<Vec<String>> {
    let mut addresses: Vec<String> = Vec::new();
    for word in words(input)? {
        let address = word.trim();
        if !is_plain(address) || address.contains(char::is_whitespace) || !address.contains('@') {
            return None;
        }
        if !addresses.iter().any(|seen| seen == address) {
            addresses.push(address.to_owned());
        }
    }
    (!addresses.is_empty()).then_some(addresses)
}

/// A time, nanoseconds since 1970 UTC.
pub(super) fn instant(input: &Input) -> Option<i64> {
    eco2_grid::parse_instant(&text(input)?)
}

/// Labels: a table, or `name=value` pairs between commas.
///
/// Values must be text, because a number has several notations (`1`, `1.0`, `1e0`) and runs are grouped by the text.
pub(super) fn labels(input: &Input) -> Option<Vec<(String, String)>> {
    let is_text = |value: &Input| matches!(value, Input::Bare(_) | Input::Text(_));
    match input {
        Input::Table(entries) if !entries.iter().all(|entry| is_text(&entry.value)) => None,
        _ => pairs(input),
    }
}

/// Names with values that are text or numbers: a table, or `name=value` pairs between commas.
pub(super) fn pairs(input: &Input) -> Option<Vec<(String, String)>> {
    let pairs: Vec<(String, String)> = match input {
        Input::Table(entries) => {
            entries.iter().map(|entry| Some((entry.key.clone(), pair_value(&entry.value)?))).collect::<Option<_>>()?
        }
        Input::Bare(text) => text.split(',').map(|pair| pair.split_once('=').map(trimmed)).collect::<Option<_>>()?,
        _ => return None,
    };
    let is_valid = |(name, value): &(String, String)| !name.is_empty() && is_plain(name) && is_plain(value);
    (pairs.len() <= MAX_LABELS && pairs.iter().all(is_valid)).then_some(pairs)
}

fn pair_value(input: &Input) -> Option<String> {
    match input {
        Input::Bare(text) | Input::Text(text) => Some(text.clone()),
        Input::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn trimmed((name, value): (&str, &str)) -> (String, String) {
    (name.trim().to_owned(), value.trim().to_owned())
}

/// Places that metrics are pushed to: a table, or `kind=place` pairs between commas.
pub(super) fn push(input: &Input) -> Option<Vec<(String, String)>> {
    let is_known = |(kind, place): &(String, String)| PushKind::named(kind).is_some_and(|kind| kind.takes(place));
    pairs(input).filter(|pairs| pairs.iter().all(is_known))
}

/// An ISO 4217 code.
pub(super) fn currency(input: &Input) -> Option<String> {
    text(input).filter(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()))
}

/// Hardware with known embodied emissions.
pub(super) fn embodied(input: &Input) -> Option<String> {
    let text = match input {
        Input::Number(number) => number.to_string(),
        input => text(input)?,
    };
    text.parse::<eco2_grid::carbon::Hardware>().is_ok().then_some(text)
}

/// Names with kilograms: a table, or `name=kg` pairs between commas.
pub(super) fn offsets(input: &Input) -> Option<Vec<(String, f64)>> {
    let kg = |(name, text): (String, String)| {
        let kg = in_unit(&text, "kg")?;
        (kg.is_finite() && kg >= 0.0).then_some((name, kg))
    };
    pairs(input)?.into_iter().map(kg).collect()
}

/// A functional unit's name.
pub(super) fn functional_unit(input: &Input) -> Option<String> {
    text(input).filter(|name| name.parse::<eco2_grid::carbon::FunctionalUnit>().is_ok())
}
