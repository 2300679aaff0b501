//! The account of the node under random readings, jobs, restarts, resets, failures and late devices: in both views, at every
//! instant, the parts are the whole to the microjoule, and nothing that was published falls.
//!
//! `ECO2_STEPS=1000000 cargo test --release -p eco2-agent random` is the full form.

use eco2_core::Reading;

use super::random_node::{RandomNode, machine};
use super::tests::{S, assert_not_fallen, assert_whole, at, job, node};
use super::*;
use crate::Snapshot;
use crate::prices::rates;

#[test]
fn random_steps_keep_the_parts_the_whole_and_nothing_falls() {
    let steps = std::env::var("ECO2_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(3_000_u64);
    let mut random = RandomNode::new(0x9E37_79B9_7F4A_7C15);
    random.still_steps = steps / 10;
    let (mut had_jobs, mut before) = (false, None::<Views>);
    for step in 0..steps {
        if random.below(40) == 0 {
            // Killed and started again.
            let text = serde_json::to_string(&random.node.journal(random.now_ns)).unwrap();
            random.restart(serde_json::from_str(&text).unwrap());
        }
        let views = random.step();
        for (view, earlier) in [
            (&views.full, before.as_ref().map(|before| &before.full)),
            (&views.public, before.as_ref().map(|before| &before.public)),
        ] {
            assert_whole(view);
            had_jobs |= view.consumers.iter().any(|job| job.energy_uj > 0);
            let grams =
                |snapshot: &Snapshot| snapshot.emissions.as_ref().and_then(|emissions| emissions.grams).unwrap_or(0.0);
            if let Some(earlier) = earlier {
                assert_not_fallen(earlier, view);
                assert!(grams(view) >= grams(earlier), "step {step}");
            }
        }
        before = Some(views);
    }
    let full = before.unwrap().full;
    assert!(had_jobs && full.devices.len() == machine().len());
    let counts = &full.counts["test"];
    assert!(counts.wraps > 0 && counts.resets > 0 && counts.gap_ns > 0 && counts.errors["failed"] > 0, "{counts:?}");
}

#[test]
fn one_job_alone_gets_all_that_is_not_idle_and_two_equal_loads_the_same() {
    let share = |loads: &[u64]| {
        let mut account = node("a", 0).priced(Some(rates(360.0)));
        account.take(Input::Domains { source: 0, domains: machine()[3..4].to_vec() });
        let keys: Vec<JobKey> =
            loads.iter().enumerate().map(|(n, _)| account.begin_job(job(&format!("job-{n}")), at(0), None)).collect();
        let mut full = None;
        for second in 0..=100 {
            let reading =
                Reading { before_ns: second * S, after_ns: second * S, value: Ok(second * 40_000_000 % (1 << 32)) };
            account.take(Input::Readings { source: 0, readings: vec![(0, reading)] });
            let jobs: BTreeMap<JobKey, u64> = keys.iter().copied().zip(loads.iter().copied()).collect();
            let busy_ns = loads.iter().sum();
            let cpu = JobTimes { busy_ns, idle_ns: 4 * S - busy_ns, jobs };
            full = Some(account.account(at(second * S), || cpu.into()).full);
        }
        full.unwrap()
    };
    let alone = share(&[S]);
    assert_eq!((alone.consumers[0].energy_uj, alone.not_attributed_uj), (1_000_000_000, 0), "a quarter of 4 kJ");
    assert_eq!(alone.total_uj, Some(alone.consumers[0].energy_uj + alone.idle_uj));
    assert!((alone.consumers[0].grams.unwrap() - 0.15).abs() < 1e-9, "1 kJ at 360 g/kWh with half as much overhead");
    let equal = share(&[S, S]);
    assert_eq!(equal.consumers[0].energy_uj, equal.consumers[1].energy_uj);
}
