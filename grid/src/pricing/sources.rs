//! Asks the sources of intensities over time for a run: a file (option `intensity_series`), providers (option
//! `intensity_provider`), and the yearly average of the zone (the *table*) for times that neither knows.
//!
//! A *provider* is a service that publishes intensities. A *part* is a period with one intensity, and a *coverage* is
//! the parts and faults of all providers that were asked.

use std::fmt;
use std::sync::Arc;

use super::{PriceError, PriceRequest, When};
use crate::provider::{Coverage, FollowedFile, IntensityQuery, Provider, ProviderChain, ProviderFault, SeriesFile};
use crate::{Intensity, IntensityForecast};

/// The sources of intensities over the time of a run.
#[derive(Clone)]
pub struct IntensitySources {
    table: Intensity,
    /// The file, if there is one.
    series: Option<Arc<SeriesFile>>,
    /// The file and the providers, in the order in which they are asked.
    pub chain: ProviderChain,
    /// The zone that providers are asked for.
    pub zone: String,
    /// Whether a provider is outside this process, so that an answer may take seconds.
    pub asks_others: bool,
}

impl fmt::Debug for IntensitySources {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sources")
    }
}

impl IntensitySources {
    /// Opens the sources of a request: its file and the providers `online`, followed by `table`, the yearly average.
    /// `None` if the request names neither, or names an intensity, which takes precedence over both.
    pub(super) fn open(
        request: &PriceRequest,
        online: Vec<Arc<dyn Provider>>,
        table: &Intensity,
    ) -> Result<Option<Self>, PriceError> {
        if request.g_per_kwh.is_some() || !request.asks_over_time() {
            return Ok(None);
        }
        let series = request.series.as_deref();
        let series =
            series.map(|path| SeriesFile::read(path, request.series_column.as_deref())).transpose()?.map(Arc::new);
        let zone = request.zone.clone().unwrap_or_else(|| table.zone.clone());
        Ok(Some(Self::of(table.clone(), series, online, zone)))
    }

    /// Makes the sources from the table's value, the file, the opened providers and the zone to ask them for.
    fn of(table: Intensity, series: Option<Arc<SeriesFile>>, online: Vec<Arc<dyn Provider>>, zone: String) -> Self {
        let asks_others = !online.is_empty();
        let file = series.iter().map(|file| Arc::clone(file) as Arc<dyn Provider>);
        let chain = ProviderChain::new(file.chain(online).collect());
        Self { table, series, chain, zone, asks_others }
    }

    /// Reads the file again when it has changed, for programs that run for months. A new version that cannot be used is a fault of the
    /// coverage, and the values before stay. [`Self::outlook`] uses the first version.
    #[must_use]
    pub fn following_file(mut self) -> Self {
        if let Some(file) = self.series.as_deref().and_then(FollowedFile::of) {
            self.chain.replace_first(Arc::new(file));
        }
        self
    }

    /// Returns the intensities over the time of a run. All sources are asked on this thread; `now_ns` is the current
    /// time, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn cover(&self, when: &When, now_ns: i64) -> Coverage {
        let wanted = IntensityQuery { zone: &self.zone, from_ns: when.from_ns, to_ns: when.to_ns(), now_ns };
        self.completed(Some(self.chain.cover(&wanted)), when)
    }

    /// Returns the intensities over all of a run's time in values of one kind (by `Coverage::completed`). `answer` is
    /// the answer of the providers, `None` if it did not arrive in time.
    #[must_use]
    pub fn completed(&self, answer: Option<Coverage>, when: &When) -> Coverage {
        let late = || self.chain.unanswered("intensity_provider", ProviderFault::Late);
        answer.unwrap_or_else(late).completed(when.from_ns, when.to_ns(), &self.table)
    }

    /// Returns the expected mean intensity from `now_ns` to `to_ns` (nanoseconds since 1970 UTC) by the file, with
    /// `Series::outlook`; `None` without a file, or if the file does not suffice.
    #[must_use]
    pub fn outlook(&self, now_ns: i64, to_ns: i64) -> Option<IntensityForecast> {
        self.series.as_ref()?.series().outlook(now_ns, to_ns)
    }
}

#[cfg(test)]
mod tests {
    use eco2_net::NetError;

    use super::*;
    use crate::provider::{IntensityOrigin, IntensityPart};

    fn part(from_ns: i64, to_ns: i64, g_per_kwh: f64) -> IntensityPart {
        let about = Arc::new(IntensityOrigin {
            kind: Some(crate::IntensityKind::LifecycleAverageProduction),
            ..IntensityOrigin::default()
        });
        let provider = "asked".to_owned();
        IntensityPart { from_ns, to_ns, g_per_kwh, estimated: false, provider, answer: None, fallback: false, about }
    }

    fn completed(answer: Option<Coverage>) -> Coverage {
        let table = crate::lookup("DE").unwrap();
        let when = When { from: String::new(), to: String::new(), from_ns: 0, lasted_ns: 80 };
        IntensitySources::of(table, None, Vec::new(), String::new()).completed(answer, &when)
    }

    #[test]
    fn uncovered_time_gets_the_table_and_is_flagged() {
        let answer = Coverage { parts: vec![part(-5, 20, 1.0), part(30, 90, 2.0)], ..Coverage::default() };
        let coverage = completed(Some(answer));
        let found: Vec<_> =
            coverage.parts.iter().map(|part| (part.from_ns, part.to_ns, part.g_per_kwh, part.fallback)).collect();
        assert_eq!(found, [(0, 20, 1.0, false), (20, 30, 342.06, true), (30, 80, 2.0, false)]);
        assert!(coverage.parts[1].estimated && !coverage.parts[0].estimated);
    }

    #[test]
    fn f44_missing_answer_gets_the_table_and_is_reported() {
        let coverage = completed(None);
        let found: Vec<_> = coverage.parts.iter().map(|part| (part.from_ns, part.to_ns, part.estimated)).collect();
        assert_eq!(found, [(0, 80, true)]);
        assert_eq!(coverage.faults[0].1, ProviderFault::Late);
    }

    #[test]
    fn event_states_which_provider_covered_which_share() {
        let parts = vec![part(0, 20, 1.0), part(20, 60, 2.0)];
        let coverage = completed(Some(Coverage {
            parts,
            faults: vec![("asked".into(), ProviderFault::Net(NetError::Timeout))],
            ..Coverage::default()
        }));
        let events = super::super::segments::coverage_events(&coverage, &[500, 250, 250], 80);
        let found: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.text.as_str())).collect();
        let shares = "of the energy, 75.0 % by asked (lifecycle-average-production); \
                      25.0 % by table (lifecycle-average-production), standing in";
        assert_eq!(found, [("intensity-fault", "the service did not answer in time"), ("intensity-fallback", shares)]);
    }
}
