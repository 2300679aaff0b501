//! The account of the node under random readings, jobs, restarts, resets, failures and late devices: in both views, at every
//! instant, the parts are the whole to the microjoule, and nothing that was published falls.
//!
//! `ECO2_STEPS=1000000 cargo test --release -p eco2-agent random` is the full form.

use eco2_core::{Component, Domain, Fault, Quality, Reading};
use eco2_samplers::DeviceUse;

use super::tests::{S, assert_not_fallen, assert_whole, at, job, node};
use super::*;
use crate::Snapshot;
use crate::prices::rates;
use crate::snapshot::EndReason;

/// Numbers of any size, quickly: xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Two packages of which the first has an estimate in its place, their cores, and boards with a second sensor each.
fn machine() -> Vec<Domain> {
    let counter = |id: &str, component, name: &str| Domain {
        range: Some(1 << 32),
        max_uw: Some(300_000_000),
        ..Domain::counter(id, component, name, "test")
    };
    let part = |of: &str, domain: Domain| Domain { parent: Some(of.into()), ..domain };
    let estimate = part("package-0", counter("package-0/estimate", Component::Cpu, "package"));
    vec![
        counter("package-0", Component::Cpu, "package"),
        Domain { quality: Quality::Estimated, range: None, ..estimate },
        part("package-0", counter("core-0", Component::Cpu, "core")),
        counter("package-1", Component::Cpu, "package"),
        Domain { range: None, ..counter("gpu-0", Component::Gpu, "board") },
        part("gpu-0", counter("gpu-0/power", Component::Gpu, "board")),
        counter("gpu-1", Component::Gpu, "board"),
    ]
}

#[test]
fn random_steps_keep_the_parts_the_whole_and_nothing_falls() {
    let steps = std::env::var("ECO2_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(3_000_u64);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let domains = machine();
    let mut raw = vec![0_u64; domains.len()];
    let mut account = node("a", 0).priced(Some(rates(400.0)));
    let mut had_jobs = false;
    let (mut shown, mut before, mut now_ns) = (3, None::<Views>, 0);
    account.take(Input::Domains { source: 0, domains: domains[..shown].to_vec() });
    for step in 0..steps {
        now_ns += S + random.below(S / 2);
        let moves = step > steps / 10;
        for index in 0..shown {
            // The first package does not count at first, so that its estimate is summed.
            let grown = if index == 0 && !moves { 0 } else { random.below(90_000_000) };
            raw[index] = (raw[index] + grown) % domains[index].range.unwrap_or(u64::MAX);
            let value = match random.below(50) {
                0 => Err(Fault::Failed),
                1 if domains[index].range.is_none() => {
                    raw[index] = random.below(1_000);
                    Ok(raw[index])
                }
                _ => Ok(raw[index]),
            };
            let before_ns = now_ns - random.below(900_000_000);
            let reading = Reading { before_ns, after_ns: now_ns, value };
            account.take(Input::Readings { source: 0, readings: vec![(index, reading)] });
        }
        account.take(Input::Tick { now_ns });
        match random.below(40) {
            0 if shown < domains.len() => {
                shown += 1;
                account.take(Input::Domains { source: 0, domains: domains[..shown].to_vec() });
            }
            1 => {
                account.begin_job(job(&format!("job-{step}")), at(now_ns), None);
            }
            2 => {
                let key = account.jobs().next().map(|(key, _)| key).unwrap_or(0);
                account.end_job(key, at(now_ns), Some(step), EndReason::Request);
            }
            3 => {
                let ended = account.jobs().find(|(_, state)| state.ended.is_some()).map(|(key, _)| key);
                ended.into_iter().for_each(|key| account.forget_job(key));
            }
            4 => account.take(Input::Suspended { from_ns: now_ns, to_ns: now_ns }),
            5 => {
                // Killed and started again, in this boot or, with the counters at 0, in another.
                let text = serde_json::to_string(&account.journal(now_ns)).unwrap();
                let boot = if random.below(2) == 0 { account.identity.boot_id.clone() } else { format!("boot-{step}") };
                if boot != account.identity.boot_id {
                    raw.iter_mut().for_each(|raw| *raw = 0);
                }
                account = node(&boot, now_ns).priced(Some(rates(random.below(800) as f64)));
                assert!(account.resume(serde_json::from_str(&text).unwrap()));
                account.take(Input::Domains { source: 0, domains: domains[..shown].to_vec() });
            }
            6 => {
                let used = DeviceUse {
                    domain: 4,
                    reachable: true,
                    processes: vec![(77, 0.5)],
                    unknown: 0.1,
                    ..DeviceUse::default()
                };
                account.take(Input::Users { source: 0, uses: vec![used] });
            }
            _ => {}
        }
        let keys: Vec<JobKey> = account.jobs().map(|(key, _)| key).collect();
        let jobs = keys.iter().map(|key| (*key, random.below(S))).collect();
        let cpu = JobTimes { busy_ns: random.below(8 * S), idle_ns: random.below(8 * S), jobs };
        let owners = keys.first().map(|key| (77, *key)).into_iter().collect();
        let is_known = random.below(10) > 0;
        let views = account.account(at(now_ns), || IntervalUse {
            cpu: is_known.then_some(cpu),
            owners,
            ..IntervalUse::default()
        });
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
    assert!(had_jobs && full.devices.len() == domains.len());
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
