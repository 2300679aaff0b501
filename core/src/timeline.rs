//! Keeps the last N snapshots of the energy of every domain (one sensor or counter), written by one thread and read by
//! any number of threads ([`Timeline`]).
//!
//! [`Timeline::new`] gives one [`TimelineWriter`] and a [`TimelineReader`] that can be cloned. The writer takes one
//! snapshot at each *tick* (round of readings) and never waits. A reader never waits for the writer either, be it slow,
//! preempted or dead. It tries a bounded number of times, and fails only if the writer went round the whole ring during
//! each copy. The age of the newest snapshot ([`TimelineReader::age_ns`]) distinguishes a dead writer from a live one.
//!
//! Values read here are for display and for decisions at run time: the newest ones are extrapolated and marked as such.
//! The energies of reports are computed elsewhere, from the *knots*: counter changes, each with the two instants
//! between which it happened.

mod energies;
mod history;
mod point;
pub(crate) mod ring;
mod snapshot;

use std::sync::Arc;

use crate::Bounded;
use crate::sync::{Ordering, Sound};
use ring::Ring;

pub use energies::Energies;
pub use point::{DomainPoint, MAX_DOMAINS};
pub use ring::Line as TimelineLine;
pub use snapshot::{Margins, Snapshot};

/// The two ends of a new timeline.
///
/// ```
/// use eco2_core::{DomainPoint, Energies, Snapshot, Timeline};
///
/// let Timeline { mut writer, reader } = Timeline::new(1, 64)?;
/// // 10 J so far, at 100 W: 26_843_545 µJ in 2^28 ns.
/// let gpu = DomainPoint { edge_ns: 1_000, uj: 10_000_000, slope_q28: 26_843_545, flags: 0 };
/// writer.publish(&Snapshot::new(1_000, gpu, &[gpu]));
///
/// let (mut snapshot, mut energies) = (Snapshot::default(), Energies::default());
/// assert!(reader.latest(&mut snapshot));
/// snapshot.extrapolate(1_000 + 1_000_000, &mut energies); // 1 ms later
/// assert_eq!(energies.uj(0), Some(10_099_999)); // 100 mJ more, rounded down
/// # Ok::<(), eco2_core::TooManyDomains>(())
/// ```
#[derive(Debug)]
pub struct Timeline {
    /// Publishes snapshots; there is only this one.
    pub writer: TimelineWriter,
    /// Reads snapshots; clone it for each thread.
    pub reader: TimelineReader,
}

/// More domains were asked for than a timeline holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{domains} domains, but a timeline holds at most {MAX_DOMAINS}")]
pub struct TooManyDomains {
    /// How many were asked for.
    pub domains: usize,
}

impl Timeline {
    /// Returns a timeline of `domains` domains that holds about the last `slots` snapshots (rounded up to a power of
    /// two).
    ///
    /// A slot takes 128 bytes for up to 3 domains and 128 more for every 5 further ones, so 256 bytes for 8 domains.
    ///
    /// # Errors
    /// [`TooManyDomains`] for more than [`MAX_DOMAINS`].
    pub fn new(domains: usize, slots: usize) -> Result<Self, TooManyDomains> {
        if domains > MAX_DOMAINS {
            return Err(TooManyDomains { domains });
        }
        let ring = Ring::new(slots, point::lines_for(domains));
        let reader = TimelineReader { ring: ring.share(), domains };
        Ok(Self { writer: TimelineWriter { ring }, reader })
    }
}

/// The one end that publishes snapshots. Not `Clone`: the ring's proof needs a single writer. `M` is the memory, that of this
/// process unless [`TimelineWriter::over`] was used.
#[derive(Debug)]
pub struct TimelineWriter<M = Arc<[TimelineLine]>> {
    ring: Ring<Sound, M>,
}

impl<M: AsRef<[TimelineLine]>> TimelineWriter<M> {
    /// Returns the writing end of a timeline in `memory`, which is all zero and in which nothing else ever writes. It may be mapped
    /// by readers of other processes. `None` unless it has exactly the lines of [`timeline_lines`].
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use eco2_core::{DomainPoint, Snapshot, TimelineLine, TimelineReader, TimelineWriter, timeline_lines};
    ///
    /// let lines = timeline_lines(1, 64).ok_or("too many")?;
    /// let memory: Arc<[TimelineLine]> = (0..lines).map(|_| TimelineLine::default()).collect();
    /// let mut writer = TimelineWriter::over(Arc::clone(&memory), 1, 64).ok_or("another size")?;
    /// let reader = TimelineReader::over(memory, 1, 64).ok_or("another size")?;
    /// writer.publish(&Snapshot::new(5, DomainPoint::default(), &[]));
    /// assert_eq!(reader.age_ns(7), Some(2));
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn over(memory: M, domains: usize, slots: usize) -> Option<Self> {
        Some(Self { ring: ring_over(memory, domains, slots)? })
    }

    /// Publishes a snapshot; never waits, whatever the readers do.
    ///
    /// Domains beyond those the timeline was made for are left out; those the snapshot lacks are published as missing.
    pub fn publish(&mut self, snapshot: &Snapshot) {
        self.ring.write(|_, lines| snapshot.store(lines));
    }
}

/// An end that reads snapshots. Cloning is cheap; every method may be called from any thread. `M` is the memory, that of this
/// process unless [`TimelineReader::over`] was used.
#[derive(Debug, Clone)]
pub struct TimelineReader<M: AsRef<[TimelineLine]> + Clone = Arc<[TimelineLine]>> {
    ring: Ring<Sound, M>,
    domains: usize,
}

/// Returns the number of lines that a timeline of `domains` domains and `slots` slots takes; `None` for more than
/// [`MAX_DOMAINS`], and unless `slots` is a power of two, 2 or more.
#[must_use]
pub fn timeline_lines(domains: usize, slots: usize) -> Option<usize> {
    let allowed = domains <= MAX_DOMAINS && slots >= 2 && slots.is_power_of_two();
    allowed.then(|| ring::lines_of(slots, point::lines_for(domains))).flatten()
}

fn ring_over<M: AsRef<[TimelineLine]>>(memory: M, domains: usize, slots: usize) -> Option<Ring<Sound, M>> {
    timeline_lines(domains, slots)?;
    Ring::over(memory, slots, point::lines_for(domains))
}

impl<M: AsRef<[TimelineLine]> + Clone> TimelineReader<M> {
    /// Returns a reading end of the timeline in `memory`; see [`TimelineWriter::over`]. Memory that holds anything else gives
    /// values without meaning, and no other harm.
    #[must_use]
    pub fn over(memory: M, domains: usize, slots: usize) -> Option<Self> {
        Some(Self { ring: ring_over(memory, domains, slots)?, domains })
    }

    /// Copies the newest snapshot; `false`, and an empty snapshot, if there is none.
    ///
    /// There is none before the first one was published, or if the writer went round the whole ring during each of
    /// three copies (some 10 ns each, so only a reader that was descheduled three times in them sees it).
    #[inline]
    pub fn latest(&self, out: &mut Snapshot) -> bool {
        out.set_len(self.domains);
        let found = self.ring.read_latest(|lines| out.load(lines)).is_some();
        if !found {
            *out = Snapshot::default();
        }
        found
    }

    /// Reads the energies at `now_ns`, extrapolated from the newest snapshot; `false`, and nothing known, if there is
    /// none.
    ///
    /// Does [`Self::latest`] and [`Snapshot::extrapolate`] in one pass, without the snapshot in between. The energies
    /// are provisional.
    #[inline]
    pub fn now(&self, now_ns: u64, out: &mut Energies) -> bool {
        out.aim(now_ns, self.domains);
        let found = self.ring.read_latest(|lines| out.load(now_ns, lines)).is_some();
        if !found {
            *out = Energies::default();
        }
        found
    }

    /// Passes the energies of the first `count` domains at `now_ns` to `put`, extrapolated as by [`Self::now`]: the index of
    /// each, and its energy in µJ, `None` when missing. Returns `false` if there is no snapshot.
    ///
    /// Reads no more of the snapshot than that, and keeps nothing. `put` may be called up to three times for an index; the
    /// last call counts, and none if the result is `false`.
    ///
    /// ```
    /// use eco2_core::{DomainPoint, Snapshot, Timeline};
    ///
    /// let Timeline { mut writer, reader } = Timeline::new(2, 64)?;
    /// let gpu = DomainPoint { edge_ns: 0, uj: 1_000_000, slope_q28: 268_435, flags: 0 }; // 1 W
    /// writer.publish(&Snapshot::new(0, gpu, &[gpu]));
    /// let mut energies = [Some(0); 3];
    /// assert!(reader.each_now(1_000_000_000, 3, |index, uj| energies[index] = uj));
    /// assert_eq!(energies, [Some(1_999_998), None, None]); // the second is not known, the third does not exist
    /// # Ok::<(), eco2_core::TooManyDomains>(())
    /// ```
    #[inline]
    pub fn each_now(&self, now_ns: u64, count: usize, mut put: impl FnMut(usize, Option<u64>)) -> bool {
        let known = count.min(self.domains);
        let found = self.ring.read_latest(|lines| {
            point::each_point(lines, known, |index, point| put(index, point.uj_at(now_ns)));
        });
        (known..count).for_each(|index| put(index, None));
        found.is_some()
    }

    /// Returns the newest total: its energy at its last instant, its slope and its flags; `None` where [`Self::latest`]
    /// finds none.
    ///
    /// Reads one line (128 bytes) of the snapshot, however many domains there are. [`DomainPoint::uj_at`] extrapolates
    /// the total to now.
    #[inline]
    #[must_use]
    pub fn total(&self) -> Option<DomainPoint> {
        let mut total = DomainPoint::default();
        self.ring.read_latest(|lines| total = point::load_column(lines, 0))?;
        Some(total)
    }

    /// Returns the newest total with its range, as of its last instant; unknown where [`Self::latest`] finds none.
    ///
    /// Reads the same line as [`Self::total`].
    ///
    /// ```
    /// use eco2_core::{DomainPoint, Margins, Snapshot, Timeline};
    ///
    /// let Timeline { mut writer, reader } = Timeline::new(1, 64)?;
    /// let gpu = DomainPoint { edge_ns: 0, uj: 1_000_000, slope_q28: 0, flags: 0 };
    /// let margins = Margins { below_mj: 5, above_mj: 20 };
    /// writer.publish(&Snapshot::new(0, gpu, &[gpu]).with_margins(margins));
    /// let total = reader.total_bounded();
    /// assert_eq!((total.value, total.low, total.high), (Some(1_000_000), 995_000, Some(1_020_000)));
    /// # Ok::<(), eco2_core::TooManyDomains>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn total_bounded(&self) -> Bounded<u64> {
        let (mut total, mut margins) = (DomainPoint::default(), Margins::UNKNOWN);
        let found = self.ring.read_latest(|lines| {
            total = point::load_column(lines, 0);
            margins = Margins::load(lines);
        });
        found.map_or_else(Bounded::unknown, |_| margins.around(&total))
    }

    /// Returns how old the newest snapshot is at `now_ns`, in ns: the writer's heartbeat. `None` where [`Self::latest`]
    /// finds none.
    ///
    /// A writer that is several ticks behind has stopped; its last snapshot is stale and must be shown as such.
    #[must_use]
    pub fn age_ns(&self, now_ns: u64) -> Option<u64> {
        let mut at_ns = 0;
        self.ring.read_latest(|lines| at_ns = lines.first().map_or(0, |line| line.0[0].load(Ordering::Relaxed)))?;
        Some(now_ns.saturating_sub(at_ns))
    }

    /// Returns the number of domains in each snapshot, the total not counted.
    #[must_use]
    pub fn domains(&self) -> usize {
        self.domains
    }
}
