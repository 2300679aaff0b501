//! `eco2 verify` as its users meet it: what it reports of a log that was edited, cut, reordered or replaced, and its exit codes.
//!
//! The edits are those of a program that can write the file: checksums are always right, and in [`edited_and_chained`] all hashes are.

mod edits;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::rig::{Ran, Rig, ran};
use edits::{edited_and_chained, frames, kind, rewrite};

/// A change of a report.
type Edit = fn(&mut Value);

/// A machine with a package and its memory, one run of it, and the log.
fn measured_run() -> (Rig, PathBuf) {
    let mut rig = Rig::measured();
    rig.zone("intel-rapl:0:0", "dram");
    let run = rig.run("--quiet --zone DE --json report.json", "sleep 0.3");
    assert_eq!(run.code, Some(0), "{run:?}");
    let log = rig.logs().remove(0);
    (rig, log)
}

fn verify(rig: &Rig, words: &str, path: &Path) -> Ran {
    ran(rig.command(&format!("verify {words}").trim_end().replace("  ", " ")).arg(path))
}

/// Fields and texts of all findings.
fn findings(rig: &Rig, path: &Path) -> Vec<String> {
    let ran = verify(rig, "--json", path);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    let found = document["findings"].as_array().unwrap();
    assert_eq!((ran.code, document["verdict"] == "sound"), (Some(i32::from(!found.is_empty())), found.is_empty()));
    found.iter().map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn d34_energy_of_a_sound_log_is_computed_again_to_the_microjoule() {
    let (rig, log) = measured_run();
    let text = rig.eco2("verify last");
    assert_eq!(text.code, Some(0), "{text:?}");
    assert!(text.out.contains("eco2log: sound") && text.out.contains("closed   yes"), "{}", text.out);
    assert!(
        text.out.contains("energy of 2 devices exact by their counts at both ends, 2 of these confirmed by"),
        "{}",
        text.out
    );
    let document: Value = serde_json::from_str(&verify(&rig, "--json --require-closed", &log).out).unwrap();
    let record = &document["records"][0];
    assert_eq!(document["schema"], "eco2.verify/1");
    assert_eq!(
        json!([
            record["verdict"],
            record["closed"],
            record["chained"],
            record["counts_at_ends"],
            record["devices_exact"]
        ]),
        json!(["sound", true, true, true, 2])
    );
    assert_eq!((&record["devices_in_range"], &record["devices_not_confirmed"]), (&json!(2), &json!([])));
    assert_eq!(rig.eco2("verify report.json").code, Some(0));
}

#[test]
fn d34_integrated_power_and_a_log_without_counts_are_checked_by_what_is_there() {
    let rig = Rig::measured();
    let library = rig.nvml("[gpu 0]\npower=200\n");
    assert_eq!(rig.run(&format!("--quiet --nvml {library}"), "sleep 0.5").code, Some(0));
    let log = rig.logs().remove(0);
    let record = |log: &Path| {
        let document: Value = serde_json::from_str(&verify(&rig, "--json", log).out).unwrap();
        document["records"][0].clone()
    };
    let found = record(&log);
    assert_eq!((&found["verdict"], &found["devices_exact"]), (&json!("sound"), &json!(3)), "{found}");
    edits::without_counts(&log);
    let found = record(&log);
    assert_eq!((&found["verdict"], &found["counts_at_ends"]), (&json!("sound"), &json!(false)), "{found}");
    let text = rig.eco2("verify last").out;
    assert!(text.contains("note     this log has no counts at both ends of the run"), "{text}");
}

#[test]
fn d34_energy_that_was_edited_everywhere_with_all_hashes_right_is_found_by_the_counts() {
    let (rig, log) = measured_run();
    // 3 uJ more: well within the range of the kept readings.
    edited_and_chained(&log, |report| {
        let more = |value: &mut Value| *value = json!(value.as_u64().unwrap() + 3);
        let device = &mut report["devices"][0];
        ["energy_uj", "high_uj", "free_high_uj"].iter().for_each(|field| more(&mut device[*field]));
        let energy = &mut report["energy"];
        ["total_uj", "high_uj", "free_high_uj", "measured_uj", "facility_uj"]
            .iter()
            .for_each(|field| more(&mut energy[*field]));
        more(&mut report["carbon"]["segments"][0]["energy_uj"]);
        report["curves"] = json!([]);
    });
    let found = findings(&rig, &log);
    assert!(found.iter().any(|text| text.starts_with("devices[0].energy_uj of ")), "{found:?}");
}

#[test]
fn d34_device_that_is_hidden_from_the_sums_or_left_out_is_found() {
    let (rig, log) = measured_run();
    let first = fs::read(&log).unwrap();
    let without = |report: &mut Value| {
        let hidden = report["devices"][1].clone();
        let less = |value: &mut Value, by: &Value| *value = json!(value.as_u64().unwrap() - by.as_u64().unwrap());
        let energy = &mut report["energy"];
        for field in ["low_uj", "high_uj", "free_low_uj", "free_high_uj"] {
            less(&mut energy[field], &hidden[field]);
        }
        for field in ["total_uj", "measured_uj", "facility_uj"] {
            less(&mut energy[field], &hidden["energy_uj"]);
        }
        report["carbon"]["segments"][0]["energy_uj"] = report["energy"]["facility_uj"].clone();
        report["curves"] = json!([]);
    };
    edited_and_chained(&log, |report| {
        without(report);
        report["devices"][1]["overlaps"] = json!(["package-0"]);
    });
    let found = findings(&rig, &log);
    assert!(found.iter().any(|text| text.contains("devices[1].overlaps of ")), "{found:?}");
    fs::write(&log, first).unwrap();
    edited_and_chained(&log, |report| {
        without(report);
        report["devices"].as_array_mut().unwrap().pop();
    });
    let found = findings(&rig, &log);
    assert!(found.iter().any(|text| text.starts_with("devices: ") && text.contains("not in the report")), "{found:?}");
}

#[test]
fn d34_figures_that_were_edited_in_a_report_are_found() {
    let (rig, _) = measured_run();
    let report: Value = serde_json::from_str(&fs::read_to_string(rig.path("report.json")).unwrap()).unwrap();
    let edits: [(&str, Edit); 7] = [
        ("energy.measured_uj", |report| {
            report["energy"]["estimated_uj"] = report["energy"]["measured_uj"].clone();
            report["energy"]["measured_uj"] = json!(0);
        }),
        ("energy.total_uj", |report| report["energy"]["total_uj"] = report["energy"]["high_uj"].clone()),
        ("run.duration_ns", |report| report["run"]["duration_ns"] = json!(10_000_000_000_u64)),
        ("carbon.low", |report| report["carbon"]["low"] = report["carbon"]["grams"].clone()),
        ("carbon.high", |report| report["carbon"]["high"] = report["carbon"]["grams"].clone()),
        ("carbon.segments", |report| report["carbon"]["segments"] = json!([])),
        ("carbon.grams", |report| report["carbon"]["grams"] = report["carbon"]["high"].clone()),
    ];
    for (field, edit) in edits {
        let mut report = report.clone();
        edit(&mut report);
        let path = rig.put("edited.json", &report.to_string());
        let found = findings(&rig, &path);
        assert!(found.iter().any(|text| text.starts_with(field)), "{field}: {found:?}");
    }
}

#[test]
fn d34_deleted_reordered_and_damaged_frames_are_found_with_their_place() {
    let (rig, log) = measured_run();
    let clean = frames(&fs::read(&log).unwrap());
    let mut deleted = clean.clone();
    deleted.remove(2);
    let mut moved = clean.clone();
    moved.swap(2, 3);
    let mut damaged = clean.clone();
    *damaged[2].last_mut().unwrap() ^= 1;
    for (what, edited) in [("deleted", deleted), ("moved", moved), ("damaged", damaged)] {
        fs::write(&log, edited.concat()).unwrap();
        let text = rig.eco2("verify last");
        assert_eq!(text.code, Some(1), "{what}: {text:?}");
        assert!(
            text.out.contains("eco2log: broken") && text.out.contains("! frame 3 at byte "),
            "{what}: {}",
            text.out
        );
    }
}

#[test]
fn d34_cut_log_is_not_closed_and_fails_only_where_that_is_required() {
    let (rig, log) = measured_run();
    let clean = fs::read(&log).unwrap();
    fs::write(&log, &clean[..clean.len() - 10]).unwrap();
    let cut = rig.eco2("verify last");
    assert!(cut.code == Some(0) && cut.out.contains("not closed: the last frame is cut off"), "{cut:?}");
    assert_eq!(rig.eco2("verify --require-closed last").code, Some(1));
    let killed = Rig::measured();
    killed.run("--quiet", "sleep 0.3; kill -9 $PPID");
    let open = killed.eco2("verify last");
    assert!(open.code == Some(0) && open.out.contains("not closed: the run was killed"), "{open:?}");
    assert_eq!(killed.eco2("verify --require-closed last").code, Some(1));
}

#[test]
fn d34_log_of_another_run_under_this_name_is_found_also_with_its_seal() {
    let (rig, log) = measured_run();
    assert_eq!(rig.run("--quiet", "true").code, Some(0));
    let other = rig.logs().into_iter().find(|path| *path != log).unwrap();
    let public = rig.eco2("verify --keygen lab.key").out.trim().to_owned();
    for sealed in [&log, &other] {
        assert_eq!(verify(&rig, "--seal --key lab.key", sealed).code, Some(0));
    }
    let seal = |log: &Path| PathBuf::from(format!("{}.seal", log.display()));
    fs::copy(&other, &log).unwrap();
    let replaced = verify(&rig, &format!("--public-key {public}"), &log);
    assert!(
        replaced.code == Some(1) && replaced.out.contains(": sealed as `run "),
        "the seal of another run: {replaced:?}"
    );
    fs::copy(seal(&other), seal(&log)).unwrap();
    let replayed = verify(&rig, &format!("--public-key {public}"), &log);
    assert!(replayed.code == Some(1) && replayed.out.contains("has the name of another run"), "{replayed:?}");
    let id = log.file_stem().unwrap().to_str().unwrap().to_owned();
    assert_eq!(rig.eco2(&format!("verify {id}")).code, Some(1), "asked by the id");
    fs::copy(&log, rig.path("any-other-name.eco2log")).unwrap();
    assert_eq!(rig.eco2("verify any-other-name.eco2log").code, Some(0), "a copy may have another name");
    // The file `log` is now that of the other run.
    let other_id = other.file_stem().unwrap().to_str().unwrap();
    for (name, code) in [
        (format!("{other_id}-copy"), 0),
        (format!("{other_id}.1"), 0),
        (format!("{other_id}-copy-of-{id}"), 0),
        (format!("{other_id}0"), 1),
        (format!("{other_id}-r1"), 1),
        (format!("{id}-copy"), 1),
    ] {
        let file = format!("{name}.eco2log");
        fs::copy(&other, rig.path(&file)).unwrap();
        assert_eq!(rig.eco2(&format!("verify {file}")).code, Some(code), "{file}");
    }
}

#[test]
fn d34_seal_shows_a_change_with_all_hashes_right_and_another_key() {
    let (rig, log) = measured_run();
    let public = |file: &str| rig.eco2(&format!("verify --keygen {file}")).out.trim().to_owned();
    let (mine, other) = (public("mine.key"), public("other.key"));
    assert_eq!(rig.eco2("verify --seal last --key mine.key").code, Some(0));
    assert_eq!(rig.eco2(&format!("verify --public-key {mine} last")).code, Some(0));
    let by_other = rig.eco2(&format!("verify --public-key {other} last"));
    assert!(by_other.code == Some(1) && by_other.out.contains("not signed by"), "{by_other:?}");
    edited_and_chained(&log, |report| report["run"]["name"] = json!("another"));
    let changed = rig.eco2(&format!("verify --public-key {mine} last"));
    assert!(changed.code == Some(1) && changed.out.contains("sealed as `sha256 "), "{changed:?}");
    rewrite(&log, |frame| kind(frame) != 2);
    assert_eq!(rig.eco2("verify --seal last --key other.key").code, Some(1), "a broken log is not sealed");
    fs::remove_file(format!("{}.seal", log.display())).unwrap();
    let without = rig.eco2(&format!("verify --public-key {mine} last"));
    assert!(without.code == Some(1) && without.out.contains("has no seal"), "{without:?}");
}

#[test]
fn d34_missing_files_and_wrong_keys_are_errors() {
    let (rig, _) = measured_run();
    for (words, code) in [
        ("verify none.eco2log", 1),
        ("verify 20010101-000000-0-0", 1),
        ("verify --public-key nonsense last", 2),
        ("verify --seal last", 2),
        ("verify --seal last --key none.key", 1),
        ("verify", 2),
    ] {
        let ran = rig.eco2(words);
        assert!(ran.code == Some(code) && !ran.err.is_empty() && ran.out.is_empty(), "{words}: {ran:?}");
    }
    let broken = rig.put("text.eco2log", "no log");
    assert_eq!(findings(&rig, &broken).len(), 1, "a file that is no log is a finding");
}
