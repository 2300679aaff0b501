//! The node agent as a source: what may not be read directly is read through it, as the same counters.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::fs;
use std::path::Path;

use eco2_core::schema::{EventKind, Status};
use eco2_core::{Component, Domain, DomainPoint, Fault, Kind, ModelRange, Quality, Reading, Snapshot};
use eco2_samplers::agent::PagePoint;
use eco2_samplers::clock::{Clock, monotonic_ns};
use eco2_samplers::discover::{Discovery, Selection, discover, discover_visible};
use eco2_samplers::model::ModelOptions;
use eco2_samplers::page::{FINE, PUBLIC, PageSpec, PageWriter, SLOTS, Steps};
use eco2_samplers::visible::Visible;
use eco2_samplers::{Batch, Change, Roots, Source};

const BOOT: &str = "11111111-2222-3333-4444-555555555555";
const MS: u64 = 1_000_000;

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A machine without a readable sensor, and an agent's folder.
fn machine(dir: &Path) -> Roots {
    write(&dir.join("proc/sys/kernel/random/boot_id"), &format!("{BOOT}\n"));
    let agent = dir.join("run");
    fs::create_dir_all(&agent).unwrap();
    let nvml = Some(dir.join("no-libnvidia-ml.so"));
    Roots { sysfs: dir.join("sys"), procfs: dir.join("proc"), nvml, agent: vec![agent], ..Roots::default() }
}

fn domains() -> Vec<Domain> {
    let package = Domain {
        range: Some(1 << 32),
        max_uw: Some(280_000_000),
        ..Domain::counter("package-0", Component::Cpu, "package", "rapl-perf")
    };
    let dram = Domain::counter("dram-0", Component::Memory, "dram", "rapl-perf");
    let range = ModelRange { busy_uw: 1, idle_permille: [100, 3_000], busy_permille: [500, 1_500] };
    let board = Domain::power("gpu-0", Component::Gpu, "board", "nvml");
    let estimate = Domain { quality: Quality::Estimated, model_range: Some(range), ..dram.clone() };
    vec![package, dram, board, Domain { id: "memory-estimate".into(), ..estimate }]
}

fn publisher(roots: &Roots, name: &str, steps: Steps, domains: &[Domain]) -> PageWriter {
    let (folder, began_ns) = (roots.agent[0].as_path(), monotonic_ns());
    let spec =
        PageSpec { folder, name, mode: 0o644, group: None, steps, boot_id: BOOT, began_ns, slots: SLOTS, domains };
    PageWriter::create(&spec).unwrap()
}

const FULL: Steps = Steps { ns: 0, uj: 1 };
const COARSE: Steps = Steps { ns: 1_000 * MS, uj: 100_000 };

fn find(roots: &Roots) -> Discovery {
    discover(roots, &Selection::All, &ModelOptions::default())
}

fn agent(found: Discovery) -> Box<dyn Source> {
    found.sources.into_iter().find(|source| source.name() == "agent").unwrap()
}

fn status(found: &Discovery) -> Option<(Status, String)> {
    found.statuses.iter().find(|status| status.name == "agent").map(|status| (status.status, status.reason.clone()))
}

/// Energies in the order of [`domains`], each read at `at_ns` within 1 ms.
fn snapshot(at_ns: u64, energies: &[u64]) -> Snapshot {
    let point = |uj: &u64| {
        PagePoint { uj: *uj, before_ns: at_ns - MS, after_ns: at_ns, slope_q28: 0, flags: 0, is_silent: false }.store()
    };
    let points: Vec<DomainPoint> = energies.iter().map(point).collect();
    Snapshot::new(at_ns, DomainPoint::default(), &points)
}

/// Whether a domain is an estimate that is kept ready for a counter of the agent.
fn is_standby(domain: &Domain) -> bool {
    domain.id.ends_with("/estimate")
}

/// Ids of what is read through the agent.
fn ids(source: &dyn Source) -> Vec<String> {
    source.domains().iter().filter(|domain| !is_standby(domain)).map(|domain| domain.id.clone()).collect()
}

/// Readings of what is read through the agent.
fn read(source: &mut dyn Source) -> Vec<(usize, Reading)> {
    let mut batch = Batch::new(Clock::Monotonic);
    source.read(&mut batch);
    let of_agent = |(domain, _): &&(usize, Reading)| !is_standby(&source.domains()[*domain]);
    batch.readings().iter().filter(of_agent).copied().collect()
}

fn values(source: &mut dyn Source) -> Vec<(usize, Result<u64, Fault>)> {
    read(source).into_iter().map(|(domain, reading)| (domain, reading.value)).collect()
}

#[test]
fn what_may_not_be_read_is_read_through_the_agent_as_the_same_counter() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let mut page = publisher(&roots, FINE, FULL, &domains());
    let now_ns = monotonic_ns();
    page.publish(&snapshot(now_ns, &[7_000_000, 500, 3_000, 9]), now_ns);
    let found = find(&roots);
    assert_eq!(status(&found).unwrap().0, Status::Ok);
    let mut source = agent(found);
    assert_eq!(ids(source.as_ref()), ["package-0", "dram-0", "gpu-0", "memory-estimate"]);
    let package = &source.domains()[0];
    assert_eq!((package.quality, package.method.as_deref()), (Quality::Measured, Some("agent")));
    assert_eq!((package.max_uw, package.range, package.source.as_str()), (Some(280_000_000), None, "agent"));
    assert!(source.domains()[3].model_range.is_some() && source.domains()[3].quality == Quality::Estimated);

    let readings = read(source.as_mut());
    let first = readings[0].1;
    assert_eq!((first.before_ns, first.after_ns, first.value), (now_ns - MS, now_ns, Ok(7_000_000)));
    assert_eq!(readings.len(), 4);
    assert_eq!(values(source.as_mut()), [], "nothing new since");
    let later_ns = now_ns + 100 * MS;
    page.publish(&snapshot(later_ns, &[7_000_900, 500, 5_003_000, 9]), later_ns);
    let second = values(source.as_mut());
    assert_eq!(second, [(0, Ok(7_000_900)), (1, Ok(500)), (2, Ok(0)), (3, Ok(9))]);

    // The agent's counter fails, and an estimate counts in its place: that is no reading of the counter.
    let last_ns = later_ns + 100 * MS;
    let replaced = PagePoint { uj: 8_000_000, before_ns: last_ns, after_ns: last_ns, ..ESTIMATED }.store();
    page.publish(&Snapshot::new(last_ns, DomainPoint::default(), &[replaced; 4]), last_ns);
    let third = values(source.as_mut());
    assert_eq!(third[0], (0, Err(Fault::NotAvailable)));
    assert_eq!(third[3], (3, Ok(8_000_000)), "what is an estimate on the page stays one");
}

const ESTIMATED: PagePoint =
    PagePoint { uj: 0, before_ns: 0, after_ns: 0, slope_q28: 0, flags: DomainPoint::ESTIMATED, is_silent: false };

/// Ids of what is read through the agent of a machine that has a counter of a GPU, with these options and variables.
fn through_agent(roots: &Roots, enabled: bool, variables: &[(&str, &str)]) -> Vec<String> {
    let (options, variables) = (ModelOptions { enabled, ..ModelOptions::default() }, variables.iter().copied());
    let visible = Visible::from_vars(variables.map(|(name, value)| (name.into(), value.into())));
    let found = discover_visible(roots, &Selection::All, &options, &visible);
    ids(agent(found).as_ref())
}

#[test]
fn what_the_program_does_not_see_and_estimates_that_are_refused_are_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let mut counters = domains();
    counters[2] = Domain::counter("GPU-0", Component::Gpu, "board", "nvml");
    let now_ns = monotonic_ns();
    let mut page = publisher(&roots, FINE, FULL, &counters);
    page.publish(&snapshot(now_ns, &[0; 4]), now_ns);
    assert_eq!(through_agent(&roots, true, &[]), ["package-0", "dram-0", "GPU-0", "memory-estimate"]);
    assert_eq!(through_agent(&roots, false, &[]), ["package-0", "dram-0", "GPU-0"]);
    let hidden = through_agent(&roots, true, &[("CUDA_VISIBLE_DEVICES", "")]);
    assert_eq!(hidden, ["package-0", "dram-0", "memory-estimate"]);
}

/// A GPU without a counter: its power is read through the page, and integrated here. What only checks a counter is not read.
#[test]
fn power_is_read_through_the_page_and_what_checks_a_counter_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let board = Domain::counter("GPU-1", Component::Gpu, "board", "nvml");
    let check =
        Domain { parent: Some("GPU-1".into()), ..Domain::power("GPU-1/power", Component::Gpu, "power", "nvml") };
    let unread = Domain { quality: Quality::Missing, ..Domain::power("GPU-2", Component::Gpu, "board", "nvml") };
    let power = Domain { max_uw: Some(700_000_000), ..Domain::power("GPU-0", Component::Gpu, "board", "nvml") };
    let all = [power, board, check, unread];
    for (name, steps, watts) in [(FINE, FULL, 321_987_654), (PUBLIC, COARSE, 322_000_000)] {
        let mut page = publisher(&roots, name, steps, &all);
        let now_ns = monotonic_ns();
        let read = PagePoint { uj: 5, before_ns: now_ns - MS, after_ns: now_ns, ..ESTIMATED };
        let of_power = PagePoint { slope_q28: DomainPoint::slope_of_uw(321_987_654), flags: 0, ..read }.store();
        page.publish(&Snapshot::new(now_ns, of_power, &[of_power; 4]), now_ns);
        let mut source = agent(find(&roots));
        assert_eq!(ids(source.as_ref()), ["GPU-0", "GPU-1"], "{name}");
        let domain = source.domains()[0].clone();
        assert_eq!((domain.kind, domain.quality, domain.max_uw), (Kind::Power, Quality::Derived, Some(700_000_000)));
        let value = values(source.as_mut())[0].1.unwrap();
        assert!(domain.scale.micro(value).abs_diff(watts) <= 4, "{name}: {value}");
        drop(page);
        fs::remove_file(roots.agent[0].join(name)).unwrap();
    }
}

/// The estimate counts before the counter has moved, not while it moves, and again once the agent has died.
#[test]
fn an_estimate_is_kept_ready_for_a_package_of_the_agent() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let mut page = publisher(&roots, FINE, FULL, &domains()[..1]);
    let mut source = agent(find(&roots));
    let place = source.domains().iter().position(|domain| domain.id == "package-0/estimate").unwrap();
    assert_eq!(source.domains()[place].parent.as_deref(), Some("package-0"));
    let mut estimate = |energy_uj: Option<u64>| {
        let now_ns = monotonic_ns();
        energy_uj.inspect(|uj| page.publish(&snapshot(now_ns, &[*uj]), now_ns));
        if energy_uj.is_none() {
            fs::remove_file(page.path()).unwrap();
        }
        let mut batch = Batch::new(Clock::Monotonic);
        source.read(&mut batch);
        let of_estimate = batch.readings().iter().filter(|(domain, _)| *domain == place);
        of_estimate.map(|(_, reading)| reading.value).collect::<Vec<_>>()
    };
    assert!(matches!(estimate(Some(1_000))[..], [Ok(_)]), "the counter has not moved");
    assert_eq!(estimate(Some(2_000)), [Err(Fault::NotAvailable)]);
    assert_eq!(estimate(Some(3_000)), []);
    assert!(matches!(estimate(None)[..], [Ok(_), Ok(_)]), "from the last reading of the agent on");
}

/// Two estimates of one machine would count it twice.
#[test]
fn what_the_agent_estimates_is_not_estimated_again() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let estimated =
        |id, component| Domain { quality: Quality::Estimated, ..Domain::counter(id, component, "all", "model") };
    let of_agent = [estimated("cpu-estimate", Component::Cpu), estimated("memory-estimate", Component::Memory)];
    let mut page = publisher(&roots, FINE, FULL, &of_agent);
    let now_ns = monotonic_ns();
    page.publish(&snapshot(now_ns, &[0; 2]), now_ns);
    let names: Vec<String> = find(&roots).sources.iter().map(|source| source.name().to_owned()).collect();
    assert_eq!(names, ["agent"]);
}

#[test]
fn what_is_read_directly_is_not_read_through_the_agent() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let zone = dir.path().join("sys/class/powercap/intel-rapl:0");
    for (file, text) in [("name", "package-0\n"), ("energy_uj", "123456\n"), ("max_energy_range_uj", "262143328850\n")]
    {
        write(&zone.join(file), text);
    }
    let page = publisher(&roots, FINE, FULL, &domains());
    let source = agent(find(&roots));
    assert_eq!(ids(source.as_ref()), ["dram-0", "gpu-0", "memory-estimate"], "the package is read by powercap");
    drop(page);
    drop(publisher(&roots, FINE, FULL, &domains()[..1]));
    fs::remove_file(roots.agent[0].join(FINE)).unwrap();
    let _page = publisher(&roots, FINE, FULL, &domains()[..1]);
    let found = find(&roots);
    assert_eq!(status(&found).unwrap().0, Status::Off, "{:?}", status(&found));
}

#[test]
fn the_public_page_counts_in_tenths_of_a_joule() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let mut page = publisher(&roots, PUBLIC, Steps { ns: 1_000 * MS, uj: 100_000 }, &domains());
    let now_ns = monotonic_ns();
    page.publish(&snapshot(now_ns, &[7_100_000, 500_000, 0, 0]), now_ns);
    let found = find(&roots);
    assert!(status(&found).unwrap().1.contains("0.1 J"));
    let mut source = agent(found);
    assert_eq!(source.domains()[0].scale.micro(1), 100_000);
    assert_eq!(values(source.as_mut())[..2], [(0, Ok(71)), (1, Ok(5))]);
}

#[test]
fn fine_page_that_is_damaged_is_reported_and_the_public_one_read() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let mut page = publisher(&roots, PUBLIC, COARSE, &domains());
    let now_ns = monotonic_ns();
    page.publish(&snapshot(now_ns, &[7_100_000, 500_000, 0, 0]), now_ns);
    assert_eq!(status(&find(&roots)).unwrap().0, Status::Ok, "there is no fine page");
    fs::write(roots.agent[0].join(FINE), "garbage").unwrap();
    let found = find(&roots);
    let (word, reason) = status(&found).unwrap();
    assert!(word == Status::Degraded && reason.contains("page.fine is not used: it is not a page"), "{reason}");
    let (mut source, mut notes) = (agent(found), Vec::new());
    source.notes(&mut notes);
    assert_eq!(notes.iter().map(|note| note.kind).collect::<Vec<_>>(), [EventKind::SourceNote]);
    assert_eq!(values(source.as_mut())[..2], [(0, Ok(71)), (1, Ok(5))]);
}

#[test]
fn without_an_agent_there_is_no_status_and_a_refused_one_has_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    assert_eq!(status(&find(&roots)), None);
    let named = discover(&roots, &Selection::parse("agent").unwrap(), &ModelOptions::default());
    assert_eq!(status(&named).unwrap().0, Status::Absent);
    drop(publisher(&roots, PUBLIC, FULL, &domains()));
    let (word, reason) = status(&find(&roots)).unwrap();
    assert!(word == Status::Lost && reason.contains("stopped"), "{reason}");
    fs::write(roots.agent[0].join(PUBLIC), "garbage").unwrap();
    let (word, reason) = status(&find(&roots)).unwrap();
    assert!(word == Status::Denied && reason.contains("not a page"), "{reason}");
}

#[test]
fn an_agent_that_dies_is_a_failed_read_and_one_that_is_back_continues() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let mut page = publisher(&roots, FINE, FULL, &domains()[..2]);
    let now_ns = monotonic_ns();
    page.publish(&snapshot(now_ns, &[1_000, 10]), now_ns);
    let mut source = agent(find(&roots));
    assert_eq!(values(source.as_mut()), [(0, Ok(1_000)), (1, Ok(10))]);
    drop(page);
    let failed = [(0, Err(Fault::Failed)), (1, Err(Fault::Failed))];
    assert_eq!(values(source.as_mut()), failed);
    let (mut changes, mut notes) = (Vec::new(), Vec::new());
    source.changes(&mut changes);
    source.notes(&mut notes);
    assert!(matches!(&changes[..], [Change::Silent(status)] if status.status == Status::Lost), "{changes:?}");
    assert_eq!(notes.iter().map(|note| note.kind).collect::<Vec<_>>(), [EventKind::SourceHung]);

    // It starts again, with its domains in another order and without one of them.
    let mut page = publisher(&roots, FINE, FULL, &domains()[..1]);
    let later_ns = monotonic_ns();
    page.publish(&snapshot(later_ns, &[1_500]), later_ns);
    let mut back = values(source.as_mut());
    // It is looked for after 50 ms at the latest.
    while back[0].1.is_err() {
        back = values(source.as_mut());
    }
    assert_eq!(back, [(0, Ok(1_500)), (1, Err(Fault::Gone))]);
    changes.clear();
    source.changes(&mut changes);
    assert!(matches!(&changes[..], [Change::Answers(name)] if name == "agent"), "{changes:?}");
}

/// What lies beyond the end of a file may not be read: the process would get SIGBUS.
#[test]
fn f46_page_that_was_cut_to_nothing_is_a_failed_read_and_no_signal() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let mut page = publisher(&roots, FINE, FULL, &domains()[..2]);
    let now_ns = monotonic_ns();
    page.publish(&snapshot(now_ns, &[1_000, 10]), now_ns);
    let mut source = agent(find(&roots));
    assert_eq!(values(source.as_mut()), [(0, Ok(1_000)), (1, Ok(10))]);
    let path = page.path().to_owned();
    // Its writer would get the signal as well.
    std::mem::forget(page);
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    let failed = [(0, Err(Fault::Failed)), (1, Err(Fault::Failed))];
    assert_eq!(values(source.as_mut()), failed);
    assert_eq!(values(source.as_mut()), failed, "again, also when it is looked for");
    // Removed and cut: it is neither read nor taken for the one that was replaced.
    fs::remove_file(&path).unwrap();
    assert_eq!(values(source.as_mut()), failed);
}

#[test]
fn a_page_that_was_replaced_is_followed_without_a_failed_read() {
    let dir = tempfile::tempdir().unwrap();
    let roots = machine(dir.path());
    let mut page = publisher(&roots, FINE, FULL, &domains()[..1]);
    let now_ns = monotonic_ns();
    page.publish(&snapshot(now_ns, &[1_000]), now_ns);
    let mut source = agent(find(&roots));
    assert_eq!(values(source.as_mut()), [(0, Ok(1_000))]);
    // A GPU appeared: the agent writes another page.
    let mut next = publisher(&roots, FINE, FULL, &[domains()[2].clone(), domains()[0].clone()]);
    next.publish(&snapshot(now_ns + MS, &[0, 1_200]), now_ns + MS);
    drop(page);
    assert_eq!(values(source.as_mut()), [(0, Ok(1_200))]);
}
