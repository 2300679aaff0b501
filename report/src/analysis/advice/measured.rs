//! Writes the advice of `eco2 optimize` that comes from measured values: idle GPUs, stalled steps, and the power limit
//! of GPUs. An *episode* is a time in which a GPU was idle, a step stalled, or a power limit reduced the clock. A
//! *gauge* is a value such as utilisation.

use eco2_core::Component;
use eco2_core::schema::{Device, EpisodeRecord, Report};

use super::types::{
    Advice, Claim, Evidence, Findings, Saving, Topic, WORTH_PERCENT, command_line, energy_share, run_and_compare,
};

/// Above this mean utilisation, pauses are too short to matter, percent: their share is below the smallest saving
/// reported.
const NEVER_IDLE_PERCENT: f64 = 100.0 - WORTH_PERCENT;
/// A GPU whose mean power is below this share of its power limit is not slowed by the limit, percent.
const NEAR_PERCENT: f64 = 50.0;
/// A GPU whose peak power is above this share of its limit may be limited by it at times, percent.
const NEAR_AT_TIMES_PERCENT: f64 = 90.0;

/// Adds advice on the energy that GPUs used while idle, or the reason why there is none.
pub(super) fn idle(report: &Report, run_name: &str, findings: &mut Findings) {
    let utilizations: Vec<f64> = gpus(report).filter_map(|gpu| gauge_mean(gpu, "utilization")).collect();
    if utilizations.is_empty() {
        return findings.skip(Topic::IdleGpu, "no GPU reports its utilisation");
    }
    let episodes = episodes_of(report, EpisodeRecord::IDLE);
    let mean_percent = 100.0 * utilizations.iter().sum::<f64>() / utilizations.len() as f64;
    if episodes.is_empty() && mean_percent < NEVER_IDLE_PERCENT {
        let reason = format!(
            "no reading shows an idle GPU, but the mean utilisation was {mean_percent:.1} %: pauses between two readings \
             (1 s) are too short to see"
        );
        return findings.skip(Topic::IdleGpu, reason);
    }
    let saving = match worthwhile(report, &episodes, "idle GPUs") {
        Ok(saving) => saving,
        Err(reason) => return findings.skip(Topic::IdleGpu, reason),
    };
    let idle_s = seconds(&episodes);
    let gpu_s = utilizations.len() as f64 * report.run.duration_ns as f64 / 1e9;
    let idle_percent = 100.0 * (idle_s / gpu_s).min(1.0);
    let joules = joules(&episodes);
    findings.advice.push(Advice {
        topic: Topic::IdleGpu,
        title: "GPUs were idle for part of the run".to_owned(),
        text: format!(
            "GPUs were idle for {idle_s:.1} s, {idle_percent:.1} % of their time, and used {joules:.1} J in that time. Try \
             more loader workers, prefetching, a larger batch or fewer GPUs; run again to measure the saving"
        ),
        evidence: vec![
            Evidence { name: "idle time of all GPUs", value: idle_s, unit: "s" },
            Evidence { name: "share of their time", value: idle_percent, unit: "%" },
            Evidence { name: "energy drawn while idle", value: joules, unit: "J" },
            Evidence { name: "mean utilisation", value: mean_percent, unit: "%" },
        ],
        claim: Claim::AtMost,
        saving: Some(saving),
        command: run_and_compare(report, run_name),
        difficulty: "low",
    });
}

/// Adds advice on the energy that was used while steps stalled, or the reason why there is none.
pub(super) fn stalls(report: &Report, run_name: &str, findings: &mut Findings) {
    if !report.spans.iter().any(|span| span.name == "step") {
        return findings.skip(Topic::Stalls, "no steps were recorded: name the span of a step `step`");
    }
    let episodes = episodes_of(report, EpisodeRecord::STALLED);
    let Some(first) = episodes.first() else {
        return findings.skip(Topic::Stalls, "no step took more than five times the usual plus one second");
    };
    let saving = match worthwhile(report, &episodes, "stalled steps") {
        Ok(saving) => saving,
        Err(reason) => return findings.skip(Topic::Stalls, reason),
    };
    let (stalled_s, joules) = (seconds(&episodes), joules(&episodes));
    let longest_s = first.longest_ns as f64 / 1e9;
    let mut evidence = vec![
        Evidence { name: "stalls", value: first.count as f64, unit: "1" },
        Evidence { name: "time beyond the usual step", value: stalled_s, unit: "s" },
        Evidence { name: "the longest", value: longest_s, unit: "s" },
        Evidence { name: "energy drawn meanwhile", value: joules, unit: "J" },
    ];
    let usual_s = first.usual_ns.map(|usual_ns| usual_ns as f64 / 1e9);
    evidence.extend(usual_s.map(|value| Evidence { name: "usual step", value, unit: "s" }));
    findings.advice.push(Advice {
        topic: Topic::Stalls,
        title: "Steps stalled".to_owned(),
        text: format!(
            "{}, no step ended for more than five times the usual: {stalled_s:.1} s in total, {longest_s:.1} s at most; \
             {joules:.1} J were used in that time. Evaluation, checkpoints and slow storage can be the cause; spans around \
             them show which",
            if first.count == 1 { "Once".to_owned() } else { format!("{} times", first.count) }
        ),
        evidence,
        claim: Claim::AtMost,
        saving: Some(saving),
        command: run_and_compare(report, run_name),
        difficulty: "medium",
    });
}

/// A GPU, and its power compared with its limit.
struct LimitedGpu<'a> {
    gpu: &'a Device,
    limit_w: f64,
    mean_w: f64,
    /// Mean power as a share of the limit, percent.
    mean_percent: f64,
    /// The power that was not exceeded in 99 % of the time, watts; `None` if it is not known.
    p99_w: Option<f64>,
    /// Share of the run during which the limit reduced the clock, percent; `None` if the GPU does not report it.
    capped_percent: Option<f64>,
}

impl<'a> LimitedGpu<'a> {
    /// Returns the GPU's values; `None` if it does not report its limit or has no mean power.
    fn new(report: &Report, gpu: &'a Device) -> Option<Self> {
        let limit_w = gauge_mean(gpu, "power_limit").filter(|watts| *watts > 0.0)?;
        let mean_w = gpu.mean_w?;
        Some(Self {
            gpu,
            limit_w,
            mean_w,
            mean_percent: 100.0 * mean_w / limit_w,
            p99_w: gpu.power_w.map(|power| power.p99),
            capped_percent: capped_percent(report, gpu),
        })
    }

    /// Returns the power that was not exceeded in 99 % of the time as percent of the limit; `None` if it is not known.
    fn p99_percent(&self) -> Option<f64> {
        self.p99_w.map(|watts| 100.0 * watts / self.limit_w)
    }

    /// Whether the power limit may have slowed the GPU.
    fn is_near(&self) -> bool {
        self.mean_percent >= NEAR_PERCENT
            || self.p99_percent().is_some_and(|percent| percent >= NEAR_AT_TIMES_PERCENT)
            || self.capped_percent.is_some_and(|percent| percent > 0.0)
    }

    /// Returns the reason why there is no advice for a GPU that stays far below its limit.
    fn far_from_limit(&self) -> String {
        let mut text = format!("{} used {:.0} % of its limit of {:.0} W", self.gpu.id, self.mean_percent, self.limit_w);
        match self.p99_percent() {
            Some(percent) => text.push_str(&format!(" and at most {percent:.0} % in 99 % of the time")),
            None => text.push_str(" on average"),
        }
        text.push_str(match self.capped_percent {
            Some(_) => "; the limit never reduced its clock",
            None => "; whether the limit reduced its clock is not known",
        });
        text
    }
}

/// Adds advice on a lower power limit, or the reason why there is none. The saving is not known before a trial, so none
/// is stated.
pub(super) fn power_limit(report: &Report, findings: &mut Findings) {
    let nearest = gpus(report)
        .filter_map(|gpu| LimitedGpu::new(report, gpu))
        .max_by(|a, b| a.mean_percent.total_cmp(&b.mean_percent));
    let Some(nearest) = nearest else {
        return findings.skip(Topic::PowerLimit, "no GPU reports its power limit");
    };
    if !nearest.is_near() {
        return findings.skip(Topic::PowerLimit, nearest.far_from_limit());
    }
    let LimitedGpu { gpu, limit_w, mean_w, mean_percent, p99_w, capped_percent } = nearest;
    let mut evidence = vec![
        Evidence { name: "power limit", value: limit_w, unit: "W" },
        Evidence { name: "mean power", value: mean_w, unit: "W" },
        Evidence { name: "mean power of the limit", value: mean_percent, unit: "%" },
    ];
    evidence.extend(capped_percent.map(|value| Evidence { name: "time held back by the limit", value, unit: "%" }));
    evidence.extend(p99_w.map(|value| Evidence { name: "power in 99 % of the time", value, unit: "W" }));
    let reduced = match capped_percent {
        Some(percent) => format!("The limit reduced its clock for {percent:.0} % of the time"),
        None => "How long the limit reduced its clock is not known".to_owned(),
    };
    findings.advice.push(Advice {
        topic: Topic::PowerLimit,
        title: "A lower power limit may save energy".to_owned(),
        text: format!(
            "{} used {mean_w:.0} W of its limit of {limit_w:.0} W. {reduced}. Near its limit, a GPU uses much power for \
             little speed; a sweep of limits measures how much",
            gpu.id
        ),
        evidence,
        claim: Claim::Unknown,
        saving: None,
        command: format!("sudo eco2 optimize --sweep-power-limit -- {}", command_line(report)),
        difficulty: "low",
    });
}

/// Returns the share of the run during which a GPU's limit reduced its clock, percent; `None` if the GPU does not
/// report it.
fn capped_percent(report: &Report, gpu: &Device) -> Option<f64> {
    let episodes =
        episodes_of(report, EpisodeRecord::POWER_CAPPED).into_iter().filter(|episode| episode.device == gpu.id);
    let total_ns = episodes.map(|episode| episode.duration_ns).reduce(u64::saturating_add);
    let is_reported = gauge_mean(gpu, "throttle_reasons").is_some();
    let capped_ns = total_ns.or(is_reported.then_some(0))?;
    Some((100.0 * capped_ns as f64 / report.run.duration_ns.max(1) as f64).min(100.0))
}

/// Returns the GPUs that count towards the run's total.
fn gpus(report: &Report) -> impl Iterator<Item = &Device> {
    report.devices.iter().filter(|device| device.component == Component::Gpu && device.is_summed())
}

/// Returns the mean of a device's gauge over the run.
fn gauge_mean(device: &Device, name: &str) -> Option<f64> {
    device.gauges.iter().find(|gauge| gauge.name == name).map(|gauge| gauge.mean)
}

/// Returns the share of the energy that was used during episodes if it is large enough to report, else the reason why
/// not.
fn worthwhile(report: &Report, episodes: &[&EpisodeRecord], what: &str) -> Result<Saving, String> {
    match energy_share(report, episodes) {
        Some(saving) if saving.percent >= WORTH_PERCENT => Ok(saving),
        Some(saving) if saving.high_percent < WORTH_PERCENT => {
            Err(format!("{what} took less than {WORTH_PERCENT} % of the energy"))
        }
        Some(saving) => Err(format!(
            "{what} took {:.1} % of the energy, at most {:.1} %: too little or too short to be certain",
            saving.percent, saving.high_percent
        )),
        None => Err(format!("the energy that {what} took is not known")),
    }
}

/// Returns the episodes of one kind, of all devices.
fn episodes_of<'a>(report: &'a Report, kind: &str) -> Vec<&'a EpisodeRecord> {
    report.spells.iter().filter(|episode| episode.kind == kind).collect()
}

/// Returns the duration of all these episodes together, seconds.
fn seconds(episodes: &[&EpisodeRecord]) -> f64 {
    episodes.iter().map(|episode| episode.duration_ns as f64 / 1e9).sum()
}

/// Returns the energy of all these episodes together, joules.
fn joules(episodes: &[&EpisodeRecord]) -> f64 {
    episodes.iter().filter_map(|episode| episode.energy_uj).map(|uj| uj as f64 / 1e6).sum()
}
