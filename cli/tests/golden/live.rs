//! Live runs on fake hardware. The command that is measured moves the counters itself, by fixed amounts, so that the
//! energy is known; when it was drawn is the clock's, and what depends on that is masked.

use crate::check;
use crate::rig::{Rig, ran};

const RAPL: &str = "sys/class/powercap";

fn zone(rig: &Rig, folder: &str, name: &str, uj: u64) {
    rig.put(&format!("{RAPL}/{folder}/name"), &format!("{name}\n"));
    rig.put(&format!("{RAPL}/{folder}/max_energy_range_uj"), "262143328850\n");
    rig.put(&format!("{RAPL}/{folder}/energy_uj"), &format!("{uj}\n"));
}

#[test]
fn a_counter_that_grows_and_one_that_wraps() {
    let rig = Rig::bare();
    zone(&rig, "intel-rapl:0", "package-0", 50_000_000_000);
    zone(&rig, "intel-rapl:0:0", "dram", 262_143_000_000);
    let set = |folder: &str, uj: u64| format!("echo {uj} > {RAPL}/{folder}/energy_uj; ");
    // A first microjoule dates the energy that follows into the run, however late on a busy machine that began.
    let first = format!("{}{}", set("intel-rapl:0", 50_000_000_001), set("intel-rapl:0:0", 262_143_000_001));
    let then = format!("{}{}", set("intel-rapl:0", 50_012_345_678), set("intel-rapl:0:0", 671_150));
    let script = format!("sleep 0.2; {first}sleep 0.2; {then}sleep 0.2");
    let ran = rig.run("--quiet --no-log --zone FR --pue 1.2 --name live --json report.json", &script);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // The range is the largest value, so a wrap counts one unit of 61 µJ more. What was drawn between the first reading and the run's
    // beginning is not the run's.
    compared("live_rapl", &rig, 13_345_678 + 61);
}

#[test]
fn two_gpus_by_their_own_clock() {
    let rig = Rig::bare();
    let clock = rig.put("clock", "1000000000\n");
    let gpu = |name: &str, watts: u64| format!("name={name}\npower={watts}\nna=power\nna=instant\nna=samples\n");
    let gpus = format!("[gpu 0]\n{}[gpu 1]\n{}", gpu("NVIDIA A", 100), gpu("NVIDIA B", 250));
    let calls = rig.path("calls");
    let library = rig.nvml(&format!("clock_file={}\ncalls={}\n{gpus}", clock.display(), calls.display()));
    let flags = "--quiet --no-log --zone DE --name live --source nvml --json report.json";
    // Until both counters have been read twice within the run, however long that takes, the clock goes on by milliseconds: a counter
    // that does not change for seconds would be replaced. The energy of the one long tick that follows is then the run's.
    let script = "ns=1000000000; reads() { grep -c TotalEnergy calls; }; tick() { echo $1 > tick; mv tick clock; }
        n=$(reads); until [ $(reads) -ge $((n + 4)) ]; do ns=$((ns + 1000000)); tick $ns; sleep 0.02; done
        n=$(reads); tick 2500000000; until [ $(reads) -ge $((n + 4)) ]; do sleep 0.02; done";
    let ran = ran(rig.measuring(flags, script).env("ECO2_NVML", library));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    compared("live_nvml", &rig, 1_500 * 350_000);
}

fn compared(name: &str, rig: &Rig, truth_uj: u64) {
    let text = std::fs::read_to_string(rig.path("report.json")).unwrap();
    let mut report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let total_uj = report["energy"]["total_uj"].as_u64().unwrap();
    assert!((truth_uj / 2..=truth_uj).contains(&total_uj), "{name}: {total_uj} of {truth_uj}");
    // Whether readings are close enough for a power is the clock's to decide, too.
    for device in report["devices"].as_array_mut().unwrap() {
        for field in ["peak_w", "peak_window_ns", "power_w"] {
            device[field] = "by the clock".into();
        }
    }
    check::json(name, &report.to_string(), check::LIVE);
}
