//! Runs `eco2 job`, which begins, ends and lists the jobs of the node agent.

mod entry;
mod list;

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context as _;
use eco2::options::{Layer, Options};
use eco2_agent::JobLimits;
use eco2_core::{Bounded, Quality};
use eco2_report::{duration_text, energy_text, mass_text};
use serde_json::{Value, json};

use self::entry::{connect, energy, grams};
use crate::agent_client::{AgentClient, RefusedByAgent};
use crate::args::job::{BeginJobArgs, EndJobArgs, JobAction, JobArgs};
use crate::out;

/// Status of an answer about a job that goes on already.
const EXISTS: u16 = 409;
/// Time between two looks for the energy of the last second, and how many looks.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: usize = 20;
/// Longest line about a job that ended, characters: SLURM's accounting truncates comments in some of its views, and the end of the line
/// matters least.
const LONGEST_LINE: usize = 200;

/// Runs the command.
///
/// # Errors
/// Where there is no agent, and where it refuses.
pub(crate) fn job(args: &JobArgs) -> anyhow::Result<u8> {
    match &args.action {
        JobAction::Begin(begin) => self::begin(begin),
        JobAction::End(end) => self::end(end),
        JobAction::List(list) => list::list(list),
    }
}

fn begin(args: &BeginJobArgs) -> anyhow::Result<u8> {
    let caller = || rustix::process::getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
    let pid = args.pid.or_else(|| if args.cgroup.is_none() { caller() } else { None });
    let mut request = json!({"id": args.id});
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            request[name] = value;
        }
    };
    put("pid", pid.into());
    put("cgroup", args.cgroup.as_ref().map(|path| path.to_string_lossy().into_owned()).into());
    put("name", args.name.clone().into());
    put("uid", args.uid.into());
    let labels: serde_json::Map<String, Value> =
        args.labels.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    put("labels", labels.into());
    if !args.gpus.is_empty() {
        put("gpus", json!(args.gpus));
    }
    let mut layer = Layer::default();
    args.limits.copy_to(&mut layer)?;
    let limits = Options::resolve([layer])?.budget;
    let limits = JobLimits { max_energy_kwh: limits.max_energy_kwh, max_co2_kg: limits.max_co2_kg };
    // An agent of an older version refuses fields that it does not know.
    let limits = json!(limits).as_object().cloned().unwrap_or_default();
    limits.into_iter().filter(|(_, limit)| !limit.is_null()).for_each(|(name, limit)| request[name] = limit);
    let begun = connect(&args.agent)?.ask("POST", "/api/v1/jobs", Some(&request));
    begun.map_err(|error| match error.downcast::<RefusedByAgent>() {
        Ok(refused) if refused.status == EXISTS => {
            let id = &args.id;
            anyhow::anyhow!("job {id} goes on already: end it first (eco2 job end {id}), or choose another id")
        }
        Ok(refused) => anyhow::Error::new(refused).context(format!("job {} was not begun", args.id)),
        Err(error) => error,
    })?;
    Ok(0)
}

fn end(args: &EndJobArgs) -> anyhow::Result<u8> {
    let mut agent = connect(&args.agent)?;
    let path = format!("/api/v1/jobs/{}/end", args.id);
    let ended = agent.ask("POST", &path, Some(&json!({"steps": args.steps})));
    let key = ended.with_context(|| format!("job {} was not ended", args.id))?["key"].clone();
    // It has ended, whatever comes now: the exit code is 0.
    let mut found = None;
    for look in 0..LOOKS {
        found = of_key(&mut agent, &key);
        if !args.wait || found.as_ref().is_some_and(has_ended) {
            break;
        }
        sleep(if look + 1 < LOOKS { LOOK } else { Duration::ZERO });
    }
    let Some(mut job) = found else {
        // Also without --json's document the job has ended.
        let text = "eco2: its energy is not known yet: eco2 job list has it in a second\n";
        if args.json {
            out::data("null\n")?
        } else {
            out::page(text)?
        }
        return Ok(0);
    };
    // The agent has the steps after its next account.
    if let Some(steps) = args.steps {
        job["steps"] = steps.into();
    }
    job["qualities"] = json!(agent.ask("GET", "/api/v1/devices", None).ok().map(|devices| qualities(&devices)));
    if args.json {
        out::data(&out::document(&job))?;
        return Ok(0);
    }
    out::page(&format!("{}\n", result_line(&job)))?;
    Ok(0)
}

/// Returns how the devices of the sum are measured, best first.
fn qualities(devices: &Value) -> Vec<&'static str> {
    let summed = devices.as_array().into_iter().flatten().filter(|device| device["is_summed"] == true);
    let found = summed.filter_map(|device| serde_json::from_value::<Quality>(device["quality"].clone()).ok());
    let kinds: BTreeSet<Quality> = found.collect();
    kinds.into_iter().map(Quality::name).collect()
}

/// Returns the job with a key. Its id may be that of an earlier job as well.
fn of_key(agent: &mut AgentClient, key: &Value) -> Option<Value> {
    let jobs = agent.ask("GET", "/api/v1/jobs", None).ok()?;
    jobs.as_array()?.iter().find(|job| job["key"] == *key).cloned()
}

fn has_ended(job: &Value) -> bool {
    !job["ended_wall_ns"].is_null()
}

/// Returns one line of ASCII about a job that ended, which fits a scheduler's comment: its fields are separated by a comma and a blank, and
/// come in this order, so that a program can read them.
fn result_line(job: &Value) -> String {
    let (energy, grams) = (energy(job), grams(job));
    let mut line = format!("eco2: {}, {}", energy_text(energy), mass_text(grams));
    let qualities = job["qualities"].as_array().map(|all| all.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    let mut rest = vec![match qualities {
        None => "quality not known".to_owned(),
        Some(none) if none.is_empty() => "not measured".to_owned(),
        Some(qualities) => qualities.join("+"),
    }];
    rest.push(duration_text(job["duration_ns"].as_u64().unwrap_or(0)));
    if !has_ended(job) {
        rest.push("without its last second".to_owned());
    }
    if let Some(steps) = job["steps"].as_u64() {
        rest.push(format!("{steps} steps"));
        let per_step = energy.value.filter(|_| steps > 0);
        rest.extend(per_step.map(|uj| format!("{}/step", energy_text(Bounded::exact(uj / steps)))));
    }
    for part in rest {
        if line.len() + part.len() + 2 <= LONGEST_LINE {
            line += &format!(", {part}");
        }
    }
    let line = line.replace("  [", " [");
    line.chars().take(LONGEST_LINE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_has_energy_range_duration_and_energy_per_step() {
        let grams = json!({"total_grams": 1.14, "total_grams_low": 0.9, "total_grams_high": 1.5});
        let mut job = json!({"total_uj": 12_000_000_000u64, "total_low_uj": 10_000_000_000u64, "total_high_uj": 15_000_000_000u64,
            "duration_ns": 8_040_000_000_000u64, "steps": 4_000, "ended_wall_ns": 5, "qualities": ["measured", "estimated"]});
        job.as_object_mut().unwrap().extend(grams.as_object().unwrap().clone());
        let line = "eco2: 3.33 Wh [2.77 - 4.17], 1.14 g CO2e [0.90 - 1.50], measured+estimated, 2 h 14 min 00 s, 4000 steps, 3 J/step";
        assert_eq!(result_line(&job), line);
        let open = json!({"total_uj": 12_000_000, "total_low_uj": 0, "total_high_uj": null, "duration_ns": 0, "ended_wall_ns": 5});
        let line = |quality: &str| format!("eco2: at least 0.0 J (estimate 12.0 J), not known, {quality}, 0 s");
        assert_eq!(result_line(&open), line("quality not known"));
        let mut unread = open;
        unread["qualities"] = json!([]);
        assert_eq!(result_line(&unread), line("not measured"));
    }

    #[test]
    fn line_fits_a_comment_whatever_the_job() {
        let most = u64::MAX;
        let job = json!({"total_uj": most, "total_low_uj": 1, "total_high_uj": null, "total_grams": 1e300, "total_grams_low": 1e299,
            "total_grams_high": 1e301, "duration_ns": most, "steps": most,
            "qualities": ["measured", "derived", "estimated", "synthetic", "missing"]});
        for ended in [json!(null), json!(5)] {
            let mut job = job.clone();
            job["ended_wall_ns"] = ended;
            let line = result_line(&job);
            assert!(line.is_ascii() && line.lines().count() == 1 && line.len() <= LONGEST_LINE, "{line}");
        }
        let mut usual = job;
        usual["total_grams"] = 1e9.into();
        usual["total_grams_low"] = 1e8.into();
        usual["total_grams_high"] = 2e9.into();
        assert!(result_line(&usual).len() <= LONGEST_LINE, "{}", result_line(&usual));
    }
}
