//! The real agent in a folder on a full or read-only file system, which is mounted in a namespace of its own.

use std::fs;
use std::process::{Command, Stdio};

use crate::rig::{Ran, Rig, ran};

/// Why a test is skipped.
const NOT_MOUNTED: &str = "a file system may not be mounted here";

/// Runs a script of `sh` in which `run` is a small file system and `serve` is the agent in it; `None` where that is not allowed.
fn in_small_folder(rig: &Rig, script: &str) -> Option<Ran> {
    let mut probe = Command::new("unshare");
    probe.args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        return None;
    }
    fs::create_dir(rig.path("run")).unwrap();
    rig.put("proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n");
    let serve = format!(
        "serve() {{ exec {} serve --dir run --listen 127.0.0.1:0 --sysfs sys --procfs proc --nvml none; }}",
        env!("CARGO_BIN_EXE_eco2")
    );
    let mount = "mount -t tmpfs -o size=1m,mode=755 none run";
    let mut command = Command::new("unshare");
    rig.dress(&mut command);
    Some(ran(command.args(["-m", "sh", "-c", &format!("{serve}\n{mount}\n{script}")])))
}

#[test]
fn f28_an_agent_in_a_full_folder_serves_on_and_counts_the_fault() {
    let rig = Rig::measured();
    let script = "serve 2>address.txt & agent=$!
        while [ ! -e run/journal.json ] || [ ! -e run/page ]; do sleep 0.05; done
        head -c 2000000 /dev/zero >run/fill 2>/dev/null
        # The last page of the journal has room for some seconds.
        n=0; while [ $n -lt 120 ] && ! grep -q 'journal is not written' address.txt; do sleep 0.25; n=$((n + 1)); done
        sleep 1.5
        address=$(sed -n 's,.*\\(http://[0-9.:]*\\).*,\\1,p' address.txt)
        curl -s -m 10 $address/metrics | grep -e 'energy_joules_total{.*package-0\"}' -e 'source-note'
        sleep 1.5
        curl -s -m 10 $address/metrics | grep 'energy_joules_total{.*package-0\"}'
        kill -TERM $agent; wait $agent";
    let Some(ran) = in_small_folder(&rig, script) else { return println!("skipped: {NOT_MOUNTED}") };
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let joules: Vec<f64> = ran.out.lines().filter(|line| line.contains("package-0")).filter_map(value).collect();
    assert!(joules.len() == 2 && joules[0] > 0.0 && joules[1] > joules[0], "{ran:?}");
    let faults = ran.out.lines().find(|line| line.contains("source-note")).and_then(value);
    assert!(faults.is_some_and(|count| count >= 1.0), "{ran:?}");
}

#[test]
fn f28_an_agent_that_starts_in_a_full_folder_answers_by_http() {
    let rig = Rig::measured();
    let script = "head -c 2000000 /dev/zero >run/fill 2>/dev/null
        serve 2>address.txt & agent=$!
        while [ ! -s address.txt ]; do sleep 0.05; done
        sleep 2.5
        curl -s -m 10 $(sed -n 's,.*\\(http://[0-9.:]*\\).*,\\1,p' address.txt)/metrics | grep 'energy_joules_total{.*package-0\"}'
        rm run/fill
        sleep 2.5
        ls run
        kill -TERM $agent; wait $agent";
    let Some(ran) = in_small_folder(&rig, script) else { return println!("skipped: {NOT_MOUNTED}") };
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.lines().filter_map(value).any(|joules| joules > 0.0), "{ran:?}");
    assert!(ran.out.contains("journal.json\n") && ran.out.contains("page\n"), "once there is room: {ran:?}");
}

#[test]
fn f29_an_agent_in_a_read_only_folder_ends_with_a_remedy() {
    let rig = Rig::measured();
    let Some(ran) = in_small_folder(&rig, "mount -o remount,ro run && serve") else {
        return println!("skipped: {NOT_MOUNTED}");
    };
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("Read-only file system") && ran.err.contains("--dir"), "{}", ran.err);
}

/// Returns the value of a line of metrics.
fn value(line: &str) -> Option<f64> {
    line.rsplit(' ').next()?.parse().ok()
}
