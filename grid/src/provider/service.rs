//! Lists the services that can be asked over the network (`--provider NAME`), each described by one [`Service`], and
//! implements the provider that asks them.

use eco2_net::{Http, Limits, NetError, Secret, SecretFault};

use super::{Cached, DiskCache, IntensityOrigin, IntensityQuery, IntensitySlot, NAMES, Provider, ProviderFault, Reply};

mod carbon_aware;
mod electricity_maps;
mod energy_charts;
mod entsoe;
mod neso;
mod watttime;
mod wire;

use crate::IntensityKind;
use wire::{flow_zone, literal};

/// Asks a service. The zone of the query is in the notation of the service.
pub(super) type AskService =
    fn(&Http, Option<&Secret>, &IntensityQuery<'_>) -> Result<Vec<IntensitySlot>, ProviderFault>;
/// Translates a zone from the notation of users to that of the service.
pub(super) type NameZone = fn(&str) -> Result<String, ProviderFault>;

/// The description of a service.
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) base: Option<&'static str>,
    /// Environment variables that may contain its token, in order of precedence; empty if it needs none.
    pub(super) tokens: &'static [&'static str],
    pub(super) kind: Option<IntensityKind>,
    pub(super) source: &'static str,
    pub(super) licence: &'static str,
    pub(super) zone: NameZone,
    pub(super) ask: AskService,
}

/// All services, sorted by name.
pub(super) static SERVICES: [Service; NAMES.len()] = [
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

/// Options of a service.
#[derive(Debug, Clone, Default)]
pub struct OnlineSetup {
    /// Its address; `None` for the public one.
    pub base: Option<String>,
    /// The zone in the notation of the service; `None` to translate the zone of the query.
    pub zone: Option<String>,
    /// Limits of a request.
    pub limits: Limits,
    /// Cache on disk; `None` for a cache in memory only.
    pub disk: Option<DiskCache>,
}

/// A service on the network, as a provider.
pub struct Online {
    service: &'static Service,
    http: Http,
    secret: Option<Secret>,
    zone: Option<String>,
}

impl Online {
    /// Opens the service of a name, with a cache; nothing is asked yet. `environment` returns the value of a variable,
    /// and is used to find the token.
    ///
    /// # Errors
    /// [`ProviderFault`] for a name that is not in [`NAMES`], an address that is not allowed, or a missing or unsafe
    /// token.
    pub fn open(
        name: &str,
        setup: &OnlineSetup,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Cached<Self>, ProviderFault> {
        let service = SERVICES.iter().find(|service| service.name == name);
        let service =
            service.ok_or(ProviderFault::Net(NetError::Address("belongs to a provider name that does not exist")))?;
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

/// Returns the token from the first variable that has one.
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
    fn every_name_is_the_name_of_a_service() {
        assert_eq!(SERVICES.each_ref().map(|service| service.name), NAMES);
    }

    #[test]
    fn token_is_required_for_some_services_and_comes_from_the_environment() {
        let opened = |name: &str, token: Option<&'static str>| {
            Online::open(name, &OnlineSetup::default(), |_| token.map(str::to_owned)).map(|_| ())
        };
        assert!(opened("electricity-maps", None).unwrap_err().to_string().contains("ECO2_TOKEN_ELECTRICITY_MAPS"));
        assert_eq!(opened("electricity-maps", Some("token")), Ok(()));
        assert_eq!(opened("neso", None), Ok(()));
        assert!(matches!(opened("carbon-aware-sdk", None), Err(ProviderFault::Net(NetError::Address(_)))));
        assert!(opened("no-such-service", None).is_err());
    }
}
