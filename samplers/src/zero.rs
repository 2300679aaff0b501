//! Counters that only ever say 0: not a measurement of 0 J, but a domain that the hardware does not fill in.
//!
//! Some kernels list domains that the CPU does not count (DRAM on clients, cores on servers). A first 0 may also be an
//! honest baseline: perf counts start at 0. So zeros are held back: when the counter moves, the held readings are handed
//! over as they were; when it has not moved for a second, during which the CPU at least ran this program, the domain is
//! unsupported.

use eco2_core::{Domain, Fault, Reading};

use crate::{Batch, Note};

/// How long a counter may show nothing but 0. RAPL updates about every millisecond.
const PATIENCE_NS: u64 = 1_000_000_000;

/// What is known of one counter's zeros.
#[derive(Debug, Default)]
pub(crate) enum ZeroGuard {
    /// Nothing was read yet.
    #[default]
    Fresh,
    /// Only 0 was read: first and last such reading.
    Holding(Reading, Reading),
    /// It counts.
    Counting,
    /// It does not count.
    Unsupported,
}

impl ZeroGuard {
    /// Hands a reading on, holds it back or replaces it; `true` when the domain has just turned out unsupported.
    pub(crate) fn admit(&mut self, domain: usize, reading: Reading, batch: &mut Batch) -> bool {
        match (&*self, reading.value) {
            (Self::Counting, _) => batch.push(domain, reading),
            (_, Err(_)) => self.fault(domain, reading, batch),
            (Self::Fresh, Ok(0)) => *self = Self::Holding(reading, reading),
            (Self::Holding(first, _), Ok(0)) => return self.still_zero(domain, *first, reading, batch),
            (Self::Unsupported, Ok(0)) => batch.push(domain, Reading { value: Err(Fault::Unsupported), ..reading }),
            (_, Ok(_)) => self.moved(domain, reading, batch),
        }
        false
    }

    fn fault(&mut self, domain: usize, reading: Reading, batch: &mut Batch) {
        if let Self::Holding(..) = self {
            *self = Self::Fresh;
        }
        batch.push(domain, reading);
    }

    fn still_zero(&mut self, domain: usize, first: Reading, reading: Reading, batch: &mut Batch) -> bool {
        if reading.before_ns.saturating_sub(first.after_ns) < PATIENCE_NS {
            *self = Self::Holding(first, reading);
            return false;
        }
        *self = Self::Unsupported;
        batch.push(domain, Reading { value: Err(Fault::Unsupported), ..reading });
        true
    }

    fn moved(&mut self, domain: usize, reading: Reading, batch: &mut Batch) {
        if let Self::Holding(first, last) = *self {
            batch.push(domain, first);
            if last != first {
                batch.push(domain, last);
            }
        }
        *self = Self::Counting;
        batch.push(domain, reading);
    }
}

/// Names of domains that a note lists; the rest is counted.
const LISTED: usize = 4;

/// Domains of a source that turned out not to count, until one note tells of all of them.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    ids: Vec<String>,
}

impl Verdicts {
    /// Adds the domains of one reading; the note comes with the first reading that adds none, as counters that were
    /// opened together do not count together.
    pub(crate) fn take(&mut self, source: &str, fresh: &[&Domain], batch: &Batch) -> Option<Note> {
        self.ids.extend(fresh.iter().map(|domain| domain.id.clone()));
        let (first, wait) = (self.ids.first()?, !fresh.is_empty() && !batch.wants_all());
        if wait {
            return None;
        }
        let device = if self.ids.len() == 1 { first.clone() } else { source.to_owned() };
        let text = format!("{} stayed at 0 for a second under load: not counted by the hardware", listed(&self.ids));
        self.ids.clear();
        Some(Note { at_ns: batch.now_ns(), kind: "counter-unsupported", device, text })
    }
}

/// The first names of a list, and how many follow.
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

    fn admit(guard: &mut ZeroGuard, at_ns: u64, value: Result<u64, Fault>) -> (Handed, bool) {
        let mut batch = Batch::default();
        let verdict = guard.admit(0, Reading { before_ns: at_ns, after_ns: at_ns, value }, &mut batch);
        (batch.readings().iter().map(|(_, r)| (r.before_ns, r.value)).collect(), verdict)
    }

    #[test]
    fn an_honest_first_zero_is_a_baseline() {
        let mut guard = ZeroGuard::default();
        assert_eq!(admit(&mut guard, 1, Ok(0)), (vec![], false));
        assert_eq!(admit(&mut guard, 2, Ok(0)), (vec![], false));
        assert_eq!(admit(&mut guard, 3, Ok(0)), (vec![], false));
        assert_eq!(admit(&mut guard, 4, Ok(7)), (vec![(1, Ok(0)), (3, Ok(0)), (4, Ok(7))], false));
        assert_eq!(admit(&mut guard, 5, Ok(0)), (vec![(5, Ok(0))], false), "a wrap to 0 is a value");
    }

    #[test]
    fn a_second_of_zeros_is_no_measurement() {
        let mut guard = ZeroGuard::default();
        assert_eq!(admit(&mut guard, 0, Ok(0)), (vec![], false));
        assert_eq!(admit(&mut guard, S, Ok(0)), (vec![(S, Err(Fault::Unsupported))], true));
        assert_eq!(admit(&mut guard, S + 1, Ok(0)), (vec![(S + 1, Err(Fault::Unsupported))], false));
        assert_eq!(admit(&mut guard, S + 2, Ok(5)), (vec![(S + 2, Ok(5))], false), "it counts after all");
    }

    #[test]
    fn faults_pass_and_break_the_hold() {
        let mut guard = ZeroGuard::default();
        admit(&mut guard, 0, Ok(0));
        assert_eq!(admit(&mut guard, 1, Err(Fault::Gone)), (vec![(1, Err(Fault::Gone))], false));
        assert_eq!(admit(&mut guard, 2, Ok(3)), (vec![(2, Ok(3))], false), "nothing from before the gap");
    }
}
