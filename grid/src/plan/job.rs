//! What a plan is made for and what it is: a job, the time slots it runs in, and their emissions.

/// Nanoseconds in an hour.
pub const HOUR_NS: i64 = 3_600_000_000_000;

/// A job of fixed width.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Job {
    /// How long it runs, nanoseconds; above 0.
    pub duration_ns: i64,
    /// What it draws while it runs, watts; finite, not negative. PUE is the caller's to multiply.
    pub power_w: f64,
    /// Whether it may pause and resume at no cost.
    pub interruptible: bool,
}

/// A stretch of time in which a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanSlot {
    /// Start, nanoseconds since 1970 UTC.
    pub from_ns: i64,
    /// End, nanoseconds since 1970 UTC.
    pub to_ns: i64,
    /// Workers that run; at least 1.
    pub workers: u32,
}

/// When a job runs, and what that weighs.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// In the order of time; adjacent ones of one width are merged. Never empty.
    pub slots: Vec<PlanSlot>,
    /// Grams CO2e of the plan.
    pub grams: f64,
    /// Grams CO2e of the same job begun at the window's start; `None` where the intensity of that time is not known.
    pub now_grams: Option<f64>,
    /// Grams CO2e that no plan of this class falls below; equal to `grams` where the optimum is found exactly.
    pub bound_grams: f64,
    /// Elastic plans: grams CO2e of the last unit of work (throughput times hours), for an [`Advisor`](super::Advisor).
    pub work_grams: Option<f64>,
}

impl Plan {
    /// When the job begins, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn from_ns(&self) -> i64 {
        self.slots.first().map_or(0, |slot| slot.from_ns)
    }

    /// When the job ends, nanoseconds since 1970 UTC.
    #[must_use]
    pub fn to_ns(&self) -> i64 {
        self.slots.last().map_or(0, |slot| slot.to_ns)
    }

    /// How much less than now, percent of now; 0 where now emits nothing, `None` where that is not known.
    #[must_use]
    pub fn saving_percent(&self) -> Option<f64> {
        saving_percent(self.grams, self.now_grams)
    }
}

/// How much less `grams` are than `now_grams`, percent of these; 0 where these are 0, `None` where they are not known.
#[must_use]
pub fn saving_percent(grams: f64, now_grams: Option<f64>) -> Option<f64> {
    now_grams.map(|now_grams| if now_grams > 0.0 { 100.0 * (now_grams - grams) / now_grams } else { 0.0 })
}

/// Appends a stretch; joins it with the last one where they touch and are equally wide.
pub(crate) fn push(slots: &mut Vec<PlanSlot>, slot: PlanSlot) {
    match slots.last_mut() {
        Some(last) if last.to_ns == slot.from_ns && last.workers == slot.workers => last.to_ns = slot.to_ns,
        _ if slot.from_ns < slot.to_ns => slots.push(slot),
        _ => {}
    }
}
