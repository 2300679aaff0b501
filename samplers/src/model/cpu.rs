//! What this machine's CPUs are taken to draw, from their name and the number of their threads.
//!
//! The thermal design power (TDP) is a package's. This machine may have several packages, or, as a guest, a few threads
//! of one: it gets `TDP · threads here / threads of a package`. The numbers in addition to the TDP:
//!
//! | number | value | where from |
//! | --- | --- | --- |
//! | idle share of TDP | 0.12 | Teads Engineering, *Estimating AWS EC2 Instances Power Consumption* (2021): RAPL under turbostress on bare-metal Xeons, 0.12 · TDP at idle |
//! | busy share of TDP | 1 | by definition; the same study has 1.02 |
//! | watts per thread of a server CPU without a match | 3.75 | median of the shipped table's rows that know their threads (1.76 to 10.3) |
//! | the same of a client CPU | 2.333 | the same (0.94 to 11.7) |
//! | least, of TDP | server 0.05, client 0.02 | assumption: package sleep states; less than half of the study's idle |
//! | most, of TDP | server 1.25 | firmware's customary short-term limit, PL2 = 1.25 · PL1 (coreboot, Intel Lynx Point) |
//! | most, of TDP | client 4 | assumption: 15 W laptop parts with 55 W of turbo, 125 W desktop parts with 253 W |
//! | idle and busy of a rented thread | given | what is published of its provider; limits as of the class, the most twice as far: the average is over several processors |
//! | most, guest with part of a package | twice that, at most the whole package's | assumption: a thread alone on its core gets the core's power, and an idle package leaves its turbo to the guest |
//!
//! Main memory is not in it, and is not estimated at all: no source known to us gives watts per module that hold from
//! one machine to the next, and a constant per gibibyte would pass for a measurement.

use std::fs;
use std::path::Path;

use super::cpu_name::{cores, normalise};
use super::options::ThreadWatts;
use super::power::Power;
use super::table::{self, Class};

/// Power with nothing to do, as a share of TDP.
pub(crate) const IDLE_SHARE: f64 = 0.12;

/// The fields of `/proc/cpuinfo` that the estimate needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CpuFacts {
    /// Model name as the kernel prints it; empty where it prints none (most Arm machines).
    pub(crate) name: String,
    /// Hardware threads of this machine, at least 1.
    pub(crate) threads: u32,
    /// Threads of one package as the machine sees it; in a guest that is the hypervisor's invention.
    pub(crate) siblings: Option<u32>,
    /// A hypervisor is underneath.
    pub(crate) guest: bool,
    /// The processor's vendor or core design is of servers, whatever its name.
    pub(crate) server: bool,
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
}

impl CpuEstimate {
    fn new(name: &str, power: Power, method: &str) -> Self {
        Self { power, name: name.to_owned(), method: format!("estimated from {method}") }
    }
}

impl CpuFacts {
    /// Reads `<procfs>/cpuinfo`; without it, counts the CPUs that `<procfs>/stat` or the scheduler knows.
    #[must_use]
    pub(crate) fn read(procfs: &Path) -> Self {
        let text = fs::read_to_string(procfs.join("cpuinfo")).unwrap_or_default();
        let mut facts = Self::parse(&text);
        if facts.threads == 0 {
            let stat = fs::read_to_string(procfs.join("stat")).unwrap_or_default();
            let listed = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
            let known =
                if listed > 0 { Some(listed) } else { std::thread::available_parallelism().ok().map(Into::into) };
            facts.threads = known.and_then(|count: usize| u32::try_from(count).ok()).unwrap_or(1);
        }
        facts
    }

    fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let of =
                |line: &'_ str| line.split_once(':').filter(|(k, _)| k.trim() == key).map(|(_, v)| v.trim().to_owned());
            text.lines().find_map(of)
        };
        let threads = text.lines().filter(|line| line.split(':').next().is_some_and(|key| key.trim() == "processor"));
        Self {
            name: value("model name").or_else(|| power_name(&value("cpu")?)).unwrap_or_default(),
            threads: u32::try_from(threads.count()).unwrap_or(u32::MAX),
            siblings: value("siblings").and_then(|count| count.parse().ok()).filter(|count| *count > 0),
            guest: value("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            server: is_server(&value),
        }
    }

    /// Threads of the package as it was built.
    fn package_threads(&self, row: &table::CpuRow) -> Option<u32> {
        if self.guest {
            // AMD's server names contain the number of cores; two threads per core.
            return row.threads.or_else(|| cores(&self.name).map(|cores| cores * 2)).filter(|all| *all > 0);
        }
        self.siblings.or(row.threads)
    }

    pub(crate) fn class(&self) -> Class {
        let name = self.name.to_lowercase();
        let server = ["epyc", "xeon", "opteron", "neoverse", "ampere"].iter().any(|word| name.contains(word));
        // A guest without a specific name runs on a server.
        if server || self.server || self.guest { Class::Server } else { Class::Client }
    }
}

/// `POWER9` of `POWER9, altivec supported`.
fn power_name(cpu: &str) -> Option<String> {
    let name = cpu.split(',').next()?.trim();
    name.starts_with("POWER").then(|| name.to_owned())
}

/// Core designs of Arm servers as `CPU implementer` and `CPU part`; an empty part matches all of that implementer.
/// Source: Linux `arch/arm64/include/asm/cputype.h`, util-linux `sys-utils/lscpu-arm.c`.
const ARM_SERVERS: [(&str, &str); 17] = [
    ("0x41", "0xd0c"), // Neoverse N1: Graviton2, Ampere Altra
    ("0x41", "0xd40"), // Neoverse V1: Graviton3
    ("0x41", "0xd49"), // Neoverse N2
    ("0x41", "0xd4a"), // Neoverse E1
    ("0x41", "0xd4f"), // Neoverse V2: Graviton4, Grace
    ("0x41", "0xd84"), // Neoverse V3
    ("0x41", "0xd8e"), // Neoverse N3
    ("0x42", ""),      // Broadcom Vulcan
    ("0x43", ""),      // Cavium ThunderX
    ("0x46", ""),      // Fujitsu A64FX
    ("0x48", "0xd01"), // HiSilicon Kunpeng 920
    ("0x48", "0xd02"), // HiSilicon Kunpeng 920B
    ("0x48", "0xd06"), // HiSilicon Kunpeng
    ("0x50", ""),      // APM X-Gene
    ("0x51", "0xc00"), // Qualcomm Falkor: Centriq 2400
    ("0x6d", ""),      // Microsoft Azure Cobalt
    ("0xc0", ""),      // AmpereOne
];

/// Whether `/proc/cpuinfo` has a server's vendor (Hygon), architecture (POWER) or core design (Arm).
fn is_server(value: &impl Fn(&str) -> Option<String>) -> bool {
    let is = |key: &str, wanted: &str| wanted.is_empty() || value(key).is_some_and(|found| found == wanted);
    let arm = || ARM_SERVERS.iter().any(|(maker, part)| is("CPU implementer", maker) && is("CPU part", part));
    is("vendor_id", "HygonGenuine") || value("cpu").is_some_and(|cpu| power_name(&cpu).is_some()) || arm()
}

/// Watts of one thread by class: the lowest, the median and the highest of the table's rows that know their threads.
#[must_use]
pub(crate) fn watts_per_thread(class: Class) -> (f64, f64, f64) {
    match class {
        Class::Server => (1.757_812_5, 3.75, 10.3125),
        Class::Client => (0.9375, 2.333_333_333_333_333_5, 11.666_666_666_666_666),
    }
}

/// Least and most power, as shares of TDP.
fn limits(class: Class) -> (f64, f64) {
    match class {
        Class::Server => (0.05, 1.25),
        Class::Client => (0.02, 4.0),
    }
}

/// What to assume about these CPUs; `given_w` are the watts of all of them under full load, where a user knows better,
/// and `thread` is what their owner publishes of one thread.
#[must_use]
pub(crate) fn estimate(facts: &CpuFacts, given_w: Option<f64>, thread: Option<ThreadWatts>) -> CpuEstimate {
    let row = table::cpu(&normalise(&facts.name));
    let name = if facts.name.is_empty() { "unnamed CPU" } else { &facts.name };
    if let Some(watts) = given_w {
        let (least, most) = limits(row.map_or(facts.class(), |row| row.class));
        let power = Power::from_watts(least * watts, IDLE_SHARE * watts, watts, most * watts);
        return CpuEstimate::new(name, power, &format!("given {watts} W"));
    }
    if let Some(thread) = thread {
        return rented(name, facts, row.map_or(facts.class(), |row| row.class), thread);
    }
    match row.map(|row| (row, facts.package_threads(&row))) {
        Some((row, Some(package))) => by_share(name, facts.threads, row, package),
        Some((row, None)) => by_class(name, facts.threads, row.class, Some(row.tdp_w)),
        None => by_class(name, facts.threads, facts.class(), None),
    }
}

/// An average over a provider's processors: this one may be any of them.
fn rented(name: &str, facts: &CpuFacts, class: Class, thread: ThreadWatts) -> CpuEstimate {
    let (least, most) = limits(class);
    let count = f64::from(facts.threads);
    let busy = thread.busy_w * count;
    let power = Power::from_watts(least * busy, thread.idle_w * count, busy, 2.0 * most * busy);
    let ThreadWatts { idle_w, busy_w, of } = thread;
    CpuEstimate::new(name, power, &format!("{idle_w} to {busy_w} W × {} threads, {of}", facts.threads))
}

fn by_share(name: &str, threads: u32, row: table::CpuRow, package: u32) -> CpuEstimate {
    let watts = row.tdp_w * f64::from(threads) / f64::from(package);
    let (least, most) = limits(row.class);
    let max = if threads < package { (2.0 * most * watts).min(most * row.tdp_w) } else { most * watts };
    let power = Power::from_watts(least * watts, IDLE_SHARE * watts, watts, max);
    CpuEstimate::new(name, power, &format!("TDP {} W × {threads}/{package} threads", row.tdp_w))
}

/// Without a match, or without the number of threads that its TDP is for.
fn by_class(name: &str, threads: u32, class: Class, tdp_w: Option<f64>) -> CpuEstimate {
    let (lowest, median, highest) = watts_per_thread(class);
    let (least, most) = limits(class);
    let count = f64::from(threads);
    let (watts, cap) = (median * count, tdp_w.unwrap_or(f64::INFINITY));
    let busy = if tdp_w.is_some() { watts.min(cap) } else { watts };
    let max = (2.0 * most * highest * count).min(most * cap);
    let power = Power::from_watts(least * lowest * count, IDLE_SHARE * busy, busy, max);
    let kind = if class == Class::Server { "server" } else { "client" };
    let why = if tdp_w.is_some() { "threads of its package unknown" } else { "name not in the table" };
    // Three decimals: the median is a quotient.
    let median = (median * 1e3).round() / 1e3;
    CpuEstimate::new(name, power, &format!("{median} W × {threads} threads, the median of {kind} CPUs ({why})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watts_per_thread_are_the_tables() {
        for class in [Class::Server, Class::Client] {
            let of = |row: table::CpuRow| Some(row.tdp_w / f64::from(row.threads?));
            let mut watts: Vec<f64> = table::cpus().filter(|row| row.class == class).filter_map(of).collect();
            watts.sort_by(f64::total_cmp);
            let middle = watts.len() / 2;
            let median = if watts.len() % 2 == 1 { watts[middle] } else { (watts[middle - 1] + watts[middle]) / 2.0 };
            let (lowest, stated, highest) = watts_per_thread(class);
            for (stated, table) in [(lowest, watts[0]), (stated, median), (highest, watts[watts.len() - 1])] {
                assert!((stated - table).abs() < 1e-9, "{class:?}: {stated} is {table} in the table");
            }
        }
    }

    #[test]
    fn k15_hygon_arm_and_power_servers_are_servers_also_without_a_name() {
        let class = |text: &str| CpuFacts::parse(&format!("processor\t: 0\n{text}\n\n")).class();
        let hygon = "vendor_id\t: HygonGenuine\nmodel name\t: Hygon C86 7185 32-core Processor\nflags\t\t: fpu";
        assert_eq!(class(hygon), Class::Server);
        let arm = |maker: &str, part: &str| class(&format!("CPU implementer\t: {maker}\nCPU part\t: {part}"));
        // Graviton2, Graviton4 or Grace, Kunpeng 920, ThunderX2, AmpereOne.
        for (maker, part) in
            [("0x41", "0xd0c"), ("0x41", "0xd4f"), ("0x48", "0xd01"), ("0x43", "0x0af"), ("0xc0", "0xac3")]
        {
            assert_eq!(arm(maker, part), Class::Server, "{maker} {part}");
        }
        // Cortex-A72 (Raspberry Pi 4), Carmel (Jetson Xavier), Apple M1: no servers.
        for (maker, part) in [("0x41", "0xd08"), ("0x4e", "0x004"), ("0x61", "0x022")] {
            assert_eq!(arm(maker, part), Class::Client, "{maker} {part}");
        }
        let power = CpuFacts::parse("processor\t: 0\ncpu\t\t: POWER9, altivec supported\nmachine\t: PowerNV\n");
        assert_eq!((power.class(), power.name.as_str()), (Class::Server, "POWER9"));
        assert_eq!(class("vendor_id\t: GenuineIntel\nmodel name\t: Unheard"), Class::Client);
        assert_eq!(class(""), Class::Client, "nothing is known");
    }
}
