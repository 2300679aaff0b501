//! The ceiling of a part: the most that it can draw, from what its model is built for.
//!
//! A ceiling distinguishes energy from a glitch where the hardware states no limit. So it is generous: what is far
//! below it is believed, what is above it is believed only when confirmed, and is an event.
//!
//! | part | ceiling | where from |
//! | --- | --- | --- |
//! | package in the table, server | 2 × TDP | firmware lets servers draw up to 1.25 × TDP for a time, peaks last milliseconds |
//! | package in the table, client | 4 × TDP, at least 60 W | 15 W parts with 55 W of turbo; 6 W parts with 25 W |
//! | package not in the table | what 95 % of the table's watts per thread do not exceed × threads × the same factor, at least 250 W (client) or 1 kW (server) | table |
//! | memory of a package | 60 W (client), 500 W (server) | 4 modules of 10 W with margin; 24 modules of 20 W |

use eco2_core::{Component, Domain};

use crate::Roots;
use crate::model::cpu_name::normalise;
use crate::model::dies;
use crate::model::identity::CpuFacts;
use crate::model::table::{self, Class};

/// Ceilings of one CPU package and of its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ceilings {
    /// Microwatts of one package.
    pub(crate) package_uw: u64,
    /// Microwatts of one package's memory.
    pub(crate) memory_uw: u64,
}

impl Ceilings {
    /// Returns the ceilings of the CPUs that `<procfs>/cpuinfo` describes.
    #[must_use]
    pub(crate) fn read(roots: &Roots) -> Self {
        Self::from_facts(&CpuFacts::read(&roots.procfs))
    }

    /// Returns the microwatts that a domain of a CPU package or its memory can draw; `None` for what holds more than
    /// that.
    #[must_use]
    pub(crate) fn of(self, domain: &Domain) -> Option<u64> {
        match domain.component {
            Component::Cpu => Some(self.package_uw),
            Component::Memory => Some(self.memory_uw),
            _ => None,
        }
    }

    fn from_facts(facts: &CpuFacts) -> Self {
        let row = table::cpu(&normalise(&facts.name));
        let class = row.map_or_else(|| facts.class(dies::identify(facts).0), |row| row.class);
        let factor = if class == Class::Server { 2.0 } else { 4.0 };
        let package_w = match (row, class) {
            (Some(row), Class::Server) => factor * row.tdp_w,
            (Some(row), Class::Client) => (factor * row.tdp_w).max(60.0),
            (None, class) => {
                let threads = f64::from(facts.siblings.unwrap_or(facts.threads));
                let least = if class == Class::Server || facts.name.is_empty() { 1_000.0 } else { 250.0 };
                (factor * table::tdp_per_thread(class)[1] * threads).max(least)
            }
        };
        let memory_w = if class == Class::Server { 500.0 } else { 60.0 };
        let uw = |watts: f64| (watts * 1e6).round() as u64;
        Self { package_uw: uw(package_w), memory_uw: uw(memory_w) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watts(name: &str, threads: u32, guest: bool) -> u64 {
        let facts = CpuFacts { name: name.to_owned(), threads, siblings: Some(threads), guest, ..CpuFacts::default() };
        Ceilings::from_facts(&facts).package_uw / 1_000_000
    }

    #[test]
    fn k04_the_ceiling_comes_from_the_model_of_the_processor() {
        assert_eq!(watts("AMD EPYC 7763 64-Core Processor", 128, false), 560, "2 x 280 W");
        assert_eq!(watts("AMD Ryzen 7 7840U w/ Radeon 780M Graphics", 16, false), 112, "4 x 28 W");
        assert_eq!(watts("Intel(R) N100", 4, false), 250, "not in the table: 4 x 8.75 W x 4 threads is less");
        assert_eq!(watts("AMD EPYC", 128, true), 2_720, "2 x 10.625 W x 128 threads");
        assert_eq!(watts("", 4, false), 1_000, "nothing is known of it");
    }
}
