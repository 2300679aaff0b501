//! Adds estimates to a source of GPU boards: for boards whose driver answers and has neither energy nor power (virtual
//! GPUs and old boards), and for boards whose sensors fail while measuring.
//!
//! Their board power is the user's or the table's, and the driver reports their utilisation. A domain is one sensor or
//! counter. The estimate of a board that never had a sensor takes the place of the board's own domain, in which the
//! driver's source has nothing but faults. That of one whose sensor has failed is an additional domain, which has
//! values until the sensor is back. A board whose driver reports no utilisation either has no estimate: its energy is
//! not known.

use std::collections::BTreeMap;

use eco2_core::{Component, Domain, Fault, Gauge, Kind, Quality, Reading, Scale};

use super::gpu::{BoardEstimate, BoardWatts, board_power};
use super::options::{ModelOptions, NAME, plausible};
use super::power::{FULL, Integral, Power};
use super::table;
use crate::around::{Around, Supplement, restart_reading};
use crate::health::Health;
use crate::{Batch, Source};

/// The gauge of a board's utilisation, from 0 to 1.
const BUSY: &str = "utilization";

/// Puts estimates into a source, where it has boards without readings. Its list of domains may grow.
pub(crate) fn behind(inner: Box<dyn Source>, options: &ModelOptions) -> Box<dyn Source> {
    if !options.enabled {
        return inner;
    }
    Box::new(Around::new(inner, Boards { watts: plausible(options.gpu_watts), ..Boards::default() }, &[]))
}

/// The estimates of one source's boards.
#[derive(Default)]
struct Boards {
    /// Estimates of boards without a sensor, by the domain's index.
    dark: BTreeMap<usize, Estimate>,
    /// Boards with sensors.
    lit: Vec<Lit>,
    /// Watts of a board that the user states.
    watts: Option<f64>,
    /// Last utilisation by device, parts per million.
    busy: BTreeMap<String, u64>,
}

struct Estimate {
    /// The board's id.
    board: String,
    power: Power,
    integral: Integral,
    at_ns: Option<u64>,
}

/// A board with a sensor, and perhaps a second one of its power.
struct Lit {
    /// Domain of the estimate, if there is to be one.
    domain: Domain,
    sensors: Vec<(usize, Health)>,
    estimate: Estimate,
    /// Its domain's index, once it has one.
    place: Option<usize>,
    /// Whether the estimate counts now, as the sensors do not work.
    acts: bool,
}

impl Estimate {
    fn new(board: &str, power: Power) -> Self {
        Self { board: board.to_owned(), power, integral: Integral::default(), at_ns: None }
    }

    /// Returns the microjoules so far; `None` while the driver has not reported the board's utilisation, without which
    /// the range of the estimate would not hold.
    fn value(&mut self, busy: &BTreeMap<String, u64>, at_ns: u64) -> Option<u64> {
        let ppm = *busy.get(&self.board)?;
        let passed_ns = at_ns.saturating_sub(self.at_ns.unwrap_or(at_ns));
        self.integral.add(self.power.at(ppm), passed_ns);
        self.at_ns = Some(at_ns);
        Some(self.integral.microjoules())
    }
}

impl Lit {
    /// Returns when the board was last read, if it answers and its sensors all fail or are frozen; else `None`.
    fn dead_since(&self) -> Option<u64> {
        let lost = |health: &Health| matches!(health.fault(), Some(Fault::Lost | Fault::Gone | Fault::Hung));
        if self.sensors.iter().any(|(_, health)| lost(health)) {
            return None;
        }
        let since = self.sensors.iter().map(|(_, health)| health.dead_since());
        since.collect::<Option<Vec<u64>>>()?.into_iter().max()
    }
}

/// Returns a board's domain, changed to that of its estimate.
fn estimated(domain: &Domain, board: BoardEstimate) -> Domain {
    let BoardEstimate { power, name, method } = board;
    Domain {
        name,
        method: Some(method),
        source: NAME.to_owned(),
        quality: Quality::Estimated,
        kind: Kind::Energy,
        scale: Scale::MICRO,
        range: None,
        min_uw: Some(power.min_uw()),
        max_uw: Some(power.max_uw()),
        model_range: Some(power.range()),
        gain_percent: None,
        ..domain.clone()
    }
}

/// Returns what is assumed about a board that its driver calls `name`; `None` where its wattage is unknown.
fn board(name: &str, given_w: Option<f64>) -> Option<BoardEstimate> {
    let row = table::gpu(Some(name), "").or_else(|| table::virtual_gpu(name));
    let watts = BoardWatts::of(given_w, row)?;
    let method = format!("estimated from {watts} and the driver's utilisation");
    Some(BoardEstimate { power: board_power(watts.board_w()), name: name.to_owned(), method })
}

impl Supplement for Boards {
    fn found(&mut self, at: usize, domain: &Domain) -> Domain {
        let health = (at, Health::new(domain.kind));
        let second = |lit: &&mut Lit| domain.id == format!("{}/power", lit.estimate.board);
        if let Some(lit) = self.lit.iter_mut().find(second) {
            lit.sensors.push(health.clone());
        }
        let whole = domain.component == Component::Gpu && domain.domain == "board" && domain.parent.is_none();
        let Some(board) = board(&domain.name, self.watts).filter(|_| whole) else { return domain.clone() };
        let (estimate, estimated) = (Estimate::new(&domain.id, board.power), estimated(domain, board));
        if domain.quality == Quality::Missing {
            self.dark.insert(at, estimate);
            return estimated;
        }
        let (id, parent) = (format!("{}/estimate", domain.id), Some(domain.id.clone()));
        let beside = Domain { id, parent, ..estimated };
        self.lit.push(Lit { domain: beside, sensors: vec![health], estimate, place: None, acts: false });
        domain.clone()
    }

    fn read(&mut self, domains: &mut Vec<Domain>, batch: &mut Batch, first: usize) {
        let (dark, busy) = (&mut self.dark, &self.busy);
        batch.edit(first, |index, reading| match reading.value {
            Err(Fault::Lost | Fault::Gone | Fault::Hung) | Ok(_) => {}
            Err(_) => {
                let estimate = dark.get_mut(&index);
                if let Some(uj) = estimate.and_then(|estimate| estimate.value(busy, reading.after_ns)) {
                    (reading.before_ns, reading.value) = (reading.after_ns, Ok(uj));
                }
            }
        });
        for lit in &mut self.lit {
            for (domain, reading) in &batch.readings()[first..] {
                let sensor = lit.sensors.iter_mut().find(|(at, _)| at == domain);
                sensor.into_iter().for_each(|(_, health)| health.look(reading));
            }
            lit.act(busy, domains, batch);
        }
    }

    fn wants_gauges(&self) -> bool {
        self.busy.is_empty() && !self.dark.is_empty()
    }

    fn gauges(&mut self, gauges: &[Gauge]) {
        for gauge in gauges.iter().filter(|gauge| gauge.name == BUSY) {
            let ppm = (gauge.value.clamp(0.0, 1.0) * FULL as f64).round() as u64;
            self.busy.insert(gauge.device.clone(), ppm);
        }
    }
}

impl Lit {
    /// Counts while the board's sensors are dead, and once more when one is back.
    fn act(&mut self, busy: &BTreeMap<String, u64>, domains: &mut Vec<Domain>, batch: &mut Batch) {
        let dead_since = self.dead_since();
        let acted = std::mem::replace(&mut self.acts, dead_since.is_some());
        if (!acted && !self.acts) || !busy.contains_key(&self.estimate.board) {
            return;
        }
        let place = *self.place.get_or_insert_with(|| {
            domains.push(self.domain.clone());
            domains.len() - 1
        });
        if let Some(since_ns) = dead_since.filter(|_| self.estimate.at_ns.is_none() || !acted) {
            self.estimate.at_ns = Some(since_ns);
            batch.push(place, restart_reading(since_ns, self.estimate.integral.microjoules()));
        }
        let at_ns = batch.now_ns();
        if let Some(uj) = self.estimate.value(busy, at_ns) {
            batch.push(place, Reading { before_ns: at_ns, after_ns: at_ns, value: Ok(uj) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k05_a_virtual_gpu_is_estimated_from_the_board_that_it_is_of() {
        let watts = |name: &str| board(name, None).map(|board| board.power.full_uw / 1_000_000);
        assert_eq!(watts("GRID V100D-32Q"), Some(240), "0.8 of 300 W");
        assert_eq!(watts("NVIDIA L40S-48Q"), Some(280));
        assert_eq!(watts("NVIDIA A100-SXM4-80GB"), Some(320), "a board, not a share of one");
        assert_eq!(watts("GRID Unheard-8Q"), None);
        let BoardEstimate { power, name, method } = board("GRID Unheard-8Q", Some(120.0)).unwrap();
        assert_eq!((power.full_uw, power.idle_uw), (120_000_000, 27_000_000));
        assert_eq!(
            format!("{name}: {method}"),
            "GRID Unheard-8Q: estimated from given 120 W at full load and the driver's utilisation"
        );
    }

    /// A board of 250 W and its power, as its driver's source reads them: only while they work.
    struct Script(Vec<Domain>);

    impl Source for Script {
        fn name(&self) -> &str {
            "nvml"
        }
        fn domains(&self) -> &[Domain] {
            &self.0
        }
        fn read(&mut self, batch: &mut Batch) {
            let at_ns = batch.now_ns();
            let works = at_ns <= SECOND;
            if at_ns == 2 * SECOND {
                // Another board appears.
                self.0.push(Domain {
                    name: "NVIDIA L40S".into(),
                    ..Domain::counter("GPU-2", Component::Gpu, "board", "nvml")
                });
            }
            batch.one(0, || if works { Ok(at_ns / 10_000) } else { Err(Fault::Failed) });
            batch.one(1, || if works || at_ns == 3 * SECOND { Ok(100) } else { Err(Fault::Unsupported) });
            if self.0.len() > 2 {
                batch.one(2, || Ok(at_ns));
            }
        }
        fn gauges(&mut self, out: &mut Vec<Gauge>) {
            out.push(Gauge { device: "GPU-1".into(), name: BUSY.into(), unit: "1".into(), value: 1.0 });
        }
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn k05_a_board_whose_sensors_all_die_is_estimated_until_one_is_back() {
        let board =
            Domain { name: "Tesla V100-PCIE-16GB".into(), ..Domain::counter("GPU-1", Component::Gpu, "board", "nvml") };
        let parent = Some("GPU-1".to_owned());
        let power = Domain { parent, ..Domain::power("GPU-1/power", Component::Gpu, "power", "nvml") };
        let clock = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let script = Script(vec![board, power]);
        let mut source = behind(Box::new(script), &ModelOptions { gpu_watts: Some(250.0), ..ModelOptions::default() });
        source.gauges(&mut Vec::new());
        let mut read = |at_ns: u64| {
            clock.store(at_ns, std::sync::atomic::Ordering::Relaxed);
            let mut batch = Batch::new(crate::clock::Clock::Scripted(std::sync::Arc::clone(&clock)));
            source.read(&mut batch);
            let ids = |at: usize| source.domains()[at].id.clone();
            let shown = |(at, reading): &(usize, Reading)| (ids(*at), reading.after_ns / 1_000_000, reading.value.ok());
            let all: Vec<_> = batch.readings().iter().map(shown).collect();
            all.into_iter().filter(|(id, ..)| id != "GPU-1" && id != "GPU-1/power").collect::<Vec<_>>()
        };
        let estimate = |ms: u64, uj: u64| ("GPU-1/estimate".to_owned(), ms, Some(uj));
        assert_eq!(read(SECOND / 2), []);
        assert_eq!(read(SECOND), []);
        // Fully busy: 250 W from the last reading on.
        assert_eq!(read(SECOND * 3 / 2), [estimate(1_000, 0), estimate(1_500, 125_000_000)]);
        let second = ("GPU-2".to_owned(), 2_000, Some(2 * SECOND));
        assert_eq!(read(2 * SECOND), [second, estimate(2_000, 250_000_000)]);
        assert_eq!(read(3 * SECOND).last(), Some(&estimate(3_000, 500_000_000)), "once more, to settle the end");
        assert_eq!(read(3 * SECOND + 1).last().map(|(id, ..)| id.as_str()), Some("GPU-1/estimate"), "dead again");
    }
}
