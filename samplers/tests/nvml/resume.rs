//! Reading goes on after a fault: the whole way from the driver to an account, by a scripted clock.

use std::sync::{Arc, Mutex};

use eco2_core::{Account, Domain, Gauge, Ledger, Quality, Reading};
use eco2_samplers::schedule::Pace;
use eco2_samplers::{Learned, Options, Sink, SourceEvent, Stepped};

use crate::rig::{MS, Rig};

const S: u64 = 1_000 * MS;

/// An account of one source, as a measured run keeps it.
#[derive(Clone)]
struct Accounting(Arc<Mutex<Ledger>>);

impl Accounting {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Ledger::new(0, 8))))
    }

    fn account(&self, end_ns: u64) -> Account {
        let mut ledger = self.0.lock().unwrap();
        ledger.end_at(end_ns);
        ledger.account(end_ns)
    }
}

impl Sink for Accounting {
    fn domains(&mut self, _: usize, domains: &[Domain]) {
        let mut ledger = self.0.lock().unwrap();
        for domain in domains.iter().skip(ledger.tracks().len()).cloned().collect::<Vec<_>>() {
            ledger.add_domain(domain);
        }
    }
    fn readings(&mut self, _: usize, readings: &[(usize, Reading)], learned: &mut Vec<Learned>) {
        let mut ledger = self.0.lock().unwrap();
        for (domain, reading) in readings {
            ledger.reading(*domain, reading);
            let track = &ledger.tracks()[*domain];
            if let Some(change_ns) = track.last_change_ns() {
                learned.push(Learned { domain: *domain, change_ns, period: track.precise_period() });
            }
        }
    }
    fn suspended(&mut self, _: u64, _: u64) {}
    fn gauges(&mut self, _: u64, _: &[Gauge]) {}
    fn note(&mut self, _: SourceEvent) {}
    fn tick(&mut self, _: u64) {}
    fn settled(&self) -> bool {
        true
    }
}

/// Measures a scripted machine until `end_ns`, its source on a thread of its own.
fn measured(mut rig: Rig, end_ns: u64) -> Account {
    let source = rig.source.take().unwrap();
    assert!(source.may_hang());
    let accounting = Accounting::new();
    let options = Options { clock: rig.clock.clone(), pace: Pace::Fixed(10 * MS), ..Options::default() };
    let mut sampling = Stepped::new(vec![source], Box::new(accounting.clone()), &options);
    loop {
        // To the next millisecond, which is what the driver's script counts.
        let now_ns = sampling.next_ns().next_multiple_of(MS);
        if now_ns > end_ns {
            return accounting.account(end_ns);
        }
        rig.set_ms(now_ns / MS);
        sampling.step(now_ns, 0);
        sampling.settle();
    }
}

/// Joules of the first device.
fn joules(account: &Account) -> u64 {
    account.devices[0].energy_uj.unwrap() / 1_000_000
}

#[test]
fn k06_reading_resumes_after_one_failed_read() {
    let account = measured(Rig::new("[gpu 0]\npower=200\nfail=energy:999@1500..1510"), 25 * S);
    // 200 W for 25 s; the counter moves once in 100 ms.
    assert!((4_980..=5_000).contains(&joules(&account)), "{:?}", account.devices[0]);
}

#[test]
fn k06_a_gpu_that_was_lost_for_a_second_is_read_again() {
    let account = measured(Rig::new("[gpu 0]\npower=200\nlost_ms=3000..4000"), 25 * S);
    let device = &account.devices[0];
    // It is looked for half a second after it was lost, and a second later; until it is found nothing is known of it.
    let unread_ns = device.gaps.iter().map(|gap| gap.to_ns - gap.from_ns).sum::<u64>();
    assert!(unread_ns <= 1_700 * MS, "{device:?}");
    assert!((4_660..=4_780).contains(&joules(&account)), "{device:?}");
}

#[test]
fn k05_a_board_whose_counter_fails_for_good_is_followed_by_its_power() {
    // One that cannot be read any more, and one that is frozen: 200 W for 25 s.
    let account = measured(Rig::new("[gpu 0]\npower=200\nfail=energy:999@5000..60000"), 25 * S);
    assert!((4_950..=5_050).contains(&joules(&account)), "{:?}", account.devices[0]);
    let derived = account.energy.derived_uj / 1_000_000;
    assert!((3_950..=4_050).contains(&derived), "20 s of it: {:?}", account.energy);
    assert_eq!(account.devices[0].quality, Quality::Derived);
    assert!(account.devices[0].coverage > 0.99, "{:?}", account.devices[0]);
}
