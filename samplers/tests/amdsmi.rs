//! GPUs of AMD through `libamd_smi`: a scripted library is loaded like a real one.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod tree;

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use eco2_core::schema::{SourceStatus, Status};
use eco2_core::{Domain, Fault, Kind, Quality, Reading, Track};
use eco2_samplers::clock::Clock;
use eco2_samplers::discover::{Discovery, Selection, discover_visible};
use eco2_samplers::model::ModelOptions;
use eco2_samplers::visible::Visible;
use eco2_samplers::{Batch, Deadline, Roots, Source, Watched, amdsmi};
use tempfile::TempDir;
use tree::{Tree, domain, ids, notes, pass, read, scripted};

const CARD: &str = "amdgpu-0000:c1:00.0";
const CHECK: &str = "amdgpu-0000:c1:00.0/power";

/// A machine with the fake library, and one card in sysfs for each address of its script.
struct Machine {
    tree: Tree,
    folder: TempDir,
    roots: Roots,
}

impl Machine {
    fn new(script: &str) -> Self {
        let (tree, folder) = (Tree::new(), tempfile::tempdir().unwrap());
        let library = amd_smi_fake::install(folder.path(), script).unwrap();
        let roots = Roots { amdsmi: Some(library), nvml: Some("/nonexistent/nvml.so".into()), ..tree.roots() };
        for line in script.lines().filter_map(|line| line.strip_prefix("[gpu ")) {
            card(&tree, line.trim_end_matches(']'), "74a1");
        }
        Self { tree, folder, roots }
    }

    fn script(&self, script: &str) {
        amd_smi_fake::write(self.folder.path(), script).unwrap();
    }

    fn found(&self, vars: &[(&str, &str)]) -> eco2_samplers::found::Found {
        let vars = vars.iter().map(|(name, value)| (name.into(), value.into()));
        amdsmi::discover(&self.roots, &Visible::from_vars(vars))
    }

    fn source(&self) -> Box<dyn Source> {
        self.found(&[]).source.unwrap()
    }

    /// Everything that is read, with `hwmon`.
    fn discovery(&self, sources: &str) -> Discovery {
        let options = ModelOptions { enabled: false, ..ModelOptions::default() };
        discover_visible(&self.roots, &Selection::parse(sources).unwrap(), &options, &Visible::default())
    }
}

/// A card in sysfs, with the sensor of `hwmon` that shows its power.
fn card(tree: &Tree, address: &str, number: &str) {
    let device = format!("bus/pci/devices/{address}");
    for (file, text) in [("class", "0x120000"), ("vendor", "0x1002"), ("device", &format!("0x{number}"))] {
        tree.put(&format!("{device}/{file}"), &format!("{text}\n"));
    }
    let hwmon = hwmon(address);
    for (file, text) in [("name", "amdgpu"), ("power1_average", "300000000"), ("power1_label", "PPT")] {
        tree.put(&format!("{hwmon}/{file}"), &format!("{text}\n"));
    }
    symlink(tree.sys(&device), tree.sys(&hwmon).join("device")).unwrap();
}

/// The folder of a card's sensor.
fn hwmon(address: &str) -> String {
    format!("class/hwmon/hwmon{}", address.bytes().map(usize::from).sum::<usize>())
}

fn status(statuses: &[SourceStatus], name: &str) -> SourceStatus {
    statuses.iter().find(|status| status.name == name).cloned().unwrap()
}

/// A GPU at the usual address, with more lines.
fn gpu(lines: &str) -> String {
    format!("[gpu 0000:c1:00.0]\n{lines}\n")
}

#[test]
fn energy_is_exact_and_power_is_its_check() {
    let machine = Machine::new(&gpu("energy=1000\npower=310\naverage=305"));
    machine.tree.put("bus/pci/devices/0000:c1:00.0/hwmon/hwmon0/power1_cap_max", "750000000\n");
    let found = machine.found(&[]);
    let status = status(&found.statuses, "amdsmi");
    assert_eq!(status.status, Status::Ok);
    assert!(status.reason.contains(CARD) && status.reason.contains("26.1.0"), "{}", status.reason);
    let mut source = found.source.unwrap();
    assert_eq!(ids(&*source), [CARD, CHECK]);
    let (board, check) = (domain(&*source, CARD), domain(&*source, CHECK));
    assert_eq!((board.kind, board.quality, board.domain.as_str()), (Kind::Energy, Quality::Measured, "board"));
    assert_eq!(board.name, "AMD Instinct MI300X");
    assert_eq!(board.max_uw, Some(1_125_000_000), "the limit of the kernel with a margin");
    assert_eq!((check.kind, check.parent.as_deref()), (Kind::Power, Some(CARD)));
    // 2^16 units of 2^-16 J are a joule, though the library rounds the unit to 15.3 µJ.
    assert_eq!((board.scale.micro(1 << 16), check.scale.micro(305)), (1_000_000, 305_000_000));
    let mut batch = Batch::default().of_all(true);
    assert_eq!(read(&mut source, &mut batch), [(CARD.into(), Ok(1_000)), (CHECK.into(), Ok(305))]);
    machine.script(&gpu("energy=66536\npower=310"));
    assert_eq!(read(&mut source, &mut batch), [(CARD.into(), Ok(66_536)), (CHECK.into(), Ok(310))]);
    machine.script(&gpu("energy=70000\nresolution=20"));
    assert_eq!(read(&mut source, &mut batch)[0].1, Err(Fault::Failed), "a unit that changes makes no energy");
    machine.script(&gpu("energy=18446744073709551615"));
    assert_eq!(read(&mut source, &mut batch)[0].1, Err(Fault::NotAvailable), "a counter of ones only is none");
}

#[test]
fn a_stated_unit_is_the_scale() {
    let source = Machine::new(&gpu("energy=1000\nresolution=20")).source();
    assert_eq!(domain(&*source, CARD).scale.micro(3), 60);
}

#[test]
fn a_reading_ends_at_the_drivers_own_timestamp() {
    let machine = Machine::new(&gpu("energy=5"));
    let mut source = machine.source();
    let mut first = |script: &str| -> Reading {
        machine.script(&gpu(script));
        let mut batch = Batch::default();
        source.read(&mut batch);
        batch.readings()[0].1
    };
    // The call goes on for 40 ms after the counter was read.
    let stamped = first("energy=6\nslow_ms=40");
    assert!(stamped.after_ns - stamped.before_ns < 35_000_000, "{stamped:?}");
    for outside in ["stamp_ms=-5000", "stamp_ms=5000"] {
        let reading = first(&format!("energy=7\nslow_ms=40\n{outside}"));
        assert!(reading.after_ns - reading.before_ns >= 40_000_000, "{outside}: the bracket holds: {reading:?}");
        assert_eq!(reading.value, Ok(7));
    }
}

#[test]
fn each_known_version_is_read_in_its_own_layout() {
    for (version, power) in [("24.6.1.0", Some(290)), ("25.3.0.0", None), ("26.0.2", Some(290)), ("27.1.0", Some(290))]
    {
        let machine = Machine::new(&format!("version={version}\n{}", gpu("energy=9\npower=310\naverage=290")));
        let mut source = machine.source();
        let values = read(&mut source, &mut Batch::default());
        assert_eq!(values[0], (CARD.into(), Ok(9)), "{version}");
        assert_eq!(values.get(1).map(|(_, value)| *value), power.map(Ok), "{version}");
    }
}

#[test]
fn a_library_that_is_not_known_is_named_and_hwmon_reads_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let other = nvidia_ml_fake::install(folder.path(), "").unwrap();
    let cases = [
        ("version=23.2.1.0\n", None, Status::Denied, "23.2.1"),
        ("version=28.0.0\n", None, Status::Denied, "28.0.0"),
        ("version=1.0.0\n", None, Status::Denied, "1.0.0"),
        ("init=10\n", None, Status::Denied, "amdsmi_status_t 10"),
        ("", Some(other), Status::Denied, "it has no amdsmi_get_lib_version"),
        ("", Some("/nonexistent/libamd_smi.so".into()), Status::Absent, "cannot be loaded"),
    ];
    for (script, library, state, word) in cases {
        let mut machine = Machine::new(&format!("{script}{}", gpu("energy=9")));
        machine.roots.amdsmi = library.or(machine.roots.amdsmi);
        let found = machine.discovery("amdsmi,hwmon");
        let status = status(&found.statuses, "amdsmi");
        assert_eq!(status.status, state, "{script}");
        assert!(status.reason.contains(word) && !status.remedy.is_empty(), "{script}: {}", status.reason);
        let domains: Vec<Domain> = found.sources.iter().flat_map(|source| source.domains().to_vec()).collect();
        let read: Vec<_> = domains.iter().map(|domain| (domain.id.as_str(), domain.source.as_str())).collect();
        assert_eq!(read, [(CARD, "hwmon")], "{script}");
    }
}

#[test]
fn a_card_is_counted_once_with_hwmon() {
    let script = "[gpu 0000:c1:00.0]\nenergy=9\n[gpu 0000:c2:00.0]\nfail=2\n";
    let machine = Machine::new(script);
    let found = machine.discovery("amdsmi,hwmon");
    let domains: Vec<Domain> = found.sources.iter().flat_map(|source| source.domains().to_vec()).collect();
    let read: Vec<_> = domains.iter().map(|domain| (domain.id.as_str(), domain.source.as_str())).collect();
    assert_eq!(read, [(CARD, "amdsmi"), (CHECK, "amdsmi"), ("amdgpu-0000:c2:00.0", "hwmon")]);
    assert_eq!(eco2_core::summed(domains.iter()), [true, false, true]);
    assert!(status(&found.statuses, "amdsmi").reason.contains("left to hwmon: 0000:c2:00.0"));
    // All that the machine has: nothing is missing, and hwmon has nothing left to read.
    let machine = Machine::new(&gpu("energy=9"));
    let found = machine.discovery("");
    assert_eq!(status(&found.statuses, "hwmon").status, Status::Off);
    assert!(found.statuses.iter().all(|status| status.name != "accelerators"), "{:?}", found.statuses);
    assert_eq!(found.sources.len(), 1);
}

#[test]
fn without_a_gpu_of_amd_no_library_is_looked_for() {
    let tree = Tree::new();
    let found = amdsmi::discover(&tree.roots(), &Visible::default());
    assert!(found.source.is_none());
    assert_eq!((found.statuses[0].status, found.statuses[0].remedy.as_str()), (Status::Absent, ""));
}

#[test]
fn second_dies_and_partitions_show_nothing_of_their_own() {
    let dies = "[gpu 0000:c1:00.0]\nenergy=9\n[gpu 0000:c2:00.0]\nenergy=0\n";
    let machine = Machine::new(dies);
    for address in ["0000:c1:00.0", "0000:c2:00.0"] {
        machine.tree.put(&format!("bus/pci/devices/{address}/device"), "0x740c\n");
    }
    machine.tree.put(&format!("{}/power1_average", hwmon("0000:c2:00.0")), "0\n");
    let source = machine.source();
    assert_eq!(ids(&*source), [CARD, CHECK]);
    assert!(source.domains()[0].name.ends_with("(with the die 0000:c2:00.0)"), "{}", source.domains()[0].name);
    assert_eq!(machine.discovery("").sources.len(), 1, "the second die is not missing");
    let partitions = "[gpu 0000:c1:00.0]\nenergy=9\n[gpu 0000:c1:00.1]\nenergy=9\n";
    assert_eq!(ids(&*Machine::new(partitions).source()), [CARD, CHECK]);
    // A card of one die that sleeps is a card.
    assert_eq!(ids(&*Machine::new(dies).source()).len(), 4);
}

#[test]
fn processors_that_hold_the_cpu_are_left_to_hwmon() {
    let machine = Machine::new(&gpu("energy=9"));
    machine.tree.put("bus/pci/devices/0000:c1:00.0/device", "0x74a0\n");
    let found = machine.found(&[]);
    assert!(found.source.is_none() && found.statuses[0].reason.contains("left to hwmon: 0000:c1:00.0"));
    // An APU: its graphics share a slot with the CPU's own functions.
    let machine = Machine::new(&gpu("energy=9"));
    card(&machine.tree, "0000:c1:00.2", "15c7");
    machine.tree.put("bus/pci/devices/0000:c1:00.2/vendor", "0x1022\n");
    assert!(machine.found(&[]).source.is_none());
}

#[test]
fn hip_and_rocr_masks_choose_the_cards() {
    let machine = Machine::new("[gpu 0000:c2:00.0]\nenergy=9\n[gpu 0000:c1:00.0]\nenergy=9\n");
    machine.tree.put("bus/pci/devices/0000:c2:00.0/unique_id", "ab12\n");
    let second = "amdgpu-0000:c2:00.0";
    for (vars, card) in [
        (vec![("HIP_VISIBLE_DEVICES", "0")], CARD),
        (vec![("ROCR_VISIBLE_DEVICES", "GPU-ab12")], second),
        (vec![("ROCR_VISIBLE_DEVICES", "1"), ("HIP_VISIBLE_DEVICES", "0")], second),
        (vec![("CUDA_VISIBLE_DEVICES", "1")], second),
    ] {
        let found = machine.found(&vars);
        assert_eq!(ids(&*found.source.unwrap()), [card, &format!("{card}/power")], "{vars:?}");
        assert!(found.statuses[0].reason.contains("not visible to the program: 1 AMD GPUs"), "{:?}", found.statuses);
    }
    let none = machine.found(&[("HIP_VISIBLE_DEVICES", "7")]);
    assert!(none.source.is_none() && none.statuses[0].reason.contains("no GPU is \"7\""), "{:?}", none.statuses);
    // What the watched processes cannot use is out of their reach.
    let mut source = machine.source();
    let visible = Visible::from_vars([("HIP_VISIBLE_DEVICES".into(), "1".into())]);
    let mut uses = Vec::new();
    source.users(&Watched { pids: vec![1], visible: vec![visible] }, &mut uses);
    let reach: Vec<_> = uses.iter().map(|used| (used.domain, used.reachable, used.unknown)).collect();
    assert_eq!(reach, [(0, false, 1.0), (2, true, 1.0)]);
}

/// MI100 and MI210 (amdsmi issue 38): the counter stays still.
#[test]
fn a_frozen_counter_is_checked_by_power_or_is_not_counted() {
    let machine = Machine::new(&gpu("energy=77"));
    let mut checked = machine.source();
    let (mut batch, clock) = scripted();
    let mut last = Vec::new();
    for _ in 0..15 {
        last = read(&mut checked, &mut batch);
        pass(&clock, 100);
    }
    assert_eq!(last, [(CARD.into(), Ok(77)), (CHECK.into(), Ok(300))], "the account compares the two");
    // Where the card shows no power, nothing else finds it.
    let machine = Machine::new(&gpu("energy=77\npower=4294967295"));
    let mut alone = machine.source();
    for _ in 0..15 {
        last = read(&mut alone, &mut batch);
        pass(&clock, 100);
    }
    assert_eq!(last, [(CARD.into(), Err(Fault::Unsupported))]);
    assert_eq!(notes(&mut alone), [("counter-unsupported", CARD.to_owned())]);
}

#[test]
fn a_lost_gpu_ends_once_and_is_read_again_when_it_is_back() {
    let script = |first: &str| format!("[gpu 0000:c1:00.0]\nenergy=9\n{first}\n[gpu 0000:c2:00.0]\nenergy=5\n");
    let machine = Machine::new(&script(""));
    let mut source = machine.source();
    let (mut batch, clock) = scripted();
    read(&mut source, &mut batch);
    machine.script(&script("fail=31"));
    pass(&clock, 200);
    let second = "amdgpu-0000:c2:00.0".to_owned();
    let others = [(second.clone(), Ok(5)), (format!("{second}/power"), Ok(300))];
    let lost = [(CARD.to_owned(), Err(Fault::Lost)), (CHECK.to_owned(), Err(Fault::Lost))];
    assert_eq!(read(&mut source, &mut batch), [lost.to_vec(), others.to_vec()].concat());
    assert_eq!(notes(&mut source), [("gpu-lost", CARD.to_owned())]);
    pass(&clock, 6_000);
    assert_eq!(read(&mut source, &mut batch), others, "once");
    machine.script(&script(""));
    pass(&clock, 6_000);
    assert_eq!(read(&mut source, &mut batch)[0], (CARD.into(), Ok(9)));
    assert_eq!(notes(&mut source), [("gpu-back", CARD.to_owned())]);
    // Any failure of a card that the kernel has removed.
    machine.script(&script("fail=7"));
    pass(&clock, 200);
    assert_eq!(read(&mut source, &mut batch)[0], (CARD.into(), Err(Fault::Failed)));
    fs::remove_dir_all(machine.tree.sys("bus/pci/devices/0000:c1:00.0")).unwrap();
    pass(&clock, 200);
    assert_eq!(read(&mut source, &mut batch)[0], (CARD.into(), Err(Fault::Lost)));
}

/// Before version 26 one shutdown closes the library for all its users in the process.
#[test]
fn a_library_that_another_user_has_shut_down_is_started_again() {
    let (first, second) = ("[gpu 0000:c1:00.0]\nenergy=9\n", "[gpu 0000:c2:00.0]\nenergy=5\n");
    let machine = Machine::new(&format!("{first}{second}"));
    let mut source = machine.source();
    let (mut batch, clock) = scripted();
    read(&mut source, &mut batch);
    // After the next start the handles are others: the cards are known by their addresses.
    machine.script(&format!("{second}fail=32\n{first}fail=32\n"));
    pass(&clock, 200);
    assert_eq!(read(&mut source, &mut batch)[0], (CARD.into(), Err(Fault::Gone)));
    machine.script(&format!("{second}{first}"));
    pass(&clock, 200);
    let values = read(&mut source, &mut batch);
    assert_eq!((&values[0], &values[2]), (&(CARD.into(), Ok(9)), &("amdgpu-0000:c2:00.0".into(), Ok(5))));
}

#[test]
fn a_library_that_hangs_at_start_is_left_and_hwmon_reads_the_card() {
    let machine = Machine::new(&format!("hang=amdsmi_init\n{}", gpu("energy=9")));
    let began = Instant::now();
    let found = machine.discovery("amdsmi,hwmon");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(status(&found.statuses, "amdsmi").status, Status::Hung);
    assert_eq!((found.sources.len(), found.sources[0].name(), found.late), (1, "hwmon", false));
    machine.script(&gpu("energy=9"));
}

#[test]
fn a_call_that_hangs_past_the_deadline_is_hung() {
    let machine = Machine::new(&gpu("energy=9"));
    let source = machine.source();
    assert!(source.may_hang());
    let mut source = Deadline::spawn(source, Clock::Monotonic, Duration::from_millis(50)).unwrap();
    machine.script(&format!("hang=amdsmi_get_energy_count\n{}", gpu("energy=9")));
    let mut until = |wanted: Result<u64, Fault>| {
        let (began, mut batch) = (Instant::now(), Batch::default());
        while !batch.readings().iter().any(|(domain, reading)| *domain == 0 && reading.value == wanted) {
            assert!(began.elapsed() < Duration::from_secs(20), "{wanted:?} never came");
            source.read(&mut batch);
            std::thread::yield_now();
        }
    };
    until(Err(Fault::Hung));
    machine.script(&gpu("energy=10"));
    until(Ok(10));
}

/// The gauges of a card with this script: name, unit, value.
fn gauges(script: &str) -> Vec<(String, String, f64)> {
    let mut out = Vec::new();
    Machine::new(&gpu(script)).source().gauges(&mut out);
    assert!(out.iter().all(|gauge| gauge.device == CARD));
    out.into_iter().map(|gauge| (gauge.name, gauge.unit, gauge.value)).collect()
}

#[test]
fn k08_gauges_of_a_card_are_shown_where_they_are_known_and_plausible() {
    const GIB: f64 = 1_073_741_824.0;
    let gauge = |name: &str, unit: &str, value| (name.to_owned(), unit.to_owned(), value);
    let memory = [gauge("memory_used", "By", 48.0 * GIB), gauge("memory_total", "By", 192.0 * GIB)];
    let expected = [vec![gauge("utilization", "1", 0.97)], memory.to_vec(), vec![gauge("temperature", "Cel", 61.0)]];
    assert_eq!(gauges("busy=97\nedge=61\nhotspot=78"), expected.concat());
    // MI300X has no sensor at its edge.
    assert_eq!(gauges("busy=97\nhotspot=78").last(), Some(&gauge("temperature", "Cel", 78.0)));
    for unknown in ["", "busy=65535\nedge=61000"] {
        assert_eq!(gauges(unknown), memory, "{unknown}");
    }
}

/// Of a counter that is updated every 100 ms the period is learned as of any other; of one that is updated every millisecond
/// each reading shows a change, so that there is no period to learn and a value is as old as its reading.
#[test]
fn update_period_of_a_cards_counter_is_learned() {
    let learned = |period_ms: u64| {
        let machine = Machine::new(&gpu("energy=0"));
        let mut source = machine.source();
        let (mut batch, clock) = scripted();
        let mut track = Track::new(domain(&*source, CARD));
        for at_ms in (0..4_000).step_by(10) {
            // 300 W in units of 2^-16 J.
            machine.script(&gpu(&format!("energy={}", at_ms / period_ms * period_ms * 19_661)));
            batch.clear();
            source.read(&mut batch);
            track.push(&batch.readings()[0].1);
            pass(&clock, 10);
        }
        track.period_ns()
    };
    assert!(learned(100).is_some_and(|ns| ns.abs_diff(100_000_000) < 1_000_000), "{:?}", learned(100));
    assert_eq!(learned(1), None);
}
