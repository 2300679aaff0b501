//! [`StillGuard`] finds out that an energy counter does not count, so that its value is not taken for 0 J.
//!
//! A domain is one sensor or counter of a device. Some kernels list domains that the CPU does not count (DRAM on
//! clients, cores on servers), and many hypervisors show counters that stay at 0 or at some value without end. A first
//! 0 may also be an honest baseline: perf counts start at 0. So zeros are held back. When the counter moves, the held
//! readings are handed over as they were. When it has not moved for a second, during which the CPU at least ran this
//! program, the domain is unsupported. Any other value of a whole package, its memory or a board, which always draw
//! power, is handed over at once, and no longer once it has not moved for a second. Parts that may be switched off,
//! such as graphics, may be still.

use eco2_core::schema::EventKind;
use eco2_core::{Domain, Fault, Reading};

use crate::{Batch, SourceEvent};

/// How long a counter may stay unchanged: a second, as RAPL updates about every millisecond.
const PATIENCE_NS: u64 = 1_000_000_000;

/// Kinds of domains that draw power as long as the machine is on.
const ALWAYS_ON: [&str; 3] = ["package", "dram", "board"];

/// What is known of one counter.
#[derive(Debug)]
pub(crate) struct StillGuard {
    /// Whether its part always draws power, so that it must move from every value and not only from 0.
    always: bool,
    state: StillState,
}

/// What a counter has shown so far.
#[derive(Debug, Clone, Copy)]
enum StillState {
    /// Nothing was read yet.
    Fresh,
    /// Only this value was read; with the first and the last reading of it.
    Still(u64, Reading, Reading),
    /// It counts.
    Counting,
    /// It does not count: this value was unchanged for too long; with the first and the last reading of it.
    Unsupported(u64, Reading, Reading),
}

impl StillGuard {
    /// Returns a guard for the counter of such a domain: `package`, `dram`, `core`, …
    pub(crate) fn of(domain: &str) -> Self {
        Self { always: ALWAYS_ON.contains(&domain), state: StillState::Fresh }
    }

    /// Returns a guard that lets everything pass, for a sensor that may show one value for any length of time.
    pub(crate) fn off() -> Self {
        Self { always: false, state: StillState::Counting }
    }

    /// Hands a reading on, holds it back or replaces it; `true` when the domain has just turned out unsupported.
    pub(crate) fn admit(&mut self, domain: usize, reading: Reading, batch: &mut Batch) -> bool {
        match (self.state, reading.value) {
            (StillState::Counting, _) => batch.push(domain, reading),
            (_, Err(_)) => self.fault(domain, reading, batch),
            (StillState::Fresh, Ok(value)) => self.first(value, domain, reading, batch),
            (StillState::Still(value, first, _), Ok(now)) if now == value => {
                return self.still(value, domain, first, reading, batch);
            }
            (StillState::Unsupported(value, ..), Ok(now)) if now == value => {
                batch.push(domain, Reading { value: Err(Fault::Unsupported), ..reading });
            }
            (StillState::Still(value, first, last) | StillState::Unsupported(value, first, last), Ok(_)) => {
                if value == 0 {
                    batch.push(domain, first);
                    (last != first).then(|| batch.push(domain, last));
                }
                self.state = StillState::Counting;
                batch.push(domain, reading);
            }
        }
        false
    }

    /// Passes a failed reading on; what was held back before it is dropped.
    fn fault(&mut self, domain: usize, reading: Reading, batch: &mut Batch) {
        if let StillState::Still(..) = self.state {
            self.state = StillState::Fresh;
        }
        batch.push(domain, reading);
    }

    /// Takes the first value: holds a 0 back.
    fn first(&mut self, value: u64, domain: usize, reading: Reading, batch: &mut Batch) {
        self.state =
            if value == 0 || self.always { StillState::Still(value, reading, reading) } else { StillState::Counting };
        if value != 0 {
            batch.push(domain, reading);
        }
    }

    /// Takes a value that is still the first one; returns `true` when that has lasted too long.
    fn still(&mut self, value: u64, domain: usize, first: Reading, reading: Reading, batch: &mut Batch) -> bool {
        if reading.before_ns.saturating_sub(first.after_ns) < PATIENCE_NS {
            self.state = StillState::Still(value, first, reading);
            if value != 0 {
                batch.push(domain, reading);
            }
            return false;
        }
        let StillState::Still(_, _, last) = self.state else { return false };
        self.state = StillState::Unsupported(value, first, last);
        batch.push(domain, Reading { value: Err(Fault::Unsupported), ..reading });
        true
    }
}

/// Most domains that a note lists by name; the others are counted.
const LISTED: usize = 4;

/// Domains of a source that turned out not to count, until one note reports all of them.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    ids: Vec<String>,
}

impl Verdicts {
    /// Adds the domains that one read of the source found not to count; returns the note with the first read that adds
    /// none, as counters that were opened together are found at about the same time.
    pub(crate) fn take(&mut self, source: &str, fresh: &[&Domain], batch: &Batch) -> Option<SourceEvent> {
        self.ids.extend(fresh.iter().map(|domain| domain.id.clone()));
        let (first, wait) = (self.ids.first()?, !fresh.is_empty() && !batch.wants_all());
        if wait {
            return None;
        }
        let device = if self.ids.len() == 1 { first.clone() } else { source.to_owned() };
        let text = format!("{} did not move for a second under load: not counted by the hardware", listed(&self.ids));
        self.ids.clear();
        Some(SourceEvent { at_ns: batch.now_ns(), kind: EventKind::CounterUnsupported, device, text })
    }
}

/// Returns the first names of a list, and how many follow.
fn listed(ids: &[String]) -> String {
    let more = ids.len().saturating_sub(LISTED);
    let names = ids[..ids.len() - more].join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    type Handed = Vec<(u64, Result<u64, Fault>)>;

    /// For a part that may be switched off.
    fn zeros() -> StillGuard {
        StillGuard::of("core")
    }

    #[test]
    fn k05_a_second_at_any_value_is_no_measurement_of_a_package() {
        let mut guard = StillGuard::of("package");
        assert_eq!(admit(&mut guard, 0, Ok(7)), (vec![(0, Ok(7))], false));
        assert_eq!(admit(&mut guard, S - 1, Ok(7)), (vec![(S - 1, Ok(7))], false));
        assert_eq!(admit(&mut guard, S, Ok(7)), (vec![(S, Err(Fault::Unsupported))], true));
        assert_eq!(admit(&mut guard, 2 * S, Ok(7)), (vec![(2 * S, Err(Fault::Unsupported))], false));
        assert_eq!(admit(&mut guard, 3 * S, Ok(9)), (vec![(3 * S, Ok(9))], false), "it counts after all");
        assert_eq!(admit(&mut guard, 9 * S, Ok(9)), (vec![(9 * S, Ok(9))], false), "one that has counted is believed");
        let mut graphics = zeros();
        admit(&mut graphics, 0, Ok(7));
        assert_eq!(admit(&mut graphics, 9 * S, Ok(7)), (vec![(9 * S, Ok(7))], false), "it may be switched off");
    }

    fn admit(guard: &mut StillGuard, at_ns: u64, value: Result<u64, Fault>) -> (Handed, bool) {
        let mut batch = Batch::default();
        let verdict = guard.admit(0, Reading { before_ns: at_ns, after_ns: at_ns, value }, &mut batch);
        (batch.readings().iter().map(|(_, r)| (r.before_ns, r.value)).collect(), verdict)
    }

    #[test]
    fn an_honest_first_zero_is_a_baseline() {
        let mut guard = zeros();
        assert_eq!(admit(&mut guard, 1, Ok(0)), (vec![], false));
        assert_eq!(admit(&mut guard, 2, Ok(0)), (vec![], false));
        assert_eq!(admit(&mut guard, 3, Ok(0)), (vec![], false));
        assert_eq!(admit(&mut guard, 4, Ok(7)), (vec![(1, Ok(0)), (3, Ok(0)), (4, Ok(7))], false));
        assert_eq!(admit(&mut guard, 5, Ok(0)), (vec![(5, Ok(0))], false), "a wrap to 0 is a value");
    }

    #[test]
    fn a_second_of_zeros_is_no_measurement() {
        let mut guard = zeros();
        assert_eq!(admit(&mut guard, 0, Ok(0)), (vec![], false));
        assert_eq!(admit(&mut guard, S, Ok(0)), (vec![(S, Err(Fault::Unsupported))], true));
        assert_eq!(admit(&mut guard, S + 1, Ok(0)), (vec![(S + 1, Err(Fault::Unsupported))], false));
        let all = vec![(0, Ok(0)), (S + 2, Ok(5))];
        assert_eq!(admit(&mut guard, S + 2, Ok(5)), (all, false), "it counts after all, from its first reading on");
    }

    #[test]
    fn faults_pass_and_break_the_hold() {
        let mut guard = zeros();
        admit(&mut guard, 0, Ok(0));
        assert_eq!(admit(&mut guard, 1, Err(Fault::Gone)), (vec![(1, Err(Fault::Gone))], false));
        assert_eq!(admit(&mut guard, 2, Ok(3)), (vec![(2, Ok(3))], false), "nothing from before the gap");
    }
}
