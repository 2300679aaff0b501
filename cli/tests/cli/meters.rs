//! The Rust library in a program of a user who may not read the sensors: it measures through the real agent. The programs in C, C++
//! and Python are in `python/tests/test_agent.py`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use eco2::options::{Log, Options};
use eco2::{Meter, schema::Report};
use eco2_core::Quality;

use crate::rig::{Rig, assert_valid, await_that};
use crate::through_agent::{Agent, BOOT, COUNTER, USER, serving};

/// Name of the variable that makes this test the other user's program: the folder of the machine.
const FOLDER: &str = "METERED_FOLDER";
const NAME: &str = "meters::the_rust_meter_of_a_user_without_rights_measures_through_the_agent";
/// What the counter shows at first, and what it grows by meanwhile, microjoules.
const FIRST_UJ: u64 = 100_000_000_000;
const USED_UJ: u64 = 30_000_000;
/// Step of the page that every user may read.
const STEP_UJ: u64 = 100_000;

/// Measures between two lines: it writes the first and waits for the second.
fn measure(folder: &str) {
    let path = |name: &str| format!("{folder}/{name}").into();
    let options = Options {
        sysfs: path("sys"),
        procfs: path("proc"),
        agent: Some(path("agent")),
        nvml: Some(path("no-such-library.so")),
        estimate: false,
        log: Log::Off,
        ..Options::default()
    };
    let meter = Meter::open(options).unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "\nBEGUN").unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
    writeln!(out, "\nREPORT {}", serde_json::to_string(&meter.close()).unwrap()).unwrap();
}

#[test]
fn the_rust_meter_of_a_user_without_rights_measures_through_the_agent() {
    if let Ok(folder) = std::env::var(FOLDER) {
        return measure(&folder);
    }
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return println!("skipped: only root can run a program as another user");
    }
    let rig = Rig::bare();
    rig.put("sys/class/powercap/intel-rapl:0/name", "package-0\n");
    rig.put("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "262143328850\n");
    let counter = rig.put(COUNTER, &format!("{FIRST_UJ}\n"));
    let counter = fs::OpenOptions::new().write(true).open(counter).unwrap();
    let (used_uj, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let turns = {
        let (used_uj, is_over) = (Arc::clone(&used_uj), Arc::clone(&is_over));
        thread::spawn(move || {
            // It always moves, by less than a step of the page: else it would be taken for a dead one. The number of digits never
            // changes.
            for turn in 1_u64.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let uj = FIRST_UJ + turn + used_uj.load(Ordering::Relaxed);
                counter.write_all_at(format!("{uj}\n").as_bytes(), 0).unwrap();
                thread::sleep(Duration::from_millis(50));
            }
        })
    };
    fs::set_permissions(rig.path(COUNTER), fs::Permissions::from_mode(0o400)).unwrap();
    rig.put("proc/sys/kernel/random/boot_id", BOOT);
    rig.open_for_others();
    let program = rig.path("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let _agent = Agent(serving(&rig).stderr(Stdio::null()).spawn().unwrap());
    await_that("the page is there", || rig.path("agent/page").exists().then_some(()));

    let mut command = Command::new(program);
    rig.dress(&mut command);
    command.args(["--exact", NAME, "--nocapture"]).env(FOLDER, rig.path("")).uid(USER).gid(USER);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "BEGUN"));
    // A first change within the run, as energy is spread from one change of the counter to the next.
    used_uj.store(STEP_UJ, Ordering::Relaxed);
    thread::sleep(Duration::from_secs(3));
    for round in 1..=30 {
        used_uj.store(USED_UJ / 30 * round, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(100));
    }
    // The page changes once a second, and the agent reads as often.
    thread::sleep(Duration::from_secs(4));
    child.stdin.take().unwrap().write_all(b"end\n").unwrap();
    let line = lines.find_map(|line| line.strip_prefix("REPORT ").map(str::to_owned)).unwrap();
    assert!(child.wait().unwrap().success());
    is_over.store(true, Ordering::Relaxed);
    turns.join().unwrap();
    let report: Report = serde_json::from_str(&line).unwrap();
    assert_valid(&report);
    assert_eq!(report.devices.len(), 1, "{:?}", report.devices);
    let package = &report.devices[0];
    let read = (package.id.as_str(), package.source.as_str(), package.quality);
    assert_eq!(read, ("package-0", "agent", Quality::Measured));
    let energy_uj = package.energy_uj.unwrap();
    assert!((USED_UJ - STEP_UJ..=USED_UJ).contains(&energy_uj), "{energy_uj}");
    assert_eq!(report.energy.total_uj, Some(energy_uj));
    assert!(
        package.low_uj.is_some_and(|low_uj| low_uj <= USED_UJ)
            && package.high_uj.is_none_or(|high_uj| high_uj >= USED_UJ),
        "{package:?}"
    );
}
