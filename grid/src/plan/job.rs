//! Defines a job that always uses the same number of workers ([`Job`]), and the plan of a job ([`Plan`]): the periods
//! in which it runs, and their emissions (`eco2 plan`).

/// Nanoseconds in an hour.
pub const HOUR_NS: i64 = 3_600_000_000_000;

/// A job of fixed width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Job {
    /// Duration, nanoseconds; above 0.
    pub duration_ns: i64,
    /// Power while it runs, watts, of at least 0. The caller multiplies it by the power usage effectiveness (PUE).
    pub power_w: f64,
    /// Whether it may pause and resume at no cost.
    pub interruptible: bool,
}

/// A period in which a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanSlot {
    /// Start, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// End, nanoseconds since 1970 UTC.
    pub to_ns: i64,
    /// Workers that run; at least 1.
    pub workers: u32,
}

/// The time slots of a job, and their emissions.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Slots sorted by time; adjacent ones with the same number of workers are merged. Never empty.
    pub slots: Vec<PlanSlot>,
    /// Grams CO2e of the plan.
    pub grams: f64,
    /// Grams CO2e of the same job started at the start of the window; `None` if the intensity of that time is unknown.
    pub now_grams: Option<f64>,
    /// Lower bound of the grams CO2e of any plan of this class; equal to `grams` if the plan is optimal.
    pub bound_grams: f64,
    /// Elastic plans: grams CO2e of the last unit of work (throughput times hours), for an [`Advisor`](super::Advisor).
    pub work_grams: Option<f64>,
}

impl Plan {
    /// Returns the start of the job, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn from_ns(&self) -> i64 {
        self.slots.first().map_or(0, |slot| slot.from_ns)
    }

    /// Returns the end of the job, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn to_ns(&self) -> i64 {
        self.slots.last().map_or(0, |slot| slot.to_ns)
    }

    /// Returns the saving compared with starting at once, percent; see [`saving_percent`].
    #[must_use]
    pub fn saving_percent(&self) -> Option<f64> {
        saving_percent(self.grams, self.now_grams)
    }
}

/// Returns the saving of `grams` compared with `now_grams`, percent; 0 if `now_grams` is 0, `None` if it is unknown.
#[must_use]
pub fn saving_percent(grams: f64, now_grams: Option<f64>) -> Option<f64> {
    now_grams.map(|now_grams| if now_grams > 0.0 { 100.0 * (now_grams - grams) / now_grams } else { 0.0 })
}

/// Appends a slot, or extends the last one if they are adjacent and have the same number of workers.
pub(crate) fn push(slots: &mut Vec<PlanSlot>, slot: PlanSlot) {
    match slots.last_mut() {
        Some(last) if last.to_ns == slot.from_ns && last.workers == slot.workers => last.to_ns = slot.to_ns,
        _ if slot.from_ns < slot.to_ns => slots.push(slot),
        _ => {}
    }
}
