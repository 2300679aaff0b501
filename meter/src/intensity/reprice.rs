//! A run that is long over, weighed again: with another zone, a series, or what a provider knows of that time by now.

use eco2_core::report::{Carbon, Report};

use super::Curve;
use crate::Error;
use crate::options::{Level, Options};
use crate::pricing::{Extras, Pricing, When, with_cost};

/// The same report with its grams, and what stands beside them, computed anew by the options: zone, series, PUE, price, …
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
    let when = when(&report)?;
    let mut report = report;
    let Course(curve) = Course::of(&report);
    let (mut carbon, events) = pricing.price_late(&mut report.energy, &when, &curve);
    let old = report.carbon.take();
    pricing.beside_again(&mut carbon, old.as_ref(), &report);
    report.carbon = Some(carbon);
    // Its limits and forecast were of the old grams.
    report.budget = None;
    report.events.extend(events);
    Ok(report)
}

/// The same report with what the options ask for beside its grams, which stay as they are: tariff, making, water, market.
///
/// A report without grams is returned as it is. What it had beside them before and is not asked for now stays.
///
/// # Errors
/// As [`reprice`].
pub fn add_beside(mut report: Report, options: &Options) -> Result<Report, Error> {
    let extras = Extras::resolve(options)?;
    let when = when(&report)?;
    let Course(curve) = Course::of(&report);
    let Some(old) = report.carbon.take() else { return Ok(report) };
    let mut carbon =
        with_cost(Carbon { beside: None, ..old.clone() }, extras.cost(&report.energy, &when, Some(&curve)));
    extras.apply_again(&mut carbon, Some(&old), &report);
    report.carbon = Some(carbon);
    Ok(report)
}

fn when(report: &Report) -> Result<When, Error> {
    let started = report.run.started_at.parse().map_err(|_| Error::NoTime { run: report.run.id.clone() })?;
    Ok(When::new(started, report.run.duration_ns))
}

/// How the energy of a run that is over was spread over its time, as far as its report's counters tell.
#[derive(Debug, Clone)]
pub struct Course(Curve);

impl Course {
    /// The course of a report's run.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let mut curve = Curve::new(&report.energy, report.run.duration_ns);
        // Counters of several machines have a clock each, and without the begin on theirs they cannot be placed at all:
        // the devices' whole range it is, then.
        let begin_ns = report.run.boot_ns.map(|[begin_ns, _]| begin_ns).filter(|_| report.merge.is_none());
        let counters = begin_ns.map_or(&[][..], |_| &report.counters);
        curve.add_records(&report.devices, counters, begin_ns.unwrap_or_default());
        Self(curve)
    }

    /// What had been used so many nanoseconds after the begin, before PUE; rises, and ends at the run's own figures.
    #[must_use]
    pub fn at(&self, since_ns: u64) -> eco2_grid::Level {
        self.0.at(since_ns)
    }
}
