//! Room below and at the power limit. What a lower limit saves nobody knows before it was tried: nothing is claimed.

use eco2_core::Component;
use eco2_core::report::{Device, Report, SpellRecord};

use super::{Advice, Claim, Evidence, Found, Topic, command};

/// Below this share of its limit a board draws so little that a limit is not what it runs into, percent.
const NEAR_PERCENT: f64 = 50.0;

pub(super) fn limit(report: &Report, found: &mut Found) {
    let gpus = report.devices.iter().filter(|device| device.component == Component::Gpu && device.is_summed());
    let known: Vec<(&Device, f64, f64)> = gpus.filter_map(|gpu| Some((gpu, limit_w(gpu)?, gpu.mean_w?))).collect();
    let nearest = known.iter().max_by(|a, b| (a.2 / a.1).total_cmp(&(b.2 / b.1)));
    let Some(&(gpu, limit_w, mean_w)) = nearest else {
        return found.silent(Topic::PowerLimit, "no GPU said what its power limit is");
    };
    let (percent, capped_percent) = (100.0 * mean_w / limit_w, capped_percent(report, gpu));
    if percent < NEAR_PERCENT && capped_percent == 0.0 {
        let reason =
            format!("{} drew {percent:.0} % of its limit of {limit_w:.0} W: the limit holds nothing back", gpu.id);
        return found.silent(Topic::PowerLimit, reason);
    }
    let mut evidence = vec![
        Evidence { name: "power limit", value: limit_w, unit: "W" },
        Evidence { name: "mean power", value: mean_w, unit: "W" },
        Evidence { name: "mean power of the limit", value: percent, unit: "%" },
        Evidence { name: "time held back by the limit", value: capped_percent, unit: "%" },
    ];
    let p99 = gpu.power_w.map(|power| Evidence { name: "power in 99 % of the time", value: power.p99, unit: "W" });
    evidence.extend(p99);
    found.advice.push(Advice {
        topic: Topic::PowerLimit,
        title: "A lower power limit may pay".to_owned(),
        text: format!(
            "{} drew {mean_w:.0} W of its limit of {limit_w:.0} W and was held back by it for {capped_percent:.0} % of the \
             time. Near its limit a board pays much power for little speed; how much, only a sweep of limits tells",
            gpu.id
        ),
        evidence,
        claim: Claim::Untold,
        saving: None,
        command: format!("sudo eco2 optimize --sweep-power-limit -- {}", command(report)),
        difficulty: "low",
    });
}

/// The limit that held for most of the run, watts.
fn limit_w(gpu: &Device) -> Option<f64> {
    let gauge = gpu.gauges.iter().find(|gauge| gauge.name == "power_limit")?;
    Some(gauge.mean).filter(|watts| *watts > 0.0)
}

fn capped_percent(report: &Report, gpu: &Device) -> f64 {
    let spells = report.spells.iter().filter(|spell| spell.kind == SpellRecord::POWER_CAPPED && spell.device == gpu.id);
    let capped_ns: u64 = spells.map(|spell| spell.duration_ns).sum();
    100.0 * capped_ns as f64 / report.run.duration_ns.max(1) as f64
}
