//! Identity of GPUs: UUIDs, visibility, MIG, superchips, order.

use eco2_core::schema::Status;
use eco2_core::{Component, Fault, Kind};

use eco2_samplers::visible::Visible;
use eco2_samplers::{DeviceUse, Watched};

use crate::rig::Rig;

const MIXED: &str = "[gpu 0]\nuuid=GPU-aaaa\nbus=0x40\n[gpu 1]\nuuid=GPU-bbbb\nbus=0x20\nmig=MIG-1111,MIG-2222";

#[test]
fn m26_only_what_the_program_sees_is_measured() {
    for (devices, expected) in [
        ("0", "GPU-bbbb"),
        ("1", "GPU-aaaa"),
        ("GPU-aa", "GPU-aaaa"),
        ("MIG-2222", "GPU-bbbb"),
        ("MIG-GPU-bbbb/1/0", "GPU-bbbb"),
    ] {
        let mut rig = Rig::seen_by(MIXED, Some(devices));
        let ids = rig.ids();
        assert_eq!(ids, [expected.to_owned(), format!("{expected}/power")], "CUDA_VISIBLE_DEVICES={devices}");
    }
    let hidden = Rig::seen_by(MIXED, Some(""));
    assert!(hidden.source.is_none());
    assert_eq!(hidden.statuses[0].status, Status::Off);
}

#[test]
fn m26_a_name_that_fits_no_gpu_is_reported() {
    let mut rig = Rig::seen_by(MIXED, Some("GPU-aaaa,GPU-zz"));
    assert_eq!(rig.ids()[0], "GPU-aaaa");
    assert_eq!(rig.statuses[0].status, Status::Degraded);
    assert!(rig.statuses[0].reason.contains("GPU-zz"), "{}", rig.statuses[0].reason);
}

#[test]
fn m26_mig_is_the_boards_energy_once() {
    let mut rig = Rig::seen_by(MIXED, Some("MIG-1111,MIG-2222"));
    assert_eq!(rig.ids(), ["GPU-bbbb", "GPU-bbbb/power"]);
    let notes = rig.notes();
    let note = notes.iter().find(|note| note.kind.name() == "mig").expect("a note on MIG");
    assert!(note.text.contains("2 MIG devices") && note.text.contains("MIG-2222"), "{}", note.text);
    users(&mut rig, &[]);
    let [use_of_it] = &users(&mut rig, &[])[..] else { panic!("one board") };
    assert!(use_of_it.processes.is_empty() && use_of_it.unknown == 0.0, "no instance has a process");
}

#[test]
fn m27_a_module_holds_its_gpu_and_is_not_added_to_it() {
    let mut rig = Rig::new("[gpu 0]\nuuid=GPU-gh\npower=300\nmodule=500\ncounter_is_module=yes");
    let domains = rig.source().domains().to_vec();
    let find = |id: &str| domains.iter().find(|domain| domain.id == id).unwrap_or_else(|| panic!("{id}"));
    let (gpu, module) = (find("GPU-gh"), find("GPU-gh/module"));
    assert_eq!((module.component, module.kind, module.parent.clone()), (Component::Other, Kind::Energy, None));
    assert_eq!((gpu.component, gpu.kind), (Component::Gpu, Kind::Power), "the counter is the module's");
    assert_eq!(gpu.parent.as_deref(), Some("GPU-gh/module"));
    assert_eq!(rig.values(1, 1_000), [Ok(500_000)]);
    assert_eq!(rig.values(0, 1_000 + 20), [Ok(300_000)]);
}

#[test]
fn m27_scoped_counters_are_taken_where_they_differ() {
    let mut rig = Rig::new(
        "[gpu 0]\nuuid=GPU-gh\npower=300\nmodule=500\ncounter_is_module=yes\nscoped_energy=yes\nenergy_offset_mj=0",
    );
    // At time 0 both counters are equal, so that the scope cannot be trusted.
    assert_eq!(rig.source().domains()[0].kind, Kind::Power);
    rig.set_ms(1_000);
    let mut later = eco2_samplers::nvml::discover_visible(&rig.roots, &Default::default()).source.unwrap();
    let domains = later.domains().to_vec();
    assert_eq!((domains[0].kind, domains[0].parent.as_deref()), (Kind::Energy, Some("GPU-gh/module")));
    let mut batch = eco2_samplers::Batch::new(rig.clock.clone());
    later.read(&mut batch);
    let values: Vec<_> = batch.readings().iter().map(|(domain, reading)| (*domain, reading.value)).collect();
    assert_eq!(values, [(0, Ok(300_000)), (1, Ok(300_000)), (2, Ok(500_000))]);
}

#[test]
fn m27_a_module_alone_is_summed() {
    let mut rig = Rig::new("[gpu 0]\nuuid=GPU-gh\nmodule=500\nenergy=off\nfail=instant:3,samples:3,power:3");
    let domains = rig.source().domains().to_vec();
    assert_eq!(domains.len(), 1);
    assert_eq!((domains[0].id.as_str(), domains[0].component), ("GPU-gh/module", Component::Other));
    assert_eq!((domains[0].parent.clone(), domains[0].kind), (None, Kind::Power));
    assert_eq!(rig.values(0, 1_000), [Ok(500_000)]);
}

#[test]
fn m25_every_state_of_a_gpu_has_its_own_status() {
    let script =
        "[gpu 0]\nfail=energy:3@1000\n[gpu 1]\nlost_ms=1000\n[gpu 2]\nfail=energy:4@1000\n[gpu 3]\nna=energy@1000";
    let mut rig = Rig::new(script);
    let healthy = rig.at_ms(900);
    assert!(healthy.iter().all(|(_, reading)| reading.value.is_ok()));
    let readings = rig.at_ms(1_000);
    let of = |gpu: usize| readings.iter().find(|(domain, _)| *domain == 2 * gpu).unwrap().1.value;
    let states = [of(0), of(1), of(2), of(3)];
    assert_eq!(states, [Fault::Unsupported, Fault::Lost, Fault::Denied, Fault::NotAvailable].map(Err));
}

#[test]
fn m25_gauges_leave_out_what_is_not_available() {
    let mut rig = Rig::new("[gpu 0]\nna=temperature,memory\nutilization=30\nthrottle=0x4\nlimit=650");
    rig.at_ms(1_000);
    let mut gauges = Vec::new();
    rig.source().gauges(&mut gauges);
    let recorded: Vec<_> = gauges.iter().map(|gauge| (gauge.name.as_str(), gauge.unit.as_str(), gauge.value)).collect();
    assert_eq!(
        recorded,
        [
            ("utilization", "1", 0.3),
            ("temperature_limit", "Cel", 87.0),
            ("sm_clock", "Hz", 1.98e9),
            ("power_limit", "W", 650.0),
            ("throttle_reasons", "bits", 4.0)
        ]
    );
}

/// The users of the GPUs since the last look, by processes with these environments.
fn users(rig: &mut Rig, visible: &[&str]) -> Vec<DeviceUse> {
    let of = |list: &&str| Visible::from_vars([("CUDA_VISIBLE_DEVICES".into(), (*list).into())]);
    let watched = Watched { pids: vec![1], visible: visible.iter().map(of).collect() };
    let mut users = Vec::new();
    rig.source().users(&watched, &mut users);
    users
}

#[test]
fn k08_a_gpus_users_are_reported_by_process_id_since_the_last_look() {
    let mut rig = Rig::new("[gpu 0]\nutilization=90\nprocess=self:60,4000000:30\n[gpu 1]\nutilization=0");
    rig.at_ms(1_000);
    assert!(users(&mut rig, &[]).is_empty(), "use before the first look is not attributed");
    rig.at_ms(2_000);
    let mut processes = vec![(std::process::id(), 0.6), (4_000_000, 0.3)];
    processes.sort_unstable_by_key(|(pid, _)| *pid);
    let busy = DeviceUse { domain: 0, reachable: true, processes, number: Some(0), ..DeviceUse::default() };
    let idle = DeviceUse { domain: 2, reachable: true, number: Some(1), ..DeviceUse::default() };
    assert_eq!(users(&mut rig, &[]), [busy, idle.clone()], "an idle GPU was used by no process");
    let unknown = DeviceUse { domain: 0, reachable: true, unknown: 0.9, number: Some(0), ..DeviceUse::default() };
    assert_eq!(users(&mut rig, &[]), [unknown, idle], "no new sample of a busy GPU: by whom is not known");
}

#[test]
fn m26_a_gpu_that_mig_divides_was_used_by_the_processes_of_its_instances_by_their_slices() {
    let script = "[gpu 0]\nmig=MIG-1,MIG-2,MIG-3\nmig_slices=3,2,1\nmig_present=71:0,72:0,73:1";
    let of = |rig: &mut Rig| {
        users(rig, &[]);
        rig.at_ms(1_000);
        users(rig, &[]).remove(0)
    };
    let used = of(&mut Rig::new(script));
    let parts: Vec<(u32, f64)> = used.processes.iter().map(|(pid, part)| (*pid, (part * 14.0).round())).collect();
    assert_eq!(parts, [(71, 3.0), (72, 3.0), (73, 4.0)], "fourteenths: the third instance and one slice are idle");
    assert!(used.is_assumed && used.unknown == 0.0);
    let used = of(&mut Rig::new(&format!("{script}\nfail=mig_present:4")));
    assert!(used.processes.is_empty() && (used.unknown - 6.0 / 7.0).abs() < 1e-9, "{used:?}");
    let used = of(&mut Rig::new("[gpu 0]\nmig=MIG-1\nfail=mig:999@500"));
    assert_eq!((used.processes, used.unknown), (Vec::new(), 1.0), "it does not report that it is divided");
}

#[test]
fn processes_that_share_a_gpu_get_equal_parts_where_the_driver_does_not_measure_them() {
    let of = |script: &str, server: &str| {
        let mut rig = Rig::new(script);
        let comm = rig.roots.procfs.join("70/comm");
        std::fs::create_dir_all(comm.parent().unwrap()).unwrap();
        std::fs::write(comm, server).unwrap();
        users(&mut rig, &[]);
        rig.at_ms(1_000);
        users(&mut rig, &[]).remove(0)
    };
    // Time slices, without utilisation by process.
    let used = of("[gpu 0]\nutilization=80\npresent=71,72,71\nfail=processes:3", "");
    assert_eq!((used.processes, used.unknown, used.is_assumed), (vec![(71, 0.4), (72, 0.4)], 0.0, true));
    let used = of("[gpu 0]\nutilization=80\nfail=processes:3", "");
    assert_eq!((used.processes, used.unknown, used.is_assumed), (Vec::new(), 1.0, false), "no process is listed");
    // MPS: of the server's clients nothing is measured.
    let used = of("[gpu 0]\nprocess=70:60,9:10\nmps=71,72", "nvidia-cuda-mps\n");
    assert_eq!((used.processes, used.is_assumed), (vec![(9, 0.1), (71, 0.3), (72, 0.3)], true));
    let used = of("[gpu 0]\nprocess=70:60\nmps=71,72", "train\n");
    assert_eq!((used.processes, used.is_assumed), (vec![(70, 0.6)], false), "a process next to MPS");
    let used = of("[gpu 0]\nprocess=70:1,71:60\nmps=71,72", "nvidia-cuda-mps\n");
    assert_eq!((used.processes, used.is_assumed), (vec![(70, 0.01), (71, 0.6)], false), "its clients are measured");
}

#[test]
fn gpus_after_a_lost_one_keep_their_numbers_and_instances_have_uuids() {
    let mut rig = Rig::new("[gpu 0]\nlost_ms=0\n[gpu 1]\nmig=MIG-1,MIG-2\nmig_slices=3,2\n[gpu 2]\nutilization=0");
    assert_eq!(rig.ids().iter().filter(|id| !id.contains('/')).count(), 2, "{:?}", rig.ids());
    users(&mut rig, &[]);
    rig.at_ms(1_000);
    let found: Vec<_> = users(&mut rig, &[]).into_iter().map(|used| (used.number, used.instances)).collect();
    let instances = vec!["MIG-1".to_owned(), "MIG-2".to_owned()];
    assert_eq!(found, [(Some(1), instances), (Some(2), Vec::new())]);
}

#[test]
fn k08_a_gpu_that_the_command_cannot_see_is_not_its_own() {
    let mut rig = Rig::new("[gpu 0]\n[gpu 1]\n[gpu 2]");
    users(&mut rig, &[]);
    rig.at_ms(1_000);
    let mut reachable = |visible: &[&str]| users(&mut rig, visible).iter().map(|one| one.reachable).collect::<Vec<_>>();
    assert_eq!(reachable(&[]), [true, true, true], "an environment that is not known hides nothing");
    assert_eq!(reachable(&["1"]), [false, true, false]);
    assert_eq!(reachable(&["1", "2"]), [false, true, true], "two processes");
    assert_eq!(reachable(&[""]), [false, false, false]);
}

#[test]
fn d04_a_name_that_cannot_be_read_costs_no_energy() {
    let mut rig = Rig::new("[gpu 0]\nfail=name:999,pci:999,arch:999");
    assert_eq!(rig.source().domains()[0].name, "NVIDIA GPU");
    assert_eq!(rig.values(0, 1_000), [Ok(100_000)]);
}
