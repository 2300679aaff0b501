//! Intensity over the time of a run: from a file, or from providers that are asked on a thread of their own.
//!
//! The sampling thread and the recording calls know nothing of this. A file is read when the run opens. Providers are
//! asked by the thread `eco2-grid` while the run goes on, so that at its end the answer is usually there; closing waits
//! for it for a bounded time, and what is missing then is priced with the zone's yearly figure, flagged.

mod ask;
mod live;
mod open;
mod reprice;

use eco2_grid::pricing::{Sources, When};
use eco2_grid::provider::Coverage;

pub use ask::intensities;
use live::Live;
pub(crate) use open::online;
pub use reprice::{reprice, reprice_of};

/// Where the intensities of a run come from, and the thread that asks for them where somebody has to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    sources: Sources,
    live: Option<Live>,
}

impl Feed {
    /// `forecasts`: whether the time to come is asked about as well.
    pub(crate) fn new(sources: Sources, forecasts: bool) -> Self {
        let live = sources.asks_others().then(|| Live::new(sources.chain().clone(), sources.zone(), forecasts));
        Self { sources, live }
    }

    /// Begins to ask, from the run's beginning on; nothing to do for a file.
    pub(crate) fn start(&self, from_ns: i64) {
        if let Some(live) = &self.live {
            live.start(from_ns);
        }
    }

    /// Asks a last time for all of the run, and waits for a bounded time.
    pub(crate) fn settle(&self, to_ns: i64) {
        if let Some(live) = &self.live {
            live.settle(to_ns);
        }
    }

    /// How a run is covered: all of it, by whatever is known now.
    pub(crate) fn cover(&self, when: &When) -> Coverage {
        match &self.live {
            None => self.sources.cover(when, when.to_ns()),
            Some(live) => self.sources.completed(live.so_far(), when),
        }
    }

    /// The same, asking whoever has to be asked, on this thread.
    pub(crate) fn cover_now(&self, when: &When) -> Coverage {
        let now_ns = When::new(crate::live::wall::now(), 0).from_ns;
        self.sources.cover(when, now_ns.max(when.to_ns()))
    }

    /// The mean intensity of a time to come; `None` where neither a forecast nor the past tells.
    pub(crate) fn outlook(&self, now_ns: i64, to_ns: i64) -> Option<eco2_grid::IntensityForecast> {
        match &self.live {
            None => self.sources.outlook(now_ns, to_ns),
            Some(live) => live.outlook(now_ns, to_ns),
        }
    }
}
