//! Faults of the driver and its GPUs: absent, mismatched, lost, hot-plugged, shut down by others.

use eco2_core::Fault;
use eco2_core::schema::Status;
use eco2_samplers::nvml::{Visibility, discover_visible};
use eco2_samplers::{Change, Roots};
use nvml_wrapper::Nvml;

use crate::rig::Rig;

fn absent(procfs: &std::path::Path, nvml: Option<std::path::PathBuf>) -> eco2_core::schema::SourceStatus {
    let roots = Roots { nvml, procfs: procfs.into(), ..Roots::default() };
    let found = discover_visible(&roots, &Visibility::default());
    assert!(found.source.is_none());
    found.statuses[0].clone()
}

#[test]
fn f13_without_a_library_there_is_a_reason_and_one_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let status = absent(folder.path(), Some(folder.path().join("libnvidia-ml.so.1")));
    assert_eq!(status.status, Status::Absent);
    assert!(status.reason.contains("libnvidia-ml.so.1") && status.remedy.contains("--nvml"), "{status:?}");
    std::fs::write(folder.path().join("nonsense.so"), "no library").unwrap();
    assert_eq!(absent(folder.path(), Some(folder.path().join("nonsense.so"))).status, Status::Absent);
}

#[test]
fn f13_a_container_without_the_library_gets_the_option_to_add() {
    if std::fs::exists("/proc/driver/nvidia/version").unwrap_or(false) {
        return; // A machine that has the driver does not miss its library.
    }
    let folder = tempfile::tempdir().unwrap();
    let bare = absent(folder.path(), None);
    assert!(bare.reason.contains("no NVIDIA driver library (libnvidia-ml.so.1)"), "{bare:?}");
    std::fs::create_dir_all(folder.path().join("driver/nvidia")).unwrap();
    std::fs::write(folder.path().join("driver/nvidia/version"), "NVRM version").unwrap();
    let status = absent(folder.path(), None);
    assert!(status.remedy.contains("--gpus all") && status.remedy.contains("NVIDIA_DRIVER_CAPABILITIES"), "{status:?}");
}

#[test]
fn d05_an_absent_driver_never_raises() {
    let folder = tempfile::tempdir().unwrap();
    absent(folder.path(), Some(folder.path().join("nowhere.so")));
    let mut rig = Rig::new("init=9");
    assert_eq!(rig.statuses[0].status, Status::Absent);
    assert!(rig.at_ms(1_000).is_empty() && rig.ids().is_empty());
}

#[test]
fn f14_a_mismatched_driver_is_reported_and_retried_less_and_less_often() {
    let mut rig = Rig::new("init=18@0..8000");
    assert_eq!(rig.statuses[0].status, Status::Denied);
    assert_eq!(rig.statuses[0].remedy, "reboot, or reload the driver");
    for ms in (0..15_000).step_by(100) {
        assert!(rig.at_ms(ms).is_empty(), "at {ms} ms");
    }
    // The attempts: when it was opened, after 5 s, and 10 s later.
    assert_eq!(rig.calls("nvmlInit_v2"), 2);
    assert_eq!(rig.values(0, 15_100), [Ok(1_510_000)]);
    assert_eq!(rig.calls("nvmlInit_v2"), 3);
    assert!(rig.kinds().contains(&"nvml-back"));
    let missing = Rig::new("init=9@0..8000");
    assert!(missing.statuses[0].remedy.contains("modprobe nvidia"));
}

#[test]
fn m28_the_sampler_runs_on_without_driver_and_when_a_gpu_is_removed() {
    let mut closed = Rig::new("init=999");
    assert!(closed.at_ms(1_000).is_empty());
    let mut rig = Rig::new("[gpu 0]\n[gpu 1]\ngone_ms=2000");
    assert_eq!(rig.at_ms(1_000).len(), 4);
    for ms in (2_000..9_000).step_by(100) {
        let readings = rig.at_ms(ms);
        let first = readings.iter().find(|(domain, _)| *domain == 0).unwrap().1.value;
        assert_eq!(first, Ok(ms * 100), "the other GPU goes on");
    }
}

#[test]
fn f15_a_lost_gpu_ends_once_and_others_go_on() {
    let mut rig = Rig::new("[gpu 0]\nlost_ms=3000\nxid=79@2900\n[gpu 1]");
    rig.at_ms(2_000);
    let mut after = Vec::new();
    for ms in (3_000..20_000).step_by(100) {
        let readings = rig.at_ms(ms);
        after.extend(readings.iter().filter(|(domain, _)| *domain < 2).map(|(domain, reading)| (*domain, *reading)));
        assert!(readings.iter().any(|(domain, reading)| *domain == 2 && reading.value == Ok(ms * 100)), "at {ms} ms");
    }
    let values: Vec<_> = after.iter().map(|(domain, reading)| (*domain, reading.value)).collect();
    assert_eq!(values, [(0, Err(Fault::Lost)), (1, Err(Fault::Lost))], "once, and never an old value");
    assert_eq!(after[0].1.before_ns, 3_000_000_000, "the end time");
    let notes = rig.notes();
    let lost: Vec<_> = notes.iter().filter(|note| note.kind.name() == "gpu-lost").collect();
    assert_eq!(lost.len(), 1, "{notes:?}");
    assert!(notes.iter().any(|note| note.kind.name() == "xid" && note.text.contains("79")), "{notes:?}");
}

#[test]
fn f20_gpus_are_known_by_uuid_whatever_their_order_and_number() {
    let script = "order=1,0,2@2000\n[gpu 0]\npower=100\n[gpu 1]\npower=200\ngone_ms=20000..40000\n[gpu 2]\npower=300\ngone_ms=0..9000";
    let mut rig = Rig::new(script);
    let before = rig.ids();
    assert_eq!(before.len(), 4);
    rig.at_ms(100);
    assert_eq!((rig.values(0, 8_000), rig.values(2, 8_000)), (vec![Ok(800_000)], vec![Ok(1_600_000)]));
    rig.at_ms(14_000);
    let after = rig.ids();
    assert_eq!((after.len(), &after[..4]), (6, &before[..]), "the list grows at its end");
    assert_eq!(rig.values(4, 15_000), [Ok(4_500_000)]);
    assert!(rig.kinds().contains(&"gpu-new"));
    let gone: Vec<_> = (20_000..30_000).step_by(100).flat_map(|ms| rig.values(2, ms)).collect();
    assert!(gone.ends_with(&[Err(Fault::Gone)]) && gone.iter().all(Result::is_err), "{gone:?}");
    assert!(rig.kinds().contains(&"gpu-gone"));
    rig.at_ms(46_000);
    assert_eq!(rig.values(2, 46_100), [Ok(46_100 * 200)], "it is back, in its old place");
    assert!(rig.kinds().contains(&"gpu-back"));
}

#[test]
fn f20_a_gpu_that_once_fails_to_report_its_identity_goes_on() {
    let mut rig = Rig::new("[gpu 0]\nfail=uuid:999@4000..9000");
    for ms in (1_000..12_000).step_by(100) {
        assert_eq!(rig.values(0, ms), [Ok(ms * 100)]);
    }
}

#[test]
fn f22_an_xid_is_an_event_and_no_energy() {
    let mut rig = Rig::new("[gpu 0]\nxid=31@1500,94@1600\n[gpu 1]");
    let uuid = rig.gpu(0).uuid.clone();
    rig.at_ms(1_000);
    assert_eq!(rig.values(0, 2_000), [Ok(200_000)]);
    let notes = rig.notes();
    let recorded: Vec<_> =
        notes.iter().map(|note| (note.kind.name(), note.device.as_str(), note.text.as_str())).collect();
    let (fault, ecc) = ("XID 31: GPU memory page fault", "XID 94: contained ECC error");
    assert_eq!(recorded, [("xid", uuid.as_str(), fault), ("xid", uuid.as_str(), ecc)]);
    rig.at_ms(3_000);
    assert!(rig.notes().is_empty(), "once");
}

#[test]
fn f23_others_may_open_and_close_nvml_as_they_like() {
    let mut rig = Rig::new("[gpu 0]");
    let library = rig.library();
    let other = Nvml::builder().lib_path(library.as_os_str()).init().unwrap();
    other.shutdown().unwrap();
    assert_eq!(rig.values(0, 1_000), [Ok(100_000)], "a balanced pair leaves our count");
    // One shutdown too many closes the library under us.
    let other = Nvml::builder().lib_path(library.as_os_str()).init().unwrap();
    let shutdown = *other.lib().nvmlShutdown.as_ref().unwrap();
    // SAFETY: takes no arguments.
    unsafe { shutdown() };
    other.shutdown().unwrap();
    assert_eq!(rig.values(0, 2_000), [Ok(200_000)], "it is opened again and the value read");
    let shutdowns = rig.calls("nvmlShutdown");
    let inits = rig.calls("nvmlInit_v2");
    drop(rig.source.take());
    let again = discover_visible(&rig.roots, &Visibility::default());
    assert!(again.source.is_some());
    assert_eq!((rig.calls("nvmlShutdown"), rig.calls("nvmlInit_v2")), (shutdowns, inits), "opened once a process");
}

/// The status that the source gave itself last, if it has changed.
fn described(rig: &mut Rig) -> Option<(Status, String)> {
    let mut changes = Vec::new();
    rig.source().changes(&mut changes);
    changes.into_iter().rev().find_map(|change| match change {
        Change::Described(status) => Some((status.status, status.reason)),
        _ => None,
    })
}

#[test]
fn k13_a_gpu_that_is_lost_or_denied_at_start_is_no_missing_container_flag() {
    let cases = [
        ("[gpu 0]\nlost_ms=0..60000", Status::Lost, "reset the GPU"),
        ("[gpu 0]\nfail=handle:4", Status::Denied, "/dev/nvidia"),
        ("[gpu 0]\nfail=uuid:999", Status::Lost, "nvidia-smi"),
        ("[gpu 0]\n[gpu 1]\nlost_ms=0..60000", Status::Degraded, "reset the GPU"),
        ("[gpu 0]\ngone_ms=0..60000", Status::Absent, "--gpus all"),
    ];
    // All at one time: the loader takes a library for one that it has if it has the inode of a deleted one.
    let rigs = cases.map(|(script, ..)| Rig::new(script));
    for (rig, (script, state, remedy)) in rigs.iter().zip(cases) {
        let status = &rig.statuses[0];
        assert_eq!(status.status, state, "{script}: {status:?}");
        assert!(status.remedy.contains(remedy), "{script}: {status:?}");
    }
}

#[test]
fn k13_a_gpu_that_is_lost_meanwhile_changes_the_status_until_it_is_back() {
    let mut rig = Rig::new("init=9@20000..26000\n[gpu 0]\n[gpu 1]\nlost_ms=3000..4000");
    assert_eq!(rig.statuses[0].status, Status::Ok);
    rig.at_ms(2_000);
    assert_eq!(described(&mut rig), None, "nothing has changed");
    rig.at_ms(3_000);
    let (state, reason) = described(&mut rig).unwrap();
    assert_eq!(state, Status::Degraded);
    assert!(reason.contains("1 GPU lost"), "{reason}");
    for ms in (3_100..5_000).step_by(100) {
        rig.at_ms(ms);
    }
    assert_eq!(described(&mut rig).unwrap().0, Status::Ok);
}

#[test]
fn k13_a_driver_that_was_away_at_start_changes_the_status_when_it_answers() {
    let mut rig = Rig::new("init=9@0..4000");
    assert_eq!(rig.statuses[0].status, Status::Absent);
    rig.at_ms(100);
    assert_eq!(described(&mut rig), None);
    rig.at_ms(6_000);
    assert_eq!(described(&mut rig).unwrap(), (Status::Ok, "1 GPU, driver 570.86.15".to_owned()));
}
