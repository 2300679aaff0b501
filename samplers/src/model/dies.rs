//! Processor designs ("dies"): which one a machine has, and what is published of its power.
//!
//! A hypervisor often hides the name of a processor and leaves its vendor, family, model and stepping, which identify
//! the die (`data/cpu_families.csv`), and the frequency of the time-stamp counter, which is the base frequency. Makers
//! sell one die at very different powers per thread; the base frequency distinguishes them (`data/cpu_products.csv`).

use super::identity::CpuFacts;
use super::table::{Class, fields, weighted_median};

const FAMILIES: &str = include_str!("../../data/cpu_families.csv");
const WATTS: &str = include_str!("../../data/watts_per_thread.csv");
const PRODUCTS: &str = include_str!("../../data/cpu_products.csv");

/// Listed products whose base frequency differs by no more than this share are the ones that a machine may be.
const NEAR: f64 = 0.04;

/// What is published of one design, or of all servers of a vendor, in watts of a package per hardware thread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Die {
    /// `Milan`, `any AMD server`.
    pub(crate) name: &'static str,
    /// Server or client.
    pub(crate) class: Class,
    /// Watts per thread with nothing to do.
    pub(crate) idle_w: f64,
    /// Watts per thread with all threads at work.
    pub(crate) busy_w: f64,
    /// 90 % range of `idle_w`.
    pub(crate) idle_range_w: [f64; 2],
    /// 90 % range of `busy_w`.
    pub(crate) busy_range_w: [f64; 2],
    /// Median TDP per thread of the listed products; `None` where the makers publish none.
    pub(crate) tdp_w: Option<f64>,
    /// TDP per thread = `.0 · GHz ^ .1` over the listed products.
    power_law: Option<(f64, f64)>,
}

/// The TDP per thread of a die's products near a base frequency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum AtFrequency {
    /// Median of this many listed products, each weighted with its threads.
    Products(f64, usize),
    /// No product is listed near: by the power law between the slowest and the fastest.
    PowerLaw(f64),
}

/// Returns the class by vendor, family, model and stepping, where these decide, and the name of the die, where it has
/// data.
#[must_use]
pub(crate) fn identify(facts: &CpuFacts) -> (Option<Class>, Option<&'static str>) {
    let rows = fields::<9>(FAMILIES).filter(|[vendor, family, model, ..]| {
        *vendor == facts.vendor && is_in(family, &facts.family) && is_in(model, &facts.model)
    });
    // A row with a stepping precedes one without.
    let fits = |stepping: &str| match (stepping, facts.stepping) {
        ("", _) => true,
        (range, Some(own)) => is_in(range, &own.to_string()),
        (_, None) => false,
    };
    let row = rows.filter(|row| fits(row[3])).max_by_key(|row| !row[3].is_empty());
    let Some([_, _, _, _, class, die, ..]) = row else { return (by_vendor(&facts.vendor), None) };
    let class = match class {
        "server" => Some(Class::Server),
        "client" => Some(Class::Client),
        _ => None,
    };
    (class, Some(die).filter(|die| !die.is_empty()))
}

/// Vendors that make servers only: Hygon, IBM, and of the Arm implementers Cavium, Fujitsu, HiSilicon, APM, Microsoft,
/// Ampere.
fn by_vendor(vendor: &str) -> Option<Class> {
    let servers = ["HygonGenuine", "IBM", "IBM/S390", "0x43", "0x46", "0x48", "0x50", "0x6d", "0xc0"];
    servers.contains(&vendor).then_some(Class::Server)
}

/// Whether `text` is the value, or in the range `from-to` of a table's field; an empty field holds for all.
fn is_in(field: &str, text: &str) -> bool {
    let in_range = || {
        let (from, to) = field.split_once('-')?;
        let number: u32 = text.parse().ok()?;
        Some((from.parse().ok()?..=to.parse().ok()?).contains(&number))
    };
    field.is_empty() || field == text || in_range().unwrap_or(false)
}

/// Returns the row of a die, or of `any AMD server`, `any Intel server`, `any server`.
#[must_use]
pub(crate) fn die(name: &str) -> Option<Die> {
    all().find(|die| die.name == name)
}

fn all() -> impl Iterator<Item = Die> {
    fields::<15>(WATTS).filter_map(|row| {
        let number = |at: usize| row[at].parse::<f64>().ok();
        Some(Die {
            name: row[0],
            class: Class::parse(row[1]),
            idle_w: number(2)?,
            busy_w: number(3)?,
            idle_range_w: [number(4)?, number(5)?],
            busy_range_w: [number(6)?, number(7)?],
            tdp_w: number(8),
            power_law: number(9).zip(number(10)),
        })
    })
}

impl Die {
    /// Returns the TDP per thread of the products with a base frequency of about `ghz`; `None` outside what is listed.
    #[must_use]
    pub(crate) fn at_frequency(&self, ghz: f64) -> Option<AtFrequency> {
        let products: Vec<(f64, f64, f64)> = fields::<5>(PRODUCTS)
            .filter(|row| row[0] == self.name)
            .filter_map(|row| Some((row[1].parse().ok()?, row[2].parse().ok()?, row[3].parse().ok()?)))
            .collect();
        let near = products.iter().filter(|(base, ..)| (base / ghz - 1.0).abs() <= NEAR);
        let near: Vec<(f64, f64)> = near.map(|(_, threads, tdp)| (tdp / threads, *threads)).collect();
        if !near.is_empty() {
            return Some(AtFrequency::Products(weighted_median(near.clone()), near.len()));
        }
        let (a, b) = self.power_law?;
        let listed = |pick: fn(f64, f64) -> f64| products.iter().map(|(base, ..)| *base).reduce(pick);
        let inside = listed(f64::min)? <= ghz && ghz <= listed(f64::max)?;
        inside.then(|| AtFrequency::PowerLaw(a * ghz.powf(b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(vendor: &str, family: &str, model: &str, stepping: Option<u32>) -> CpuFacts {
        let (vendor, family, model) = (vendor.to_owned(), family.to_owned(), model.to_owned());
        CpuFacts { vendor, family, model, stepping, ..CpuFacts::default() }
    }

    #[test]
    fn every_row_is_whole_and_every_die_has_watts() {
        for (text, parsed) in [
            (FAMILIES, fields::<9>(FAMILIES).count()),
            (PRODUCTS, fields::<5>(PRODUCTS).count()),
            (WATTS, all().count()),
        ] {
            assert_eq!(parsed, text.lines().filter(|line| !line.starts_with('#')).count() - 1);
        }
        for [vendor, family, model, _, _, name, exact, _, source] in fields::<9>(FAMILIES) {
            assert!(name.is_empty() || die(name).is_some(), "{vendor} {family} {model}: no watts of {name}");
            assert_eq!(name.is_empty(), exact.is_empty(), "{vendor} {family} {model}");
            assert!(!source.is_empty());
        }
        for row in all() {
            assert!(row.idle_range_w[0] <= row.idle_w && row.idle_w <= row.idle_range_w[1], "{row:?}");
            assert!(row.busy_range_w[0] <= row.busy_w && row.busy_w <= row.busy_range_w[1], "{row:?}");
        }
        let listed = |row: &[&str; 5]| row[1].parse::<f64>().is_ok() && row[3].parse::<f64>().is_ok();
        assert!(fields::<5>(PRODUCTS).all(|row| listed(&row) && row[2].parse::<u32>().is_ok_and(|n| n > 0)));
    }

    #[test]
    fn family_model_and_stepping_identify_the_die() {
        let name = |vendor, family, model, stepping| identify(&facts(vendor, family, model, stepping)).1;
        assert_eq!(name("AuthenticAMD", "25", "1", Some(1)), Some("Milan"));
        assert_eq!(name("GenuineIntel", "6", "85", Some(4)), Some("Skylake-SP"));
        assert_eq!(name("GenuineIntel", "6", "85", Some(7)), Some("Cascade Lake-SP"));
        assert_eq!(name("GenuineIntel", "6", "143", None), Some("Sapphire Rapids"));
        assert_eq!(name("0x41", "8", "0xd4f", None), Some("Neoverse V2"));
        assert_eq!(name("HygonGenuine", "24", "2", None), Some("Naples"), "the nearest relative");
        assert_eq!(name("AuthenticAMD", "25", "200", None), None);
        assert_eq!(name("", "", "", None), None);
    }

    #[test]
    fn k15_hygon_arm_and_power_servers_are_servers_also_without_a_name() {
        let class = |vendor, family, model| identify(&facts(vendor, family, model, None)).0;
        assert_eq!(class("HygonGenuine", "24", "1"), Some(Class::Server));
        // Graviton2, Graviton4 or Grace, Kunpeng 920, ThunderX2, AmpereOne; an unknown part of Ampere.
        for (maker, part) in [
            ("0x41", "0xd0c"),
            ("0x41", "0xd4f"),
            ("0x48", "0xd01"),
            ("0x43", "0x0af"),
            ("0xc0", "0xac3"),
            ("0xc0", "0x1"),
        ] {
            assert_eq!(class(maker, "8", part), Some(Class::Server), "{maker} {part}");
        }
        // Cortex-A76, Carmel (Jetson Xavier), Apple M1: no servers. Cortex-A72: the part does not decide.
        for (maker, part) in [("0x41", "0xd0b"), ("0x4e", "0x004"), ("0x61", "0x022"), ("0x48", "0xd40")] {
            assert_eq!(class(maker, "8", part), Some(Class::Client), "{maker} {part}");
        }
        assert_eq!(class("0x41", "8", "0xd08"), None);
        assert_eq!(class("IBM", "POWER9", ""), Some(Class::Server));
    }

    /// By hand: within 4 % of 2.445 GHz are the 7303 and 7303P (2.4 GHz, 130 W, 32 threads) and the 7763 (2.45 GHz, 280
    /// W, 128 threads): 64 threads of 4.06 W and 128 of 2.19 W.
    #[test]
    fn base_frequency_selects_the_products() {
        let milan = die("Milan").unwrap();
        assert_eq!(milan.at_frequency(2.445_425), Some(AtFrequency::Products(2.1875, 3)));
        // 3.35 GHz lies between the listed 3.2 and 3.5, more than 4 % from both: 0.339 · 3.35^2.43.
        let Some(AtFrequency::PowerLaw(watts)) = milan.at_frequency(3.35) else { panic!("no product is near") };
        assert!((watts - 6.397).abs() < 0.01, "{watts}");
        assert_eq!(milan.at_frequency(9.0), None, "beyond the fastest");
    }
}
