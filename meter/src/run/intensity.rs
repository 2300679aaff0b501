//! Finds the carbon intensity of the grid over the time of a run: from a file, or from providers (internet services),
//! which a thread of their own asks.
//!
//! The sampling thread and the recording calls do not use this. A file is read when the run opens. The thread
//! `eco2-grid` asks the providers while the run goes on, so the answer is usually there at its end. Closing waits for
//! the last answer for a bounded time. A time without an answer is priced with the zone's yearly average, and marked as
//! such.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use eco2_grid::IntensityForecast;
use eco2_grid::pricing::{IntensitySources, When};
use eco2_grid::provider::{Coverage, IntensityPart, IntensityQuery, Provider, ProviderChain};

use crate::Error;
use crate::options::Options;
use crate::sync::lock;

/// The sources of a run's intensities, and the thread that asks providers, if there are any.
#[derive(Debug, Clone)]
pub(crate) struct IntensityFeed {
    sources: IntensitySources,
    live: Option<ProviderPoll>,
}

impl IntensityFeed {
    /// Returns a feed from these sources; if `forecasts`, future intensities are requested as well.
    pub(crate) fn new(sources: IntensitySources, forecasts: bool) -> Self {
        let live = sources.asks_others.then(|| ProviderPoll::new(sources.chain.clone(), &sources.zone, forecasts));
        Self { sources, live }
    }

    /// Starts to ask providers, for the time from `from_ns` on. Does nothing for a file.
    pub(crate) fn start(&self, from_ns: i64) {
        if let Some(live) = &self.live {
            live.start(from_ns);
        }
    }

    /// Asks for the whole run once more, and waits for the answer for a bounded time.
    pub(crate) fn await_last_answer(&self, to_ns: i64) {
        if let Some(live) = &self.live {
            live.await_last_answer(to_ns);
        }
    }

    /// Returns the intensities of the whole run by the answers so far; yearly averages fill the rest.
    pub(crate) fn cover(&self, when: &When) -> Coverage {
        match &self.live {
            None => self.sources.cover(when, when.to_ns()),
            Some(live) => self.sources.completed(live.so_far(), when),
        }
    }

    /// Returns the intensities of the whole run after asking the providers on this thread.
    pub(crate) fn cover_now(&self, when: &When) -> Coverage {
        let now_ns = When::new(crate::live::wall::now(), 0).from_ns;
        self.sources.cover(when, now_ns.max(when.to_ns()))
    }

    /// Returns the mean intensity from `now_ns` to `to_ns`; `None` if neither a forecast nor past values cover it.
    pub(crate) fn outlook(&self, now_ns: i64, to_ns: i64) -> Option<eco2_grid::IntensityForecast> {
        match &self.live {
            None => self.sources.outlook(now_ns, to_ns),
            Some(live) => live.outlook(now_ns, to_ns),
        }
    }
}

/// The longest that closing waits for the last answer.
const LAST_ANSWER: Duration = Duration::from_secs(2);
/// Answers are requested up to the end of the current hour, nanoseconds: the energy until then needs no other request.
const HOUR_NS: i64 = 3_600_000_000_000;
/// Time before and after now that is requested for a forecast, nanoseconds: three days and two days.
const PAST_NS: i64 = 72 * HOUR_NS;
const FUTURE_NS: i64 = 48 * HOUR_NS;
/// Pause between two requests while the run goes on. Grid operators publish values every 5 to
/// 60 minutes.
const PAUSE: Duration = Duration::from_secs(300);

/// A chain of providers (the next is asked where one has no value) and the thread that asks them.
#[derive(Clone)]
pub(crate) struct ProviderPoll {
    zone: String,
    chain: ProviderChain,
    /// Whether the days around now are requested as well, for a forecast.
    forecasts: bool,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    started: bool,
    /// The end of the run, once it is known.
    end_ns: Option<i64>,
    /// Whether the time up to that end has been requested.
    settled: bool,
    coverage: Option<Coverage>,
    /// The intensities of the days around now, by the last answer.
    around: Vec<IntensityPart>,
}

impl fmt::Debug for ProviderPoll {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ProviderPoll")
    }
}

impl ProviderPoll {
    /// Returns a poll of these providers that has not started yet.
    pub(crate) fn new(chain: ProviderChain, zone: &str, forecasts: bool) -> Self {
        Self { zone: zone.to_owned(), chain, forecasts, shared: Arc::default() }
    }

    /// Returns the mean intensity from `now_ns` to `to_ns`, by the last answer.
    pub(crate) fn outlook(&self, now_ns: i64, to_ns: i64) -> Option<IntensityForecast> {
        let state = lock(&self.shared.state);
        let first_ns = state.around.first()?.from_ns;
        let at = |at_ns: i64| {
            let next = state.around.partition_point(|part| part.to_ns <= at_ns);
            state.around.get(next).filter(|part| part.from_ns <= at_ns).map(|part| part.g_per_kwh)
        };
        eco2_grid::outlook(&at, first_ns, now_ns, to_ns)
    }

    /// Returns the intensities by the answers so far; `None` before the first.
    pub(crate) fn so_far(&self) -> Option<Coverage> {
        lock(&self.shared.state).coverage.clone()
    }

    /// Starts the thread; a second call does nothing. If the thread cannot be started there are no answers.
    pub(crate) fn start(&self, from_ns: i64) {
        if std::mem::replace(&mut lock(&self.shared.state).started, true) {
            return;
        }
        let (chain, zone, shared) = (self.chain.clone(), self.zone.clone(), Arc::downgrade(&self.shared));
        let forecasts = self.forecasts;
        let asking = move || ask_until_over(&chain, &zone, &shared, (from_ns, forecasts));
        drop(std::thread::Builder::new().name("eco2-grid".to_owned()).spawn(asking));
    }

    /// Passes the end of the run to the thread, and waits for the last answer, for two seconds at most.
    pub(crate) fn await_last_answer(&self, end_ns: i64) {
        let mut state = lock(&self.shared.state);
        if !state.started || state.end_ns.is_some() {
            return;
        }
        state.end_ns = Some(end_ns);
        self.shared.changed.notify_all();
        let waiting = |state: &mut State| !state.settled;
        // The answers so far are used even if the last one did not come in time.
        drop(self.shared.changed.wait_timeout_while(state, LAST_ANSWER, waiting));
    }
}

/// Asks the providers until the run is over. Holds the shared state only while it is needed, so that the thread ends
/// when the run is dropped.
fn ask_until_over(chain: &ProviderChain, zone: &str, shared: &Weak<Shared>, (from_ns, forecasts): (i64, bool)) {
    loop {
        let Some(end_ns) = shared.upgrade().map(|shared| lock(&shared.state).end_ns) else { return };
        let now_ns = now_ns();
        let to_ns = end_ns.unwrap_or_else(|| (now_ns.div_euclid(HOUR_NS) + 1) * HOUR_NS);
        let coverage = chain.cover(&IntensityQuery { zone, from_ns, to_ns, now_ns });
        let around = if forecasts && end_ns.is_none() { around(chain, zone, now_ns) } else { Vec::new() };
        let Some(shared) = shared.upgrade() else { return };
        let mut state = lock(&shared.state);
        state.coverage = Some(coverage);
        if !around.is_empty() {
            state.around = around;
        }
        if end_ns.is_some() {
            state.settled = true;
            shared.changed.notify_all();
            return;
        }
        let until = Instant::now() + PAUSE;
        while state.end_ns.is_none() && Instant::now() < until && Arc::strong_count(&shared) > 1 {
            let (back, _) =
                shared.changed.wait_timeout(state, Duration::from_secs(1)).unwrap_or_else(PoisonError::into_inner);
            state = back;
        }
    }
}

/// Returns the known intensities of the days around now. Fallback values are no forecast and are left out.
fn around(chain: &ProviderChain, zone: &str, now_ns: i64) -> Vec<IntensityPart> {
    let (from_ns, to_ns) = (now_ns - PAST_NS, now_ns + FUTURE_NS);
    let mut parts = chain.cover(&IntensityQuery { zone, from_ns, to_ns, now_ns }).parts;
    parts.retain(|part| !part.fallback);
    parts
}

/// Returns the time now, nanoseconds since 1970 UTC.
fn now_ns() -> i64 {
    i64::try_from(crate::live::wall::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// Returns the provider of that name.
///
/// # Errors
/// [`Error::Provider`] if it cannot be asked: no token, a wrong address.
#[cfg(feature = "providers")]
pub(crate) fn online(name: &str, options: &Options) -> Result<Arc<dyn Provider>, Error> {
    use eco2_grid::provider::{DiskCache, Online, OnlineSetup};
    let setup = OnlineSetup {
        base: options.provider_url.clone(),
        zone: options.provider_zone.clone(),
        disk: DiskCache::of_the_user(),
        ..OnlineSetup::default()
    };
    let opened = Online::open(name, &setup, |variable| std::env::var(variable).ok());
    let provider = opened.map_err(|fault| Error::Provider { provider: name.to_owned(), fault })?;
    Ok(Arc::new(provider))
}

/// Returns the substitute for a provider in a build without network.
#[cfg(not(feature = "providers"))]
pub(crate) fn online(name: &str, _: &Options) -> Result<Arc<dyn Provider>, Error> {
    Ok(Arc::new(NotBuilt(name.to_owned())))
}

/// A provider in a build without network. It has no intensities, so the table's yearly averages are used; the run goes
/// on.
#[cfg(not(feature = "providers"))]
struct NotBuilt(String);

#[cfg(not(feature = "providers"))]
impl Provider for NotBuilt {
    fn name(&self) -> &str {
        &self.0
    }

    fn slots(
        &self,
        _: &eco2_grid::provider::IntensityQuery<'_>,
    ) -> Result<eco2_grid::provider::Reply, eco2_grid::provider::ProviderFault> {
        Err(eco2_grid::provider::ProviderFault::NotBuilt)
    }
}

/// Returns the intensities from `from_ns` to `to_ns` (nanoseconds since 1970 UTC) of the providers that the options
/// name, in the order of time. Each part is from the first provider that has a value; after `now_ns` the values are
/// forecasts. Asks on this thread, within the providers' limits.
///
/// Times that no provider knows are left out; [`Coverage::faults`] has the reasons.
///
/// # Errors
/// [`Error::Provider`] where one cannot be asked: no token, a wrong address, a build without the feature `providers`.
///
/// ```no_run
/// use eco2::{Options, intensities};
///
/// let provider = vec!["energy-charts".to_owned()]; // asks the network, with the feature `providers`
/// let options = Options { zone: Some("DE".to_owned()), intensity_provider: provider, ..Options::default() };
/// let (now_ns, hour_ns) = (1_790_000_000_000_000_000, 3_600_000_000_000);
/// let coverage = intensities(&options, now_ns - 24 * hour_ns, now_ns, now_ns)?;
/// for part in &coverage.parts {
///     println!("{} g/kWh until {}", part.g_per_kwh, part.to_ns);
/// }
/// # Ok::<(), eco2::Error>(())
/// ```
pub fn intensities(options: &Options, from_ns: i64, to_ns: i64, now_ns: i64) -> Result<Coverage, Error> {
    let providers = options.intensity_provider.iter().map(|name| online(name, options));
    let providers: Vec<Arc<dyn Provider>> = providers.collect::<Result<_, _>>()?;
    let zone = options.zone.as_deref().unwrap_or_default();
    Ok(ProviderChain::new(providers).cover(&IntensityQuery { zone, from_ns, to_ns, now_ns }))
}
