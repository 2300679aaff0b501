//! Reads summaries that others shared (`eco2 report --format summary`) as reports, so that groups of runs can be summed and
//! compared without their logs: [`read_summaries`], [`read_summary_group`].
//!
//! A summary has no name, id, device or time of day. Its run gets an id from the content of the summary, so that the same summary
//! counts once, and the label `group` with the name of the file.

use std::path::Path;

use eco2_core::RangeKind;
use eco2_core::schema::{Carbon, CarbonSegment, Energy, Report, Run, State, Work};
use eco2_core::units::UJ_PER_KWH;
use eco2_grid::Sha256;
use serde::Deserialize;
use serde_json::Value;

use super::sum_of_runs;
use crate::Error;
use crate::store::files;
use crate::store::report_file::{MAX_REPORT_BYTES, without_mark};

/// Schema of the summaries that are read.
const SCHEMA: &str = "eco2.summary/1";
/// The label that names the group of a run.
pub(crate) const GROUP: &str = "group";
/// Digits of the hash in a run's id: a collision among a million summaries has a probability of 2 × 10⁻⁸.
const ID_DIGITS: usize = 16;

#[derive(Deserialize)]
struct Summary {
    tool: String,
    month: Option<String>,
    state: State,
    duration_s: f64,
    energy: SharedEnergy,
    carbon: Option<SharedCarbon>,
    work: SharedWork,
}

#[derive(Deserialize)]
struct SharedEnergy {
    kwh: Option<f64>,
    low_kwh: Option<f64>,
    high_kwh: Option<f64>,
    facility_kwh: Option<f64>,
    pue: f64,
    basis: String,
}

#[derive(Deserialize)]
struct SharedCarbon {
    grams: f64,
    low: f64,
    high: Option<f64>,
    country: Option<String>,
    g_per_kwh: Option<f64>,
    kinds: Vec<String>,
    sources: Vec<String>,
}

#[derive(Deserialize)]
struct SharedWork {
    steps: Option<u64>,
    samples: Option<u64>,
    tokens: Option<u64>,
}

/// Reads the runs of a file with one summary or an array of them; `None` for a file of another kind.
///
/// # Errors
/// [`Error::Io`], [`Error::TooLarge`], [`Error::Json`] for a summary that lacks a field, [`Error::Contradiction`] for values
/// outside their bounds.
pub fn read_summaries(path: &Path) -> Result<Option<Vec<Report>>, Error> {
    let bytes = files::read_regular(path, "summary", MAX_REPORT_BYTES)?;
    let Ok(document) = serde_json::from_slice::<Value>(without_mark(&bytes)) else { return Ok(None) };
    let list = match document {
        Value::Array(list) => list,
        single => vec![single],
    };
    let is_summary = |value: &Value| value.get("schema").and_then(Value::as_str) == Some(SCHEMA);
    if list.is_empty() || !list.iter().all(is_summary) {
        return Ok(None);
    }
    list.into_iter().enumerate().map(|(number, value)| read(value, number, path)).collect::<Result<_, _>>().map(Some)
}

/// Reads the runs of a file of summaries as one report, their sum; `None` for a file of another kind.
///
/// # Errors
/// As [`read_summaries`].
pub fn read_summary_group(path: &Path) -> Result<Option<Report>, Error> {
    let Some(runs) = read_summaries(path)? else { return Ok(None) };
    let name = group_name(path);
    Ok(sum_of_runs(&runs).map(|all| {
        let mut group = all.sum;
        // A comparison shows the name; equal groups are one run.
        group.run.id = if group.run.id.is_empty() { name.clone() } else { group.run.id };
        group.run.name = name;
        group
    }))
}

fn group_name(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read(value: Value, number: usize, path: &Path) -> Result<Report, Error> {
    let digest = Sha256::of(value.to_string().as_bytes()).to_string();
    let summary: Summary = serde_json::from_value(value).map_err(|cause| Error::json(path, &cause))?;
    let wrong = |field: &str, found: String| Error::Contradiction {
        path: path.to_owned(),
        field: format!("[{number}].{field}"),
        found,
    };
    let energy = energy_of(&summary.energy).map_err(|found| wrong("energy", found))?;
    let carbon =
        summary.carbon.map(|carbon| carbon_of(carbon, &energy)).transpose().map_err(|found| wrong("carbon", found))?;
    if !summary.duration_s.is_finite() || summary.duration_s < 0.0 {
        return Err(wrong("duration_s", "is no duration".to_owned()));
    }
    let id = format!("summary-{}", digest.get(..ID_DIGITS).unwrap_or(&digest));
    let started_at = summary.month.map_or_else(String::new, |month| format!("{month}-01T00:00:00Z"));
    let mut run = Run {
        part: id.clone(),
        name: group_name(path),
        labels: [(GROUP.to_owned(), group_name(path))].into(),
        ended_at: started_at.clone(),
        started_at,
        duration_ns: (summary.duration_s * 1e9) as u64,
        state: summary.state,
        ..Run::default()
    };
    // Another machine each: nothing is known of the counters that two summaries share.
    run.host.boot_id.clone_from(&id);
    run.id = id;
    run.tool.version = summary.tool.trim_start_matches("eco2 ").to_owned();
    let SharedWork { steps, samples, tokens } = summary.work;
    Ok(Report { energy, carbon, work: Work { steps, samples, tokens, ..Work::default() }, ..Report::empty(run) })
}

/// Whether amounts are finite, at least 0 and in this order.
fn are_in_order(amounts: &[Option<f64>]) -> bool {
    let known: Vec<f64> = amounts.iter().flatten().copied().collect();
    // A billionth: what rounding may be off.
    known.iter().all(|one| one.is_finite() && *one >= 0.0)
        && known.windows(2).all(|pair| pair[0] <= pair[1] * (1.0 + 1e-9))
}

fn energy_of(shared: &SharedEnergy) -> Result<Energy, String> {
    let uj = |kwh: f64| (kwh * UJ_PER_KWH).round() as u64;
    if !are_in_order(&[shared.low_kwh, shared.kwh, shared.high_kwh]) || !are_in_order(&[shared.facility_kwh]) {
        return Err("is outside its bounds".to_owned());
    }
    if !shared.pue.is_finite() || shared.pue < 1.0 {
        return Err(format!("has a PUE of {}, which is below 1", shared.pue));
    }
    let total = shared.kwh.map(uj).unwrap_or(0);
    // What part of a partly estimated energy was measured is not shared: all of it counts as estimated.
    let (measured_uj, estimated_uj, synthetic_uj) = match shared.basis.as_str() {
        "measured" => (total, 0, 0),
        "synthetic" => (0, 0, total),
        _ => (0, total, 0),
    };
    let low_uj = shared.low_kwh.map_or(0, uj);
    Ok(Energy {
        total_uj: shared.kwh.map(uj),
        low_uj: low_uj.min(shared.kwh.map_or(low_uj, uj)),
        high_uj: shared.high_kwh.map(uj).map(|high| high.max(total)),
        range_kind: shared.kwh.map(|_| RangeKind::Plausible),
        range_percent: shared.kwh.map(|_| 90.0),
        measured_uj,
        estimated_uj,
        synthetic_uj,
        facility_uj: shared.facility_kwh.map(uj),
        pue: shared.pue,
        ..Energy::default()
    })
}

fn carbon_of(shared: SharedCarbon, energy: &Energy) -> Result<Carbon, String> {
    if !are_in_order(&[Some(shared.low), Some(shared.grams), shared.high]) {
        return Err("is outside its bounds".to_owned());
    }
    let kinds = shared.kinds.join(", ");
    let segment = CarbonSegment {
        from: String::new(),
        to: String::new(),
        energy_uj: energy.facility_uj.unwrap_or(0),
        g_per_kwh: shared.g_per_kwh.filter(|g| g.is_finite()).unwrap_or(0.0),
        kind: Some(kinds).filter(|kinds| !kinds.is_empty()),
        source: shared.sources.join("; "),
        year: None,
        estimated: false,
        table_sha256: None,
        answer_sha256: None,
    };
    Ok(Carbon {
        grams: Some(shared.grams),
        low: shared.low,
        high: shared.high,
        range_kind: Some(RangeKind::Plausible),
        range_percent: Some(90.0),
        zone: shared.country.unwrap_or_default(),
        zone_source: "given".to_owned(),
        segments: vec![segment],
        ..Carbon::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::compare;
    use crate::render::{by_label, summary_json};

    /// A summary of one run of a given energy, with 100 samples.
    fn shared(kwh: f64) -> Value {
        serde_json::json!({
            "schema": "eco2.summary/1", "tool": "eco2 0.1.0", "month": "2026-01", "state": "final", "duration_s": 3600.0,
            "machines": 1, "hardware": [], "sensors": ["nvml"],
            "energy": {"kwh": kwh, "low_kwh": kwh * 0.9, "high_kwh": kwh * 1.1, "facility_kwh": kwh, "pue": 1.0, "scope": "machine",
                "basis": "measured"},
            "carbon": {"grams": kwh * 56.0, "low": kwh * 50.0, "high": null, "country": "FR", "g_per_kwh": 56.0,
                "kinds": ["lifecycle"], "sources": ["Ember"], "embodied_grams": null},
            "carbon_withheld": null, "work": {"steps": 10, "samples": 100, "tokens": null},
        })
    }

    fn file(folder: &Path, name: &str, value: &Value) -> std::path::PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path
    }

    #[test]
    fn groups_of_summaries_are_summed_and_compared_by_hand() {
        let dir = tempfile::tempdir().unwrap();
        let one = file(dir.path(), "vision.json", &serde_json::json!([shared(1.0), shared(2.0)]));
        let other = file(dir.path(), "speech.json", &shared(2.0));
        let runs = [read_summaries(&one).unwrap().unwrap(), read_summaries(&other).unwrap().unwrap()].concat();
        let groups = by_label(&runs, "group");
        let found: Vec<_> =
            groups.iter().map(|group| (group.label.as_str(), group.runs.len(), group.energy_uj, group.grams)).collect();
        // The run of 2 kWh is in both files, and is one run: its first file has it.
        assert_eq!(found, [("vision", 2, Some(10_800_000_000_000), Some(168.0))]);
        let pair = [&one, &other].map(|path| read_summary_group(path).unwrap().unwrap());
        assert_eq!((pair[0].energy.total_uj, pair[0].work.samples), (Some(10_800_000_000_000), Some(200)));
        let compared = compare(&pair, None, &[]);
        // 3 kWh for 200 samples, 2 kWh for 100.
        let each: Vec<_> =
            compared.runs.iter().map(|run| (run.name.as_str(), run.energy_kwh.map(|kwh| kwh.value))).collect();
        assert_eq!(each, [("vision", Some(0.015)), ("speech", Some(0.02))]);
    }

    #[test]
    fn a_summary_that_eco2_wrote_reads_back_and_other_files_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), "a.json", &shared(1.0));
        let read = read_summaries(&path).unwrap().unwrap();
        let again: Value = serde_json::from_str(&summary_json(&read[0]).unwrap()).unwrap();
        assert_eq!(
            (&again["energy"], &again["work"], &again["month"]),
            (&shared(1.0)["energy"], &shared(1.0)["work"], &shared(1.0)["month"])
        );
        for text in ["[]", "{}", "[1]", "no", r#"{"schema": "eco2.report/1"}"#] {
            std::fs::write(&path, text).unwrap();
            assert!(read_summaries(&path).unwrap().is_none(), "{text}");
        }
        let mut low = shared(1.0);
        low["energy"]["low_kwh"] = 2.0.into();
        let error = read_summaries(&file(dir.path(), "low.json", &low)).unwrap_err();
        assert!(matches!(error, Error::Contradiction { .. }), "{error}");
        let mut bare = shared(1.0);
        bare.as_object_mut().unwrap().remove("work");
        assert!(matches!(read_summaries(&file(dir.path(), "bare.json", &bare)), Err(Error::Json { .. })));
        assert!(read_summaries(&dir.path().join("none")).is_err());
    }
}
