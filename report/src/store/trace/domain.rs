//! The `# domain` line of a trace: identity, unit and limits of a *domain* (one counter or power sensor). A line becomes a
//! [`Draft`]; when the finest decimal place of its values is known, the draft becomes a [`Domain`].

use eco2_core::{Component, CounterFault, Domain, Kind, ModelRange, Quality, Scale};

use super::attributes::{Attributes, Decimal, MAX_PLACES, clip, decimal, next_up, number};
use super::fault::{LineFault, NumberFault};

/// The attributes of a `# domain` line.
const KEYS: [&str; 18] = [
    "component",
    "kind",
    "unit",
    "scale",
    "range",
    "max_w",
    "min_w",
    "parent",
    "domain",
    "name",
    "method",
    "source",
    "quality",
    "gain",
    "ceiling_w",
    "average_ns",
    "model_range",
    "self_test",
];

/// The unit of a domain's values: a power of ten of joules or watts, or a factor.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    /// 10^-places joules or watts: 6 for micro, 3 for milli, 0 for the unit itself.
    Named { places: u8 },
    /// Joules or watts per raw unit.
    Raw(Scale),
}

/// A declared domain whose finest decimal place is not known yet.
#[derive(Debug)]
pub(super) struct Draft {
    domain: Domain,
    unit: Unit,
    range: Option<Decimal>,
    places: u8,
}

impl Draft {
    /// Parses the words after `# domain <id>`.
    pub(super) fn parse<'a>(id: &str, words: impl Iterator<Item = &'a str>) -> Result<Self, LineFault> {
        let given = Attributes::parse("domain", &KEYS, words)?;
        let component = component(given.need("component")?)?;
        let kind = kind(given.need("kind")?)?;
        let unit = unit(kind, given.need("unit")?, given.get("scale"))?;
        let name = given.get("domain").map_or_else(|| default_name(id, component), str::to_owned);
        let source = given.get("source").unwrap_or("replay");
        let mut domain = match kind {
            Kind::Energy => Domain::counter(id, component, &name, source),
            Kind::Power => Domain::power(id, component, &name, source),
        };
        set_limits(&mut domain, &given)?;
        let range = given.get("range").map(|text| range(unit, text)).transpose()?;
        let mut draft = Self { domain, unit, range, places: 0 };
        draft.see(range);
        Ok(draft)
    }

    /// Returns the domain's id.
    pub(super) fn id(&self) -> &str {
        &self.domain.id
    }

    /// Returns the id of the domain that includes this one; `None` without one.
    pub(super) fn parent(&self) -> Option<&str> {
        self.domain.parent.as_deref()
    }

    /// Updates the finest decimal place by that of a value.
    pub(super) fn see(&mut self, value: Option<Decimal>) {
        self.places = self.places.max(value.map_or(0, Decimal::places));
    }

    /// Checks that a value is possible for this domain: values in `unit=raw` have no decimals.
    pub(super) fn check(&self, value: Decimal, text: &str) -> Result<(), LineFault> {
        if matches!(self.unit, Unit::Raw(_)) && value.places() > 0 {
            return Err(LineFault::RawDecimals(clip(text)));
        }
        Ok(())
    }

    /// Returns a value as a raw integer at the finest decimal place; `None` if it does not fit 64 bits.
    pub(super) fn raw(&self, value: Decimal) -> Option<u64> {
        value.at(self.places)
    }

    /// Returns the domain with unit and range at the finest decimal place; `None` if the range does not fit 64 bits.
    pub(super) fn finish(mut self) -> Option<Domain> {
        self.domain.scale = match self.unit {
            Unit::Named { places } => power_of_ten(places + self.places)?,
            Unit::Raw(scale) => scale,
        };
        self.domain.range = match self.range {
            Some(range) => Some(range.at(self.places)?),
            None => None,
        };
        Some(self.domain)
    }
}

fn component(text: &str) -> Result<Component, LineFault> {
    let known = Component::ALL.into_iter().find(|component| component.name() == text);
    known.ok_or_else(|| word("component", text, &Component::ALL.map(Component::name).join(", ")))
}

fn kind(text: &str) -> Result<Kind, LineFault> {
    Ok(match text {
        "energy" => Kind::Energy,
        "power" => Kind::Power,
        _ => return Err(word("kind", text, "energy, power")),
    })
}

fn unit(kind: Kind, text: &str, scale: Option<&str>) -> Result<Unit, LineFault> {
    let places = match (kind, text) {
        (_, "raw") => return raw_unit(scale.ok_or(LineFault::ScaleNeeded)?),
        (Kind::Energy, "J") | (Kind::Power, "W") => 0,
        (Kind::Energy, "mJ") | (Kind::Power, "mW") => 3,
        (Kind::Energy, "uJ" | "µJ") | (Kind::Power, "uW" | "µW") => 6,
        (Kind::Energy, _) => return Err(word("unit", text, "uJ, mJ, J, raw for kind=energy")),
        (Kind::Power, _) => return Err(word("unit", text, "uW, mW, W, raw for kind=power")),
    };
    match scale {
        // A scale that repeats the unit is harmless; one that contradicts it is an error.
        Some(text) if text.parse().ok().and_then(Scale::from_base_per_raw) != power_of_ten(places) => {
            Err(LineFault::Scale(clip(text)))
        }
        _ => Ok(Unit::Named { places }),
    }
}

fn raw_unit(text: &str) -> Result<Unit, LineFault> {
    let scale = text.parse().ok().and_then(Scale::from_base_per_raw);
    scale.map(Unit::Raw).ok_or_else(|| LineFault::Scale(clip(text)))
}

/// Returns the scale of a raw unit of 10^-`places` joules or watts.
fn power_of_ten(places: u8) -> Option<Scale> {
    match places {
        0 => Some(Scale::UNIT),
        3 => Some(Scale::MILLI),
        6 => Some(Scale::MICRO),
        _ => {
            finer_than_micro(places).or_else(|| format!("1e-{places}").parse().ok().and_then(Scale::from_base_per_raw))
        }
    }
}

/// Returns a scale of 10^-`places` base units with `places` > 6: the nearest one that is not too small.
///
/// A tenth is not a binary fraction. A factor slightly below it would round every whole microjoule down by one.
fn finer_than_micro(places: u8) -> Option<Scale> {
    let raw_per_micro = 10_u64.checked_pow(u32::from(places.checked_sub(6)?))?;
    let mut base: f64 = format!("1e-{places}").parse().ok()?;
    for _ in 0..4 {
        match Scale::from_base_per_raw(base) {
            Some(scale) if scale.micro(raw_per_micro) == 1 => return Some(scale),
            _ => base = next_up(base),
        }
    }
    None
}

fn range(unit: Unit, text: &str) -> Result<Decimal, LineFault> {
    let range = decimal("range", text)?;
    if matches!(unit, Unit::Raw(_)) && range.places() > 0 {
        return Err(LineFault::RawDecimals(clip(text)));
    }
    if range.at(MAX_PLACES) == Some(0) { Err(LineFault::ZeroRange) } else { Ok(range) }
}

fn set_limits(domain: &mut Domain, given: &Attributes) -> Result<(), LineFault> {
    domain.max_uw = given.get("max_w").map(|text| microwatts("max_w", text)).transpose()?;
    domain.min_uw = given.get("min_w").map(|text| microwatts("min_w", text)).transpose()?;
    domain.ceiling_uw = given.get("ceiling_w").map(|text| microwatts("ceiling_w", text)).transpose()?;
    domain.average_ns = given.get("average_ns").map(|text| nanoseconds("average_ns", text)).transpose()?;
    match (domain.min_uw, domain.max_uw) {
        (_, Some(0)) => return Err(LineFault::ZeroLimit),
        (Some(min), Some(max)) if min > max => return Err(LineFault::Limits),
        _ => {}
    }
    domain.parent = given.get("parent").map(str::to_owned);
    domain.gain_percent = given.get("gain").map(gain).transpose()?;
    domain.model_range = given.get("model_range").map(model_range).transpose()?;
    domain.self_test = given.get("self_test").map(self_test).transpose()?;
    if let Some(name) = given.get("name") {
        name.clone_into(&mut domain.name);
    }
    domain.method = given.get("method").map(str::to_owned);
    if let Some(text) = given.get("quality") {
        domain.quality = quality(text)?;
    }
    Ok(())
}

fn microwatts(field: &'static str, text: &str) -> Result<u64, LineFault> {
    let too_large = || number(field, text, NumberFault::TooLarge);
    decimal(field, text)?.at(6).ok_or_else(too_large)
}

fn nanoseconds(field: &'static str, text: &str) -> Result<u64, LineFault> {
    let too_large = || number(field, text, NumberFault::TooLarge);
    decimal(field, text)?.at(0).ok_or_else(too_large)
}

/// Parses `<busy from, W>:<idle low>:<idle high>:<busy low>:<busy high>`, with the factors in thousandths.
fn model_range(text: &str) -> Result<ModelRange, LineFault> {
    let malformed = || number("model_range", text, NumberFault::Malformed);
    let (busy_from, factors) = text.split_once(':').ok_or_else(malformed)?;
    let factors: Vec<u32> =
        factors.split(':').map(|part| part.parse().map_err(|_| malformed())).collect::<Result<_, _>>()?;
    match factors[..] {
        [idle_low, idle_high, busy_low, busy_high] if idle_low <= idle_high && busy_low <= busy_high => {
            Ok(ModelRange {
                busy_uw: microwatts("model_range", busy_from)?,
                idle_permille: [idle_low, idle_high],
                busy_permille: [busy_low, busy_high],
            })
        }
        _ => Err(malformed()),
    }
}

fn self_test(text: &str) -> Result<CounterFault, LineFault> {
    let known = [CounterFault::Still, CounterFault::Contradicted].into_iter().find(|fault| fault.name() == text);
    known.ok_or_else(|| word("self_test", text, "still, contradicted"))
}

fn gain(text: &str) -> Result<f64, LineFault> {
    decimal("gain", text)?;
    text.parse().map_err(|_| number("gain", text, NumberFault::Malformed))
}

fn quality(text: &str) -> Result<Quality, LineFault> {
    let known = Quality::ALL.into_iter().find(|quality| quality.name() == text);
    known.ok_or_else(|| word("quality", text, &Quality::ALL.map(Quality::name).join(", ")))
}

fn word(key: &'static str, text: &str, allowed: &str) -> LineFault {
    LineFault::Word { key, text: clip(text), allowed: allowed.to_owned() }
}

/// Returns the default of `domain=`: the id without its number if that is a known name, else the usual name for the component.
fn default_name(id: &str, component: Component) -> String {
    let stem = id.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
    let known = ["package", "dram", "core", "uncore", "psys", "board", "module"];
    let name = match component {
        _ if known.contains(&stem) => stem,
        Component::Cpu => "package",
        Component::Memory => "dram",
        Component::Gpu => "board",
        Component::Other => "other",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decimal_place_of_every_unit_is_exact_in_whole_microjoules() {
        for places in 0..=12_u8 {
            let scale = power_of_ten(places).unwrap();
            for whole in [1_u64, 7, 999_983, 4_000_000_007] {
                let factor = 10_u64.pow(u32::from(places.saturating_sub(6)));
                let micro = 10_u64.pow(u32::from(6_u8.saturating_sub(places)));
                assert_eq!(scale.micro(whole * factor), whole * micro, "10^-{places}, {whole}");
            }
        }
    }

    #[test]
    fn names_come_from_the_id_or_the_part() {
        assert_eq!(default_name("dram-1", Component::Memory), "dram");
        assert_eq!(default_name("psys", Component::Other), "psys");
        assert_eq!(default_name("socket0", Component::Cpu), "package");
        assert_eq!(default_name("GPU-4711", Component::Gpu), "board");
    }
}
