//! Reads from `/proc/cpuinfo` and `/proc/meminfo` what an estimate of the machine's power needs.

use std::path::Path;

use super::table::Class;
use crate::cpuinfo::field;
use crate::host_gauges::meminfo_bytes;
use crate::sysfs;

/// The processor as the kernel describes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CpuFacts {
    /// Model name as the kernel prints it; empty where it prints none (most Arm machines).
    pub(crate) name: String,
    /// `vendor_id` on x86, `CPU implementer` on Arm, `IBM` on POWER and `IBM/S390`; empty if not shown.
    pub(crate) vendor: String,
    /// `cpu family` on x86, `CPU architecture` on Arm, `POWER9` on POWER.
    pub(crate) family: String,
    /// `model` on x86, `CPU part` on Arm.
    pub(crate) model: String,
    /// Stepping on x86.
    pub(crate) stepping: Option<u32>,
    /// Frequency of the time-stamp counter, half of `bogomips`: the base frequency of x86 dies, gigahertz. `None`
    /// elsewhere.
    pub(crate) base_ghz: Option<f64>,
    /// Hardware threads of this machine, at least 1.
    pub(crate) threads: u32,
    /// Threads of one package as the machine sees it; in a guest the hypervisor chooses that number.
    pub(crate) siblings: Option<u32>,
    /// Whether this is a virtual machine (a hypervisor is underneath).
    pub(crate) guest: bool,
}

impl CpuFacts {
    /// Reads `<procfs>/cpuinfo`; without it, counts the CPUs that `<procfs>/stat` or the scheduler knows.
    #[must_use]
    pub(crate) fn read(procfs: &Path) -> Self {
        let text = sysfs::read_long_text(&procfs.join("cpuinfo")).unwrap_or_default();
        let mut facts = Self::parse(&text);
        if facts.threads == 0 {
            let stat = sysfs::read_long_text(&procfs.join("stat")).unwrap_or_default();
            let listed = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
            let known =
                if listed > 0 { Some(listed) } else { std::thread::available_parallelism().ok().map(Into::into) };
            facts.threads = known.and_then(|count: usize| u32::try_from(count).ok()).unwrap_or(1);
        }
        facts
    }

    /// Parses the text of `/proc/cpuinfo`.
    pub(crate) fn parse(text: &str) -> Self {
        let value = |key: &str| field(text, key).map(str::to_owned);
        let keys = text.lines().filter_map(|line| line.split_once(':'));
        let threads = keys.filter(|(name, _)| name.trim() == "processor").count();
        let power = value("cpu").and_then(|cpu| power_name(&cpu));
        let x86 = value("cpu family").is_some();
        let bogomips = value("bogomips").and_then(|text| text.parse::<f64>().ok());
        let implementer = value("CPU implementer");
        let vendor =
            value("vendor_id").or_else(|| implementer.clone()).or_else(|| power.as_ref().map(|_| "IBM".into()));
        Self {
            // Some hypervisors state `unknown`.
            name: value("model name").filter(|name| name != "unknown").or_else(|| power.clone()).unwrap_or_default(),
            vendor: vendor.unwrap_or_default(),
            family: value("cpu family").or_else(|| value("CPU architecture")).or(power).unwrap_or_default(),
            model: value("model").filter(|_| x86).or_else(|| value("CPU part")).unwrap_or_default(),
            stepping: value("stepping").and_then(|text| text.parse().ok()),
            base_ghz: bogomips.filter(|value| x86 && value.is_finite() && *value > 0.0).map(|value| value / 2_000.0),
            threads: u32::try_from(threads).unwrap_or(u32::MAX),
            siblings: value("siblings").and_then(|count| count.parse().ok()).filter(|count| *count > 0),
            guest: value("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
        }
    }

    /// Returns whether it is a server or a client: by words of the name, by the design (`by_design`), else a guest runs
    /// on a server.
    pub(crate) fn class(&self, by_design: Option<Class>) -> Class {
        let name = self.name.to_lowercase();
        let server = ["epyc", "xeon", "opteron", "neoverse", "ampere"].iter().any(|word| name.contains(word));
        match by_design {
            _ if server => Class::Server,
            Some(class) => class,
            None if self.guest => Class::Server,
            None => Class::Client,
        }
    }
}

/// Returns the name of an IBM POWER processor: `POWER9` of `POWER9, altivec supported`.
fn power_name(cpu: &str) -> Option<String> {
    let name = cpu.split([',', ' ']).next()?.trim();
    name.starts_with("POWER").then(|| name.to_owned())
}

/// Reads the main memory of this machine in bytes; `None` where the kernel does not show it.
pub(crate) fn memory_bytes(procfs: &Path) -> Option<u64> {
    let text = sysfs::read_long_text(&procfs.join("meminfo")).ok()?;
    meminfo_bytes(&text, "MemTotal:").filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn facts_of_an_x86_guest_an_arm_server_and_power() {
        let milan = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n\
                     stepping\t: 1\nsiblings\t: 2\nflags\t\t: fpu hypervisor\nbogomips\t: 4890.85\n\n";
        let facts = CpuFacts::parse(milan);
        assert_eq!((facts.vendor.as_str(), facts.family.as_str(), facts.model.as_str()), ("AuthenticAMD", "25", "1"));
        assert_eq!((facts.stepping, facts.base_ghz, facts.guest), (Some(1), Some(2.445_425), true));
        let arm =
            "processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd0c\n";
        let facts = CpuFacts::parse(arm);
        assert_eq!((facts.vendor.as_str(), facts.family.as_str(), facts.model.as_str()), ("0x41", "8", "0xd0c"));
        assert_eq!(facts.base_ghz, None, "BogoMIPS of Arm is the timer's");
        let facts = CpuFacts::parse("processor\t: 0\ncpu\t\t: POWER9, altivec supported\nmachine\t: PowerNV\n");
        assert_eq!((facts.vendor.as_str(), facts.family.as_str(), facts.name.as_str()), ("IBM", "POWER9", "POWER9"));
    }

    #[test]
    fn memory_is_read_or_unknown() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(memory_bytes(folder.path()), None);
        fs::write(folder.path().join("meminfo"), "MemTotal:       16384000 kB\nMemFree: 1 kB\n").unwrap();
        assert_eq!(memory_bytes(folder.path()), Some(16_777_216_000));
        fs::write(folder.path().join("meminfo"), "MemTotal: garbage\n").unwrap();
        assert_eq!(memory_bytes(folder.path()), None);
    }
}
