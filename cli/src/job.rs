//! Runs `eco2 job`, which begins, ends and lists the jobs of the node agent.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Context as _;
use eco2::options::{Layer, Options};
use eco2_agent::JobLimits;
use eco2_core::{Bounded, RangeKind};
use eco2_report::{duration_text, energy_text};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::agent_client::{AgentClient, AgentPlace, RefusedByAgent};
use crate::args::job::{AgentArgs, BeginJobArgs, EndJobArgs, JobAction, JobArgs, ListJobsArgs};
use crate::failure::UsageError;
use crate::out;

/// Status of an answer about a job that goes on already.
const EXISTS: u16 = 409;
/// Time between two looks for the energy of the last second, and how many looks.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: usize = 20;

/// Runs the command.
///
/// # Errors
/// Where there is no agent, and where it refuses.
pub(crate) fn job(args: &JobArgs) -> anyhow::Result<u8> {
    match &args.action {
        JobAction::Begin(begin) => self::begin(begin),
        JobAction::End(end) => self::end(end),
        JobAction::List(list) => self::list(list),
    }
}

fn connect(args: &AgentArgs) -> anyhow::Result<AgentClient> {
    AgentClient::connect(&AgentPlace::Folder(args.dir.clone()))
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
    let line = match found {
        // The agent has the steps after its next account.
        Some(mut job) => {
            if let Some(steps) = args.steps {
                job["steps"] = steps.into();
            }
            let rest = if has_ended(&job) { "" } else { ", without its last second" };
            result_line(&job) + rest
        }
        None => "eco2: its energy is not known yet: eco2 job list has it in a second".to_owned(),
    };
    out::page(&format!("{line}\n"))?;
    Ok(0)
}

/// Returns the job with a key. Its id may be that of an earlier job as well.
fn of_key(agent: &mut AgentClient, key: &Value) -> Option<Value> {
    let jobs = agent.ask("GET", "/api/v1/jobs", None).ok()?;
    jobs.as_array()?.iter().find(|job| job["key"] == *key).cloned()
}

fn has_ended(job: &Value) -> bool {
    !job["ended_wall_ns"].is_null()
}

/// Returns one line of ASCII about a job that ended, which fits a scheduler's comment.
fn result_line(job: &Value) -> String {
    let energy = energy(job);
    let mut line = format!("eco2: {}", energy_text(energy));
    let duration_ns = job["duration_ns"].as_u64().unwrap_or(0);
    line += &format!(", {}", duration_text(duration_ns));
    if let Some(steps) = job["steps"].as_u64() {
        line += &format!(", {steps} steps");
        if let Some(uj) = energy.value.filter(|_| steps > 0) {
            line += &format!(", {}/step", energy_text(Bounded::exact(uj / steps)));
        }
    }
    line
}

/// Returns the energy of a job with that of the jobs within it.
fn energy(job: &Value) -> Bounded<u64> {
    Bounded {
        value: job["total_uj"].as_u64(),
        low: job["total_low_uj"].as_u64().unwrap_or(0),
        high: job["total_high_uj"].as_u64(),
        kind: RangeKind::Plausible,
    }
}

fn list(args: &ListJobsArgs) -> anyhow::Result<u8> {
    let answer = connect(&args.agent)?.ask("GET", "/api/v1/jobs", None)?;
    let all = answer.as_array().ok_or_else(|| UsageError("the agent has another version: restart it".into()))?;
    let mut jobs: Vec<&Value> = all.iter().filter(|job| job["kind"] == "job").collect();
    jobs.sort_by_key(|job| std::cmp::Reverse(job["began_wall_ns"].as_i64()));
    if args.json {
        out::data(&format!("{}\n", serde_json::to_string_pretty(&jobs)?))?;
        return Ok(0);
    }
    if jobs.is_empty() {
        out::talk("eco2: no job goes on or ended in the last hour; begin one with eco2 job begin ID\n");
        return Ok(0);
    }
    let head = ["ID", "NAME", "USER", "STARTED (UTC)", "TIME", "STATE", "BUDGET", "ENERGY"].map(str::to_owned);
    let rows: Vec<[String; 8]> = std::iter::once(head).chain(jobs.into_iter().map(row)).collect();
    let widest = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().enumerate().map(|(at, cell)| format!("{cell:<width$}", width = widest(at)));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    out::page(&text)?;
    Ok(0)
}

fn row(job: &Value) -> [String; 8] {
    let text = |name: &str| job[name].as_str().unwrap_or("-").to_owned();
    let began = job["began_wall_ns"].as_i64().and_then(|ns| Timestamp::from_nanosecond(ns.into()).ok());
    [
        text("id"),
        text("name"),
        job["uid"].to_string(),
        began.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M").to_string()),
        duration_text(job["duration_ns"].as_u64().unwrap_or(0)),
        if job["ended_wall_ns"].is_null() { "running".to_owned() } else { text("end_reason") },
        budget_text(&job["budget"]),
        energy_text(energy(job)),
    ]
}

/// Returns whether a job keeps to its limits, with the largest part of one that was used.
fn budget_text(budget: &Value) -> String {
    let Some(state) = budget["state"].as_str() else { return "-".to_owned() };
    let part = |spent: &Value| Some(spent["spent"].as_f64()? / spent["limit"].as_f64()?);
    let parts = budget["limits"].as_array().into_iter().flatten().filter_map(part);
    let used = parts.reduce(f64::max).map_or_else(String::new, |part| format!(", {:.0} %", part * 100.0));
    let is_open = budget["limits"].as_array().into_iter().flatten().any(|spent| spent["high"].is_null());
    let at_least = if is_open && !used.is_empty() { used.replacen(", ", ", at least ", 1) } else { used };
    format!("{}{at_least}", state.replace('-', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_has_its_state_and_what_was_used_and_no_upper_bound_is_at_least() {
        let limits = json!([{"spent": 5.0, "high": 6.0, "limit": 10.0}, {"spent": 1.0, "high": 1.0, "limit": 4.0}]);
        assert_eq!(budget_text(&json!({"state": "within", "limits": limits})), "within, 50 %");
        let open = json!({"state": "may-exceed", "limits": [{"spent": 5.0, "high": null, "limit": 10.0}]});
        assert_eq!(budget_text(&open), "may exceed, at least 50 %");
        assert_eq!(budget_text(&Value::Null), "-");
    }

    #[test]
    fn result_has_energy_range_duration_and_energy_per_step() {
        let job = json!({"total_uj": 12_000_000_000u64, "total_low_uj": 10_000_000_000u64, "total_high_uj": 15_000_000_000u64,
            "duration_ns": 8_040_000_000_000u64, "steps": 4_000});
        assert_eq!(result_line(&job), "eco2: 3.33 Wh  [2.77 - 4.17], 2 h 14 min 00 s, 4000 steps, 3 J/step");
        let open = json!({"total_uj": 12_000_000, "total_low_uj": 0, "total_high_uj": null, "duration_ns": 0});
        assert_eq!(result_line(&open), "eco2: at least 0.0 J (estimate 12.0 J), 0 s");
    }
}
