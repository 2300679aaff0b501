//! Energy that went into waiting: GPUs that ran nothing, steps that did not come.

use eco2_core::Component;
use eco2_core::schema::{Device, Report, SpellRecord};

use super::{Advice, Claim, Evidence, Found, Saving, Topic, WORTH_PERCENT, command, quoted, shares};

/// A mean utilisation that leaves no room for a pause worth a word, percent.
const NEVER_IDLE_PERCENT: f64 = 100.0 - WORTH_PERCENT;

/// Mean of a gauge of a device over the run.
fn mean(device: &Device, name: &str) -> Option<f64> {
    device.gauges.iter().find(|gauge| gauge.name == name).map(|gauge| gauge.mean)
}

pub(super) fn idle(report: &Report, typed: &str, found: &mut Found) {
    let gpus = report.devices.iter().filter(|device| device.component == Component::Gpu && device.is_summed());
    let used: Vec<f64> = gpus.filter_map(|gpu| mean(gpu, "utilization")).collect();
    if used.is_empty() {
        return found.silent(Topic::IdleGpu, "no GPU said how much it was used");
    }
    let spells: Vec<&SpellRecord> = of_kind(report, SpellRecord::IDLE);
    let mean_percent = 100.0 * used.iter().sum::<f64>() / used.len() as f64;
    if spells.is_empty() && mean_percent < NEVER_IDLE_PERCENT {
        let reason = format!(
            "no reading showed an idle GPU, but they were used for {mean_percent:.1} % only: pauses between two readings, \
             a second apart, are too short to tell"
        );
        return found.silent(Topic::IdleGpu, reason);
    }
    let saving = match worth(report, &spells, "idle GPUs") {
        Ok(saving) => saving,
        Err(reason) => return found.silent(Topic::IdleGpu, reason),
    };
    let (idle_s, gpu_s) = (seconds(&spells), used.len() as f64 * report.run.duration_ns as f64 / 1e9);
    let idle_percent = 100.0 * (idle_s / gpu_s).min(1.0);
    let joules = joules(&spells);
    found.advice.push(Advice {
        topic: Topic::IdleGpu,
        title: "GPUs ran nothing for a part of the run".to_owned(),
        text: format!(
            "GPUs were idle for {idle_s:.1} s, {idle_percent:.1} % of their time, and drew {joules:.1} J meanwhile. More \
             loader workers, prefetching, a larger batch or fewer GPUs may give them work; how much of it is saved, a run \
             tells"
        ),
        evidence: vec![
            Evidence { name: "idle time of all GPUs", value: idle_s, unit: "s" },
            Evidence { name: "share of their time", value: idle_percent, unit: "%" },
            Evidence { name: "energy drawn while idle", value: joules, unit: "J" },
            Evidence { name: "mean utilisation", value: mean_percent, unit: "%" },
        ],
        claim: Claim::AtMost,
        saving: Some(saving),
        command: again(report, typed),
        difficulty: "low",
    });
}

pub(super) fn stalls(report: &Report, typed: &str, found: &mut Found) {
    if !report.spans.iter().any(|span| span.name == "step") {
        return found.silent(Topic::Stalls, "no steps were recorded: name the span of a step `step`");
    }
    let spells = of_kind(report, SpellRecord::STALLED);
    let Some(first) = spells.first() else {
        return found.silent(Topic::Stalls, "no step took over five times the usual and a second more");
    };
    let saving = match worth(report, &spells, "waits of over five usual steps") {
        Ok(saving) => saving,
        Err(reason) => return found.silent(Topic::Stalls, reason),
    };
    let (waited_s, joules) = (seconds(&spells), joules(&spells));
    let longest_s = first.longest_ns as f64 / 1e9;
    let mut evidence = vec![
        Evidence { name: "stalls", value: first.count as f64, unit: "1" },
        Evidence { name: "time beyond the usual step", value: waited_s, unit: "s" },
        Evidence { name: "the longest", value: longest_s, unit: "s" },
        Evidence { name: "energy drawn meanwhile", value: joules, unit: "J" },
    ];
    let usual = first.usual_ns.map(|usual_ns| usual_ns as f64 / 1e9);
    evidence.extend(usual.map(|value| Evidence { name: "usual step", value, unit: "s" }));
    found.advice.push(Advice {
        topic: Topic::Stalls,
        title: "Steps did not come for a while".to_owned(),
        text: format!(
            "{} no step ended for over five times the usual: {waited_s:.1} s in all, the longest {longest_s:.1} s, in \
             which {joules:.1} J were drawn. Evaluation, checkpoints and slow storage look like this; spans around them \
             tell which it is",
            if first.count == 1 { "Once".to_owned() } else { format!("{} times", first.count) }
        ),
        evidence,
        claim: Claim::AtMost,
        saving: Some(saving),
        command: again(report, typed),
        difficulty: "medium",
    });
}

/// The share of the energy that went into spells, where it is worth a word; else what is known of it.
fn worth(report: &Report, spells: &[&SpellRecord], what: &str) -> Result<Saving, String> {
    match shares::of_energy(report, spells) {
        Some(saving) if saving.percent >= WORTH_PERCENT => Ok(saving),
        Some(saving) if saving.high_percent < WORTH_PERCENT => {
            Err(format!("{what} took less than {WORTH_PERCENT} % of the energy"))
        }
        Some(saving) => Err(format!(
            "{what} took {:.1} % of the energy as far as was seen, and at most {:.1} %: too little, or too short, to tell",
            saving.percent, saving.high_percent
        )),
        None => Err(format!("nothing gave the energy that {what} took")),
    }
}

fn of_kind<'a>(report: &'a Report, kind: &str) -> Vec<&'a SpellRecord> {
    report.spells.iter().filter(|spell| spell.kind == kind).collect()
}

fn seconds(spells: &[&SpellRecord]) -> f64 {
    spells.iter().map(|spell| spell.duration_ns as f64 / 1e9).sum()
}

fn joules(spells: &[&SpellRecord]) -> f64 {
    spells.iter().filter_map(|spell| spell.energy_uj).map(|uj| uj as f64 / 1e6).sum()
}

/// The same command once more, with what was changed in it, beside the run as it was: by the words that found it, but for
/// `last`, which is another one then.
fn again(report: &Report, typed: &str) -> String {
    let run = if matches!(typed, "" | "last") { &report.run.id } else { typed };
    format!("eco2 run -- {} && eco2 compare {} last", command(report), quoted(run))
}
