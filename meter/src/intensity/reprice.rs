//! A run that is long over, weighed again: with another zone, a series, or what a provider knows of that time by now.

use eco2_core::report::{Carbon, Report};

use super::Curve;
use crate::Error;
use crate::options::{Level, Options};
use crate::pricing::{Pricing, When};

/// The same report with its grams and cost computed anew by the options: zone, intensity, series, provider, PUE, price.
///
/// Energies stay as they are. How the energy was spread over the run's time is known as far as the report's counters tell;
/// the grams' bounds hold what they do not. The PUE stays unless the options give one. Providers are asked on this thread.
///
/// # Errors
/// [`Error`] when the options are wrong, or the report does not say when the run was.
pub fn reprice(report: Report, options: &Options) -> Result<Report, Error> {
    let mut options = options.clone();
    if options.origin("pue").level() == Level::Default && report.energy.pue >= 1.0 {
        options.pue = report.energy.pue;
    }
    let pricing = Pricing::resolve(&options)?;
    let started = report.run.started_at.parse().map_err(|_| Error::NoTime { run: report.run.id.clone() })?;
    let when = When::new(started, report.run.duration_ns);
    let mut report = report;
    let mut curve = Curve::new(&report.energy, when.lasted_ns);
    let [begin_ns, _] = report.run.boot_ns.unwrap_or_default();
    curve.add_records(&report.devices, &report.counters, begin_ns);
    let (carbon, events) = pricing.price_late(&mut report.energy, &when, &curve);
    let old = report.carbon.take();
    let (embodied, old_cost) = old.map_or((None, None), |old| (old.embodied, old.cost));
    report.carbon = Some(Carbon { embodied, cost: carbon.cost.or(old_cost), ..carbon });
    // Its limits and forecast were of the old grams.
    report.budget = None;
    report.events.extend(events);
    Ok(report)
}
