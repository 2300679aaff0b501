//! Sources that are slow, hang or break, from the driver to the report.

use std::process::Command;
use std::time::{Duration, Instant};

use eco2_core::schema::{Report, SourceStatus, Status};

use crate::rig::{Ran, Rig, ran};

/// The report of `eco2 run … --json -`.
fn report(ran: &Ran) -> Report {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn source<'a>(report: &'a Report, name: &str) -> &'a SourceStatus {
    report.sources.iter().find(|source| source.name == name).unwrap()
}

/// An NVIDIA board on the PCI bus, as the kernel shows it without a driver.
fn pci_gpu(rig: &Rig) {
    for (file, text) in [("class", "0x030200\n"), ("vendor", "0x10de\n"), ("device", "0x2330\n")] {
        rig.put(&format!("sys/bus/pci/devices/0000:65:00.0/{file}"), text);
    }
}

#[test]
fn k20_a_driver_that_hangs_in_its_start_holds_up_no_command_and_is_not_ok() {
    let rig = Rig::measured();
    pci_gpu(&rig);
    let library = rig.nvml("hang=nvmlInit_v2");
    let begun = Instant::now();
    let ran = ran(rig.command("run --no-log --json - -- sleep 0.3").env("ECO2_NVML", library));
    assert!(begun.elapsed() < Duration::from_secs(5), "the driver was waited for: {:?}", begun.elapsed());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = report(&ran);
    assert_eq!(source(&report, "nvml").status, Status::Hung);
    // The GPU that the kernel shows is not left out of the sum.
    let gpu = report.devices.iter().find(|device| device.id == "gpu-stand-in").unwrap();
    assert!(gpu.is_summed(), "{gpu:?}");
}

#[test]
fn k20_a_driver_that_starts_late_is_bounded_by_its_ceiling_until_it_is_read() {
    let rig = Rig::measured();
    pci_gpu(&rig);
    let library = rig.nvml("slow=nvmlInit_v2@300\n[gpu 0]\npower=200\nlimit_max=400");
    let ran = ran(rig.command("run --no-log --json - -- sleep 1").env("ECO2_NVML", library));
    let report = report(&ran);
    assert_eq!(source(&report, "nvml").status, Status::Ok);
    let gpu = report.devices.iter().find(|device| device.id.starts_with("GPU-") && device.is_summed()).unwrap();
    assert!(gpu.coverage < 0.9 && !gpu.gaps.is_empty(), "{gpu:?}");
    // 400 W and half of it again for as long as nothing was read; what was read is at least 0.5 s of 200 W.
    let (low, high) = (gpu.low_uj.unwrap(), gpu.high_uj.unwrap());
    let truth = 200_000_000 * report.run.duration_ns / 1_000_000_000;
    assert!((50_000_000..=truth).contains(&low) && high >= truth, "{low} {truth} {high}");
    assert!(report.energy.missing_ns >= 100_000_000, "{:?}", report.energy);
    let stand_in = report.devices.iter().find(|device| device.id == "gpu-stand-in").unwrap();
    assert!(!stand_in.is_summed(), "the estimate ends where measuring begins: {stand_in:?}");
}

/// A fake NVIDIA library that lists its calls, and a script that ends when it was asked three times who uses its GPUs: about once a
/// second, and less often on a busy machine.
fn asked_for_users(rig: &Rig, script: &str) -> (String, String) {
    let calls = rig.put("calls", "").display().to_string();
    let asked = format!("until [ $(grep -c ProcessUtilization {calls}) -ge 3 ]; do sleep 0.05; done");
    (rig.nvml(&format!("calls={calls}\n{script}")), asked)
}

#[test]
fn k08_a_gpu_used_by_a_process_of_another_namespace_is_not_attributed() {
    let rig = Rig::bare();
    let gpu = "[gpu 0]\nname=NVIDIA A100-SXM4-40GB\npower=300\nutilization=90\nprocess=999999:90";
    let (library, asked) = asked_for_users(&rig, &format!("driver=535.104.05\n{gpu}"));
    let words = "--no-log --no-estimate --procfs /proc --json - -- sh -c";
    let mut command = rig.bin();
    command.args(["run", "--sysfs"]).arg(rig.path("sys")).args(words.split(' ')).arg(asked).env("ECO2_NVML", library);
    let ran = ran(&mut command);
    let report = report(&ran);
    let share = report.attribution.unwrap();
    let total = report.energy.total_uj.unwrap();
    assert_eq!(share.command_uj + share.idle_uj + share.others_uj + share.unattributed_uj, total);
    assert_eq!((share.command_uj, share.others_uj, share.low_uj), (0, 0, 0), "{share:?}");
    // The GPU was in use 90 % of the time; the share of the command is between nothing and all of it.
    let tenth = total / 10;
    assert!(share.idle_uj.abs_diff(tenth) <= tenth / 100 && share.unattributed_uj >= 8 * tenth, "{share:?}");
    assert!(share.high_uj.unwrap() >= total * 99 / 100, "{share:?} of {total}");
    assert_eq!(share.consumers.len(), 1);
}

#[test]
fn k08_what_orphans_use_is_the_commands() {
    let rig = Rig::measured();
    // A daemon: its shell ends at once. It uses CPU time, writes how much, and ends.
    let burn = "i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done; times > burnt";
    let script = format!("(sh -c '{burn}' &) ; while [ ! -s burnt ]; do sleep 0.1; done; sleep 0.2");
    let mut command = rig.bin();
    command.args(["run", "--no-log", "--sysfs"]).arg(rig.path("sys"));
    command.args(["--procfs", "/proc", "--json", "report.json", "--", "sh", "-c", &script]);
    let ran = ran(command.env("ECO2_NVML", "none"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = rig.report("report.json");
    let share = report.attribution.unwrap();
    // `times`: the shell's own user and system time, as 0m0.123456s.
    let burnt = std::fs::read_to_string(rig.path("burnt")).unwrap();
    let seconds = |word: &str| {
        let (minutes, seconds) = word.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    };
    let burnt_s: f64 = burnt.split_whitespace().take(2).map(seconds).sum();
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let cpus = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count() as f64;
    let part = share.command_uj as f64 / share.total_uj() as f64;
    let charged_s = part * cpus * report.run.duration_ns as f64 / 1e9;
    // Clock ticks are coarse, and what waits uses a little, too.
    assert!(charged_s > 0.8 * burnt_s, "{charged_s} s of {burnt_s} s were the command's: {share:?}");
}

#[test]
fn k08_the_variables_of_an_attached_process_decide_which_gpus_are_its_own() {
    let rig = Rig::bare();
    let (library, asked) = asked_for_users(&rig, "[gpu 0]\nbus=0x10\n[gpu 1]\nbus=0x20");
    let mut target = Command::new("sh").args(["-c", &asked]).env("CUDA_VISIBLE_DEVICES", "1").spawn().unwrap();
    let mut command = rig.bin();
    command.args(["run", "--no-log", "--no-estimate", "--sysfs"]).arg(rig.path("sys"));
    command.args(["--procfs", "/proc", "--json", "report.json", "--pid", &target.id().to_string()]);
    // Ours are for what we start.
    let ran = ran(command.env("ECO2_NVML", library).env("CUDA_VISIBLE_DEVICES", "0"));
    target.wait().unwrap();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let devices = rig.report("report.json").devices;
    let ids: Vec<&str> = devices.iter().filter(|device| device.is_summed()).map(|device| device.id.as_str()).collect();
    assert_eq!(ids, ["GPU-00000001-0000-4000-8000-000000000001"]);
}
