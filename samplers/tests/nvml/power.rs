//! Power: instantaneous, sampled by the driver, or averaged.

use eco2_core::{Fault, Kind, Quality};

use crate::rig::{MS, Rig};

#[test]
fn m22_instant_power_goes_before_the_mean_of_a_second() {
    let mut rig = Rig::new("[gpu 0]\nenergy=off\npower=0:100,1000:300");
    let readings = rig.at_ms(1_000);
    assert_eq!(readings[0].1.value, Ok(300_000), "the mean of the last second would still be 100 W");
    assert_eq!(readings[0].1.before_ns, 1_000 * MS);
}

#[test]
fn m22_a_mean_is_declared_as_one_of_a_second() {
    let script = "missing=nvmlDeviceGetFieldValues,nvmlDeviceGetSamples\n[gpu 0]\nenergy=off\npower=0:100,1000:300\n";
    for board in ["arch=9", "arch=7\nname=NVIDIA A10"] {
        let mut rig = Rig::new(&format!("{script}{board}\naverage_ms=1000"));
        assert_eq!(rig.kinds()[0], "power-averaged");
        let reading = rig.at_ms(1_500)[0].1;
        assert_eq!((reading.value, reading.before_ns), (Ok(200_000), 1_500 * MS), "{board}");
        assert_eq!(rig.source().domains()[0].average_ns, Some(1_000 * MS), "the account places it half a second back");
    }
    for board in ["arch=6", "arch=7\nname=NVIDIA A100-SXM4-80GB"] {
        let mut rig = Rig::new(&format!("{script}{board}\naverage_ms=0"));
        let reading = rig.at_ms(1_500)[0].1;
        assert_eq!((reading.value, reading.before_ns), (Ok(300_000), 1_500 * MS), "{board}");
        assert_eq!(rig.source().domains()[0].average_ns, None, "{board}");
    }
}

const SAMPLED: &str = "[gpu 0]\nenergy=off\nfail=instant:3\nsamples_ring=10\npower=0:100,1050:300";

#[test]
fn m24_every_driver_sample_keeps_its_own_time() {
    let mut rig = Rig::new(SAMPLED);
    assert_eq!(rig.at_ms(1_000).len(), 1, "history is not part of the run");
    let readings = rig.at_ms(1_100);
    let times: Vec<u64> = readings.iter().map(|(_, reading)| reading.before_ns / MS).collect();
    assert_eq!(times, [1_020, 1_040, 1_060, 1_080, 1_100]);
    let values: Vec<_> = readings.iter().map(|(_, reading)| reading.value.unwrap()).collect();
    assert_eq!(values, [100_000, 100_000, 300_000, 300_000, 300_000]);
    assert!(rig.at_ms(1_110).is_empty(), "no new sample is no news");
}

#[test]
fn m24_an_overrun_ring_is_a_gap_and_is_reported() {
    let mut rig = Rig::new(SAMPLED);
    rig.at_ms(1_000);
    rig.at_ms(1_100);
    rig.kinds();
    let readings = rig.at_ms(2_000);
    assert_eq!(readings.len(), 1 + 10);
    let hole = readings[0].1;
    assert_eq!(hole.value, Err(Fault::NotAvailable));
    assert_eq!((hole.before_ns / MS, hole.after_ns / MS), (1_120, 1_820));
    let note = &rig.notes()[0];
    assert_eq!(note.kind.name(), "samples-overrun");
    assert!(note.text.contains("35 power samples"), "{}", note.text);
}

#[test]
fn m24_unix_timestamps_become_monotonic() {
    let folder = tempfile::tempdir().unwrap();
    let script = "[gpu 0]\nenergy=off\nfail=instant:3\nsamples_period_ms=1";
    let roots = eco2_samplers::Roots {
        nvml: Some(nvidia_ml_fake::install(folder.path(), script).unwrap()),
        ..Default::default()
    };
    let began_ns = eco2_samplers::clock::monotonic_ns();
    let mut source = eco2_samplers::nvml::discover_visible(&roots, &Default::default()).source.unwrap();
    let mut batch = eco2_samplers::Batch::new(eco2_samplers::clock::Clock::Monotonic);
    while batch.readings().len() < 20 {
        source.read(&mut batch);
        assert!(batch.now_ns() - began_ns < 20_000 * MS, "no sample was believed");
    }
    let now_ns = batch.now_ns();
    let times: Vec<u64> = batch.readings().iter().map(|(_, reading)| reading.before_ns).collect();
    assert!(times.iter().all(|time| (began_ns - MS..=now_ns).contains(time)), "{began_ns} {times:?} {now_ns}");
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn f18_without_a_counter_integrated_power_is_derived_energy() {
    let mut rig = Rig::new("[gpu 0]\nenergy=off\npower=0:400,2000:100");
    let board = rig.source().domains()[0].clone();
    assert_eq!((board.kind, board.quality), (Kind::Power, Quality::Derived));
    let mut readings = Vec::new();
    for ms in (1_000..=3_000).step_by(20) {
        readings.extend(rig.at_ms(ms).into_iter().map(|(_, reading)| reading));
    }
    let trapezoid = |pair: &[eco2_core::Reading]| {
        (pair[0].value.unwrap() + pair[1].value.unwrap()) * (pair[1].before_ns - pair[0].before_ns) / 2
    };
    let integrated_uj = readings.windows(2).map(trapezoid).sum::<u64>() / 1_000_000;
    let truth_uj = rig.gpu(0).power.microjoules(1_000 * MS, 3_000 * MS);
    // The step falls between two readings with 20 ms between them: at most half of 300 W x 20 ms is not known.
    assert!(integrated_uj.abs_diff(truth_uj) <= 3_000_000, "{integrated_uj} {truth_uj}");
}

#[test]
fn f21_zero_and_absurd_power_are_left_out_and_partial_sampling_is_labelled() {
    let mut rig = Rig::new("[gpu 0]\nenergy=off\npower=0:100,1000:0,2000:9000,3000:100\nname=NVIDIA H100 PCIe");
    assert_eq!(rig.kinds(), ["power-duty"]);
    assert_eq!(rig.values(0, 900), [Ok(100_000)]);
    assert_eq!(rig.values(0, 1_500), [Err(Fault::NotAvailable)], "a board that answers draws power");
    assert_eq!(rig.values(0, 2_500), [Err(Fault::Failed)], "9 kW on a board that is limited to 700 W");
    assert_eq!(rig.kinds(), ["gpu-read-failed"]);
    assert_eq!(rig.values(0, 3_500), [Ok(100_000)]);
}

#[test]
fn k06_one_sample_from_the_future_hides_none_that_follow() {
    // The driver's clock runs ten seconds ahead for 0.1 s, then as before.
    let mut rig = Rig::new("epoch_us=0,10000000@2000..2100\n[gpu 0]\nenergy=off\nfail=instant:3");
    let mut last_ns = 0;
    for ms in (0..6_000).step_by(100) {
        let readings = rig.at_ms(ms);
        let good = readings.iter().filter(|(_, reading)| reading.value.is_ok());
        last_ns = good.map(|(_, reading)| reading.before_ns).max().unwrap_or(last_ns);
    }
    assert!(last_ns > 5_800 * MS, "the last one was taken at {last_ns} ns");
}

#[test]
fn k06_power_that_could_not_be_read_at_first_is_asked_again() {
    let failing = "instant:999@0..500,samples:999@0..500,power:999@0..500";
    let mut rig = Rig::new(&format!("[gpu 0]\nenergy=off\nfail={failing}"));
    assert_eq!(rig.values(0, 100), [Err(Fault::Failed)]);
    assert_eq!(rig.values(0, 2_000), [Ok(100_000)]);
    assert_eq!(rig.values(0, 2_020), [Ok(100_000)], "as often as any sensor");
}

#[test]
fn k06_a_counter_that_failed_at_first_is_asked_again() {
    let mut rig = Rig::new("[gpu 0]\nfail=energy:999@0..500");
    assert_eq!(rig.source().domains()[0].kind, Kind::Energy);
    assert_eq!(rig.values(0, 100), [Err(Fault::Failed)]);
    assert_eq!(rig.values(1, 200), [Ok(100_000)], "power meanwhile");
    assert_eq!(rig.values(0, 2_000), [Ok(200_000)]);
}
