//! Runs `eco2 report`, which prints runs that have ended or were killed, in one of the formats of `--format`.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum as _;
use eco2::Unrelated;
use eco2::options::{Layer, Options};
use eco2_core::schema::Report;
use eco2_report::{ListedRuns, MetricNames, Period, RunEnd, RunFilter};

use crate::args::{Format, PeriodLength, ReportArgs};
use crate::failure::UsageError;
use crate::{out, pdf, settings, sink};

/// Runs the command.
///
/// # Errors
/// If a run is not found or cannot be read, and for a format that does not support several runs or `--by`.
pub(crate) fn report(args: &ReportArgs) -> anyhow::Result<u8> {
    sink::check(args.output.as_deref())?;
    let mut layer = Layer::default();
    args.scope.copy_to(&mut layer)?;
    args.price.copy_to(&mut layer)?;
    args.supplements.copy_to(&mut layer)?;
    let options = settings::resolve(layer)?;
    let unrelated = if args.force { Unrelated::Summed } else { Unrelated::Refused };
    let mut read = if args.runs.is_empty() { stored_runs(&options, unrelated)? } else { Vec::new() };
    for run in &args.runs {
        match shared_summaries(run)? {
            Some(summaries) => read.extend(summaries.into_iter().map(|report| (run.clone(), report))),
            None => read.push((run.clone(), eco2::read_whole(run, &options, unrelated)?)),
        }
    }
    let mut reports = Vec::new();
    for (run, report) in read {
        let is_priced_again = args.price.is_given() || args.supplements.is_given();
        let hash = || eco2::record_hash(&run, &options);
        reports.push(if is_priced_again { eco2::reprice_of(report, hash(), &options)? } else { report });
    }
    if args.chosen() == Format::Pdf && args.by.is_none() && args.period.is_none() && !args.steady {
        let pdf = pdf::print(&eco2_report::html(single(&reports, Format::Pdf)?))?;
        sink::write_bytes(args.output.as_deref(), &pdf)?;
        return Ok(0);
    }
    if args.checklist && args.chosen() != Format::Methods {
        let fault = format!("--checklist belongs to --format methods; got {}", name(args.chosen()));
        return Err(UsageError(fault).into());
    }
    let text = match (&args.by, args.period) {
        _ if args.steady => steady(&reports, args.chosen())?,
        (_, None) if args.chosen() == Format::Methods => statement(&reports, args, &options)?,
        (label, None) if args.chosen() == Format::Esg => eco2_report::esg_csv(&reports, label.as_deref())?,
        (label, Some(period)) => by_period(&reports, label.as_deref(), period, args.chosen())?,
        (Some(label), None) => grouped(&reports, label, args.chosen())?,
        (None, None) => {
            let scoped = reports.iter().map(|report| eco2_report::in_scope(report, options.scope).into_owned());
            let reports = if eco2_report::has_one_energy(&name(args.chosen())) { scoped.collect() } else { reports };
            each(&reports, args.chosen())?
        }
    };
    match &args.output {
        Some(file) => sink::write(file, &text)?,
        None => out::data(&text)?,
    }
    Ok(0)
}

/// Returns the methods paragraph about the runs, with the checklist of compute resources if it was requested.
fn statement(reports: &[Report], args: &ReportArgs, options: &Options) -> anyhow::Result<String> {
    let scoped = |reports: &[Report]| -> Vec<Report> {
        reports.iter().map(|report| eco2_report::in_scope(report, options.scope).into_owned()).collect()
    };
    let (reports, by) = (scoped(reports), args.by.as_deref());
    let mut text = eco2_report::methods_of(&reports, by)?;
    if args.checklist {
        let project = label_of_all(&reports, "project");
        let stored: Vec<Report> =
            stored_runs(options, Unrelated::Refused)?.into_iter().map(|(_, report)| report).collect();
        let is_of_project = |report: &Report| project.is_none() || report.run.labels.get("project") == project;
        let mut all: Vec<Report> = scoped(&stored).into_iter().filter(is_of_project).collect();
        let is_stored = |report: &&Report| all.iter().any(|one| one.run.id == report.run.id);
        let elsewhere: Vec<Report> = reports.iter().filter(|report| !is_stored(report)).cloned().collect();
        let of_project = project.map_or_else(String::new, |project| format!(" with the label project={project}"));
        let more = match elsewhere.len() {
            0 => String::new(),
            count => format!(" and {count} of the paper from other files"),
        };
        let whose = format!("{} stored on this machine{of_project}{more}", all.len());
        all.extend(elsewhere);
        text.push('\n');
        text.push_str(&eco2_report::compute_checklist(&reports, by, &all, &whose));
    }
    Ok(text)
}

/// Returns the value of a label that all reports have; `None` if they have none or different ones.
fn label_of_all<'a>(reports: &'a [Report], name: &str) -> Option<&'a String> {
    let first = reports.first()?.run.labels.get(name)?;
    reports.iter().all(|report| report.run.labels.get(name) == Some(first)).then_some(first)
}

/// Returns the runs of a file of shared summaries; `None` for any other run.
fn shared_summaries(run: &OsString) -> anyhow::Result<Option<Vec<Report>>> {
    let path = Path::new(run);
    let may_be_one = path.extension().is_some_and(|suffix| suffix == "json") && path.is_file();
    Ok(if may_be_one { eco2_report::read_summaries(path)? } else { None })
}

/// Returns the stored runs that can be read, by their ids, and prints the number of the others.
fn stored_runs(options: &Options, unrelated: Unrelated) -> anyhow::Result<Vec<(OsString, Report)>> {
    let ListedRuns { list, notice } =
        eco2_report::list_runs(&eco2::runs::runs_folder(options)?, &RunFilter::default(), None);
    notice.iter().for_each(|notice| out::talk(&format!("eco2: {notice}\n")));
    let count = list.runs.len();
    let mut stored = Vec::new();
    for run in list.runs.into_iter().filter(|run| run.end != RunEnd::Unreadable) {
        let id = OsString::from(run.summary.run_id);
        match eco2::read_whole(&id, options, unrelated) {
            Ok(report) => stored.push((id, report)),
            // Damaged since it was listed.
            Err(eco2::Error::Read(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let unreadable = count - stored.len();
    if unreadable > 0 {
        let runs = if unreadable == 1 { "run cannot be read and is" } else { "runs cannot be read and are" };
        out::talk(&format!("eco2: {unreadable} stored {runs} not in the sums; `eco2 runs` lists all runs\n"));
    }
    Ok(stored)
}

/// Returns the sums of the runs by time, for `--period`.
fn by_period(reports: &[Report], label: Option<&str>, length: PeriodLength, format: Format) -> anyhow::Result<String> {
    let period = match length {
        PeriodLength::Hour => Period::Hour,
        PeriodLength::Day => Period::Day,
        PeriodLength::Week => Period::Week,
        PeriodLength::Month => Period::Month,
    };
    let sums = eco2_report::by_period(reports, label, period);
    Ok(match format {
        Format::Text => eco2_report::periods_text(&sums, period, label, &out::data_style()),
        Format::Json => eco2_report::periods_json(&sums, period, label)?,
        Format::Csv => eco2_report::periods_csv(&sums, period)?,
        _ => {
            let name = name(format);
            let fault = format!("--period supports only text, json and csv; got {name}: use --format csv");
            return Err(UsageError(fault).into());
        }
    })
}

/// Returns the settled parts of the runs, for `--steady`.
fn steady(reports: &[Report], format: Format) -> anyhow::Result<String> {
    match format {
        Format::Text => {
            let style = out::data_style();
            let texts = reports.iter().map(|report| eco2_report::steady_text(report, &style));
            Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
        }
        Format::Json => documents(reports, eco2_report::steady_json),
        _ => {
            let name = name(format);
            Err(UsageError(format!("--steady supports only text and json; got {name}: use --format json")).into())
        }
    }
}

/// Returns the sums of the runs by the value of a label, for `--by`.
fn grouped(reports: &[Report], label: &str, format: Format) -> anyhow::Result<String> {
    let groups = eco2_report::by_label(reports, label);
    Ok(match format {
        Format::Text => eco2_report::groups_text(&groups, label, &out::data_style()),
        Format::Json => eco2_report::groups_json(&groups, label)?,
        Format::Csv => eco2_report::groups_csv(&groups, label)?,
        _ => {
            let name = name(format);
            return Err(
                UsageError(format!("--by supports only text, json and csv; got {name}: use --format csv")).into()
            );
        }
    })
}

/// Returns the runs one by one, in a format of `--format`.
fn each(reports: &[Report], format: Format) -> anyhow::Result<String> {
    match format {
        Format::Text => {
            let style = out::data_style();
            let pages: Vec<String> = reports.iter().map(|report| eco2_report::text(report, &style)).collect();
            Ok(pages.join("\n"))
        }
        Format::Json => documents(reports, eco2_report::json),
        Format::HfJson => documents(reports, eco2_report::hf_json),
        Format::Sci => documents(reports, eco2_report::sci_json),
        Format::Boamps => documents(reports, eco2_report::boamps_json),
        Format::Cyclonedx => documents(reports, eco2_report::cyclonedx_json),
        Format::AiAct => documents(reports, eco2_report::ai_act_json),
        Format::Summary => documents(reports, eco2_report::summary_json),
        Format::Scope2 => tables(reports, eco2_report::scope2_csv),
        Format::Markdown => Ok(reports.iter().map(eco2_report::markdown).collect::<Vec<_>>().join("\n")),
        Format::Latex => Ok(reports.iter().map(eco2_report::latex).collect::<Vec<_>>().join("\n")),
        Format::Firefox => eco2_report::firefox_profile(single(reports, format)?).map_err(Into::into),
        // Its bytes are no text; they are printed before this is called.
        Format::Html | Format::Pdf => Ok(eco2_report::html(single(reports, format)?)),
        Format::Hf => eco2_report::model_card(single(reports, format)?).map_err(Into::into),
        Format::Esg => eco2_report::esg_csv(reports, None).map_err(Into::into),
        Format::Gpai => eco2_report::gpai(reports).map_err(Into::into),
        Format::Methods => eco2_report::methods_of(reports, None).map_err(Into::into),
        Format::Csv => tables(reports, eco2_report::csv),
        Format::SpansCsv => tables(reports, eco2_report::spans_csv),
        Format::Codecarbon => tables(reports, eco2_report::codecarbon_csv),
        Format::Openmetrics => Ok(eco2_report::openmetrics(single(reports, format)?, MetricNames::Eco2)),
        Format::OpenmetricsHf => Ok(eco2_report::openmetrics(single(reports, format)?, MetricNames::HfTraining)),
    }
}

/// Returns the format as `--format` names it.
fn name(format: Format) -> String {
    format.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Returns the report for a format that holds one run: a text about it, or metrics, of which a page describes each
/// once.
fn single(reports: &[Report], format: Format) -> Result<&Report, UsageError> {
    match reports {
        [report] => Ok(report),
        _ => {
            let (name, count) = (name(format), reports.len());
            Err(UsageError(format!("--format {name} takes one run; got {count}: name one, or merge them first")))
        }
    }
}

/// Returns one JSON document, or an array of several.
fn documents(
    reports: &[Report],
    document: fn(&Report) -> Result<String, eco2_report::Error>,
) -> anyhow::Result<String> {
    let documents = reports.iter().map(document).collect::<Result<Vec<_>, _>>()?;
    Ok(match documents.as_slice() {
        [single] => single.clone(),
        several => format!("[\n{}\n]\n", several.iter().map(|text| text.trim_end()).collect::<Vec<_>>().join(",\n")),
    })
}

/// Returns the tables of all runs under one header.
fn tables(reports: &[Report], table: fn(&Report) -> Result<String, eco2_report::Error>) -> anyhow::Result<String> {
    let mut all = String::new();
    let mut head = String::new();
    for report in reports {
        let text = table(report)?;
        let (header, rows) = text.split_once('\n').context("the table has no header")?;
        if head.is_empty() {
            head = header.to_owned();
            all = format!("{head}\n");
        } else if head != header {
            let id = &report.run.id;
            return Err(UsageError(format!(
                "run {id} has other devices, so its table has other columns: run eco2 report for it separately"
            ))
            .into());
        }
        all.push_str(rows);
    }
    Ok(all)
}
