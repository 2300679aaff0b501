//! The cache against a provider that is scripted.

use super::*;

const HOUR: i64 = 3_600_000_000_000;

/// Hourly slots of 100, 101, … g/kWh from hour 0; what is after `now` is a forecast.
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
        // Slow enough that others come meanwhile.
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
fn an_answer_is_fresh_until_the_end_of_the_slot_it_was_asked_in() {
    let (cache, hours) = cached(None);
    let calls = || hours.calls.load(Ordering::Relaxed);
    assert_eq!(figures(&cache.slots(&wanted(1, 4, HOUR + 1)).unwrap()), [101.0, 102.0, 103.0]);
    cache.slots(&wanted(2, 4, 2 * HOUR - 1)).unwrap();
    assert_eq!((calls(), cache.so_far()), (1, CacheCounts { hits: 1, misses: 1, ..CacheCounts::default() }));
    cache.slots(&wanted(2, 4, 2 * HOUR)).unwrap();
    assert_eq!((calls(), cache.so_far()), (2, CacheCounts { hits: 1, misses: 2, ..CacheCounts::default() }));
}

#[test]
fn what_was_measured_is_never_asked_again() {
    let (cache, hours) = cached(None);
    cache.slots(&wanted(1, 4, 4 * HOUR)).unwrap();
    for now in [4, 5, 5000] {
        cache.slots(&wanted(1, 4, now * HOUR)).unwrap();
    }
    assert_eq!(hours.calls.load(Ordering::Relaxed), 1);
    assert_eq!(figures(&cache.slots(&wanted(1, 5, 9 * HOUR)).unwrap()), [101.0, 102.0, 103.0, 104.0]);
}

#[test]
fn f44_in_trouble_what_is_known_is_used_and_said_to_be_stale() {
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
    assert_eq!(cache.so_far(), counts);
}

#[test]
fn f44_who_fails_again_and_again_is_left_alone() {
    let (cache, hours) = cached(None);
    *lock(&hours.fault) = Some(ProviderFault::Net(NetError::Timeout));
    for _ in 0..10 {
        cache.slots(&wanted(1, 2, HOUR)).unwrap_err();
    }
    assert_eq!(hours.calls.load(Ordering::Relaxed), 3);
    assert!(matches!(cache.slots(&wanted(1, 2, HOUR)), Err(ProviderFault::Resting { .. })));
}

#[test]
fn many_that_ask_at_once_ask_once() {
    let (cache, hours) = cached(None);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| cache.slots(&wanted(1, 4, 4 * HOUR)).unwrap());
        }
    });
    assert_eq!(hours.calls.load(Ordering::Relaxed), 1);
    assert_eq!(cache.so_far(), CacheCounts { hits: 15, misses: 1, ..CacheCounts::default() });
}

#[test]
fn what_is_on_disk_is_a_hit_for_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = cached(Some(DiskCache::new(folder.path())));
    first.slots(&wanted(1, 4, 4 * HOUR)).unwrap();
    let (second, hours) = cached(Some(DiskCache::new(folder.path())));
    assert_eq!(figures(&second.slots(&wanted(1, 4, 9 * HOUR)).unwrap()), [101.0, 102.0, 103.0]);
    assert_eq!((hours.calls.load(Ordering::Relaxed), second.so_far().hits), (0, 1));
}

#[test]
fn an_answer_without_a_figure_is_no_trouble_and_no_zero() {
    let (cache, hours) = cached(None);
    *lock(&hours.fault) = Some(ProviderFault::NoFigure);
    for _ in 0..5 {
        assert_eq!(cache.slots(&wanted(1, 2, HOUR)).unwrap_err(), ProviderFault::NoFigure);
    }
    assert_eq!(hours.calls.load(Ordering::Relaxed), 5, "the breaker stays closed");
}
