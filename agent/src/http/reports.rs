//! Answers to requests for stored runs: reports, projects, sums over time, and suggestions, as `eco2 runs`, `eco2 report` and
//! `eco2 optimize` print them. A *project* is the value of the label `project`.

use std::collections::BTreeMap;

use eco2_core::schema::Report;
use eco2_grid::{EnergyProfile, Pue};
use eco2_report::advice::{AdviceInputs, advise};
use eco2_report::{MetricNames, Period, RunFilter, RunTotals, StoredRun};
use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, HeaderName};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::archive::Runs;
use super::query::Query;
use super::reply::Reply;
use super::service::{Ask, Service};

/// Name of the label that is a run's project.
const PROJECT: &str = "project";
/// Runs of a list, unless `limit` is given, and at most.
const LISTED: usize = 100;
const MOST_LISTED: usize = 1_000;
/// Runs whose reports are read for one answer, at most.
const MOST_READ: usize = 500;
/// Runs of which the projects are summed: the newest.
const MOST_SUMMED: usize = 10_000;
/// Days of a sum at most, a hundred years.
const MOST_DAYS: usize = 36_525;
/// Header with the number of runs that match and cannot be read: they are in no sum.
const LEFT_OUT: &str = "eco2-left-out";
const JSON: &str = "application/json";
const CSV: &str = "text/csv; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

type Render = fn(&Report) -> Result<String, eco2_report::Error>;

/// The formats of a report: name as in `eco2 report --format`, media type, and what writes it.
const FORMATS: &[(&str, &str, Render)] = &[
    ("json", JSON, eco2_report::json),
    ("csv", CSV, eco2_report::csv),
    ("text", TEXT, |report| Ok(eco2_report::text(report, &eco2_report::TextStyle::default()))),
    ("markdown", "text/markdown; charset=utf-8", |report| Ok(eco2_report::markdown(report))),
    ("html", "text/html; charset=utf-8", |report| Ok(eco2_report::html(report))),
    ("spans-csv", CSV, eco2_report::spans_csv),
    ("codecarbon", CSV, eco2_report::codecarbon_csv),
    ("hf-json", JSON, eco2_report::hf_json),
    ("summary", JSON, eco2_report::summary_json),
    ("firefox", JSON, eco2_report::firefox_profile),
    ("openmetrics", TEXT, |report| Ok(eco2_report::openmetrics(report, MetricNames::Eco2))),
    ("openmetrics-hf", TEXT, |report| Ok(eco2_report::openmetrics(report, MetricNames::HfTraining))),
];

/// `GET /api/v1/reports`: the newest runs and the sums over all that match.
pub(super) fn reports(service: &Service, ask: &Ask<'_>) -> Reply {
    let names = ["project", "project_name", "name", "since", "until", "days", "limit", "format"];
    answer(Query::read(ask.query, &names).and_then(|query| {
        let project = query.get("project").or(query.get("project_name")).map(str::to_owned);
        Ok(list(service, ask, filter(&query, project)?, &query, false))
    }))
}

/// `GET /api/v1/projects/{id}` and its export: the newest runs of a project and the sums over all of them.
pub(super) fn project(service: &Service, ask: &Ask<'_>) -> Reply {
    answer(
        Query::read(ask.query, &["since", "until", "days", "limit", "format"])
            .and_then(|query| Ok(list(service, ask, filter(&query, Some(ask.id.to_owned()))?, &query, true))),
    )
}

/// Returns a list of runs. `must_exist`: an empty list is an error.
fn list(service: &Service, ask: &Ask<'_>, filter: RunFilter, query: &Query, must_exist: bool) -> Reply {
    let limit = query.count("limit", LISTED, MOST_LISTED);
    let format = query.word("format", &["json", "csv"]);
    let (limit, format) = match (limit, format) {
        (Ok(limit), Ok(format)) => (limit, format),
        (Err(fault), _) | (_, Err(fault)) => return fault,
    };
    service.stored(ask, move |runs| {
        let mut list = runs.list(&filter, limit);
        if must_exist && list.totals.runs == 0 {
            return Reply::error(StatusCode::NOT_FOUND, "no run has this project; /api/v1/projects lists all");
        }
        // The records' names repeat the ids; their folders are no concern of a client.
        list.runs.iter_mut().for_each(|run| run.records.clear());
        match format {
            "csv" => document(CSV, eco2_report::runs_csv(&list)),
            _ => document(JSON, eco2_report::runs_json(&list, None)),
        }
    })
}

/// `GET /api/v1/reports/{id}`: one run, in a format of `eco2 report`.
pub(super) fn report(service: &Service, ask: &Ask<'_>) -> Reply {
    let names: Vec<&str> = FORMATS.iter().map(|(name, ..)| *name).collect();
    let format = Query::read(ask.query, &["format"]).and_then(|query| query.word("format", &names));
    let id = ask.id.to_owned();
    answer(format.map(|format| {
        service.stored(ask, move |runs| {
            let found = runs.report(&id).map(|report| rendered(&report, format, runs));
            answer(found)
        })
    }))
}

fn rendered(report: &Report, format: &str, runs: &Runs) -> Reply {
    let Some((name, media_type, render)) = FORMATS.iter().find(|(name, ..)| *name == format) else {
        return Reply::error(StatusCode::BAD_REQUEST, "no such format");
    };
    let scope = if eco2_report::has_one_energy(name) { runs.options.scope } else { eco2_report::Scope::Machine };
    let reply = document(media_type, render(&eco2_report::in_scope(report, scope)));
    // A page with its own script is a file to keep, and no page of this server.
    if *name == "html" { reply.with(CONTENT_DISPOSITION, "attachment; filename=\"report.html\"") } else { reply }
}

/// `GET /api/v1/reports/{id}/advice`: the suggestions of `eco2 optimize`.
pub(super) fn advice(service: &Service, ask: &Ask<'_>) -> Reply {
    let id = ask.id.to_owned();
    answer(Query::read(ask.query, &[]).map(|_| service.stored(ask, move |runs| suggestions(&id, runs))))
}

/// `GET /api/v1/projects/{id}/advice`: suggestions for the newest run of a project.
pub(super) fn project_advice(service: &Service, ask: &Ask<'_>) -> Reply {
    let filter = of_project(ask.id.to_owned());
    answer(Query::read(ask.query, &[]).map(|_| {
        service.stored(ask, move |runs| match runs.list(&filter, 1).runs.first() {
            Some(newest) => suggestions(&newest.summary.run_id, runs),
            None => Reply::error(StatusCode::NOT_FOUND, "no run has this project; /api/v1/projects lists all"),
        })
    }))
}

fn suggestions(id: &str, runs: &Runs) -> Reply {
    let report = match runs.report(id) {
        Ok(report) => report,
        Err(fault) => return fault,
    };
    let (curve, calibration) = (report.curve(), eco2::calibration_of(&report, &runs.options));
    let pue = Pue::new(report.energy.pue.max(1.0)).ok();
    let profile = pue.map(|pue| EnergyProfile { lasted_ns: report.run.duration_ns, energy: &curve, pue });
    let inputs =
        AdviceInputs { run: id, course: profile, calibration: calibration.as_ref(), ..AdviceInputs::default() };
    Reply::text(JSON, advise(&report, &inputs).json())
}

/// A project and the sums over its runs.
#[derive(Debug, Serialize)]
struct Project {
    /// The value of the label; `None`: runs without it.
    project: Option<String>,
    /// Start of the first and of the last run, RFC 3339 UTC.
    first_at: String,
    last_at: String,
    totals: RunTotals,
}

/// `GET /api/v1/projects`: the projects of the newest runs, by the number of runs.
pub(super) fn projects(service: &Service, ask: &Ask<'_>) -> Reply {
    answer(Query::read(ask.query, &["since", "until", "days"]).and_then(|query| {
        let filter = filter(&query, None)?;
        Ok(service.stored(ask, move |runs| {
            let list = runs.list(&filter, MOST_SUMMED);
            let left_out = list.totals.runs - list.runs.len() as u64;
            let mut by_project: BTreeMap<Option<String>, Vec<StoredRun>> = BTreeMap::new();
            for run in list.runs {
                by_project.entry(run.summary.labels.get(PROJECT).cloned()).or_default().push(run);
            }
            let at = |run: Option<&StoredRun>| run.map(|run| run.summary.started_at.clone()).unwrap_or_default();
            let project = |(project, runs): (Option<String>, Vec<StoredRun>)| Project {
                project,
                first_at: at(runs.last()),
                last_at: at(runs.first()),
                totals: RunTotals::of(&runs),
            };
            let mut projects: Vec<Project> = by_project.into_iter().map(project).collect();
            projects.sort_by_key(|project| std::cmp::Reverse(project.totals.runs));
            Reply::json(&serde_json::json!({
                "schema": "eco2.projects/1", "projects": projects, "left_out_runs": left_out,
            }))
        }))
    }))
}

/// `GET /api/v1/analytics`: sums by project and period, as `eco2 report --by project --period day`.
pub(super) fn analytics(service: &Service, ask: &Ask<'_>) -> Reply {
    let names = ["project", "project_name", "since", "until", "days", "interval", "by", "format"];
    answer(Query::read(ask.query, &names).and_then(|query| {
        let project = query.get("project").or(query.get("project_name")).map(str::to_owned);
        let filter = filter(&query, project)?;
        let period = match query.word("interval", &["day", "hour", "week", "month"])? {
            "hour" => Period::Hour,
            "week" => Period::Week,
            "month" => Period::Month,
            _ => Period::Day,
        };
        let label = query.get("by").unwrap_or(PROJECT).to_owned();
        let format = query.word("format", &["json", "csv"])?;
        Ok(service.stored(ask, move |runs| {
            let list = runs.list(&filter, MOST_READ);
            if list.totals.runs > MOST_READ as u64 {
                let text = format!(
                    "{} runs match, and at most {MOST_READ} are read for one answer: narrow since and until",
                    list.totals.runs
                );
                return Reply::error(StatusCode::BAD_REQUEST, &text);
            }
            let reports = list.runs.iter().filter_map(|run| runs.report(&run.summary.run_id).ok());
            let reports: Vec<Report> = reports.collect();
            let sums = eco2_report::by_period(&reports, Some(&label), period);
            let reply = match format {
                "csv" => document(CSV, eco2_report::periods_csv(&sums, period)),
                _ => document(JSON, eco2_report::periods_json(&sums, period, Some(&label))),
            };
            reply.with(HeaderName::from_static(LEFT_OUT), (list.runs.len() - reports.len()).to_string())
        }))
    }))
}

fn of_project(project: String) -> RunFilter {
    RunFilter { labels: vec![(PROJECT.to_owned(), project)], ..RunFilter::default() }
}

/// Returns the filter of a query: `name`, and `since` and `until`, or `days`.
fn filter(query: &Query, project: Option<String>) -> Result<RunFilter, Reply> {
    let now = Timestamp::now();
    let days = query.get("days").map(|_| query.count("days", 1, MOST_DAYS)).transpose()?;
    let since = days.and_then(|days| now.checked_sub(SignedDuration::from_hours(24 * days as i64)).ok());
    Ok(RunFilter {
        name: query.get("name").map(str::to_owned),
        since_ms: query.moment_ms("since", now)?.or(since.map(Timestamp::as_millisecond)),
        until_ms: query.moment_ms("until", now)?,
        ..project.map(of_project).unwrap_or_default()
    })
}

fn document(media_type: &'static str, text: Result<String, eco2_report::Error>) -> Reply {
    text.map_or_else(
        |error| Reply::error(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
        |text| Reply::text(media_type, text),
    )
}

fn answer(reply: Result<Reply, Reply>) -> Reply {
    reply.unwrap_or_else(|fault| fault)
}

#[cfg(test)]
#[path = "reports_tests.rs"]
pub(super) mod tests;
