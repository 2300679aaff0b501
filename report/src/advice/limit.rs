//! Room below and at the power limit. What a lower limit saves nobody knows before it was tried: nothing is claimed.

use eco2_core::Component;
use eco2_core::schema::{Device, Report, SpellRecord};

use super::{Advice, Claim, Evidence, Found, Topic, command};

/// Below this share of its limit a board draws so little that a limit is not what it runs into, percent.
const NEAR_PERCENT: f64 = 50.0;
/// A board that draws so much of its limit at times may run into it then, percent.
const NEAR_AT_TIMES_PERCENT: f64 = 90.0;

pub(super) fn limit(report: &Report, found: &mut Found) {
    let gpus = report.devices.iter().filter(|device| device.component == Component::Gpu && device.is_summed());
    let known: Vec<(&Device, f64, f64)> = gpus.filter_map(|gpu| Some((gpu, limit_w(gpu)?, gpu.mean_w?))).collect();
    let nearest = known.iter().max_by(|a, b| (a.2 / a.1).total_cmp(&(b.2 / b.1)));
    let Some(&(gpu, limit_w, mean_w)) = nearest else {
        return found.silent(Topic::PowerLimit, "no GPU said what its power limit is");
    };
    let (percent, capped) = (100.0 * mean_w / limit_w, capped_percent(report, gpu));
    let highest = gpu.power_w.map(|power| (power.p99, 100.0 * power.p99 / limit_w));
    let is_near = percent >= NEAR_PERCENT || highest.is_some_and(|(_, percent)| percent >= NEAR_AT_TIMES_PERCENT);
    if !is_near && capped.is_none_or(|percent| percent == 0.0) {
        return found.silent(Topic::PowerLimit, far(&gpu.id, percent, limit_w, highest, capped));
    }
    let mut evidence = vec![
        Evidence { name: "power limit", value: limit_w, unit: "W" },
        Evidence { name: "mean power", value: mean_w, unit: "W" },
        Evidence { name: "mean power of the limit", value: percent, unit: "%" },
    ];
    evidence.extend(capped.map(|value| Evidence { name: "time held back by the limit", value, unit: "%" }));
    evidence.extend(highest.map(|(value, _)| Evidence { name: "power in 99 % of the time", value, unit: "W" }));
    let held = match capped {
        Some(percent) => format!("was held back by it for {percent:.0} % of the time"),
        None => "how long it was held back by it is not known".to_owned(),
    };
    found.advice.push(Advice {
        topic: Topic::PowerLimit,
        title: "A lower power limit may pay".to_owned(),
        text: format!(
            "{} drew {mean_w:.0} W of its limit of {limit_w:.0} W and {held}. Near its limit a board pays much power for \
             little speed; how much, only a sweep of limits tells",
            gpu.id
        ),
        evidence,
        claim: Claim::Untold,
        saving: None,
        command: format!("sudo eco2 optimize --sweep-power-limit -- {}", command(report)),
        difficulty: "low",
    });
}

/// Why a limit that a board stays away from is no advice: as much of it as is known.
fn far(gpu: &str, percent: f64, limit_w: f64, highest: Option<(f64, f64)>, capped: Option<f64>) -> String {
    let drew = format!("{gpu} drew {percent:.0} % of its limit of {limit_w:.0} W");
    match (highest, capped) {
        (Some((_, highest)), Some(_)) => {
            format!("{drew}, no more than {highest:.0} % in 99 % of the time, and was never held back by it")
        }
        (Some((_, highest)), None) => {
            format!("{drew}, no more than {highest:.0} % in 99 % of the time; whether it was held back is not known")
        }
        (None, Some(_)) => format!("{drew} on average, and was never held back by it"),
        (None, None) => format!("{drew} on average; how near it came, and whether it was held back, is not known"),
    }
}

/// The limit that held for most of the run, watts.
fn limit_w(gpu: &Device) -> Option<f64> {
    let gauge = gpu.gauges.iter().find(|gauge| gauge.name == "power_limit")?;
    Some(gauge.mean).filter(|watts| *watts > 0.0)
}

/// How much of the run it was held back by its limit; `None` where it does not say.
fn capped_percent(report: &Report, gpu: &Device) -> Option<f64> {
    let spells = report.spells.iter().filter(|spell| spell.kind == SpellRecord::POWER_CAPPED && spell.device == gpu.id);
    let of_spells = spells.map(|spell| spell.duration_ns).reduce(u64::saturating_add);
    let said = gpu.gauges.iter().any(|gauge| gauge.name == "throttle_reasons");
    let capped_ns = of_spells.or(said.then_some(0))?;
    Some((100.0 * capped_ns as f64 / report.run.duration_ns.max(1) as f64).min(100.0))
}
