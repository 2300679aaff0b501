//! Estimates the power of a virtual machine in a cloud from its virtual CPUs and memory (option `cloud`).
//!
//! Source: Cloud Carbon Footprint, *Methodology* (Apache-2.0), based on the SPECpower database. It publishes averages
//! (AWS, Azure) or medians (Google Cloud) of a provider's processors, and 0.392 W per gigabyte of memory. The bounds
//! are the idle and the busy power. They hold for any load, as far as the provider's average applies to this machine.

use eco2_core::Bounded;

/// A provider's watts per virtual CPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CloudPower {
    /// Provider: `aws`, `gcp` or `azure`.
    pub provider: &'static str,
    /// Idle, watts per virtual CPU.
    pub idle_w: f64,
    /// Busy, watts per virtual CPU.
    pub busy_w: f64,
    /// What the values are the average of, with the source.
    pub of: &'static str,
}

/// Watts per gigabyte of memory.
const MEMORY_W_PER_GB: f64 = 0.392;

/// Providers with published averages.
pub const CLOUDS: [CloudPower; 3] = [
    CloudPower {
        provider: "aws",
        idle_w: 0.74,
        busy_w: 3.5,
        of: "the average of AWS\'s processors (Cloud Carbon Footprint)",
    },
    CloudPower {
        provider: "gcp",
        idle_w: 0.71,
        busy_w: 4.26,
        of: "the median of Google Cloud\'s processors (Cloud Carbon Footprint)",
    },
    CloudPower {
        provider: "azure",
        idle_w: 0.78,
        busy_w: 3.76,
        of: "the average of Azure\'s processors (Cloud Carbon Footprint)",
    },
];

/// Returns the watts of a virtual machine with `vcpus` virtual CPUs and `memory_gb` gigabytes of memory, at a
/// `utilisation` from 0 to 1 (clamped). `None` for a provider that is not in [`CLOUDS`].
///
/// ```
/// // 8 × (0.74 + 0.5 × 2.76) W of virtual CPUs + 32 × 0.392 W of memory.
/// let watts = eco2_grid::carbon::cloud_power("aws", 8, 32.0, 0.5).expect("AWS is listed");
/// assert_eq!(watts.value.map(f64::round), Some(30.0));
/// ```
#[must_use]
pub fn cloud_power(provider: &str, vcpus: u32, memory_gb: f64, utilisation: f64) -> Option<Bounded<f64>> {
    let cloud = CLOUDS.iter().find(|cloud| cloud.provider == provider)?;
    let busy_share = utilisation.clamp(0.0, 1.0);
    let memory_w = memory_gb.max(0.0) * MEMORY_W_PER_GB;
    let watts = |share: f64| f64::from(vcpus) * (cloud.idle_w + share * (cloud.busy_w - cloud.idle_w)) + memory_w;
    Some(Bounded::plausible(watts(busy_share), watts(0.0), Some(watts(1.0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rented_machine_lies_between_idle_and_busy() {
        // 8 × (0.74 + 0.5 × 2.76) + 32 × 0.392 = 16.96 + 12.544.
        let watts = cloud_power("aws", 8, 32.0, 0.5).unwrap();
        assert!((watts.value.unwrap() - 29.504).abs() < 1e-9);
        assert!((watts.low - 18.464).abs() < 1e-9 && (watts.high.unwrap() - 40.544).abs() < 1e-9);
        assert_eq!(cloud_power("moon", 1, 1.0, 0.5), None);
    }
}
