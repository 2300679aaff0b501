//! The services that can be asked, each as what it wants to hear and what it says.

mod carbon_aware;
mod electricity_maps;
mod energy_charts;
mod entsoe;
mod neso;
mod watttime;

use eco2_net::{Http, Secret};
use serde::de::DeserializeOwned;

use super::{Fault, Slot, Wanted};
use crate::series::{parse_instant, utc};
use crate::{Kind, Sha256, cloud_region, table};

/// How one service is asked. The zone of `wanted` is the service's own.
pub(super) type Ask = fn(&Http, Option<&Secret>, &Wanted<'_>) -> Result<Vec<Slot>, Fault>;
/// From a zone as users name it to the service's.
pub(super) type Named = fn(&str) -> Result<String, Fault>;

/// What is fixed about a service.
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) base: Option<&'static str>,
    /// The variables that may hold its token, ours first; empty where it needs none.
    pub(super) tokens: &'static [&'static str],
    pub(super) kind: Option<Kind>,
    pub(super) source: &'static str,
    pub(super) licence: &'static str,
    pub(super) zone: Named,
    pub(super) ask: Ask,
}

/// All of them, in the order of their names.
pub(super) static SERVICES: [Service; 6] = [
    Service {
        name: "carbon-aware-sdk",
        base: None,
        tokens: &[],
        kind: None,
        source: "Carbon Aware SDK web API",
        licence: "",
        zone: literal,
        ask: carbon_aware::ask,
    },
    Service {
        name: "electricity-maps",
        base: Some("https://api.electricitymaps.com/v3"),
        tokens: &["ECO2_TOKEN_ELECTRICITY_MAPS", "CO2_SIGNAL_API_TOKEN"],
        kind: Some(Kind::LifecycleAverageConsumption),
        source: "Electricity Maps",
        licence: "commercial",
        zone: flow_zone,
        ask: electricity_maps::ask,
    },
    Service {
        name: "energy-charts",
        base: Some("https://api.energy-charts.info"),
        tokens: &[],
        kind: Some(Kind::LifecycleAverageProduction),
        source: "Energy-Charts (Fraunhofer ISE)",
        licence: "CC BY 4.0",
        zone: energy_charts::zone,
        ask: energy_charts::ask,
    },
    Service {
        name: "entsoe",
        base: Some("https://web-api.tp.entsoe.eu"),
        tokens: &["ECO2_TOKEN_ENTSOE"],
        kind: Some(Kind::LifecycleAverageProduction),
        source: "ENTSO-E generation by type, weighed with IPCC AR5 medians",
        licence: "CC BY 4.0",
        zone: entsoe::zone,
        ask: entsoe::ask,
    },
    Service {
        name: "neso",
        base: Some("https://api.carbonintensity.org.uk"),
        tokens: &[],
        kind: Some(Kind::DirectAverageConsumption),
        source: "NESO Carbon Intensity API",
        licence: "CC BY 4.0",
        zone: neso::zone,
        ask: neso::ask,
    },
    Service {
        name: "watttime",
        base: Some("https://api.watttime.org"),
        tokens: &["ECO2_TOKEN_WATTTIME"],
        kind: Some(Kind::MarginalOperating),
        source: "WattTime MOER",
        licence: "commercial",
        zone: literal,
        ask: watttime::ask,
    },
];

/// A zone that is handed on as it is.
fn literal(zone: &str) -> Result<String, Fault> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_. ".contains(&byte);
    if zone.is_empty() || zone.len() > 64 || !zone.bytes().all(plain) {
        return Err(Fault::zone(zone, "name one with --provider-zone, as the service writes it"));
    }
    Ok(zone.to_owned())
}

/// A zone of flow-tracing providers: that of a cloud region, a country's code, or the text itself.
fn flow_zone(zone: &str) -> Result<String, Fault> {
    if let Some(region) = cloud_region(zone).filter(|region| !region.flow_zone.is_empty()) {
        return Ok(region.flow_zone.clone());
    }
    match table::named(zone).next() {
        Some(found) if found.alpha3.is_some() => Ok(found.code.clone()),
        Some(_) => {
            Err(Fault::zone(zone, "the service divides that country otherwise; name its zone with --provider-zone"))
        }
        None => literal(zone),
    }
}

/// The code of a country, of its state, or of the country that a cloud region lies in.
fn country(zone: &str) -> Option<&'static str> {
    let coded = cloud_region(zone).and_then(|region| table::coded(&region.zone));
    let found = coded.or_else(|| table::named(zone).next())?;
    found.alpha3.is_some().then_some(found.code.as_str())
}

/// Reads an answer as JSON.
fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|_| Fault::Garbage("it is not JSON of the expected form"))
}

/// Slots that were read from an answer, with its hash. Bytes are hashed as they came, before anything is read from them.
fn answered(body: &[u8], mut slots: Vec<Slot>) -> Vec<Slot> {
    let answer = Some(Sha256::of(body));
    slots.iter_mut().for_each(|slot| slot.answer = answer);
    slots
}

/// Refuses an answer that states another zone than the requested one; case does not count.
fn same_zone(requested: &str, stated: Option<&str>) -> Result<(), Fault> {
    match stated {
        Some(stated) if !stated.trim().eq_ignore_ascii_case(requested) => Err(Fault::other_zone(requested)),
        _ => Ok(()),
    }
}

fn instant(text: &str) -> Result<i64, Fault> {
    parse_instant(text).ok_or(Fault::Garbage("a time in it is not ISO 8601"))
}

/// `from_ns` plus a length in seconds, which must be one of a slot: a second to a day.
fn end_of(from_ns: i64, length_s: i64) -> Result<i64, Fault> {
    if !(1..=86_400).contains(&length_s) {
        return Err(Fault::Garbage("a slot in it lasts no time from a second to a day"));
    }
    from_ns.checked_add(length_s * 1_000_000_000).ok_or(Fault::Garbage("a time in it is out of range"))
}

/// An instant as services take it: UTC, to the second.
fn written(at_ns: i64) -> String {
    utc(at_ns)
}
