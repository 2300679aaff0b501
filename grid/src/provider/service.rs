//! The services that can be asked over the network (`--provider NAME`), each described by one [`Service`], and the provider
//! that asks them.

use eco2_net::{Http, Limits, NetError, Secret, SecretFault};

use super::{Cached, DiskCache, IntensityOrigin, IntensityQuery, IntensitySlot, Provider, ProviderFault, Reply};

mod carbon_aware;
mod electricity_maps;
mod energy_charts;
mod entsoe;
mod neso;
mod watttime;
mod wire;

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

/// Names of the services that can be asked.
pub const NAMES: [&str; 6] = ["carbon-aware-sdk", "electricity-maps", "energy-charts", "entsoe", "neso", "watttime"];

/// How a service is to be asked.
#[derive(Debug, Clone, Default)]
pub struct OnlineSetup {
    /// Its address; `None`: the public one.
    pub base: Option<String>,
    /// The zone as the service names it; `None`: found from the zone that is asked about.
    pub zone: Option<String>,
    /// What a request may cost.
    pub limits: Limits,
    /// Where answers are kept; `None`: in memory.
    pub disk: Option<DiskCache>,
}

/// A service that is asked over the network.
pub struct Online {
    service: &'static Service,
    http: Http,
    secret: Option<Secret>,
    zone: Option<String>,
}

impl Online {
    /// Opens the service of that name with a cache before it; nothing is asked yet. `environment` reads variables, where
    /// its token is.
    ///
    /// # Errors
    /// [`ProviderFault`] for a name that is none of [`NAMES`], an address that is not taken, a token that is missing or unsafe.
    pub fn open(
        name: &str,
        setup: &OnlineSetup,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Cached<Self>, ProviderFault> {
        let service = SERVICES.iter().find(|service| service.name == name);
        let service =
            service.ok_or(ProviderFault::Net(NetError::Address("is asked for by a name that no provider has")))?;
        let base = setup
            .base
            .as_deref()
            .or(service.base)
            .ok_or(ProviderFault::Net(NetError::Address("is missing; this service has no public one")))?;
        let http = Http::new(base, setup.limits)?;
        let secret = token(service, environment)?;
        let online = Self { service, http, secret, zone: setup.zone.clone() };
        let about = online.about();
        Ok(Cached::new(online, about, base, setup.disk.clone()))
    }

    fn about(&self) -> IntensityOrigin {
        let Service { kind, source, licence, .. } = *self.service;
        let zone = self.zone.clone().unwrap_or_default();
        IntensityOrigin { source: source.to_owned(), zone, kind, year: None, licence: licence.to_owned(), table: None }
    }
}

/// The token, from the first variable that has one.
fn token(service: &Service, environment: impl Fn(&str) -> Option<String>) -> Result<Option<Secret>, SecretFault> {
    let Some(first) = service.tokens.first() else { return Ok(None) };
    for variable in service.tokens {
        match Secret::find(variable, &environment) {
            Err(SecretFault::Missing { .. }) => {}
            other => return other.map(Some),
        }
    }
    Err(SecretFault::Missing { variable: (*first).to_owned() })
}

impl Provider for Online {
    fn name(&self) -> &str {
        self.service.name
    }

    fn slots(&self, wanted: &IntensityQuery<'_>) -> Result<Reply, ProviderFault> {
        let zone = match &self.zone {
            Some(zone) => zone.clone(),
            None => (self.service.zone)(wanted.zone)?,
        };
        let slots = (self.service.ask)(&self.http, self.secret.as_ref(), &IntensityQuery { zone: &zone, ..*wanted })?;
        let reply = Reply::new(IntensityOrigin { zone, ..self.about() }, slots);
        if reply.slots().is_empty() { Err(ProviderFault::NoFigure) } else { Ok(reply) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_service() {
        assert_eq!(SERVICES.each_ref().map(|service| service.name), NAMES);
    }

    #[test]
    fn a_token_is_needed_where_it_is_and_comes_from_the_environment_only() {
        let opened = |name: &str, token: Option<&'static str>| {
            Online::open(name, &OnlineSetup::default(), |_| token.map(str::to_owned)).map(|_| ())
        };
        assert!(opened("electricity-maps", None).unwrap_err().to_string().contains("ECO2_TOKEN_ELECTRICITY_MAPS"));
        assert_eq!(opened("electricity-maps", Some("token")), Ok(()));
        assert_eq!(opened("neso", None), Ok(()));
        assert!(matches!(opened("carbon-aware-sdk", None), Err(ProviderFault::Net(NetError::Address(_)))));
        assert!(opened("nobody", None).is_err());
    }
}
