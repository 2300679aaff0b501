//! Tests of the stream's values: power with its bounds, gaps, and what each caller gets.

use std::sync::Arc;

use eco2_core::RangeKind;

use super::*;
use crate::fixture::{SECOND_UJ, snapshot, views};
use crate::{Device, Resolution};

/// Records seconds whose devices are changed.
fn recorded(seconds: u64, change: impl Fn(u64, &mut Device)) -> Stream {
    let stream = Stream::new(1);
    for second in 1..=seconds {
        let mut one = snapshot(second, Resolution::PUBLIC);
        one.devices.iter_mut().for_each(|device| change(second, device));
        let one = Arc::new(one);
        stream.record(Views { full: Arc::clone(&one), public: one });
    }
    stream
}

fn json(stream: &Stream, rights: Rights) -> serde_json::Value {
    serde_json::to_value(stream.document(rights).unwrap()).unwrap()
}

#[test]
fn first_second_has_no_power_and_is_no_gap() {
    let starting = |second, device: &mut Device| {
        if second == 1 {
            device.power_w = None;
        }
    };
    assert_eq!(json(&recorded(3, starting), Rights::All)["gaps"].as_array().unwrap().len(), 0);
    let lost = |second, device: &mut Device| {
        if (4..6).contains(&second) && device.id == "GPU-3" {
            device.power_w = None;
        }
    };
    let document = json(&recorded(8, lost), Rights::All);
    let gap = &document["gaps"][0];
    assert_eq!(gap[1].as_f64().unwrap() - gap[0].as_f64().unwrap(), 2.0, "{gap}");
    assert_eq!(document["gaps"].as_array().unwrap().len(), 1);
    assert_eq!(json(&recorded(5, lost), Rights::All)["gaps"].as_array().unwrap().len(), 1, "a gap that goes on");
}

#[test]
fn power_of_known_devices_is_a_lower_bound_where_one_is_not_known() {
    let whole = json(&recorded(3, |_, _| {}), Rights::All)["now"]["total_w"].clone();
    assert!((whole[0].as_f64().unwrap() - 12.0 * 100.05).abs() < 0.1 && !whole[2].is_null(), "{whole}");
    let never = |_, device: &mut Device| {
        if device.id == "GPU-3" {
            (device.power_w, device.energy_uj) = (None, None);
        }
    };
    let part = json(&recorded(3, never), Rights::All)["now"]["total_w"].clone();
    assert!((part[0].as_f64().unwrap() - 11.0 * 100.05).abs() < 0.1, "the sum of the known: {part}");
    assert!(part[2].is_null(), "no upper bound: {part}");
}

#[test]
fn bounds_of_power_are_those_of_the_difference_and_plausible_ranges_give_none() {
    let width_uj = 10_000_000;
    let hard = |second, device: &mut Device| {
        let energy = Resolution::PUBLIC.floor_uj(SECOND_UJ * second);
        (device.low_uj, device.high_uj) = (energy - width_uj, Some(energy + width_uj));
    };
    let gpu = |stream: &Stream| json(stream, Rights::All)["history"]["memory"].clone();
    let power = gpu(&recorded(3, hard));
    let (low, high) = (power["lo"][2].as_f64().unwrap(), power["hi"][2].as_f64().unwrap());
    // Two devices: each 100 W, and 20 J more or less in a second.
    assert!((low - 160.0).abs() < 1.0 && (high - 240.0).abs() < 1.0, "{low} to {high}");
    let plausible = |_, device: &mut Device| device.range_kind = RangeKind::Plausible;
    let power = gpu(&recorded(3, plausible));
    assert!(power["lo"][2].is_null() && power["hi"][2].is_null(), "{power}");
}

#[test]
fn user_gets_own_jobs_from_the_stream_and_others_none() {
    let stream = Stream::new(1);
    (1..8).for_each(|second| stream.record(views(second)));
    let (all, own, none) =
        (stream.consumers(Rights::All), stream.consumers(Rights::Own(1000)), stream.consumers(Rights::Coarse));
    assert!(all.contains("48213") && all.contains("48214"));
    assert!(own.contains("48213") && !own.contains("48214"));
    assert!(!none.contains("4821") && none.contains("Idle"));
}

#[test]
fn clock_that_is_set_moves_the_times_before_and_sleep_leaves_a_hole() {
    let second_ns = 1_000_000_000_i64;
    // Starts in 1970, is set to 2023, sleeps for an hour, is set back by a minute.
    let wall = |second: i64| match second {
        ..=5 => second,
        6..=10 => 1_700_000_000 + second,
        11..=15 => 1_700_003_600 + second,
        _ => 1_700_003_540 + second,
    };
    let stream = Stream::new(1);
    let times = |until: u64| {
        let history = json(&stream, Rights::All)["history"]["t"].clone();
        let times: Vec<f64> = serde_json::from_value(history).unwrap();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{until}: {times:?}");
        (times[0], times[times.len() - 1])
    };
    let record = |from: u64, until: u64| {
        for second in from..=until {
            let mut one = snapshot(second, Resolution::PUBLIC);
            one.wall_ns = wall(i64::try_from(second).unwrap()) * second_ns;
            let one = Arc::new(one);
            stream.record(Views { full: Arc::clone(&one), public: one });
        }
        times(until)
    };
    assert_eq!(record(1, 5), (1.0, 5.0));
    assert_eq!(record(6, 10), (1_700_000_001.0, 1_700_000_010.0), "what came before is moved");
    assert_eq!(record(11, 15), (1_700_000_001.0, 1_700_003_615.0), "an hour without values");
    assert_eq!(record(16, 20), (1_699_999_941.0, 1_700_003_560.0), "nothing lies ahead");
    assert!(stream.power(0.0, f64::MAX)[0]["samples"]["data"].as_array().unwrap().len() > 10);
}

#[test]
fn without_a_client_only_the_charts_go_on_and_one_that_comes_back_loads_the_document_again() {
    let stream = Stream::new(1);
    let record = |from: u64, to: u64| (from..=to).for_each(|second| stream.record(views(second)));
    record(1, 10);
    let known = stream.next_number();
    record(11, 10 + WATCHED_S);
    assert!(matches!(stream.at(known), Next::Message(_)), "back in time");
    record(11 + WATCHED_S, 1_000);
    {
        let ring = &stream.state.lock().unwrap().ring;
        assert!(matches!(ring.at(ring.next_number() - 1), Next::Lost { dropped: 1, .. }), "no message is kept");
    }
    assert!(matches!(stream.at(known), Next::Lost { .. }));
    assert_eq!(json(&stream, Rights::All)["history"]["t"].as_array().unwrap().len(), 300 + 700_usize.div_ceil(12));
    record(1_001, 1_001);
    let Next::Message(message) = stream.at(stream.next_number() - 1) else { panic!("no message for a client") };
    assert_eq!(message.name, CONSUMERS);
}
