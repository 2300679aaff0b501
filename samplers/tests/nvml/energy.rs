//! Counters: preferred, exact, reset; and their comparison with power.

use eco2_core::{Component, Kind, Quality, Scale};

use crate::rig::{MS, Rig};

#[test]
fn m19_the_energy_counter_is_preferred() {
    let mut rig = Rig::new("[gpu 0]\nlimit_max=700");
    let board = rig.source().domains()[0].clone();
    assert_eq!((board.kind, board.quality, board.scale), (Kind::Energy, Quality::Measured, Scale::MILLI));
    assert_eq!((board.component, board.range, board.parent), (Component::Gpu, None, None));
    assert_eq!(board.max_uw, Some(1_050_000_000), "the limit's maximum and half of it again");
    assert_eq!(board.id, rig.gpu(0).uuid);
    let check = rig.source().domains()[1].clone();
    assert_eq!((check.kind, check.quality), (Kind::Power, Quality::Derived));
    assert_eq!(check.parent, Some(board.id), "what is compared with the counter is never summed with it");
}

#[test]
fn m19_without_a_counter_power_is_integrated_and_flagged() {
    let mut rig = Rig::new("[gpu 0]\nenergy=off");
    let domains = rig.source().domains().to_vec();
    assert_eq!(domains.len(), 1);
    assert_eq!((domains[0].kind, domains[0].quality), (Kind::Power, Quality::Derived));
    assert!(rig.statuses[0].reason.contains("no energy counter; power is integrated"), "{:?}", rig.statuses);
}

#[test]
fn d01_a_pulse_between_two_polls_is_counted() {
    // 600 W more for 80 ms, between the polls at 1 s and 2 s: energy is not power times elapsed.
    let mut rig = Rig::new("[gpu 0]\npower=0:100,1410:700,1490:100");
    let before = rig.values(0, 1_000)[0].unwrap();
    let after = rig.values(0, 2_000)[0].unwrap();
    assert_eq!(after - before, 100_000 + 48_000);
    assert_eq!((after - before) * 1_000, rig.gpu(0).power.microjoules(1_000 * MS, 2_000 * MS));
}

#[test]
fn d06_every_reader_gets_the_first_sample_and_all_energy() {
    let rig = Rig::new("[gpu 0]\nenergy_offset_mj=5000");
    let mut readers = Vec::new();
    for _ in 0..3 {
        let (clock, roots) = (rig.clock.clone(), rig.roots.clone());
        let mut source = eco2_samplers::nvml::discover_visible(&roots, &Default::default()).source.unwrap();
        readers.push(move || {
            std::thread::spawn(move || {
                let mut batch = eco2_samplers::Batch::new(clock);
                source.read(&mut batch);
                let value = batch.readings()[0].1.value.unwrap();
                (value, source)
            })
            .join()
            .unwrap()
        });
    }
    rig.set_ms(1_000);
    let firsts: Vec<u64> = readers.into_iter().map(|read| read().0).collect();
    assert_eq!(firsts, [105_000; 3], "no reader takes the first sample, or a step, from another");
}

#[test]
fn f19_a_counter_that_falls_is_handed_on_as_it_is_and_has_no_range() {
    let mut rig = Rig::new("[gpu 0]\nenergy_offset_mj=900000\nenergy_reset_ms=1500\n[gpu 1]\nenergy_wrap_mj=150000");
    assert!(rig.source().domains().iter().all(|domain| domain.range.is_none()), "a fall is a reset, not a wrap");
    assert_eq!(rig.values(0, 1_000), [Ok(1_000_000)]);
    assert_eq!(rig.values(0, 2_000), [Ok(50_000)]);
    let second = rig.source().domains().iter().position(|domain| domain.id == rig_uuid(1)).unwrap();
    assert_eq!(rig.values(second, 2_100), [Ok(60_000)], "210 J modulo 150 J");
}

fn rig_uuid(index: usize) -> String {
    nvidia_ml_fake::Gpu::healthy(index).uuid
}

#[test]
fn m30_counter_and_power_of_one_board_can_be_compared() {
    // A counter that shows 175 % of the truth, as seen in the field (187 J against 327 J).
    let mut rig = Rig::new("[gpu 0]\npower=0:100,500:300 loop 1000\nenergy_gain=175");
    let first = rig.values(0, 1_000)[0].unwrap();
    let mut watts = Vec::new();
    for ms in (1_000..=5_000).step_by(10) {
        let readings = rig.at_ms(ms);
        watts.extend(readings.iter().filter(|(domain, _)| *domain == 1).map(|(_, reading)| *reading));
    }
    let counted_mj = rig.values(0, 5_000)[0].unwrap() - first;
    assert!(watts.len() <= 41, "the cross-check is read at 10 Hz at most, and was {} times in 4 s", watts.len());
    let trapezoid = |pair: &[eco2_core::Reading]| {
        let (from, to) = (pair[0].value.unwrap(), pair[1].value.unwrap());
        (from + to) * (pair[1].after_ns - pair[0].after_ns) / 2
    };
    let integrated_mj = watts.windows(2).map(trapezoid).sum::<u64>() / 1_000_000_000;
    assert_eq!(counted_mj, 1_400_000);
    let ratio = counted_mj as f64 / integrated_mj as f64;
    assert!((1.70..=1.80).contains(&ratio), "{ratio}");
}
