//! Which sensors enter the sum, and what takes the place of those that do not work: the whole report is looked at.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;

use serde_json::Value;

use crate::rig::{Ran, Rig, ran};

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// The device of an id.
fn device<'a>(report: &'a Value, id: &str) -> &'a Value {
    let devices = report["devices"].as_array().unwrap();
    devices.iter().find(|device| device["id"] == id).unwrap_or_else(|| panic!("{id} is not in {devices:?}"))
}

/// Ids of all devices, in order.
fn ids(report: &Value) -> Vec<&str> {
    report["devices"].as_array().unwrap().iter().map(|device| device["id"].as_str().unwrap()).collect()
}

/// Kinds of the events that are about counters.
fn counter_events(report: &Value) -> Vec<&str> {
    let events = report["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap());
    events
        .filter(|kind| ["counter-unsupported", "counter-dead", "implausible", "range-exceeded"].contains(kind))
        .collect()
}

#[test]
fn k07_the_graphics_sensor_of_an_apu_is_in_its_package_and_not_in_the_sum() {
    let rig = Rig::measured();
    for (file, text) in
        [("name", "amdgpu"), ("power1_input", "20000000"), ("power1_label", "PPT"), ("in1_label", "vddnb")]
    {
        rig.put(&format!("sys/class/hwmon/hwmon4/{file}"), &format!("{text}\n"));
    }
    let report = report(&rig.run("--json - --no-log", "sleep 0.5"));
    let apu = device(&report, "amdgpu-hwmon4");
    assert_eq!(apu["overlaps"], serde_json::json!(["package-0"]));
    // Both show 20 W; the sum is that of one.
    assert_eq!(report["energy"]["total_uj"], device(&report, "package-0")["energy_uj"]);
    assert!(apu["energy_uj"].as_u64().unwrap() > 0 && report["energy"]["derived_uj"] == 0, "{report}");
}

#[test]
fn k05_a_denied_zone_is_read_through_its_twin() {
    let mut rig = Rig::bare();
    rig.zone("intel-rapl-mmio:0", "package-0");
    for (file, text) in [("name", "package-0"), ("max_energy_range_uj", "262143328850"), ("energy_uj", "100000000000")]
    {
        rig.put(&format!("sys/class/powercap/intel-rapl:0/{file}"), &format!("{text}\n"));
    }
    let denied = rig.path("sys/class/powercap/intel-rapl:0/energy_uj");
    fs::set_permissions(denied, fs::Permissions::from_mode(0o000)).unwrap();
    rig.open_for_others();
    let mut command = rig.measuring("--json - --no-log", "sleep 0.5");
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65_534).gid(65_534);
    }
    let report = report(&ran(&mut command));
    assert_eq!(ids(&report), ["package-0"], "{}", report["sources"]);
    assert_eq!(
        (&device(&report, "package-0")["quality"], &report["energy"]["estimated_uj"]),
        (&"measured".into(), &0.into())
    );
    assert!(report["energy"]["measured_uj"].as_u64().unwrap() > 0);
}

#[test]
fn k05_counters_that_never_count_are_replaced_by_one_estimate_and_reported_once() {
    for energy_uj in ["0", "123456789"] {
        let rig = Rig::bare();
        rig.put(
            "proc/cpuinfo",
            "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Test CPU\nflags\t\t: hypervisor\n",
        );
        for socket in 0..16 {
            for (zone, name) in
                [(format!("{socket}"), format!("package-{socket}")), (format!("{socket}:0"), "dram".into())]
            {
                let put =
                    |file: &str, text: &str| rig.put(&format!("sys/class/powercap/intel-rapl:{zone}/{file}"), text);
                put("name", &format!("{name}\n"));
                put("max_energy_range_uj", "262143328850\n");
                put("energy_uj", &format!("{energy_uj}\n"));
            }
        }
        let report = report(&rig.run("--json - --no-log", "sleep 1.3"));
        assert_eq!(ids(&report), ["cpu-estimate"]);
        assert_eq!(counter_events(&report), ["counter-unsupported"]);
        let (energy, estimate) = (&report["energy"], device(&report, "cpu-estimate"));
        assert_eq!(estimate["quality"], "estimated");
        assert_eq!((&energy["total_uj"], &energy["estimated_uj"]), (&estimate["energy_uj"], &estimate["energy_uj"]));
        assert!(energy["total_uj"].as_u64().unwrap() > 0 && energy["high_uj"].is_u64(), "{energy}");
        let status = |name: &str| {
            let sources = report["sources"].as_array().unwrap();
            sources.iter().find(|source| source["name"] == name).unwrap()["status"].as_str().unwrap().to_owned()
        };
        assert_eq!((status("rapl-sysfs").as_str(), status("model").as_str()), ("lost", "degraded"));
        assert_eq!(report["run"]["state"], "final", "nothing is waited for that does not move");
        // Without estimates nothing is known, which is not 0 J.
        let refused = self::report(&rig.run("--json - --no-log --no-estimate", "sleep 1.3"));
        assert!(refused["energy"]["total_uj"].is_null(), "{}", refused["energy"]);
        // A replay of the recorded trace gives the same.
        let replayed = Rig::bare();
        let trace = replayed.path("trace.csv").display().to_string();
        rig.run(&format!("--no-log --trace {trace}"), "sleep 0.3");
        let again = self::report(&replayed.eco2(&format!("replay {trace} --json -")));
        assert_eq!(
            (ids(&again), &device(&again, "cpu-estimate")["quality"]),
            (vec!["cpu-estimate"], &"estimated".into())
        );
    }
}

#[test]
fn k05_one_dead_socket_of_two_is_estimated_alone() {
    let mut rig = Rig::measured();
    rig.zone("intel-rapl:2", "package-2");
    for (file, text) in [("name", "package-1"), ("max_energy_range_uj", "262143328850"), ("energy_uj", "123456789")] {
        rig.put(&format!("sys/class/powercap/intel-rapl:1/{file}"), &format!("{text}\n"));
    }
    let report = report(&rig.run("--json - --no-log", "sleep 0.5"));
    assert_eq!(ids(&report), ["package-0", "package-2", "package-1/estimate"]);
    let energy_uj = |id: &str| device(&report, id)["energy_uj"].as_u64().unwrap();
    assert_eq!(report["energy"]["measured_uj"], energy_uj("package-0") + energy_uj("package-2"));
    assert_eq!(report["energy"]["estimated_uj"], energy_uj("package-1/estimate"));
    assert_eq!(counter_events(&report), ["counter-dead"]);
}

#[test]
fn k04_a_counter_above_its_stated_range_is_read() {
    let rig = Rig::measured();
    rig.put("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "65532610987\n");
    let report = report(&rig.run("--json - --no-log", "sleep 0.5"));
    let package = device(&report, "package-0");
    assert_eq!(
        (&package["quality"], &package["wraps"], &package["resets"]),
        (&"measured".into(), &0.into(), &0.into())
    );
    assert!(package["energy_uj"].as_u64().unwrap() > 1_000_000, "{package}");
    assert_eq!(counter_events(&report), ["range-exceeded"], "no limit is named that does not exist");
}

#[test]
fn k08_a_card_that_nothing_reads_makes_the_sum_at_least() {
    let rig = Rig::measured();
    for (file, text) in [("class", "0x030000"), ("vendor", "0x8086"), ("device", "0xe20b")] {
        rig.put(&format!("sys/bus/pci/devices/0000:03:00.0/{file}"), &format!("{text}\n"));
    }
    let report = report(&rig.run("--json - --no-log", "sleep 0.3"));
    let card = device(&report, "gpu-0000:03:00.0");
    assert_eq!((&card["quality"], &card["energy_uj"]), (&"missing".into(), &Value::Null));
    assert!(report["energy"]["high_uj"].is_null() && report["energy"]["missing_ns"].as_u64().unwrap() > 0);
    let text = rig.run("--no-log", "sleep 0.1").err;
    assert!(text.contains("at least"), "{text}");
}

#[test]
fn k05_a_virtual_gpu_without_readings_is_estimated_from_its_utilisation() {
    let rig = Rig::bare();
    let script = "[gpu 0]\nname=GRID V100D-32Q\nfail=energy:3@0\nfail=power:3@0\nfail=instant:3@0\nfail=samples:3@0\n";
    let library = rig.nvml(&format!("{script}fail=limit:3@0\nfail=module:3@0\nutilization=80\n"));
    let run = |flags: &str, watts: &str| {
        let mut command = rig.measuring(&format!("--json - --no-log --source nvml,model {flags}"), "sleep 1");
        report(&ran(command.env("ECO2_NVML", &library).env("ECO2_GPU_WATTS", watts)))
    };
    let board = |report: &Value| {
        let device = report["devices"].as_array().unwrap().iter().find(|device| device["component"] == "gpu").unwrap();
        (device["quality"].as_str().unwrap().to_owned(), device["mean_w"].as_f64())
    };
    // A V100 of 300 W: 0.18 of it idle and 0.62 more at full load, of which 80 %.
    let (quality, mean_w) = board(&run("", ""));
    assert_eq!((quality.as_str(), mean_w.map(|w| w.round())), ("estimated", Some(203.0)));
    // The user knows better: 200 W at full load, so 250 W of board power.
    let (_, mean_w) = board(&run("", "200"));
    assert_eq!(mean_w.map(|w| w.round()), Some(169.0));
    assert_eq!(board(&run("--no-estimate", "")).0, "missing");
}

/// A TPU that only a variable names: what it drew is not known, so the sum is "at least".
#[test]
fn energy_of_a_run_with_a_tpu_that_nothing_reads_is_at_least() {
    let rig = Rig::measured();
    let energy_of = |variable: &str| {
        let mut command = rig.measuring("--json - --no-log", "sleep 0.3");
        let report = report(&ran(command.env(variable, "v5litepod-4")));
        assert!(report["energy"]["total_uj"].as_u64() > Some(0), "{}", report["energy"]);
        (report["energy"]["high_uj"].clone(), ids(&report).contains(&"gpu-tpu"))
    };
    assert_eq!(energy_of("TPU_ACCELERATOR_TYPE"), (Value::Null, true));
    let (high_uj, has_tpu) = energy_of("ANOTHER_VARIABLE");
    assert!(high_uj.is_u64() && !has_tpu, "{high_uj}");
}
