//! The curves of an account: read off by episodes and prices, then kept in the report.

use eco2_core::schema::{Carbon, Device};
use eco2_core::{Account, Curve, CurveRecord, Ledger, RunCurve, curve_records};
use jiff::Timestamp;

use crate::run::pricing::When;

/// How the energy of an account was used over its time.
#[derive(Debug, Clone)]
pub(crate) struct Curves {
    /// One a device; `None`: not read.
    pub(crate) devices: Vec<Option<Curve>>,
    /// Of the run.
    pub(crate) run: RunCurve,
}

impl Curves {
    /// The curves of an account of that ledger.
    pub(crate) fn of(ledger: &Ledger, account: &Account) -> Self {
        let devices: Vec<Option<Curve>> = (0..account.devices.len()).map(|at| ledger.curve(account, at)).collect();
        let summed = account.devices.iter().zip(&devices).filter(|(device, _)| device.is_summed());
        let parts = summed.filter_map(|(_, curve)| curve.clone());
        let run = RunCurve::new(parts, account.end_ns - account.begin_ns, account.energy.bounded());
        Self { devices, run }
    }

    /// As a report keeps them, exact where the carbon intensity or the price (`borders`) changes.
    pub(crate) fn records(
        &self,
        devices: &[Device],
        carbon: &Carbon,
        borders: Vec<u64>,
        when: &When,
    ) -> Vec<CurveRecord> {
        let since = |at: &String| {
            let at_ns = i64::try_from(at.parse::<Timestamp>().ok()?.as_nanosecond()).ok()?;
            u64::try_from(at_ns.checked_sub(when.from_ns)?).ok()
        };
        let ends = carbon.segments.iter().filter_map(|segment| since(&segment.to));
        let mut slots: Vec<u64> = ends.chain(borders).filter(|at_ns| (1..when.lasted_ns).contains(at_ns)).collect();
        slots.sort_unstable();
        slots.dedup();
        curve_records(devices, &self.devices, &slots)
    }
}
