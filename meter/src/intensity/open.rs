//! From options to where intensities come from. What is wrong with them is told before the run begins.

use std::sync::Arc;

use eco2_grid::Intensity;
use eco2_grid::provider::{Chain, File, Provider};

use super::{Feed, Live, Source};
use crate::Error;
use crate::options::Options;

impl Feed {
    /// The file and the providers that the options name, with `fallback` behind them; `None` where they name none, or
    /// where an intensity is given, which stands above both.
    pub(crate) fn open(options: &Options, fallback: &Intensity) -> Result<Option<Self>, Error> {
        if options.intensity.is_some() || (options.intensity_series.is_none() && options.intensity_provider.is_empty())
        {
            return Ok(None);
        }
        let table = fallback.clone();
        let mut providers: Vec<Arc<dyn Provider>> = Vec::new();
        let mut series = None;
        if let Some(path) = &options.intensity_series {
            let file = Arc::new(File::read(path, options.intensity_column.as_deref())?);
            series = Some(Arc::clone(&file));
            providers.push(file);
        }
        if options.intensity_provider.is_empty() {
            return Ok(Some(Self { table, series, kind: Source::Here(Chain::new(providers)) }));
        }
        for name in &options.intensity_provider {
            providers.push(online(name, options)?);
        }
        let zone = options.zone.clone().unwrap_or_else(|| fallback.zone.clone());
        let live = Live::new(Chain::new(providers), &zone, forecasts(options));
        Ok(Some(Self { table, series, kind: Source::Asked(live) }))
    }
}

/// Whether what is to come is asked about, too: only where a limit on carbon or cost of a known length needs it.
fn forecasts(options: &Options) -> bool {
    let budget = &options.budget;
    budget.max_co2_kg.is_some() && (budget.total_steps.is_some() || budget.total_hours.is_some())
}

#[cfg(feature = "providers")]
pub(super) fn online(name: &str, options: &Options) -> Result<Arc<dyn Provider>, Error> {
    use eco2_grid::provider::{Disk, Online, Setup};
    let setup = Setup {
        base: options.provider_url.clone(),
        zone: options.provider_zone.clone(),
        disk: Disk::of_the_user(),
        ..Setup::default()
    };
    let opened = Online::open(name, &setup, |variable| std::env::var(variable).ok());
    let provider = opened.map_err(|fault| Error::Provider { provider: name.to_owned(), fault })?;
    Ok(Arc::new(provider))
}

#[cfg(not(feature = "providers"))]
pub(super) fn online(name: &str, _: &Options) -> Result<Arc<dyn Provider>, Error> {
    Ok(Arc::new(NotBuilt(name.to_owned())))
}

/// A provider in a build that asks no network: it costs the intensities, which the table then gives, and not the run.
#[cfg(not(feature = "providers"))]
struct NotBuilt(String);

#[cfg(not(feature = "providers"))]
impl Provider for NotBuilt {
    fn name(&self) -> &str {
        &self.0
    }

    fn slots(
        &self,
        _: &eco2_grid::provider::Wanted<'_>,
    ) -> Result<eco2_grid::provider::Reply, eco2_grid::provider::Fault> {
        Err(eco2_grid::provider::Fault::NotBuilt)
    }
}

/// The zone of the place that `locate` names: `LATITUDE,LONGITUDE`, or `cloud` for the region this machine is in.
///
/// # Errors
/// What is missing; a place is never guessed.
pub(crate) fn located(locate: &str) -> Result<Intensity, Error> {
    if locate == "cloud" {
        return cloud();
    }
    let numbers = locate.split_once(',').map(|(latitude, longitude)| (number(latitude), number(longitude)));
    match numbers {
        Some((Some(latitude), Some(longitude))) => Ok(eco2_grid::locate(latitude, longitude)?),
        _ => Err(Error::Place(locate.chars().take(60).collect())),
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

#[cfg(feature = "providers")]
fn cloud() -> Result<Intensity, Error> {
    let base = std::env::var("ECO2_METADATA_URL").ok();
    let region = match eco2_grid::provider::cloud_of_this_machine(base.as_deref()) {
        Ok(region) => region,
        // A service that is down must not cost the run its measurement.
        Err(fault) => {
            let note = format!("--locate cloud: {fault}; this is the world average, not your grid; name a zone");
            return Ok(Intensity { note: Some(note), ..eco2_grid::world() });
        }
    };
    let mut intensity = eco2_grid::lookup(&region.code())?;
    intensity.zone_source = eco2_grid::ZoneSource::Cloud;
    Ok(intensity)
}

#[cfg(not(feature = "providers"))]
fn cloud() -> Result<Intensity, Error> {
    let note =
        format!("--locate cloud: {}; this is the world average, not your grid", eco2_grid::provider::Fault::NotBuilt);
    Ok(Intensity { note: Some(note), ..eco2_grid::world() })
}
