//! Computes the emissions and cost of a finished run again: with another zone, another intensity series, or a
//! provider's later data for the time of the run.

use eco2_core::Stretch;
use eco2_core::schema::{CounterRecord, EventRecord, Merge, Report, RepricedFrom};
use eco2_grid::pricing::PriceRequest;

use crate::Error;
use crate::options::Options;
use crate::run::pricing::{RunPricing, When, request_of_program};

/// Computes a report again with the zone, series, PUE, price, tariff, embodied emissions, water, … that the options
/// request.
///
/// Values that they do not request stay: zone and segments, PUE, price and supplements. `carbon.repriced_from`
/// names the report. Only flags and the program's own values are requests; files and variables apply to runs that begin
/// now. Energies stay as they are. Their profile over the run's time is known as far as the report's curves reach; the
/// bounds cover the rest. Of a merged report each part is priced at its own time, and merged again. Providers are asked
/// on this thread.
///
/// # Errors
/// [`Error`] when the options are wrong, or the report has no start time.
///
/// ```
/// use eco2::options::{Layer, Log, Options, Origin, opt};
///
/// # let report = eco2::Meter::builder().zone("PL").log(Log::Off).set(&opt::SOURCES, "synthetic").open()?.close();
/// assert_eq!(report.carbon.as_ref().unwrap().zone, "PL");
/// let mut request = Layer::default();
/// request.set(&opt::ZONE, "FR", Origin::code("--zone"))?;
/// let report = eco2::reprice(report, &Options::resolve([request])?)?;
/// assert_eq!(report.carbon.unwrap().zone, "FR");
/// # Ok::<(), eco2::Error>(())
/// ```
pub fn reprice(report: Report, options: &Options) -> Result<Report, Error> {
    reprice_of(report, None, options)
}

/// Computes a report again as [`reprice`] does. The report was read from a file whose SHA-256 is known
/// ([`crate::record_hash`]).
///
/// # Errors
/// As [`reprice`].
pub fn reprice_of(report: Report, sha256: Option<String>, options: &Options) -> Result<Report, Error> {
    let from = RepricedFrom { run: report.run.id.clone(), part: report.run.part.clone(), sha256 };
    let mut report = priced_again(report, options)?;
    if let Some(carbon) = &mut report.carbon {
        carbon.repriced_from = Some(Box::new(from));
    }
    Ok(report)
}

/// Returns the report with emissions and cost by the options. A report of several processes is priced by its parts.
fn priced_again(report: Report, options: &Options) -> Result<Report, Error> {
    let requested = request_of_program(options)?;
    // One entry per zone: the parts (reports of one process each) in one zone share an intensity series and the
    // providers' answers.
    let mut resolved: Vec<(PriceRequest, RunPricing)> = Vec::new();
    by_parts(report, &mut |report| {
        let when = when(&report)?;
        let curve = report.curve();
        let request = requested.about(report.carbon.as_ref());
        let index = match resolved.iter().position(|(known, _)| *known == request) {
            Some(index) => index,
            None => {
                resolved.push((request.clone(), RunPricing::for_report(request, options)?));
                resolved.len() - 1
            }
        };
        let (request, pricing) = &resolved[index];
        let repriced = pricing.price_report(report, &when, &curve);
        if repriced.carbon.is_none() && names_more_than_pue(request) {
            return Err(Error::NoEmissions { run: repriced.run.id });
        }
        Ok(repriced)
    })
}

/// Whether a request names more than the PUE (facility overhead), the only value that changes a report without
/// emissions.
fn names_more_than_pue(request: &PriceRequest) -> bool {
    let metadata_url = request.metadata_url.clone();
    *request != PriceRequest { pue: request.pue, metadata_url, ..PriceRequest::default() }
}

/// Applies `each` to a report. The attempts and ranks of a merged report ran at different times, which its start and
/// duration do not show, so `each` is applied to each part and the results are merged again.
fn by_parts(report: Report, each: &mut dyn FnMut(Report) -> Result<Report, Error>) -> Result<Report, Error> {
    let Some(merge) = report.merge.clone() else {
        let one = report.run.attempts.len() <= 1;
        return if one { each(report) } else { Err(Error::NoParts { run: report.run.id }) };
    };
    if merge.parts.is_empty() {
        return Err(Error::NoParts { run: report.run.id });
    }
    let mut news: Vec<EventRecord> = Vec::new();
    let mut parts = Vec::with_capacity(merge.parts.len());
    for part in &merge.parts {
        let counters = own_counters(part, &merge.parts, &report.counters);
        let mut done = each(Report { counters, ..part.clone() })?;
        // A merged report has its own events; of the parts' events only those about pricing are added.
        for event in done.events.drain(..).skip(part.events.len()) {
            let known = news.iter().any(|known| (&known.kind, &known.text) == (&event.kind, &event.text));
            news.extend((!known).then_some(event));
        }
        done.events.clone_from(&part.events);
        done.counters.clear();
        parts.push(done);
    }
    let mut merged = eco2_report::merge(&[Report { merge: Some(Merge { parts, ..merge }), ..report }])?;
    merged.events.extend(news);
    Ok(merged)
}

/// Returns the counter records of a part. Returns none if another part ran on that machine at the same time, because
/// their curves cannot be separated.
fn own_counters(part: &Report, parts: &[Report], counters: &[CounterRecord]) -> Vec<CounterRecord> {
    let (Some([from_ns, to_ns]), boot_id) = (part.run.boot_ns, &part.run.host.boot_id) else { return Vec::new() };
    let together = |other: &Report| match other.run.boot_ns {
        Some([begin_ns, end_ns]) => other.run.host.boot_id == *boot_id && begin_ns < to_ns && from_ns < end_ns,
        None => false,
    };
    if boot_id.is_empty() || parts.iter().filter(|other| together(other)).count() > 1 {
        return Vec::new();
    }
    let begins_within = |stretch: &Stretch| stretch.at_ns.first().is_some_and(|at_ns| (from_ns..to_ns).contains(at_ns));
    let own = |record: &CounterRecord| CounterRecord {
        stretches: record.stretches.iter().filter(|stretch| begins_within(stretch)).cloned().collect(),
        ..record.clone()
    };
    counters.iter().filter(|record| record.boot_id == *boot_id).map(own).collect()
}

/// Returns start and duration of a report's run; an error if the start is not a time.
fn when(report: &Report) -> Result<When, Error> {
    let started = report.run.started_at.parse().map_err(|_| Error::NoTime { run: report.run.id.clone() })?;
    Ok(When::new(started, report.run.duration_ns))
}
