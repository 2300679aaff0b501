//! Caches the answers of a service that publishes intensities, in memory and on disk (`eco2 grid --provider -v` prints
//! hits and misses).
//!
//! A *slot* is a period with one intensity. Measured values do not change and are kept. A forecast is *fresh* until the
//! end of the slot in which it was made. If the service has no answer, the known values of the requested time are used.
//! After the last of them, its value is used for up to six hours and marked as an estimate. [`Reply::stale`] then holds
//! the reason. Only one thread asks about a zone at a time; the others wait for its answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eco2_net::{Breaker, NetError};

use super::disk::{AskedPeriod, CachedSlots};
use super::{CacheCounts, DiskCache, IntensityOrigin, IntensityQuery, IntensitySlot, Provider, ProviderFault, Reply};

/// Time for which the last known value replaces unknown later ones, nanoseconds: six hours.
const LAST_KNOWN_NS: i64 = 6 * 3_600_000_000_000;
/// Time for which an answer is fresh that ends before now, because the service lags behind, nanoseconds: five minutes.
const LAGGING_NS: i64 = 300_000_000_000;
/// Maximum number of slots that are kept per zone: a year of five minutes.
const MOST_SLOTS: usize = 106_000;
/// Maximum number of remembered queries per zone.
const MOST_ASKED: usize = 64;

/// A provider with a cache.
pub struct Cached<P> {
    inner: P,
    disk: Option<DiskCache>,
    about: IntensityOrigin,
    key: String,
    questions: Mutex<HashMap<String, Arc<Mutex<ZoneCache>>>>,
    breaker: Mutex<Breaker<ProviderFault>>,
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
    failed: AtomicU64,
}

/// The known values of one zone. The thread that holds its lock asks the provider; the others wait for the answer.
#[derive(Default)]
struct ZoneCache {
    loaded: bool,
    kept: CachedSlots,
}

impl<P: Provider> Cached<P> {
    /// Returns a cache for `inner`. `about` is the origin of the cached values. `place` distinguishes the same provider
    /// at two addresses.
    pub(super) fn new(inner: P, about: IntensityOrigin, place: &str, disk: Option<DiskCache>) -> Self {
        let key = format!("{} {place}", inner.name());
        Self {
            inner,
            disk,
            about,
            key,
            questions: Mutex::default(),
            breaker: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Returns the counts until now.
    fn cache_counts(&self) -> CacheCounts {
        // Relaxed, because the counts are only displayed.
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheCounts {
            hits: count(&self.hits),
            misses: count(&self.misses),
            stale: count(&self.stale),
            failed: count(&self.failed),
        }
    }

    /// Asks the service and keeps its answer. After repeated faults it is not asked for a while (circuit breaker).
    fn ask(&self, known: &mut ZoneCache, wanted: &IntensityQuery<'_>, key: &str) -> Result<Reply, ProviderFault> {
        let wider = IntensityQuery { from_ns: known.kept.measured_from(wanted), ..*wanted };
        let open = lock(&self.breaker).check(wanted.now_ns);
        open.map_err(|open| ProviderFault::Resting { seconds: open.seconds, last: Box::new(open.last) })?;
        let answer = self.inner.slots(&wider);
        match answer.as_ref().err().filter(|fault| is_trouble(fault)) {
            Some(fault) => lock(&self.breaker).failure(fault.clone(), fault.outage(), wanted.now_ns),
            None => lock(&self.breaker).success(),
        }
        known.kept.insert(answer?.slots(), &wider);
        if let Some(disk) = &self.disk {
            // A cache that cannot be written is no reason to fail.
            drop(disk.store(key, &known.kept));
        }
        Ok(self.reply(known.kept.within(wanted)))
    }

    /// Returns slots as a reply with the origin of the service.
    fn reply(&self, slots: Vec<IntensitySlot>) -> Reply {
        Reply::new(self.about.clone(), slots)
    }

    /// Returns the known values in spite of a fault.
    fn stale(
        &self,
        known: &ZoneCache,
        wanted: &IntensityQuery<'_>,
        fault: ProviderFault,
    ) -> Result<Reply, ProviderFault> {
        let slots = known.kept.or_last_known(wanted);
        if slots.is_empty() {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return Err(fault);
        }
        self.stale.fetch_add(1, Ordering::Relaxed);
        let mut reply = self.reply(slots);
        reply.stale = Some(fault);
        Ok(reply)
    }
}

impl<P: Provider> Provider for Cached<P> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn counts(&self) -> Option<CacheCounts> {
        Some(self.cache_counts())
    }

    fn slots(&self, wanted: &IntensityQuery<'_>) -> Result<Reply, ProviderFault> {
        let question = Arc::clone(lock(&self.questions).entry(wanted.zone.to_owned()).or_default());
        let mut known = lock(&question);
        let key = format!("{} {}", self.key, wanted.zone);
        if !std::mem::replace(&mut known.loaded, true) {
            known.kept = self.disk.as_ref().and_then(|disk| disk.load(&key)).unwrap_or_default();
        }
        if known.kept.is_fresh(wanted) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(self.reply(known.kept.within(wanted)));
        }
        match self.ask(&mut known, wanted, &key) {
            Ok(reply) if !reply.slots().is_empty() => {
                self.misses.fetch_add(1, Ordering::Relaxed);
                Ok(reply)
            }
            Ok(_) => self.stale(&known, wanted, ProviderFault::NoFigure),
            Err(fault) => self.stale(&known, wanted, fault),
        }
    }
}

impl CachedSlots {
    /// Whether the query can be answered from the cache: all of it is measured, or an answer to it is still fresh.
    fn is_fresh(&self, wanted: &IntensityQuery<'_>) -> bool {
        let from_ns = self.measured_from(wanted);
        let fresh = |asked: &AskedPeriod| {
            asked.from_ns <= from_ns && asked.to_ns >= wanted.to_ns && wanted.now_ns < asked.until_ns
        };
        from_ns >= wanted.to_ns || self.asked.iter().any(fresh)
    }

    /// Returns the end of the measured values at the start of the period.
    fn measured_from(&self, wanted: &IntensityQuery<'_>) -> i64 {
        let first = self.slots.partition_point(|slot| slot.to_ns <= wanted.from_ns);
        let mut reached_ns = wanted.from_ns;
        for slot in &self.slots[first..] {
            if slot.from_ns > reached_ns || slot.forecast || slot.to_ns > wanted.now_ns {
                break;
            }
            reached_ns = slot.to_ns;
        }
        reached_ns.min(wanted.to_ns)
    }

    /// Returns the known slots that overlap the requested period.
    fn within(&self, wanted: &IntensityQuery<'_>) -> Vec<IntensitySlot> {
        let first = self.slots.partition_point(|slot| slot.to_ns <= wanted.from_ns);
        self.slots[first..].iter().take_while(|slot| slot.from_ns < wanted.to_ns).copied().collect()
    }

    /// Returns the known slots of the requested period, extended by the last known value for a limited time.
    fn or_last_known(&self, wanted: &IntensityQuery<'_>) -> Vec<IntensitySlot> {
        let mut slots = self.within(wanted);
        let known = self.slots.partition_point(|slot| slot.from_ns < wanted.to_ns);
        let last = known.checked_sub(1).map(|place| self.slots[place]);
        if let Some(last) = last.filter(|last| last.to_ns < wanted.to_ns) {
            let to_ns = last.to_ns.saturating_add(LAST_KNOWN_NS).min(wanted.to_ns);
            if to_ns > wanted.from_ns {
                slots.push(IntensitySlot { from_ns: last.to_ns.max(wanted.from_ns), to_ns, estimated: true, ..last });
            }
        }
        slots
    }

    /// Adds the slots of an answer; they replace older ones.
    fn insert(&mut self, fresh: &[IntensitySlot], wanted: &IntensityQuery<'_>) {
        let covered =
            |slot: &IntensitySlot| fresh.iter().any(|new| new.from_ns < slot.to_ns && new.to_ns > slot.from_ns);
        let (first, last) = (fresh.first().map_or(0, |slot| slot.from_ns), fresh.last().map_or(0, |slot| slot.to_ns));
        self.slots.retain(|slot| slot.to_ns <= first || slot.from_ns >= last || !covered(slot));
        self.slots.extend_from_slice(fresh);
        self.slots.sort_by_key(|slot| slot.from_ns);
        let surplus = self.slots.len().saturating_sub(MOST_SLOTS);
        self.slots.drain(..surplus);
        let now_ns = wanted.now_ns;
        let current = fresh.iter().find(|slot| slot.to_ns > now_ns);
        let until_ns = current.map_or(now_ns.saturating_add(LAGGING_NS), |slot| slot.to_ns);
        self.asked.retain(|asked| asked.until_ns > now_ns);
        self.asked.push(AskedPeriod { from_ns: wanted.from_ns, to_ns: wanted.to_ns, until_ns });
        let surplus = self.asked.len().saturating_sub(MOST_ASKED);
        self.asked.drain(..surplus);
    }
}

/// Whether a fault counts for the circuit breaker. An answer without values does not.
fn is_trouble(fault: &ProviderFault) -> bool {
    !matches!(fault, ProviderFault::NoFigure | ProviderFault::Zone { .. } | ProviderFault::Net(NetError::Secret(_)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic of another thread leaves only plain data behind the lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    /// Hourly slots of 100, 101, … g/kWh from hour 0; slots after `now` are forecasts.
    struct HourlyProvider {
        calls: AtomicU64,
        fault: Mutex<Option<ProviderFault>>,
    }

    impl Provider for Arc<HourlyProvider> {
        fn name(&self) -> &str {
            "hours"
        }

        fn slots(&self, wanted: &IntensityQuery<'_>) -> Result<Reply, ProviderFault> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            if let Some(fault) = lock(&self.fault).clone() {
                return Err(fault);
            }
            // Slow enough for other threads to ask meanwhile.
            std::thread::yield_now();
            let hours = wanted.from_ns.div_euclid(HOUR)..(wanted.to_ns + HOUR - 1).div_euclid(HOUR);
            let slot = |hour: i64| IntensitySlot {
                from_ns: hour * HOUR,
                to_ns: (hour + 1) * HOUR,
                g_per_kwh: 100.0 + hour as f64,
                estimated: false,
                forecast: hour * HOUR > wanted.now_ns,
                answer: None,
            };
            Ok(Reply::new(IntensityOrigin::default(), hours.map(slot)))
        }
    }

    fn cached(disk: Option<DiskCache>) -> (Cached<Arc<HourlyProvider>>, Arc<HourlyProvider>) {
        let hours = Arc::new(HourlyProvider { calls: AtomicU64::new(0), fault: Mutex::new(None) });
        (Cached::new(Arc::clone(&hours), IntensityOrigin::default(), "here", disk), hours)
    }

    fn wanted(from_h: i64, to_h: i64, now_ns: i64) -> IntensityQuery<'static> {
        IntensityQuery { zone: "X", from_ns: from_h * HOUR, to_ns: to_h * HOUR, now_ns }
    }

    fn figures(reply: &Reply) -> Vec<f64> {
        reply.slots().iter().map(|slot| slot.g_per_kwh).collect()
    }

    #[test]
    fn answer_is_fresh_until_the_end_of_the_slot_of_its_query() {
        let (cache, hours) = cached(None);
        let calls = || hours.calls.load(Ordering::Relaxed);
        assert_eq!(figures(&cache.slots(&wanted(1, 4, HOUR + 1)).unwrap()), [101.0, 102.0, 103.0]);
        cache.slots(&wanted(2, 4, 2 * HOUR - 1)).unwrap();
        assert_eq!((calls(), cache.cache_counts()), (1, CacheCounts { hits: 1, misses: 1, ..CacheCounts::default() }));
        cache.slots(&wanted(2, 4, 2 * HOUR)).unwrap();
        assert_eq!((calls(), cache.cache_counts()), (2, CacheCounts { hits: 1, misses: 2, ..CacheCounts::default() }));
    }

    #[test]
    fn measured_values_are_never_asked_again() {
        let (cache, hours) = cached(None);
        cache.slots(&wanted(1, 4, 4 * HOUR)).unwrap();
        for now in [4, 5, 5000] {
            cache.slots(&wanted(1, 4, now * HOUR)).unwrap();
        }
        assert_eq!(hours.calls.load(Ordering::Relaxed), 1);
        assert_eq!(figures(&cache.slots(&wanted(1, 5, 9 * HOUR)).unwrap()), [101.0, 102.0, 103.0, 104.0]);
    }

    #[test]
    fn f44_known_values_are_used_in_case_of_a_fault_and_marked_stale() {
        let (cache, hours) = cached(None);
        cache.slots(&wanted(1, 3, 3 * HOUR)).unwrap();
        *lock(&hours.fault) = Some(ProviderFault::Net(NetError::Status(500)));
        let reply = cache.slots(&wanted(2, 12, 12 * HOUR)).unwrap();
        assert_eq!(reply.stale, Some(ProviderFault::Net(NetError::Status(500))));
        let last = reply.slots().last().unwrap();
        assert_eq!((last.from_ns, last.to_ns, last.g_per_kwh), (3 * HOUR, 9 * HOUR, 102.0), "for six hours");
        assert!(last.estimated && !reply.slots()[0].estimated);
        assert_eq!(cache.slots(&wanted(20, 21, 12 * HOUR)).unwrap_err(), ProviderFault::Net(NetError::Status(500)));
        let counts = CacheCounts { hits: 0, misses: 1, stale: 1, failed: 1 };
        assert_eq!(cache.cache_counts(), counts);
    }

    #[test]
    fn f44_provider_that_fails_repeatedly_is_not_asked_for_a_while() {
        let (cache, hours) = cached(None);
        *lock(&hours.fault) = Some(ProviderFault::Net(NetError::Timeout));
        for _ in 0..10 {
            cache.slots(&wanted(1, 2, HOUR)).unwrap_err();
        }
        assert_eq!(hours.calls.load(Ordering::Relaxed), 3);
        assert!(matches!(cache.slots(&wanted(1, 2, HOUR)), Err(ProviderFault::Resting { .. })));
    }

    #[test]
    fn concurrent_queries_ask_the_provider_once() {
        let (cache, hours) = cached(None);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| cache.slots(&wanted(1, 4, 4 * HOUR)).unwrap());
            }
        });
        assert_eq!(hours.calls.load(Ordering::Relaxed), 1);
        assert_eq!(cache.cache_counts(), CacheCounts { hits: 15, misses: 1, ..CacheCounts::default() });
    }

    #[test]
    fn answer_on_disk_is_a_hit_for_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let (first, _) = cached(Some(DiskCache::new(folder.path())));
        first.slots(&wanted(1, 4, 4 * HOUR)).unwrap();
        let (second, hours) = cached(Some(DiskCache::new(folder.path())));
        assert_eq!(figures(&second.slots(&wanted(1, 4, 9 * HOUR)).unwrap()), [101.0, 102.0, 103.0]);
        assert_eq!((hours.calls.load(Ordering::Relaxed), second.cache_counts().hits), (0, 1));
    }

    #[test]
    fn answer_without_values_leaves_the_breaker_closed() {
        let (cache, hours) = cached(None);
        *lock(&hours.fault) = Some(ProviderFault::NoFigure);
        for _ in 0..5 {
            assert_eq!(cache.slots(&wanted(1, 2, HOUR)).unwrap_err(), ProviderFault::NoFigure);
        }
        assert_eq!(hours.calls.load(Ordering::Relaxed), 5, "the breaker stays closed");
    }
}
