//! The machine on which the table was measured.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

/// CPU model, CPUs, kernel, clock source, load and date.
#[must_use]
pub fn describe() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let hypervisor = cpuinfo.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let loadavg = read("/proc/loadavg");
    json!({
        "cpu": model.map_or("unknown", |(_, model)| model.trim()),
        "cpus": cpus,
        "virtual": hypervisor,
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "clocksource": read("/sys/devices/system/clocksource/clocksource0/current_clocksource").trim(),
        "load": loadavg.split(' ').next().unwrap_or_default(),
        "date": output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        "rustc": output("rustc", &["--version"]),
    })
}

/// The same on one line.
#[must_use]
pub fn line(machine: &Value) -> String {
    let text = |key: &str| machine[key].as_str().unwrap_or_default().to_owned();
    let kind = if machine["virtual"] == true { "virtual, " } else { "" };
    format!(
        "{} ({kind}{} CPUs), Linux {}, clocksource {}, load {}, {}, {}",
        text("cpu"),
        machine["cpus"],
        text("kernel"),
        text("clocksource"),
        text("load"),
        text("rustc"),
        text("date"),
    )
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
