//! The services that can be asked, each as what it wants to hear and what it says.

mod carbon_aware;
mod electricity_maps;
mod energy_charts;
mod entsoe;
mod neso;
mod watttime;
mod wire;

use eco2_net::{Http, Secret};

use super::{IntensityQuery, IntensitySlot, ProviderFault};
use crate::IntensityKind;
use wire::{flow_zone, literal};

/// How one service is asked. The zone of `wanted` is the service's own.
pub(super) type AskService =
    fn(&Http, Option<&Secret>, &IntensityQuery<'_>) -> Result<Vec<IntensitySlot>, ProviderFault>;
/// From a zone as users name it to the service's.
pub(super) type NameZone = fn(&str) -> Result<String, ProviderFault>;

/// What is fixed about a service.
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) base: Option<&'static str>,
    /// The variables that may hold its token, ours first; empty where it needs none.
    pub(super) tokens: &'static [&'static str],
    pub(super) kind: Option<IntensityKind>,
    pub(super) source: &'static str,
    pub(super) licence: &'static str,
    pub(super) zone: NameZone,
    pub(super) ask: AskService,
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
        kind: Some(IntensityKind::LifecycleAverageConsumption),
        source: "Electricity Maps",
        licence: "commercial",
        zone: flow_zone,
        ask: electricity_maps::ask,
    },
    Service {
        name: "energy-charts",
        base: Some("https://api.energy-charts.info"),
        tokens: &[],
        kind: Some(IntensityKind::LifecycleAverageProduction),
        source: "Energy-Charts (Fraunhofer ISE)",
        licence: "CC BY 4.0",
        zone: energy_charts::zone,
        ask: energy_charts::ask,
    },
    Service {
        name: "entsoe",
        base: Some("https://web-api.tp.entsoe.eu"),
        tokens: &["ECO2_TOKEN_ENTSOE"],
        kind: Some(IntensityKind::LifecycleAverageProduction),
        source: "ENTSO-E generation by type, weighed with IPCC AR5 medians",
        licence: "CC BY 4.0",
        zone: entsoe::zone,
        ask: entsoe::ask,
    },
    Service {
        name: "neso",
        base: Some("https://api.carbonintensity.org.uk"),
        tokens: &[],
        kind: Some(IntensityKind::DirectAverageConsumption),
        source: "NESO Carbon Intensity API",
        licence: "CC BY 4.0",
        zone: neso::zone,
        ask: neso::ask,
    },
    Service {
        name: "watttime",
        base: Some("https://api.watttime.org"),
        tokens: &["ECO2_TOKEN_WATTTIME"],
        kind: Some(IntensityKind::MarginalOperating),
        source: "WattTime MOER",
        licence: "commercial",
        zone: literal,
        ask: watttime::ask,
    },
];
