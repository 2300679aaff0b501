//! What providers say of a zone: now, for `eco2 grid`, and of hours to come, for `eco2 plan`. Options are those of a run.

use std::time::SystemTime;

use eco2::options::{Input, Layer, Origin, opt};
use eco2_grid::provider::{CacheCounts, Coverage, IntensityPart};
use eco2_grid::{IntensityKind, ZoneError, utc, zone_document};
use serde_json::{Map, Value, json};

use crate::args::{Given, GridArgs, Provider};
use crate::out::document;
use crate::{out, settings};

/// So far back a figure may lie that stands for now, nanoseconds: services lag behind.
const LAG_NS: i64 = 6 * HOUR_NS;
const HOUR_NS: i64 = 3_600_000_000_000;

/// Nanoseconds since 1970 UTC.
pub(crate) fn now_ns() -> i64 {
    let passed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX)
}

/// What the named providers know of a stretch of time: each part by the first of them, in the named order, that knows it.
///
/// # Errors
/// Where one of them cannot be asked at all: no token, no such name, a build without them.
pub(crate) fn asked(
    asking: &Given<Provider>,
    zone: Option<&str>,
    from_ns: i64,
    to_ns: i64,
) -> anyhow::Result<Coverage> {
    let mut layer = Layer::default();
    asking.put(&mut layer)?;
    if let Some(zone) = zone {
        layer.set(&opt::ZONE, Input::Bare(zone.to_owned()), Origin::code("ZONE"))?;
    }
    Ok(eco2::intensities(&settings::resolve(layer)?, from_ns, to_ns, now_ns())?)
}

/// A zone's intensity now, as JSON or for people. Where nobody answers, the yearly figure stands in, and is flagged.
///
/// # Errors
/// As [`asked`]; [`ZoneError`] where nobody answers and the table has no such zone.
pub(crate) fn now(zone: &str, asking: &Given<Provider>, args: &GridArgs) -> anyhow::Result<String> {
    let at_ns = now_ns();
    let until_ns = (at_ns.div_euclid(HOUR_NS) + 1) * HOUR_NS;
    let coverage = asked(asking, Some(zone), at_ns - LAG_NS, until_ns)?;
    if args.verbose {
        coverage.caches.iter().for_each(|(provider, counts)| out::talk(&cache(provider, counts)));
    }
    let answer = Answer::of(zone, at_ns, &coverage, names(asking))?;
    if !args.json {
        return Ok(answer.page());
    }
    for link in answer.chain.iter().filter(|link| link.fault.is_some()) {
        out::talk(&format!("eco2: {}: {}\n", link.provider, link.fault.as_deref().unwrap_or_default()));
    }
    Ok(document(&answer.document()))
}

/// How often a provider's cache answered in this command, for people.
fn cache(provider: &str, counts: &CacheCounts) -> String {
    let CacheCounts { hits, misses, stale, failed } = counts;
    format!(
        "eco2: {provider}: {hits} answered by the cache, {misses} asked anew, {stale} of an older answer, {failed} without one\n"
    )
}

/// The part that holds for an instant: of the provider that covers it, else the last one before it of the first provider,
/// in the requested order, that has any.
fn best<'a>(coverage: &'a Coverage, at_ns: i64, names: &[&str]) -> Option<&'a IntensityPart> {
    let current = coverage.parts.iter().find(|part| part.from_ns <= at_ns && at_ns < part.to_ns);
    let last_of =
        |name: &&str| coverage.parts.iter().rev().find(|part| part.provider == **name && part.from_ns <= at_ns);
    current.or_else(|| names.iter().find_map(last_of))
}

fn names(asking: &Given<Provider>) -> Vec<&str> {
    asking.text(&opt::INTENSITY_PROVIDER).unwrap_or_default().split(',').map(str::trim).collect()
}

/// Somebody who was asked.
struct Link {
    provider: String,
    answered: bool,
    fault: Option<String>,
}

/// A figure for now, and how it was come by.
struct Answer {
    /// The table's entry; `None`: it has none.
    table: Option<Value>,
    zone: String,
    at_ns: i64,
    part: Option<IntensityPart>,
    chain: Vec<Link>,
}

impl Answer {
    fn of(zone: &str, at_ns: i64, coverage: &Coverage, names: Vec<&str>) -> Result<Self, ZoneError> {
        let part = best(coverage, at_ns, &names).cloned();
        let found = zone_document(zone);
        let table = if part.is_some() { found.ok() } else { Some(found?) };
        let mut chain: Vec<Link> = Vec::new();
        for name in names {
            let fault = coverage.faults.iter().find(|(provider, _)| provider == name);
            let answered = part.as_ref().is_some_and(|part| part.provider == name);
            chain.push(Link { provider: name.to_owned(), answered, fault: fault.map(|(_, fault)| fault.to_string()) });
            if answered {
                break;
            }
        }
        if part.is_none() {
            chain.push(Link { provider: "table".to_owned(), answered: true, fault: None });
        }
        Ok(Self { table, zone: zone.to_owned(), at_ns, part, chain })
    }

    /// The keys of the table's answer, with the provider's figure in their place, and `at`, `from`, `until`, `estimated`,
    /// `provider` and `chain`.
    fn document(&self) -> Value {
        let mut keys = match &self.table {
            Some(Value::Object(keys)) => keys.clone(),
            _ => self.without_table(),
        };
        let year_of_the_table = self.part.is_none();
        if let Some(part) = &self.part {
            keys.insert("g_per_kwh".to_owned(), json!(part.g_per_kwh));
            keys.insert("kind".to_owned(), json!(part.about.kind.map(IntensityKind::as_str)));
            keys.insert("year".to_owned(), json!(part.about.year));
            keys.insert("source".to_owned(), json!(part.about.source));
            keys.insert("licence".to_owned(), json!(part.about.licence));
        }
        let time = |at_ns: fn(&IntensityPart) -> i64| self.part.as_ref().map(|part| utc(at_ns(part)));
        let chain = self.chain.iter();
        let link = |link: &Link| json!({"provider": link.provider, "answered": link.answered, "fault": link.fault});
        keys.extend(Map::from_iter([
            ("at".to_owned(), json!(utc(self.at_ns))),
            ("from".to_owned(), json!(time(|part| part.from_ns))),
            ("until".to_owned(), json!(time(|part| part.to_ns))),
            ("estimated".to_owned(), json!(year_of_the_table || self.is_estimated())),
            ("provider".to_owned(), json!(self.part.as_ref().map_or("table", |part| part.provider.as_str()))),
            ("chain".to_owned(), chain.map(link).collect()),
        ]));
        Value::Object(keys)
    }

    fn without_table(&self) -> Map<String, Value> {
        let keys = ["name", "note", "mix", "cloud"].map(|key| (key.to_owned(), Value::Null));
        let zone = ("zone".to_owned(), json!(self.zone));
        keys.into_iter().chain([zone]).collect()
    }

    /// A figure of the past stands in for now.
    fn is_estimated(&self) -> bool {
        self.part.as_ref().is_none_or(|part| part.estimated || part.to_ns <= self.at_ns)
    }

    fn page(&self) -> String {
        let of = |key: &str| match &self.document()[key] {
            Value::String(text) => text.clone(),
            Value::Null => "not known".to_owned(),
            Value::Number(figure) => figure.as_f64().unwrap_or_default().to_string(),
            other => other.to_string(),
        };
        let mut rows = vec![("Zone", of("zone")), ("Name", of("name"))];
        rows.push(("Intensity", format!("{} g CO2e/kWh", of("g_per_kwh"))));
        rows.push(("Kind", of("kind")));
        match &self.part {
            Some(part) => rows.push(("Time", format!("{} to {}", utc(part.from_ns), utc(part.to_ns)))),
            None => rows.push(("Year", of("year"))),
        }
        let estimated = if self.is_estimated() { ", an estimate" } else { "" };
        rows.push(("Source", format!("{}{estimated}", of("source"))));
        rows.extend(self.chain.iter().map(|link| ("Asked", link.told())));
        rows.iter().map(|(label, fact)| format!("{label:<10}{fact}\n")).collect()
    }
}

impl Link {
    fn told(&self) -> String {
        match (&self.fault, self.answered) {
            (None, true) => format!("{}: answered", self.provider),
            (None, false) => format!("{}: no figure for now", self.provider),
            (Some(fault), true) => format!("{}: answered from what it said before: {fault}", self.provider),
            (Some(fault), false) => format!("{}: {fault}", self.provider),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use eco2_grid::provider::IntensityOrigin;

    use super::*;

    fn part(provider: &str, from_ns: i64, to_ns: i64) -> IntensityPart {
        let (provider, about) = (provider.to_owned(), Arc::new(IntensityOrigin::default()));
        IntensityPart {
            from_ns,
            to_ns,
            g_per_kwh: 1.0,
            estimated: false,
            provider,
            answer: None,
            fallback: false,
            about,
        }
    }

    fn chosen(parts: Vec<IntensityPart>, at_ns: i64) -> Option<String> {
        let coverage = Coverage { parts, ..Coverage::default() };
        best(&coverage, at_ns, &["first", "second"]).map(|part| part.provider.clone())
    }

    #[test]
    fn k16_first_named_provider_answers_unless_only_another_one_knows_now() {
        let (first, second) = (part("first", 0, 10), part("second", 10, 20));
        // Nobody knows 25: the first provider's last value, although the second one's is later.
        assert_eq!(chosen(vec![first.clone(), second.clone()], 25).as_deref(), Some("first"));
        assert_eq!(chosen(vec![first, second.clone()], 15).as_deref(), Some("second"), "it alone knows 15");
        assert_eq!(chosen(vec![second.clone()], 25).as_deref(), Some("second"));
        assert_eq!(chosen(vec![second], 5), None, "what is to come is not now");
    }
}
