//! Runs `eco2 report`, which prints runs that have ended or were killed, in one of the formats of `--format`.

use std::ffi::OsString;

use anyhow::Context as _;
use clap::ValueEnum as _;
use eco2::Unrelated;
use eco2::options::Layer;
use eco2_core::schema::Report;
use eco2_report::MetricNames;

use crate::args::{Format, ReportArgs};
use crate::failure::UsageError;
use crate::{out, pdf, settings, sink};

/// Runs the command.
///
/// # Errors
/// If a run is not found or cannot be read, and for a format that does not support several runs or `--by`.
pub(crate) fn report(args: &ReportArgs) -> anyhow::Result<u8> {
    sink::check(args.output.as_deref())?;
    let mut layer = Layer::default();
    args.price.copy_to(&mut layer)?;
    args.supplements.copy_to(&mut layer)?;
    let options = settings::resolve(layer)?;
    let unrelated = if args.force { Unrelated::Summed } else { Unrelated::Refused };
    let read = |run: &OsString| eco2::read_whole(run, &options, unrelated);
    let mut reports = args.runs.iter().map(|run| Ok(read(run)?)).collect::<anyhow::Result<Vec<Report>>>()?;
    if args.price.is_given() || args.supplements.is_given() {
        let again =
            |(report, run): (Report, &OsString)| eco2::reprice_of(report, eco2::record_hash(run, &options), &options);
        reports = reports.into_iter().zip(&args.runs).map(again).collect::<Result<_, _>>()?;
    }
    if args.chosen() == Format::Pdf && args.by.is_none() {
        let pdf = pdf::print(&eco2_report::html(single(&reports, Format::Pdf)?))?;
        sink::write_bytes(args.output.as_deref(), &pdf)?;
        return Ok(0);
    }
    let text = match &args.by {
        Some(label) => grouped(&reports, label, args.chosen())?,
        None => each(&reports, args.chosen())?,
    };
    match &args.output {
        Some(file) => sink::write(file, &text)?,
        None => out::data(&text)?,
    }
    Ok(0)
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
        Format::AiAct => documents(reports, eco2_report::ai_act_json),
        Format::Summary => documents(reports, eco2_report::summary_json),
        Format::Scope2 => tables(reports, eco2_report::scope2_csv),
        // Its bytes are no text; they are printed before this is called.
        Format::Html | Format::Pdf => Ok(eco2_report::html(single(reports, format)?)),
        Format::Hf => eco2_report::model_card(single(reports, format)?).map_err(Into::into),
        Format::Methods => eco2_report::methods(single(reports, format)?).map_err(Into::into),
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
