//! The handle of a meter: who owns it, what it holds, and the only place where pointers become one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eco2::options::Options;
use eco2::{Meter, NameId, Patience};
use eco2_core::Spent;
use eco2_core::schema::Report;
use eco2_samplers::ForkGuard;

use crate::failure::Failure;
use crate::source::Gone;
use crate::status::ECO2_ERR_NO_DATA;

/// States of a handle.
pub(crate) const LIVE: u32 = 0;
/// The run has ended; reading goes on.
pub(crate) const CLOSED: u32 = 1;
/// A fault was caught: nothing goes on.
pub(crate) const DEAD: u32 = 2;

/// One measured run. Opaque: only the library knows what is in it.
pub struct Handle([u8; 0]);

/// What is behind a handle. A type of its own, so that what the library shows of its interface does not change with it.
pub(crate) struct Run {
    pub(crate) meter: Meter,
    pub(crate) born: ForkGuard,
    pub(crate) state: AtomicU32,
    /// Ids below this number were given.
    given: AtomicU32,
    pub(crate) options: Options,
    pub(crate) sources: Vec<Gone>,
    over: Mutex<Option<Arc<Over>>>,
}

/// What is kept of a closed run.
pub(crate) struct Over {
    pub(crate) report: Report,
    pub(crate) spent: Vec<Spent>,
}

/// How a type is owned across the border: made into a pointer by one call, and given back by one.
pub(crate) trait Boxed: Sized {
    /// What the pointer points to.
    type Inside;

    /// The caller owns it from now on.
    fn give(inside: Self::Inside) -> *mut Self {
        Box::into_raw(Box::new(inside)).cast()
    }

    /// Takes it back.
    ///
    /// # Safety
    /// `raw` came from [`Boxed::give`] and is not used any more.
    unsafe fn from_raw(raw: *mut Self) -> Box<Self::Inside> {
        // SAFETY: as required of the caller.
        unsafe { Box::from_raw(raw.cast()) }
    }

    /// Looks at it; `None` for NULL.
    ///
    /// # Safety
    /// `raw` is NULL, or came from [`Boxed::give`] and is not taken back during `'a`.
    #[inline]
    unsafe fn borrowed<'a>(raw: *const Self) -> Option<&'a Self::Inside> {
        // SAFETY: as required of the caller.
        unsafe { raw.cast::<Self::Inside>().as_ref() }
    }
}

impl Boxed for Handle {
    type Inside = Run;
}

/// What must hold of a type that many of the caller's threads use at once.
const fn shared_by_threads<T: Send + Sync>() {}
const _: () = shared_by_threads::<Run>();

impl Run {
    pub(crate) fn new(meter: Meter, options: Options, sources: Vec<Gone>) -> Self {
        Self {
            meter,
            born: ForkGuard::here(),
            state: AtomicU32::new(LIVE),
            given: AtomicU32::new(0),
            options,
            sources,
            over: Mutex::default(),
        }
    }

    /// The id of a name; the same one for the same text, and for all texts that come once the table is full.
    pub(crate) fn intern(&self, name: &str) -> u32 {
        let id = self.meter.name(name).0;
        // Relaxed: the id itself reaches other threads by the caller's own means.
        self.given.fetch_max(id.saturating_add(1), Ordering::Relaxed);
        id
    }

    /// A name of the caller's, if the meter gave it.
    #[inline]
    pub(crate) fn name(&self, id: u32) -> Result<NameId, Failure> {
        if id < self.given.load(Ordering::Relaxed) {
            return Ok(NameId(id));
        }
        Err(Self::unknown(id))
    }

    #[cold]
    #[inline(never)]
    fn unknown(id: u32) -> Failure {
        Failure::argument(format!("name is {id}, which eco2_span_id did not give for this meter"))
    }

    /// The final report, or the one so far.
    pub(crate) fn report(&self) -> Report {
        let over = lock(&self.over).clone();
        over.map_or_else(|| self.meter.snapshot(), |over| over.report.clone())
    }

    /// Every limit and what was spent of it.
    pub(crate) fn spent(&self) -> Vec<Spent> {
        let over = lock(&self.over).clone();
        over.map_or_else(|| self.meter.budget(), |over| over.spent.clone())
    }

    /// Ends the run; `None` if it was over already. Waits while another thread is ending it.
    pub(crate) fn finish(&self, end_ns: u64) -> Option<Arc<Over>> {
        let mut over = lock(&self.over);
        if over.is_some() {
            return None;
        }
        // Relaxed: a record that slips in after this is dropped with the rings.
        let _ = self.state.compare_exchange(LIVE, CLOSED, Ordering::Relaxed, Ordering::Relaxed);
        let report = self.meter.finish(end_ns, None, Patience::LastReadings);
        let spent = self.meter.budget();
        let ended = Arc::new(Over { report, spent });
        *over = Some(Arc::clone(&ended));
        Some(ended)
    }
}

/// What a call returns for a figure that nothing knows.
pub(crate) fn no_data(what: &str) -> Failure {
    Failure::new(ECO2_ERR_NO_DATA, format!("{what} is not known: nothing was read yet, or nothing can be read here"))
}

/// Locks, whatever became of the last holder: what is behind our locks is plain data.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
