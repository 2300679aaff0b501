//! Runs `eco2 job list`: the jobs that the caller may see, as a table, as JSON, or as CSV with one line per job or per month and account.

use std::collections::BTreeMap;

use eco2_report::{duration_text, energy_text};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::entry::{connect, energy, grams};
use crate::args::job::{JobFormat, JobGroup, ListJobsArgs};
use crate::failure::UsageError;
use crate::out;

/// Label with the account of a scheduler.
const ACCOUNT: &str = "account";
/// Label with its partition.
const PARTITION: &str = "partition";
/// Columns of a line per job.
const COLUMNS: &str = "id,name,user,account,partition,began,ended,end_reason,seconds,steps,\
    joules,joules_low,joules_high,grams,grams_low,grams_high,grams_are_estimated";
/// Columns of a line per month and account.
const GROUP_COLUMNS: &str = "month,account,jobs,joules,joules_low,joules_high,grams,grams_low,grams_high";

/// Lists the jobs.
///
/// # Errors
/// Where there is no agent or no such user, for a time that is none, and where the output cannot be written.
pub(super) fn list(args: &ListJobsArgs) -> anyhow::Result<u8> {
    let since = args.since.as_deref().map(|text| {
        eco2_report::moment(text, Timestamp::now()).map_err(|fault| UsageError(format!("--since: {fault}")))
    });
    let since = since.transpose()?;
    let user = args.user.as_deref().map(user_id).transpose()?;
    let path = match since {
        Some(since) => format!("/api/v1/jobs?since={}", since.strftime("%Y-%m-%dT%H:%M:%SZ")),
        None => "/api/v1/jobs".to_owned(),
    };
    let mut agent = connect(&args.agent)?;
    let answer = agent.ask("GET", &path, None)?;
    if let Some(text) = since.and_then(|since| missing_before(since, agent.complete_since()?)) {
        out::talk(&text);
    }
    let all = answer.as_array().ok_or_else(|| UsageError("the agent has another version: restart it".into()))?;
    let is_wanted = |job: &&Value| {
        let is_of_account = |account: &String| label(job, ACCOUNT) == Some(account.as_str());
        job["kind"] == "job"
            && user.is_none_or(|user| job["uid"] == user)
            && args.account.as_ref().is_none_or(is_of_account)
    };
    let mut jobs: Vec<&Value> = all.iter().filter(is_wanted).collect();
    jobs.sort_by_key(|job| std::cmp::Reverse(job["began_wall_ns"].as_i64()));
    if let Some(JobGroup::Account) = args.group_by {
        out::page(&by_account(&jobs))?;
        return Ok(0);
    }
    match args.format() {
        JobFormat::Json => out::data(&format!("{}\n", serde_json::to_string_pretty(&jobs)?))?,
        JobFormat::Csv => out::page(&by_job(&jobs))?,
        JobFormat::Text if jobs.is_empty() => {
            let what = if since.is_some() { "no such job" } else { "no such job goes on or ended in the last hour" };
            out::talk(&format!("eco2: {what}; begin one with eco2 job begin ID\n"));
        }
        JobFormat::Text => out::page(&table(&jobs))?,
    }
    Ok(0)
}

/// Returns a warning where the history of jobs does not reach back to a time.
fn missing_before(since: Timestamp, complete_since: &str) -> Option<String> {
    let complete: Timestamp = complete_since.parse().ok()?;
    let at = complete.strftime("%Y-%m-%dT%H:%M:%SZ");
    (since < complete).then(|| format!("eco2: jobs that ended before {at} may be missing: older records are gone\n"))
}

/// Returns the number of a user, who may be named by it. `id` knows the users of a directory service, too.
fn user_id(text: &str) -> anyhow::Result<u32> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let unknown = || UsageError(format!("--user: there is no user {text}: name one, or a number"));
    if text.starts_with('-') {
        return Err(unknown().into());
    }
    let found = std::process::Command::new("id").args(["-u", text]).output().map_err(|_| unknown())?;
    let number = String::from_utf8_lossy(&found.stdout).trim().parse();
    Ok(number.map_err(|_| unknown())?)
}

fn label<'a>(job: &'a Value, name: &str) -> Option<&'a str> {
    job["labels"][name].as_str()
}

fn table(jobs: &[&Value]) -> String {
    let head = ["ID", "NAME", "USER", "STARTED (UTC)", "TIME", "STATE", "BUDGET", "ENERGY"].map(str::to_owned);
    let rows: Vec<[String; 8]> = std::iter::once(head).chain(jobs.iter().map(|job| row(job))).collect();
    let widest = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().enumerate().map(|(at, cell)| format!("{cell:<width$}", width = widest(at)));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// Returns one line per job, the newest first: energy and emissions with those of the jobs within it, empty where they are not known.
fn by_job(jobs: &[&Value]) -> String {
    let line = |job: &&Value| {
        let (energy, grams) = (energy(job).map(|uj| uj as f64 / 1e6), grams(job));
        let texts = [job["id"].as_str(), job["name"].as_str()].map(|text| cell(text.unwrap_or_default()));
        let labels = [ACCOUNT, PARTITION].map(|name| cell(label(job, name).unwrap_or_default()));
        let at = |name: &str| job[name].as_i64().map_or_else(String::new, |ns| moment(ns, "%Y-%m-%dT%H:%M:%SZ"));
        let seconds = job["duration_ns"].as_u64().unwrap_or(0) as f64 / 1e9;
        let known = |value: &Value| if value.is_null() { String::new() } else { value.to_string() };
        let mut cells = Vec::from(texts);
        cells.push(known(&job["uid"]));
        cells.extend(labels);
        cells.extend([at("began_wall_ns"), at("ended_wall_ns"), job["end_reason"].as_str().unwrap_or("").to_owned()]);
        cells.extend([seconds.to_string(), known(&job["steps"])]);
        for amount in [energy, grams] {
            cells.extend([amount.value, amount.value.map(|_| amount.low), amount.value.and(amount.high)].map(number));
        }
        cells.push(known(&job["grams_are_estimated"]));
        cells.join(",") + "\n"
    };
    format!("{COLUMNS}\n") + &jobs.iter().map(line).collect::<String>()
}

/// What the jobs of an account used in a month, without the jobs within them: each joule counts once. `None`: not known, because it is not
/// known of one of them.
#[derive(Debug, Clone, Copy)]
struct AccountSum {
    jobs: u64,
    joules: [Option<f64>; 3],
    grams: [Option<f64>; 3],
}

/// Returns one line per month and account, the oldest first. A job counts in the month in which it ended (UTC).
fn by_account(jobs: &[&Value]) -> String {
    let zero = AccountSum { jobs: 0, joules: [Some(0.0); 3], grams: [Some(0.0); 3] };
    let mut sums: BTreeMap<(String, &str), AccountSum> = BTreeMap::new();
    for job in jobs {
        let Some(ended_ns) = job["ended_wall_ns"].as_i64() else { continue };
        let key = (moment(ended_ns, "%Y-%m"), label(job, ACCOUNT).unwrap_or_default());
        let sum = sums.entry(key).or_insert(zero);
        sum.jobs += 1;
        let joules = ["energy_uj", "low_uj", "high_uj"].map(|name| job[name].as_f64().map(|uj| uj / 1e6));
        let grams = ["grams", "grams_low", "grams_high"].map(|name| job[name].as_f64());
        let grams = if grams[0].is_some() { grams } else { [None; 3] };
        for (sum, own) in sum.joules.iter_mut().chain(&mut sum.grams).zip(joules.into_iter().chain(grams)) {
            *sum = sum.zip(own).map(|(sum, own)| sum + own);
        }
    }
    let line = |((month, account), sum): (&(String, &str), &AccountSum)| {
        let amounts = sum.joules.into_iter().chain(sum.grams).map(number).collect::<Vec<_>>().join(",");
        format!("{month},{},{},{amounts}\n", cell(account), sum.jobs)
    };
    format!("{GROUP_COLUMNS}\n") + &sums.iter().map(line).collect::<String>()
}

/// Returns a number with at most six decimals, and nothing for one that is not known.
fn number(value: Option<f64>) -> String {
    let text = value.map(|value| format!("{value:.6}"));
    text.map_or_else(String::new, |text| text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// Returns a text as a cell of CSV (RFC 4180); one that a spreadsheet would calculate begins with an apostrophe, and control characters are shown.
fn cell(text: &str) -> String {
    let safe = eco2_report::clean::cell(text);
    if safe.contains([',', '"']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe.into_owned() }
}

fn moment(ns: i64, format: &str) -> String {
    let at = Timestamp::from_nanosecond(ns.into()).map(|at| at.to_zoned(TimeZone::UTC).strftime(format).to_string());
    at.unwrap_or_default()
}

fn row(job: &Value) -> [String; 8] {
    let text = |name: &str| job[name].as_str().unwrap_or("-").to_owned();
    [
        text("id"),
        text("name"),
        job["uid"].to_string(),
        job["began_wall_ns"].as_i64().map_or_else(|| "-".to_owned(), |ns| moment(ns, "%Y-%m-%d %H:%M")),
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
    use serde_json::json;

    use super::*;

    #[test]
    fn history_that_does_not_reach_back_to_the_time_is_a_warning() {
        let since: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let text = missing_before(since, "2026-11-03T04:05:06.123456789Z").unwrap();
        assert_eq!(text, "eco2: jobs that ended before 2026-11-03T04:05:06Z may be missing: older records are gone\n");
        for complete in ["2026-10-03T04:05:06Z", "2026-11-01T00:00:00Z", "no time"] {
            assert_eq!(missing_before(since, complete), None, "{complete}");
        }
    }

    fn ended(id: &str, account: Option<&str>, at: &str, joules: u64, grams: Option<f64>) -> Value {
        let ns = at.parse::<Timestamp>().unwrap().as_nanosecond() as i64;
        let labels = account.map_or(json!({}), |account| json!({"account": account, "partition": "gpu"}));
        json!({"id": id, "name": "a \"b\", c", "uid": 1000, "kind": "job", "labels": labels, "steps": 5, "duration_ns": 1_500_000_000u64,
            "began_wall_ns": ns - 1_500_000_000, "ended_wall_ns": ns, "end_reason": "request",
            "energy_uj": joules * 1_000_000, "low_uj": (joules - 1) * 1_000_000, "high_uj": (joules + 2) * 1_000_000,
            "total_uj": joules * 2_000_000, "total_low_uj": joules * 1_000_000, "total_high_uj": null,
            "grams": grams, "grams_low": grams.map_or(0.0, |grams| grams / 2.0), "grams_high": grams.map(|grams| grams * 2.0),
            "total_grams": grams, "total_grams_low": 0.25, "total_grams_high": null, "grams_are_estimated": false})
    }

    #[test]
    fn a_month_of_an_account_is_one_line_with_bounds() {
        let jobs = [
            ended("1", Some("nlp"), "2026-11-30T23:59:59Z", 10, Some(1.0)),
            ended("2", Some("nlp"), "2026-12-01T00:00:00Z", 20, Some(2.0)),
            ended("3", Some("nlp"), "2026-11-02T00:00:00Z", 30, Some(3.5)),
            ended("4", None, "2026-11-02T00:00:00Z", 5, None),
            json!({"id": "5", "ended_wall_ns": null, "labels": {"account": "nlp"}, "energy_uj": 9_000_000}),
        ];
        let text = by_account(&jobs.iter().collect::<Vec<_>>());
        let lines = [
            GROUP_COLUMNS,
            "2026-11,,1,5,4,7,,,",
            "2026-11,nlp,2,40,38,44,4.5,2.25,9",
            "2026-12,nlp,1,20,19,22,2,1,4",
            "",
        ];
        assert_eq!(text, lines.join("\n"));
    }

    #[test]
    fn a_line_of_csv_has_the_energy_with_the_jobs_within_it_and_no_upper_bound_is_empty() {
        let jobs = [ended("=1", Some("nlp"), "2026-12-01T00:00:00Z", 10, Some(1.0))];
        let text = by_job(&jobs.iter().collect::<Vec<_>>());
        let line = "'=1,\"a \"\"b\"\", c\",1000,nlp,gpu,2026-11-30T23:59:58Z,2026-12-01T00:00:00Z,request,1.5,5,20,10,,1,0.25,,false";
        assert_eq!(text, format!("{COLUMNS}\n{line}\n"));
        assert_eq!(COLUMNS.split(',').count(), 17);
    }

    #[test]
    fn user_is_a_number_or_a_name_that_the_system_knows() {
        assert_eq!(user_id("1234").unwrap(), 1234);
        assert_eq!(user_id("root").unwrap(), 0);
        assert!(user_id("no-such-user-here").unwrap_err().to_string().contains("--user"));
        assert!(user_id("--help").is_err());
    }

    #[test]
    fn budget_has_its_state_and_what_was_used_and_no_upper_bound_is_at_least() {
        let limits = json!([{"spent": 5.0, "high": 6.0, "limit": 10.0}, {"spent": 1.0, "high": 1.0, "limit": 4.0}]);
        assert_eq!(budget_text(&json!({"state": "within", "limits": limits})), "within, 50 %");
        let open = json!({"state": "may-exceed", "limits": [{"spent": 5.0, "high": null, "limit": 10.0}]});
        assert_eq!(budget_text(&open), "may exceed, at least 50 %");
        assert_eq!(budget_text(&Value::Null), "-");
    }
}
