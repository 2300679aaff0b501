//! Asks several providers (services or files of intensities) in the order in which the options name them. The next one
//! is asked for the times that the one before does not know, and every part of the result names its provider. A *part*
//! is a period with one intensity; the *coverage* of a period is its parts and the faults of the providers.

use std::sync::Arc;

use super::{CacheCounts, IntensityOrigin, IntensityQuery, IntensitySlot, Provider, ProviderFault};
use crate::Sha256;

/// Providers in the order in which they are asked.
#[derive(Clone, Default)]
pub struct ProviderChain {
    providers: Vec<Arc<dyn Provider>>,
}

/// A part of a period, and the provider that covered it.
#[derive(Debug, Clone, PartialEq)]
pub struct IntensityPart {
    /// Start, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// End, nanoseconds since 1970 UTC.
    pub to_ns: i64,
    /// Grams CO2e per kilowatt-hour.
    pub g_per_kwh: f64,
    /// Whether it is an estimate, a forecast, or a fallback.
    pub estimated: bool,
    /// Name of the provider.
    pub provider: String,
    /// SHA-256 of the answer that contains the value; `None` if no service was asked.
    pub answer: Option<Sha256>,
    /// Whether a provider before it in the chain had no value.
    pub fallback: bool,
    /// Origin of the value.
    pub about: Arc<IntensityOrigin>,
}

/// The intensities over a period.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Coverage {
    /// Parts sorted by time that do not overlap. Times that no provider knows are in none of them.
    pub parts: Vec<IntensityPart>,
    /// Names of providers without an answer, or without a fresh one, each with the reason.
    pub faults: Vec<(String, ProviderFault)>,
    /// Names of the providers that were asked, each with the hits and misses of its cache.
    pub caches: Vec<(String, CacheCounts)>,
}

/// Start and end of a period that no provider has covered yet.
type Uncovered = (i64, i64);

impl ProviderChain {
    /// Returns a chain of providers that are asked in this order.
    #[must_use]
    pub fn new(providers: Vec<Arc<dyn Provider>>) -> Self {
        Self { providers }
    }

    /// Puts another provider in the place of the first one.
    pub(crate) fn replace_first(&mut self, provider: Arc<dyn Provider>) {
        if let Some(first) = self.providers.first_mut() {
            *first = provider;
        }
    }

    /// Asks one provider after the other until all of the period is covered.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use eco2_grid::constant;
    /// use eco2_grid::provider::{Fixed, IntensityQuery, ProviderChain};
    ///
    /// let chain = ProviderChain::new(vec![Arc::new(Fixed::constant(constant(100.0)?))]);
    /// let coverage = chain.cover(&IntensityQuery { zone: "DE", from_ns: 0, to_ns: 3_600_000_000_000, now_ns: 0 });
    /// assert_eq!((coverage.parts[0].g_per_kwh, coverage.parts[0].provider.as_str()), (100.0, "constant"));
    /// # Ok::<(), eco2_grid::RangeError>(())
    /// ```
    #[must_use]
    pub fn cover(&self, wanted: &IntensityQuery<'_>) -> Coverage {
        let mut coverage = Coverage::default();
        let mut open = vec![(wanted.from_ns, wanted.to_ns)];
        open.retain(|(from_ns, to_ns)| to_ns > from_ns);
        for (rank, provider) in self.providers.iter().enumerate() {
            let (Some(&(from_ns, _)), Some(&(_, to_ns))) = (open.first(), open.last()) else { break };
            match provider.slots(&IntensityQuery { from_ns, to_ns, ..*wanted }) {
                Ok(reply) => {
                    coverage.faults.extend(reply.stale.clone().map(|fault| (provider.name().to_owned(), fault)));
                    let who = PartSource {
                        provider: provider.name(),
                        fallback: rank > 0,
                        about: Arc::new(reply.about.clone()),
                    };
                    open = who.cover(open, reply.slots(), &mut coverage.parts);
                }
                Err(fault) => coverage.faults.push((provider.name().to_owned(), fault)),
            }
            coverage.caches.extend(cache_counts(&**provider));
        }
        coverage.parts.sort_by_key(|part| part.from_ns);
        coverage.parts = joined(coverage.parts);
        coverage
    }

    /// Returns a coverage without any part, for providers whose answer did not arrive: `fault`, and the use of their
    /// caches.
    pub(crate) fn unanswered(&self, name: &str, fault: ProviderFault) -> Coverage {
        let caches = self.providers.iter().filter_map(|provider| cache_counts(&**provider)).collect();
        Coverage { parts: Vec::new(), faults: vec![(name.to_owned(), fault)], caches }
    }
}

/// Returns the name of a provider with the hits and misses of its cache; `None` without a cache.
fn cache_counts(provider: &dyn Provider) -> Option<(String, CacheCounts)> {
    provider.counts().map(|counts| (provider.name().to_owned(), counts))
}

/// The provider of parts: its name, whether it replaces another one, and the origin of its values.
struct PartSource<'a> {
    provider: &'a str,
    fallback: bool,
    about: Arc<IntensityOrigin>,
}

impl PartSource<'_> {
    /// Adds a part for everything that the slots cover of the open periods, and returns the rest. All are sorted by
    /// time.
    fn cover(&self, open: Vec<Uncovered>, slots: &[IntensitySlot], parts: &mut Vec<IntensityPart>) -> Vec<Uncovered> {
        let mut rest = Vec::new();
        for (mut from_ns, to_ns) in open {
            let first = slots.partition_point(|slot| slot.to_ns <= from_ns);
            for slot in slots[first..].iter().take_while(|slot| slot.from_ns < to_ns) {
                if slot.from_ns > from_ns {
                    rest.push((from_ns, slot.from_ns));
                }
                let end_ns = slot.to_ns.min(to_ns);
                parts.push(self.part(slot.from_ns.max(from_ns), end_ns, slot));
                from_ns = end_ns;
            }
            if from_ns < to_ns {
                rest.push((from_ns, to_ns));
            }
        }
        rest
    }

    fn part(&self, from_ns: i64, to_ns: i64, slot: &IntensitySlot) -> IntensityPart {
        IntensityPart {
            from_ns,
            to_ns,
            g_per_kwh: slot.g_per_kwh,
            estimated: slot.estimated || slot.forecast || self.fallback,
            provider: self.provider.to_owned(),
            answer: slot.answer,
            fallback: self.fallback,
            about: Arc::clone(&self.about),
        }
    }
}

/// Joins adjacent parts that are equal except for their times.
fn joined(parts: Vec<IntensityPart>) -> Vec<IntensityPart> {
    let mut all: Vec<IntensityPart> = Vec::with_capacity(parts.len());
    for part in parts {
        match all.last_mut() {
            Some(last)
                if last.to_ns == part.from_ns
                    && *last == (IntensityPart { from_ns: last.from_ns, to_ns: last.to_ns, ..part.clone() }) =>
            {
                last.to_ns = part.to_ns;
            }
            _ => all.push(part),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use eco2_net::NetError;

    use super::*;
    use crate::provider::{Fixed, Reply};

    struct ScriptedProvider(&'static str, Result<Vec<(i64, i64, f64)>, ProviderFault>);

    impl Provider for ScriptedProvider {
        fn name(&self) -> &str {
            self.0
        }

        fn slots(&self, _: &IntensityQuery<'_>) -> Result<Reply, ProviderFault> {
            let slot = |&(from_ns, to_ns, g_per_kwh): &(i64, i64, f64)| IntensitySlot {
                from_ns,
                to_ns,
                g_per_kwh,
                estimated: false,
                forecast: false,
                answer: None,
            };
            self.1.clone().map(|slots| Reply::new(IntensityOrigin::default(), slots.iter().map(slot)))
        }
    }

    fn chain(first: ScriptedProvider, second: ScriptedProvider) -> ProviderChain {
        ProviderChain::new(vec![
            Arc::new(first),
            Arc::new(second),
            Arc::new(Fixed::constant(crate::constant(9.0).unwrap())),
        ])
    }

    fn cover(chain: &ProviderChain, from_ns: i64, to_ns: i64) -> (Vec<(i64, i64, f64, bool)>, usize) {
        let coverage = chain.cover(&IntensityQuery { zone: "", from_ns, to_ns, now_ns: 0 });
        let parts = coverage.parts.iter().map(|part| (part.from_ns, part.to_ns, part.g_per_kwh, part.estimated));
        (parts.collect(), coverage.faults.len())
    }

    #[test]
    fn next_provider_covers_the_times_that_the_one_before_does_not_know() {
        let first = ScriptedProvider("a", Ok(vec![(10, 20, 1.0), (20, 30, 1.0), (40, 50, 2.0)]));
        let chain = chain(first, ScriptedProvider("b", Ok(vec![(5, 35, 3.0)])));
        let parts = [
            (0, 5, 9.0, true),
            (5, 10, 3.0, true),
            (10, 30, 1.0, false),
            (30, 35, 3.0, true),
            (35, 40, 9.0, true),
            (40, 45, 2.0, false),
        ];
        assert_eq!(cover(&chain, 0, 45), (parts.to_vec(), 0));
        assert_eq!(cover(&chain, 12, 30), (vec![(12, 30, 1.0, false)], 0));
        assert_eq!(cover(&chain, 12, 12), (vec![], 0));
    }

    #[test]
    fn f44_provider_that_fails_is_named_and_the_fallback_flagged() {
        let chain = chain(
            ScriptedProvider("a", Err(ProviderFault::Net(NetError::Refused(401)))),
            ScriptedProvider("b", Err(ProviderFault::Net(NetError::Timeout))),
        );
        let coverage = chain.cover(&IntensityQuery { zone: "", from_ns: 0, to_ns: 10, now_ns: 0 });
        assert_eq!(
            coverage.faults,
            [
                ("a".to_owned(), ProviderFault::Net(NetError::Refused(401))),
                ("b".to_owned(), ProviderFault::Net(NetError::Timeout))
            ]
        );
        let [part] = coverage.parts.as_slice() else { panic!("one part") };
        assert!(part.estimated && part.fallback && part.provider == "constant");
    }
}
