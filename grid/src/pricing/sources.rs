//! The sources of intensities over time for a run: a file, providers (option `intensity_provider`), and the yearly average of
//! the zone for times that neither knows.

use std::fmt;
use std::sync::Arc;

use super::{PriceError, PriceRequest, When};
use crate::provider::{Coverage, IntensityQuery, Provider, ProviderChain, ProviderFault, SeriesFile};
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
    /// The file of a request and the providers opened for it, followed by `table`, the yearly average. `None` if the request
    /// names neither, or names an intensity, which takes precedence over both.
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

    fn of(table: Intensity, series: Option<Arc<SeriesFile>>, online: Vec<Arc<dyn Provider>>, zone: String) -> Self {
        let asks_others = !online.is_empty();
        let file = series.iter().map(|file| Arc::clone(file) as Arc<dyn Provider>);
        let chain = ProviderChain::new(file.chain(online).collect());
        Self { table, series, chain, zone, asks_others }
    }

    /// The intensities over the time of a run. All sources are asked on this thread.
    #[must_use]
    pub fn cover(&self, when: &When, now_ns: i64) -> Coverage {
        let wanted = IntensityQuery { zone: &self.zone, from_ns: when.from_ns, to_ns: when.to_ns(), now_ns };
        self.completed(Some(self.chain.cover(&wanted)), when)
    }

    /// The intensities over all of a run's time in values of one kind (by `Coverage::completed`), from an answer of the
    /// providers; `None` if it did not arrive.
    #[must_use]
    pub fn completed(&self, answer: Option<Coverage>, when: &When) -> Coverage {
        let late = || self.chain.unanswered("intensity_provider", ProviderFault::Late);
        answer.unwrap_or_else(late).completed(when.from_ns, when.to_ns(), &self.table)
    }

    /// The expected mean intensity of a period by the file (by `Series::outlook`); `None` without a file, or if the file
    /// does not suffice.
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
