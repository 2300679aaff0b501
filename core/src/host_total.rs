//! Compares each *host total* (a sensor of the whole machine, such as a BMC or Intel's `psys`) with the sum of the machine's
//! parts ([`Ledger::host_totals`]), over the time that its readings cover.
//!
//! A *domain* is one sensor or counter. An *edge* is an instant with the energy that each domain had counted until then.

use crate::account::span;
use crate::schema::{Compared, Device, HostTotal};
use crate::spans::{NameTotal, SettledSpans};
use crate::{Account, Bounded, Edge, Ledger, Quality, RangeKind, Ranged};

impl Ledger {
    /// Returns the host totals of an account of this ledger, each with the remainder that no part explains.
    ///
    /// The remainder is unknown where a part or the total was not read for a while, and where several `psys` are there: which
    /// part of a machine with several sockets each of them counts is not documented.
    ///
    /// ```
    /// use eco2_core::{Component, Domain, Ledger, Reading};
    ///
    /// const S: u64 = 1_000_000_000;
    /// let mut ledger = Ledger::new(0, 1);
    /// let package = ledger.add_domain(Domain::counter("package-0", Component::Cpu, "package", "example"));
    /// let bmc = ledger.add_domain(Domain::power("bmc-1", Component::Other, Domain::HOST, "redfish"));
    /// for second in 0..=60 {
    ///     let at = |value| Reading { before_ns: second * S, after_ns: second * S, value: Ok(value) };
    ///     ledger.reading(package, &at(second * 100_000_000)); // 100 W
    ///     ledger.reading(bmc, &at(250_000_000)); // 250 W
    /// }
    /// let total = &ledger.host_totals(&ledger.account(60 * S))[0];
    /// assert_eq!(total.energy_uj, Some(250 * 60 * 1_000_000));
    /// assert_eq!(total.remainder_uj, Some(150 * 60 * 1_000_000));
    /// ```
    #[must_use]
    pub fn host_totals(&self, account: &Account) -> Vec<HostTotal> {
        let is_total = |device: &Device| device.is_host_total() && device.energy_uj.is_some();
        let totals: Vec<usize> = (0..account.devices.len()).filter(|&at| is_total(&account.devices[at])).collect();
        let platforms = totals.iter().filter(|&&at| account.devices[at].domain != crate::Domain::HOST).count();
        let record = |&at: &usize| {
            let is_whole = platforms < 2 || account.devices[at].domain == crate::Domain::HOST;
            self.host_total(account, at, is_whole)
        };
        totals.iter().filter_map(record).collect()
    }

    /// Returns the record of one host total; `None` if its readings cover no time of the run.
    fn host_total(&self, account: &Account, at: usize, is_whole: bool) -> Option<HostTotal> {
        let device = &account.devices[at];
        let covered = self.host_edges(at, account.end_ns)?;
        let (start, end) = (covered.starts.get(at)?, covered.ends.get(at)?);
        let bounds = Edge::limited_between(start, end);
        let total = Bounded {
            value: Some(end.uj.saturating_sub(start.uj)),
            low: bounds.low_uj,
            high: bounds.high_uj,
            kind: device.range_kind.unwrap_or(RangeKind::Plausible),
        };
        let (from_ns, to_ns) = (covered.from_ns, covered.to_ns);
        let mut sums = NameTotal::default();
        sums.add(&SettledSpans { count: 1, from_ns, to_ns, starts: &covered.starts, ends: &covered.ends }, &[]);
        let parts = span(&sums, &account.devices, &account.sources).bounded();
        let summed = || account.devices.iter().filter(|device| device.is_summed());
        let within = |ns: u64| ns.saturating_sub(account.begin_ns);
        let was_read = |device: &Device| {
            let is_gap = |from: u64, to: u64| from < within(to_ns) && to > within(from_ns);
            device.energy_uj.is_some()
                && !device.gaps.iter().any(|gap| !gap.is_counted() && is_gap(gap.from_ns, gap.to_ns))
        };
        let compared = Compared {
            total: total.around_value(),
            parts,
            is_complete: summed().all(was_read) && was_read(device),
            is_whole,
        };
        let record = HostTotal {
            from_ns: within(from_ns),
            to_ns: within(to_ns),
            quality: summed().map(|device| device.quality).fold(device.quality, Quality::max),
            ..HostTotal::of(device)
        };
        Some(record.with_energies(compared))
    }
}
