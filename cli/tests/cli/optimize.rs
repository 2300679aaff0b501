//! `eco2 optimize`: its suggestions, the topics it did not assess, and restored power limits after a sweep.

use std::fs;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::rig::{Ran, Rig, await_that, ran, snapshots, started};

/// 100 W for 40 s; of eleven steps the last one takes 20 s.
fn stalled(rig: &Rig) {
    let mut trace =
        "# eco2.trace/1\n# domain p component=cpu kind=energy unit=uJ range=262143328850 max_w=200\n".to_owned();
    let step = |from_s: u64, to_s: u64| format!("# span name=step begin_ns={from_s}000000000 end_ns={to_s}000000000\n");
    trace.extend((0..20).map(|second| step(second, second + 1)));
    trace += &step(20, 40);
    trace += "# run begin_ns=0 end_ns=40000000000\nbefore_ns,after_ns,domain,value\n";
    trace.extend((0..=400).map(|tenth| format!("{0}00000000,{0}00000000,p,{0}0000000\n", tenth)));
    rig.put("trace.csv", &trace);
    let words = "replay trace.csv --started-at 2026-01-01T00:00Z --zone DE --json report.json";
    assert_eq!(rig.eco2(words).code, Some(0));
    // The run's hour has 300 g/kWh in A and half of it in B.
    let row = |hour: u32| format!("2026-01-01T{hour:02}:00Z,{},{}\n", [300, 100, 200][hour as usize % 3], 150);
    rig.put("zones.csv", &("time,A,B\n".to_owned() + &(0..24).map(row).collect::<String>()));
}

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}

fn one<'a>(document: &'a Value, topic: &str) -> &'a Value {
    let advice = document["advice"].as_array().unwrap();
    advice.iter().find(|advice| advice["topic"] == topic).unwrap_or_else(|| panic!("{document:#}"))
}

#[test]
fn d16_every_saving_has_its_evidence_its_interval_and_a_command() {
    let rig = Rig::bare();
    stalled(&rig);
    let words =
        "optimize report.json --series zones.csv --column A --within 12 --region B --region FR --region PL --json";
    let document = json(&rig.eco2(words));
    assert_eq!(document["schema"], "eco2.advice/1");
    // A step was due a second after the twentieth: 19 of 40 s at 100 W, as exactly as a counter that changes ten times a
    // second can show.
    let stalls = one(&document, "stalls");
    let (low, high) = (stalls["low_percent"].as_f64().unwrap(), stalls["high_percent"].as_f64().unwrap());
    assert!(low <= 47.5 && 47.5 <= high && high - low < 3.0, "{stalls:#}");
    assert_eq!((stalls["evidence"][1]["value"].as_f64(), &stalls["claim"]), (Some(19.0), &Value::from("at-most")));
    // The whole run lies within an hour at 300; at 100 it is a third.
    let hour = one(&document, "hour");
    assert!((hour["percent"].as_f64().unwrap() - 200.0 / 3.0).abs() < 1e-9, "{hour:#}");
    assert!((hour["grams"].as_f64().unwrap() - 4000.0 / 3.6e6 * 200.0).abs() < 1e-9);
    for advice in document["advice"].as_array().unwrap() {
        let figure = |key: &str| advice[key].as_f64().unwrap();
        assert!(
            figure("low_percent") <= figure("percent") && figure("percent") <= figure("high_percent"),
            "{advice:#}"
        );
        assert!(figure("high_percent") <= 100.0 && !advice["evidence"].as_array().unwrap().is_empty());
        assert!(advice["command"].as_str().unwrap().starts_with("eco2 "), "{advice:#}");
    }
    // What two thirds leave, less the stalls' share of it.
    let together = 100.0 * (1.0 - (1.0 - stalls["percent"].as_f64().unwrap() / 100.0) * (1.0 - 2.0 / 3.0));
    let least = document["combined_percent"].as_f64().unwrap();
    assert!(least >= together - 1e-9 && least < 100.0, "{least} {together}");
    let silent = document["silences"].as_array().unwrap();
    assert!(silent.iter().any(|one| one["reason"].as_str().unwrap().starts_with("PL is not cleaner")), "{silent:?}");
}

#[test]
fn d17_another_hour_is_advised_by_the_series_alone_and_not_without() {
    let rig = Rig::bare();
    stalled(&rig);
    let without = json(&rig.eco2("optimize report.json --json"));
    let topics = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|one| one["topic"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(topics(&without["advice"]), ["stalls"]);
    assert!(topics(&without["silences"]).contains(&"hour".to_owned()));
    let flat: String = (0..24).map(|hour| format!("2026-01-01T{hour:02}:00Z,250\n")).collect();
    rig.put("flat.csv", &format!("time,gco2e_per_kwh\n{flat}"));
    let document = json(&rig.eco2("optimize report.json --series flat.csv --json"));
    assert_eq!(topics(&document["advice"]), ["stalls"], "a flat grid has no better hour");
    rig.put("other.csv", "time,gco2e_per_kwh\n2025-01-01T00:00Z,250\n2025-01-01T01:00Z,50\n");
    let document = json(&rig.eco2("optimize report.json --series other.csv --json"));
    let topics = document["silences"].to_string();
    assert!(topics.contains("does not cover the whole run"), "{topics}");
}

#[test]
fn the_command_that_tests_another_hour_works() {
    let rig = Rig::bare();
    stalled(&rig);
    let document = json(&rig.eco2("optimize report.json --series zones.csv --column A --within 12 --json"));
    let command = one(&document, "hour")["command"].as_str().unwrap().to_owned();
    let plan = json(&rig.eco2(&format!("{} --json", command.strip_prefix("eco2 ").unwrap())));
    assert_eq!(plan["start"], "2026-01-01T01:00:00Z", "{plan:#}");
}

#[test]
fn every_suggested_command_runs_unchanged() {
    let rig = Rig::bare();
    stalled(&rig);
    fs::rename(rig.path("report.json"), rig.path("my report.json")).unwrap();
    let columns = fs::read_to_string(rig.path("zones.csv")).unwrap().replacen("time,A,B", "time,zone A,B", 1);
    rig.put("my zones.csv", &columns);
    let mut asked = rig.command("optimize --within 0.01 --json");
    asked.args(["my report.json", "--series", "my zones.csv", "--column", "zone A", "--region", "B", "--region", "FR"]);
    let near = json(&ran(&mut asked));
    let mut asked = rig.command("optimize --within 12 --json");
    asked.args(["my report.json", "--series", "my zones.csv", "--column", "zone A", "--region", "B", "--region", "FR"]);
    let far = json(&ran(&mut asked));
    let all = [&near, &far].map(|document| document["advice"].as_array().unwrap().clone()).concat();
    assert!(all.len() >= 6, "{all:#?}");
    for advice in all {
        let eco2 = env!("CARGO_BIN_EXE_eco2");
        let line = advice["command"].as_str().unwrap();
        // The suggested run does not exist: the report of this run is used instead.
        let line =
            line.replace("COMMAND", "true").replace(" last", " 'my report.json'").replace("eco2 ", &format!("{eco2} "));
        let mut shell = Command::new("sh");
        rig.dress(&mut shell);
        let ran = ran(shell.args(["-c", &line]));
        assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
    }
}

#[test]
fn text_shows_suggestions_and_topics_not_assessed() {
    let rig = Rig::bare();
    stalled(&rig);
    rig.put("demo.json", &rig.eco2("demo --json").out);
    snapshots(&rig).bind(|| {
        insta::assert_snapshot!("optimize_text", rig.eco2("optimize report.json --region FR").shown());
        let silent = rig.eco2("optimize demo.json").shown();
        insta::assert_snapshot!("optimize_no_suggestions", silent);
    });
}

#[test]
fn zone_is_another_name_of_region_and_run_zone_prices_the_run() {
    let rig = Rig::bare();
    stalled(&rig);
    let region = rig.eco2("optimize report.json --region FR --json");
    let zone = rig.eco2("optimize report.json --zone FR --json");
    assert_eq!((region.code, &region.out), (Some(0), &zone.out));
    assert!(region.out.contains("--zone FR"), "{}", region.out);
    assert_ne!(rig.eco2("optimize report.json --run-zone PL --region FR --json").out, region.out);
}

#[test]
fn wrong_arguments_are_refused() {
    let rig = Rig::bare();
    stalled(&rig);
    let cases = [
        ("optimize report.json other.json", 2, "other.json"),
        ("optimize", 2, "RUN"),
        ("optimize --sweep-power-limit", 2, "COMMAND"),
        ("optimize report.json -- true", 2, "--sweep-power-limit"),
        ("optimize report.json --sweep-power-limit -- true", 2, "a command instead of RUN"),
        ("optimize report.json --region Germny", 2, "Germany"),
        ("optimize report.json --series zones.csv --column C", 2, "no column \"C\""),
        ("optimize report.json --series zones.csv", 2, "there are: A, B"),
        ("optimize report.json --limits 300", 2, "--sweep-power-limit"),
        ("optimize 2031", 1, "2031"),
    ];
    for (words, code, message) in cases {
        let ran = rig.eco2(words);
        assert!(ran.code == Some(code) && ran.err.contains(message), "{words}: {ran:?}");
    }
}

/// A board of 700 W whose limits are written down.
fn board(rig: &Rig, more: &str) -> String {
    let limits = rig.path("limits").display().to_string();
    rig.nvml(&format!(
        "limits={limits}\n[gpu 0]\nuuid=GPU-a\nlimit=650\nlimit_min=200\nlimit_max=700\nenergy_period_ms=20\n{more}"
    ))
}

fn sweep(rig: &Rig, more: &str, flags: &str, script: &str) -> Command {
    let nvml = board(rig, more);
    let mut command = rig.command("optimize --sweep-power-limit");
    command
        .args(flags.split(' '))
        .args(rig.hardware())
        .args(["--nvml", &nvml, "--source", "nvml", "--", "sh", "-c", script]);
    command
}

fn limits(rig: &Rig) -> Vec<String> {
    fs::read_to_string(rig.path("limits")).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn a_sweep_measures_every_limit_and_puts_the_old_one_back() {
    let rig = Rig::bare();
    let ran = ran(&mut sweep(&rig, "", "--limits 300,500 --json", "sleep 0.3; tail -n1 limits >>seen"));
    let swept = json(&ran);
    // Probed, twice set, and back.
    assert_eq!(limits(&rig), ["GPU-a 650000", "GPU-a 500000", "GPU-a 300000", "GPU-a 650000"]);
    assert_eq!(fs::read_to_string(rig.path("seen")).unwrap(), "GPU-a 650000\nGPU-a 500000\nGPU-a 300000\n");
    assert_eq!(swept["schema"], "eco2.sweep/1");
    let watts: Vec<_> = swept["limits"].as_array().unwrap().iter().map(|limit| limit["limit_w"].as_f64()).collect();
    assert_eq!(watts, [None, Some(500.0), Some(300.0)]);
    for trial in swept["trials"].as_array().unwrap() {
        // The board draws 100 W whatever its limit.
        let watts = trial["energy_uj"].as_f64().unwrap() * 1e3 / trial["duration_ns"].as_f64().unwrap();
        assert!((80.0..120.0).contains(&watts), "{trial:#}");
    }
    assert!(ran.err.contains("nvidia-smi -i GPU-a -pl 650"), "{}", ran.err);
    let text = crate::rig::ran(&mut sweep(&rig, "", "--limit-count 2", "sleep 0.2"));
    assert!(text.out.contains("700 W") && text.out.contains("the old limits are restored"), "{text:?}");
    let earlier_name = crate::rig::ran(&mut sweep(&rig, "", "--steps 2", "sleep 0.1"));
    assert!(earlier_name.code == Some(0) && earlier_name.out.contains("700 W"), "{earlier_name:?}");
}

#[test]
fn what_the_command_prints_is_not_in_the_json_of_a_sweep() {
    let rig = Rig::bare();
    let swept = ran(&mut sweep(&rig, "", "--limits 300 --json", "echo printed; sleep 0.1"));
    assert_eq!(json(&swept)["estimated_percent"], 0.0);
    assert!(swept.out.starts_with('{') && swept.err.contains("printed\n"), "{swept:?}");
    let text = ran(&mut sweep(&rig, "", "--limits 300", "echo printed; sleep 0.1"));
    assert!(text.out.starts_with("printed\n"), "{text:?}");
}

#[test]
fn a_command_that_fails_ends_the_sweep_and_the_old_limit_is_back() {
    let rig = Rig::bare();
    let script = "[ $(tail -n1 limits | cut -d' ' -f2) -gt 400000 ] || exit 3";
    let failed = ran(&mut sweep(&rig, "", "--limits 300,500", script));
    assert_eq!((failed.code, failed.out.as_str()), (Some(1), ""));
    assert!(failed.err.contains("ended with code 3"), "{}", failed.err);
    assert_eq!(limits(&rig)[1..], ["GPU-a 500000", "GPU-a 300000", "GPU-a 650000"]);
}

#[test]
fn no_run_of_a_sweep_leaves_a_thread_or_a_file_open() {
    let rig = Rig::bare();
    let script = "echo $(cat /proc/$PPID/task/*/comm | grep -c eco2-signals) $(ls /proc/$PPID/fd | wc -l) >>seen";
    let swept = ran(&mut sweep(&rig, "", "--limits 300,500 --repeat 4", &format!("{script}; sleep 0.05")));
    assert_eq!(swept.code, Some(0), "{swept:?}");
    let seen = fs::read_to_string(rig.path("seen")).unwrap();
    let seen: Vec<(u32, u32)> = seen
        .lines()
        .map(|line| line.split_once(' ').map(|(threads, files)| (threads.parse().unwrap(), files.parse().unwrap())))
        .map(Option::unwrap)
        .collect();
    assert_eq!(seen.len(), 12);
    // A command may look before the thread that listens has its name.
    assert!(seen.iter().all(|(threads, _)| *threads <= 1), "{seen:?}");
    // The meter opens and closes files of its own while the command runs.
    assert!(seen[11].1 <= seen[0].1 + 4, "{seen:?}");
}

fn send(eco2: &Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(eco2.id()).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn a_signal_puts_the_old_limit_back_before_the_command_ends() {
    let deadly = [Signal::ALARM, Signal::XCPU, Signal::VTALARM, Signal::PROF, Signal::XFSZ, Signal::IO, Signal::POWER];
    for signal in [&[Signal::TERM, Signal::INT, Signal::HUP][..], &deadly].concat() {
        let rig = Rig::bare();
        // Under the second limit it takes its time, and does not mind signals.
        let script = "trap '' TERM INT HUP ALRM XCPU VTALRM PROF XFSZ IO PWR; [ $(tail -n1 limits | cut -d' ' -f2) -gt 600000 ] && exit 0; echo on >on
            while [ ! -e stop ]; do sleep 0.02; done";
        let eco2 = started(&mut sweep(&rig, "", "--limits 300,200", script));
        rig.awaited("on");
        assert_eq!(limits(&rig).last().unwrap(), "GPU-a 300000");
        send(&eco2, signal);
        await_that("the old limit is back", || (limits(&rig).last()? == "GPU-a 650000").then_some(()));
        rig.put("stop", "");
        let ended: Ran = eco2.wait_with_output().unwrap().into();
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.err.contains("interrupted; the old power limits are restored"), "{}", ended.err);
        assert_eq!(limits(&rig), ["GPU-a 650000", "GPU-a 300000", "GPU-a 650000"], "nothing is set afterwards");
    }
}

#[test]
fn missing_permission_to_set_limits_is_an_error_before_the_command_runs() {
    let rig = Rig::bare();
    let refused = ran(&mut sweep(&rig, "fail=set_limit:4", "--limits 300", "echo ran >ran"));
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("permission denied; run as root (sudo)"), "{}", refused.err);
    assert!(!rig.path("ran").exists() && limits(&rig).is_empty());
    let outside = ran(&mut sweep(&rig, "", "--limits 900", "echo ran >ran"));
    assert_eq!(outside.code, Some(2));
    assert!(outside.err.contains("900 W is not allowed on this machine; allowed: 200 to 700 W"), "{}", outside.err);
    let none = rig.eco2("optimize --sweep-power-limit -- true");
    assert!(none.code == Some(1) && none.err.contains("NVIDIA driver does not answer"), "{none:?}");
}
