//! Queries carbon intensities from providers: of the current hour for `eco2 grid --provider`, of future hours for
//! `eco2 plan --provider`.
//!
//! A *provider* is a service that publishes intensities. Providers are queried in the order of `--provider`. A *part*
//! is a period with one intensity; a *coverage* is all parts and faults of a query.

use std::time::SystemTime;

use eco2::options::{Input, Layer, Origin, opt};
use eco2_grid::provider::{CacheCounts, Coverage, IntensityPart};
use eco2_grid::{IntensityKind, ZoneError, utc, zone_document};
use serde_json::{Map, Value, json};

use crate::args::{FlagValues, GridArgs, ProviderFlags};
use crate::out::document;
use crate::{out, settings};

/// Greatest age of a value that is used for now, nanoseconds: services publish some hours late.
const LAG_NS: i64 = 6 * HOUR_NS;
const HOUR_NS: i64 = 3_600_000_000_000;

/// Returns the nanoseconds since 1970 UTC.
pub(crate) fn now_ns() -> i64 {
    let passed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX)
}

/// Returns the intensities of a period; each part is from the first provider that has it.
///
/// # Errors
/// If a provider cannot be queried: no token, no such name, a build without providers.
pub(crate) fn query(
    flags: &FlagValues<ProviderFlags>,
    zone: Option<&str>,
    from_ns: i64,
    to_ns: i64,
) -> anyhow::Result<Coverage> {
    let mut layer = Layer::default();
    flags.copy_to(&mut layer)?;
    if let Some(zone) = zone {
        layer.set(&opt::ZONE, Input::Bare(zone.to_owned()), Origin::code("ZONE"))?;
    }
    Ok(eco2::intensities(&settings::resolve(layer)?, from_ns, to_ns, now_ns())?)
}

/// Returns a zone's current intensity as JSON or text. If no provider answers, the yearly value is used and flagged.
///
/// # Errors
/// As [`query`]; [`ZoneError`] if no provider answers and the table has no such zone.
pub(crate) fn now(zone: &str, flags: &FlagValues<ProviderFlags>, args: &GridArgs) -> anyhow::Result<String> {
    let at_ns = now_ns();
    let until_ns = (at_ns.div_euclid(HOUR_NS) + 1) * HOUR_NS;
    let coverage = query(flags, Some(zone), at_ns - LAG_NS, until_ns)?;
    if args.verbose {
        coverage.caches.iter().for_each(|(provider, counts)| out::talk(&cache(provider, counts)));
    }
    let current = CurrentIntensity::of(zone, at_ns, &coverage, names(flags))?;
    if !args.json {
        return Ok(current.page());
    }
    for reply in current.chain.iter().filter(|reply| reply.fault.is_some()) {
        out::talk(&format!("eco2: {}: {}\n", reply.provider, reply.fault.as_deref().unwrap_or_default()));
    }
    Ok(document(&current.document()))
}

/// Returns the hits and misses of a provider's cache in this command, as text.
fn cache(provider: &str, counts: &CacheCounts) -> String {
    let CacheCounts { hits, misses, stale, failed } = counts;
    format!(
        "eco2: {provider}: cache: {hits} hits, {misses} misses, {stale} expired answers used, {failed} without an answer\n"
    )
}

/// Returns the part for an instant: the part that covers it, else the last part before it of the first provider that
/// has one, in the order of `names`.
fn best<'a>(coverage: &'a Coverage, at_ns: i64, names: &[&str]) -> Option<&'a IntensityPart> {
    let current = coverage.parts.iter().find(|part| part.from_ns <= at_ns && at_ns < part.to_ns);
    let last_of =
        |name: &&str| coverage.parts.iter().rev().find(|part| part.provider == **name && part.from_ns <= at_ns);
    current.or_else(|| names.iter().find_map(last_of))
}

/// Returns the providers in the order of `--provider`.
fn names(flags: &FlagValues<ProviderFlags>) -> Vec<&str> {
    flags.text(&opt::INTENSITY_PROVIDER).unwrap_or_default().split(',').map(str::trim).collect()
}

/// The outcome of querying one provider.
struct ProviderReply {
    provider: String,
    answered: bool,
    fault: Option<String>,
}

/// A zone's current intensity, and the providers that were queried for it.
struct CurrentIntensity {
    /// The zone's entry in the yearly table; `None`: the table does not have the zone.
    table: Option<Value>,
    zone: String,
    at_ns: i64,
    /// The provider's value; `None`: no provider has one, and the table's is used.
    part: Option<IntensityPart>,
    chain: Vec<ProviderReply>,
}

impl CurrentIntensity {
    fn of(zone: &str, at_ns: i64, coverage: &Coverage, names: Vec<&str>) -> Result<Self, ZoneError> {
        let part = best(coverage, at_ns, &names).cloned();
        let found = zone_document(zone);
        let table = if part.is_some() { found.ok() } else { Some(found?) };
        let mut chain: Vec<ProviderReply> = Vec::new();
        for name in names {
            let fault = coverage.faults.iter().find(|(provider, _)| provider == name);
            let answered = part.as_ref().is_some_and(|part| part.provider == name);
            chain.push(ProviderReply {
                provider: name.to_owned(),
                answered,
                fault: fault.map(|(_, fault)| fault.to_string()),
            });
            if answered {
                break;
            }
        }
        if part.is_none() {
            chain.push(ProviderReply { provider: "table".to_owned(), answered: true, fault: None });
        }
        Ok(Self { table, zone: zone.to_owned(), at_ns, part, chain })
    }

    /// Returns the keys of the table's entry with the provider's values, and `at`, `from`, `until`, `estimated`,
    /// `provider` and `chain`.
    fn document(&self) -> Value {
        let mut keys = match &self.table {
            Some(Value::Object(keys)) => keys.clone(),
            _ => self.without_table(),
        };
        let is_yearly = self.part.is_none();
        if let Some(part) = &self.part {
            keys.insert("g_per_kwh".to_owned(), json!(part.g_per_kwh));
            keys.insert("kind".to_owned(), json!(part.about.kind.map(IntensityKind::as_str)));
            keys.insert("year".to_owned(), json!(part.about.year));
            keys.insert("source".to_owned(), json!(part.about.source));
            keys.insert("licence".to_owned(), json!(part.about.licence));
        }
        let time = |at_ns: fn(&IntensityPart) -> i64| self.part.as_ref().map(|part| utc(at_ns(part)));
        let chain = self.chain.iter();
        let reply = |reply: &ProviderReply| json!({"provider": reply.provider, "answered": reply.answered, "fault": reply.fault});
        keys.extend(Map::from_iter([
            ("at".to_owned(), json!(utc(self.at_ns))),
            ("from".to_owned(), json!(time(|part| part.from_ns))),
            ("until".to_owned(), json!(time(|part| part.to_ns))),
            ("estimated".to_owned(), json!(is_yearly || self.is_estimated())),
            ("provider".to_owned(), json!(self.part.as_ref().map_or("table", |part| part.provider.as_str()))),
            ("chain".to_owned(), chain.map(reply).collect()),
        ]));
        Value::Object(keys)
    }

    /// Returns the keys of a table's entry for a zone that the table does not have.
    fn without_table(&self) -> Map<String, Value> {
        let keys = ["name", "note", "mix", "cloud"].map(|key| (key.to_owned(), Value::Null));
        let zone = ("zone".to_owned(), json!(self.zone));
        keys.into_iter().chain([zone]).collect()
    }

    /// Whether the value is an estimate, or older than now.
    fn is_estimated(&self) -> bool {
        self.part.as_ref().is_none_or(|part| part.estimated || part.to_ns <= self.at_ns)
    }

    /// Returns the intensity as text, with one line per provider that was queried.
    fn page(&self) -> String {
        let text = |key: &str| match &self.document()[key] {
            Value::String(text) => text.clone(),
            Value::Null => "not known".to_owned(),
            Value::Number(number) => number.as_f64().unwrap_or_default().to_string(),
            other => other.to_string(),
        };
        let mut rows = vec![("Zone", text("zone")), ("Name", text("name"))];
        rows.push(("Intensity", format!("{} g CO2e/kWh", text("g_per_kwh"))));
        rows.push(("Kind", text("kind")));
        match &self.part {
            Some(part) => rows.push(("Time", format!("{} to {}", utc(part.from_ns), utc(part.to_ns)))),
            None => rows.push(("Year", text("year"))),
        }
        let estimated = if self.is_estimated() { ", an estimate" } else { "" };
        rows.push(("Source", format!("{}{estimated}", text("source"))));
        rows.extend(self.chain.iter().map(|reply| ("Answered by", reply.text())));
        rows.iter().map(|(label, fact)| format!("{label:<10}{fact}\n")).collect()
    }
}

impl ProviderReply {
    fn text(&self) -> String {
        match (&self.fault, self.answered) {
            (None, true) => format!("{}: answered", self.provider),
            (None, false) => format!("{}: no current value", self.provider),
            (Some(fault), true) => format!("{}: answered from an earlier reply: {fault}", self.provider),
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
    fn k16_first_named_provider_answers_unless_only_another_one_has_now() {
        let (first, second) = (part("first", 0, 10), part("second", 10, 20));
        // No provider has 25: the first provider's last value is used, although the second one's is later.
        assert_eq!(chosen(vec![first.clone(), second.clone()], 25).as_deref(), Some("first"));
        assert_eq!(chosen(vec![first, second.clone()], 15).as_deref(), Some("second"), "only it has 15");
        assert_eq!(chosen(vec![second.clone()], 25).as_deref(), Some("second"));
        assert_eq!(chosen(vec![second], 5), None, "a future value is not the current one");
    }
}
