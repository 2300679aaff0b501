//! What this machine's CPUs are taken to draw, from the best that is known of them.
//!
//! | level | what is known | full load of a thread | 90 % range under load | idle |
//! | --- | --- | --- | --- | --- |
//! | given | watts of all CPUs, from the user | those | 0.5 to 1.55 times | 0.12 to 3 times |
//! | calibrated | power of this machine's counters at three loads (`measured.rs`) | that | by the loads | by the loads |
//! | cloud | a provider's published watts of an average thread, with the option `cloud` | those | 0.55 to 3.3 | 0.1 to 3 |
//! | name | TDP and threads of the package | 0.95 TDP (Intel), 0.80 TDP (AMD) | 0.5 to 1.55 | 0.12 to 3 |
//! | frequency | die and base frequency | the same, of the listed products within 4 % | 0.5 to 1.55 | 0.1 to 3 |
//! | power law | die and base frequency, no product near | the same, of a power of the frequency | 0.42 to 2.35 | 0.1 to 3 |
//! | die | vendor, family, model | the same, of the median product | 0.55 to 3.3 | 0.1 to 3 |
//! | vendor | vendor of a server | the same, of the median server | 0.55 to 3.3 | 0.1 to 3 |
//! | nothing | a server | 2.9 W | 0.5 to 3.6 | 0.1 to 3 |
//!
//! Idle power is 0.12 TDP. The ranges are 90 % of 663 results of SPECpower_ssj2008 and of nine servers with counters,
//! by levels (docs/estimates.md has the back-test and its sources). As a factor no range is wider than one of less
//! knowledge. For clients (laptops, desktops) nothing was measured: full load is the base power, the range 0.5 to 3
//! times that of the die or the name, 0.2 to 6 times without either; these are assumptions.
//!
//! A guest, or a container, gets the share of the package that its threads are: who else is on the host, and who pays
//! for its idle power, is not in the range.

use super::cpu_name::{cores, normalise};
use super::dies::{self, AtFrequency, Die};
use super::identity::CpuFacts;
use super::measured::MeasuredMachine;
use super::options::ThreadWatts;
use super::power::{Factors, Power, Shape};
use super::table::{self, Class, CpuRow};

/// Power with nothing to do, as a share of TDP: Teads Engineering, *Estimating AWS EC2 Instances Power Consumption*
/// (2021).
const IDLE_SHARE: f64 = 0.12;
const IDLE: [f64; 2] = [0.1, 3.0];
const NAMED: Factors = Factors { idle: [0.12, 3.0], busy: [0.5, 1.55] };
const AT_FREQUENCY: Factors = Factors { idle: IDLE, busy: [0.5, 1.55] };
const POWER_LAW: Factors = Factors { idle: IDLE, busy: [0.42, 2.35] };
/// The back-test has 0.5, which would make it wider than the vendor's.
const OF_DIE: Factors = Factors { idle: IDLE, busy: [0.55, 3.3] };
const OF_VENDOR: Factors = Factors { idle: IDLE, busy: [0.55, 3.3] };
const OF_SERVERS: Factors = Factors { idle: IDLE, busy: [0.5, 3.6] };
/// Of a laptop or desktop whose die or name is known, and of one of which nothing is known: assumptions.
const CLIENT: Factors = Factors { idle: [0.1, 3.0], busy: [0.5, 3.0] };
const OF_CLIENTS: Factors = Factors { idle: [0.1, 6.0], busy: [0.2, 6.0] };

/// What is known of the CPUs; of what can be read from the machine, coarsest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Nothing,
    Vendor,
    Die,
    PowerLaw,
    Frequency,
    /// What a cloud provider publishes of an average thread.
    Rented,
    Name,
    /// What this machine's counters measured when they could be read.
    Calibrated,
    Given,
}

impl Level {
    /// Returns what the estimate rests on, to follow the words "known by".
    pub(crate) const fn known_by(self) -> &'static str {
        match self {
            Self::Nothing => "the number of its threads",
            Self::Vendor => "its vendor",
            Self::Die => "its die",
            Self::PowerLaw | Self::Frequency => "its die and base frequency",
            Self::Rented => "its cloud provider's average",
            Self::Name => "its name",
            Self::Calibrated => "its calibration",
            Self::Given => "its given watts",
        }
    }
}

/// What is assumed about the CPUs, and in which words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CpuEstimate {
    /// Power of all this machine's threads.
    pub(crate) power: Power,
    /// The processors' name: `AMD EPYC 7763`.
    pub(crate) name: String,
    /// How the power was calculated: `estimated from TDP 280 W × 2/128 threads`.
    pub(crate) method: String,
    /// What is known of them.
    pub(crate) level: Level,
    /// Server or client, which decides the memory's watts too.
    pub(crate) class: Class,
}

/// The estimate of one level, watts of all threads.
struct Candidate {
    level: Level,
    /// Watts of all threads when idle and at full load.
    watts: [f64; 2],
    factors: Factors,
    method: String,
}

impl CpuEstimate {
    /// Returns the estimate by this machine's own measurement; unchanged where the user gave watts.
    pub(super) fn calibrated(self, measured: Option<MeasuredMachine>) -> Self {
        match measured {
            Some(MeasuredMachine { cpu, .. }) if self.level < Level::Given => {
                let power = cpu.power(self.power.factors);
                Self { power, method: cpu.method(), level: Level::Calibrated, ..self }
            }
            _ => self,
        }
    }
}

/// Returns what to assume about these CPUs; `given_w` are the watts of all of them under full load, where a user knows
/// better, and `thread` is what their owner publishes of one thread.
#[must_use]
pub(crate) fn estimate(facts: &CpuFacts, given_w: Option<f64>, thread: Option<ThreadWatts>) -> CpuEstimate {
    let row = table::cpu(&normalise(&facts.name));
    let (by_design, die_name) = dies::identify(facts);
    let class = row.map_or_else(|| facts.class(by_design), |row| row.class);
    let die = die_name.and_then(dies::die).filter(|die| die.class == class);
    let Candidate { level, watts, factors, method } = match (given_w, thread) {
        (Some(watts), _) => given(watts),
        (None, Some(thread)) => rented(facts, thread),
        (None, None) => finest(facts, class, die, row),
    };
    let name = match (facts.name.as_str(), die_name) {
        ("", Some(die)) => die,
        ("", None) => "unnamed CPU",
        (name, _) => name,
    };
    CpuEstimate {
        power: Power::from_watts(watts, Shape::Package, factors),
        name: name.to_owned(),
        method: format!("estimated from {method}"),
        level,
        class,
    }
}

fn given(watts: f64) -> Candidate {
    let method = format!("given {watts} W");
    Candidate { level: Level::Given, watts: [IDLE_SHARE * watts, watts], factors: NAMED, method }
}

/// Returns the estimate by an average over a provider's processors: this one may be any of them.
fn rented(facts: &CpuFacts, thread: ThreadWatts) -> Candidate {
    let ThreadWatts { idle_w, busy_w, of } = thread;
    let count = f64::from(facts.threads);
    let method = format!("{idle_w} to {busy_w} W × {} threads, {of}", facts.threads);
    Candidate { level: Level::Rented, watts: [idle_w * count, busy_w * count], factors: OF_DIE, method }
}

/// Returns the estimate of the finest level that applies.
fn finest(facts: &CpuFacts, class: Class, die: Option<Die>, row: Option<CpuRow>) -> Candidate {
    let tdp = Tdp { amd: is_amd(facts), class };
    let threads = facts.threads;
    let named = || Some(tdp.named(threads, row?, package_threads(facts, &row?)?));
    let at_frequency = || {
        let (die, ghz) = (die?, facts.base_ghz.filter(|_| class == Class::Server)?);
        Some(tdp.at_frequency(threads, &die, ghz, die.at_frequency(ghz)?))
    };
    let by_die = || die.map(|die| of_die(Level::Die, threads, &die, factors_of(&die)));
    let by_vendor = || {
        let all = match facts.vendor.as_str() {
            "AuthenticAMD" | "HygonGenuine" => "any AMD server",
            "GenuineIntel" => "any Intel server",
            _ => return None,
        };
        let all = dies::die(all).filter(|_| class == Class::Server)?;
        Some(of_die(Level::Vendor, threads, &all, OF_VENDOR))
    };
    named().or_else(at_frequency).or_else(by_die).or_else(by_vendor).unwrap_or_else(|| nothing(threads, class))
}

/// Returns the factors of a die: those by level, which are of x86 servers, or its own where it has no listed products.
fn factors_of(die: &Die) -> Factors {
    let own = |range: [f64; 2], watts: f64| range.map(|limit| limit / watts);
    match (die.class, die.tdp_w) {
        (Class::Server, Some(_)) => OF_DIE,
        (Class::Client, Some(_)) => CLIENT,
        (_, None) => Factors { idle: own(die.idle_range_w, die.idle_w), busy: own(die.busy_range_w, die.busy_w) },
    }
}

fn nothing(threads: u32, class: Class) -> Candidate {
    let servers = dies::die("any server").filter(|_| class == Class::Server);
    if let Some(all) = servers {
        return of_die(Level::Nothing, threads, &all, OF_SERVERS);
    }
    let [tdp_w, _] = table::tdp_per_thread(class);
    let full_w = tdp_w * f64::from(threads);
    let method = format!("{} W TDP × {threads} threads, median of clients", rounded(tdp_w));
    Candidate { level: Level::Nothing, watts: [IDLE_SHARE * full_w, full_w], factors: OF_CLIENTS, method }
}

fn of_die(level: Level, threads: u32, die: &Die, factors: Factors) -> Candidate {
    let count = f64::from(threads);
    let method = format!("{} to {} W × {threads} threads of {}", die.idle_w, die.busy_w, die.name);
    Candidate { level, watts: [die.idle_w * count, die.busy_w * count], factors, method }
}

/// How power follows from TDP.
struct Tdp {
    amd: bool,
    class: Class,
}

impl Tdp {
    /// Returns full load as a share of TDP: SPECpower_ssj2008 and counters, by vendor; a client's base power is what it
    /// keeps up.
    fn full_share(&self) -> f64 {
        match (self.class, self.amd) {
            (Class::Client, _) => 1.0,
            (Class::Server, true) => 0.8,
            (Class::Server, false) => 0.95,
        }
    }

    fn watts(&self, tdp_w: f64) -> [f64; 2] {
        [IDLE_SHARE * tdp_w, self.full_share() * tdp_w]
    }

    fn at_frequency(&self, threads: u32, die: &Die, ghz: f64, at: AtFrequency) -> Candidate {
        let (level, tdp_w, factors, how) = match at {
            AtFrequency::Products(watts, listed) => {
                (Level::Frequency, watts, AT_FREQUENCY, format!("median of {listed} listed near that"))
            }
            AtFrequency::PowerLaw(watts) => (Level::PowerLaw, watts, POWER_LAW, "interpolated".to_owned()),
        };
        let method = format!("{} W TDP × {threads} threads, {} at {ghz:.2} GHz, {how}", rounded(tdp_w), die.name);
        Candidate { level, watts: self.watts(tdp_w * f64::from(threads)), factors, method }
    }

    fn named(&self, threads: u32, row: CpuRow, package: u32) -> Candidate {
        let tdp_w = row.tdp_w * f64::from(threads) / f64::from(package);
        let factors = if self.class == Class::Server { NAMED } else { CLIENT };
        let method = format!("TDP {} W × {threads}/{package} threads", row.tdp_w);
        Candidate { level: Level::Name, watts: self.watts(tdp_w), factors, method }
    }
}

/// Returns the threads of the package as it was built.
fn package_threads(facts: &CpuFacts, row: &CpuRow) -> Option<u32> {
    if facts.guest {
        // AMD's server names contain the number of cores; two threads per core.
        return row.threads.or_else(|| cores(&facts.name).map(|cores| cores * 2)).filter(|all| *all > 0);
    }
    facts.siblings.or(row.threads)
}

fn is_amd(facts: &CpuFacts) -> bool {
    matches!(facts.vendor.as_str(), "AuthenticAMD" | "HygonGenuine") || facts.name.to_lowercase().contains("amd ")
}

/// Rounds to two decimals: such watts are medians and quotients.
fn rounded(watts: f64) -> f64 {
    (watts * 1e2).round() / 1e2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::measured::{LoadPower, MeasuredPower};

    fn facts(vendor: &str, family: &str, model: &str, base_ghz: f64) -> CpuFacts {
        let (vendor, family, model) = (vendor.to_owned(), family.to_owned(), model.to_owned());
        CpuFacts { vendor, family, model, base_ghz: Some(base_ghz), threads: 4, guest: true, ..CpuFacts::default() }
    }

    fn of(facts: &CpuFacts) -> (Level, [u64; 2], Factors) {
        let CpuEstimate { level, power, .. } = estimate(facts, None, None);
        (level, [power.idle_uw, power.full_uw], power.factors)
    }

    /// By hand, for four threads: Milan at 2445 MHz has 2.1875 W TDP per thread, so 1.05 W idle (0.12) and 7 W busy
    /// (0.80).
    #[test]
    fn levels_by_hand() {
        let milan = facts("AuthenticAMD", "25", "1", 2.445_425);
        assert_eq!(of(&milan), (Level::Frequency, [1_050_000, 7_000_000], AT_FREQUENCY));
        // Without its frequency, the die: 0.28 and 1.88 W. Of AMD servers the same medians: at least 0.55 times.
        let die = CpuFacts { base_ghz: None, ..milan.clone() };
        let (level, watts, factors) = of(&die);
        assert_eq!((level, watts), (Level::Die, [1_120_000, 7_520_000]));
        assert_eq!(factors, OF_DIE);
        // An unknown model of AMD, and nothing at all: 0.39 and 2.9 W.
        let unheard = CpuFacts { model: "250".into(), base_ghz: None, ..milan.clone() };
        assert_eq!((of(&unheard).0, of(&unheard).1), (Level::Vendor, [1_120_000, 7_520_000]));
        let bare = CpuFacts { threads: 4, guest: true, ..CpuFacts::default() };
        assert_eq!(of(&bare), (Level::Nothing, [1_560_000, 11_600_000], OF_SERVERS));
        // 280 W of 128 threads: 8.75 W TDP for four, so 1.05 W and 7 W.
        let named = CpuFacts { name: "AMD EPYC 7763 64-Core Processor".into(), ..milan };
        assert_eq!(of(&named), (Level::Name, [1_050_000, 7_000_000], NAMED));
        // Intel, 270 W and 80 threads: 0.95 of TDP.
        let intel = CpuFacts {
            name: "Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz".into(),
            ..facts("GenuineIntel", "6", "106", 2.3)
        };
        assert_eq!(of(&intel), (Level::Name, [1_620_000, 12_825_000], NAMED), "270 W x 4/80 x 0.12 and 0.95");
        // Graviton3: a die without a listed product has its own limits, 0.8 to 3.5 W around 1.8.
        let arm = CpuFacts { base_ghz: None, ..facts("0x41", "8", "0xd40", 1.0) };
        let (level, watts, factors) = of(&arm);
        assert_eq!((level, watts), (Level::Die, [1_000_000, 7_200_000]));
        assert_eq!(factors.busy, [0.8 / 1.8, 3.5 / 1.8]);
    }

    /// As a factor: for each die at each of its frequencies, without the frequency, without the die, without the
    /// vendor.
    #[test]
    fn more_knowledge_never_widens_the_range() {
        let known = [
            ("AuthenticAMD", "25", "1"),
            ("AuthenticAMD", "25", "17"),
            ("GenuineIntel", "6", "106"),
            ("GenuineIntel", "6", "143"),
        ];
        for (vendor, family, model) in known {
            for tenth in 17..42 {
                let full = facts(vendor, family, model, f64::from(tenth) / 10.0);
                let less = [
                    CpuFacts { base_ghz: None, ..full.clone() },
                    CpuFacts { base_ghz: None, model: String::new(), ..full.clone() },
                    CpuFacts { base_ghz: None, vendor: String::new(), ..full.clone() },
                ];
                let width = |facts: &CpuFacts| {
                    let factors = of(facts).2;
                    (factors.busy[1] / factors.busy[0], factors.idle[1] / factors.idle[0])
                };
                let mut widths = vec![width(&full)];
                widths.extend(less.iter().map(width));
                assert!(
                    widths.windows(2).all(|pair| pair[0].0 <= pair[1].0 + 1e-9 && pair[0].1 <= pair[1].1 + 1e-9),
                    "{full:?}: {widths:?}"
                );
                assert!(of(&full).0 < Level::Frequency || widths[0].0 <= 3.5, "{full:?}: {widths:?}");
                assert!(widths[2].0 <= 7.0, "vendor alone: {widths:?}");
            }
        }
    }

    /// Each level that is read from the machine, and a provider's average, gives way; the user's watts do not.
    #[test]
    fn measurement_replaces_every_level_but_given_watts() {
        let at = |utilization, watts| LoadPower { utilization, watts, low_w: watts, high_w: watts };
        let cpu = MeasuredPower { idle: at(0.0, 40.0), half: at(0.5, 70.0), full: at(1.0, 100.0) };
        let measured = Some(MeasuredMachine { cpu, memory: None });
        let levels = [
            CpuFacts { threads: 4, guest: true, ..CpuFacts::default() },
            CpuFacts { vendor: "GenuineIntel".into(), threads: 4, guest: true, ..CpuFacts::default() },
            CpuFacts { name: "AMD EPYC 7763 64-Core Processor".into(), threads: 128, ..CpuFacts::default() },
        ];
        for facts in levels {
            let above = estimate(&facts, None, None);
            let own = above.clone().calibrated(measured);
            assert_eq!((own.level, own.power.full_uw, &own.name), (Level::Calibrated, 100_000_000, &above.name));
            let width = |[low, high]: [f64; 2]| high / low;
            let (own, above) = (own.power.factors, above.power.factors);
            assert!(width(own.busy) <= width(above.busy) && width(own.idle) <= width(above.idle), "{facts:?}");
            assert_eq!(estimate(&facts, None, None).calibrated(None).power.factors, above);
            let given = estimate(&facts, Some(65.0), None);
            assert_eq!(given.clone().calibrated(measured), given);
        }
    }

    #[test]
    fn clients_keep_their_base_power() {
        let laptop = CpuFacts {
            name: "13th Gen Intel(R) Core(TM) i5-1335U".into(),
            threads: 12,
            siblings: Some(12),
            guest: false,
            ..facts("GenuineIntel", "6", "186", 2.5)
        };
        assert_eq!(of(&laptop), (Level::Name, [1_800_000, 15_000_000], CLIENT));
        let unnamed = CpuFacts { name: String::new(), ..laptop };
        assert_eq!(
            (of(&unnamed).0, of(&unnamed).1),
            (Level::Die, [2_520_000, 24_720_000]),
            "12 threads of 0.21 and 2.06 W"
        );
    }
}
