//! Reads from `/proc/cpuinfo` what decides about RAPL, the CPU's energy counters: vendor, model, virtual or not, SGX or
//! not.
//!
//! SGX is Intel's protection of memory; with it on, the CPU makes its energy readings less exact.

use std::path::Path;

use crate::sysfs;

/// Facts about the first CPU listed; they hold for all others too.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuInfo {
    /// Whether it is made by AMD or Hygon (same RAPL registers): only the package counter is trusted there.
    pub(crate) amd: bool,
    /// Name of the processor; made of its family and model numbers where the kernel prints no name.
    pub(crate) model: Option<String>,
    /// Whether it runs under a hypervisor, which as a rule passes no energy counter through.
    pub(crate) hypervisor: bool,
    /// Whether SGX is on.
    pub(crate) sgx: bool,
    /// Whether it is Intel's Sapphire Rapids (family 6, model 143), whose memory counter some kernels read wrongly.
    pub(crate) sapphire_rapids: bool,
    /// Whether it is known to be of another architecture than x86: such processors have no RAPL.
    pub(crate) foreign: bool,
}

impl CpuInfo {
    /// Reads `cpuinfo` in the folder `procfs`; everything is unknown where the file is missing or of another
    /// architecture.
    pub(crate) fn read(procfs: &Path) -> Self {
        let text = sysfs::read_head(&procfs.join("cpuinfo")).unwrap_or_default();
        let flag = |name: &str| field(&text, "flags").is_some_and(|all| all.split_whitespace().any(|f| f == name));
        Self {
            amd: matches!(field(&text, "vendor_id"), Some("AuthenticAMD" | "HygonGenuine")),
            model: field(&text, "model name")
                .filter(|name| *name != "unknown")
                .map(str::to_owned)
                .or_else(|| by_numbers(&text)),
            hypervisor: flag("hypervisor"),
            sgx: flag("sgx"),
            sapphire_rapids: field(&text, "vendor_id") == Some("GenuineIntel")
                && field(&text, "cpu family") == Some("6")
                && field(&text, "model") == Some("143"),
            foreign: field(&text, "processor").is_some() && field(&text, "vendor_id").is_none(),
        }
    }

    /// Returns why a RAPL interface is missing and a remedy, which is empty where there is none.
    ///
    /// `what` states what is missing, such as "no power PMU at …"; `module` is the kernel module that provides it on
    /// x86.
    pub(crate) fn without(&self, what: &str, module: &str) -> (String, String) {
        if self.foreign {
            return (format!("{what}: not an x86 processor"), String::new());
        }
        if self.hypervisor {
            let reason = format!("{what}: this is a virtual machine without access to energy counters");
            // No setting inside the guest helps.
            return (reason, String::new());
        }
        (what.to_owned(), format!("sudo modprobe {module}"))
    }

    /// Returns a warning that applies to every RAPL reading of this CPU, if there is one.
    ///
    /// With SGX on, the CPU adds noise to RAPL readings and updates them less often, against CVE-2020-8694
    /// (INTEL-SA-00389) and CVE-2024-23984 (INTEL-SA-01103). The register that also turns the filter on without SGX
    /// (`IA32_MISC_PACKAGE_CTLS`) needs the msr device and is not read.
    pub(crate) fn filtering(&self) -> Option<&'static str> {
        self.sgx.then_some("SGX is on, so the CPU filters its energy readings: short spans are less exact")
    }

    /// Returns what a person calls a part of this CPU: `AMD EPYC 9654, package 0`.
    pub(crate) fn label(&self, part: &str) -> String {
        match &self.model {
            Some(model) => format!("{model}, {part}"),
            None => part.to_owned(),
        }
    }
}

/// Returns a name of a processor made of its numbers: `Intel family 6 model 143`, `Arm implementer 0x41 part 0xd0c`.
pub(crate) fn by_numbers(cpuinfo: &str) -> Option<String> {
    let number = |key: &str| field(cpuinfo, key);
    if let (Some(vendor), Some(family), Some(model)) = (number("vendor_id"), number("cpu family"), number("model")) {
        let vendor = match vendor {
            "GenuineIntel" => "Intel",
            "AuthenticAMD" => "AMD",
            "HygonGenuine" => "Hygon",
            other => other,
        };
        return Some(format!("{vendor} family {family} model {model}"));
    }
    Some(format!("Arm implementer {} part {}", number("CPU implementer")?, number("CPU part")?))
}

/// Returns the first value that is not empty of the lines `key : value`.
pub(crate) fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let values = text.lines().filter_map(|line| line.split_once(':'));
    values.filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim()).find(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> CpuInfo {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cpuinfo"), text).unwrap();
        CpuInfo::read(dir.path())
    }

    #[test]
    fn k15_processor_without_a_name_is_named_by_its_numbers() {
        let numbers = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\n";
        assert_eq!(parse(numbers).label("package 0"), "AMD family 25 model 1, package 0");
        assert_eq!(parse(&format!("{numbers}model name\t: unknown\n")).model.unwrap(), "AMD family 25 model 1");
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n";
        assert_eq!(parse(arm).model.as_deref(), Some("Arm implementer 0x41 part 0xd0c"));
        assert_eq!(parse("processor\t: 0\n").model, None);
    }

    #[test]
    fn reads_the_first_cpu() {
        let amd =
            parse("processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 9654\nflags\t\t: fpu sgx_lc\n");
        assert_eq!(amd, CpuInfo { amd: true, model: Some("AMD EPYC 9654".into()), ..CpuInfo::default() });
        assert_eq!(amd.label("package 1"), "AMD EPYC 9654, package 1");
        let intel = parse("vendor_id\t: GenuineIntel\nflags\t\t: fpu hypervisor sgx\n");
        assert!(intel.hypervisor && intel.sgx && !intel.amd && intel.filtering().is_some());
        assert_eq!(CpuInfo::read(Path::new("/nonexistent")), CpuInfo::default());
        assert!(parse("processor\t: 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\n").foreign);
        let rapids = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: Xeon\n";
        assert_eq!(parse(rapids).model.as_deref(), Some("Xeon"));
        assert!(parse(rapids).sapphire_rapids && !parse(&rapids.replace("143", "106")).sapphire_rapids);
    }
}
